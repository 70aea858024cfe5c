//! The product's metrics of itself: every instrument is declared here, and `docs/self-watch.md` lists them.
//!
//! Nothing is kept or sent before [`init`]; then all are exported by OTLP. The SDK keeps at most 2,000 combinations of
//! attributes an instrument, and counts the others together.

mod instrument;

use std::sync::OnceLock;
use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry::metrics::{Meter, MeterProvider};
use opentelemetry_otlp::{MetricExporter, WithExportConfig};
use opentelemetry_sdk::metrics::{PeriodicReader, SdkMeterProvider};

use crate::logging;
pub use instrument::{Attribute, Counter, Gauge, Histogram, Kind};

/// How long one export may take.
const EXPORT_TIMEOUT: Duration = Duration::from_secs(5);
/// Name of the instrumentation's scope.
const SCOPE: &str = "llm-sre";

/// What can go wrong when metrics are set up.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The exporter cannot be built.
    #[error("failed to build the metric exporter for {endpoint}")]
    Exporter {
        /// The endpoint.
        endpoint: String,
        /// Why.
        #[source]
        source: opentelemetry_otlp::ExporterBuildError,
    },
    /// Somebody measured before: what was given out then would stay silent.
    #[error("metrics were used before they were set up")]
    Late,
}

/// How metrics leave.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where to, such as `http://127.0.0.1:4317`.
    pub otlp_endpoint: String,
    /// How often, in real time.
    pub interval: Duration,
    /// `service.name` of this process.
    pub service_name: String,
    /// `service.instance.id` of this process.
    pub instance: String,
}

/// Keeps the exporter; [`Metrics::shutdown`] sends what it still holds.
#[derive(Debug)]
pub struct Metrics {
    provider: SdkMeterProvider,
}

impl Metrics {
    /// Sends the last values, for at most the export's time-out.
    pub fn shutdown(self) -> Result<(), opentelemetry_sdk::error::OTelSdkError> {
        self.provider.shutdown_with_timeout(EXPORT_TIMEOUT)
    }
}

/// Exports from now on. Needs a Tokio runtime, and to come before anything is measured.
pub fn init(options: &Options) -> Result<Metrics, Error> {
    let endpoint = &options.otlp_endpoint;
    let exporter = MetricExporter::builder().with_tonic().with_endpoint(endpoint).with_timeout(EXPORT_TIMEOUT).build();
    let exporter = exporter.map_err(|source| Error::Exporter { endpoint: endpoint.clone(), source })?;
    let reader = PeriodicReader::builder(exporter).with_interval(options.interval).build();
    let provider = SdkMeterProvider::builder()
        .with_reader(reader)
        .with_resource(logging::resource(&options.service_name, Some(&options.instance)))
        .build();
    let meter = provider.meter(SCOPE);
    INSTRUMENTS.set(Instruments::new(Some(&meter))).map_err(|_| Error::Late)?;
    Ok(Metrics { provider })
}

static INSTRUMENTS: OnceLock<Instruments> = OnceLock::new();

/// The instruments of this process.
pub fn instruments() -> &'static Instruments {
    INSTRUMENTS.get_or_init(|| Instruments::new(None))
}

/// An instrument as it is declared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Declared {
    /// Its name.
    pub name: &'static str,
    /// What it is.
    pub kind: Kind,
    /// Its unit, by UCUM.
    pub unit: &'static str,
    /// The names of its attributes.
    pub attributes: &'static [&'static str],
    /// What it says.
    pub description: &'static str,
}

