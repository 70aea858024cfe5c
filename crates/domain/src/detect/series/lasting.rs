//! A small distance that lasts: a sum over samples is sure of what none of them is.
//!
//! This is Page's cumulative sum (1954) over the samples that are kept, which is the greatest sum of the newest so many
//! of them. A sample adds no more than one that is outside, so that no few of them make it up.

use std::time::Duration;

use super::{CONFIRMED_BY, Series, Tuning};
use crate::Direction;

/// Robust standard deviations that add nothing.
const ALLOWED: f64 = 3.0;
/// The same where a value is far away, and only how few requests it rests on says that this may be chance: then they are
/// standard deviations of chance, which one sample in six has and twenty do not have together.
const ALLOWED_TO_CHANCE: f64 = 1.0;
/// For how long a small distance lasts at least to be told. Samples that come every second stay away together for tens of
/// them without a reason that anybody would look for.
const LASTS: Duration = Duration::from_secs(90);

impl Series {
    /// How many of the newest samples together are outside, though not each is: as far as so many in a row would be.
    pub(super) fn lasts(&self, z: f64, value: f64, is_up: bool, tuning: Tuning) -> Option<usize> {
        if !tuning.sums || self.adds(z, value, is_up, tuning) <= 0.0 {
            return None;
        }
        let enough = f64::from(CONFIRMED_BY) * (tuning.enter - ALLOWED);
        let (mut sum, mut most, mut samples, mut onset) = (0.0, 0.0, 0, self.last);
        for (index, sample) in self.recent().take(self.run.into()).enumerate() {
            sum += self.adds(sample.deviation, sample.value, is_up, tuning);
            if sum > most {
                (most, samples, onset) = (sum, index + 1, sample.time);
            }
        }
        (most >= enough && self.last.since(onset) >= LASTS).then_some(samples)
    }

    /// What a sample adds to the sum that goes up or down; negative where it takes away.
    fn adds(&self, z: f64, value: f64, is_up: bool, tuning: Tuning) -> f64 {
        let away = if is_up { z } else { -z };
        let allowed = if self.is_excused(z, value, tuning) { ALLOWED_TO_CHANCE } else { ALLOWED };
        away.min(tuning.enter) - allowed
    }

    /// Whether a sample adds to the sum that an excursion is.
    pub(crate) fn adds_on(&self, z: f64, value: f64, tuning: Tuning) -> bool {
        let sum = self.excursion().filter(|excursion| excursion.is_sum);
        sum.is_some_and(|sum| self.adds(z, value, sum.direction == Direction::Up, tuning) > 0.0)
    }

    /// Whether a value is outside, but for how few requests it rests on.
    pub(super) fn is_excused(&self, z: f64, value: f64, tuning: Tuning) -> bool {
        tuning.sums && z.abs() < tuning.enter && self.deviation(value).abs() >= tuning.enter
    }
}
