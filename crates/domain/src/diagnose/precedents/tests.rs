//! How far people's word and what repairs came to moves a ranking, and how far it never does.

use proptest::prelude::*;
use proptest::sample::Index;

use super::*;
use crate::diagnose::causes::supported;
use crate::diagnose::{CauseKind, facts, rank};
use crate::evidence::Evidence;
use crate::incident::{ActionId, Fingerprint, IncidentId, Subject, Trigger};
use crate::remedy::{ActionKind, Policy};
use crate::{ServiceId, Signal, Timestamp};

/// The last one never shows an anomaly.
const SERVICES: [&str; 4] = ["a", "b", "c", "quiet"];
const SIGNALS: [(Signal, &str); 3] =
    [(Signal::Latency, "duration"), (Signal::Errors, "errors"), (Signal::Saturation, "process.memory.usage")];

fn anomaly(index: usize, service: &str, (signal, metric): (Signal, &str), score: f64) -> Fact {
    facts::anomaly(&format!("anomaly-{index}"), service, signal, metric, score)
}

fn deployment(service: &str) -> Fact {
    facts::deployment(service, 950)
}

fn judged(number: u32, is_same: bool, ruling: Ruling, diagnosed: Option<Cause>) -> Fact {
    let subject = Subject { service: ServiceId::named("a"), trigger: Trigger::Reported, dimension: "".into() };
    let incident = IncidentId::of(&Fingerprint::of(&subject).unwrap(), number);
    let judged_at = Timestamp::from_secs(i64::from(number));
    let precedent = Precedent { incident, service: subject.service, is_same, judged_at, ruling, diagnosed };
    Fact { id: EvidenceId(format!("verdict-{number}")), observation: Observation::Precedent(precedent) }
}

fn repaired(number: u32, cause: &Cause, outcome: Outcome) -> Fact {
    let subject = Subject { service: ServiceId::named("a"), trigger: Trigger::Reported, dimension: "".into() };
    let incident = IncidentId::of(&Fingerprint::of(&subject).unwrap(), number);
    let attempt = Attempt {
        incident,
        action: ActionId::of(incident, number),
        kind: ActionKind::Restart,
        cause: cause.clone(),
        is_of_this_life: number == 0,
        outcome,
        executed_at: Timestamp::from_secs(1_100),
        ended_at: Timestamp::from_secs(1_400),
    };
    Fact { id: EvidenceId(format!("repair-{number}")), observation: Observation::Attempt(attempt) }
}

fn shown() -> impl Strategy<Value = Vec<Fact>> {
    let anomalies = prop::collection::vec((0..3_usize, 0..3_usize, 3.0..100.0_f64), 1..8);
    (anomalies, prop::option::of(0..3_usize)).prop_map(|(anomalies, changed)| {
        let anomalies = anomalies.into_iter().enumerate();
        let facts = anomalies
            .map(|(index, (service, signal, score))| anomaly(index, SERVICES[service], SIGNALS[signal], score));
        facts.chain(changed.map(|service| deployment(SERVICES[service]))).collect::<Vec<_>>()
    })
}

fn cause() -> impl Strategy<Value = Cause> {
    use CauseKind::*;
    let kind = prop::sample::select(vec![BadDeployment, MemoryLeak, ServiceDegradation]);
    (0..SERVICES.len(), kind).prop_map(|(service, kind)| Cause { service: ServiceId::named(SERVICES[service]), kind })
}

fn said() -> impl Strategy<Value = Vec<Fact>> {
    let ruling = (0..3_u8, cause()).prop_map(|(which, cause)| match which {
        0 => Ruling::FalseAlarm,
        1 => Ruling::Confirmed,
        _ => Ruling::OtherCause(cause),
    });
    let one = (any::<bool>(), ruling, prop::option::of(cause()));
    prop::collection::vec(one, 0..12).prop_map(|said| {
        let numbered = (0_u32..).zip(said);
        let each = numbered.map(|(number, (is_same, ruling, diagnosed))| judged(number, is_same, ruling, diagnosed));
        each.collect::<Vec<_>>()
    })
}

