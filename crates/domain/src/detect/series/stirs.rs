//! How far a series was from what is usual since a time, whether or not it left its range.

use super::{Series, Tuning, counts};
use crate::{Direction, Timestamp};

/// The greatest deviation since a time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Peak {
    pub(crate) onset: Timestamp,
    pub(crate) direction: Direction,
    pub(crate) score: f64,
    pub(crate) observed: f64,
}

impl Series {
    /// The greatest deviation since a time, on the side that counts, if it is at least `least`.
    pub(crate) fn greatest_since(&self, since: Timestamp, least: f64, tuning: Tuning) -> Option<Peak> {
        let out = self.since(since).filter_map(|sample| {
            let z = sample.deviation;
            let direction = if z >= 0.0 { Direction::Up } else { Direction::Down };
            let is_out = z.abs() >= least && counts(tuning.side, direction);
            is_out.then(|| Peak { onset: sample.time, direction, score: z.abs(), observed: sample.value })
        });
        out.reduce(|found, earlier| {
            let most = if earlier.score > found.score { earlier } else { found };
            Peak { onset: earlier.onset, ..most }
        })
    }

    /// Since when a series stirs: the first of the samples taken at a time or after it that are followed by enough others
    /// as unusual, on the side that counts.
    pub(crate) fn stirs_since(
        &self,
        since: Timestamp,
        least: f64,
        in_a_row: usize,
        tuning: Tuning,
    ) -> Option<Timestamp> {
        let (mut found, mut row) = (None, 0);
        for sample in self.since(since) {
            let direction = if sample.deviation >= 0.0 { Direction::Up } else { Direction::Down };
            let is_out = sample.deviation.abs() >= least && counts(tuning.side, direction);
            row = if is_out { row + 1 } else { 0 };
            if row >= in_a_row {
                found = Some(sample.time);
            }
        }
        found
    }
}
