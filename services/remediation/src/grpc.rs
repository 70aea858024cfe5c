//! `RemediationService` on the wire.

use std::pin::Pin;

use llm_sre_domain::incident::Actor;
use llm_sre_mesh::{access, names, page, status, watch};
use llm_sre_ports::documents::Filter;
use llm_sre_proto::remediation::v1;
use llm_sre_proto::remediation::v1::remediation_service_server::{RemediationService, RemediationServiceServer};
use tokio_stream::Stream;
use tonic::{Request, Response, Status};

use crate::Service;
use crate::decide::{Order, Verb};
use crate::propose::shown;

impl Service {
    /// The full name of the service, for health.
    pub const NAME: &str = "llmsre.remediation.v1.RemediationService";

    /// The service, ready to be mounted.
    pub fn server(&self) -> RemediationServiceServer<Self> {
        RemediationServiceServer::new(self.clone()).max_decoding_message_size(llm_sre_mesh::server::MAX_MESSAGE_BYTES)
    }

    async fn shown(&self, name: &str) -> Result<v1::Action, Status> {
        self.find(name).await.map(shown)
    }
}

/// Who asks, as the port found out.
fn person<T>(request: &Request<T>) -> Result<Actor, Status> {
    Actor::new(access::actor(request.metadata())).map_err(|error| status::internal(error.to_string()))
}

/// An action under watch.
struct Followed(v1::Action);

impl watch::Watched for Followed {
    fn etag(&self) -> &str {
        &self.0.etag
    }
    fn has_ended(&self) -> bool {
        self.0.end_time.is_some()
    }
}

type Watch = Pin<Box<dyn Stream<Item = Result<v1::WatchActionResponse, Status>> + Send>>;

#[tonic::async_trait]
impl RemediationService for Service {
    async fn propose_action(&self, request: Request<v1::ProposeActionRequest>) -> Result<Response<v1::Action>, Status> {
        Box::pin(self.propose(request.into_inner())).await.map(Response::new)
    }

    async fn get_action(&self, request: Request<v1::GetActionRequest>) -> Result<Response<v1::Action>, Status> {
        self.shown(&request.into_inner().name).await.map(Response::new)
    }

    async fn list_actions(
        &self,
        request: Request<v1::ListActionsRequest>,
    ) -> Result<Response<v1::ListActionsResponse>, Status> {
        let request = request.into_inner();
        let mut filter = Filter::default();
        if request.parent != names::ANY_INCIDENT {
            filter = filter.with("incident", &names::parse_incident("parent", &request.parent)?.to_string());
        }
        for state in request.states {
            let known = v1::ActionState::try_from(state).ok().filter(|state| *state != v1::ActionState::Unspecified);
            let known = known.ok_or_else(|| status::invalid_argument("states", format!("{state} is no state")))?;
            filter = filter.with("state", known.as_str_name());
        }
        if !request.fingerprint.is_empty() {
            filter = filter.with("fingerprint", &request.fingerprint);
        }
        let size = page::size(request.page_size, 50, 500)?;
        let cursor = (!request.page_token.is_empty()).then_some(request.page_token);
        let (records, next) = self.actions.list(filter, cursor, size).await?;
        let actions = records.into_iter().map(shown).collect();
        Ok(Response::new(v1::ListActionsResponse { actions, next_page_token: next.unwrap_or_default() }))
    }

    type WatchActionStream = Watch;

    async fn watch_action(&self, request: Request<v1::WatchActionRequest>) -> Result<Response<Watch>, Status> {
        let name = request.into_inner().name;
        let first = self.shown(&name).await?;
        let service = self.clone();
        let next = move || {
            let (service, name) = (service.clone(), name.clone());
            async move { service.shown(&name).await.map(Followed) }
        };
        let message = |found: Followed| v1::WatchActionResponse { action: Some(found.0) };
        Ok(Response::new(Box::pin(watch::follow(Followed(first), next, message))))
    }

