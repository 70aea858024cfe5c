//! Processes that are replaced while their services go on.

use proptest::prelude::*;

use super::{STEP_S, noise, point};
use crate::detect::{Detector, Objectives};
use crate::incident::Verdict;
use crate::telemetry::{Origin, PointValue, Temporality};
use crate::{Anomaly, ServiceId, Timestamp};

const WARM: i64 = 60;
/// Steps in which memory is far from usual.
const FULL: i64 = 12;
/// More than it takes to give a process up.
const LONG: i64 = 30;

fn at(step: i64) -> Timestamp {
    Timestamp::from_secs(100_000 + step * STEP_S)
}

/// Memory of some processes of one service, at a step.
fn sample(detector: &mut Detector, seed: u64, step: i64, processes: &[(&str, f64)]) {
    for (instance, factor) in processes {
        let value = 500.0 * factor * noise(seed ^ instance.len() as u64, step);
        let mut memory = point("cart", "process.memory.usage", step, PointValue::Gauge(value));
        memory.origin = Origin { instance: (*instance).into(), ..Origin::default() };
        detector.metric(&memory);
    }
    detector.advance(at(step));
}

/// A process whose memory grew, and one that is well.
fn leaking(seed: u64) -> (Detector, Vec<Anomaly>) {
    let mut detector = Detector::new(Objectives::default());
    for step in 0..WARM {
        sample(&mut detector, seed, step, &[("a", 1.0), ("bb", 1.0)]);
    }
    for step in WARM..WARM + FULL {
        sample(&mut detector, seed, step, &[("a", 3.0), ("bb", 1.0)]);
    }
    let anomalies = abnormal(&detector);
    assert_eq!(anomalies.iter().map(|anomaly| &*anomaly.origin.instance).collect::<Vec<_>>(), ["a"]);
    (detector, anomalies)
}

fn abnormal(detector: &Detector) -> Vec<Anomaly> {
    detector.abnormal().into_iter().map(|abnormal| abnormal.anomaly).collect()
}

/// Another signal of a process, which is as ever.
fn breathe(detector: &mut Detector, instance: &str, step: i64) {
    let mut threads = point("cart", "process.thread.count", step, PointValue::Gauge(40.0));
    threads.origin = Origin { instance: instance.into(), ..Origin::default() };
    detector.metric(&threads);
    detector.advance(at(step));
}

/// Requests of one process, each of which took so long.
fn answer(detector: &mut Detector, instance: &str, step: i64, seconds: f64) {
    let bounds = vec![0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0];
    let mut buckets = vec![0; bounds.len() + 1];
    buckets[bounds.partition_point(|bound| *bound < seconds)] = 100;
    let value = PointValue::Histogram {
        count: 100,
        sum: Some(100.0 * seconds),
        bounds: bounds.into(),
        buckets,
        temporality: Temporality::Delta,
    };
    let mut requests = point("cart", "http.server.request.duration", step, value);
    requests.origin = Origin { instance: instance.into(), ..Origin::default() };
    requests.start = Some(at(step - 1));
    detector.metric(&requests);
    detector.advance(at(step));
}

#[test]
fn a_process_that_goes_on_without_a_signal_is_not_gone() {
    let (mut detector, known) = leaking(7);
    let since = WARM + FULL;
    for step in since..since + LONG {
        breathe(&mut detector, "a", step);
        sample(&mut detector, 7, step, &[("bb", 1.0)]);
    }
    assert_eq!(abnormal(&detector).len(), 1, "its memory is as it was last");
    let recovery = detector.recovery(&known, at(since));
    assert_eq!(recovery.verdict, Verdict::Inconclusive, "others do not speak for it: {}", recovery.reason);
}

#[test]
fn the_only_process_of_a_service_is_not_gone_while_its_logs_come() {
    let mut detector = Detector::new(Objectives::default());
    for step in 0..WARM + FULL {
        sample(&mut detector, 7, step, &[("a", if step < WARM { 1.0 } else { 3.0 })]);
    }
    let known = abnormal(&detector);
    for step in WARM + FULL..WARM + FULL + LONG {
        breathe(&mut detector, "", step);
    }
    assert_eq!(abnormal(&detector).len(), 1);
    let recovery = detector.recovery(&known, at(WARM + FULL));
    assert_eq!(recovery.verdict, Verdict::Inconclusive, "nobody took over: {}", recovery.reason);
}

