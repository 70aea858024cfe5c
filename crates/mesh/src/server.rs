//! One port around a service's routes: gRPC, gRPC-Web, health, and reflection v1 and v1alpha.

use std::collections::BTreeMap;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use opentelemetry::trace::{SpanContext, SpanId, TraceContextExt, TraceFlags, TraceId, TraceState};
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;
use tonic::body::Body;
use tonic::service::Routes;
use tonic_health::ServingStatus;
use tonic_health::pb::health_server::HealthServer;
use tonic_health::server::{HealthReporter, HealthService};
use tower::util::MapResponseLayer;
use tower::{Layer, Service};
use tracing::Instrument;
use tracing_opentelemetry::OpenTelemetrySpanExt;

use crate::access::{Access, AccessLayer};
use crate::context::TraceContext;
use crate::ending::ending;
use crate::logging;
use crate::web::WebLayer;

pub use crate::web::Web;

/// The largest request or answer that a control service takes, in bytes. An evidence snapshot with every fact at its
/// bound has about a tenth of it.
pub const MAX_MESSAGE_BYTES: usize = 4 * 1024 * 1024;

/// Streams that one connection may have open at once.
const MAX_STREAMS: u32 = 256;

/// How long a shutdown waits for calls under way.
const DRAIN: Duration = Duration::from_secs(5);

/// After so long without a word the system asks whether the other side is still there. HTTP/2 asks by itself; a watch
/// by gRPC-Web over HTTP/1.1 would stay for ever where its reader's machine or network is gone.
const KEEPALIVE: Duration = Duration::from_secs(60);

/// Connections that wait to be taken; as many as the standard library lets wait.
const BACKLOG: u32 = 1_024;

/// What can go wrong when serving.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address cannot be listened on.
    #[error("failed to listen on {address}")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The contracts' descriptors cannot be served.
    #[error("failed to build the reflection service")]
    Reflection(#[source] tonic_reflection::server::Error),
    /// The listener failed.
    #[error("failed to serve on {address}")]
    Serve {
        /// The address.
        address: SocketAddr,
        /// Why.
        #[source]
        source: tonic::transport::Error,
    },
}

/// Listens on an address. Of a connection whose other side is gone without a word the system finds out, after two hours
/// where nobody says another time: each is a descriptor, and would stay.
///
/// # Errors
/// When the address cannot be listened on.
pub fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // Else a start right after an end would wait for connections of before.
    socket.set_reuseaddr(true)?;
    // What is accepted has it from here.
    socket.set_keepalive(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// A port that is bound and not yet served.
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    routes: Routes,
    health: Health,
    web: Option<Web>,
    access: Access,
}

impl Server {
    /// Binds `address` (port 0 takes a free one) and puts health and reflection beside `routes`. Every service named
    /// in `services` is NOT_SERVING until [`Health::set_serving`] says otherwise. `access` says who may ask; whom it does
    /// not know gets no answer but of health and reflection.
    pub async fn bind(address: SocketAddr, routes: Routes, services: &[&str], access: Access) -> Result<Self, Error> {
        let listener = listen(address).map_err(|source| Error::Bind { address, source })?;
        let address = listener.local_addr().map_err(|source| Error::Bind { address, source })?;
        let (health, health_service) = health(services).await;
        let routes = routes.add_service(HealthServer::new(health_service));
        let routes = with_reflection(routes, services).map_err(Error::Reflection)?;
        Ok(Self { listener, address, routes, health, access, web: None })
    }

