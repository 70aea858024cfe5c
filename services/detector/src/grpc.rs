//! `IncidentService` on the wire.

use std::collections::{BTreeMap, BTreeSet};
use std::pin::Pin;

use llm_sre_domain::diagnose::rank;
use llm_sre_domain::evidence::Evidence;
use llm_sre_domain::incident::{
    Actor, Event, EventKind, Fingerprint, HandReason, Incident, Opening, Severity, Subject, Trigger,
};
use llm_sre_domain::{ServiceId, Timestamp};
use llm_sre_mesh::records::Stored;
use llm_sre_mesh::{access, names, page, status};
use llm_sre_ports::documents::Filter;
use llm_sre_proto::convert::ConvertError;
use llm_sre_proto::convert::common::{from_proto_time, required_service, required_time, to_proto_time};
use llm_sre_proto::convert::judgement::ruling;
use llm_sre_proto::diagnosis::v1::EvidenceSnapshot;
use llm_sre_proto::incident::v1;
use llm_sre_proto::incident::v1::incident_service_server::{IncidentService, IncidentServiceServer};
use tokio_stream::Stream;
use tonic::{Request, Response, Status};

use crate::Service;
use crate::book::shown;
use crate::kept::Kept;

/// The longest note of a person, in characters.
pub(crate) const NOTE_MAX: usize = 2_000;
/// The longest title of a report, in characters.
const TITLE_MAX: usize = 200;

impl Service {
    /// The full name of the service, for health.
    pub const NAME: &str = "llmsre.incident.v1.IncidentService";

    /// The service, ready to be mounted.
    pub fn server(&self) -> IncidentServiceServer<Self> {
        IncidentServiceServer::new(self.clone()).max_decoding_message_size(llm_sre_mesh::server::MAX_MESSAGE_BYTES)
    }
}

type Watch = Pin<Box<dyn Stream<Item = Result<v1::WatchIncidentsResponse, Status>> + Send>>;

#[tonic::async_trait]
impl IncidentService for Service {
    async fn get_incident(&self, request: Request<v1::GetIncidentRequest>) -> Result<Response<v1::Incident>, Status> {
        let stored = self.find(&request.into_inner().name).await?;
        self.shown_now(stored).await.map(Response::new)
    }

    async fn list_incidents(
        &self,
        request: Request<v1::ListIncidentsRequest>,
    ) -> Result<Response<v1::ListIncidentsResponse>, Status> {
        let request = request.into_inner();
        let mut filter = Filter::default();
        for state in &request.states {
            match v1::State::try_from(*state) {
                Ok(state) if state != v1::State::Unspecified => filter = filter.with("state", state.as_str_name()),
                _ => return Err(status::invalid_argument("states", format!("{state} is no state"))),
            }
        }
        if !request.service_name.is_empty() {
            filter = filter.with("service", &request.service_name);
        }
        if !request.fingerprint.is_empty() {
            filter = filter.with("fingerprint", &request.fingerprint);
        }
        if request.judged {
            filter = filter.with("judged", "yes");
        }
        let size = page::size(request.page_size, 50, 500)?;
        let cursor = (!request.page_token.is_empty()).then_some(request.page_token);
        let (records, next) = self.records.list_readable(filter, cursor, size).await?;
        let incidents = records.into_iter().map(shown).collect();
        Ok(Response::new(v1::ListIncidentsResponse { incidents, next_page_token: next.unwrap_or_default() }))
    }

    type WatchIncidentsStream = Watch;

    async fn watch_incidents(&self, request: Request<v1::WatchIncidentsRequest>) -> Result<Response<Watch>, Status> {
        let answers = self.begin_watch(request.into_inner()).await?;
        Ok(Response::new(Box::pin(answers)))
    }

    async fn acknowledge_incident(
        &self,
        request: Request<v1::AcknowledgeIncidentRequest>,
    ) -> Result<Response<v1::Incident>, Status> {
        let person = person(&request)?;
        let v1::AcknowledgeIncidentRequest { name, note, etag, request_id, validate_only } = request.into_inner();
        check_text("note", &note, 0, NOTE_MAX)?;
        let event = self.event_by_a_person(&request_id, person, EventKind::Acknowledged { note })?;
        self.ordered(&name, &etag, &event, validate_only).await
    }

    async fn resolve_incident(
        &self,
        request: Request<v1::ResolveIncidentRequest>,
    ) -> Result<Response<v1::Incident>, Status> {
        let reason = match request.get_ref().reason() {
            v1::ResolutionReason::Manual => HandReason::Manual,
            v1::ResolutionReason::FalsePositive => HandReason::FalsePositive,
            _ => return Err(status::invalid_argument("reason", "is MANUAL or FALSE_POSITIVE; others are measured")),
        };
        let person = person(&request)?;
        let v1::ResolveIncidentRequest { name, note, etag, request_id, validate_only, .. } = request.into_inner();
        check_text("note", &note, 0, NOTE_MAX)?;
        let event = self.event_by_a_person(&request_id, person, EventKind::ResolvedByHand { reason, note })?;
        self.ordered(&name, &etag, &event, validate_only).await
    }

