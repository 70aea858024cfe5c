//! Series that are drawn: noise, standstills, ramps and levels that last.

use proptest::prelude::*;

use super::*;
use crate::detect::classify;
use crate::detect::sample::Sample;
use crate::{Direction, Signal};

const STEP: Duration = Duration::from_secs(10);

fn memory() -> Tuning {
    classify::tuning(Signal::Saturation, "process.memory.usage", "By")
}

fn at(step: usize) -> Timestamp {
    Timestamp::from_secs(1_700_000_000) + STEP * u32::try_from(step).unwrap()
}

/// From -1 to 1, by a hash.
fn noise(seed: u64, step: usize) -> f64 {
    let mixed = (seed ^ step as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mixed = (mixed ^ (mixed >> 32)).wrapping_mul(0xd6e8_feb8_6659_fd93);
    (mixed >> 40) as f64 / f64::from(1 << 23) - 1.0
}

/// Takes a sample of each of these steps. What is odd after each of them.
fn feed(series: &mut Series, steps: std::ops::Range<usize>, value: impl Fn(usize) -> f64) -> Vec<Option<Oddity>> {
    let take = |step| {
        series.observe(Sample::plain(at(step), value(step)), memory());
        assert_eq!(series.excursion(), None, "step {step}");
        series.oddity(memory(), true)
    };
    steps.map(take).collect()
}

#[test]
fn a_series_costs_no_more_than_its_alignment_left_free() {
    assert!(size_of::<Series>() <= 936, "{} bytes", size_of::<Series>());
}

#[test]
fn nothing_at_all_for_long_is_no_standstill() {
    let mut series = Series::new(at(0));
    let found = feed(&mut series, 0..600, |step| if step < 300 { 100.0 * (1.0 + 0.1 * noise(1, step)) } else { 0.0 });
    assert!(found.iter().all(Option::is_none));
}

#[test]
fn only_what_recovery_is_not_measured_by_settles_and_only_after_a_day() {
    // Every five minutes: three hundred times as ever, and a day and an hour at ten times the level.
    let run = |tuning: Tuning, steps: usize| {
        let mut series = Series::new(at(0));
        for step in 0..steps {
            let level = if (300..600).contains(&step) { 1_000.0 } else { 100.0 };
            let value = level * (1.0 + 0.02 * noise(3, step));
            series.observe(Sample::plain(at(30 * step), value), tuning);
        }
        let median = series.baseline.median();
        (series.excursion().map(|excursion| (excursion.direction, excursion.onset)), median)
    };
    let traffic = classify::tuning(Signal::Traffic, "http.server.requests", "{request}/s");
    let (up, median) = run(traffic, 580);
    assert_eq!(up, Some((Direction::Up, at(9_000))), "it has lasted for less than a day");
    assert!((90.0..110.0).contains(&median), "{median}");
    let (settled, median) = run(traffic, 600);
    assert_eq!(settled, None);
    assert!((950.0..1_050.0).contains(&median), "{median}");
    assert_eq!(run(traffic, 610).0, Some((Direction::Down, at(18_000))), "what was usual is news");
    assert_eq!(run(memory(), 600).0, Some((Direction::Up, at(9_000))), "lasting is no health");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn noise_is_not_odd(seed in any::<u64>(), spread in 0.005_f64..0.2) {
        let mut series = Series::new(at(0));
        let found = feed(&mut series, 0..2_500, |step| 100.0 * (1.0 + spread * noise(seed, step)));
        prop_assert!(found.iter().all(Option::is_none));
    }

    #[test]
    fn one_value_over_and_over_is_odd_until_it_ends_and_teaches_nothing(
        seed in any::<u64>(), stuck in 200_usize..400, lasts in 60_usize..900,
    ) {
        let varying = |step: usize| 100.0 * (1.0 + 0.1 * noise(seed, step));
        let end = stuck + lasts;
        let value = |step: usize| varying(if (stuck..end).contains(&step) { stuck } else { step });
        let mut series = Series::new(at(0));
        let before = feed(&mut series, 0..stuck + 25, value);
        prop_assert!(before.iter().all(Option::is_none));
        let found = feed(&mut series, stuck + 25..end, value);
        let first = found.iter().position(Option::is_some);
        prop_assert!(first.is_some_and(|first| first <= 5), "{first:?}");
        prop_assert!(found.iter().skip(5).all(|odd| *odd == Some(Oddity::Still)));
        let after = feed(&mut series, end..end + 300, value);
        // What is kept of a sample is rounded, so that the next may be the same once more, by chance.
        let kept = |step: usize| Short::nearest(value(step));
        let more = (end..end + 300).take_while(|step| kept(*step) == kept(stuck)).count();
        prop_assert!(after[..more].iter().all(|odd| *odd == Some(Oddity::Still)), "{after:?}");
        prop_assert!(after[more..].iter().all(Option::is_none), "{after:?}");
        prop_assert!((95.0..105.0).contains(&series.baseline.median()));
    }

    #[test]
    fn a_standstill_is_dated_by_its_first_sample(seed in any::<u64>(), stuck in 200_usize..400) {
        let mut series = Series::new(at(0));
        let value = |step: usize| 100.0 * (1.0 + 0.1 * noise(seed, step.min(stuck)));
        let found = feed(&mut series, 0..stuck + 31, value);
        prop_assert_eq!(found.last().copied().flatten(), Some(Oddity::Still));
        let since = series.odd_since(Oddity::Still);
        prop_assert!(since <= at(stuck) && since + STEP * 5 >= at(stuck), "{since}");
    }

    #[test]
    fn what_often_stands_still_has_to_for_longer(length in 12_usize..30, more in 2_usize..5) {
        let runs = 40 * length;
        let level = |step: usize| 100.0 + if step < runs { (step / length % 7) as f64 } else { 9.0 };
        let mut series = Series::new(at(0));
        let found = feed(&mut series, 0..runs + more * length, level);
        prop_assert!(found.iter().all(Option::is_none));
    }

    #[test]
    fn what_doubles_over_hours_creeps_and_no_longer_once_it_stays(
        seed in any::<u64>(), over in 1_500_usize..3_000, spread in 0.003_f64..0.01,
    ) {
        let (begin, end) = (300, 300 + over);
        let value = |step: usize| {
            let done = (step.clamp(begin, end) - begin) as f64 / over as f64;
            100.0 * (1.0 + done) * (1.0 + spread * noise(seed, step))
        };
        let mut series = Series::new(at(0));
        let found = feed(&mut series, 0..end, value);
        let first = found.iter().position(Option::is_some).unwrap_or(end);
        prop_assert!(first < end && found[first] == Some(Oddity::Creeps), "{first} of {end}");
        prop_assert!(value(first) > 135.0, "{first}");
        let since = series.odd_since(Oddity::Creeps);
        prop_assert!(since >= at(begin) && since <= at(end), "{since}");
        let (from, score) = series.crept(memory()).unwrap();
        prop_assert!((98.0..112.0).contains(&from) && score >= 8.0, "{from}, {score}");
        let after = feed(&mut series, end..end + 2_500, value);
        prop_assert_eq!(after.last().copied().flatten(), None);
    }
}
