//! What is usual for a series, from its newest normal samples.

use super::sample::Sample;
use super::series::Tuning;
use super::short::Short;

/// Normal samples that the baseline is made of.
pub(crate) const BASELINE_MAX: usize = 240;
/// From the interquartile range of a normal distribution to its standard deviation.
const IQR_TO_SIGMA: f64 = 1.349;
/// From the distance of the outermost fiftieth to the median, to a standard deviation; 2.05 for a normal distribution,
/// more here so that the rule is silent for it.
const TAIL_TO_SIGMA: f64 = 2.5;
/// The quantiles that a baseline is made of.
const QUANTILES: [f64; 7] = [0.01, 0.02, 0.25, 0.5, 0.75, 0.98, 0.99];

/// What is usual.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Baseline {
    median: Short,
    /// The normal samples but for the most extreme hundredths: what was usual before is not news.
    low: Short,
    high: Short,
    /// The scale above the median, and below it: distributions of latency lean.
    scale_up: f32,
    scale_down: f32,
}

impl Baseline {
    pub(crate) fn median(&self) -> f64 {
        self.median.get()
    }

    /// The median, as it is kept.
    pub(crate) fn middle(&self) -> Short {
        self.median
    }

    /// Whether what was usual lay above the median and below it.
    pub(crate) fn has_varied(&self) -> bool {
        self.low != self.median && self.median != self.high
    }

    /// What lies within so many of the deviations on either side, and what was normal before.
    pub(crate) fn range(&self, deviations: f64) -> (f64, f64) {
        let median = self.median();
        let low = median - deviations * f64::from(self.scale_down);
        let high = median + deviations * f64::from(self.scale_up);
        (low.min(self.low.get()), high.max(self.high.get()))
    }

    /// Signed robust standard deviations from the median, small within what was normal before.
    pub(crate) fn deviation(&self, sample: &Sample<'_>) -> f64 {
        let (value, median) = (sample.value, self.median());
        let scale = f64::from(if value >= median { self.scale_up } else { self.scale_down });
        let z = (value - median) / scale.max(sample.chance(median));
        if !z.is_finite() {
            return 0.0;
        }
        if (self.low.get()..=self.high.get()).contains(&value) { z.clamp(-2.0, 2.0) } else { z.clamp(-1e6, 1e6) }
    }
}

/// The newest normal samples.
#[derive(Clone, Debug)]
pub(crate) struct Normal {
    values: [Short; BASELINE_MAX],
    len: u8,
    next: u8,
}

impl Default for Normal {
    fn default() -> Self {
        Self { values: [Short::default(); BASELINE_MAX], len: 0, next: 0 }
    }
}

impl Normal {
    pub(crate) fn len(&self) -> usize {
        self.len.into()
    }

    /// Adds one; the oldest makes room.
    pub(crate) fn push(&mut self, value: Short) {
        if let Some(place) = self.values.get_mut(usize::from(self.next)) {
            *place = value;
        }
        let max = BASELINE_MAX as u8;
        self.next = if self.next + 1 >= max { 0 } else { self.next + 1 };
        self.len = (self.len + 1).min(max);
    }

    /// What they say is usual.
    pub(crate) fn baseline(&self, tuning: Tuning) -> Baseline {
        let len = self.len();
        if len == 0 {
            return Baseline::default();
        }
        let mut orders = [0_u16; BASELINE_MAX];
        for (order, value) in orders.iter_mut().zip(&self.values) {
            *order = value.order();
        }
        let ranks = QUANTILES.map(|quantile| (quantile * (len - 1) as f64).round() as usize);
        let mut found = [0; QUANTILES.len()];
        select(&mut orders[..len], 0, &ranks, &mut found);
        let [low, low_tail, lower, median, upper, high_tail, high] = found.map(Short::from_order);
        let middle = median.get();
        let spread = (upper.get() - lower.get()) / IQR_TO_SIGMA;
        let floor = spread.max(tuning.relative_floor * middle.abs()).max(tuning.absolute_floor);
        // Where a tail is heavier than a normal distribution's, it is the tail that says what is far.
        let scale = |tail: f64| (floor.max(tail / TAIL_TO_SIGMA) as f32).max(f32::MIN_POSITIVE);
        let (scale_up, scale_down) = (scale(high_tail.get() - middle), scale(middle - low_tail.get()));
        Baseline { median, low, high, scale_up, scale_down }
    }
}

/// The values of some ranks, both ascending; `from` is the rank of the first value. What is not asked for stays unsorted.
fn select(values: &mut [u16], from: usize, ranks: &[usize], found: &mut [u16]) {
    let Some(&rank) = ranks.get(ranks.len() / 2) else { return };
    let (below, value, above) = values.select_nth_unstable(rank - from);
    let (first, after) = (ranks.partition_point(|other| *other < rank), ranks.partition_point(|other| *other <= rank));
    found[first..after].fill(*value);
    select(below, from, &ranks[..first], &mut found[..first]);
    select(above, rank + 1, &ranks[after..], &mut found[after..]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn selecting_is_sorting(mut values in prop::collection::vec(any::<u16>(), 1..=BASELINE_MAX)) {
            let ranks = QUANTILES.map(|quantile| (quantile * (values.len() - 1) as f64).round() as usize);
            let mut found = [0; QUANTILES.len()];
            select(&mut values, 0, &ranks, &mut found);
            values.sort_unstable();
            prop_assert_eq!(found, ranks.map(|rank| values[rank]));
        }
    }
}
