//! Whether the samples of a series are usual again, and since when.

use std::time::Duration;

use super::super::recent::Recent;
use super::super::series::Series;
use super::super::table::Seen;
use crate::{Anomaly, Direction, Timestamp};

/// Samples of a series that a verdict needs.
const SAMPLES_MIN: usize = 3;
/// Newest samples of which those that chance may have moved are looked at together.
const POOLED_MAX: usize = 12;
/// A series that said nothing for longer than both of these was silent, and silence is not health.
const SILENT_AFTER: Duration = Duration::from_secs(30);
const SILENT_INTERVALS: f64 = 3.0;

/// How one anomaly's series looks.
pub(super) enum Look {
    /// At its newest sample; since when it was heard, and no sample was outside.
    Inside(Timestamp, Timestamp),
    Outside(Timestamp, String),
    TooFew(String),
    /// The process that showed it is gone, and no other of its service has such a signal: the rest speaks for it.
    Gone,
}

/// With the reason in words.
pub(super) fn named(look: Look, what: &str) -> Look {
    match look {
        Look::TooFew(_) => Look::TooFew(format!("{what} has fewer than {SAMPLES_MIN} samples since")),
        Look::Outside(time, _) => Look::Outside(time, format!("{what} is outside of its usual range")),
        other => other,
    }
}

/// What the record of an anomaly says of its series. A start, or an hour of silence, loses what was usual, and what comes
/// then is learnt, whatever it is; the record keeps what it was when it became abnormal.
#[derive(Clone, Copy)]
pub(super) struct Told {
    direction: Direction,
    /// The value from which on it is abnormal still; `None` where the record does not say.
    limit: Option<f64>,
}

impl Told {
    /// By how far what was observed was from what was expected, and how many deviations that were: half of the way, or so
    /// many deviations as are inside again, if that is less.
    pub(super) fn by(anomaly: &Anomaly, leave: f64) -> Self {
        let share = (leave / anomaly.score).min(0.5);
        let limit = anomaly.expected + share * (anomaly.observed - anomaly.expected);
        let is_known = match anomaly.direction {
            Direction::Up => anomaly.observed > anomaly.expected,
            Direction::Down => anomaly.observed < anomaly.expected,
        };
        Self { direction: anomaly.direction, limit: Some(limit).filter(|limit| is_known && limit.is_finite()) }
    }

    /// Of a budget that burnt so many times as fast as it was told at, of which `allowed` is the share of bad requests.
    pub(super) fn by_burn(anomaly: &Anomaly, allowed: f64) -> Self {
        let limit = anomaly.observed / anomaly.score * allowed;
        Self { direction: Direction::Up, limit: Some(limit).filter(|limit| *limit > 0.0 && limit.is_finite()) }
    }

    /// For a series that is not the anomaly's.
    pub(super) fn of_another(self) -> Self {
        Self { limit: None, ..self }
    }

    fn is_abnormal(self, value: f64) -> bool {
        self.limit.is_some_and(|limit| match self.direction {
            Direction::Up => value >= limit,
            Direction::Down => value <= limit,
        })
    }
}

/// The newest [`SAMPLES_MIN`] samples have to be inside of what is usual, each of them.
pub(super) fn judge(seen: Seen<'_>, usual: Seen<'_>, told: Told, since: Timestamp) -> Look {
    let series = seen.series;
    if series.after(since).take(SAMPLES_MIN).count() < SAMPLES_MIN {
        return Look::TooFew(String::new());
    }
    // By what is usual now; and by what was usual at its time and by how many requests it rests on: one failure of a few, or
    // one slow request of ten, is no relapse. When nothing was usual yet, nothing speaks for a sample.
    let tuning = usual.tuning();
    let is_far = |sample: &Recent| {
        let z = usual.series.deviation(sample.value);
        z.abs() >= tuning.leave && (z >= 0.0) == (told.direction == Direction::Up)
    };
    let is_lost = !usual.is_warm() || told.is_abnormal(usual.series.baseline.median());
    let is_outside = |(newer, sample): &(usize, Recent)| {
        let was_unusual = sample.deviation.abs() >= tuning.leave || !series.was_warm(sample, *newer);
        (was_unusual && is_far(sample))
            || series.adds_on(sample.deviation, sample.value, tuning)
            || (is_lost && told.is_abnormal(sample.value))
    };
    if series.after(since).enumerate().take(SAMPLES_MIN).any(|sample| is_outside(&sample)) {
        return Look::Outside(series.last, String::new());
    }
    // What is chance once is none over and over: a sum of independent deviations has the root of their number as its own.
    let newest = || series.after(since).take(POOLED_MAX);
    let excused = newest().filter(|sample| sample.deviation.abs() < tuning.leave && is_far(sample));
    let excused: f64 = excused.map(|sample| sample.deviation.abs()).sum();
    if excused / (newest().count() as f64).sqrt() >= tuning.leave {
        return Look::Outside(series.last, String::new());
    }
    let last_outside = series.after(since).enumerate().find(is_outside).map_or(since, |(_, sample)| sample.time);
    Look::Inside(series.last, last_outside.max(heard_since(series, since)))
}

/// Since when a series was heard without a silence, not before a time; as far as its samples are kept.
fn heard_since(series: &Series, since: Timestamp) -> Timestamp {
    let patience = SILENT_AFTER.max(Duration::from_secs_f64(SILENT_INTERVALS * series.interval_s()));
    let mut newer: Option<Timestamp> = None;
    for sample in series.recent() {
        if let Some(newer) = newer.filter(|newer| newer.since(sample.time) > patience) {
            return newer.max(since);
        }
        if sample.time <= since {
            return since;
        }
        newer = Some(sample.time);
    }
    if series.has_let_go() { since } else { newer.unwrap_or(since).max(since) }
}
