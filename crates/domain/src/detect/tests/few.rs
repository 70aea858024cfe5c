//! Durations of few requests, and durations that are a little longer for long.

use super::*;
use crate::Anomaly;

/// Upper bounds of the buckets, a tenth apart.
fn bounds() -> Vec<f64> {
    (0..60).map(|index| 0.02 * 1.1_f64.powi(index)).collect()
}

/// A number from 0 to 1, by a hash: the same for the same seed.
fn share(seed: u64) -> f64 {
    let mixed = (seed ^ (seed >> 31)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mixed = (mixed ^ (mixed >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    (mixed >> 11) as f64 / (1_u64 << 53) as f64
}

/// `cart`, which answers so many requests at each step, so many times as slowly as usual; their durations have a long
/// tail (log-logistic).
fn answering(seed: u64, steps: i64, requests: impl Fn(i64) -> u64, slower: impl Fn(i64) -> f64) -> Detector {
    hanging(seed, steps, requests, slower, |_| 0.0)
}

/// As [`answering`], where a share of the requests hangs for three seconds more.
fn hanging(
    seed: u64,
    steps: i64,
    requests: impl Fn(i64) -> u64,
    slower: impl Fn(i64) -> f64,
    hang: impl Fn(i64) -> f64,
) -> Detector {
    let mut detector = Detector::new(Objectives::default());
    let bounds: Arc<[f64]> = bounds().into();
    for step in 0..steps {
        let mut buckets = vec![0; bounds.len() + 1];
        for request in 0..requests(step) {
            let drawn = share(seed ^ share(step.unsigned_abs() << 20 | request).to_bits()).clamp(0.001, 0.999);
            let hangs = share(seed ^ drawn.to_bits()) < hang(step);
            let duration_s = 0.1 * slower(step) * (drawn / (1.0 - drawn)).powf(0.25) + if hangs { 3.0 } else { 0.0 };
            buckets[bounds.partition_point(|bound| *bound < duration_s)] += 1;
        }
        let (count, temporality) = (requests(step), Temporality::Delta);
        let value = PointValue::Histogram { count, sum: None, bounds: bounds.to_vec().into(), buckets, temporality };
        let mut point = point("cart", "http.server.request.duration", step, value);
        point.start = Some(Timestamp::from_secs(100_000 + (step - 1) * STEP_S));
        detector.metric(&point);
        detector.advance(Timestamp::from_secs(100_000 + step * STEP_S));
    }
    detector
}

/// When the durations of `cart` were abnormal first, in steps.
fn slow_since(detector: &Detector) -> Option<i64> {
    let slow = detector.abnormal().into_iter().find(|abnormal| abnormal.anomaly.signal == Signal::Latency)?;
    Some((slow.anomaly.onset.as_nanos() / 1_000_000_000 - 100_000) / STEP_S)
}

fn slow() -> Anomaly {
    let detector = answering(1, WARM_STEPS + 30, |_| 200, |step| if step < WARM_STEPS { 1.0 } else { 4.0 });
    let found = detector.abnormal().into_iter().map(|abnormal| abnormal.anomaly);
    found.into_iter().find(|anomaly| anomaly.signal == Signal::Latency).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// As after twice as many processes were started: each has half of the requests, and one that is slow by chance is a
    /// larger part of them.
    #[test]
    fn a_few_requests_of_many_are_slow_by_chance_and_that_is_no_relapse(seed in any::<u64>(), few in 12_u64..25) {
        let (began, since) = (WARM_STEPS + 30, Timestamp::from_secs(100_000 + (WARM_STEPS + 30) * STEP_S));
        let requests = |step| if step < began { 200 } else { few };
        let usual = |steps| answering(seed, steps, requests, |_| 1.0);
        let is_well = |steps: &i64| usual(*steps).recovery(&[slow()], since).verdict == Verdict::Recovered;
        // One of hundreds of such windows is outside all the same.
        prop_assert!((began + 10..began + 20).filter(is_well).count() >= 5);
        prop_assert_eq!(slow_since(&usual(began + 20)), None);
        let slow_yet = answering(seed, began + 20, requests, |step| if step < began { 1.0 } else { 3.0 });
        prop_assert_eq!(slow_yet.recovery(&[slow()], since).verdict, Verdict::NotRecovered);
        prop_assert!(slow_since(&slow_yet).is_some_and(|step| (began - 3..began + 10).contains(&step)));
    }

    #[test]
    fn what_is_half_as_slow_again_for_minutes_is_abnormal_though_no_sample_is(seed in any::<u64>(), slower in 1.45_f64..1.6) {
        let began = WARM_STEPS + 60;
        let detector = answering(seed, began + 30, |_| 300, |step| if step < began { 1.0 } else { slower });
        let onset = slow_since(&detector);
        prop_assert!(onset.is_some_and(|step| (began - 3..began + 6).contains(&step)), "{:?}", onset);
    }

    /// Each window of them may be chance, and all of them are none.
    #[test]
    fn a_quarter_of_few_requests_that_hangs_is_abnormal_and_no_recovery(seed in any::<u64>(), few in 10_u64..25) {
        let began = WARM_STEPS + 30;
        let since = Timestamp::from_secs(100_000 + began * STEP_S);
        let hang = |step| if step < began { 0.0 } else { 0.25 };
        for steps in [began + 16, began + 40, began + 70] {
            let detector = hanging(seed, steps, |_| few, |_| 1.0, hang);
            let measured = detector.recovery(&[slow()], since);
            // One look may find three windows in a row that are well; what counts is for how long that holds.
            let held = measured.measured_at.since(measured.well_since);
            let is_well = measured.verdict == Verdict::Recovered && held >= Duration::from_secs(120);
            prop_assert!(!is_well, "{measured:?} at {steps}");
        }
        let is_told = (began + 20..began + 70).any(|steps| slow_since(&hanging(seed, steps, |_| few, |_| 1.0, hang)).is_some());
        prop_assert!(is_told);
        // Nor is it usual later: a full outage after it is seen.
        let worse = |step| if step < began { 0.0 } else if step < began + 80 { 0.25 } else { 1.0 };
        prop_assert!(slow_since(&hanging(seed, began + 90, |_| few, |_| 1.0, worse)).is_some());
    }

    #[test]
    fn what_is_a_little_slower_is_not(seed in any::<u64>(), slower in 1.0_f64..1.2, requests in 20_u64..300) {
        let began = WARM_STEPS + 60;
        for end in [began + 10, began + 30, began + 120] {
            let detector = answering(seed, end, |_| requests, |step| if step < began { 1.0 } else { slower });
            prop_assert_eq!(slow_since(&detector), None);
        }
    }

    /// The same numbers, a second apart: no minute of them is looked at, so that none of them is a level.
    #[test]
    fn what_is_slower_for_less_than_a_minute_is_not(seed in any::<u64>(), slower in 1.3_f64..1.55) {
        let mut detector = Detector::new(Objectives::default());
        for second in 0..400 {
            let value = 0.1 * noise(seed, second) * if (300..350).contains(&second) { slower } else { 1.0 };
            let mut point = point("cart", "http.server.request.duration.p95", 0, PointValue::Gauge(value));
            point.time = Timestamp::from_secs(100_000 + second);
            detector.metric(&point);
            detector.advance(point.time);
            prop_assert_eq!(slow_since(&detector), None, "{}", second);
        }
    }
}
