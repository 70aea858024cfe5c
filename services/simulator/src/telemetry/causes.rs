//! One cause is one case, whoever suffers from it, and two causes are two, though they have callers in common.

use std::time::Duration;

use llm_sre_domain::correlate::{Correlator, News};
use llm_sre_domain::detect::{Detector, Objectives};
use llm_sre_proto::convert::otlp;

use super::*;
use crate::world::fault::{Kind, Onset};
use crate::world::{Injection, STEP};

/// How long the shop trades until it is known, and after its first fault, in seconds.
const KNOWN_S: u64 = 900;
const LASTS_S: u64 = 600;
/// What the detector waits for.
const LATENESS: Duration = Duration::from_secs(10);

/// What breaks, where, and how many seconds after the shop is known.
type Breaks = (Kind, &'static str, u64);

/// The services that cases are told about.
fn told(seed: u64, breaks: &[Breaks]) -> Vec<String> {
    let mut world = World::new(seed, Timestamp::from_secs(1_700_000_000), false);
    let mut reporter = Reporter::new(seed);
    let (mut detector, mut correlator) = (Detector::new(Objectives::default()), Correlator::default());
    let mut told = Vec::new();
    let steps = |seconds: u64| seconds / STEP.as_secs();
    for step in 0..steps(KNOWN_S + LASTS_S) {
        for (kind, service, after_s) in breaks {
            if step == steps(KNOWN_S + after_s) {
                let (service, onset) = ((*service).to_owned(), Some(Onset::Sudden));
                let injection = Injection { kind: Some(*kind), service, onset, seed, ..Injection::default() };
                world.inject(&injection, false).unwrap();
            }
        }
        world.step();
        if step % steps(INTERVAL.as_secs()) != 0 {
            continue;
        }
        for exports in reporter.report(&mut world) {
            exports.metrics.iter().flat_map(|m| otlp::metrics(m).items).for_each(|point| detector.metric(&point));
            exports.logs.iter().flat_map(|logs| otlp::logs(logs).items).for_each(|record| detector.log(&record));
            exports.traces.iter().flat_map(|traces| otlp::spans(traces).items).for_each(|span| detector.span(&span));
        }
        detector.advance(world.now - LATENESS);
        told.extend(correlator.advance(&detector).into_iter().filter_map(|news| match news {
            News::Opened(case, _, argument) => case.subject(&argument).map(|(service, _)| service.name.to_string()),
            News::Cleared(_) => None,
        }));
    }
    told.sort();
    told
}

#[test]
fn one_cause_is_one_case() {
    for (seed, kind, service) in [
        (1, Kind::BadDeploy, "payment"),
        (2, Kind::BadDeploy, "session"),
        (3, Kind::PoolExhaustion, "catalog"),
        (4, Kind::BadConfiguration, "pricing"),
        (5, Kind::PoolExhaustion, "order"),
        (6, Kind::DependencyOutage, "shipping"),
        (7, Kind::ExpiredCertificate, "session"),
        (8, Kind::CacheStampede, "inventory"),
        (9, Kind::Overload, "pricing"),
        (10, Kind::SlowNetwork, "order"),
    ] {
        assert_eq!(told(seed, &[(kind, service, 0)]), [service], "seed {seed}: {kind:?}");
    }
}

#[test]
fn two_causes_are_two_cases_at_once_and_one_after_the_other() {
    for (seed, after_s) in [(11, 0), (12, 30), (13, 120), (14, 400)] {
        let breaks = [(Kind::BadDeploy, "payment", 0), (Kind::BadDeploy, "catalog", after_s)];
        assert_eq!(told(seed, &breaks), ["catalog", "payment"], "seed {seed}: {after_s} s apart");
    }
}
