//! The platform that `cart` runs on: it can take a deployment back, and undo that, and remembers what it did by request
//! id.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use llm_sre_proto::action::v1::action_service_server::ActionService;
use llm_sre_proto::action::v1::*;
use tonic::{Request, Response, Status};

#[derive(Clone, Default)]
pub(crate) struct Target(Arc<Mutex<Known>>);

#[derive(Default)]
struct Known {
    done: BTreeSet<String>,
    undone: BTreeSet<String>,
}

impl Target {
    /// How many actions were done, the same one twice counted once.
    pub(crate) fn done(&self) -> usize {
        self.0.lock().unwrap().done.len()
    }

    /// How many of them were undone.
    pub(crate) fn undone(&self) -> usize {
        self.0.lock().unwrap().undone.len()
    }

    fn execution(&self, request_id: String) -> Option<Execution> {
        let known = self.0.lock().unwrap();
        let is_done = known.done.contains(&request_id) || known.undone.contains(&request_id);
        let state = if is_done { ExecutionState::Succeeded } else { ExecutionState::NeverSeen };
        Some(Execution { request_id, state: state.into(), ..Execution::default() })
    }
}

#[tonic::async_trait]
impl ActionService for Target {
    async fn validate(&self, _: Request<ValidateRequest>) -> Result<Response<ValidateResponse>, Status> {
        let target_state = [("previous_version".to_owned(), "1.4.1".to_owned())].into();
        Ok(Response::new(ValidateResponse { target_state, reversible: true }))
    }

    async fn execute(&self, request: Request<ExecuteRequest>) -> Result<Response<ExecuteResponse>, Status> {
        let ExecuteRequest { request_id, spec, .. } = request.into_inner();
        let spec = spec.ok_or_else(|| Status::invalid_argument("spec is missing"))?;
        if spec.r#type != "rollback_deployment" || spec.target.is_none_or(|target| target.name != "cart") {
            return Err(Status::invalid_argument("only cart's deployment can be taken back"));
        }
        self.0.lock().unwrap().done.insert(request_id.clone());
        Ok(Response::new(ExecuteResponse { execution: self.execution(request_id) }))
    }

    async fn get_state(&self, request: Request<GetStateRequest>) -> Result<Response<GetStateResponse>, Status> {
        Ok(Response::new(GetStateResponse { execution: self.execution(request.into_inner().request_id) }))
    }

    async fn undo(&self, request: Request<UndoRequest>) -> Result<Response<UndoResponse>, Status> {
        let UndoRequest { request_id, execute_request_id, .. } = request.into_inner();
        let mut known = self.0.lock().unwrap();
        if !known.done.contains(&execute_request_id) {
            return Err(Status::invalid_argument("what was never done cannot be undone"));
        }
        known.undone.insert(request_id.clone());
        drop(known);
        Ok(Response::new(UndoResponse { execution: self.execution(request_id) }))
    }
}