macro_rules! instruments {
    ($($field:ident: $kind:ident($name:literal, $unit:literal, [$($attribute:literal),*], $description:literal);)*) => {
        /// Every instrument that there is.
        pub const DECLARED: &[Declared] = &[$(Declared {
            name: $name,
            kind: Kind::$kind,
            unit: $unit,
            attributes: &[$($attribute),*],
            description: $description,
        }),*];

        /// The instruments of a process.
        #[derive(Debug)]
        pub struct Instruments {
            is_exported: bool,
            $(#[doc = $description] pub $field: $kind,)*
        }

        impl Instruments {
            fn new(meter: Option<&Meter>) -> Self {
                let mut declared = DECLARED.iter();
                Self { is_exported: meter.is_some(), $($field: $kind::new(meter, declared.next()),)* }
            }
        }
    };
}

impl Instruments {
    /// Whether anybody reads them: what costs something to find out need not be found out else.
    pub fn are_exported(&self) -> bool {
        self.is_exported
    }
}

instruments! {
    // Names of OpenTelemetry's messaging conventions.
    sent: Counter("messaging.client.sent.messages", "{message}", ["messaging.destination.name"],
        "Records that the gateway published");
    consumed: Counter("messaging.client.consumed.messages", "{message}",
        ["messaging.consumer.group.name", "messaging.destination.name"], "Records that a consumer group read");
    lag: Gauge("llm_sre.consumer.lag", "{message}",
        ["messaging.consumer.group.name", "messaging.destination.name", "messaging.destination.partition.id"],
        "Records of a partition that the group has not committed");
    missed: Counter("llm_sre.consumer.missed", "{message}", ["messaging.consumer.group.name", "messaging.destination.name"],
        "Records that retention removed before the group read them");

    gateway_items: Counter("llm_sre.gateway.items", "{item}", ["llm_sre.signal", "llm_sre.source", "llm_sre.outcome", "llm_sre.reason"],
        "Points, log records and spans by the service that they are of, accepted or rejected, and why they were rejected");
    gateway_request_duration: Histogram("llm_sre.gateway.request.duration", "s", ["llm_sre.signal", "error.type"],
        "Time from a request's head to its answer, when the bus has it; `error.type` is the code of a refusal, of whatever kind");

    indexer_items: Counter("llm_sre.indexer.items", "{item}", ["llm_sre.kind"],
        "Points, log records, changes and calls that were stored");
    indexer_batch_items: Histogram("llm_sre.indexer.batch.items", "{item}", [], "Items of a batch that went to the store at once");
    indexer_stage_duration: Histogram("llm_sre.indexer.stage.duration", "s", ["llm_sre.stage"],
        "Time that a piece of work took to be stored, all tries together (`store`), and that what a poll brought took to be committed after that (`commit`); pieces are stored beside each other");
    store_append_failures: Counter("llm_sre.store.append.failures", "{failure}", ["error.type"],
        "Batches that the store did not take; all but those with `invalid` were tried again");
    source_age: Gauge("llm_sre.source.age", "s", ["llm_sre.source"],
        "Time since the newest telemetry of a service in the partitions that this process reads, of the 50 that were silent for longest");
    sources: Gauge("llm_sre.sources", "{source}", [], "Services in the partitions that this process reads; at most 10,000 are counted");

    dead_letters: Counter("llm_sre.dead_letters", "{message}", ["messaging.destination.name", "llm_sre.rejected_by"],
        "Dead letters that were written");
    dead_letters_waiting: Gauge("llm_sre.dead_letters.waiting", "{message}", ["messaging.destination.name"],
        "Dead letters that were not replayed");

    detector_watermark_age: Gauge("llm_sre.detector.watermark.age", "s", [],
        "How far event time, up to which detection has judged, is behind the product's clock; told by the instance that detects");
    detector_samples: Counter("llm_sre.detector.samples", "{sample}", ["llm_sre.outcome", "llm_sre.reason"],
        "Samples of series: taken, late (not after the newest of their series or counter) or refused, and why they were refused: `too_many_series`, `too_many_series_of_metric`, `too_many_requests_labels`, `far_future`, `not_finite`");
    detector_findings: Counter("llm_sre.detector.findings", "{finding}", ["llm_sre.finding"],
        "What detection found: cases that call for an incident, more of one, and recovery");
    incidents: Gauge("llm_sre.incidents", "{incident}", ["llm_sre.state"], "Incidents that live, by state");
    actions: Gauge("llm_sre.actions", "{action}", ["llm_sre.state"], "Actions that have not ended, by state");
    holds: Gauge("llm_sre.holds", "{hold}", ["llm_sre.hold"],
        "What stands of `kill_switch`, 1 while it is engaged, and of `freeze` and `maintenance`, those that have begun and are not over");
    stage_duration: Histogram("llm_sre.incident.stage.duration", "s", ["llm_sre.service", "llm_sre.stage", "llm_sre.outcome"],
        "Time that a step of an incident took: diagnose, propose, approve, execute, verify and so on");

    // Names of OpenTelemetry's conventions for generative AI.
    model_duration: Histogram("gen_ai.client.operation.duration", "s",
        ["gen_ai.operation.name", "gen_ai.provider.name", "gen_ai.request.model", "error.type"],
        "Time that a request to a language model took; `error.type` is why it gave no answer");
    model_tokens: Histogram("gen_ai.client.token.usage", "{token}",
        ["gen_ai.operation.name", "gen_ai.provider.name", "gen_ai.request.model", "gen_ai.token.type"],
        "Tokens that a request to a language model cost, as its server says or else as they were reckoned");

    lease_held: Gauge("llm_sre.lease.held", "1", ["llm_sre.lease"], "1 where this process holds the lease, else 0");
    dependency_up: Gauge("llm_sre.dependency.up", "1", ["llm_sre.dependency"], "1 where what the services need answers, else 0");
    build: Gauge("llm_sre.build.info", "1", ["service.version"], "1; the version is in the attribute");
}

/// Attributes as OpenTelemetry has them.
fn key_values(attributes: &[Attribute]) -> Vec<KeyValue> {
    attributes.iter().map(|(name, value)| KeyValue::new(*name, value.to_string())).collect()
}

#[cfg(test)]
mod tests;
