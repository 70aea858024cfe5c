//! One port around a service's routes: gRPC, gRPC-Web, health, and reflection v1 and v1alpha.

use std::collections::BTreeMap;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use opentelemetry::trace::{SpanContext, SpanId, TraceContextExt, TraceFlags, TraceId, TraceState};
use tokio::net::TcpListener;
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

use crate::context::TraceContext;
use crate::ending::ending;
use crate::logging;

/// The largest request or answer that a control service takes, in bytes. An evidence snapshot with every fact at its
/// bound has about a tenth of it.
pub const MAX_MESSAGE_BYTES: usize = 4 * 1024 * 1024;

/// Streams that one connection may have open at once.
const MAX_STREAMS: u32 = 256;

/// How long a shutdown waits for calls under way.
const DRAIN: Duration = Duration::from_secs(5);

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

/// A port that is bound and not yet served.
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    routes: Routes,
    health: Health,
}

impl Server {
    /// Binds `address` (port 0 takes a free one) and puts health and reflection beside `routes`. Every service named
    /// in `services` is NOT_SERVING until [`Health::set_serving`] says otherwise.
    pub async fn bind(address: SocketAddr, routes: Routes, services: &[&str]) -> Result<Self, Error> {
        let listener = TcpListener::bind(address).await.map_err(|source| Error::Bind { address, source })?;
        let address = listener.local_addr().map_err(|source| Error::Bind { address, source })?;
        let (health, health_service) = health(services).await;
        let routes = routes.add_service(HealthServer::new(health_service));
        let routes = with_reflection(routes, services).map_err(Error::Reflection)?;
        Ok(Self { listener, address, routes, health })
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
        let incoming = tonic::transport::server::TcpIncoming::from(self.listener).with_nodelay(Some(true));
        let ended = shutdown.clone();
        let until_shutdown = move |response: http::Response<Body>| response.map(|body| ending(body, ended.clone()));
        let serving = tonic::transport::Server::builder()
            .accept_http1(true)
            .max_concurrent_streams(MAX_STREAMS)
            .http2_keepalive_interval(Some(Duration::from_secs(30)))
            .layer(RpcTraceLayer)
            .layer(tonic_web::GrpcWebLayer::new())
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
