//! The one stream that a page follows.

use std::collections::{BTreeMap, BTreeSet};
use std::pin::Pin;
use std::time::Duration;

use llm_sre_domain::Timestamp;
use llm_sre_mesh::server::MAX_MESSAGE_BYTES;
use llm_sre_mesh::{names, status};
use llm_sre_proto::convert::common::{from_proto_time, to_proto_time};
use llm_sre_proto::dashboard::v1::dashboard_service_server::DashboardService;
use llm_sre_proto::dashboard::v1::watch_response::News;
use llm_sre_proto::dashboard::v1::{Caught, FleetState, Holds, Part, Recordings, WatchRequest, WatchResponse};
use llm_sre_proto::diagnosis::v1::diagnosis_service_client::DiagnosisServiceClient;
use llm_sre_proto::diagnosis::v1::{Diagnosis, ListDiagnosesRequest};
use llm_sre_proto::fleet::v1::fleet_service_client::FleetServiceClient;
use llm_sre_proto::fleet::v1::{Fleet, GetFleetRequest, ListSignalRecordingsRequest};
use llm_sre_proto::incident::v1::incident_service_client::IncidentServiceClient;
use llm_sre_proto::incident::v1::{ListMaintenanceWindowsRequest, MaintenanceWindow, WatchIncidentsRequest};
use llm_sre_proto::remediation::v1::remediation_service_client::RemediationServiceClient;
use llm_sre_proto::remediation::v1::{
    Action, Freeze, GetKillSwitchRequest, KillSwitch, ListActionsRequest, ListFreezesRequest,
};
use llm_sre_proto::telemetry::v1::telemetry_service_client::TelemetryServiceClient;
use llm_sre_proto::telemetry::v1::{ListServiceCallsRequest, ServiceCall, TimeRange};
use tokio::sync::mpsc;
use tokio_stream::Stream;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Request, Response, Status};

use crate::Service;
use crate::part::{Followed, Gone, Reader};

/// How often the fleet is looked at, whose windows are ten seconds of event time; a demonstration's are a fraction of one.
const FLEET_EVERY: Duration = Duration::from_secs(1);
/// How often calls are counted, and over how much event time.
const CALLS_EVERY: Duration = Duration::from_secs(5);
const CALLS_OVER_SECONDS: u32 = 300;
/// How often holds are looked at: an engaged kill switch is seen at once.
const HOLDS_EVERY: Duration = Duration::from_secs(1);
/// How often diagnoses and actions of the incident that is looked at are read.
const LOOKED_AT_EVERY: Duration = Duration::from_millis(500);
const RECORDINGS_EVERY: Duration = Duration::from_secs(2);
/// Whoever reads hears something so often, and so knows that the connection lives.
const BEAT_EVERY: Duration = Duration::from_secs(3);
/// How long a part may take. One that hangs is one that cannot be had, and holds up those that are asked with it for no
/// longer.
const ASK_WITHIN: Duration = Duration::from_secs(3);
/// The wait before a stream that broke is begun again.
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// Messages that wait for a slow reader; then the parts themselves wait.
const WAITING_MAX: usize = 2;
/// Of the incident that is looked at, the newest so many.
const DIAGNOSES_MAX: i32 = 20;
const ACTIONS_MAX: i32 = 50;
const HOLDS_MAX: i32 = 200;

type Watch = Pin<Box<dyn Stream<Item = Result<WatchResponse, Status>> + Send>>;

#[tonic::async_trait]
impl DashboardService for Service {
    type WatchStream = Watch;

    async fn watch(&self, request: Request<WatchRequest>) -> Result<Response<Watch>, Status> {
        let WatchRequest { incident, resume_token } = request.into_inner();
        if !incident.is_empty() {
            names::parse_incident("incident", &incident)?;
        }
        let permit = self.watches.clone().try_acquire_owned().map_err(|_| {
            status::exhausted("TOO_MANY_WATCHES", "as many pages are open as this process serves", RETRY_AFTER)
        })?;
        let (sender, receiver) = mpsc::channel(WAITING_MAX);
        let (service, reader) = (self.clone(), Reader { sender, clock: self.clock.clone() });
        tokio::spawn(async move {
            let _held_while_it_is_followed = permit;
            let sender = reader.sender.clone();
            tokio::select! {
                biased;
                () = sender.closed() => {}
                _ = service.follow(&reader, incident, resume_token) => {}
            }
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(receiver))))
    }
}

impl Service {
    /// Follows every part until the reader goes away.
    async fn follow(&self, reader: &Reader, incident: String, resume_token: String) -> Result<(), Gone> {
        tokio::try_join!(
            Box::pin(beat(reader)),
            Box::pin(self.incidents(reader, resume_token)),
            Box::pin(self.fleet(reader)),
            Box::pin(self.holds(reader)),
            Box::pin(self.looked_at(reader, incident)),
        )
        .map(|_| ())
    }

