//! How fast something grows, as robustly as a few dozen numbers tell.
//!
//! P. K. Sen, "Estimates of the regression coefficient based on Kendall's tau", Journal of the American Statistical
//! Association 63 (1968): the slope is the median over those of all pairs of points, so that of ten points two may be
//! anything; its interval lies between two ranks of the same slopes.

use std::time::Duration;

/// Of fewer points the interval has no ends.
pub(crate) const POINTS_MIN: usize = 6;
/// The normal distribution's quantile for an interval of 95 %.
const QUANTILE: f64 = 1.96;

/// A slope, in units of the values an hour, and the ends of its interval of 95 %. The points have to be independent of
/// each other: neighbours that say the same twice make it too narrow.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Trend {
    pub(crate) per_hour: f64,
    pub(crate) least: f64,
    pub(crate) most: f64,
}

impl Trend {
    /// Of values by their times, which grow. `None` of fewer than [`POINTS_MIN`].
    pub(crate) fn of(points: &[(Duration, f64)]) -> Option<Self> {
        if points.len() < POINTS_MIN {
            return None;
        }
        let mut slopes = Vec::new();
        for (index, (time, value)) in points.iter().enumerate() {
            for (later, other) in &points[index + 1..] {
                let hours = later.saturating_sub(*time).as_secs_f64() / 3_600.0;
                assert!(hours > 0.0, "{later:?} is not after {time:?}");
                slopes.push((other - value) / hours);
            }
        }
        let per_hour = median(&mut slopes)?;
        let count = points.len() as f64;
        let half = QUANTILE * (count * (count - 1.0) * (2.0 * count + 5.0) / 18.0).sqrt() / 2.0;
        let middle = slopes.len() as f64 / 2.0;
        // Negative numbers become 0.
        let ranked = |rank: f64| slopes.get((rank as usize).min(slopes.len() - 1)).copied();
        Some(Self { per_hour, least: ranked((middle - half).floor() - 1.0)?, most: ranked((middle + half).ceil())? })
    }
}

/// The median; what it is of is sorted then. `None` of nothing.
pub(crate) fn median(values: &mut [f64]) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let (below, above) = (values.len().checked_sub(1)? / 2, values.len() / 2);
    Some((values.get(below)? + values.get(above)?) / 2.0)
}

#[cfg(test)]
mod tests {
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;

    const SEEDS: u64 = 300;

    /// A line, a point a minute.
    fn line(count: usize, per_hour: f64, from: f64) -> Vec<(Duration, f64)> {
        let at = |minute: usize| Duration::from_secs(60 * minute as u64);
        (0..count).map(|minute| (at(minute), from + per_hour * at(minute).as_secs_f64() / 3_600.0)).collect()
    }

    fn is_near(one: f64, other: f64) -> bool {
        (one - other).abs() < 1e-6 * (1.0 + one.abs().max(other.abs()))
    }

    #[test]
    fn a_line_has_its_slope_whatever_a_fifth_of_its_points_say() {
        for seed in 0..SEEDS {
            let mut random = ChaCha8Rng::seed_from_u64(seed);
            let (count, slope): (usize, f64) =
                (random.random_range(POINTS_MIN..60), random.random_range(-100.0..100.0));
            let mut points = line(count, slope, random.random_range(0.0..500.0));
            let exact = Trend::of(&points).unwrap();
            let is_exact = [exact.least, exact.per_hour, exact.most].iter().all(|found| is_near(*found, slope));
            assert!(is_exact, "seed {seed}: {exact:?} for {slope}");
            for _ in 0..count / 5 {
                let wild: usize = random.random_range(0..count);
                points[wild].1 = random.random_range(-1e6..1e6);
            }
            let found = Trend::of(&points).unwrap();
            assert!(is_near(found.per_hour, slope), "seed {seed}: {found:?} for {slope}");
            assert!(found.least <= found.per_hour && found.per_hour <= found.most, "seed {seed}: {found:?}");
        }
    }

    #[test]
    fn what_falls_is_what_rises_turned_over_and_noise_hides_no_true_slope() {
        let mut held = 0;
        for seed in 0..SEEDS {
            let mut random = ChaCha8Rng::seed_from_u64(seed);
            let (count, slope): (usize, f64) = (random.random_range(10..40), random.random_range(-50.0..50.0));
            let mut points = line(count, slope, 100.0);
            points.iter_mut().for_each(|point| point.1 += random.random_range(-2.0..2.0));
            let found = Trend::of(&points).unwrap();
            held += u64::from(found.least <= slope && slope <= found.most);
            points.iter_mut().for_each(|point| point.1 = -point.1);
            let turned = Trend::of(&points).unwrap();
            assert!(is_near(turned.per_hour, -found.per_hour), "seed {seed}: {found:?}, {turned:?}");
        }
        // 95 in 100 are meant; these seeds are always the same ones.
        assert!(held * 100 >= SEEDS * 90, "{held} of {SEEDS}");
    }

    #[test]
    fn of_too_little_nothing_is_said() {
        assert_eq!(Trend::of(&line(POINTS_MIN - 1, 1.0, 0.0)), None);
        assert_eq!(median(&mut []), None);
        assert_eq!([median(&mut [3.0, 1.0, 2.0]), median(&mut [4.0, 1.0, 2.0, 3.0])], [Some(2.0), Some(2.5)]);
    }
}