    /// Answers what is no gRPC, too.
    pub fn beside(self, web: Web) -> Self {
        Self { web: Some(web), ..self }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// A handle that says what is serving.
    pub fn health(&self) -> Health {
        self.health.clone()
    }

    /// Serves until `shutdown`, then ends streams, and lets calls under way end, for at most five seconds.
    pub async fn run(self, shutdown: CancellationToken) -> Result<(), Error> {
        let address = self.address;
        let incoming = tonic::transport::server::TcpIncoming::from(self.listener)
            .with_nodelay(Some(true))
            .with_keepalive(Some(KEEPALIVE));
        let ended = shutdown.clone();
        let until_shutdown = move |response: http::Response<Body>| response.map(|body| ending(body, ended.clone()));
        let serving = tonic::transport::Server::builder()
            .accept_http1(true)
            .max_concurrent_streams(MAX_STREAMS)
            .http2_keepalive_interval(Some(Duration::from_secs(30)))
            .layer(WebLayer(self.web))
            .layer(tonic_web::GrpcWebLayer::new())
            .layer(AccessLayer::new(self.access))
            // Behind the door: who is refused leaves no span in an incident's trace.
            .layer(RpcTraceLayer)
            .layer(MapResponseLayer::new(until_shutdown))
            .add_routes(self.routes)
            .serve_with_incoming_shutdown(incoming, shutdown.clone().cancelled_owned());
        let drained = async {
            shutdown.cancelled().await;
            tokio::time::sleep(DRAIN).await;
        };
        tokio::select! {
            biased;
            result = serving => result.map_err(|source| Error::Serve { address, source }),
            () = drained => Ok(()),
        }
    }
}

/// The name under which a port says that its process lives, whatever its services can do: for who starts again what does
/// not. The empty name says whether all services of the port can do their work.
pub const LIVENESS: &str = "liveness";

/// Says which services of a port are serving.
#[derive(Clone)]
pub struct Health {
    reporter: HealthReporter,
    serving: Arc<Mutex<BTreeMap<String, bool>>>,
}

impl Health {
    /// Marks a service by its full name, such as `llmsre.incident.v1.IncidentService`, and with it the port.
    pub async fn set_serving(&self, service: &str, is_serving: bool) {
        let status = |is_serving| if is_serving { ServingStatus::Serving } else { ServingStatus::NotServing };
        let mut serving = self.serving.lock().await;
        serving.insert(service.to_owned(), is_serving);
        self.reporter.set_service_status(service, status(is_serving)).await;
        self.reporter.set_service_status("", status(serving.values().all(|is_serving| *is_serving))).await;
    }
}

/// The health service of a port with these services, none of which serves yet.
pub(crate) async fn health(services: &[&str]) -> (Health, HealthService) {
    let reporter = HealthReporter::new();
    let health = Health { reporter: reporter.clone(), serving: Arc::default() };
    reporter.set_service_status(LIVENESS, ServingStatus::Serving).await;
    for service in services {
        health.set_serving(service, false).await;
    }
    (health, HealthService::from_health_reporter(reporter))
}

/// What every port serves beside its services.
const BESIDE: [&str; 3] =
    ["grpc.health.v1.Health", "grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection"];

/// Both versions describe all contracts, each other, and the details of errors, and list what this port serves.
fn with_reflection(routes: Routes, services: &[&str]) -> Result<Routes, tonic_reflection::server::Error> {
    use tonic_reflection::{pb, server::Builder};
    let builder = || {
        let described = [
            llm_sre_proto::DESCRIPTORS,
            tonic_types::pb::FILE_DESCRIPTOR_SET,
            tonic_health::pb::FILE_DESCRIPTOR_SET,
            pb::v1::FILE_DESCRIPTOR_SET,
            pb::v1alpha::FILE_DESCRIPTOR_SET,
        ];
        let builder = Builder::configure().include_reflection_service(false);
        let builder = described.into_iter().fold(builder, Builder::register_encoded_file_descriptor_set);
        services.iter().chain(&BESIDE).fold(builder, |builder, name| builder.with_service_name(*name))
    };
    Ok(routes.add_service(builder().build_v1()?).add_service(builder().build_v1alpha()?))
}

/// Makes a call that belongs to a trace a span of that trace, and runs its handler in that context. Calls without a
/// sampled parent leave no span: telemetry itself would drown the incidents.
#[derive(Clone, Copy, Debug)]
pub struct RpcTraceLayer;

impl<S> Layer<S> for RpcTraceLayer {
    type Service = RpcTrace<S>;
    fn layer(&self, inner: S) -> RpcTrace<S> {
        RpcTrace { inner }
    }
}

/// See [`RpcTraceLayer`].
#[derive(Clone, Debug)]
pub struct RpcTrace<S> {
    inner: S,
}

impl<S, B> Service<http::Request<B>> for RpcTrace<S>
where
    S: Service<http::Request<B>>,
    S::Future: Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: http::Request<B>) -> Self::Future {
        let Some(parent) = TraceContext::from_headers(request.headers()) else {
            return Box::pin(self.inner.call(request));
        };
        let span = rpc_span(request.uri().path(), parent);
        let context = exported_context(&span).unwrap_or(parent);
        // In one process a call of a call is in the log's context already.
        let is_within = TraceContext::current().is_some_and(|within| within.trace_id() == parent.trace_id());
        let logged = if is_within { tracing::Span::none() } else { span.in_scope(|| logged_span(parent)) };
        Box::pin(context.scope(self.inner.call(request)).instrument(logged).instrument(span))
    }
}

