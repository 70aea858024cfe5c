//! The services around: an owner of one incident that keeps the domain's rules, its diagnosis, and a target.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use llm_sre_domain::Timestamp;
use llm_sre_domain::incident::{Event, EventKind, Incident, Rules};
use llm_sre_mesh::status;
use llm_sre_ports::clock::{Clock, ManualClock};
use llm_sre_proto::action::v1 as action;
use llm_sre_proto::convert::common::to_proto_time;
use llm_sre_proto::diagnosis::v1 as diagnosis;
use llm_sre_proto::incident::v1 as incident;
use llm_sre_proto::remediation::v1 as remediation;
use llm_sre_proto::remediation::v1::remediation_service_server::RemediationService;
use llm_sre_remediation::Service;
use tokio_stream::Stream;
use tonic::{Request, Response, Status};

type Answer<T> = Result<Response<T>, Status>;
type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

fn unasked<T>() -> Answer<T> {
    Err(Status::unimplemented("nobody asks for that here"))
}

#[derive(Clone)]
pub(crate) struct Owner {
    pub(crate) incident: Arc<Mutex<Incident>>,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) recovered: Arc<Mutex<bool>>,
    pub(crate) sight: Arc<Mutex<Sight>>,
    pub(crate) refuses_offers: Arc<Mutex<bool>>,
    /// The maintenance windows that it lists; `None` where it cannot.
    pub(crate) windows: Arc<Mutex<Option<Vec<incident::MaintenanceWindow>>>>,
    /// Through which service the kill switch is engaged when an action starts.
    pub(crate) kills_at_start: Arc<Mutex<Option<Service>>>,
}

/// What the owner's detection sees.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) enum Sight {
    /// All up to the present.
    #[default]
    Clear,
    /// Nothing after this time.
    Until(Timestamp),
    /// All up to the present, but of the incident's own signals nothing after this time, when they were not well.
    Stale(Timestamp),
    /// All up to the present; the incident's own signals are well, and were not before this time.
    WellSince(Timestamp),
    /// As `WellSince`, with telemetry that is late.
    Behind { by: Duration, well_since: Timestamp },
    /// All up to the present, and what is not well may be another incident's doing.
    Disturbed,
    /// As `Disturbed`, and nothing was read after this.
    DisturbedUntil(Timestamp),
    /// Nobody can ask it.
    Gone,
}

#[tonic::async_trait]
impl incident::incident_service_server::IncidentService for Owner {
    type WatchIncidentsStream = Answers<incident::WatchIncidentsResponse>;

