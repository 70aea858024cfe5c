//! Processes that take another's place, as with every deployment: what was usual for the others is usual for them.

use super::Detector;
use super::series::Series;
use super::table::Seen;
use crate::Timestamp;

impl Detector {
    /// The series to watch in a slot from now on. One of a process that is new to its service inherits the baseline of
    /// the other processes, so that trouble which begins with it has something to be compared with; though not where
    /// they differ among themselves, as leaders and followers do.
    pub(super) fn begin_series(&self, slot: u32, time: Timestamp) -> Option<Series> {
        let key = self.table.at(slot)?.key();
        let is_named = |instance: &str| !instance.is_empty() && *instance != *key.instance;
        let mut others = self.table.alike(&key).filter(|other| is_named(&other.origin.instance) && other.is_warm());
        let first = if key.instance.is_empty() { None } else { others.next() };
        Some(match first {
            Some(first) if others.all(|other| are_alike(first, other)) => Series::heir(time, first.series),
            _ => Series::new(time),
        })
    }
}

fn are_alike(one: Seen<'_>, other: Seen<'_>) -> bool {
    let distance = |a: Seen<'_>, b: Seen<'_>| a.series.deviation(b.series.baseline.median()).abs();
    distance(one, other) < one.tuning().leave && distance(other, one) < other.tuning().leave
}
