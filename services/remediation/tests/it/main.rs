//! The service between an incident's owner, a diagnosis and a target, over the contracts and in process.

#![allow(clippy::unwrap_used)] // A helper that fails fails its test.

mod approvals;
mod calls;
mod checking;
mod gates;
mod holds;
mod maintenance;
mod peers;
mod record;
mod store;
mod verifying;
mod waits;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use llm_sre_domain::diagnose::{CauseKind, Hypothesis};
use llm_sre_domain::evidence::EvidenceId;
use llm_sre_domain::incident::{
    Actor, DiagnosisId, Event, EventId, EventKind, Incident, Opening, Rules, Severity, State, Subject, Trigger,
};
use llm_sre_domain::remedy::{Autonomy, Catalogue, Policy, ServicePattern, verify};
use llm_sre_domain::telemetry::Origin;
use llm_sre_domain::{ServiceId, Signal, Timestamp};
use llm_sre_mesh::stages::{SpanTime, StageLog};
use llm_sre_mesh::{peer, status};
use llm_sre_ports::clock::{Clock, ManualClock};
use llm_sre_ports::ids::RandomIds;
use llm_sre_proto::action::v1::action_service_server::ActionServiceServer;
use llm_sre_proto::convert::common::from_proto_time;
use llm_sre_proto::diagnosis::v1 as diagnosis;
use llm_sre_proto::diagnosis::v1::diagnosis_service_server::DiagnosisServiceServer;
use llm_sre_proto::incident::v1::incident_service_server::IncidentServiceServer;
use llm_sre_proto::remediation::v1;
use llm_sre_proto::remediation::v1::remediation_service_server::RemediationService;
use llm_sre_remediation::{Dependencies, Service, audit_from_wire};
use peers::{Explained, Mood, Owner, Shop, Sight};
use store::{Rights, Seen, Store};
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;
use tonic::{Code, Request, Status};

fn checkout() -> ServiceId {
    ServiceId::new("shop", "checkout", "production")
}

fn explained_incident(now: Timestamp) -> Incident {
    explained_incident_about(checkout(), now)
}

fn explained_incident_about(service: ServiceId, now: Timestamp) -> Incident {
    let opening = Opening {
        subject: Subject { service, trigger: Trigger::Signal(Signal::Errors), dimension: "".into() },
        ordinal: 0,
        title: "checkout fails".to_owned(),
        anomalies: Vec::new(),
        impacts: BTreeMap::new(),
        severity: Severity::Sev3,
        onset: now,
        detected_at: now,
        actor: Actor::product(),
        coverage: None,
    };
    let (mut incident, _) = Incident::open(opening, &Rules::default(), now).unwrap();
    let kind = EventKind::DiagnosisFinished { diagnosis: DiagnosisId::new("d1").unwrap() };
    let event = Event { id: EventId::new("diagnosed").unwrap(), actor: Actor::product(), kind };
    incident.apply(event, &Rules::default(), now).unwrap();
    incident
}

fn diagnosis(incident: &Incident) -> diagnosis::Diagnosis {
    let hypothesis = Hypothesis {
        id: "h1".to_owned(),
        service: checkout(),
        origin: Origin::default(),
        metric: "".into(),
        cause: CauseKind::BadDeployment,
        change: None,
        dependency: String::new(),
        statement: String::new(),
        immediate_fix: String::new(),
        long_term_fix: String::new(),
        confidence: 0.9,
        supports: vec![EvidenceId("e1".to_owned())],
        contradicts: Vec::new(),
    };
    diagnosis::Diagnosis {
        name: format!("incidents/{}/diagnoses/d1", incident.id),
        state: diagnosis::DiagnosisState::Succeeded.into(),
        hypotheses: vec![(&hypothesis).into()],
        ..Default::default()
    }
}

/// Everything around, and what outlives a process.
struct World {
    clock: Arc<ManualClock>,
    owner: Owner,
    shop: Shop,
    documents: Arc<Store>,
    leases: Arc<Rights>,
    policy: Policy,
    /// Which services telemetry has seen, and when last; in order.
    seen: Vec<(ServiceId, Timestamp)>,
}