fn rpc_span(path: &str, parent: TraceContext) -> tracing::Span {
    let method = path.trim_start_matches('/');
    let span = tracing::info_span!(
        target: logging::EXPORTED,
        "rpc",
        otel.name = method,
        otel.kind = "server",
        rpc.system.name = "grpc",
        rpc.method = method,
    );
    let remote = SpanContext::new(
        TraceId::from_bytes(parent.trace_id()),
        SpanId::from_bytes(parent.span_id()),
        TraceFlags::SAMPLED,
        true,
        TraceState::default(),
    );
    // Fails only where no export is configured; the context then passes on unchanged.
    if let Err(error) = span.set_parent(opentelemetry::Context::new().with_remote_span_context(remote)) {
        tracing::trace!(%error, "span is not exported");
    }
    span
}

/// What every line of the log says about a call that belongs to an incident.
fn logged_span(parent: TraceContext) -> tracing::Span {
    tracing::info_span!("call", trace_id = crate::context::hex(&parent.trace_id()))
}

fn exported_context(span: &tracing::Span) -> Option<TraceContext> {
    let context = span.context();
    let context = context.span().span_context().clone();
    context.is_valid().then(|| TraceContext::new(context.trace_id().to_bytes(), context.span_id().to_bytes())).flatten()
}

#[cfg(test)]
mod tests {
    use std::ops::RangeInclusive;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;

    use super::*;

    const WITHIN: Duration = Duration::from_secs(30);
    /// The timer of `/proc/net/tcp` that asks whether the other side is there.
    const ASKING: &str = "02";

    /// Waits until the served side of a connection asks after about so many hundredths of a second.
    async fn asks(client: &TcpStream, after: RangeInclusive<u64>) {
        let end = |address: io::Result<SocketAddr>| format!(":{:04X}", address.unwrap().port());
        let (client, server) = (end(client.local_addr()), end(client.peer_addr()));
        let has_asked = async {
            loop {
                let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
                let rows = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
                let timers = rows.filter(|row| row.len() > 5 && row[1].ends_with(&server) && row[2].ends_with(&client));
                let mut timers =
                    timers.filter_map(|row| row[5].split_once(':').map(|(of, at)| (of.to_owned(), at.to_owned())));
                let is_asking = |(of, at): (String, String)| {
                    of == ASKING && u64::from_str_radix(&at, 16).is_ok_and(|at| after.contains(&at))
                };
                if timers.any(is_asking) {
                    return;
                }
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(WITHIN, has_asked).await.unwrap();
    }

    #[tokio::test]
    async fn who_is_gone_without_a_word_is_found_out() {
        let server =
            Server::bind("127.0.0.1:0".parse().unwrap(), Routes::default(), &[], Access::default()).await.unwrap();
        let (address, shutdown) = (server.address(), CancellationToken::new());
        let serving = tokio::spawn(server.run(shutdown.clone()));
        let mut client = TcpStream::connect(address).await.unwrap();
        client.write_all(b"GET / HTTP/1.1\r\nhost: here\r\n\r\n").await.unwrap();
        // Who has an answer was taken.
        assert!(client.read(&mut [0; 64]).await.unwrap() > 0);
        asks(&client, 1..=6_000).await;
        shutdown.cancel();
        serving.await.unwrap().unwrap();

        let listener = listen("127.0.0.1:0".parse().unwrap()).unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let _taken = listener.accept().await.unwrap();
        asks(&client, 1..=u64::MAX).await;
    }
}
