//! Telemetry from the event bus into the store, and its queries.
//!
//! The consumer reads `metrics`, `logs` and `traces`, stores what they carry under ids that derive from where it was
//! read, and commits only then: a crash repeats work and changes nothing. What cannot be decoded or stored, and what is
//! of a time that nothing is kept of, goes to the topic's dead letters, and its partition goes on. While the store is
//! away, reading pauses; nothing is dropped and nothing piles up here.

mod consume;
mod decode;
mod flight;
mod letters;
mod measure;
mod membership;
mod missed;
mod query;
mod reduce;
mod retention;
mod retry;
mod times;
mod turns;
mod work;

use std::sync::Arc;
use std::time::Duration;

use llm_sre_ports::bus::{self, EventBus};
use llm_sre_ports::clock::Clock;
use llm_sre_ports::telemetry::TelemetryStore;
use llm_sre_proto::telemetry::v1::telemetry_service_server::TelemetryServiceServer;
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;

/// The consumer group.
pub const GROUP: &str = "indexer";

/// The full name of the service, for health.
pub const SERVICE_NAME: &str = "llmsre.telemetry.v1.TelemetryService";

/// How the indexer works.
#[derive(Clone, Debug)]
pub struct Options {
    /// The most records of the bus in one batch.
    pub max_batch_records: usize,
    /// About the most bytes in one batch.
    pub max_batch_bytes: usize,
    /// How long a poll waits for records.
    pub poll_wait: Duration,
    /// The first wait after a failure that may pass; each further one is longer, up to `max_backoff`.
    pub min_backoff: Duration,
    /// The longest wait after a failure that may pass.
    pub max_backoff: Duration,
    /// How many services, series and spans the call graph remembers while it joins calls.
    pub call_graph_capacity: usize,
    /// How long telemetry is kept, by the product's clock.
    pub keep_for: Duration,
    /// About how many bytes of telemetry are kept; `None` sets no limit.
    pub keep_bytes: Option<u64>,
    /// How often, in real time, what is too old or too much is removed.
    pub prune_every: Duration,
    /// Seeds the jitter of waits.
    pub seed: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            max_batch_records: 1_000,
            // Four of the largest records.
            max_batch_bytes: 16 * 1024 * 1024,
            poll_wait: Duration::from_millis(500),
            min_backoff: Duration::from_millis(100),
            // Shorter than the membership's lease, so that waiting does not lose the partitions.
            max_backoff: Duration::from_secs(3),
            call_graph_capacity: 20_000,
            keep_for: Duration::from_secs(3 * 24 * 3600),
            keep_bytes: Some(2 * 1024 * 1024 * 1024),
            prune_every: Duration::from_secs(60),
            seed: 0,
        }
    }
}

/// What the indexer works with.
#[derive(Clone)]
pub struct Dependencies {
    /// Where telemetry comes from. Its topics and their dead letters exist.
    pub bus: Arc<dyn EventBus>,
    /// Where telemetry goes.
    pub store: Arc<dyn TelemetryStore>,
    /// Tells what is too old.
    pub clock: Arc<dyn Clock>,
}

/// What ends the indexer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The bus refuses what the indexer asks, so that asking again would not help.
    #[error("failed to {operation}")]
    Bus {
        /// What the indexer did.
        operation: &'static str,
        /// Why it failed.
        #[source]
        source: bus::Error,
    },
}

/// The indexer.
#[derive(Clone)]
pub struct Indexer {
    options: Options,
    dependencies: Dependencies,
    sources: Arc<measure::Sources>,
}

/// Builds the indexer.
pub fn build(options: Options, dependencies: Dependencies) -> Indexer {
    Indexer { options, dependencies, sources: Arc::default() }
}

impl Indexer {
    /// `TelemetryService`, to be mounted on a port. Answers whether [`Self::run`] runs or not.
    pub fn routes(&self) -> Routes {
        let service = query::Queries::new(Arc::clone(&self.dependencies.store));
        Routes::new(
            TelemetryServiceServer::new(service)
                .accept_compressed(tonic::codec::CompressionEncoding::Gzip)
                .send_compressed(tonic::codec::CompressionEncoding::Gzip),
        )
    }

    /// Consumes and prunes until `shutdown`; what is under way is finished and committed, or will be read again.
    ///
    /// # Errors
    /// [`Error::Bus`] where the bus refuses, such as for a topic that does not exist. What may pass is waited for.
    pub async fn run(&self, shutdown: CancellationToken) -> Result<(), Error> {
        let stop_pruning = shutdown.child_token();
        let pruning = retention::run(&self.options, &self.dependencies, stop_pruning.clone());
        let telling = self.sources.tell(&self.dependencies, stop_pruning.clone());
        let consuming = async {
            let result = consume::run(&self.options, &self.dependencies, &self.sources, &shutdown).await;
            stop_pruning.cancel();
            result
        };
        let ((), (), consumed) = tokio::join!(pruning, telling, consuming);
        consumed
    }
}
