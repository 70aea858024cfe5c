//! An owner of incidents that keeps what it is told, and can be away or refuse.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex};

use llm_sre_domain::{Anomaly, AnomalyId, Direction, ServiceId, Signal, Timestamp};
use llm_sre_mesh::status;
use llm_sre_proto::convert::common::to_proto_time;
use llm_sre_proto::incident::v1::incident_service_server::{IncidentService, IncidentServiceServer};
use llm_sre_proto::incident::v1::*;
use tokio::sync::Barrier;
use tokio_stream::Stream;
use tonic::service::Routes;
use tonic::{Request, Response, Status};
use uuid::Uuid;

pub(crate) fn now() -> Timestamp {
    Timestamp::from_secs(1_000_000)
}

/// An incident with one latency anomaly.
pub(crate) fn incident(number: u128, state: State) -> Incident {
    let anomaly = Anomaly {
        id: AnomalyId("a".into()),
        service: ServiceId::named("checkout"),
        origin: Default::default(),
        signal: Signal::Latency,
        metric: "http.server.request.duration".into(),
        dimension: "p95".into(),
        unit: "s".into(),
        onset: now(),
        detected_at: now(),
        last_seen: now(),
        direction: Direction::Up,
        score: 20.0,
        expected: 0.1,
        observed: 2.0,
        exemplar: String::new(),
        requests_per_s: None,
    };
    Incident {
        name: llm_sre_mesh::names::incident(Uuid::from_u128(number)),
        state: state.into(),
        anomalies: vec![(&anomaly).into()],
        onset_time: Some(to_proto_time(now())),
        detect_time: Some(to_proto_time(now())),
        ..Incident::default()
    }
}

#[derive(Default)]
struct Kept {
    incidents: BTreeMap<String, Incident>,
    heard: Vec<(String, String, IncidentEventKind)>,
    lost: Option<IncidentEventKind>,
    refuses: bool,
    hides_past: bool,
    calls: usize,
    joining: Option<llm_sre_proto::incident::v1::Anomaly>,
    meeting: Option<(IncidentEventKind, Arc<Barrier>)>,
}

#[derive(Clone, Default)]
pub(crate) struct Owner(Arc<Mutex<Kept>>);

impl Owner {
    pub(crate) fn routes(&self) -> Routes {
        Routes::new(IncidentServiceServer::new(self.clone()))
    }

    pub(crate) fn add(&self, incident: Incident) -> String {
        let name = incident.name.clone();
        self.0.lock().unwrap().incidents.insert(name.clone(), incident);
        name
    }

    pub(crate) fn remove(&self, name: &str) {
        self.0.lock().unwrap().incidents.remove(name);
    }

    pub(crate) fn lose(&self, kind: IncidentEventKind) {
        self.0.lock().unwrap().lost = Some(kind);
    }

    pub(crate) fn heal(&self) {
        self.0.lock().unwrap().lost = None;
    }

    pub(crate) fn refuse(&self) {
        self.0.lock().unwrap().refuses = true;
    }

    /// Does not say which incidents there are.
    pub(crate) fn hide_past(&self) {
        self.0.lock().unwrap().hides_past = true;
    }

    /// Has an anomaly join the next incident that something is told of, just before that.
    pub(crate) fn join(&self, anomaly: llm_sre_proto::incident::v1::Anomaly) {
        self.0.lock().unwrap().joining = Some(anomaly);
    }

    /// From now on whoever tells of this waits until another one does; with nothing nobody waits any more.
    pub(crate) fn meet(&self, kind: Option<IncidentEventKind>) {
        self.0.lock().unwrap().meeting = kind.map(|kind| (kind, Arc::new(Barrier::new(2))));
    }

    pub(crate) fn calls(&self) -> usize {
        self.0.lock().unwrap().calls
    }

    /// What was heard about an incident, each event once.
    pub(crate) fn kinds(&self, name: &str) -> Vec<IncidentEventKind> {
        self.0.lock().unwrap().heard.iter().filter(|(of, ..)| of == name).map(|(_, _, kind)| *kind).collect()
    }
}

type Watch = Pin<Box<dyn Stream<Item = Result<WatchIncidentsResponse, Status>> + Send>>;

fn unasked<T>() -> Result<T, Status> {
    Err(Status::unimplemented("diagnosis does not ask for this"))
}