impl World {
    fn new(autonomy: Autonomy) -> Self {
        let now = Timestamp::from_secs(1_000_000);
        let clock = Arc::new(ManualClock::new(now));
        let incident = Arc::new(Mutex::new(explained_incident(now)));
        let recovered = Arc::new(Mutex::new(true));
        let everything = vec![ServicePattern::parse("*@*").unwrap()];
        Self {
            owner: Owner {
                incident,
                clock: Arc::clone(&clock),
                recovered,
                sight: Arc::default(),
                refuses_offers: Arc::default(),
                windows: Arc::new(Mutex::new(Some(Vec::new()))),
                kills_at_start: Arc::default(),
            },
            clock,
            shop: Shop::default(),
            documents: Arc::default(),
            leases: Arc::default(),
            policy: Policy { autonomy, enrolled: everything, ..Policy::default() },
            seen: vec![(checkout(), now)],
        }
    }

    /// A new process over the same store.
    fn service(&self) -> Service {
        let explained = Explained(diagnosis(&self.owner.incident.lock().unwrap()));
        let local = |routes| peer::local(routes);
        let shop = local(Routes::new(ActionServiceServer::new(self.shop.clone())));
        Service::build(Dependencies {
            documents: self.documents.clone(),
            leases: self.leases.clone(),
            telemetry: Arc::new(Seen(self.seen.clone())),
            clock: self.clock.clone(),
            ids: Arc::new(RandomIds),
            incidents: local(Routes::new(IncidentServiceServer::new(self.owner.clone()))),
            diagnoses: local(Routes::new(DiagnosisServiceServer::new(explained))),
            targets: vec![(ServicePattern::parse("*@*").unwrap(), shop)],
            policy: self.policy.clone(),
            catalogue: Catalogue::default(),
            stages: StageLog::new(self.documents.clone(), "remediation", None, SpanTime::Real).unwrap(),
            holder: "one".to_owned(),
        })
    }

    async fn propose(&self, service: &Service, validate_only: bool) -> Result<v1::Action, Status> {
        let parent = format!("incidents/{}", self.owner.incident.lock().unwrap().id);
        let request_id = "propose-1".to_owned();
        let request = v1::ProposeActionRequest { parent, request_id, validate_only, ..Default::default() };
        service.propose_action(Request::new(request)).await.map(tonic::Response::into_inner)
    }

    /// Runs the executor, moving the product's clock, until the action is in the state.
    async fn run_until(&self, service: &Service, name: &str, state: v1::ActionState) -> v1::Action {
        let shutdown = CancellationToken::new();
        let running = service.clone();
        let stop = shutdown.clone();
        let run = tokio::spawn(async move { running.run(stop).await });
        let mut tick = tokio::time::interval(Duration::from_secs(1));
        let mut last = None;
        for _ in 0..3_000 {
            tick.tick().await;
            let request = v1::GetActionRequest { name: name.to_owned() };
            let found = service.get_action(Request::new(request)).await.unwrap().into_inner();
            if found.state() == state {
                shutdown.cancel();
                run.await.unwrap();
                return found;
            }
            last = Some(found);
            self.clock.advance_to(self.clock.now() + Duration::from_secs(1));
        }
        panic!("{name} did not become {state:?}: {last:?}");
    }

    /// Runs the executor while so much of the product's time passes.
    async fn run_for(&self, service: &Service, time: Duration) {
        let shutdown = CancellationToken::new();
        let (running, stop) = (service.clone(), shutdown.clone());
        let run = tokio::spawn(async move { running.run(stop).await });
        let mut tick = tokio::time::interval(Duration::from_secs(1));
        let until = self.clock.now() + time;
        while self.clock.now() < until {
            tick.tick().await;
            self.clock.advance_to(self.clock.now() + Duration::from_secs(5));
        }
        shutdown.cancel();
        run.await.unwrap();
    }

    fn calls(&self, call: &str) -> usize {
        self.shop.0.lock().unwrap().calls.iter().filter(|made| *made == call).count()
    }

    fn done(&self) -> usize {
        self.shop.0.lock().unwrap().done.len()
    }

    fn set(&self, mood: Mood) {
        self.shop.0.lock().unwrap().mood = mood;
    }

