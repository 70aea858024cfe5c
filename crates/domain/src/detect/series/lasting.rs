//! A small distance that lasts: a sum over samples is sure of what none of them is.
//!
//! This is Page's cumulative sum (1954) over the samples that are kept, which is the greatest sum of the newest so many
//! of them. A sample adds no more than one that is outside, so that no few of them make it up.

use std::time::Duration;

use super::{CONFIRMED_BY, Series, Tuning};

/// Robust standard deviations that add nothing.
pub(super) const ALLOWED: f64 = 3.0;
/// For how long a small distance lasts at least to be told. Samples that come every second stay away together for tens of
/// them without a reason that anybody would look for.
const LASTS: Duration = Duration::from_secs(90);

impl Series {
    /// How many of the newest samples together are outside, though not each is: as far as so many in a row would be.
    pub(super) fn lasts(&self, z: f64, is_up: bool, tuning: Tuning) -> Option<usize> {
        if !tuning.sums || z.abs() < ALLOWED {
            return None;
        }
        let enough = f64::from(CONFIRMED_BY) * (tuning.enter - ALLOWED);
        let away = |deviation: f64| if is_up { deviation } else { -deviation };
        let (mut sum, mut most, mut samples, mut onset) = (0.0, 0.0, 0, self.last);
        for (index, sample) in self.recent().take(self.run.into()).enumerate() {
            sum += away(sample.deviation).min(tuning.enter) - ALLOWED;
            if sum > most {
                (most, samples, onset) = (sum, index + 1, sample.time);
            }
        }
        (most >= enough && self.last.since(onset) >= LASTS).then_some(samples)
    }
}
