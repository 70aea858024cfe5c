//! The ranking: which service, by strength and place in the call graph.

use std::collections::BTreeMap;

use super::harm::{self, Blame, Blames};
use super::precedents::{self, Candidate};
use super::{Argument, Hypothesis, causes};
use crate::evidence::{Evidence, EvidenceId, Fact, Observation};
use crate::{Anomaly, ServiceId, Signal};

/// How much of a symptom's strength the symptoms of a called service explain: effects travel to callers, and a weak
/// symptom does not explain a strong one.
const EXPLAINED: f64 = 0.7;
/// What a change in traffic weighs: load comes from outside, and is a cause only where nothing else is.
const TRAFFIC: f64 = 0.2;
/// What a resource weighs that crept for hours: it may have nothing to do with what is wrong now.
const CREPT: f64 = 0.5;
/// By how much more a service weighs that was changed shortly before: the others have no such reason.
const CHANGED: f64 = 1.5;
/// A score above this says no more than this one: senders can make it infinite.
const SCORE_MAX: f64 = 1e9;

/// Ranks what the cause can be, the surest first. Services weigh by the strength of their own signals, in which latency
/// and errors count by the harm that arises there, or, where nobody counted requests, little where a callee shows
/// them as well; a resource that saturates is nobody else's effect. Each hypothesis cites the facts that it argues from.
/// What people said of past incidents, and what repairs came to, then moves what is named, within what its own evidence
/// supports.
pub fn rank(evidence: &Evidence) -> Argument {
    let mut facts: BTreeMap<&ServiceId, Vec<&Fact>> = BTreeMap::new();
    for fact in &evidence.facts {
        if let Some(service) = service(fact) {
            facts.entry(service).or_default().push(fact);
        }
    }
    let mut suffering: BTreeMap<&ServiceId, f64> = BTreeMap::new();
    for (_, anomaly) in anomalies(&evidence.facts).filter(|(_, anomaly)| is_symptom(anomaly)) {
        let worst = suffering.entry(&anomaly.service).or_default();
        *worst = worst.max(strength(anomaly));
    }
    let known: Vec<&Anomaly> = anomalies(&evidence.facts).map(|(_, anomaly)| anomaly).collect();
    let (slow, failing) = harm::blame(&known, &evidence.topology);
    let mut weighed: Vec<(f64, f64, Vec<Hypothesis>)> = facts
        .iter()
        // What others suffer from there is taken off them all the same.
        .filter(|(service, _)| !evidence.apart.contains(**service))
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
            let (weight, rival) = (most(EXPLAINED, |blame| blame.weight), most(1.0, |blame| blame.rival));
            (weight > 0.0).then(|| {
                let causes = causes::hypotheses(service, facts, &evidence.topology);
                let reason = if causes::is_changed(&causes) { CHANGED } else { 1.0 };
                (weight * reason, rival * reason, causes)
            })
        })
        .collect();
    // A stable sort: services of one weight stay in their order.
    weighed.sort_by(|a, b| b.0.total_cmp(&a.0));
    if weighed.is_empty() {
        let unresolved = Some("no service shows an anomaly".to_owned());
        return Argument { hypotheses: Vec::new(), unresolved };
    }
    // A service whose callees explain all that it shows is no rival, however many such services there are.
    let rivals: f64 = weighed.iter().map(|(_, rival, _)| rival).sum();
    let mut candidates = Vec::new();
    for (weight, rival, causes) in weighed {
        let share = (weight / (weight + (rivals - rival).max(0.0))).sqrt();
        for mut hypothesis in causes {
            let own = facts.get(&hypothesis.service).map(Vec::as_slice).unwrap_or_default();
            let supported = causes::supported(hypothesis.cause, own);
            hypothesis.confidence *= share;
            candidates.push(Candidate { hypothesis, supported });
        }
    }
    let mut hypotheses = precedents::weigh(candidates, &evidence.facts);
    for (index, hypothesis) in hypotheses.iter_mut().enumerate() {
        hypothesis.id = format!("h{}", index + 1);
    }
    Argument { hypotheses, unresolved: None }
}

