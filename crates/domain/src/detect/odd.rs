//! What is odd though no sample is outside of its range: a series that stands still, and one that crept.
//!
//! Both are evidence beside what is felt, and neither calls for an incident: a sensor may be stuck and its service well,
//! and what fills for hours may be a cache.

use std::collections::BTreeMap;
use std::time::Duration;

use super::Detector;
use super::explained::{EXPLAINED_FACTOR, TRAFFIC_RISE};
use super::findings::{Abnormal, id};
use super::present::Present;
use super::series::Oddity;
use super::table::{Odd, Seen};
use crate::{Anomaly, Direction, ServiceId, Signal, Timestamp};

/// Odd series that are looked at; where more are, it is their senders. A case has room for more than these.
const ODD_MAX: usize = 32;
/// Series of its process that have to vary as ever, for one that does not to be odd.
const MOVING_MIN: usize = 2;
/// A sample that is older than so many intervals, and than [`FRESH_MIN`], says nothing of now.
const FRESH_INTERVALS: f64 = 3.0;
const FRESH_MIN: Duration = Duration::from_secs(30);

/// How many series of each process of a service vary as ever, and how many stand still.
type Movement<'a> = BTreeMap<&'a str, (usize, usize)>;

impl Detector {
    /// What stands still while most of its process goes on, and what crept while traffic does not explain it.
    pub(super) fn odd<'a>(&'a self, present: &Present<'a>) -> Vec<Abnormal> {
        let mut movements: BTreeMap<&ServiceId, Movement<'a>> = BTreeMap::new();
        let mut found = Vec::new();
        for (odd, seen) in self.table.odd().take(ODD_MAX) {
            if !self.is_fresh(seen) || present.has_left(seen) {
                continue;
            }
            let anomaly = match odd.oddity {
                Oddity::Still => {
                    let movement =
                        movements.entry(&seen.group.service).or_insert_with(|| self.movement(&seen.group.service));
                    let (moving, still) = movement.get(&*seen.origin.instance).copied().unwrap_or_default();
                    (moving >= MOVING_MIN.max(still)).then(|| self.of_still(seen, odd))
                }
                Oddity::Creeps => self.of_creeping(seen, odd),
            };
            let every = Duration::from_secs_f64(seen.series.interval_s());
            found.extend(anomaly.map(|anomaly| Abnormal { anomaly, is_worthy: false, stands_alone: false, every }));
        }
        found
    }

    fn of_still(&self, seen: Seen<'_>, odd: Odd) -> Anomaly {
        let median = seen.series.baseline.median();
        let value = seen.series.recent().next().map_or(median, |sample| sample.value);
        let direction = if value >= median { Direction::Up } else { Direction::Down };
        let still = Anomaly {
            signal: Signal::FlatLine,
            observed: value,
            score: 1.0,
            ..self.of_series(seen, odd.since, direction)
        };
        dated(still, seen, odd)
    }

    /// A resource that filled up, unless there is about as much more to do.
    fn of_creeping(&self, seen: Seen<'_>, odd: Odd) -> Option<Anomaly> {
        let (from, score) = seen.series.crept(seen.tuning())?;
        let observed = seen.series.baseline.median();
        let growth = self.traffic_near(seen).map(|(_, other)| other.series.growth()).fold(1.0, f64::max);
        let is_explained = growth >= TRAFFIC_RISE && observed <= from * (1.0 + (growth - 1.0) * EXPLAINED_FACTOR);
        if is_explained || self.is_explained_by_traffic(seen) {
            return None;
        }
        let of_series = self.of_series(seen, odd.since, Direction::Up);
        let crept = Anomaly { signal: Signal::Drift, expected: from, observed, score, ..of_series };
        Some(dated(crept, seen, odd))
    }

    /// How the series of each process of a service move.
    fn movement<'a>(&'a self, service: &ServiceId) -> Movement<'a> {
        let mut movement = Movement::new();
        for seen in self.table.of_service(service).filter(|seen| self.is_fresh(*seen)) {
            let (moving, still) = movement.entry(&*seen.origin.instance).or_default();
            if seen.series.is_moving() {
                *moving += 1;
            } else if seen.series.oddity(seen.tuning(), false) == Some(Oddity::Still) {
                *still += 1;
            }
        }
        movement
    }

    /// Whether the newest sample says something of now.
    pub(super) fn is_fresh(&self, seen: Seen<'_>) -> bool {
        self.is_recent(seen.series.last, seen.series.interval_s())
    }

    /// Whether what comes about every so many seconds says something of now when it came last at a time.
    pub(super) fn is_recent(&self, last: Timestamp, interval_s: f64) -> bool {
        self.watermark.since(last) <= FRESH_MIN.max(Duration::from_secs_f64(FRESH_INTERVALS * interval_s))
    }
}

fn dated(mut anomaly: Anomaly, seen: Seen<'_>, odd: Odd) -> Anomaly {
    anomaly.onset = odd.since.min(odd.detected_at);
    (anomaly.detected_at, anomaly.last_seen) = (odd.detected_at, seen.series.last);
    anomaly.id = id(&anomaly);
    anomaly
}

#[cfg(test)]
mod tests;
