//! OTLP over gRPC.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use llm_sre_mesh::status;
use llm_sre_proto::topics;
use opentelemetry_proto::tonic::collector::logs::v1::logs_service_server::{LogsService, LogsServiceServer};
use opentelemetry_proto::tonic::collector::logs::v1::{ExportLogsServiceRequest, ExportLogsServiceResponse};
use opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_server::{
    MetricsService, MetricsServiceServer,
};
use opentelemetry_proto::tonic::collector::metrics::v1::{ExportMetricsServiceRequest, ExportMetricsServiceResponse};
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{TraceService, TraceServiceServer};
use opentelemetry_proto::tonic::collector::trace::v1::{ExportTraceServiceRequest, ExportTraceServiceResponse};
use tonic::codec::CompressionEncoding::Gzip;
use tonic::service::{LayerExt, Routes};
use tonic::{Code, Request, Response, Status};
use tower::{Layer, Service};

use crate::intake::Intake;
use crate::measure;
use crate::signal::Signal;

/// The reason of a refusal for size.
pub(crate) const TOO_LARGE: &str = "MESSAGE_TOO_LARGE";

/// INVALID_ARGUMENT: the same request will be too large again, so a sender must not retry it as it is.
pub(crate) fn too_large(limit_bytes: usize) -> Status {
    let limit = limit_bytes.to_string();
    let message = format!("the request is larger than {limit} bytes; send smaller batches");
    status::error(Code::InvalidArgument, TOO_LARGE, message, &[("limit_bytes", &limit)])
}

/// The three OTLP services.
pub(crate) fn routes(intake: &Arc<Intake>) -> Routes {
    let limit = intake.max_request_bytes();
    /// The servers are three types with the same methods.
    macro_rules! configured {
        ($server:ident, $topic:expr) => {
            Admission { intake: Arc::clone(intake), topic: $topic }.named_layer(
                $server::new(Otlp(Arc::clone(intake)))
                    .accept_compressed(Gzip)
                    .send_compressed(Gzip)
                    .max_decoding_message_size(limit),
            )
        };
    }
    Routes::new(configured!(MetricsServiceServer, topics::METRICS))
        .add_service(configured!(LogsServiceServer, topics::LOGS))
        .add_service(configured!(TraceServiceServer, topics::TRACES))
}

/// The full names of the services, for health.
pub const SERVICE_NAMES: [&str; 3] = [
    "opentelemetry.proto.collector.metrics.v1.MetricsService",
    "opentelemetry.proto.collector.logs.v1.LogsService",
    "opentelemetry.proto.collector.trace.v1.TraceService",
];

#[derive(Clone)]
struct Otlp(Arc<Intake>);

impl Otlp {
    async fn take<S: Signal>(&self, request: Request<S>) -> Result<Response<S::Response>, Status> {
        let (metadata, _, request) = request.into_parts();
        let outcome = self.0.accept(request, &metadata.into_headers()).await?;
        Ok(Response::new(S::response(outcome.rejected, outcome.message)))
    }
}

#[tonic::async_trait]
impl MetricsService for Otlp {
    async fn export(
        &self,
        request: Request<ExportMetricsServiceRequest>,
    ) -> Result<Response<ExportMetricsServiceResponse>, Status> {
        self.take(request).await
    }
}

#[tonic::async_trait]
impl LogsService for Otlp {
    async fn export(
        &self,
        request: Request<ExportLogsServiceRequest>,
    ) -> Result<Response<ExportLogsServiceResponse>, Status> {
        self.take(request).await
    }
}

#[tonic::async_trait]
impl TraceService for Otlp {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        self.take(request).await
    }
}

/// Takes room for a request before its body is read, and gives the refusals of tonic itself their `ErrorInfo`.
#[derive(Clone)]
struct Admission {
    intake: Arc<Intake>,
    topic: &'static str,
}

impl<S> Layer<S> for Admission {
    type Service = Admitted<S>;
    fn layer(&self, inner: S) -> Admitted<S> {
        Admitted { inner, intake: Arc::clone(&self.intake), topic: self.topic }
    }
}

#[derive(Clone)]
struct Admitted<S> {
    inner: S,
    intake: Arc<Intake>,
    topic: &'static str,
}

impl<S, B, R> Service<http::Request<B>> for Admitted<S>
where
    S: Service<http::Request<B>, Response = http::Response<R>>,
    S::Error: Send + 'static,
    S::Future: Send + 'static,
    R: Default + Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: http::Request<B>) -> Self::Future {
        let (began, topic) = (Instant::now(), self.topic);
        let share = match self.intake.admit() {
            Ok(share) => share,
            Err(status) => {
                measure::answered(topic, began.elapsed(), Some(status.code()));
                return Box::pin(std::future::ready(Ok(status.into_http())));
            }
        };
        let answer = self.inner.call(request);
        let intake = Arc::clone(&self.intake);
        Box::pin(async move {
            let answered = intake.in_time(answer).await;
            drop(share);
            let response = match answered {
                Ok(response) => with_error_info(response?, intake.max_request_bytes()),
                Err(status) => status.into_http(),
            };
            // Without a status among the headers it is the message that was asked for.
            let code = Status::from_header_map(response.headers()).map(|status| status.code());
            measure::answered(topic, began.elapsed(), code.filter(|code| *code != Code::Ok));
            Ok(response)
        })
    }
}

/// Ours all carry details; one without comes from tonic, which says OUT_OF_RANGE or RESOURCE_EXHAUSTED for what is too
/// large and INTERNAL for what does not decode. A sender would retry the wrong ones.
fn with_error_info<R: Default>(response: http::Response<R>, limit_bytes: usize) -> http::Response<R> {
    let Some(status) = Status::from_header_map(response.headers()) else { return response };
    if status.code() == Code::Ok || !status.details().is_empty() {
        return response;
    }
    let message = status.message();
    let named = match status.code() {
        Code::OutOfRange | Code::ResourceExhausted => too_large(limit_bytes),
        Code::Internal => status::error(Code::InvalidArgument, "UNDECODABLE", message, &[]),
        Code::Unimplemented => status::error(Code::Unimplemented, "UNSUPPORTED_ENCODING", message, &[]),
        code => status::error(code, "TRANSPORT", message, &[]),
    };
    let mut named = named.into_http();
    // A refused compression names the ones that are accepted.
    if let Some(accepted) = response.headers().get("grpc-accept-encoding") {
        named.headers_mut().insert("grpc-accept-encoding", accepted.clone());
    }
    named
}