    fn incident_state(&self) -> State {
        self.owner.incident.lock().unwrap().state
    }
}

async fn approve(service: &Service, action: &v1::Action, digest: &str) -> Result<v1::Action, Status> {
    let (name, digest) = (action.name.clone(), digest.to_owned());
    let request = v1::ApproveActionRequest { name, digest, request_id: "approve-1".to_owned(), ..Default::default() };
    service.approve_action(Request::new(request)).await.map(tonic::Response::into_inner)
}

#[tokio::test(start_paused = true)]
async fn what_policy_allows_is_done_once_and_proven_and_on_the_record() {
    let world = World::new(Autonomy::Auto);
    let service = world.service();
    let action = world.propose(&service, false).await.unwrap();
    assert_eq!(action.state(), v1::ActionState::Approved);
    assert_eq!(world.propose(&service, false).await.unwrap().name, action.name, "the same request is one action");
    let ended = world.run_until(&service, &action.name, v1::ActionState::Succeeded).await;
    assert!(ended.recovery.is_some());
    assert_eq!((world.calls("execute"), world.done()), (1, 1));
    assert_eq!(world.incident_state(), State::Resolved);
    let records = service
        .list_audit_records(Request::new(v1::ListAuditRecordsRequest::default()))
        .await
        .unwrap()
        .into_inner()
        .records;
    let steps: Vec<&str> = records.iter().map(|record| record.step.as_str()).collect();
    assert_eq!(steps, ["planned: approved", "execute", "executed", "verified"]);
    let records: Vec<_> = records.iter().map(|record| audit_from_wire(record).unwrap()).collect();
    verify(&records).unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_person_has_it_undone_without_waiting_for_the_verdict() {
    let world = World::new(Autonomy::Auto);
    *world.owner.recovered.lock().unwrap() = false;
    let service = world.service();
    let action = world.propose(&service, false).await.unwrap();
    let order = v1::RollBackActionRequest { name: action.name.clone(), note: "wrong".to_owned(), ..Default::default() };
    let early = service.roll_back_action(Request::new(order.clone())).await.unwrap_err();
    assert_eq!(status::reason(&early).as_deref(), Some("ILLEGAL_TRANSITION"));
    world.run_until(&service, &action.name, v1::ActionState::Verifying).await;
    let asked = |id: &str| v1::RollBackActionRequest { request_id: id.to_owned(), ..order.clone() };
    let tried = v1::RollBackActionRequest { validate_only: true, ..order.clone() };
    service.roll_back_action(Request::new(tried)).await.unwrap();
    assert_eq!(world.calls("undo"), 0, "validate_only undid something");
    service.roll_back_action(Request::new(asked("r1"))).await.unwrap();
    // Another's order for what is being undone is kept too, so that its repeat has the same answer.
    service.roll_back_action(Request::new(asked("r2"))).await.unwrap();
    let ended = world.run_until(&service, &action.name, v1::ActionState::RolledBack).await;
    assert!(ended.outcome.contains("unauthenticated:local had it undone: wrong"), "{}", ended.outcome);
    for id in ["r1", "r2"] {
        let again = service.roll_back_action(Request::new(asked(id))).await.unwrap().into_inner();
        assert_eq!(again.state(), v1::ActionState::RolledBack, "{id}");
    }
    let new = service.roll_back_action(Request::new(asked("r3"))).await.unwrap_err();
    assert_eq!(status::reason(&new).as_deref(), Some("ILLEGAL_TRANSITION"));
    assert_eq!((world.calls("execute"), world.calls("undo")), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn nothing_is_ordered_undone_that_a_hold_would_keep_from_it() {
    let world = World::new(Autonomy::Auto);
    *world.owner.recovered.lock().unwrap() = false;
    let service = world.service();
    let action = world.propose(&service, false).await.unwrap();
    world.run_until(&service, &action.name, v1::ActionState::Verifying).await;
    let engage = |engaged| v1::SetKillSwitchRequest { engaged, ..v1::SetKillSwitchRequest::default() };
    service.set_kill_switch(Request::new(engage(true))).await.unwrap();
    let order = v1::RollBackActionRequest { name: action.name.clone(), ..Default::default() };
    let held = service.roll_back_action(Request::new(order.clone())).await.unwrap_err();
    assert_eq!(status::reason(&held).as_deref(), Some("ON_HOLD"));
    service.set_kill_switch(Request::new(engage(false))).await.unwrap();
    service.roll_back_action(Request::new(order)).await.unwrap();
    world.run_until(&service, &action.name, v1::ActionState::RolledBack).await;
}

#[tokio::test(start_paused = true)]
async fn what_is_forbidden_or_only_suggested_costs_the_target_no_call() {
    let mut blocked = World::new(Autonomy::Auto);
    blocked.policy.enrolled.clear();
    let cases = [(blocked, v1::ActionState::Blocked), (World::new(Autonomy::Suggest), v1::ActionState::Suggested)];
    for (world, state) in cases {
        let service = world.service();
        let action = world.propose(&service, false).await.unwrap();
        world.run_until(&service, &action.name, state).await;
        assert_eq!(action.state(), state);
        assert!(world.shop.0.lock().unwrap().calls.is_empty());
        assert_eq!(world.incident_state(), State::Escalated);
    }
}

#[tokio::test(start_paused = true)]
async fn only_checking_stores_and_reports_nothing() {
    let world = World::new(Autonomy::Auto);
    let service = world.service();
    let checked = world.propose(&service, true).await.unwrap();
    assert_eq!(checked.state(), v1::ActionState::Approved);
    let request = v1::ListActionsRequest { parent: "incidents/-".to_owned(), ..Default::default() };
    assert!(service.list_actions(Request::new(request)).await.unwrap().into_inner().actions.is_empty());
    assert_eq!((world.incident_state(), world.calls("execute")), (State::Diagnosing, 0));
}

#[tokio::test(start_paused = true)]
async fn after_a_lost_reply_the_target_decides() {
    let world = World::new(Autonomy::Auto);
    world.set(Mood::LosesReply);
    let service = world.service();
    let action = world.propose(&service, false).await.unwrap();
    world.run_until(&service, &action.name, v1::ActionState::Succeeded).await;
    assert_eq!((world.calls("execute"), world.done()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_target_that_cannot_say_is_never_called_again() {
    let world = World::new(Autonomy::Auto);
    world.set(Mood::GoesAway);
    let service = world.service();
    let action = world.propose(&service, false).await.unwrap();
    world.run_until(&service, &action.name, v1::ActionState::Unknown).await;
    world.set(Mood::Well);
    world.run_until(&world.service(), &action.name, v1::ActionState::Unknown).await;
    assert_eq!((world.calls("execute"), world.calls("undo")), (1, 0));
    assert_eq!(world.incident_state(), State::Escalated);
}

#[tokio::test(start_paused = true)]
async fn a_new_process_goes_on_from_every_state_and_acts_once() {
    use v1::ActionState as State;
    let world = World::new(Autonomy::Auto);
    *world.owner.recovered.lock().unwrap() = false;
    let action = world.propose(&world.service(), false).await.unwrap();
    for state in [State::Verifying, State::RolledBack, State::RolledBack] {
        world.run_until(&world.service(), &action.name, state).await;
    }
    assert_eq!((world.calls("execute"), world.calls("undo"), world.done()), (1, 1, 2));
}

#[tokio::test(start_paused = true)]
async fn actions_are_found_by_the_fingerprint_of_their_incident() {
    let world = World::new(Autonomy::Auto);
    let service = world.service();
    let action = world.propose(&service, false).await.unwrap();
    let found = async |fingerprint: &str| {
        let (parent, fingerprint) = ("incidents/-".to_owned(), fingerprint.to_owned());
        let request = v1::ListActionsRequest { parent, fingerprint, ..Default::default() };
        let listed = service.list_actions(Request::new(request)).await.unwrap().into_inner().actions;
        listed.into_iter().map(|action| action.name).collect::<Vec<_>>()
    };
    assert!(!action.fingerprint.is_empty());
    assert_eq!(found(&action.fingerprint).await, std::slice::from_ref(&action.name));
    assert!(found("another").await.is_empty());
    assert_eq!(found("").await.len(), 1, "an empty one matches all");
}
