//! The ranking: which service, by strength and place in the call graph; which cause, by what its evidence shows.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::harm::{self, Blame, Blames};
use super::{Argument, CauseKind, Hypothesis};
use crate::evidence::{Evidence, EvidenceId, Fact, Observation};
use crate::telemetry::{Change, ChangeKind};
use crate::{Anomaly, Direction, ServiceId, Signal, Timestamp};

/// How long after a change its harm shows, unless it leaks.
const CHANGE_WINDOW: Duration = Duration::from_secs(900);
/// How much of a symptom's strength the symptoms of a called service explain: effects travel to callers, and a weak
/// symptom does not explain a strong one.
const EXPLAINED: f64 = 0.7;
/// What a change in traffic weighs: load comes from outside, and is a cause only where nothing else is.
const TRAFFIC: f64 = 0.2;
/// The most that evidence of one kind alone can support: less than policy asks before the product acts by itself, since
/// one signal can be a fault of its sender.
const SINGLE_KIND_MAX: f64 = 0.5;
/// The most that signals can support where nothing says why they left their ranges.
const UNEXPLAINED_MAX: f64 = 0.6;
/// The most that any evidence can support.
const SUPPORTED_MAX: f64 = 0.95;
/// A score above this says no more than this one: senders can make it infinite.
const SCORE_MAX: f64 = 1e9;

/// Ranks what the cause can be. Services are ordered by the strength of their own signals, in which latency and errors
/// count by the harm that arises there, or, where nobody counted requests, little where a callee shows
/// them as well; a resource that saturates is nobody else's effect. Each hypothesis cites the facts that it argues from.
pub fn rank(evidence: &Evidence) -> Argument {
    let mut facts: BTreeMap<&ServiceId, Vec<&Fact>> = BTreeMap::new();
    for fact in &evidence.facts {
        facts.entry(service(fact)).or_default().push(fact);
    }
    let mut suffering: BTreeMap<&ServiceId, f64> = BTreeMap::new();
    for (_, anomaly) in anomalies(&evidence.facts).filter(|(_, anomaly)| is_symptom(anomaly)) {
        let worst = suffering.entry(&anomaly.service).or_default();
        *worst = worst.max(strength(anomaly));
    }
    let known: Vec<&Anomaly> = anomalies(&evidence.facts).map(|(_, anomaly)| anomaly).collect();
    let (slow, failing) = harm::blame(&known, &evidence.topology);
    let mut weighed: Vec<(f64, f64, Hypothesis)> = facts
        .iter()
        .filter_map(|(service, facts)| {
            let callees = evidence.topology.callees(service);
            let explained = callees.filter_map(|callee| suffering.get(callee)).copied().fold(0.0, f64::max);
            let most = |share, blamed: fn(&Blame) -> f64| {
                let weights = anomalies(facts.iter().copied()).map(|(_, anomaly)| {
                    let blame = blame(anomaly, &slow, &failing);
                    blame.map_or_else(|| weight(anomaly, explained, share), blamed)
                });
                weights.fold(0.0, f64::max)
            };
            let weight = most(EXPLAINED, |blame| blame.weight);
            let rival = most(1.0, |blame| blame.rival);
            (weight > 0.0).then(|| (weight, rival, hypothesis(service, facts)))
        })
        .collect();
    weighed.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.2.service.cmp(&b.2.service)));
    if weighed.is_empty() {
        let unresolved = Some("no service shows an anomaly".to_owned());
        return Argument { hypotheses: Vec::new(), unresolved };
    }
    // A service whose callees explain all that it shows is no rival, however many such services there are.
    let rivals: f64 = weighed.iter().map(|(_, rival, _)| rival).sum();
    let number = |(index, (weight, rival, mut hypothesis)): (usize, (f64, f64, Hypothesis))| {
        hypothesis.id = format!("h{}", index + 1);
        hypothesis.confidence *= (weight / (weight + (rivals - rival).max(0.0))).sqrt();
        hypothesis
    };
    Argument { hypotheses: weighed.into_iter().enumerate().map(number).collect(), unresolved: None }
}