pub(super) fn anomalies<'a>(
    facts: impl IntoIterator<Item = &'a Fact>,
) -> impl Iterator<Item = (&'a EvidenceId, &'a Anomaly)> {
    facts.into_iter().filter_map(|fact| match &fact.observation {
        Observation::Anomaly(anomaly) => Some((&fact.id, anomaly)),
        _ => None,
    })
}

/// The service whose trouble a fact speaks of; what people said of other incidents, and what repairs came to, speaks of
/// none.
fn service(fact: &Fact) -> Option<&ServiceId> {
    match &fact.observation {
        Observation::Anomaly(anomaly) => Some(&anomaly.service),
        Observation::LogTemplate(template) => Some(&template.service),
        Observation::Change(change) => Some(&change.service),
        Observation::Precedent(_) | Observation::Attempt(_) => None,
    }
}

/// Whether a signal is one that travels from a service to its callers.
pub(super) fn is_symptom(anomaly: &Anomaly) -> bool {
    matches!(anomaly.signal, Signal::Latency | Signal::Errors | Signal::BudgetBurn)
}

/// Whether a signal can be the effect of what a called service does: callers also log what they could not get, and what
/// is known of their other signals does not say that they begin at home.
fn travels(anomaly: &Anomaly) -> bool {
    is_symptom(anomaly) || matches!(anomaly.signal, Signal::LogBurst | Signal::Other)
}