    async fn judge_incident(
        &self,
        request: Request<v1::JudgeIncidentRequest>,
    ) -> Result<Response<v1::Incident>, Status> {
        let person = person(&request)?;
        let v1::JudgeIncidentRequest { name, kind, cause, note, etag, request_id, validate_only } =
            request.into_inner();
        check_text("note", &note, 0, NOTE_MAX)?;
        let ruling = ruling(kind, cause.as_ref()).map_err(|error| invalid(&error))?;
        let event = self.event_by_a_person(&request_id, person, EventKind::Judged { ruling, note })?;
        self.ordered(&name, &etag, &event, validate_only).await
    }

    async fn report_incident(
        &self,
        request: Request<v1::ReportIncidentRequest>,
    ) -> Result<Response<v1::Incident>, Status> {
        let person = person(&request)?;
        self.report(request.into_inner(), person).await.map(Response::new)
    }

    async fn record_event(&self, request: Request<v1::RecordEventRequest>) -> Result<Response<v1::Incident>, Status> {
        let request = request.into_inner();
        names::check_request_id(&request.request_id)?;
        let event = Event::try_from(&request).map_err(|error| invalid(&error))?;
        let resource = request.event.as_ref().map(|event| event.resource.as_str()).unwrap_or_default();
        if !resource.is_empty() && !resource.starts_with(&format!("{}/", request.name)) {
            return Err(status::invalid_argument("event.resource", format!("is not of {}", request.name)));
        }
        self.apply(&request.name, &event).await.map(|stored| Response::new(shown(stored)))
    }

    async fn check_recovery(
        &self,
        request: Request<v1::CheckRecoveryRequest>,
    ) -> Result<Response<v1::CheckRecoveryResponse>, Status> {
        let request = request.into_inner();
        let since = required_time("since_time", request.since_time.as_ref()).map_err(|error| invalid(&error))?;
        let incident = self.find(&request.name).await?.message.domain()?;
        self.check_detecting()?;
        let (measured, disturbed_until, read_to) = {
            let brain = self.brain();
            let (measured, disturbed_until) = brain.recovery(&incident, since);
            (measured, disturbed_until, brain.detector.watermark())
        };
        let signals = measured.signals.iter().map(|signal| v1::SignalRecovery {
            anomaly: signal.anomaly.0.to_string(),
            verdict: v1::RecoveryVerdict::from(signal.verdict).into(),
            samples: signal.samples,
            value: signal.value,
            expected: signal.expected,
        });
        Ok(Response::new(v1::CheckRecoveryResponse {
            verdict: v1::RecoveryVerdict::from(measured.verdict).into(),
            signals: signals.collect(),
            reason: measured.reason,
            measured_time: Some(to_proto_time(measured.measured_at)),
            read_time: Some(to_proto_time(read_to)),
            well_since_time: Some(to_proto_time(measured.well_since)),
            disturbed_until_time: disturbed_until.map(to_proto_time),
        }))
    }

    async fn create_maintenance_window(
        &self,
        request: Request<v1::CreateMaintenanceWindowRequest>,
    ) -> Result<Response<v1::MaintenanceWindow>, Status> {
        let person = person(&request)?;
        Box::pin(self.order_window(request.into_inner(), &person)).await.map(Response::new)
    }

    async fn list_maintenance_windows(
        &self,
        request: Request<v1::ListMaintenanceWindowsRequest>,
    ) -> Result<Response<v1::ListMaintenanceWindowsResponse>, Status> {
        self.some_windows(request.into_inner()).await.map(Response::new)
    }

    async fn end_maintenance_window(
        &self,
        request: Request<v1::EndMaintenanceWindowRequest>,
    ) -> Result<Response<v1::MaintenanceWindow>, Status> {
        let person = person(&request)?;
        Box::pin(self.end_window(request.into_inner(), &person)).await.map(Response::new)
    }
}

impl Service {
    fn event_by_a_person(&self, request_id: &str, person: Actor, kind: EventKind) -> Result<Event, Status> {
        names::check_request_id(request_id)?;
        self.event_by(request_id, person, kind)
    }

