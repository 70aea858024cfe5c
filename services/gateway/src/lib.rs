//! OTLP over gRPC and HTTP onto the event bus.
//!
//! A request is split by the service that its resources name and published as export requests keyed by that service,
//! so that everything about one service keeps its order and meets one consumer. What no consumer could take is
//! reported as a partial success and kept in the topic's dead letters. An acknowledged request is durable on the bus;
//! what does not fit the budget is refused with the time after which to come again, so that no queue grows here.

mod batch;
mod budget;
mod grpc;
mod http;
mod intake;
mod measure;
mod signal;

use std::future::IntoFuture;
use std::sync::Arc;
use std::time::Duration;

use llm_sre_mesh::access::Access;
use llm_sre_ports::bus::{EventBus, TopicSpec};
use llm_sre_ports::clock::Clock;
use llm_sre_proto::topics;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;

pub use grpc::SERVICE_NAMES;

/// How long a shutdown waits for requests under way.
const DRAIN: Duration = Duration::from_secs(5);

/// How much the gateway takes in. With the defaults it holds at most 256 MiB of requests that are being read, and
/// 64 MiB that are being published.
#[derive(Clone, Debug)]
pub struct Options {
    /// The largest request in bytes, after decompression.
    pub max_request_bytes: usize,
    /// How many requests may be in flight at once.
    pub max_requests_in_flight: usize,
    /// How many bytes of requests may be in flight at once, after decompression.
    pub max_bytes_in_flight: usize,
    /// The largest value of a record in bytes; larger parts are cut.
    pub max_record_bytes: usize,
    /// How long a request may take, in real time, from its head to the answer: a sender that stalls gives up its room.
    pub request_timeout: Duration,
    /// When a sender that was refused should come again.
    pub retry_after: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            // What gRPC servers take by default, so that senders already keep to it.
            max_request_bytes: 4 * 1024 * 1024,
            max_requests_in_flight: 64,
            max_bytes_in_flight: 64 * 1024 * 1024,
            // Under the megabyte that Kafka takes by default, with room for key and headers.
            max_record_bytes: 900 * 1024,
            // OTLP exporters give up after 10 s by default.
            request_timeout: Duration::from_secs(10),
            retry_after: Duration::from_secs(1),
        }
    }
}

/// What the gateway works with.
pub struct Dependencies {
    /// Where records go. The topics of [`topic_specs`] exist.
    pub bus: Arc<dyn EventBus>,
    /// Stamps what came without a time.
    pub clock: Arc<dyn Clock>,
}

/// What can go wrong when serving HTTP.
#[derive(Debug, thiserror::Error)]
#[error("failed to serve OTLP over HTTP")]
pub struct Error(#[source] std::io::Error);

/// The gateway.
#[derive(Clone)]
pub struct Gateway {
    intake: Arc<intake::Intake>,
}

/// Builds the gateway.
pub fn build(options: Options, dependencies: Dependencies) -> Gateway {
    Gateway { intake: Arc::new(intake::Intake::new(dependencies.bus, dependencies.clock, options)) }
}

impl Gateway {
    /// The OTLP services over gRPC, to be mounted on a port.
    pub fn routes(&self) -> Routes {
        grpc::routes(&self.intake)
    }

    /// OTLP over HTTP, to be mounted on a port, for whom `access` lets send.
    pub fn http_routes(&self, access: Access) -> axum::Router {
        http::router(Arc::clone(&self.intake), access)
    }

    /// Serves OTLP over HTTP on a listener, to whom `access` lets send, until `shutdown`, then lets requests under way end, for at most five
    /// seconds.
    pub async fn run_http(
        &self,
        listener: TcpListener,
        access: Access,
        shutdown: CancellationToken,
    ) -> Result<(), Error> {
        let serving =
            axum::serve(listener, self.http_routes(access)).with_graceful_shutdown(shutdown.clone().cancelled_owned());
        let drained = async {
            shutdown.cancelled().await;
            tokio::time::sleep(DRAIN).await;
        };
        tokio::select! {
            biased;
            result = serving.into_future() => result.map_err(Error),
            () = drained => Ok(()),
        }
    }
}

/// The topics that telemetry travels on, and those of their dead letters, which are kept until somebody looks.
pub fn topic_specs(partitions: u32, retention: Duration) -> Vec<TopicSpec> {
    let live =
        topics::TELEMETRY.map(|name| TopicSpec { name: name.to_owned(), partitions, retention: Some(retention) });
    let dead =
        topics::TELEMETRY.map(|name| TopicSpec { name: topics::dead_letters(name), partitions: 1, retention: None });
    live.into_iter().chain(dead).collect()
}
