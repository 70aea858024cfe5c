//! What an incident is about, for a detector that does not know what was usual before it: after a start, or an hour of
//! silence.

use super::*;
use crate::Anomaly;

/// `cart`, which answers a thousand requests at each step, of which a share fails, and which says how busy it is; at some
/// steps nothing is heard of it.
fn hear(
    detector: &mut Detector,
    seed: u64,
    steps: std::ops::Range<i64>,
    failing: impl Fn(i64) -> f64,
    is_heard: impl Fn(i64) -> bool,
) {
    for step in steps {
        let sick = failing(step) > 0.1;
        if is_heard(step) {
            let busy = if sick { 0.9 } else { 0.2 } * noise(seed, step);
            detector.metric(&point("cart", "process.cpu.utilization", step, PointValue::Gauge(busy)));
            let failed = (1_000.0 * failing(step) * noise(seed ^ 1, step)) as u64;
            for (status, count) in [("200", 1_000 - failed.min(1_000)), ("500", failed)] {
                let buckets = if sick { vec![0, 0, count] } else { vec![count, 0, 0] };
                let value = PointValue::Histogram {
                    count,
                    sum: None,
                    bounds: vec![0.1, 3.0].into(),
                    buckets,
                    temporality: Temporality::Delta,
                };
                let mut point = point("cart", "http.server.request.duration", step, value);
                point.start = Some(Timestamp::from_secs(100_000 + (step - 1) * STEP_S));
                point.attributes = [("http.response.status_code".into(), status.into())].into();
                detector.metric(&point);
            }
        }
        detector.advance(at(step));
    }
}

fn at(step: i64) -> Timestamp {
    Timestamp::from_secs(100_000 + step * STEP_S)
}

const BROKEN: i64 = WARM_STEPS + 30;

fn sick_from(step: i64) -> f64 {
    if step < BROKEN { 0.001 } else { 0.8 }
}

/// What is abnormal once it has been broken for five minutes, measured by one of each kind.
fn told(seed: u64) -> Vec<Anomaly> {
    let mut detector = Detector::new(Objectives::default());
    hear(&mut detector, seed, 0..BROKEN + 30, sick_from, |_| true);
    let found: Vec<Anomaly> = detector.abnormal().into_iter().map(|abnormal| abnormal.anomaly).collect();
    for signal in [Signal::Errors, Signal::BudgetBurn, Signal::Latency, Signal::Saturation] {
        assert!(found.iter().any(|anomaly| anomaly.signal == signal), "{signal:?}: {found:?}");
    }
    found
}

fn is_well(detector: &Detector, told: &[Anomaly], since: i64) -> bool {
    let measured = detector.recovery(told, at(since));
    let held = measured.measured_at.since(measured.well_since);
    measured.verdict == Verdict::Recovered && held >= Duration::from_secs(120)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn what_was_abnormal_is_not_usual_for_one_who_never_saw_it_otherwise(seed in any::<u64>(), learnt in 3_i64..300) {
        let all = told(seed);
        let (start, cured) = (BROKEN + 40, BROKEN + 40 + learnt);
        let failing = |step| if step < cured { 0.8 } else { 0.001 };
        let mut detector = Detector::new(Objectives::default());
        for step in start..cured {
            hear(&mut detector, seed, step..step + 1, failing, |_| true);
            for anomaly in &all {
                prop_assert!(!is_well(&detector, std::slice::from_ref(anomaly), start), "{anomaly:?} at {}", step - start);
            }
        }
        // That it is well again shows all the same.
        hear(&mut detector, seed, cured..cured + 30, failing, |_| true);
        prop_assert!(is_well(&detector, &all, cured + 1), "{:?}", detector.recovery(&all, at(cured + 1)));
    }

    #[test]
    fn an_hour_of_silence_makes_nothing_usual(seed in any::<u64>(), silent in 362_i64..500) {
        let all = told(seed);
        let (from, to) = (BROKEN + 30, BROKEN + 30 + silent);
        let mut detector = Detector::new(Objectives::default());
        for step in 0..to + 90 {
            hear(&mut detector, seed, step..step + 1, sick_from, |step| !(from..to).contains(&step));
            for anomaly in all.iter().filter(|_| step >= from) {
                prop_assert!(!is_well(&detector, std::slice::from_ref(anomaly), from), "{anomaly:?} at {step}");
            }
        }
    }

    /// As of a process that hangs for minutes and then answers a few times: that is not minutes of health.
    #[test]
    fn silence_is_not_health(seed in any::<u64>(), silent in 5_i64..60) {
        let all = told(seed);
        let (from, to) = (BROKEN + 30, BROKEN + 30 + silent);
        let failing = |step| if step < from { sick_from(step) } else { 0.001 };
        let mut detector = Detector::new(Objectives::default());
        hear(&mut detector, seed, 0..to + 11, failing, |step| !(from..to).contains(&step));
        prop_assert!(!is_well(&detector, &all, from), "{:?}", detector.recovery(&all, at(from)));
        hear(&mut detector, seed, to + 11..to + 30, failing, |_| true);
        prop_assert!(is_well(&detector, &all, from), "{:?}", detector.recovery(&all, at(from)));
    }
}