#[test]
fn the_slow_requests_of_a_process_that_is_gone_are_no_evidence() {
    let mut detector = Detector::new(Objectives::default());
    let since = WARM + FULL;
    for step in 0..since {
        answer(&mut detector, "a", step, if step < WARM { 0.15 } else { 3.0 });
        answer(&mut detector, "bb", step, 0.15);
    }
    let cart = [ServiceId::named("cart")].into();
    let of_a = |detector: &Detector| {
        let facts = detector.evidence(&[], &cart, at(since)).facts;
        facts.iter().any(|fact| format!("{fact:?}").contains("instance: \"a\""))
    };
    assert!(of_a(&detector));
    for step in since..since + LONG {
        answer(&mut detector, "bb", step, 0.15);
        answer(&mut detector, "ccc", step, 0.15);
    }
    assert!(!of_a(&detector));
}

#[test]
fn requests_go_on_being_counted_however_many_processes_there_were() {
    let mut detector = Detector::new(Objectives::default());
    let cart = ServiceId::named("cart");
    // A process an hour and a half, each with as many kinds of requests as one may have.
    for generation in 0..3_i64 {
        for step in 0..6 {
            for kind in 0..512 {
                let mut requests =
                    point("cart", "http.server.request.duration", generation * 600 + step, PointValue::Gauge(0.0));
                let count = u64::try_from(step + 1).unwrap() * 10;
                requests.value = PointValue::Histogram {
                    count,
                    sum: None,
                    bounds: vec![1.0].into(),
                    buckets: vec![count, 0],
                    temporality: Temporality::Cumulative,
                };
                requests.attributes.insert("http.route".into(), format!("/{kind}").into());
                requests.origin = Origin { instance: format!("p{generation}").into(), ..Origin::default() };
                detector.metric(&requests);
            }
            detector.advance(at(generation * 600 + step));
        }
        assert_eq!(detector.counts().refused.total(), 0, "generation {generation}");
        assert!(detector.burn_rate(&cart).is_some(), "generation {generation} is counted");
    }
    detector.advance(at(3 * 600));
    assert!(detector.requests.len() <= 2, "who is gone is forgotten: {:?}", detector.requests.keys());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn what_a_process_said_before_it_went_is_not_what_is(seed in any::<u64>()) {
        let (mut detector, known) = leaking(seed);
        let since = WARM + FULL;
        for step in since..since + LONG {
            sample(&mut detector, seed, step, &[("bb", 1.0), ("ccc", 1.0)]);
        }
        prop_assert_eq!(abnormal(&detector), []);
        let cart = [ServiceId::named("cart")].into();
        prop_assert!(detector.evidence(&[], &cart, at(since + LONG)).facts.is_empty());
        // What an incident keeps stays its evidence.
        prop_assert_eq!(detector.evidence(&known, &cart, at(since)).facts.len(), 1);
    }

    #[test]
    fn a_service_that_falls_silent_is_as_it_was_last(seed in any::<u64>()) {
        let (mut detector, known) = leaking(seed);
        detector.advance(at(WARM + FULL + LONG));
        let still: Vec<_> = abnormal(&detector).into_iter().map(|anomaly| anomaly.id).collect();
        prop_assert!(still.contains(&known[0].id), "{:?}", still);
    }

    #[test]
    fn a_process_that_goes_while_recovery_is_measured_does_not_hold_it_up(seed in any::<u64>()) {
        let (mut detector, known) = leaking(seed);
        let since = WARM + FULL;
        for step in since..since + 6 {
            sample(&mut detector, seed, step, &[("a", 1.0), ("bb", 1.0)]);
        }
        for step in since + 6..since + 6 + LONG {
            sample(&mut detector, seed, step, &[("bb", 1.0), ("ccc", 1.0)]);
        }
        let recovery = detector.recovery(&known, at(since));
        prop_assert_eq!(recovery.verdict, Verdict::Recovered);
        prop_assert_eq!(recovery.measured_at, at(since + 6 + LONG - 1));
    }
}
