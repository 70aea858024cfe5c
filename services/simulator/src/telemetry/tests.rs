//! What travels, and what must not.

use llm_sre_domain::Timestamp;
use proptest::prelude::*;

use super::*;
use crate::world::fault::Kind;
use crate::world::{Injection, STEP};

/// Words that would give away what is wrong, or that nothing of it is real.
const SECRETS: [&str; 12] = [
    "fault",
    "simulat",
    "inject",
    "leak",
    "exhaust",
    "bad_deploy",
    "bad deploy",
    "seed",
    "chaos",
    "defect",
    "lock",
    "peak",
];

fn told(seed: u64, kind: Kind) -> Vec<Exports> {
    let mut world = World::new(seed, Timestamp::from_secs(1_700_000_000));
    let mut reporter = Reporter::new(seed);
    let mut told = Vec::new();
    for step in 0..140 {
        if step == 60 {
            world.inject(&Injection { kind: Some(kind), seed, ..Injection::default() }, false).unwrap();
        }
        world.step();
        if step % (INTERVAL.as_secs() / STEP.as_secs()) == 0 {
            told.extend(reporter.report(&mut world));
        }
    }
    told
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2, ..ProptestConfig::default() })]

    #[test]
    fn telemetry_keeps_the_secret_and_is_the_same_for_a_seed(seed in 1..u64::MAX) {
        for kind in Kind::FAULTS.into_iter().chain([Kind::TrafficPeak]) {
            let exports = told(seed, kind);
            let json = serde_json::to_string(&exports.iter().map(|e| (&e.metrics, &e.logs, &e.traces)).collect::<Vec<_>>());
            let json = json.unwrap().to_lowercase();
            for secret in SECRETS {
                prop_assert!(!json.contains(secret), "{kind:?} tells '{secret}'");
            }
        }
        prop_assert_eq!(told(seed, Kind::BadDeploy), told(seed, Kind::BadDeploy));
    }

    #[test]
    fn counters_never_fall_while_a_process_lives(seed in 1..u64::MAX) {
        let mut last = std::collections::BTreeMap::new();
        for request in told(seed, Kind::BadDeploy).into_iter().filter_map(|exports| exports.metrics) {
            for point in llm_sre_proto::convert::otlp::metrics(&request).items {
                if let llm_sre_domain::telemetry::PointValue::Histogram { count, buckets, .. } = &point.value {
                    prop_assert_eq!(buckets.iter().sum::<u64>(), *count);
                    let key = format!("{:?} {:?} {:?}", point.origin, point.start, point.attributes);
                    let before = last.insert(key, *count).unwrap_or(0);
                    prop_assert!(before <= *count);
                }
            }
        }
        prop_assert!(!last.is_empty());
    }
}
