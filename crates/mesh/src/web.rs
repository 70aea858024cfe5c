//! What a port answers beside gRPC: the page in the browser.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::header::CONTENT_TYPE;
use tonic::body::Body;
use tower::util::BoxCloneSyncService;
use tower::{Layer, Service, ServiceExt};

/// Answers what is no gRPC.
pub type Web = BoxCloneSyncService<http::Request<Body>, http::Response<Body>, Infallible>;

/// Leads what is no gRPC to a web service, where there is one.
#[derive(Clone)]
pub(crate) struct WebLayer(pub(crate) Option<Web>);

impl<S> Layer<S> for WebLayer {
    type Service = Beside<S>;
    fn layer(&self, grpc: S) -> Beside<S> {
        Beside { grpc, web: self.0.clone() }
    }
}

/// See [`WebLayer`].
#[derive(Clone)]
pub(crate) struct Beside<S> {
    grpc: S,
    web: Option<Web>,
}

impl<S> Service<http::Request<Body>> for Beside<S>
where
    S: Service<http::Request<Body>, Response = http::Response<Body>>,
    S::Future: Send + 'static,
    S::Error: Send + 'static,
{
    type Response = http::Response<Body>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.grpc.poll_ready(context)
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        match &self.web {
            Some(web) if !is_grpc(&request) => {
                let answer = web.clone().oneshot(request);
                Box::pin(async move { Ok(answer.await.unwrap_or_else(|never| match never {})) })
            }
            _ => Box::pin(self.grpc.call(request)),
        }
    }
}

/// Whether it is a call, by gRPC or by gRPC-Web, as its content says.
fn is_grpc<B>(request: &http::Request<B>) -> bool {
    let content = request.headers().get(CONTENT_TYPE);
    content.is_some_and(|content| content.as_bytes().starts_with(b"application/grpc"))
}