    async fn get_incident(&self, _: Request<incident::GetIncidentRequest>) -> Answer<incident::Incident> {
        Ok(Response::new((&*self.incident.lock().unwrap()).into()))
    }
    async fn record_event(&self, request: Request<incident::RecordEventRequest>) -> Answer<incident::Incident> {
        let request = request.into_inner();
        assert!(request.request_id.len() <= 128, "{} is longer than the contract allows", request.request_id);
        let event = Event::try_from(&request).map_err(|error| Status::invalid_argument(error.to_string()))?;
        if *self.refuses_offers.lock().unwrap() && matches!(event.kind, EventKind::ActionProposed { .. }) {
            return Err(status::failed_precondition("ILLEGAL_TRANSITION", "nobody waits for an action"));
        }
        let service = self.kills_at_start.lock().unwrap().clone();
        if let (Some(service), EventKind::ActionStarted { .. }) = (service, &event.kind) {
            let request = remediation::SetKillSwitchRequest { engaged: true, ..Default::default() };
            service.set_kill_switch(Request::new(request)).await?;
        }
        let mut incident = self.incident.lock().unwrap();
        if request.name != format!("incidents/{}", incident.id) {
            return Err(status::failed_precondition("ILLEGAL_TRANSITION", "that incident is over"));
        }
        let applied = incident.apply(event, &Rules::default(), self.clock.now());
        applied.map_err(|error| status::failed_precondition("ILLEGAL_TRANSITION", error.to_string()))?;
        Ok(Response::new((&*incident).into()))
    }
    async fn check_recovery(
        &self,
        _: Request<incident::CheckRecoveryRequest>,
    ) -> Answer<incident::CheckRecoveryResponse> {
        let now = self.clock.now();
        let (mut well_since_time, mut disturbed_until_time) = (None, None);
        let (read, measured, verdict) = match (*self.sight.lock().unwrap(), *self.recovered.lock().unwrap()) {
            (Sight::Gone, _) => return Err(Status::unavailable("the detector is away")),
            (Sight::Until(time), _) => (time, time, incident::RecoveryVerdict::Inconclusive),
            (Sight::Stale(time), _) => (now, time, incident::RecoveryVerdict::NotRecovered),
            (Sight::WellSince(time), _) => {
                well_since_time = Some(to_proto_time(time));
                (now, now, incident::RecoveryVerdict::Recovered)
            }
            (Sight::Behind { by, well_since }, _) => {
                well_since_time = Some(to_proto_time(well_since));
                let verdict = match now - by > well_since {
                    true => incident::RecoveryVerdict::Recovered,
                    false => incident::RecoveryVerdict::NotRecovered,
                };
                (now - by, now - by, verdict)
            }
            (Sight::DisturbedUntil(time), _) => {
                disturbed_until_time = Some(to_proto_time(time));
                (time, time, incident::RecoveryVerdict::NotRecovered)
            }
            (Sight::Disturbed, _) => {
                disturbed_until_time = Some(to_proto_time(now));
                (now, now, incident::RecoveryVerdict::NotRecovered)
            }
            (Sight::Clear, true) => (now, now, incident::RecoveryVerdict::Recovered),
            (Sight::Clear, false) => (now, now, incident::RecoveryVerdict::NotRecovered),
        };
        Ok(Response::new(incident::CheckRecoveryResponse {
            verdict: verdict.into(),
            measured_time: Some(to_proto_time(measured)),
            read_time: Some(to_proto_time(read)),
            well_since_time,
            disturbed_until_time,
            ..Default::default()
        }))
    }
    async fn list_incidents(
        &self,
        _: Request<incident::ListIncidentsRequest>,
    ) -> Answer<incident::ListIncidentsResponse> {
        unasked()
    }
    async fn watch_incidents(
        &self,
        _: Request<incident::WatchIncidentsRequest>,
    ) -> Answer<Answers<incident::WatchIncidentsResponse>> {
        unasked()
    }
    async fn acknowledge_incident(
        &self,
        _: Request<incident::AcknowledgeIncidentRequest>,
    ) -> Answer<incident::Incident> {
        unasked()
    }
    async fn resolve_incident(&self, _: Request<incident::ResolveIncidentRequest>) -> Answer<incident::Incident> {
        unasked()
    }
    async fn judge_incident(&self, _: Request<incident::JudgeIncidentRequest>) -> Answer<incident::Incident> {
        unasked()
    }
    async fn report_incident(&self, _: Request<incident::ReportIncidentRequest>) -> Answer<incident::Incident> {
        unasked()
    }
    async fn create_maintenance_window(
        &self,
        _: Request<incident::CreateMaintenanceWindowRequest>,
    ) -> Answer<incident::MaintenanceWindow> {
        unasked()
    }
    async fn list_maintenance_windows(
        &self,
        request: Request<incident::ListMaintenanceWindowsRequest>,
    ) -> Answer<incident::ListMaintenanceWindowsResponse> {
        let request = request.into_inner();
        let Some(all) = self.windows.lock().unwrap().clone() else {
            return Err(Status::unavailable("the store of the windows is away"));
        };
        let from: usize = if request.page_token.is_empty() { 0 } else { request.page_token.parse().unwrap() };
        let size = usize::try_from(request.page_size).unwrap().clamp(1, 200);
        let windows: Vec<_> = all.iter().skip(from).take(size).cloned().collect();
        let next = from + windows.len();
        let next_page_token = if next < all.len() { next.to_string() } else { String::new() };
        Ok(Response::new(incident::ListMaintenanceWindowsResponse { windows, next_page_token }))
    }
    async fn end_maintenance_window(
        &self,
        _: Request<incident::EndMaintenanceWindowRequest>,
    ) -> Answer<incident::MaintenanceWindow> {
        unasked()
    }
}

#[derive(Clone)]
pub(crate) struct Explained(pub(crate) diagnosis::Diagnosis);

#[tonic::async_trait]
impl diagnosis::diagnosis_service_server::DiagnosisService for Explained {
    type WatchDiagnosisStream = Answers<diagnosis::WatchDiagnosisResponse>;