fn hypotheses(facts: &[Fact], said: &[Fact]) -> Vec<Hypothesis> {
    rank(&Evidence { facts: [facts, said].concat(), ..Evidence::default() }).hypotheses
}

fn find<'a>(hypotheses: &'a [Hypothesis], cause: &Cause) -> (usize, &'a Hypothesis) {
    hypotheses.iter().enumerate().find(|(_, hypothesis)| Cause::from(*hypothesis) == *cause).unwrap()
}

/// All but this one, in their order.
fn others(hypotheses: &[Hypothesis], cause: &Cause) -> Vec<(Cause, f64)> {
    let each = hypotheses.iter().map(|hypothesis| (Cause::from(hypothesis), hypothesis.confidence));
    each.filter(|(other, _)| other != cause).collect()
}

fn auto() -> f64 {
    Policy::default().confidence_auto_min
}

proptest! {
    #[test]
    fn people_move_what_the_evidence_names_within_what_it_supports(facts in shown(), said in said()) {
        let (before, after) = (hypotheses(&facts, &[]), hypotheses(&facts, &said));
        prop_assert_eq!(before.len(), after.len());
        let is_ordered = |all: &[Hypothesis]| all.is_sorted_by(|a, b| a.confidence >= b.confidence);
        prop_assert!(is_ordered(&before) && is_ordered(&after), "the likeliest comes first: {after:?}");
        for (index, hypothesis) in after.iter().enumerate() {
            let (_, was) = find(&before, &Cause::from(hypothesis));
            let own = facts.iter().filter(|fact| match &fact.observation {
                Observation::Anomaly(anomaly) => anomaly.service == hypothesis.service,
                Observation::Change(change) => change.service == hypothesis.service,
                _ => false,
            });
            let most = supported(hypothesis.cause, &own.collect::<Vec<_>>());
            prop_assert!((0.0..=most).contains(&hypothesis.confidence), "{hypothesis:?}");
            prop_assert!(hypothesis.confidence < auto() || was.confidence >= 0.3, "by verdicts alone: {hypothesis:?}");
            prop_assert_eq!(&hypothesis.id, &format!("h{}", index + 1));
        }
    }

    #[test]
    fn what_was_the_cause_before_is_more_likely_and_nothing_else_changes(
        facts in shown(), which: Index, count in 1..6_u32, is_same: bool,
    ) {
        let before = hypotheses(&facts, &[]);
        let chosen = Cause::from(which.get(&before));
        let confirmed = |number: u32| match number % 2 {
            0 => judged(number, is_same, Ruling::Confirmed, Some(chosen.clone())),
            _ => judged(number, is_same, Ruling::OtherCause(chosen.clone()), None),
        };
        let after = hypotheses(&facts, &(0..count).map(confirmed).collect::<Vec<_>>());
        let ((was, old), (is, new)) = (find(&before, &chosen), find(&after, &chosen));
        prop_assert!(is <= was && new.confidence >= old.confidence, "{old:?} became {new:?}");
        prop_assert!(new.supports.contains(&EvidenceId("verdict-0".to_owned())));
        prop_assert_eq!(others(&after, &chosen), others(&before, &chosen));
    }

    #[test]
    fn what_was_not_the_cause_before_is_less_likely_and_nothing_else_changes(
        facts in shown(), which: Index, count in 1..6_u32, is_same: bool,
    ) {
        let before = hypotheses(&facts, &[]);
        let chosen = Cause::from(which.get(&before));
        let elsewhere = Cause { service: ServiceId::named("quiet"), kind: CauseKind::MemoryLeak };
        let refuted = |number| judged(number, is_same, Ruling::OtherCause(elsewhere.clone()), Some(chosen.clone()));
        let after = hypotheses(&facts, &(0..count).map(refuted).collect::<Vec<_>>());
        let ((was, old), (is, new)) = (find(&before, &chosen), find(&after, &chosen));
        prop_assert!(is >= was && new.confidence < old.confidence, "{old:?} became {new:?}");
        prop_assert!(!is_same || new.confidence < auto(), "it is a person's to decide: {new:?}");
        prop_assert!(new.contradicts.contains(&EvidenceId("verdict-0".to_owned())));
        prop_assert_eq!(others(&after, &chosen), others(&before, &chosen));
    }

    #[test]
    fn what_was_repaired_before_is_more_likely_and_what_did_not_help_less(
        facts in shown(), which: Index, count in 1..6_u32,
    ) {
        let before = hypotheses(&facts, &[]);
        let chosen = Cause::from(which.get(&before));
        let (was, old) = find(&before, &chosen);
        let after = |outcome| {
            let repairs: Vec<Fact> = (0..count).map(|number| repaired(number, &chosen, outcome)).collect();
            hypotheses(&facts, &repairs)
        };
        let first = EvidenceId("repair-0".to_owned());
        for (outcome, is_for) in [(Outcome::Helped, true), (Outcome::Vain, false)] {
            let after = after(outcome);
            let (is, new) = find(&after, &chosen);
            let is_up = is <= was && new.confidence >= old.confidence;
            let is_down = is >= was && new.confidence < old.confidence;
            prop_assert!(if is_for { is_up } else { is_down }, "{outcome:?}: {old:?} became {new:?}");
            let cited = if is_for { &new.supports } else { &new.contradicts };
            prop_assert!(cited.contains(&first), "{new:?}");
            prop_assert_eq!(others(&after, &chosen), others(&before, &chosen));
        }
        prop_assert_eq!(after(Outcome::Unknown), before, "what nobody knows says nothing");
    }

    #[test]
    fn repairs_alone_explain_nothing(causes in prop::collection::vec(cause(), 0..6)) {
        let repairs = (0..).zip(&causes).map(|(number, cause)| repaired(number, cause, Outcome::Helped));
        prop_assert!(hypotheses(&[deployment("a")], &repairs.collect::<Vec<_>>()).is_empty());
    }

    #[test]
    fn repeated_false_alarms_let_nothing_be_done_without_a_person(
        facts in shown(), said in said(), alarms in 2..5_u32,
    ) {
        let alarms = (100..100 + alarms).map(|number| judged(number, true, Ruling::FalseAlarm, None));
        let after = hypotheses(&facts, &said.into_iter().chain(alarms).collect::<Vec<_>>());
        prop_assert!(after.iter().all(|hypothesis| hypothesis.confidence < auto()), "{after:?}");
        prop_assert!(after.iter().all(|hypothesis| hypothesis.contradicts.len() >= 2));
    }

    #[test]
    fn verdicts_alone_explain_nothing(said in said()) {
        prop_assert!(hypotheses(&[deployment("a")], &said).is_empty());
    }
}

