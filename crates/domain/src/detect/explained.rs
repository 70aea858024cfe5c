//! What is fuller because there is more to do.

use std::time::Duration;

use super::Detector;
use super::series::{Series, Side, UsualLoad};
use super::table::Seen;
use crate::{Signal, Timestamp};

/// Traffic this much above what is usual explains that resources are fuller, up to [`EXPLAINED_FACTOR`] times as much.
pub(super) const TRAFFIC_RISE: f64 = 1.1;
pub(super) const EXPLAINED_FACTOR: f64 = 1.35;
/// Samples that a rise is taken over, of what has as many.
const RISE_SAMPLES: usize = 3;
/// Traffic that was not counted for longer than this, or than three of its samples take, explains nothing newer.
const TRAFFIC_LAG_MAX: Duration = Duration::from_secs(60);

impl Detector {
    /// Whether a resource is fuller about as much as there is more to do. Both are compared over the same time: requests
    /// are counted over windows that end later than what a gauge said of them comes. And both with what was usual when
    /// the resource left its range: since then one may have learnt what the other did not, so that a tide of some tenths
    /// would look like a fault.
    pub(super) fn is_explained_by_traffic(&self, seen: Seen<'_>) -> bool {
        // That there is less of something is not explained by more to do.
        if seen.tuning().side == Side::Down {
            return false;
        }
        let own = seen.series;
        self.traffic_near(seen).any(|(slot, traffic)| {
            let traffic = traffic.series;
            let lag_max = TRAFFIC_LAG_MAX.max(Duration::from_secs_f64(3.0 * traffic.interval_s()));
            if own.last.since(traffic.last) > lag_max {
                return false;
            }
            let Some((first, last)) = newest_by(own, own.last.min(traffic.last)) else { return false };
            let usual = usual_load(own, slot, traffic);
            let (own, traffic) = (rise(own, usual.own, first, last), rise(traffic, usual.traffic, first, last));
            let (Some(own), Some(traffic)) = (own, traffic) else { return false };
            traffic >= TRAFFIC_RISE && own <= 1.0 + (traffic - 1.0) * EXPLAINED_FACTOR
        })
    }

    /// What counts the requests of a process, or of its service.
    pub(super) fn traffic_near<'a>(&'a self, seen: Seen<'a>) -> impl Iterator<Item = (u32, Seen<'a>)> {
        let instance = &seen.origin.instance;
        let traffic = self.table.traffic_of(&seen.group.service);
        traffic.filter(move |(_, other)| other.origin.instance.is_empty() || other.origin.instance == *instance)
    }

    /// Notes for resources that left their range what was usual then, once that is known of the requests near them.
    pub(super) fn note_usual_loads(&mut self) {
        let outside = self.table.outside().filter(|(_, seen)| seen.signal() == Signal::Saturation);
        let new = outside.filter_map(|(slot, seen)| {
            let noted = seen.series.excursion()?.usual();
            let near = self
                .traffic_near(seen)
                .filter(|(slot, other)| other.is_warm() && !noted.iter().any(|usual| usual.traffic_slot == *slot));
            let usual: Vec<UsualLoad> = near.map(|(slot, other)| usual_load(seen.series, slot, other.series)).collect();
            (!usual.is_empty()).then_some((slot, usual))
        });
        for (slot, usual) in new.collect::<Vec<_>>() {
            self.table.note_usual(slot, usual);
        }
    }

    /// A resource that is fuller because there is more to do is as usual: its range follows, as that of traffic does.
    /// Else a lasting rise of traffic would leave it outside for ever, with nothing left to explain it.
    pub(super) fn accept_explained(&mut self) {
        let outside = self.table.outside();
        let explained =
            outside.filter(|(_, seen)| seen.signal() == Signal::Saturation && self.is_explained_by_traffic(*seen));
        let explained: Vec<u32> = explained.map(|(slot, _)| slot).collect();
        for slot in explained {
            self.table.accept(slot);
        }
    }
}

/// What was usual of a series and of the traffic in a slot when the series left its range; of now, where it did not or
/// nobody noted it.
fn usual_load(own: &Series, traffic_slot: u32, traffic: &Series) -> UsualLoad {
    let noted =
        own.excursion().and_then(|excursion| excursion.usual().iter().find(|of| of.traffic_slot == traffic_slot));
    let now = UsualLoad { traffic_slot, traffic: traffic.baseline.median(), own: own.baseline.median() };
    noted.copied().unwrap_or(now)
}

/// When the first and the last of the newest samples by a time were taken: where some are missing, they reach further back.
fn newest_by(series: &Series, until: Timestamp) -> Option<(Timestamp, Timestamp)> {
    let newest = series.recent().skip_while(|sample| sample.time > until).take(RISE_SAMPLES);
    newest.map(|sample| sample.time).fold(None, |span, time| Some((time, span.map_or(time, |(_, last)| last))))
}

/// How many times as much as usual the samples are that were taken between two times, or, where they are rarer, the
/// newest by then; `None` where nobody can say.
fn rise(series: &Series, usual: f64, first: Timestamp, last: Timestamp) -> Option<f64> {
    let by_then = series.recent().skip_while(|sample| sample.time > last).enumerate();
    let near = by_then.take_while(|(index, sample)| *index < RISE_SAMPLES || sample.time >= first);
    let (sum, count) = near.fold((0.0, 0_u32), |(sum, count), (_, sample)| (sum + sample.value, count + 1));
    let rise = sum / f64::from(count) / usual;
    (usual > 0.0 && rise.is_finite()).then_some(rise)
}
