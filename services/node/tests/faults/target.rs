//! The target of the product's actions: hands each call on to the shop, and remembers what was done.

use std::sync::{Arc, Mutex, PoisonError};

use llm_sre_mesh::access::Access;
use llm_sre_mesh::clients::Target;
use llm_sre_mesh::peer;
use llm_sre_mesh::server::Server;
use llm_sre_proto::action::v1::action_service_server::{ActionService, ActionServiceServer};
use llm_sre_proto::action::v1::*;
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;
use tonic::{Request, Response, Status};

/// An action that the shop took.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Done {
    /// The id that it was called by.
    pub(crate) request_id: String,
    /// What was to be done to whom; `undo` and the id of what was undone, for that.
    pub(crate) what: String,
}

/// See the module.
#[derive(Clone)]
pub(crate) struct Recorder {
    shop: Target,
    done: Arc<Mutex<Vec<Done>>>,
}

impl Recorder {
    /// Serves before the shop on 127.0.0.1 and its port. Gives the port of its own. It ends with the runtime.
    pub(crate) fn start(runtime: &Runtime, shop_port: u16) -> (Self, u16) {
        let _inside = runtime.enter();
        let shop = Target::new(peer::remote(&format!("http://127.0.0.1:{shop_port}")).unwrap());
        let recorder = Self { shop, done: Arc::default() };
        let routes = Routes::new(ActionServiceServer::new(recorder.clone()));
        let address = "127.0.0.1:0".parse().unwrap();
        let server = runtime
            .block_on(Server::bind(address, routes, &["llmsre.action.v1.ActionService"], Access::default()))
            .unwrap();
        let port = server.address().port();
        runtime.spawn(server.run(CancellationToken::new()));
        (recorder, port)
    }

    /// What the shop took so far, in order, repeats of a call left out.
    pub(crate) fn done(&self) -> Vec<Done> {
        self.done.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn note(&self, request_id: &str, what: String) {
        let mut done = self.done.lock().unwrap_or_else(PoisonError::into_inner);
        // The shop knows a repeated call by its id, and does nothing.
        if !done.iter().any(|done| done.request_id == request_id) {
            done.push(Done { request_id: request_id.to_owned(), what });
        }
    }
}

#[tonic::async_trait]
impl ActionService for Recorder {
    async fn validate(&self, request: Request<ValidateRequest>) -> Result<Response<ValidateResponse>, Status> {
        self.shop.validate(request.into_inner()).await.map(Response::new)
    }

    async fn execute(&self, request: Request<ExecuteRequest>) -> Result<Response<ExecuteResponse>, Status> {
        let request = request.into_inner();
        let spec = request.spec.clone().unwrap_or_default();
        let target = spec.target.unwrap_or_default();
        let mut parameters: Vec<_> = spec.parameters.iter().map(|(name, value)| format!(" {name}={value}")).collect();
        parameters.sort();
        let what = format!("{} {}{}", spec.r#type, target.name, parameters.concat());
        let answer = self.shop.execute(request.clone()).await?;
        self.note(&request.request_id, what);
        Ok(Response::new(answer))
    }

    async fn get_state(&self, request: Request<GetStateRequest>) -> Result<Response<GetStateResponse>, Status> {
        self.shop.get_state(request.into_inner()).await.map(Response::new)
    }

    async fn undo(&self, request: Request<UndoRequest>) -> Result<Response<UndoResponse>, Status> {
        let request = request.into_inner();
        let answer = self.shop.undo(request.clone()).await?;
        self.note(&request.request_id, format!("undo {}", request.execute_request_id));
        Ok(Response::new(answer))
    }
}
