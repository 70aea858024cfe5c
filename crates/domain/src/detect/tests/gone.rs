//! Processes that are replaced while their services go on.

use proptest::prelude::*;

use super::{STEP_S, noise, point};
use crate::detect::{Detector, Objectives};
use crate::incident::Verdict;
use crate::telemetry::{Origin, PointValue};
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
