//! A call of the page's handed on to the service that it is for.
//!
//! The port has asked who it is and where the page comes from. What told it so is of no use behind it: a service in another
//! process would find that a browser asks it from a page that is not its own.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::Body as WebBody;
use http::HeaderMap;
use http::header::{HOST, ORIGIN, REFERER};
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
        let mut request = request.map(Body::new);
        forget_browser(request.headers_mut());
        let asking = self.0.clone().oneshot(request);
        // Who is away answers in gRPC, too.
        Box::pin(async move { Ok(asking.await.unwrap_or_else(tonic::Status::into_http)) })
    }
}

/// Takes out what only browsers say.
fn forget_browser(headers: &mut HeaderMap) {
    for name in [ORIGIN, HOST, REFERER] {
        headers.remove(name);
    }
    let told: Vec<_> = headers.keys().filter(|name| name.as_str().starts_with("sec-")).cloned().collect();
    for name in told {
        headers.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use tower::service_fn;
    use tower::util::BoxCloneSyncService;

    use super::*;

    #[tokio::test]
    async fn a_service_behind_the_page_is_not_asked_by_a_browser() {
        let seen: Arc<Mutex<Option<HeaderMap>>> = Arc::default();
        let noted = seen.clone();
        let peer: Peer = BoxCloneSyncService::new(service_fn(move |request: http::Request<Body>| {
            *noted.lock().unwrap() = Some(request.headers().clone());
            std::future::ready(Ok(http::Response::new(Body::empty())))
        }));
        let request = http::Request::post("/llmsre.incident.v1.IncidentService/GetIncident")
            .header("origin", "http://127.0.0.1:8080")
            .header("host", "127.0.0.1:8080")
            .header("referer", "http://127.0.0.1:8080/incidents")
            .header("sec-fetch-site", "same-origin")
            .header("x-llm-sre-actor", "alice")
            .header("content-type", "application/grpc");
        let response = Forward::to(peer).oneshot(request.body(WebBody::empty()).unwrap()).await.unwrap();
        assert_eq!(response.status(), http::StatusCode::OK);
        let seen = seen.lock().unwrap().take().unwrap();
        let mut names: Vec<&str> = seen.keys().map(http::HeaderName::as_str).collect();
        names.sort_unstable();
        assert_eq!(names, ["content-type", "x-llm-sre-actor"]);
    }
}
