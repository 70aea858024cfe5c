//! The generated clients over a real connection, for tests that are not asynchronous.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http_body_util::Full;
use llm_sre_mesh::access::Bearer;
use llm_sre_mesh::{Peer, peer};
use llm_sre_proto::incident::v1::incident_service_client::IncidentServiceClient;
use llm_sre_proto::incident::v1::{Incident, ListIncidentsRequest};
use llm_sre_proto::remediation::v1::remediation_service_client::RemediationServiceClient;
use llm_sre_proto::simulator::v1::simulator_service_client::SimulatorServiceClient;
use llm_sre_proto::telemetry::v1::telemetry_service_client::TelemetryServiceClient;
use llm_sre_proto::telemetry::v1::{
    ListServicesRequest, QuerySeriesRequest, QuerySeriesResponse, Service, ServiceIdentity, TimeRange,
};
use pbjson_types::Timestamp;
use tokio::runtime::Runtime;
use tonic::body::Body;
use tonic::{Code, Response, Status};
use tower::ServiceExt;

/// How far back questions look.
const PAST: Duration = Duration::from_secs(3_600);

/// A connection to one process.
pub(crate) struct Client {
    runtime: Runtime,
    peer: Peer,
}

impl Client {
    /// To host:port.
    pub(crate) fn new(address: &str) -> Self {
        Self::showing(address, None)
    }

    /// To host:port, with a token.
    pub(crate) fn signed_in(address: &str, token: &str) -> Self {
        Self::showing(address, Some(&Bearer::new(token).unwrap()))
    }

    fn showing(address: &str, token: Option<&Bearer>) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let peer = {
            let _inside = runtime.enter();
            peer::signed_in(peer::remote(&format!("http://{address}")).unwrap(), token)
        };
        Self { runtime, peer }
    }

    /// The way there, for a client of the caller's.
    pub(crate) fn peer(&self) -> Peer {
        self.peer.clone()
    }

    pub(crate) fn incidents(&self) -> IncidentServiceClient<Peer> {
        IncidentServiceClient::new(self.peer.clone())
    }

    pub(crate) fn simulator(&self) -> SimulatorServiceClient<Peer> {
        SimulatorServiceClient::new(self.peer.clone())
    }

    pub(crate) fn remediation(&self) -> RemediationServiceClient<Peer> {
        RemediationServiceClient::new(self.peer.clone())
    }

    pub(crate) fn telemetry(&self) -> TelemetryServiceClient<Peer> {
        TelemetryServiceClient::new(self.peer.clone())
    }

    /// The answer of a call.
    pub(crate) fn ask<T>(&self, call: impl Future<Output = Result<Response<T>, Status>>) -> Result<T, Status> {
        self.runtime.block_on(call).map(Response::into_inner)
    }

    /// The refusal of a call with an empty message, whatever the method, where it is refused.
    pub(crate) fn refusal(&self, path: &str) -> Option<Status> {
        let message = Body::new(Full::new(Bytes::from_static(&[0; 5])));
        let request = http::Request::post(path).header("content-type", "application/grpc").body(message).unwrap();
        let answer = self.runtime.block_on(self.peer.clone().oneshot(request)).unwrap();
        Status::from_header_map(answer.headers()).filter(|status| status.code() != Code::Ok)
    }

    /// Whether the process can be asked for incidents.
    pub(crate) fn answers(&self) -> bool {
        self.ask(self.incidents().list_incidents(ListIncidentsRequest::default())).is_ok()
    }

    /// All incidents, newest first; none while the process cannot be asked.
    pub(crate) fn all_incidents(&self) -> Vec<Incident> {
        let answer = self.ask(self.incidents().list_incidents(ListIncidentsRequest::default()));
        answer.map(|answer| answer.incidents).unwrap_or_default()
    }

    /// The services that telemetry came from.
    pub(crate) fn services(&self) -> Vec<Service> {
        let request = ListServicesRequest { range: Some(lately()), page_size: 1_000, ..Default::default() };
        self.ask(self.telemetry().list_services(request)).unwrap().services
    }

    /// The points of all series of a metric.
    pub(crate) fn series(&self, service: &ServiceIdentity, metric: &str) -> QuerySeriesResponse {
        let request = QuerySeriesRequest {
            service: Some(service.clone()),
            metric: metric.to_owned(),
            range: Some(lately()),
            ..QuerySeriesRequest::default()
        };
        self.ask(self.telemetry().query_series(request)).unwrap()
    }
}

/// The time until a minute from now, by the clock on the wall.
pub(crate) fn lately() -> TimeRange {
    let now = now();
    let time = |since: Duration| Some(Timestamp { seconds: i64::try_from(since.as_secs()).unwrap(), nanos: 0 });
    TimeRange { start_time: time(now - PAST), end_time: time(now + Duration::from_secs(60)) }
}

/// Time since 1970 by the clock on the wall.
#[allow(clippy::disallowed_methods)] // Real senders stamp real time; so must who asks for what they sent.
pub(crate) fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap()
}

/// A service by its name alone.
pub(crate) fn named(name: &str) -> ServiceIdentity {
    ServiceIdentity { name: name.to_owned(), ..ServiceIdentity::default() }
}
