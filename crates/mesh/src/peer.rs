//! A service of the mesh, in this process or across the network, as one type.
//!
//! A generated client takes a [`Peer`] whichever it is. The deadline and the trace context are put on it here, once.

use std::error::Error;
use std::time::Duration;

use http::HeaderValue;
use tonic::body::Body;
use tonic::service::Routes;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Status};
use tower::timeout::error::Elapsed;
use tower::util::BoxCloneSyncService;
use tower::{BoxError, ServiceBuilder};

use crate::access::Bearer;
use crate::context::{TRACEPARENT, TraceContext};
use crate::failover::Failover;
use crate::server::RpcTraceLayer;

/// Anything that answers gRPC. The error is a status already: what the transport says, as gRPC says it.
pub type Peer = BoxCloneSyncService<http::Request<Body>, http::Response<Body>, Status>;

/// How long a call may take until its answer begins. Longer than the slowest unary call (a diagnosis that reads the
/// store), shorter than any deadline of an incident.
pub const CALL_TIMEOUT: Duration = Duration::from_secs(15);

/// How long connecting may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// An address that is no endpoint.
#[derive(Debug, thiserror::Error)]
#[error("'{address}' is not an endpoint of the form http://host:port")]
pub struct InvalidEndpoint {
    address: String,
    #[source]
    source: tonic::transport::Error,
}

/// Services that run in this process.
pub fn local(routes: Routes) -> Peer {
    over(ServiceBuilder::new().layer(RpcTraceLayer).service(routes))
}

/// Services behind `address`, such as `http://127.0.0.1:50051`. Connects at the first call, and again after a loss.
pub fn remote(address: &str) -> Result<Peer, InvalidEndpoint> {
    let invalid = |source| InvalidEndpoint { address: address.to_owned(), source };
    let endpoint = Endpoint::from_shared(address.to_owned()).map_err(invalid)?;
    let channel: Channel = endpoint
        .connect_timeout(CONNECT_TIMEOUT)
        .http2_keep_alive_interval(Duration::from_secs(20))
        .keep_alive_timeout(Duration::from_secs(10))
        .tcp_nodelay(true)
        .connect_lazy();
    Ok(over(channel))
}

/// A peer to which every call shows a token, where there is one.
pub fn signed_in(peer: Peer, token: Option<&Bearer>) -> Peer {
    match token {
        Some(token) => token.on(peer),
        None => peer,
    }
}

/// Instances of the same services, behind one address each. Calls go round, and pass over who is away.
pub fn remote_any(addresses: &[String]) -> Result<Peer, InvalidEndpoint> {
    Ok(any(addresses.iter().map(|address| remote(address)).collect::<Result<_, _>>()?))
}

/// Instances of the same services, a peer each. Calls go round, and pass over who is away.
pub fn any(mut instances: Vec<Peer>) -> Peer {
    match (instances.pop(), instances.is_empty()) {
        (Some(only), true) => only,
        (last, _) => {
            instances.extend(last);
            BoxCloneSyncService::new(Failover::round(instances))
        }
    }
}

/// Instances of the same services, a peer each. Calls go to the first that is available.
pub fn in_order(instances: Vec<Peer>) -> Peer {
    BoxCloneSyncService::new(Failover::in_order(instances))
}

/// Services behind a transport of the caller's, with all that a peer has.
pub fn over<S>(inner: S) -> Peer
where
    S: tower::Service<http::Request<Body>, Response = http::Response<Body>> + Clone + Send + Sync + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send + 'static,
{
    let service = ServiceBuilder::new()
        .map_request(with_trace_context)
        .map_err(as_status)
        .layer(tower::timeout::TimeoutLayer::new(CALL_TIMEOUT))
        .service(inner);
    BoxCloneSyncService::new(service)
}

fn with_trace_context(mut request: http::Request<Body>) -> http::Request<Body> {
    if let Some(context) = TraceContext::current()
        && let Ok(value) = HeaderValue::try_from(context.to_string())
    {
        request.headers_mut().insert(TRACEPARENT, value);
    }
    request
}

fn as_status(error: BoxError) -> Status {
    if error.is::<Elapsed>() {
        return Status::deadline_exceeded(format!("no answer within {} s", CALL_TIMEOUT.as_secs()));
    }
    let status = Status::from_error(error);
    // gRPC calls a connection that broke UNAVAILABLE, however much had been sent; tonic only one that never began.
    match status.source() {
        Some(source) if status.code() == Code::Unknown && source.is::<tonic::transport::Error>() => {
            Status::unavailable(format!("the connection was lost: {}", innermost(source)))
        }
        _ => status,
    }
}

fn innermost<'a>(error: &'a (dyn Error + 'static)) -> &'a (dyn Error + 'static) {
    std::iter::successors(Some(error), |error| (**error).source()).last().unwrap_or(error)
}

#[cfg(test)]
mod tests {
    use llm_sre_proto::incident::v1::ListIncidentsRequest;
    use llm_sre_proto::incident::v1::incident_service_client::IncidentServiceClient;
    use tokio::io::AsyncReadExt;
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn a_connection_that_breaks_under_a_call_is_one_that_is_not_available() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let peer = remote(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
        let hangs_up = async {
            let (mut connection, _) = listener.accept().await.unwrap();
            // What opens a connection of HTTP/2 is 24 bytes; more is read so that a call is under way.
            connection.read_exact(&mut [0; 64]).await.unwrap();
        };
        let mut client = IncidentServiceClient::new(peer);
        let (answer, ()) = tokio::join!(client.list_incidents(ListIncidentsRequest::default()), hangs_up);
        let status = answer.unwrap_err();
        assert_eq!(status.code(), Code::Unavailable, "{status:?}");
        assert!(status.message().starts_with("the connection was lost: "), "{status:?}");
    }
}
