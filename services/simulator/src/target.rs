//! `ActionService`: the shop as a target that actions are done to.

use llm_sre_mesh::status;
use llm_sre_proto::action::v1::action_service_server::ActionService;
use llm_sre_proto::action::v1::*;
use llm_sre_proto::convert::common::to_proto_time;
use tonic::{Code, Request, Response, Status};

use crate::service::Service;
use crate::world::blueprint::{ENVIRONMENT, NAMESPACE};
use crate::world::operation::{Order, Refusal, Run};

/// By how much a pool may grow at once, in percent.
const RAISE_MAX: u32 = 300;

#[tonic::async_trait]
impl ActionService for Service {
    async fn validate(&self, request: Request<ValidateRequest>) -> Result<Response<ValidateResponse>, Status> {
        let (service, order) = parse(request.into_inner().spec)?;
        let target_state = self.world().check(&service, &order).map_err(refused)?.into_iter().collect();
        let reversible = !matches!(order, Order::Restart { .. } | Order::ClearDisk { .. });
        Ok(Response::new(ValidateResponse { target_state, reversible }))
    }

    async fn execute(&self, request: Request<ExecuteRequest>) -> Result<Response<ExecuteResponse>, Status> {
        let ExecuteRequest { request_id, fencing_token, spec } = request.into_inner();
        check_request_id("request_id", &request_id)?;
        let (service, order) = parse(spec)?;
        let run = self.world().execute(&request_id, fencing_token, &service, &order).map_err(refused)?;
        Ok(Response::new(ExecuteResponse { execution: Some(execution(&run)) }))
    }

    async fn get_state(&self, request: Request<GetStateRequest>) -> Result<Response<GetStateResponse>, Status> {
        let request_id = request.into_inner().request_id;
        check_request_id("request_id", &request_id)?;
        let known = self.world().runs.get(&request_id).map(execution);
        let unknown = || Execution { request_id, state: ExecutionState::NeverSeen.into(), ..Execution::default() };
        Ok(Response::new(GetStateResponse { execution: Some(known.unwrap_or_else(unknown)) }))
    }

    async fn undo(&self, request: Request<UndoRequest>) -> Result<Response<UndoResponse>, Status> {
        let UndoRequest { request_id, execute_request_id, fencing_token } = request.into_inner();
        check_request_id("request_id", &request_id)?;
        check_request_id("execute_request_id", &execute_request_id)?;
        let run = self.world().undo(&request_id, fencing_token, &execute_request_id).map_err(refused)?;
        Ok(Response::new(UndoResponse { execution: Some(execution(&run)) }))
    }
}

fn check_request_id(field: &str, id: &str) -> Result<(), Status> {
    if id.is_empty() {
        return Err(status::invalid_argument(field, "is required"));
    }
    llm_sre_mesh::names::check_request_id(id)
}

/// Which service, and what to do to it.
fn parse(spec: Option<ActionSpec>) -> Result<(String, Order), Status> {
    let spec = spec.ok_or_else(|| status::invalid_argument("spec", "is required"))?;
    let target = spec.target.ok_or_else(|| status::invalid_argument("spec.target", "is required"))?;
    if target.namespace != NAMESPACE || target.environment != ENVIRONMENT {
        let named = format!("{}/{}@{}", target.namespace, target.name, target.environment);
        return Err(refused(Refusal::UnknownService(named)));
    }
    let mut parameters = spec.parameters;
    let order = match spec.r#type.as_str() {
        "restart" => Order::Restart { instance: parameters.remove("instance").unwrap_or_default() },
        "clear_disk" => Order::ClearDisk { instance: parameters.remove("instance").unwrap_or_default() },
        "rollback_deployment" => Order::RollBack,
        "revert_configuration" => {
            let mut take = |name: &str| {
                let missing = || status::invalid_argument(&format!("spec.parameters.{name}"), "is required");
                parameters.remove(name).filter(|value| !value.is_empty()).ok_or_else(missing)
            };
            Order::Revert { key: take("key")?, value: take("value")? }
        }
        "raise_pool" => {
            let given = parameters.remove("raise_percent").unwrap_or_else(|| "100".to_owned());
            let percent = given.parse().ok().filter(|percent| (1..=RAISE_MAX).contains(percent));
            let problem = || format!("'{given}' is not a whole number from 1 to {RAISE_MAX}");
            let field = "spec.parameters.raise_percent";
            Order::RaisePool { percent: percent.ok_or_else(|| status::invalid_argument(field, problem()))? }
        }
        other => {
            let message = format!("the shop has no action '{other}'");
            return Err(status::error(Code::Unimplemented, "UNKNOWN_ACTION_TYPE", message, &[("type", other)]));
        }
    };
    match parameters.into_keys().next() {
        Some(name) => Err(status::invalid_argument(&format!("spec.parameters.{name}"), "is not known")),
        None => Ok((target.name, order)),
    }
}

/// A refusal on the wire.
pub(crate) fn refused(refusal: Refusal) -> Status {
    let message = refusal.to_string();
    match refusal {
        Refusal::UnknownService(_) => status::error(Code::NotFound, "UNKNOWN_SERVICE", message, &[]),
        Refusal::UnknownRun(_) => status::error(Code::NotFound, "UNKNOWN_EXECUTION", message, &[]),
        Refusal::UnknownInstance { .. } => status::invalid_argument("spec.parameters.instance", message),
        Refusal::UnknownSetting { .. } => status::invalid_argument("spec.parameters.key", message),
        Refusal::ChangedSince { .. } => status::failed_precondition("CHANGED_SINCE", message),
        Refusal::NeverChanged(_) => status::failed_precondition("NO_PREVIOUS_VALUE", message),
        Refusal::Reused(_) => status::invalid_argument("request_id", message),
        Refusal::NothingBefore(_) => status::failed_precondition("NO_PREVIOUS_VERSION", message),
        Refusal::Busy(_) => status::failed_precondition("OPERATION_UNDER_WAY", message),
        Refusal::Stale { .. } => status::failed_precondition("STALE_FENCING_TOKEN", message),
        Refusal::NotUndoable(_) => status::failed_precondition("NOT_REVERSIBLE", message),
    }
}

fn execution(run: &Run) -> Execution {
    let state = if run.is_done { ExecutionState::Succeeded } else { ExecutionState::Running };
    Execution {
        request_id: run.request_id.clone(),
        state: state.into(),
        message: run.message.clone(),
        start_time: Some(to_proto_time(run.started)),
        end_time: run.ended.map(to_proto_time),
    }
}