    /// Incidents, as their owner tells of them.
    async fn incidents(&self, reader: &Reader, mut resume_token: String) -> Result<(), Gone> {
        let mut followed = Followed::new(reader, Part::Incidents);
        loop {
            if let Err(status) = self.incidents_once(reader, &mut followed, &mut resume_token).await? {
                // Another store, perhaps: what it has is told from the beginning.
                if status.code() == Code::InvalidArgument && !resume_token.is_empty() {
                    resume_token.clear();
                    continue;
                }
                followed.found::<()>(Err(status)).await?;
            }
            tokio::time::sleep(RETRY_AFTER).await;
        }
    }

    async fn incidents_once(
        &self,
        reader: &Reader,
        followed: &mut Followed,
        resume_token: &mut String,
    ) -> Result<Result<(), Status>, Gone> {
        let complete = resume_token.is_empty();
        let mut living = BTreeSet::new();
        let mut client = IncidentServiceClient::new(self.detector.clone()).max_decoding_message_size(MAX_MESSAGE_BYTES);
        let request =
            WatchIncidentsRequest { name: String::new(), resume_token: resume_token.clone(), skip_ended: complete };
        let mut stream = match client.watch_incidents(request).await {
            Ok(stream) => stream.into_inner(),
            Err(status) => return Ok(Err(status)),
        };
        loop {
            let message = match stream.message().await {
                Ok(Some(message)) => message,
                Ok(None) => return Ok(Err(Status::unavailable("the owner of incidents ended its stream"))),
                Err(status) => return Ok(Err(status)),
            };
            followed.found(Ok(())).await?;
            resume_token.clone_from(&message.resume_token);
            if let Some(incident) = message.incident {
                if incident.end_time.is_none() {
                    living.insert(incident.name.clone());
                }
                reader.say(message.resume_token, Some(News::Incident(incident))).await?;
            }
            if message.caught_up {
                let living = std::mem::take(&mut living).into_iter().filter(|_| complete).collect();
                reader.say(resume_token.clone(), Some(News::Caught(Caught { living, complete }))).await?;
            }
        }
    }

    /// How services are, and who calls whom.
    async fn fleet(&self, reader: &Reader) -> Result<(), Gone> {
        let (mut fleets, mut calling) = (Followed::new(reader, Part::Fleet), Followed::new(reader, Part::Calls));
        let mut calls = Vec::new();
        let mut counted_at: Option<tokio::time::Instant> = None;
        let mut said: Option<FleetState> = None;
        loop {
            let client = FleetServiceClient::new(self.detector.clone()).max_decoding_message_size(MAX_MESSAGE_BYTES);
            let found =
                within(async { { client }.get_fleet(GetFleetRequest {}).await.map(Response::into_inner) }).await;
            if let Some(mut fleet) = fleets.found(found).await? {
                if counted_at.is_none_or(|at| at.elapsed() >= CALLS_EVERY) {
                    counted_at = Some(tokio::time::Instant::now());
                    calls = calling.found(within(self.calls(&fleet)).await).await?.unwrap_or_default();
                }
                // The message says when it was said.
                fleet.time = None;
                let calls_seconds = CALLS_OVER_SECONDS;
                let state = FleetState { fleet: Some(fleet), calls: calls.clone(), calls_seconds };
                if said.as_ref() != Some(&state) {
                    reader.say(String::new(), Some(News::Fleet(state.clone()))).await?;
                    said = Some(state);
                }
            }
            tokio::time::sleep(FLEET_EVERY).await;
        }
    }

    async fn calls(&self, fleet: &Fleet) -> Result<Vec<ServiceCall>, Status> {
        let Some(read) = fleet.read_time.as_ref().map(from_proto_time).filter(|read| *read > Timestamp::EPOCH) else {
            return Ok(Vec::new());
        };
        let start_time = Some(to_proto_time(read - Duration::from_secs(CALLS_OVER_SECONDS.into())));
        let range = Some(TimeRange { start_time, end_time: Some(to_proto_time(read)) });
        let client = TelemetryServiceClient::new(self.indexer.clone()).max_decoding_message_size(MAX_MESSAGE_BYTES);
        let counted = { client }.list_service_calls(ListServiceCallsRequest { range, page_size: 0 }).await?;
        Ok(counted.into_inner().calls)
    }

    /// Kill switch, freezes and maintenance windows.
    async fn holds(&self, reader: &Reader) -> Result<(), Gone> {
        let mut held = Followed::new(reader, Part::Holds);
        let mut covered = Followed::new(reader, Part::Maintenance);
        let mut said: Option<Holds> = None;
        loop {
            let (stops, windows) = tokio::join!(within(self.stops()), within(self.windows()));
            // What cannot be asked for is not released: what was said stands, and a problem beside it.
            let (stops, windows) = (held.found(stops).await?, covered.found(windows).await?);
            let before = said.clone().unwrap_or_default();
            let (kill_switch, freezes) = stops.unwrap_or((before.kill_switch, before.freezes));
            let windows = windows.unwrap_or(before.windows);
            let holds = Holds { kill_switch, freezes, windows };
            if said.as_ref() != Some(&holds) {
                reader.say(String::new(), Some(News::Holds(holds.clone()))).await?;
                said = Some(holds);
            }
            tokio::time::sleep(HOLDS_EVERY).await;
        }
    }

