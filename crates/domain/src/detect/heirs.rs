//! Processes that take another's place, as with every deployment: what was usual for the others is usual for them.

use super::series::Series;
use super::{Detector, SeriesKey, Watched};
use crate::Timestamp;

impl Detector {
    /// The series to watch from now on. One of a process that is new to its service inherits the baseline of the other
    /// processes, so that trouble which begins with it has something to be compared with; though not where they
    /// differ among themselves, as leaders and followers do.
    pub(super) fn begin_series(&self, key: &SeriesKey, time: Timestamp) -> Series {
        let mut others = self.series_of(&key.service).filter(|(other, watched)| {
            let is_same = other.metric == key.metric && other.dimension == key.dimension;
            is_same && !other.instance.is_empty() && other.instance != key.instance && is_warm(watched)
        });
        let first = if key.instance.is_empty() { None } else { others.next() };
        match first {
            Some((_, first)) if others.all(|(_, other)| are_alike(first, other)) => Series::heir(time, &first.series),
            _ => Series::new(time),
        }
    }
}

fn is_warm(watched: &Watched) -> bool {
    watched.series.is_warm(watched.series.last)
}

fn are_alike(one: &Watched, other: &Watched) -> bool {
    let distance = |a: &Watched, b: &Watched| a.series.deviation(b.series.baseline.median).abs();
    distance(one, other) < one.tuning.leave && distance(other, one) < other.tuning.leave
}
