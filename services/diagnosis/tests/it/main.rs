//! The diagnosis service through its gRPC surface, over the memory twins, beside an owner of incidents that can fail.

#![allow(clippy::unwrap_used)] // A helper that fails fails its test.

mod advice;
mod logs;
mod obsolete;
mod owner;
mod precedents;
mod spending;

use std::sync::Arc;
use std::time::Duration;

use llm_sre_diagnosis::{Advising, Dependencies, Service};
use llm_sre_domain::evidence::Evidence;
use llm_sre_mesh::peer;
use llm_sre_mesh::stages::{SpanTime, StageLog};
use llm_sre_ports::clock::ManualClock;
use llm_sre_ports::ids::RandomIds;
use llm_sre_ports::memory::{MemoryDocuments, MemoryTelemetry};
use llm_sre_proto::diagnosis::v1;
use llm_sre_proto::diagnosis::v1::diagnosis_service_server::DiagnosisService;
use llm_sre_proto::incident::v1::{Anomaly, Incident, IncidentEventKind as Kind, State};
use owner::{Owner, incident};
use tokio_stream::StreamExt;
use tonic::{Code, Request};

struct World {
    owner: Owner,
    documents: Arc<MemoryDocuments>,
    telemetry: Arc<MemoryTelemetry>,
    clock: Arc<ManualClock>,
    service: Service,
}

fn world() -> World {
    world_with(None)
}

fn world_with(advising: Option<Advising>) -> World {
    let owner = Owner::default();
    let clock = Arc::new(ManualClock::new(owner::now()));
    let documents = Arc::new(MemoryDocuments::default());
    let telemetry = Arc::new(MemoryTelemetry::default());
    let service = service(&owner, &clock, (&documents, &telemetry), advising);
    World { owner, documents, telemetry, clock, service }
}

fn service(
    owner: &Owner,
    clock: &Arc<ManualClock>,
    (documents, telemetry): (&Arc<MemoryDocuments>, &Arc<MemoryTelemetry>),
    advising: Option<Advising>,
) -> Service {
    Service::build(Dependencies {
        documents: documents.clone(),
        telemetry: telemetry.clone(),
        clock: clock.clone(),
        ids: Arc::new(RandomIds),
        incidents: peer::local(owner.routes()),
        // It does not know what is asked of an owner of actions.
        remediation: Some(peer::local(owner.routes())),
        stages: StageLog::new(documents.clone(), "diagnosis", None, SpanTime::Real).unwrap(),
        advising,
    })
}

impl World {
    /// Another process over the same store, that has no model.
    fn without_model(&self) -> Service {
        service(&self.owner, &self.clock, (&self.documents, &self.telemetry), None)
    }

    async fn diagnose(&self, name: &str, request_id: &str) -> Result<v1::Diagnosis, tonic::Status> {
        let request = v1::DiagnoseIncidentRequest {
            parent: name.to_owned(),
            request_id: request_id.to_owned(),
            ..v1::DiagnoseIncidentRequest::default()
        };
        self.service.diagnose_incident(Request::new(request)).await.map(tonic::Response::into_inner)
    }

    async fn list(&self, name: &str) -> Vec<v1::Diagnosis> {
        let request = v1::ListDiagnosesRequest { parent: name.to_owned(), ..v1::ListDiagnosesRequest::default() };
        self.service.list_diagnoses(Request::new(request)).await.unwrap().into_inner().diagnoses
    }

    /// Lets a diagnosis that was left behind count as such, and looks for it.
    async fn reconcile(&self) {
        let now = llm_sre_ports::clock::Clock::now(self.clock.as_ref());
        self.clock.advance_to(now + Duration::from_secs(120));
        self.service.reconcile().await.unwrap();
    }
}

#[tokio::test]
async fn a_diagnosis_cites_its_evidence_and_is_reported_once() {
    let world = world();
    let name = world.owner.add(incident(1, State::Open));
    let first = world.diagnose(&name, "r1").await.unwrap();
    assert_eq!(first.state(), v1::DiagnosisState::Succeeded);
    let known: Vec<&str> = first.evidence.iter().map(|fact| fact.id.as_str()).collect();
    assert!(first.hypotheses.iter().all(|h| !h.supporting_evidence.is_empty()));
    assert!(first.hypotheses.iter().flat_map(|h| &h.supporting_evidence).all(|id| known.contains(&id.as_str())));

    assert_eq!(world.diagnose(&name, "r1").await.unwrap().name, first.name, "the same request is the same diagnosis");
    assert_eq!(world.list(&name).await.len(), 1);
    assert_eq!(world.owner.kinds(&name), [Kind::DiagnosisStarted, Kind::DiagnosisFinished]);
}

/// What was asked and not answered is named, so that nobody takes it for nothing.
#[tokio::test]
async fn what_could_not_be_had_is_a_gap_of_its_own() {
    let world = world();
    let given = Incident { fingerprint: "f".repeat(64), ..incident(1, State::Open) };
    let name = world.owner.add(given);
    let answer = world.diagnose(&name, "").await.unwrap();
    assert_eq!(answer.state(), v1::DiagnosisState::Succeeded, "it is explained all the same");
    let mut missing: Vec<&str> = answer.gaps.iter().map(|gap| gap.subject.as_str()).collect();
    missing.sort_unstable();
    assert_eq!(missing, ["repairs that were made before", "the call graph"]);
    assert!(answer.gaps.iter().all(|gap| !gap.reason.is_empty()), "{:?}", answer.gaps);
}