    async fn stops(&self) -> Result<(Option<KillSwitch>, Vec<Freeze>), Status> {
        let Some(peer) = self.remediation.clone() else {
            return Err(Status::unimplemented("nothing is repaired here: the remediation service is not configured"));
        };
        let mut client = RemediationServiceClient::new(peer).max_decoding_message_size(MAX_MESSAGE_BYTES);
        let kill_switch = client.get_kill_switch(GetKillSwitchRequest {}).await?.into_inner();
        let request = ListFreezesRequest { page_size: HOLDS_MAX, ..ListFreezesRequest::default() };
        Ok((Some(kill_switch), client.list_freezes(request).await?.into_inner().freezes))
    }

    async fn windows(&self) -> Result<Vec<MaintenanceWindow>, Status> {
        let client = IncidentServiceClient::new(self.detector.clone()).max_decoding_message_size(MAX_MESSAGE_BYTES);
        let request =
            ListMaintenanceWindowsRequest { page_size: HOLDS_MAX, ..ListMaintenanceWindowsRequest::default() };
        Ok({ client }.list_maintenance_windows(request).await?.into_inner().windows)
    }

    /// What belongs to the incident that is looked at.
    async fn looked_at(&self, reader: &Reader, incident: String) -> Result<(), Gone> {
        if incident.is_empty() {
            return Ok(());
        }
        let diagnosing = Followed::new(reader, Part::Diagnoses).poll(
            LOOKED_AT_EVERY,
            || within(self.diagnoses_of(incident.clone())),
            changed(|one: &Diagnosis| (one.name.clone(), one.etag.clone()), News::Diagnosis),
        );
        let acting = Followed::new(reader, Part::Actions).poll(
            LOOKED_AT_EVERY,
            || within(self.actions_of(incident.clone())),
            changed(|one: &Action| (one.name.clone(), one.etag.clone()), News::Action),
        );
        let recording = Followed::new(reader, Part::Recordings).poll(
            RECORDINGS_EVERY,
            || within(self.recordings_of(incident.clone())),
            |recordings| vec![News::Recordings(recordings)],
        );
        tokio::try_join!(Box::pin(diagnosing), Box::pin(acting), Box::pin(recording)).map(|_| ())
    }

    async fn diagnoses_of(&self, parent: String) -> Result<Vec<Diagnosis>, Status> {
        let client = DiagnosisServiceClient::new(self.diagnosis.clone()).max_decoding_message_size(MAX_MESSAGE_BYTES);
        let request = ListDiagnosesRequest { parent, page_size: DIAGNOSES_MAX, ..ListDiagnosesRequest::default() };
        Ok({ client }.list_diagnoses(request).await?.into_inner().diagnoses)
    }

    async fn actions_of(&self, parent: String) -> Result<Vec<Action>, Status> {
        let Some(peer) = self.remediation.clone() else { return Ok(Vec::new()) };
        let client = RemediationServiceClient::new(peer).max_decoding_message_size(MAX_MESSAGE_BYTES);
        let request = ListActionsRequest { parent, page_size: ACTIONS_MAX, ..ListActionsRequest::default() };
        Ok({ client }.list_actions(request).await?.into_inner().actions)
    }

    async fn recordings_of(&self, parent: String) -> Result<Recordings, Status> {
        let client = FleetServiceClient::new(self.detector.clone()).max_decoding_message_size(MAX_MESSAGE_BYTES);
        let found = { client }.list_signal_recordings(ListSignalRecordingsRequest { parent }).await?;
        Ok(Recordings { recordings: found.into_inner().recordings })
    }
}

/// An answer that comes in time, or that none does.
async fn within<T>(answer: impl Future<Output = Result<T, Status>>) -> Result<T, Status> {
    let late = |_| Status::deadline_exceeded(format!("no answer within {} s", ASK_WITHIN.as_secs()));
    tokio::time::timeout(ASK_WITHIN, answer).await.map_err(late)?
}

/// Of resources those that were not said yet as they are.
fn changed<T>(state: impl Fn(&T) -> (String, String), news: impl Fn(T) -> News) -> impl FnMut(Vec<T>) -> Vec<News> {
    let mut said: BTreeMap<String, String> = BTreeMap::new();
    move |found| {
        let is_new = |one: &T| {
            let (name, etag) = state(one);
            said.insert(name, etag.clone()).as_ref() != Some(&etag)
        };
        let new: Vec<T> = found.into_iter().filter(is_new).collect();
        new.into_iter().map(&news).collect()
    }
}

async fn beat(reader: &Reader) -> Result<(), Gone> {
    loop {
        tokio::time::sleep(BEAT_EVERY).await;
        reader.say(String::new(), None).await?;
    }
}