/// What the harm of an anomaly's kind says of its service; `None` where it is not known. A budget burns by errors. What
/// comes along with harm, such as logs and requests that pile up, says no more than the harm does.
fn blame<'a>(anomaly: &Anomaly, slow: &'a Blames<'_>, failing: &'a Blames<'_>) -> Option<&'a Blame> {
    let (slow, failing) = (slow.get(&anomaly.service), failing.get(&anomaly.service));
    match anomaly.signal {
        Signal::Latency => slow,
        Signal::Errors | Signal::BudgetBurn => failing,
        _ if travels(anomaly) => slow.into_iter().chain(failing).max_by(|a, b| a.weight.total_cmp(&b.weight)),
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
        Signal::Drift => CREPT * strength,
        // That a sender repeats itself says that a signal is missing, and nothing of its service.
        Signal::FlatLine => 0.0,
        _ if travels(anomaly) => strength - share * explained.min(strength),
        _ => strength,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Timestamp;
    use crate::diagnose::CauseKind;
    use crate::diagnose::facts::{anomaly, deployment};
    use crate::telemetry::ChangeKind;

    fn fact(service: &str, signal: Signal, metric: &str, score: f64) -> Fact {
        anomaly(&format!("{service}-{metric}"), service, signal, metric, score)
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
        let disk = || fact("a", Signal::Saturation, "system.filesystem.utilization", 9.0);
        check(vec![slow(), disk(), deployment("a", 900)], CauseKind::DiskFull);
        let busy = || fact("a", Signal::Saturation, "process.cpu.utilization", 9.0);
        check(vec![slow(), busy()], CauseKind::CpuSaturation);
        check(vec![slow(), busy(), deployment("a", 900)], CauseKind::BadDeployment);
        check(vec![slow(), busy(), deployment("a", 400)], CauseKind::CpuSaturation);
    }

    #[test]
    fn the_change_that_is_blamed_is_the_last_one_before_the_harm() {
        let flag = |key: &str, secs| {
            let mut fact = deployment("a", secs);
            if let Observation::Change(change) = &mut fact.observation {
                (change.kind, change.subject) = (ChangeKind::FeatureFlag, key.to_owned());
            }
            fact
        };
        // The harm is dated at 1,000; what came 40 s later may be what somebody did about it.
        let blamed = |changes: &[(&str, i64)]| {
            let changes = changes.iter().map(|(key, secs)| flag(key, *secs));
            let first = argue(std::iter::once(fact("a", Signal::Errors, "e", 20.0)).chain(changes).collect(), &[]);
            first.hypotheses[0].change.as_ref().map(|change| change.subject.clone())
        };
        assert_eq!(blamed(&[("old", 700), ("new", 900), ("cure", 1_040)]).as_deref(), Some("new"));
        assert_eq!(blamed(&[("dated early", 1_040)]).as_deref(), Some("dated early"));
        assert_eq!(blamed(&[("late", 1_100)]), None);
    }

    #[test]
    fn a_processor_that_is_busy_everywhere_is_of_no_instance() {
        let busy = |instance: &str, observed: f64| {
            let mut fact = fact("a", Signal::Saturation, "process.cpu.utilization", 9.0);
            if let Observation::Anomaly(anomaly) = &mut fact.observation {
                (anomaly.origin.instance, anomaly.observed) = (instance.into(), observed);
            }
            fact
        };
        let blamed = |facts: Vec<Fact>| {
            let slow = fact("a", Signal::Latency, "d", 20.0);
            argue([vec![slow], facts].concat(), &[]).hypotheses[0].origin.instance.to_string()
        };
        assert_eq!(blamed(vec![busy("a-1", 0.9)]), "a-1");
        assert_eq!(blamed(vec![busy("a-1", 0.9), busy("a-2", 0.2)]), "a-1", "the other helps out");
        assert_eq!(blamed(vec![busy("a-1", 0.9), busy("", 0.5)]), "a-1", "the service as a whole is no other");
        assert_eq!(blamed(vec![busy("a-1", 0.9), busy("a-2", 0.8)]), "", "it is the load");
    }

    #[test]
    fn a_change_is_blamed_for_harm_and_not_for_noise_before_it() {
        let noise = |secs| {
            let mut fact = fact("a", Signal::Other, "requests_under_way", 9.0);
            if let Observation::Anomaly(anomaly) = &mut fact.observation {
                anomaly.onset = Timestamp::from_secs(secs);
            }
            fact
        };
        let facts = vec![noise(100), fact("a", Signal::Errors, "e", 20.0), deployment("a", 980)];
        assert_eq!(argue(facts, &[]).hypotheses[0].cause, CauseKind::BadDeployment);
    }

    #[test]
    fn a_budget_that_burns_since_other_trouble_acquits_no_change() {
        let mut burn = fact("a", Signal::BudgetBurn, "error_budget.burn_rate", 9.0);
        if let Observation::Anomaly(anomaly) = &mut burn.observation {
            anomaly.onset = Timestamp::from_secs(400);
        }
        let facts = vec![burn.clone(), fact("a", Signal::Errors, "e", 20.0), deployment("a", 980)];
        assert_eq!(argue(facts, &[]).hypotheses[0].cause, CauseKind::BadDeployment);
        let facts = vec![burn, deployment("a", 980)];
        assert_eq!(argue(facts, &[]).hypotheses[0].cause, CauseKind::ServiceDegradation, "nothing came after it");
    }

    #[test]
    fn what_was_changed_outweighs_what_was_not() {
        let facts = vec![fact("a", Signal::Latency, "d", 20.0), fact("b", Signal::Latency, "d", 15.0)];
        assert_eq!(argue(facts.clone(), &[]).hypotheses[0].service, ServiceId::named("a"));
        let facts = [facts, vec![deployment("b", 950)]].concat();
        assert_eq!(argue(facts, &[]).hypotheses[0].service, ServiceId::named("b"));
    }

    #[test]
    fn what_else_it_can_be_comes_next_and_is_less_sure() {
        let facts = |deployed| {
            let memory = fact("a", Signal::Saturation, "process.memory.usage", 30.0);
            vec![fact("a", Signal::Latency, "d", 20.0), memory, deployment("a", deployed)]
        };
        let causes = |deployed| {
            let hypotheses = argue(facts(deployed), &[]).hypotheses;
            assert!(hypotheses[0].confidence > hypotheses[1].confidence);
            [hypotheses[0].cause, hypotheses[1].cause]
        };
        assert_eq!(causes(950), [CauseKind::BadDeployment, CauseKind::MemoryLeak], "harm right after it");
        assert_eq!(causes(400), [CauseKind::MemoryLeak, CauseKind::BadDeployment], "ten minutes without harm");
    }

    #[test]
    fn what_another_incident_is_about_is_not_named_and_still_explains() {
        // Callers in common lose what both causes lose; the stronger of these has an incident already.
        let facts = || {
            let lost = [("web", 3.0), ("cart", 1.0), ("payment", 2.0)];
            let fact = |(service, observed): (&str, f64)| {
                let mut fact = fact(service, Signal::Latency, "d", 20.0);
                if let Observation::Anomaly(anomaly) = &mut fact.observation {
                    (anomaly.expected, anomaly.observed) = (0.0, observed);
                    anomaly.requests_per_s = Some(100.0);
                }
                fact
            };
            lost.map(fact).to_vec()
        };
        let calls = [("web", "cart"), ("web", "payment")];
        assert_eq!(argue(facts(), &calls).hypotheses[0].service, ServiceId::named("payment"));
        let mut evidence = Evidence { facts: facts(), ..Evidence::default() };
        for (client, server) in calls {
            evidence.topology.observe(&ServiceId::named(client), &ServiceId::named(server), Timestamp::from_secs(1));
        }
        let unsure = rank(&evidence);
        evidence.apart.insert(ServiceId::named("payment"));
        let argument = rank(&evidence);
        assert!(argument.hypotheses.iter().all(|hypothesis| hypothesis.service != ServiceId::named("payment")));
        assert_eq!(argument.hypotheses[0].service, ServiceId::named("cart"), "web's loss is explained by both");
        let of_cart = unsure.hypotheses.iter().find(|hypothesis| hypothesis.service == ServiceId::named("cart"));
        assert!(of_cart.is_some_and(|before| before.confidence < argument.hypotheses[0].confidence), "no rival");
    }

    #[test]
    fn what_stands_still_moves_no_ranking_and_makes_nothing_surer() {
        let shown = || vec![fact("a", Signal::Latency, "d", 20.0), fact("b", Signal::Errors, "e", 15.0)];
        let still = [fact("b", Signal::FlatLine, "t", 1.0), fact("c", Signal::FlatLine, "t", 1.0)];
        let (without, with) = (argue(shown(), &[]), argue([shown(), still.into()].concat(), &[]));
        let told = |argument: &Argument| -> Vec<_> {
            let of = |h: &Hypothesis| (h.service.clone(), h.cause, h.confidence.to_bits(), h.metric.clone());
            argument.hypotheses.iter().map(of).collect()
        };
        assert_eq!(told(&without), told(&with));
    }

    #[test]
    fn memory_that_crept_is_a_leak_where_users_suffer_and_less_than_what_jumped() {
        let crept = |service| fact(service, Signal::Drift, "process.memory.usage", 12.0);
        let argument = argue(vec![fact("a", Signal::Latency, "d", 20.0), crept("a")], &[]);
        assert_eq!(argument.hypotheses[0].cause, CauseKind::MemoryLeak);
        let jumped = fact("b", Signal::Saturation, "process.memory.usage", 12.0);
        assert_eq!(argue(vec![crept("a"), jumped], &[]).hypotheses[0].service, ServiceId::named("b"));
        let both = argue(vec![crept("a"), fact("a", Signal::Saturation, "jvm.memory.used", 9.0)], &[]);
        assert!(both.hypotheses[0].confidence <= 0.5, "two resources are one kind of evidence");
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
