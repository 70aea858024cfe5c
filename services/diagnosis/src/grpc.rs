//! `DiagnosisService` on the wire.

use std::pin::Pin;

use llm_sre_domain::evidence::Evidence;
use llm_sre_mesh::{names, page, status, watch};
use llm_sre_ports::documents::Filter;
use llm_sre_proto::diagnosis::v1;
use llm_sre_proto::diagnosis::v1::diagnosis_service_server::{DiagnosisService, DiagnosisServiceServer};
use llm_sre_proto::incident::v1 as incident;
use tokio_stream::Stream;
use tonic::{Request, Response, Status};
use uuid::Uuid;

use crate::Service;
use crate::advice;
use crate::work::{Begun, has_ended, record_id};

/// Names ids that derive from a caller's request.
const REQUESTS: Uuid = Uuid::from_u128(0x9d2b_6f10_5f3c_4f6e_8a41_77c2_0d1e_b853);

impl Service {
    /// The full name of the service, for health.
    pub const NAME: &str = "llmsre.diagnosis.v1.DiagnosisService";

    /// The service, ready to be mounted.
    pub fn server(&self) -> DiagnosisServiceServer<Self> {
        DiagnosisServiceServer::new(self.clone()).max_decoding_message_size(llm_sre_mesh::server::MAX_MESSAGE_BYTES)
    }
}

/// A diagnosis under watch.
struct Followed(v1::Diagnosis);

impl watch::Watched for Followed {
    fn etag(&self) -> &str {
        &self.0.etag
    }
    fn has_ended(&self) -> bool {
        self.0.state() != v1::DiagnosisState::Running && !advice::is_awaited(&self.0)
    }
}

type Watch = Pin<Box<dyn Stream<Item = Result<v1::WatchDiagnosisResponse, Status>> + Send>>;

#[tonic::async_trait]
impl DiagnosisService for Service {
    async fn diagnose_incident(
        &self,
        request: Request<v1::DiagnoseIncidentRequest>,
    ) -> Result<Response<v1::Diagnosis>, Status> {
        let request = request.into_inner();
        let parent = names::parse_incident("parent", &request.parent)?;
        names::check_request_id(&request.request_id)?;
        let snapshot = request.snapshot.as_ref().map(Evidence::try_from).transpose();
        let snapshot = snapshot.map_err(|error| status::invalid_argument(error.field(), error.to_string()))?;
        let id = self.diagnosis_id(parent, &request.request_id);
        let record_id = record_id(parent, &id);
        let (incident, found, ordinal) =
            tokio::try_join!(self.incident(&request.parent), self.records.get(&record_id), self.next_ordinal(parent),)?;
        if found.is_none() {
            check_alive(&incident)?;
        }
        if request.validate_only {
            let name = format!("{}/diagnoses/{id}", incident.name);
            return Ok(Response::new(v1::Diagnosis { name, ..v1::Diagnosis::default() }));
        }
        let begun = match found {
            Some(found) => Begun::Found(found),
            None => self.begin(&incident, &id, ordinal).await?,
        };
        let answer = match begun {
            Begun::New(stored) => self.finish(stored, &incident, snapshot).await?,
            // The first caller may have died between storing the answer and reporting it, or before: who still has what
            // was known at the onset must not take a diagnosis that nobody makes for done.
            Begun::Found(stored) if snapshot.is_some() && self.is_left(&stored)? => {
                self.finish(stored, &incident, snapshot).await?
            }
            Begun::Found(stored) => self.settle(stored, None).await?,
        };
        Ok(Response::new(with_etag(answer.etag(), answer.message)))
    }

    async fn get_diagnosis(
        &self,
        request: Request<v1::GetDiagnosisRequest>,
    ) -> Result<Response<v1::Diagnosis>, Status> {
        self.get(&request.into_inner().name).await.map(Response::new)
    }

    async fn list_diagnoses(
        &self,
        request: Request<v1::ListDiagnosesRequest>,
    ) -> Result<Response<v1::ListDiagnosesResponse>, Status> {
        let request = request.into_inner();
        let mut filter = Filter::default();
        if request.parent != names::ANY_INCIDENT {
            filter = filter.with("incident", &names::parse_incident("parent", &request.parent)?.to_string());
        }
        let size = page::size(request.page_size, 20, 200)?;
        let cursor = (!request.page_token.is_empty()).then_some(request.page_token);
        let (records, next) = self.records.list_readable(filter, cursor, size).await?;
        let diagnoses = records.into_iter().map(|stored| with_etag(stored.etag(), stored.message)).collect();
        Ok(Response::new(v1::ListDiagnosesResponse { diagnoses, next_page_token: next.unwrap_or_default() }))
    }

    type WatchDiagnosisStream = Watch;

    async fn watch_diagnosis(&self, request: Request<v1::WatchDiagnosisRequest>) -> Result<Response<Watch>, Status> {
        let name = request.into_inner().name;
        let first = self.get(&name).await?;
        let service = self.clone();
        let next = move || {
            let (service, name) = (service.clone(), name.clone());
            async move { service.get(&name).await.map(Followed) }
        };
        let message = |found: Followed| v1::WatchDiagnosisResponse { diagnosis: Some(found.0) };
        Ok(Response::new(Box::pin(watch::follow(Followed(first), next, message))))
    }

    async fn list_model_exchanges(
        &self,
        request: Request<v1::ListModelExchangesRequest>,
    ) -> Result<Response<v1::ListModelExchangesResponse>, Status> {
        let request = request.into_inner();
        let (incident, id) = names::parse_child("parent", &request.parent, "diagnoses")?;
        let size = page::size(request.page_size, 20, 50)?;
        let cursor = (!request.page_token.is_empty()).then_some(request.page_token);
        let of_it = Filter::default().with("diagnosis", &record_id(incident, &id));
        let (records, next) = self.exchanges.list_readable(of_it, cursor, size).await?;
        let exchanges = records.into_iter().map(|stored| stored.message).collect();
        Ok(Response::new(v1::ListModelExchangesResponse { exchanges, next_page_token: next.unwrap_or_default() }))
    }
}

impl Service {
    /// The same request on the same incident is the same diagnosis; without a request id each call is one.
    fn diagnosis_id(&self, incident: Uuid, request_id: &str) -> String {
        let id = if request_id.is_empty() {
            self.ids.next_id()
        } else {
            Uuid::new_v5(&REQUESTS, format!("{incident}/{request_id}").as_bytes())
        };
        id.to_string()
    }

    async fn get(&self, name: &str) -> Result<v1::Diagnosis, Status> {
        let (parent, id) = names::parse_child("name", name, "diagnoses")?;
        let stored = self.records.get(&record_id(parent, &id)).await?.ok_or_else(|| status::not_found(name))?;
        Ok(with_etag(stored.etag(), stored.message))
    }
}

fn with_etag(etag: String, diagnosis: v1::Diagnosis) -> v1::Diagnosis {
    v1::Diagnosis { etag, ..diagnosis }
}

fn check_alive(incident: &incident::Incident) -> Result<(), Status> {
    if has_ended(incident) {
        let message = format!("{} has ended; there is nothing left to explain", incident.name);
        return Err(status::failed_precondition("INCIDENT_ENDED", message));
    }
    Ok(())
}