    /// What a person orders.
    async fn ordered(
        &self,
        name: &str,
        etag: &str,
        event: &Event,
        validate_only: bool,
    ) -> Result<Response<v1::Incident>, Status> {
        if !validate_only {
            return self
                .apply_all(name, etag, std::slice::from_ref(event), |_| ())
                .await
                .map(|stored| Response::new(shown(stored)));
        }
        let stored = self.find(name).await?;
        stored.check_etag(name, etag)?;
        let windows = self.windows().await?;
        let (incident, _) = self.try_apply(stored.message.domain()?, std::slice::from_ref(event), &windows)?;
        Ok(Response::new(v1::Incident { etag: stored.etag(), ..(&incident).into() }))
    }

    async fn report(&self, request: v1::ReportIncidentRequest, person: Actor) -> Result<v1::Incident, Status> {
        let service = request.service.as_ref().map(|service| required_service("service", Some(service))).transpose();
        let service = service.map_err(|error| invalid(&error))?;
        check_text("title", &request.title, 1, TITLE_MAX)?;
        names::check_request_id(&request.request_id)?;
        if let Some(known) = self.reported(&request.request_id).await? {
            return Ok(shown(known));
        }
        self.check_current()?;
        let now = self.clock.now();
        let onset = request.onset_time.as_ref().map_or(now, from_proto_time);
        if onset > now {
            return Err(status::invalid_argument("onset_time", "is in the future"));
        }
        let (service, evidence) = self.suspected(service, onset)?;
        let subject = Subject { service, trigger: Trigger::Reported, dimension: "".into() };
        let fingerprint = Fingerprint::of(&subject).map_err(|error| status::internal(error.to_string()))?;
        let latest = self.latest(&fingerprint).await?;
        if let Some(living) = latest.as_ref().filter(|latest| latest.message.is_living()) {
            let name = &living.message.incident.name;
            let message = format!("{name} about it is open already");
            return Err(status::error(tonic::Code::AlreadyExists, "ALREADY_OPEN", message, &[("resource", name)]));
        }
        let coverage = self.coverage_of(&subject.service).await?;
        let opening = Opening {
            subject,
            ordinal: latest.map_or(0, |latest| latest.message.incident.ordinal + 1),
            title: request.title,
            anomalies: Vec::new(),
            impacts: BTreeMap::new(),
            severity: Severity::Sev4,
            onset,
            detected_at: now,
            actor: person,
            coverage,
        };
        let (incident, effects) = Incident::open(opening, &self.options.rules, now)
            .map_err(|error| status::invalid_argument("service", error.to_string()))?;
        if request.validate_only {
            return Ok((&incident).into());
        }
        let mut kept = Kept::new(&incident, &effects, self.stages.now_unix_nano());
        kept.request_id = request.request_id;
        kept.snapshot = Some(EvidenceSnapshot::from(&evidence));
        let name = kept.incident.name.clone();
        if !self.create(&incident, &kept).await? {
            return Err(status::etag_mismatch(&name));
        }
        self.find(&name).await.map(shown)
    }

    /// The service that a report is about, and what is known of it, or of everything where the report names none.
    fn suspected(&self, named: Option<ServiceId>, onset: Timestamp) -> Result<(ServiceId, Evidence), Status> {
        let brain = self.brain();
        let Some(service) = named else {
            let evidence = brain.detector.evidence_since(onset);
            let likely = rank(&evidence).hypotheses.into_iter().next().map(|hypothesis| hypothesis.service);
            let nothing = || {
                let message = format!("nothing was unusual anywhere since {onset}: name the service");
                status::failed_precondition("NOTHING_UNUSUAL", message)
            };
            return Ok((likely.ok_or_else(nothing)?, evidence));
        };
        if !brain.detector.knows(&service) {
            return Err(status::invalid_argument("service", format!("{service} was never seen in telemetry")));
        }
        let evidence = brain.detector.evidence(&[], &BTreeSet::from([service.clone()]), onset);
        Ok((service, evidence))
    }

    /// What an earlier report with this id opened.
    async fn reported(&self, request_id: &str) -> Result<Option<Stored<Kept>>, Status> {
        if request_id.is_empty() {
            return Ok(None);
        }
        let filter = Filter::default().with("request", request_id);
        Ok(self.records.list_readable(filter, None, 1).await?.0.into_iter().next())
    }
}

/// Who asks, as the port found out.
fn person<T>(request: &Request<T>) -> Result<Actor, Status> {
    Actor::new(access::actor(request.metadata())).map_err(|error| status::internal(error.to_string()))
}

pub(crate) fn check_text(field: &str, text: &str, min: usize, max: usize) -> Result<(), Status> {
    let length = text.chars().count();
    if (min..=max).contains(&length) {
        return Ok(());
    }
    Err(status::invalid_argument(field, format!("has {length} characters; {min} to {max} are allowed")))
}

fn invalid(error: &ConvertError) -> Status {
    status::invalid_argument(error.field(), error.to_string())
}
