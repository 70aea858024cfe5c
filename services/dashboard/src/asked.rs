//! The services that the page shows, and what they are asked.
//!
//! They are asked in this process' name: whoever may follow may read all of it, which the port has asked first.

use std::time::Duration;

use llm_sre_domain::Timestamp;
use llm_sre_mesh::Peer;
use llm_sre_mesh::server::MAX_MESSAGE_BYTES;
use llm_sre_proto::convert::common::{from_proto_time, to_proto_time};
use llm_sre_proto::dashboard::v1::Recordings;
use llm_sre_proto::diagnosis::v1::diagnosis_service_client::DiagnosisServiceClient;
use llm_sre_proto::diagnosis::v1::{Diagnosis, ListDiagnosesRequest};
use llm_sre_proto::fleet::v1::fleet_service_client::FleetServiceClient;
use llm_sre_proto::fleet::v1::{Fleet, GetFleetRequest, ListSignalRecordingsRequest};
use llm_sre_proto::incident::v1::incident_service_client::IncidentServiceClient;
use llm_sre_proto::incident::v1::{
    ListMaintenanceWindowsRequest, MaintenanceWindow, WatchIncidentsRequest, WatchIncidentsResponse,
};
use llm_sre_proto::remediation::v1::remediation_service_client::RemediationServiceClient;
use llm_sre_proto::remediation::v1::{
    Action, Freeze, GetKillSwitchRequest, KillSwitch, ListActionsRequest, ListFreezesRequest,
};
use llm_sre_proto::telemetry::v1::telemetry_service_client::TelemetryServiceClient;
use llm_sre_proto::telemetry::v1::{ListServiceCallsRequest, ListServiceCallsResponse, TimeRange};
use tonic::{Response, Status, Streaming};

/// Over how much event time calls are counted.
pub(crate) const CALLS_OVER_SECONDS: u32 = 300;
/// How long a part may take. One that hangs is one that cannot be had, and holds up those that are asked with it for no
/// longer.
const ASK_WITHIN: Duration = Duration::from_secs(3);
/// Of the incident that is looked at, the newest so many.
const DIAGNOSES_MAX: i32 = 20;
const ACTIONS_MAX: i32 = 50;
const HOLDS_MAX: i32 = 200;

/// See the module.
#[derive(Clone)]
pub(crate) struct Asked {
    pub(crate) detector: Peer,
    pub(crate) diagnosis: Peer,
    pub(crate) indexer: Peer,
    pub(crate) remediation: Option<Peer>,
}

impl Asked {
    /// Incidents, as their owner tells of them.
    pub(crate) async fn incidents(
        &self,
        request: WatchIncidentsRequest,
    ) -> Result<Streaming<WatchIncidentsResponse>, Status> {
        let client = IncidentServiceClient::new(self.detector.clone()).max_decoding_message_size(MAX_MESSAGE_BYTES);
        { client }.watch_incidents(request).await.map(Response::into_inner)
    }

    /// How services are.
    pub(crate) async fn fleet(&self) -> Result<Fleet, Status> {
        let client = FleetServiceClient::new(self.detector.clone()).max_decoding_message_size(MAX_MESSAGE_BYTES);
        within(async { { client }.get_fleet(GetFleetRequest {}).await.map(Response::into_inner) }).await
    }

    /// Who called whom before the fleet was as it is.
    pub(crate) async fn calls(&self, fleet: &Fleet) -> Result<ListServiceCallsResponse, Status> {
        let Some(read) = fleet.read_time.as_ref().map(from_proto_time).filter(|read| *read > Timestamp::EPOCH) else {
            return Ok(ListServiceCallsResponse::default());
        };
        let start_time = Some(to_proto_time(read - Duration::from_secs(CALLS_OVER_SECONDS.into())));
        let range = Some(TimeRange { start_time, end_time: Some(to_proto_time(read)) });
        let client = TelemetryServiceClient::new(self.indexer.clone()).max_decoding_message_size(MAX_MESSAGE_BYTES);
        let counted =
            within(async { { client }.list_service_calls(ListServiceCallsRequest { range, page_size: 0 }).await })
                .await?;
        Ok(counted.into_inner())
    }

    /// Kill switch and freezes.
    pub(crate) async fn stops(&self) -> Result<(Option<KillSwitch>, Vec<Freeze>), Status> {
        let Some(peer) = self.remediation.clone() else {
            return Err(Status::unimplemented("nothing is repaired here: the remediation service is not configured"));
        };
        let mut client = RemediationServiceClient::new(peer).max_decoding_message_size(MAX_MESSAGE_BYTES);
        within(async {
            let kill_switch = client.get_kill_switch(GetKillSwitchRequest {}).await?.into_inner();
            let request = ListFreezesRequest { page_size: HOLDS_MAX, ..ListFreezesRequest::default() };
            Ok((Some(kill_switch), client.list_freezes(request).await?.into_inner().freezes))
        })
        .await
    }

    /// Maintenance windows.
    pub(crate) async fn windows(&self) -> Result<Vec<MaintenanceWindow>, Status> {
        let client = IncidentServiceClient::new(self.detector.clone()).max_decoding_message_size(MAX_MESSAGE_BYTES);
        let request =
            ListMaintenanceWindowsRequest { page_size: HOLDS_MAX, ..ListMaintenanceWindowsRequest::default() };
        within(async { Ok({ client }.list_maintenance_windows(request).await?.into_inner().windows) }).await
    }

    /// The diagnoses of an incident.
    pub(crate) async fn diagnoses_of(&self, parent: String) -> Result<Vec<Diagnosis>, Status> {
        let client = DiagnosisServiceClient::new(self.diagnosis.clone()).max_decoding_message_size(MAX_MESSAGE_BYTES);
        let request = ListDiagnosesRequest { parent, page_size: DIAGNOSES_MAX, ..ListDiagnosesRequest::default() };
        within(async { Ok({ client }.list_diagnoses(request).await?.into_inner().diagnoses) }).await
    }

    /// The actions of an incident.
    pub(crate) async fn actions_of(&self, parent: String) -> Result<Vec<Action>, Status> {
        let Some(peer) = self.remediation.clone() else { return Ok(Vec::new()) };
        let client = RemediationServiceClient::new(peer).max_decoding_message_size(MAX_MESSAGE_BYTES);
        let request = ListActionsRequest { parent, page_size: ACTIONS_MAX, ..ListActionsRequest::default() };
        within(async { Ok({ client }.list_actions(request).await?.into_inner().actions) }).await
    }

    /// The signals of an incident.
    pub(crate) async fn recordings_of(&self, parent: String) -> Result<Recordings, Status> {
        let client = FleetServiceClient::new(self.detector.clone()).max_decoding_message_size(MAX_MESSAGE_BYTES);
        let found =
            within(async { { client }.list_signal_recordings(ListSignalRecordingsRequest { parent }).await }).await?;
        Ok(Recordings { recordings: found.into_inner().recordings })
    }
}

/// An answer that comes in time, or that none does.
async fn within<T>(answer: impl Future<Output = Result<T, Status>>) -> Result<T, Status> {
    let late = |_| Status::deadline_exceeded(format!("no answer within {} s", ASK_WITHIN.as_secs()));
    tokio::time::timeout(ASK_WITHIN, answer).await.map_err(late)?
}
