//! What travels, and what must not.

use std::collections::BTreeSet;

use llm_sre_domain::Timestamp;
use proptest::prelude::*;

use super::*;
use crate::world::blueprint::SHOP;
use crate::world::control::Control;
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

fn told(seed: u64, kind: Kind, is_renamed: bool) -> Vec<Exports> {
    let mut world = World::new(seed, Timestamp::from_secs(1_700_000_000), is_renamed);
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

/// All that was told, in small letters.
fn json(exports: &[Exports]) -> String {
    let signals: Vec<_> = exports.iter().map(|exports| (&exports.metrics, &exports.logs, &exports.traces)).collect();
    serde_json::to_string(&signals).unwrap().to_lowercase()
}

/// The times that one report says it is.
fn times(exports: &[Exports]) -> BTreeSet<Timestamp> {
    let requests = exports.iter().filter_map(|exports| exports.metrics.as_ref());
    requests.flat_map(|request| llm_sre_proto::convert::otlp::metrics(request).items).map(|point| point.time).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2, ..ProptestConfig::default() })]

    #[test]
    fn telemetry_keeps_the_secret_and_is_the_same_for_a_seed(seed in 1..u64::MAX, is_renamed in any::<bool>()) {
        for kind in Kind::FAULTS.into_iter().chain(Control::ALL.map(Kind::Control)) {
            let json = json(&told(seed, kind, is_renamed));
            for secret in SECRETS {
                prop_assert!(!json.contains(secret), "{kind:?} tells '{secret}'");
            }
        }
        prop_assert_eq!(told(seed, Kind::BadDeploy, is_renamed), told(seed, Kind::BadDeploy, is_renamed));
    }

    #[test]
    fn a_renamed_shop_tells_no_name_of_the_demo_s(seed in 1..u64::MAX) {
        for kind in Kind::FAULTS {
            let json = json(&told(seed, kind, true));
            for blueprint in SHOP {
                let name = blueprint.name;
                for told in [format!("\"{name}\""), format!("/{name}"), format!("{name}-"), format!(" {name} ")] {
                    prop_assert!(!json.contains(&told), "{kind:?} tells {told}");
                }
            }
            prop_assert!(!["batched-reads", "/var/data", "partner.example"].iter().any(|told| json.contains(told)));
        }
    }

    #[test]
    fn counters_never_fall_while_a_process_lives(
        seed in 1..u64::MAX,
        kind in prop::sample::select(vec![Kind::BadDeploy, Kind::Control(Control::PausedSender)]),
    ) {
        let mut last = BTreeMap::new();
        for request in told(seed, kind, false).into_iter().filter_map(|exports| exports.metrics) {
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

    #[test]
    fn a_pause_and_a_wrong_clock_are_one_service_s_and_pass(seed in 1..u64::MAX) {
        let paused = told(seed, Kind::Control(Control::PausedSender), false);
        let missing = paused.iter().filter(|exports| exports.metrics.is_none()).count();
        prop_assert!((12..=24).contains(&missing), "{missing} reports of ten seconds are missing");

        let jumped = told(seed, Kind::Control(Control::ClockJump), false);
        let differing: Vec<_> = jumped.chunks(SHOP.len()).map(times).filter(|times| times.len() > 1).collect();
        prop_assert!((18..=40).contains(&differing.len()), "{} reports differ", differing.len());
        for times in differing {
            let off = times.last().unwrap().since(*times.first().unwrap());
            prop_assert!(times.len() == 2 && (30..=120).contains(&off.as_secs()), "{times:?}");
        }
    }
}