    async fn approve_action(&self, request: Request<v1::ApproveActionRequest>) -> Result<Response<v1::Action>, Status> {
        let actor = person(&request)?;
        let v1::ApproveActionRequest { name, digest, note, request_id, validate_only } = request.into_inner();
        let order = Order { actor, name, verb: Verb::Approve(digest), note, request_id, validate_only };
        Box::pin(self.decide(order)).await.map(Response::new)
    }

    async fn reject_action(&self, request: Request<v1::RejectActionRequest>) -> Result<Response<v1::Action>, Status> {
        let actor = person(&request)?;
        let v1::RejectActionRequest { name, note, request_id, validate_only } = request.into_inner();
        let order = Order { actor, name, verb: Verb::Reject, note, request_id, validate_only };
        Box::pin(self.decide(order)).await.map(Response::new)
    }

    async fn cancel_action(&self, request: Request<v1::CancelActionRequest>) -> Result<Response<v1::Action>, Status> {
        let actor = person(&request)?;
        let v1::CancelActionRequest { name, note, request_id, validate_only } = request.into_inner();
        let order = Order { actor, name, verb: Verb::Cancel, note, request_id, validate_only };
        Box::pin(self.decide(order)).await.map(Response::new)
    }

    async fn roll_back_action(
        &self,
        request: Request<v1::RollBackActionRequest>,
    ) -> Result<Response<v1::Action>, Status> {
        let actor = person(&request)?;
        let v1::RollBackActionRequest { name, note, request_id, validate_only } = request.into_inner();
        let order = Order { actor, name, verb: Verb::RollBack, note, request_id, validate_only };
        Box::pin(self.decide(order)).await.map(Response::new)
    }

    async fn list_action_types(
        &self,
        _request: Request<v1::ListActionTypesRequest>,
    ) -> Result<Response<v1::ListActionTypesResponse>, Status> {
        let mut action_types: Vec<v1::ActionType> = self.catalogue.types().map(Into::into).collect();
        action_types.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(Response::new(v1::ListActionTypesResponse { action_types }))
    }

    async fn list_audit_records(
        &self,
        request: Request<v1::ListAuditRecordsRequest>,
    ) -> Result<Response<v1::ListAuditRecordsResponse>, Status> {
        let request = request.into_inner();
        let size = page::size(request.page_size, 100, 1_000)?;
        let from = match request.page_token.as_str() {
            "" => None,
            token => {
                let foreign = |_| status::invalid_argument("page_token", "is not one of this call's");
                Some(token.parse().map_err(foreign)?)
            }
        };
        if !request.action.is_empty() {
            names::parse_child("action", &request.action, "actions")?;
        }
        let (records, next) = if request.newest_first {
            self.audit.list_back(&request.action, from, size).await?
        } else {
            self.audit.list(&request.action, from.unwrap_or(1), size).await?
        };
        let next_page_token = next.map(|next| next.to_string()).unwrap_or_default();
        Ok(Response::new(v1::ListAuditRecordsResponse { records, next_page_token }))
    }

    async fn get_kill_switch(
        &self,
        _request: Request<v1::GetKillSwitchRequest>,
    ) -> Result<Response<v1::KillSwitch>, Status> {
        self.switch_now().await.map(Response::new)
    }

    async fn set_kill_switch(
        &self,
        request: Request<v1::SetKillSwitchRequest>,
    ) -> Result<Response<v1::KillSwitch>, Status> {
        let actor = person(&request)?;
        self.move_switch(request.into_inner(), &actor).await.map(Response::new)
    }

    async fn create_freeze(&self, request: Request<v1::CreateFreezeRequest>) -> Result<Response<v1::Freeze>, Status> {
        let actor = person(&request)?;
        self.order_freeze(request.into_inner(), &actor).await.map(Response::new)
    }

    async fn list_freezes(
        &self,
        request: Request<v1::ListFreezesRequest>,
    ) -> Result<Response<v1::ListFreezesResponse>, Status> {
        self.some_freezes(request.into_inner()).await.map(Response::new)
    }

    async fn end_freeze(&self, request: Request<v1::EndFreezeRequest>) -> Result<Response<v1::Freeze>, Status> {
        let actor = person(&request)?;
        self.lift_freeze(request.into_inner(), &actor).await.map(Response::new)
    }
}
