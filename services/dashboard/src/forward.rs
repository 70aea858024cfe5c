//! A call of the page's handed on to the service that it is for.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::Body as WebBody;
use llm_sre_mesh::Peer;
use tonic::body::Body;
use tower::{Service, ServiceExt};

/// See the module.
#[derive(Clone)]
pub(crate) struct Forward(Peer);

impl Forward {
    pub(crate) fn to(peer: Peer) -> Self {
        Self(peer)
    }
}

impl Service<http::Request<WebBody>> for Forward {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<WebBody>) -> Self::Future {
        let asking = self.0.clone().oneshot(request.map(Body::new));
        // Who is away answers in gRPC, too.
        Box::pin(async move { Ok(asking.await.unwrap_or_else(tonic::Status::into_http)) })
    }
}
