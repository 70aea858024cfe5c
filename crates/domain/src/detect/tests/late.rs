//! Telemetry that comes late, twice, or in another order.

use proptest::prelude::*;

use super::{STEP_S, WARM_STEPS, noise, point};
use crate::detect::{Abnormal, Detector, Objectives};
use crate::telemetry::{MetricPoint, Origin, PointValue, Temporality};
use crate::{ServiceId, Timestamp};

const STEPS: i64 = WARM_STEPS + 30;
const PROCESSES: [&str; 3] = ["a", "b", "c"];

/// What a process says at a step: a level, a count, and requests of which some fail from a step on.
fn says(process: &str, step: i64) -> Vec<MetricPoint> {
    let seed = u64::from(process.as_bytes()[0]);
    let is_bad = step >= WARM_STEPS;
    let busy = PointValue::Gauge(0.3 * noise(seed, step) * if is_bad { 2.5 } else { 1.0 });
    let total = |each: f64| each * (step + 1) as f64;
    let evicted = PointValue::Sum { value: total(40.0), monotonic: true, temporality: Temporality::Cumulative };
    let requests = |status: &str, each: f64, since: i64| {
        let count = (each * (step + 1 - since).max(0) as f64) as u64;
        let (bounds, buckets) = (vec![0.1].into(), vec![count, 0]);
        let temporality = Temporality::Cumulative;
        let value = PointValue::Histogram { count, sum: Some(count as f64), bounds, buckets, temporality };
        let mut requests = point("cart", "http.server.request.duration", step, value);
        requests.attributes = [("http.response.status_code".into(), status.into())].into();
        requests
    };
    let mut said = vec![
        point("cart", "process.cpu.utilization", step, busy),
        point("cart", "cache.evictions", step, evicted),
        requests("200", 400.0, 0),
        requests("500", 100.0, WARM_STEPS),
    ];
    for point in &mut said {
        point.origin = Origin { instance: process.into(), ..Origin::default() };
    }
    said
}

/// What is found, and how much was taken and came late, where `order` says in which order points of a step come, and of
/// which earlier step each of them comes once more.
fn found(
    order: impl Fn(i64, usize) -> u64,
    again: impl Fn(i64) -> Option<i64>,
) -> (Vec<Abnormal>, Option<f64>, u64, u64) {
    let mut detector = Detector::new(Objectives::default());
    for step in 0..STEPS {
        let mut said: Vec<MetricPoint> = PROCESSES.iter().flat_map(|process| says(process, step)).collect();
        let keys: Vec<u64> = (0..said.len()).map(|index| order(step, index)).collect();
        let mut places: Vec<usize> = (0..said.len()).collect();
        places.sort_by_key(|place| keys[*place]);
        said = places.into_iter().map(|place| said[place].clone()).collect();
        let late = again(step).into_iter().flat_map(|before| PROCESSES.iter().flat_map(move |of| says(of, before)));
        said.extend(late);
        said.iter().for_each(|point| detector.metric(point));
        detector.advance(Timestamp::from_secs(100_000 + step * STEP_S));
    }
    let counts = detector.counts();
    assert_eq!(counts.refused.total(), 0);
    (detector.abnormal(), detector.burn_rate(&ServiceId::named("cart")), counts.taken, counts.late)
}

fn hash(seed: u64, step: i64, index: usize) -> u64 {
    (seed ^ step.unsigned_abs() ^ ((index as u64) << 32)).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn what_comes_late_is_counted_and_changes_nothing(seed in any::<u64>(), share in 1_u64..6) {
        let in_order = |_, index: usize| index as u64;
        let (abnormal, burn, taken, late) = found(in_order, |_| None);
        prop_assert!(abnormal.len() >= 4 && burn.is_some_and(|burn| burn > 10.0), "it is about something: {abnormal:?}");
        prop_assert_eq!(late, 0);
        let again = |step: i64| {
            let drawn = hash(seed, step, 0);
            (step > 0 && drawn.is_multiple_of(share)).then(|| (step - 1 - i64::try_from((drawn >> 40) % 40).unwrap()).max(0))
        };
        let repeats = u64::try_from((0..STEPS).filter(|step| again(*step).is_some()).count()).unwrap();
        let with_late = found(in_order, again);
        // Each of them is four points of each process.
        prop_assert_eq!(with_late, (abnormal, burn, taken, repeats * 12));
    }

    #[test]
    fn within_a_step_order_is_nobodys_business(seed in any::<u64>()) {
        let in_order = found(|_, index: usize| index as u64, |_| None);
        prop_assert_eq!(found(|step, index| hash(seed, step, index), |_| None), in_order);
    }
}