/// A store that was away kept the diagnosis waiting, and meanwhile more was seen.
#[tokio::test]
async fn what_joined_after_the_snapshot_is_evidence_too() {
    let world = world();
    let given = incident(1, State::Open);
    let seen: Vec<String> = given.anomalies.iter().map(|anomaly| anomaly.id.clone()).collect();
    let name = world.owner.add(given);
    let snapshot = v1::EvidenceSnapshot::from(&Evidence { as_of: owner::now(), ..Evidence::default() });
    let request = v1::DiagnoseIncidentRequest {
        parent: name,
        snapshot: Some(snapshot),
        ..v1::DiagnoseIncidentRequest::default()
    };
    let answer = world.service.diagnose_incident(Request::new(request)).await.unwrap().into_inner();
    let cited = answer.evidence.iter().map(|fact| fact.id.as_str()).collect::<Vec<_>>();
    assert!(!seen.is_empty() && seen.iter().all(|id| cited.iter().any(|cited| cited.ends_with(id))), "{cited:?}");
    assert_eq!(answer.state(), v1::DiagnosisState::Succeeded);
}

/// What joins while a diagnosis is being made asks for another, what joined before that does not.
#[tokio::test]
async fn what_joins_just_before_it_begins_is_evidence_too() {
    let world = world();
    let given = incident(1, State::Open);
    let joining = Anomaly { id: "late".to_owned(), ..given.anomalies[0].clone() };
    let name = world.owner.add(given);
    world.owner.join(joining);
    world.diagnose(&name, "r1").await.unwrap();
    let made = &world.list(&name).await[0];
    assert!(made.evidence.iter().any(|fact| fact.id.ends_with("late")), "{:?}", made.evidence);
}

#[tokio::test]
async fn an_answer_whose_report_was_lost_is_reported_later() {
    let world = world();
    let name = world.owner.add(incident(1, State::Open));
    world.owner.lose(Kind::DiagnosisFinished);
    assert_eq!(world.diagnose(&name, "r1").await.unwrap_err().code(), Code::Unavailable);
    world.owner.heal();
    world.reconcile().await;
    assert_eq!(world.owner.kinds(&name), [Kind::DiagnosisStarted, Kind::DiagnosisFinished]);
}

#[tokio::test]
async fn two_who_tell_of_an_answer_at_the_same_moment_are_both_done() {
    let world = world();
    let name = world.owner.add(incident(1, State::Open));
    world.owner.lose(Kind::DiagnosisFinished);
    world.diagnose(&name, "r1").await.unwrap_err();
    world.owner.heal();
    world.owner.meet(Some(Kind::DiagnosisFinished));
    let both = async { tokio::join!(world.diagnose(&name, "r1"), world.diagnose(&name, "r1")) };
    let (first, second) = tokio::time::timeout(Duration::from_secs(30), both).await.unwrap();
    assert_eq!(first.unwrap().hypotheses, second.unwrap().hypotheses);
    world.owner.meet(None);
    let told = world.owner.calls();
    world.reconcile().await;
    assert_eq!(world.owner.calls(), told, "nothing is left to tell");
}

#[tokio::test]
async fn one_diagnosis_that_cannot_be_finished_does_not_stop_the_others() {
    let world = world();
    let kept = world.owner.add(incident(1, State::Open));
    let gone = world.owner.add(incident(2, State::Open));
    let ended = world.owner.add(incident(3, State::Open));
    world.owner.lose(Kind::DiagnosisStarted);
    for name in [&kept, &ended, &gone] {
        world.diagnose(name, "r").await.unwrap_err();
    }
    world.owner.heal();
    world.owner.remove(&gone);
    world.owner.add(incident(3, State::Resolved));
    world.reconcile().await;
    assert_eq!(world.list(&kept).await[0].state(), v1::DiagnosisState::Succeeded);
    assert_eq!(world.list(&ended).await[0].state(), v1::DiagnosisState::Failed);
    assert_eq!(world.list(&gone).await[0].state(), v1::DiagnosisState::Failed);
}

#[tokio::test]
async fn what_the_owner_refuses_to_hear_does_not_undo_the_answer() {
    let world = world();
    let name = world.owner.add(incident(1, State::Remediating));
    world.owner.refuse();
    assert_eq!(world.diagnose(&name, "").await.unwrap().state(), v1::DiagnosisState::Succeeded);
    world.reconcile().await;
    assert_eq!(world.owner.calls(), 2, "a refusal is an answer; it is not asked again");
}

#[tokio::test]
async fn wrong_requests_name_what_is_wrong() {
    let world = world();
    let ended = world.owner.add(incident(1, State::Resolved));
    assert_eq!(world.diagnose("incidents/x", "").await.unwrap_err().code(), Code::InvalidArgument);
    let error = world.diagnose(&ended, "").await.unwrap_err();
    assert_eq!(llm_sre_mesh::status::reason(&error).as_deref(), Some("INCIDENT_ENDED"));
    assert!(world.list(&ended).await.is_empty());
}

#[tokio::test]
async fn a_watch_ends_with_the_diagnosis() {
    let world = world();
    let name = world.owner.add(incident(1, State::Open));
    let diagnosis = world.diagnose(&name, "").await.unwrap();
    let request = Request::new(v1::WatchDiagnosisRequest { name: diagnosis.name.clone() });
    let seen: Vec<_> = world.service.watch_diagnosis(request).await.unwrap().into_inner().collect().await;
    assert_eq!(seen.len(), 1);
    assert_eq!(seen[0].as_ref().unwrap().diagnosis.as_ref().unwrap().name, diagnosis.name);
}