    async fn get_diagnosis(&self, _: Request<diagnosis::GetDiagnosisRequest>) -> Answer<diagnosis::Diagnosis> {
        Ok(Response::new(self.0.clone()))
    }
    async fn diagnose_incident(&self, _: Request<diagnosis::DiagnoseIncidentRequest>) -> Answer<diagnosis::Diagnosis> {
        unasked()
    }
    async fn list_diagnoses(
        &self,
        _: Request<diagnosis::ListDiagnosesRequest>,
    ) -> Answer<diagnosis::ListDiagnosesResponse> {
        unasked()
    }
    async fn watch_diagnosis(
        &self,
        _: Request<diagnosis::WatchDiagnosisRequest>,
    ) -> Answer<Answers<diagnosis::WatchDiagnosisResponse>> {
        unasked()
    }
    async fn list_model_exchanges(
        &self,
        _: Request<diagnosis::ListModelExchangesRequest>,
    ) -> Answer<diagnosis::ListModelExchangesResponse> {
        unasked()
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) enum Mood {
    #[default]
    Well,
    /// Does it, and its reply is lost.
    LosesReply,
    /// Does it, and is never heard of again.
    GoesAway,
    Away,
    /// Answers questions, and no call reaches it.
    Unreached,
    /// Says that it is at it, and knows nothing of that the next time it is asked.
    Forgets,
}

#[derive(Default)]
pub(crate) struct Record {
    pub(crate) mood: Mood,
    pub(crate) calls: Vec<String>,
    pub(crate) done: Vec<String>,
    /// What it says of itself beside its previous version.
    pub(crate) facts: BTreeMap<String, String>,
}

/// A target that remembers what it did, by request id.
#[derive(Clone, Default)]
pub(crate) struct Shop(pub(crate) Arc<Mutex<Record>>);

impl Shop {
    fn act(&self, call: &str, id: String) -> Result<action::Execution, Status> {
        let mut record = self.0.lock().unwrap();
        record.calls.push(call.to_owned());
        if matches!(record.mood, Mood::Away | Mood::Unreached) {
            return Err(Status::unavailable("away"));
        }
        if record.mood == Mood::Forgets {
            let state = action::ExecutionState::Running.into();
            return Ok(action::Execution { request_id: id, state, ..Default::default() });
        }
        if !record.done.contains(&id) {
            record.done.push(id.clone());
        }
        match record.mood {
            Mood::GoesAway => record.mood = Mood::Away,
            Mood::LosesReply => {}
            _ => return Ok(succeeded(id)),
        }
        Err(Status::unavailable("the reply is lost"))
    }
}

fn succeeded(request_id: String) -> action::Execution {
    action::Execution { request_id, state: action::ExecutionState::Succeeded.into(), ..Default::default() }
}

#[tonic::async_trait]
impl action::action_service_server::ActionService for Shop {
    async fn validate(&self, _: Request<action::ValidateRequest>) -> Answer<action::ValidateResponse> {
        let mut record = self.0.lock().unwrap();
        record.calls.push("validate".to_owned());
        if record.mood == Mood::Away {
            return Err(Status::unavailable("away"));
        }
        let mut target_state = record.facts.clone();
        target_state.insert("previous_version".to_owned(), "1.4.1".to_owned());
        Ok(Response::new(action::ValidateResponse { target_state, reversible: true }))
    }
    async fn execute(&self, request: Request<action::ExecuteRequest>) -> Answer<action::ExecuteResponse> {
        let execution = Some(self.act("execute", request.into_inner().request_id)?);
        Ok(Response::new(action::ExecuteResponse { execution }))
    }
    async fn undo(&self, request: Request<action::UndoRequest>) -> Answer<action::UndoResponse> {
        let execution = Some(self.act("undo", request.into_inner().request_id)?);
        Ok(Response::new(action::UndoResponse { execution }))
    }
    async fn get_state(&self, request: Request<action::GetStateRequest>) -> Answer<action::GetStateResponse> {
        let record = self.0.lock().unwrap();
        if record.mood == Mood::Away {
            return Err(Status::unavailable("away"));
        }
        let id = request.into_inner().request_id;
        let never = action::Execution { state: action::ExecutionState::NeverSeen.into(), ..Default::default() };
        let execution = Some(if record.done.contains(&id) { succeeded(id) } else { never });
        Ok(Response::new(action::GetStateResponse { execution }))
    }
}
