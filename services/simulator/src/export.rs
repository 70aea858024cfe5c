//! Sends to the gateway as an SDK's exporter does: a few tries, then the batch is given up and counted.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures::StreamExt;
use llm_sre_mesh::Peer;
use opentelemetry_proto::tonic::collector::logs::v1::logs_service_client::LogsServiceClient;
use opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_client::MetricsServiceClient;
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_client::TraceServiceClient;
use tonic::{Code, Status};
use tonic_types::StatusExt;

use crate::telemetry::Exports;

/// Tries of one request, and the longest wait between two, in real time.
const TRIES: u32 = 5;
const WAIT_MAX: Duration = Duration::from_secs(2);
/// Requests under way at once.
const AT_ONCE: usize = 8;

/// The way to the gateway.
pub(crate) struct Exporter {
    gateway: Peer,
    pub(crate) accepted: AtomicU64,
    pub(crate) lost: AtomicU64,
}

impl Exporter {
    pub(crate) fn new(gateway: Peer) -> Self {
        Self { gateway, accepted: AtomicU64::new(0), lost: AtomicU64::new(0) }
    }

    /// Sends everything; returns once each request was accepted or given up.
    pub(crate) async fn send(&self, exports: Vec<Exports>) {
        let sending = exports.into_iter().map(|exports| self.send_service(exports));
        futures::stream::iter(sending).buffer_unordered(AT_ONCE).collect::<()>().await;
    }

    async fn send_service(&self, exports: Exports) {
        /// The clients are three types with the same method.
        macro_rules! send {
            ($client:ident, $request:expr) => {
                if let Some(request) = $request {
                    self.keep_trying(|| {
                        let (mut client, request) = ($client::new(self.gateway.clone()), request.clone());
                        Box::pin(async move { client.export(request).await.map(|_| ()) })
                    })
                    .await;
                }
            };
        }
        send!(MetricsServiceClient, exports.metrics);
        send!(LogsServiceClient, exports.logs);
        send!(TraceServiceClient, exports.traces);
    }

    async fn keep_trying<F>(&self, mut export: F)
    where
        F: FnMut() -> futures::future::BoxFuture<'static, Result<(), Status>>,
    {
        for attempt in 1..=TRIES {
            let Err(error) = export().await else {
                self.accepted.fetch_add(1, Ordering::Relaxed);
                return;
            };
            if attempt == TRIES || !may_pass(error.code()) {
                self.lost.fetch_add(1, Ordering::Relaxed);
                tracing::warn!(%error, attempt, "an export was given up");
                return;
            }
            let asked = error.get_details_retry_info().and_then(|info| info.retry_delay);
            let backoff = Duration::from_millis(100 << attempt);
            tokio::time::sleep(asked.unwrap_or(backoff).min(WAIT_MAX)).await;
        }
    }
}

/// The codes that OTLP declares retryable.
fn may_pass(code: Code) -> bool {
    matches!(
        code,
        Code::Cancelled
            | Code::DeadlineExceeded
            | Code::Aborted
            | Code::OutOfRange
            | Code::Unavailable
            | Code::DataLoss
            | Code::ResourceExhausted
    )
}
