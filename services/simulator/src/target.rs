//! `ActionService`: the shop as a target that actions are done to.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

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
/// How many more instances there may be at once, in percent.
const SCALE_MAX: u32 = 200;
/// How much may be turned away at most, in percent, and for how many seconds.
const SHED_MAX: u32 = 50;
const SHED_S: RangeInclusive<u32> = 30..=300;
/// For how many days a certificate may be valid.
const VALID_DAYS_MAX: u32 = 398;

#[tonic::async_trait]
impl ActionService for Service {
    async fn validate(&self, request: Request<ValidateRequest>) -> Result<Response<ValidateResponse>, Status> {
        let (service, order) = parse(request.into_inner().spec)?;
        let target_state = self.world().check(&service, &order).map_err(refused)?.into_iter().collect();
        let reversible = match order {
            Order::RollBack
            | Order::RaisePool { .. }
            | Order::Revert { .. }
            | Order::FailOver { .. }
            | Order::ScaleOut { .. } => true,
            Order::Restart { .. } | Order::ClearDisk { .. } | Order::RenewCertificate { .. } | Order::Shed { .. } => {
                false
            }
        };
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
        "fail_over" => Order::FailOver { dependency: required(&mut parameters, "dependency")? },
        "revert_configuration" => {
            Order::Revert { key: required(&mut parameters, "key")?, value: required(&mut parameters, "value")? }
        }
        "raise_pool" => Order::RaisePool { percent: number(&mut parameters, "raise_percent", 1..=RAISE_MAX, 100)? },
        "scale_out" => Order::ScaleOut { percent: number(&mut parameters, "add_percent", 1..=SCALE_MAX, 100)? },
        "shed_load" => Order::Shed {
            percent: number(&mut parameters, "percent", 1..=SHED_MAX, 30)?,
            duration_s: number(&mut parameters, "duration_s", SHED_S, 120)?,
        },
        "renew_certificate" => {
            Order::RenewCertificate { valid_days: number(&mut parameters, "valid_days", 1..=VALID_DAYS_MAX, 90)? }
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

/// Takes a parameter that has to be given.
fn required(parameters: &mut BTreeMap<String, String>, name: &str) -> Result<String, Status> {
    let missing = || status::invalid_argument(&format!("spec.parameters.{name}"), "is required");
    parameters.remove(name).filter(|value| !value.is_empty()).ok_or_else(missing)
}

/// Takes a parameter that is a number.
fn number(
    parameters: &mut BTreeMap<String, String>,
    name: &str,
    allowed: RangeInclusive<u32>,
    default: u32,
) -> Result<u32, Status> {
    let Some(given) = parameters.remove(name) else { return Ok(default) };
    let number = given.parse::<u32>().ok().filter(|number| allowed.contains(number));
    let problem = || format!("'{given}' is not a whole number from {} to {}", allowed.start(), allowed.end());
    number.ok_or_else(|| status::invalid_argument(&format!("spec.parameters.{name}"), problem()))
}

/// A refusal on the wire.
pub(crate) fn refused(refusal: Refusal) -> Status {
    let message = refusal.to_string();
    match refusal {
        Refusal::UnknownService(_) => status::error(Code::NotFound, "UNKNOWN_SERVICE", message, &[]),
        Refusal::UnknownRun(_) => status::error(Code::NotFound, "UNKNOWN_EXECUTION", message, &[]),
        Refusal::UnknownInstance { .. } => status::invalid_argument("spec.parameters.instance", message),
        Refusal::UnknownSetting { .. } => status::invalid_argument("spec.parameters.key", message),
        Refusal::UnknownDependency { .. } => status::invalid_argument("spec.parameters.dependency", message),
        Refusal::NotDue { .. } => status::failed_precondition("NOT_DUE", message),
        Refusal::TooManyInstances { .. } => status::failed_precondition("TOO_MANY_INSTANCES", message),
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

#[cfg(test)]
mod tests {
    use llm_sre_domain::remedy::{Catalogue, ParameterKind};
    use llm_sre_proto::telemetry::v1::ServiceIdentity;

    use super::*;

    /// The order that an action comes to, or what is wrong with it.
    fn ordered(kind: &str, parameters: &[(&str, &str)]) -> Result<Order, String> {
        let target = ServiceIdentity {
            namespace: NAMESPACE.to_owned(),
            name: "cart".to_owned(),
            environment: ENVIRONMENT.to_owned(),
        };
        let parameters = parameters.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let spec = ActionSpec { r#type: kind.to_owned(), target: Some(target), parameters: parameters.collect() };
        parse(Some(spec)).map(|(_, order)| order).map_err(|status| status.message().to_owned())
    }

    #[test]
    fn whatever_the_catalogue_allows_can_be_ordered() {
        for entry in Catalogue::default().types() {
            for pick in 0..3 {
                let values = entry.parameters.iter().map(|parameter| {
                    let value = match parameter.kind {
                        ParameterKind::Integer { min, max, default } => [min, max, default][pick].to_string(),
                        ParameterKind::Text { .. } => "something".to_owned(),
                    };
                    (parameter.name, value)
                });
                let values: Vec<(&str, String)> = values.collect();
                let given: Vec<(&str, &str)> = values.iter().map(|(name, value)| (*name, value.as_str())).collect();
                let order = ordered(entry.kind.name(), &given);
                assert!(order.is_ok(), "{} with {given:?}: {order:?}", entry.kind);
            }
        }
    }

    #[test]
    fn what_is_wrong_with_an_action_is_named() {
        type Case = (&'static str, &'static [(&'static str, &'static str)], &'static str);
        let cases: [Case; 8] = [
            ("shed_load", &[("percent", "60")], "spec.parameters.percent: '60' is not a whole number from 1 to 50"),
            ("shed_load", &[("duration_s", "1e2")], "spec.parameters.duration_s: '1e2' is not"),
            ("scale_out", &[("add_percent", "0")], "spec.parameters.add_percent: '0' is not"),
            ("renew_certificate", &[("valid_days", "399")], "spec.parameters.valid_days: '399' is not"),
            ("fail_over", &[], "spec.parameters.dependency: is required"),
            ("fail_over", &[("dependency", "")], "spec.parameters.dependency: is required"),
            ("scale_out", &[("percent", "50")], "spec.parameters.percent: is not known"),
            ("sing", &[], "the shop has no action 'sing'"),
        ];
        for (kind, parameters, problem) in cases {
            let refused = ordered(kind, parameters).unwrap_err();
            assert!(refused.starts_with(problem), "{kind} {parameters:?}: {refused}");
        }
    }
}