fn anomalies<'a>(facts: impl IntoIterator<Item = &'a Fact>) -> impl Iterator<Item = (&'a EvidenceId, &'a Anomaly)> {
    facts.into_iter().filter_map(|fact| match &fact.observation {
        Observation::Anomaly(anomaly) => Some((&fact.id, anomaly)),
        _ => None,
    })
}

fn service(fact: &Fact) -> &ServiceId {
    match &fact.observation {
        Observation::Anomaly(anomaly) => &anomaly.service,
        Observation::LogTemplate(template) => &template.service,
        Observation::Change(change) => &change.service,
    }
}

/// Whether a signal is one that travels from a service to its callers.
fn is_symptom(anomaly: &Anomaly) -> bool {
    matches!(anomaly.signal, Signal::Latency | Signal::Errors | Signal::BudgetBurn)
}

/// Whether a signal can be the effect of what a called service does: callers also log what they could not get, and what
/// is known of their other signals does not say that they begin at home.
fn travels(anomaly: &Anomaly) -> bool {
    is_symptom(anomaly) || matches!(anomaly.signal, Signal::LogBurst | Signal::Other)
}

/// What the harm of an anomaly's kind says of its service; `None` where it is not known. A budget burns by errors.
fn blame<'a>(anomaly: &Anomaly, slow: &'a Blames<'_>, failing: &'a Blames<'_>) -> Option<&'a Blame> {
    match anomaly.signal {
        Signal::Latency => slow.get(&anomaly.service),
        Signal::Errors | Signal::BudgetBurn => failing.get(&anomaly.service),
        _ => None,
    }
}

/// By its logarithm: a hundred deviations are not ten times as telling as ten. What is no number is not above zero.
pub(super) fn strength(anomaly: &Anomaly) -> f64 {
    if anomaly.score > 0.0 { anomaly.score.min(SCORE_MAX).ln_1p() } else { 0.0 }
}

/// `explained` is the strength of the worst symptom of a called service, of which `share` counts.
fn weight(anomaly: &Anomaly, explained: f64, share: f64) -> f64 {
    let strength = strength(anomaly);
    match anomaly.signal {
        Signal::Traffic => TRAFFIC * strength,
        _ if travels(anomaly) => strength - share * explained.min(strength),
        _ => strength,
    }
}

fn hypothesis(service: &ServiceId, facts: &[&Fact]) -> Hypothesis {
    let own: Vec<(&EvidenceId, &Anomaly)> = anomalies(facts.iter().copied()).collect();
    let strongest = own.iter().max_by(|a, b| a.1.score.total_cmp(&b.1.score)).map(|(_, anomaly)| *anomaly);
    let onset = own.iter().map(|(_, anomaly)| anomaly.onset).min().unwrap_or_default();
    let (cause, telling) = cause(&own, facts, onset);
    let metric = telling.or(strongest).map(|anomaly| anomaly.metric.clone()).unwrap_or_default();
    let (claim, immediate_fix, long_term_fix) = words(cause);
    Hypothesis {
        id: String::new(),
        service: service.clone(),
        origin: telling.or(strongest).map(|anomaly| anomaly.origin.clone()).unwrap_or_default(),
        statement: format!("{service}: {claim}"),
        metric,
        cause,
        immediate_fix: immediate_fix.to_owned(),
        long_term_fix: long_term_fix.to_owned(),
        confidence: supported(cause, facts),
        supports: facts.iter().map(|fact| fact.id.clone()).collect(),
        contradicts: Vec::new(),
    }
}

/// How sure the evidence of one service can make of a cause, by how many kinds of it there are.
fn supported(cause: CauseKind, facts: &[&Fact]) -> f64 {
    let signals: BTreeSet<Signal> = anomalies(facts.iter().copied()).map(|(_, anomaly)| anomaly.signal).collect();
    let has = |is: fn(&Observation) -> bool| usize::from(facts.iter().any(|fact| is(&fact.observation)));
    let changes = has(|observation| matches!(observation, Observation::Change(_)));
    let logs = has(|observation| matches!(observation, Observation::LogTemplate(_)));
    match (signals.len() + changes + logs, cause) {
        (0 | 1, _) => SINGLE_KIND_MAX,
        (_, CauseKind::ServiceDegradation) => UNEXPLAINED_MAX,
        _ => SUPPORTED_MAX,
    }
}

