//! Calls that a service makes, by where they go.

use super::*;
use crate::detect::requests::PEERS_MAX;

/// What one process counted of its calls to an address by a step: so many that succeeded, or that failed.
fn calls(peer: &str, is_failed: bool, step: i64, count: u64, mean_s: f64) -> MetricPoint {
    let (bounds, is_slow) = (vec![0.05_f64, 0.5], mean_s > 0.05);
    let mut point = point("cart", "http.client.request.duration", step, PointValue::Gauge(0.0));
    point.value = PointValue::Histogram {
        count,
        sum: Some(count as f64 * mean_s),
        bounds: bounds.into(),
        buckets: if is_slow { vec![0, count, 0] } else { vec![count, 0, 0] },
        temporality: Temporality::Cumulative,
    };
    point.unit = "s".into();
    point.origin = Origin { instance: "cart-1".into(), ..Origin::default() };
    point.attributes.insert("server.address".into(), peer.into());
    if is_failed {
        point.attributes.insert("error.type".into(), "timeout".into());
    }
    point
}

/// What is abnormal of a service whose calls to one of two addresses fail by a share from some step on.
fn failing(share: f64) -> Vec<(String, String, bool)> {
    let mut detector = Detector::new(Objectives::default());
    let (mut failed, mut served) = (0, 0);
    for step in 0..WARM_STEPS + 20 {
        let fails = if step < WARM_STEPS { 0 } else { (100.0 * share) as u64 };
        (failed, served) = (failed + fails, served + 100 - fails);
        for point in [
            calls("bank.example", false, step, served, 0.02),
            calls("bank.example", true, step, failed, 0.02),
            calls("mail.example", false, step, 100 * u64::try_from(step + 1).unwrap(), 0.02),
        ] {
            detector.metric(&point);
        }
        detector.advance(Timestamp::from_secs(100_000 + (step - 1) * STEP_S));
    }
    let found = detector.abnormal().into_iter();
    found.map(|a| (a.anomaly.metric.to_string(), a.anomaly.dimension.to_string(), a.is_worthy)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn calls_that_fail_tell_where_they_go_and_raise_nothing_by_themselves(share in 0.1_f64..1.0) {
        let told = ("calls.error_ratio".to_owned(), "server.address=bank.example".to_owned(), false);
        prop_assert_eq!(failing(share), [told]);
        prop_assert!(failing(0.0).is_empty());
    }
}

/// What is abnormal of a service whose certificate has so many seconds left at each step.
fn certified(left_s: impl Fn(i64) -> i64) -> Vec<(Signal, bool, f64)> {
    let mut detector = Detector::new(Objectives::default());
    for step in 0..WARM_STEPS + 12 {
        let mut left = point("cart", "tlscheck.time_left", step, PointValue::Gauge(left_s(step).max(0) as f64));
        left.unit = "s".into();
        detector.metric(&left);
        detector.advance(Timestamp::from_secs(100_000 + (step - 1) * STEP_S));
    }
    let found = detector.abnormal().into_iter();
    found.map(|found| (found.anomaly.signal, found.is_worthy, found.anomaly.observed)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn a_certificate_calls_for_an_incident_once_it_has_expired(days in 1_i64..700, ended in 0_i64..6) {
        let expired = [(Signal::Saturation, true, 0.0)];
        let runs_out = certified(|step| (WARM_STEPS + ended - step) * STEP_S);
        prop_assert_eq!(&runs_out[..], &expired[..], "it ran out");
        let usual = |step: i64| days * 86_400 - step * STEP_S;
        let is_replaced = |step: i64| step >= WARM_STEPS + ended;
        let replaced = certified(|step| if is_replaced(step) { 0 } else { usual(step) });
        prop_assert_eq!(&replaced[..], &expired[..], "the wrong one was put in its place");
        let sooner = certified(|step| if is_replaced(step) { usual(step) / 2 } else { usual(step) });
        prop_assert!(sooner.is_empty(), "it is valid for less long, and valid: {:?}", sooner);
    }
}

#[test]
fn who_calls_all_the_world_is_followed_to_some_of_it() {
    let mut detector = Detector::new(Objectives::default());
    for step in 0..3 {
        for peer in 0..PEERS_MAX + 5 {
            let count = 100 * u64::try_from(step + 1).unwrap();
            detector.metric(&calls(&format!("customer-{peer}.example"), false, step, count, 0.02));
        }
    }
    assert_eq!(detector.counts().refused.total(), 5 * 3, "{:?}", detector.counts());
    let mut nowhere = calls("", false, 3, 1_000, 0.02);
    nowhere.attributes.clear();
    detector.metric(&nowhere);
    assert_eq!(detector.counts().refused.total(), 5 * 3, "calls that do not say where they go are none to follow");
}

#[test]
fn calls_take_no_room_of_what_is_answered() {
    let mut detector = Detector::new(Objectives::default());
    for peer in 0..600 {
        detector.metric(&calls(&format!("customer-{peer}.example"), false, 0, 100, 0.02));
    }
    let refused = detector.counts().refused.total();
    let mut answered = calls("", true, 0, 100, 0.02);
    answered.metric = "http.server.request.duration".into();
    detector.metric(&answered);
    assert_eq!(detector.counts().refused.total(), refused, "what fails has a place, however many it calls");
}