#[test]
fn one_false_alarm_is_cited_and_caps_nothing() {
    let facts = [anomaly(0, "a", SIGNALS[0], 20.0), deployment("a")];
    let alarm = judged(0, true, Ruling::FalseAlarm, None);
    let (before, after) = (hypotheses(&facts, &[]), hypotheses(&facts, &[alarm]));
    assert_eq!(after[0].confidence, before[0].confidence);
    assert_eq!(after[0].contradicts, [EvidenceId("verdict-0".to_owned())]);
    let elsewhere = [0, 1, 2].map(|number| judged(number, false, Ruling::FalseAlarm, None));
    assert_eq!(hypotheses(&facts, &elsewhere), before, "another signal of the service may well be real");
}

#[test]
fn the_steps_that_decisions_13_and_16_name() {
    for (sure, supported, balance, expected) in [
        (0.95, 0.95, -SAME, 0.57),
        (0.95, 0.95, -BALANCE_MAX, 0.205),
        (0.5, 0.95, SAME, 0.6),
        (0.5, 0.95, BALANCE_MAX, 0.771),
        (0.1, 0.95, BALANCE_MAX, 0.273),
        (0.5, 0.95, REPAIR, 0.551),
        (0.9, 0.95, -REPAIR, 0.697),
        (0.9, 0.95, -2.0 * REPAIR, 0.54),
        (0.5, 0.5, BALANCE_MAX, 0.5),
        (0.9, 0.95, BALANCE_MAX, 0.95),
    ] {
        let found = moved(sure, supported, balance);
        assert!((found - expected).abs() < 1e-3, "{sure} of {supported} by {balance}: {found}");
    }
}
