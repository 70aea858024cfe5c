//! One number of a series, and how far chance alone moves such a number.

use super::requests::Window;
use crate::Timestamp;

/// One sample, and what is known of how it was taken.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Sample<'a> {
    pub(crate) time: Timestamp,
    pub(crate) value: f64,
    chance: Chance<'a>,
}

/// How chance moves a number.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Chance<'a> {
    Unknown,
    /// A share of so many requests; the whole is in the series' unit, such as 100 for percent.
    Share {
        requests: f64,
        whole: f64,
    },
    /// A count of what comes independently.
    Count,
    /// A quantile of the durations of a window.
    Quantile {
        window: &'a Window,
        quantile: f64,
    },
}

impl<'a> Sample<'a> {
    /// A value of which nothing else is known.
    pub(crate) fn plain(time: Timestamp, value: f64) -> Self {
        Self { time, value, chance: Chance::Unknown }
    }

    /// A share of so many requests, which chance moves the more, the fewer they are.
    pub(crate) fn share(time: Timestamp, value: f64, whole: f64, requests: f64) -> Self {
        Self { time, value, chance: Chance::Share { requests: requests.max(1.0), whole } }
    }

    /// A count of what comes independently, as requests do.
    pub(crate) fn count(time: Timestamp, value: f64) -> Self {
        Self { time, value, chance: Chance::Count }
    }

    /// A quantile of a window's durations, which chance moves the more, the fewer requests it has.
    pub(crate) fn quantile(time: Timestamp, window: &'a Window, quantile: f64) -> Self {
        Self { time, value: window.duration(quantile), chance: Chance::Quantile { window, quantile } }
    }

    /// The standard deviation that chance alone gives where so much is usual: binomial for a share, Poisson for a
    /// count. One among them counts as usual at least: that none came in the baseline does not make it impossible.
    /// For a quantile, what the sign test says of it (Dixon and Mood, 1946): how many requests lie beyond the usual one
    /// is binomial, whatever the durations' distribution.
    pub(crate) fn chance(&self, usual: f64) -> f64 {
        match self.chance {
            Chance::Unknown => 0.0,
            Chance::Count => usual.max(1.0).sqrt(),
            Chance::Share { requests, whole } => {
                let usual = (usual / whole).clamp(0.0, 1.0);
                let rare = usual.min(1.0 - usual).max((1.0 / requests).min(0.5));
                whole * (rare * (1.0 - rare) / requests).sqrt()
            }
            // Downwards a high quantile has little to count, and less of what is slow is no news.
            Chance::Quantile { .. } if self.value <= usual => 0.0,
            Chance::Quantile { window, quantile } => {
                let (requests, beyond) = (window.measured(), 1.0 - quantile);
                let more = window.slower(usual) - requests * beyond;
                let deviations = more / (requests * beyond * quantile).sqrt();
                let chance = (self.value - usual) / deviations;
                if chance.is_finite() { chance.max(0.0) } else { 0.0 }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn share(requests: f64) -> Sample<'static> {
        Sample::share(Timestamp::EPOCH, 0.0, 1.0, requests)
    }

    #[test]
    fn one_failure_of_a_handful_is_chance_and_a_hundred_of_a_thousand_are_not() {
        for (failed, requests, is_chance) in [(1.0, 2.0, true), (1.0, 10.0, true), (100.0, 1_000.0, false)] {
            let deviations = failed / requests / share(requests).chance(0.0);
            assert_eq!(deviations < 8.0, is_chance, "{failed} of {requests}: {deviations}");
        }
        assert_eq!(Sample::plain(Timestamp::EPOCH, 1.0).chance(5.0), 0.0);
        assert_eq!(Sample::count(Timestamp::EPOCH, 1.0).chance(0.0), 1.0);
        assert_eq!(Sample::count(Timestamp::EPOCH, 1.0).chance(100.0), 10.0);
    }

    proptest! {
        #[test]
        fn chance_shrinks_with_requests_and_does_not_mind_the_unit(
            usual in 0.0_f64..1.0, requests in 1.0_f64..1e6, more in 1.0_f64..100.0,
        ) {
            let few = share(requests).chance(usual);
            prop_assert!(few.is_finite() && few > 0.0);
            prop_assert!(share(requests * more).chance(usual) <= few * (1.0 + 1e-9));
            let percent = Sample::share(Timestamp::EPOCH, 0.0, 100.0, requests).chance(usual * 100.0);
            prop_assert!((percent - few * 100.0).abs() < 1e-6);
        }
    }
}
