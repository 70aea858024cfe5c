//! What people said of past incidents, as evidence.

use std::time::Duration;

use llm_sre_domain::incident::{Fingerprint, IncidentId, Subject, Trigger};
use llm_sre_domain::{ServiceId, Signal};
use llm_sre_proto::convert::common::to_proto_time;
use llm_sre_proto::diagnosis::v1;
use llm_sre_proto::incident::v1::{Cause, CauseKind, Incident, Judgement, JudgementKind, State};

use crate::owner::{incident, now};
use crate::world;

const DAY: Duration = Duration::from_secs(86_400);

fn checkout() -> ServiceId {
    ServiceId::named("checkout")
}

/// An incident with the name and the fingerprint that a detector gives it.
fn about(service: &ServiceId, dimension: &str, ordinal: u32) -> Incident {
    let trigger = Trigger::Signal(Signal::Latency);
    let subject = Subject { service: service.clone(), trigger, dimension: dimension.into() };
    let fingerprint = Fingerprint::of(&subject).unwrap();
    Incident {
        name: format!("incidents/{}", IncidentId::of(&fingerprint, ordinal)),
        fingerprint: fingerprint.to_string(),
        service: Some(service.into()),
        ..incident(1, State::Open)
    }
}

/// It ended, and a person judged it so many days ago; where the cause was another one, it was a disk's.
fn judged(of: Incident, kind: JudgementKind, diagnosis: &str, age_days: u32) -> Incident {
    let disk = || Cause { service: Some((&ServiceId::named("storage")).into()), kind: CauseKind::DiskFull.into() };
    let judgement = Judgement {
        kind: kind.into(),
        cause: (kind == JudgementKind::OtherCause).then(disk),
        diagnosis: diagnosis.to_owned(),
        actor: "somebody".to_owned(),
        note: String::new(),
        time: Some(to_proto_time(now() - DAY * age_days)),
    };
    Incident { state: State::Resolved.into(), judgement: Some(judgement), ..of }
}

fn verdicts(answer: &v1::Diagnosis) -> Vec<&str> {
    answer.evidence.iter().map(|fact| fact.id.as_str()).filter(|id| id.starts_with("verdict-")).collect()
}

#[tokio::test]
async fn what_people_said_is_cited_and_weighs() {
    let world = world();
    let past = about(&checkout(), "p95", 0);
    let name = world.owner.add(past.clone());
    let first = world.diagnose(&name, "past").await.unwrap();
    let sure = first.hypotheses[0].confidence;
    let today = world.owner.add(about(&checkout(), "p95", 1));

    world.owner.add(judged(past.clone(), JudgementKind::OtherCause, &first.name, 1));
    let refuted = world.diagnose(&today, "refuted").await.unwrap();
    let told = verdicts(&refuted);
    assert_eq!(told.len(), 1);
    assert_eq!(refuted.hypotheses[0].contradicting_evidence, told);
    assert!(refuted.hypotheses[0].confidence < sure, "{refuted:?}");
    assert_eq!(refuted.hypotheses.len(), first.hypotheses.len(), "what nothing shows is not named: {refuted:?}");
    let fact = refuted.evidence.iter().find(|fact| fact.id == told[0]).unwrap();
    assert!(fact.summary.contains("a full disk in storage"), "{}", fact.summary);

    world.owner.add(judged(past, JudgementKind::Confirmed, &first.name, 0));
    let confirmed = world.diagnose(&today, "confirmed").await.unwrap();
    let told = verdicts(&confirmed);
    assert_eq!(told.len(), 1);
    assert!(confirmed.hypotheses[0].supporting_evidence.iter().any(|id| id == told[0]), "{confirmed:?}");
    assert_eq!(confirmed.hypotheses[0].confidence, sure, "one signal supports no more");
}

#[tokio::test]
async fn an_owner_that_does_not_tell_is_a_gap() {
    let world = world();
    world.owner.hide_past();
    let today = world.owner.add(about(&checkout(), "p95", 0));
    let answer = world.diagnose(&today, "").await.unwrap();
    assert_eq!(answer.state(), v1::DiagnosisState::Succeeded);
    assert!(answer.gaps.iter().any(|gap| gap.subject == "verdicts on past incidents"), "{:?}", answer.gaps);
}

#[tokio::test]
async fn a_verdict_that_cannot_be_read_is_a_gap() {
    let world = world();
    let today = world.owner.add(about(&checkout(), "p95", 1));
    let odd = world.owner.add(judged(about(&checkout(), "p95", 0), JudgementKind::Unspecified, "", 1));
    let answer = world.diagnose(&today, "").await.unwrap();
    assert_eq!(answer.state(), v1::DiagnosisState::Succeeded);
    assert!(answer.gaps.iter().any(|gap| gap.subject.ends_with(&odd)), "{:?}", answer.gaps);
}

#[tokio::test]
async fn verdicts_of_the_same_trouble_or_service_count_and_old_ones_do_not() {
    for (of, age_days, expected) in [
        (about(&checkout(), "p95", 0), 89, 1),
        (about(&checkout(), "p95", 0), 91, 0),
        (about(&checkout(), "p50", 0), 1, 1),
        (about(&ServiceId::new("", "checkout", "staging"), "p95", 0), 1, 0),
        (about(&ServiceId::named("cart"), "p95", 0), 1, 0),
    ] {
        let world = world();
        let today = world.owner.add(about(&checkout(), "p95", 1));
        world.owner.add(judged(of.clone(), JudgementKind::FalseAlarm, "", age_days));
        let answer = world.diagnose(&today, "").await.unwrap();
        assert_eq!(verdicts(&answer).len(), expected, "{age_days} days ago: {of:?}");
    }
}

#[tokio::test]
async fn so_many_verdicts_count_and_the_incidents_own_does_not() {
    let world = world();
    for ordinal in 1..=40 {
        world.owner.add(judged(about(&checkout(), "p95", ordinal), JudgementKind::FalseAlarm, "", 1));
    }
    let own = about(&checkout(), "p95", 0);
    let judgement = judged(own.clone(), JudgementKind::FalseAlarm, "", 0).judgement;
    let today = world.owner.add(Incident { judgement, ..own });
    let answer = world.diagnose(&today, "").await.unwrap();
    let told = verdicts(&answer);
    assert!((15..=16).contains(&told.len()), "{told:?}");
    assert!(told.iter().all(|id| !id.contains(today.trim_start_matches("incidents/"))), "{told:?}");
}