#[tonic::async_trait]
impl IncidentService for Owner {
    async fn get_incident(&self, request: Request<GetIncidentRequest>) -> Result<Response<Incident>, Status> {
        let name = request.into_inner().name;
        let found = self.0.lock().unwrap().incidents.get(&name).cloned();
        found.map(Response::new).ok_or_else(|| status::not_found(&name))
    }

    async fn record_event(&self, request: Request<RecordEventRequest>) -> Result<Response<Incident>, Status> {
        let request = request.into_inner();
        llm_sre_mesh::names::check_request_id(&request.request_id)?;
        let kind = request.event.unwrap().kind();
        let meeting = self.0.lock().unwrap().meeting.clone().filter(|(of, _)| *of == kind);
        if let Some((_, both)) = meeting {
            both.wait().await;
        }
        let mut kept = self.0.lock().unwrap();
        kept.calls += 1;
        if kept.lost == Some(kind) {
            return Err(Status::unavailable("the owner is away"));
        }
        if kept.refuses {
            return Err(status::failed_precondition("ILLEGAL_TRANSITION", "not in this state"));
        }
        if kept.heard.iter().all(|(_, id, _)| *id != request.request_id) {
            kept.heard.push((request.name.clone(), request.request_id, kind));
        }
        let joining = kept.joining.take();
        let incident = kept.incidents.get_mut(&request.name).unwrap();
        incident.anomalies.extend(joining);
        Ok(Response::new(incident.clone()))
    }

    async fn list_incidents(
        &self,
        request: Request<ListIncidentsRequest>,
    ) -> Result<Response<ListIncidentsResponse>, Status> {
        let request = request.into_inner();
        let kept = self.0.lock().unwrap();
        if kept.hides_past {
            return Err(Status::unavailable("the owner is away"));
        }
        let is_asked_for = |incident: &&Incident| {
            let service = incident.service.as_ref().map(|service| service.name.as_str()).unwrap_or_default();
            (request.fingerprint.is_empty() || incident.fingerprint == request.fingerprint)
                && (request.service_name.is_empty() || service == request.service_name)
                && (!request.judged || incident.judgement.is_some())
        };
        let before: usize = request.page_token.parse().unwrap_or(0);
        let size = usize::try_from(request.page_size).unwrap();
        let found: Vec<&Incident> = kept.incidents.values().filter(is_asked_for).skip(before).collect();
        let next_page_token = if found.len() > size { (before + size).to_string() } else { String::new() };
        let incidents = found.into_iter().take(size).cloned().collect();
        Ok(Response::new(ListIncidentsResponse { incidents, next_page_token }))
    }
    type WatchIncidentsStream = Watch;
    async fn watch_incidents(&self, _: Request<WatchIncidentsRequest>) -> Result<Response<Watch>, Status> {
        unasked()
    }
    async fn acknowledge_incident(&self, _: Request<AcknowledgeIncidentRequest>) -> Result<Response<Incident>, Status> {
        unasked()
    }
    async fn resolve_incident(&self, _: Request<ResolveIncidentRequest>) -> Result<Response<Incident>, Status> {
        unasked()
    }
    async fn judge_incident(&self, _: Request<JudgeIncidentRequest>) -> Result<Response<Incident>, Status> {
        unasked()
    }
    async fn report_incident(&self, _: Request<ReportIncidentRequest>) -> Result<Response<Incident>, Status> {
        unasked()
    }
    async fn check_recovery(
        &self,
        _: Request<CheckRecoveryRequest>,
    ) -> Result<Response<CheckRecoveryResponse>, Status> {
        unasked()
    }
    async fn create_maintenance_window(
        &self,
        _: Request<CreateMaintenanceWindowRequest>,
    ) -> Result<Response<MaintenanceWindow>, Status> {
        unasked()
    }
    async fn list_maintenance_windows(
        &self,
        _: Request<ListMaintenanceWindowsRequest>,
    ) -> Result<Response<ListMaintenanceWindowsResponse>, Status> {
        unasked()
    }
    async fn end_maintenance_window(
        &self,
        _: Request<EndMaintenanceWindowRequest>,
    ) -> Result<Response<MaintenanceWindow>, Status> {
        unasked()
    }
}