/// The cause that the signals of one service speak for, and the anomaly that tells it.
fn cause<'a>(
    own: &[(&EvidenceId, &'a Anomaly)],
    facts: &[&Fact],
    onset: Timestamp,
) -> (CauseKind, Option<&'a Anomaly>) {
    let rising = |part: &str| {
        own.iter().map(|(_, anomaly)| *anomaly).find(|anomaly| {
            anomaly.direction == Direction::Up && anomaly.signal == Signal::Saturation && anomaly.metric.contains(part)
        })
    };
    let changed = |kinds: &[ChangeKind]| {
        facts.iter().any(|fact| match &fact.observation {
            Observation::Change(change) => kinds.contains(&change.kind) && is_shortly_before(change, onset),
            _ => false,
        })
    };
    if let Some(pool) = rising("db.client.connection") {
        return (CauseKind::ConnectionPoolExhaustion, Some(pool));
    }
    if changed(&[ChangeKind::Deployment]) && own.iter().any(|(_, anomaly)| is_symptom(anomaly)) {
        return (CauseKind::BadDeployment, None);
    }
    if changed(&[ChangeKind::Configuration, ChangeKind::FeatureFlag]) {
        return (CauseKind::BadConfiguration, None);
    }
    if let Some(memory) = rising("memory") {
        return (CauseKind::MemoryLeak, Some(memory));
    }
    if let Some(cpu) = rising("cpu") {
        return (CauseKind::CpuSaturation, Some(cpu));
    }
    if let Some(resource) = rising("") {
        return (CauseKind::ResourceSaturation, Some(resource));
    }
    if own.iter().all(|(_, anomaly)| anomaly.signal == Signal::Traffic) {
        return (CauseKind::TrafficSurge, None);
    }
    (CauseKind::ServiceDegradation, None)
}

fn is_shortly_before(change: &Change, onset: Timestamp) -> bool {
    // A detector may date the onset a little early; what came within a minute after it still counts as before.
    change.time <= onset + Duration::from_secs(60) && onset.since(change.time) <= CHANGE_WINDOW
}

/// The claim, what to do now, and what to change for good.
fn words(cause: CauseKind) -> (&'static str, &'static str, &'static str) {
    match cause {
        CauseKind::BadDeployment => (
            "signals left their ranges shortly after a deployment",
            "Roll the deployment back.",
            "Release to a few instances first and compare them with the rest before going on.",
        ),
        CauseKind::ConnectionPoolExhaustion => (
            "the connection pool is exhausted",
            "Let the pool hold more connections.",
            "Find what keeps connections for long, and bound how long one may be held.",
        ),
        CauseKind::MemoryLeak => (
            "memory grows beyond its range",
            "Start the affected instances again.",
            "Compare heap profiles over time to find what is kept, and alert on growth before the limit.",
        ),
        CauseKind::CpuSaturation => (
            "the CPU is busier than usual",
            "Add instances or take load away.",
            "Profile the busiest code, and size the service for its peak.",
        ),
        CauseKind::ResourceSaturation => (
            "a resource is fuller than usual",
            "Free the resource or add to it.",
            "Bound what can fill it, and alert before it is full.",
        ),
        CauseKind::TrafficSurge => (
            "traffic differs from what is usual",
            "Find where the load comes from, and add instances if it lasts.",
            "Scale by load, and limit what one client may ask for.",
        ),
        CauseKind::BadConfiguration => (
            "signals left their ranges shortly after a setting was changed",
            "Set it back.",
            "Roll settings out in steps, as versions are.",
        ),
        CauseKind::ServiceDegradation => (
            "the service is worse than usual, and the evidence does not say why",
            "Look at the cited signals and logs.",
            "Add the metrics that would have told the cause.",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::anomaly::AnomalyId;
    use crate::telemetry::Origin;

    fn fact(service: &str, signal: Signal, metric: &str, score: f64) -> Fact {
        let time = Timestamp::from_secs(1_000);
        let id = format!("{service}-{metric}");
        Fact {
            id: EvidenceId(id.clone()),
            observation: Observation::Anomaly(Anomaly {
                id: AnomalyId(id.as_str().into()),
                service: ServiceId::named(service),
                origin: Origin::default(),
                signal,
                metric: metric.into(),
                dimension: "".into(),
                unit: "".into(),
                onset: time,
                detected_at: time,
                last_seen: time,
                direction: Direction::Up,
                score,
                expected: 1.0,
                observed: 9.0,
                exemplar: String::new(),
                requests_per_s: None,
            }),
        }
    }

    fn deployment(service: &str, secs: i64) -> Fact {
        Fact {
            id: EvidenceId(format!("change-{service}")),
            observation: Observation::Change(Change {
                service: ServiceId::named(service),
                time: Timestamp::from_secs(secs),
                kind: ChangeKind::Deployment,
                subject: service.to_owned(),
                before: "1".to_owned(),
                after: "2".to_owned(),
                description: String::new(),
            }),
        }
    }

    fn argue(facts: Vec<Fact>, calls: &[(&str, &str)]) -> Argument {
        let mut evidence = Evidence { facts, ..Evidence::default() };
        for (client, server) in calls {
            let (client, server) = (ServiceId::named(client), ServiceId::named(server));
            evidence.topology.observe(&client, &server, Timestamp::from_secs(1));
        }
        rank(&evidence)
    }

    #[test]
    fn what_a_callee_explains_ranks_below_the_callee() {
        let facts = vec![fact("shop", Signal::Latency, "d", 40.0), fact("base", Signal::Latency, "d", 20.0)];
        let argument = argue(facts, &[("shop", "base")]);
        assert_eq!(argument.hypotheses[0].service, ServiceId::named("base"));
        assert_eq!(argument.hypotheses[1].id, "h2");
        assert!(argument.hypotheses.iter().all(|h| !h.supports.is_empty() && h.confidence <= 0.95));
    }

    #[test]
    fn causes_follow_from_what_is_shown() {
        let check = |facts: Vec<Fact>, cause: CauseKind| assert_eq!(argue(facts, &[]).hypotheses[0].cause, cause);
        let slow = || fact("a", Signal::Latency, "d", 20.0);
        check(vec![slow()], CauseKind::ServiceDegradation);
        check(vec![slow(), deployment("a", 900)], CauseKind::BadDeployment);
        check(vec![slow(), deployment("a", -9_000)], CauseKind::ServiceDegradation);
        check(vec![slow(), fact("a", Signal::Saturation, "jvm.memory.used", 9.0)], CauseKind::MemoryLeak);
        let pending = fact("a", Signal::Saturation, "db.client.connection.pending_requests", 9.0);
        check(vec![slow(), pending, deployment("a", 900)], CauseKind::ConnectionPoolExhaustion);
        check(vec![fact("a", Signal::Traffic, "r", 9.0)], CauseKind::TrafficSurge);
    }

    #[test]
    fn no_anomaly_is_no_hypothesis() {
        let argument = argue(vec![deployment("a", 900)], &[]);
        assert!(argument.hypotheses.is_empty() && argument.unresolved.is_some());
    }

    #[test]
    fn evidence_of_one_kind_never_lets_the_product_act_by_itself() {
        let auto = crate::remedy::Policy::default().confidence_auto_min;
        let memory = || fact("a", Signal::Saturation, "jvm.memory.used", 50.0);
        assert!(argue(vec![memory()], &[]).hypotheses[0].confidence < auto, "one signal alone");
        let supported = argue(vec![memory(), fact("a", Signal::Latency, "d", 50.0)], &[]);
        assert!(supported.hypotheses[0].confidence >= auto, "two kinds of signals of one service");
    }

    #[test]
    fn absurd_scores_give_confidences_that_are_numbers() {
        for score in [f64::INFINITY, f64::NAN, f64::NEG_INFINITY, f64::MAX] {
            let argument =
                argue(vec![fact("a", Signal::Latency, "d", score), fact("b", Signal::Errors, "e", 9.0)], &[]);
            assert!(argument.hypotheses.iter().all(|h| (0.0..=1.0).contains(&h.confidence)), "{score}: {argument:?}");
        }
    }
}
