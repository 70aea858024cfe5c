//! Logs with trace ids on stderr, and spans of calls by OTLP where that is configured.

use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_otlp::{SpanExporter, WithExportConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider};
use tracing_subscriber::filter::FilterExt;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, filter};

/// How long one export may take.
const EXPORT_TIMEOUT: Duration = Duration::from_secs(5);

/// Target of the spans that are exported. The log leaves them out: their attributes are for who reads traces.
pub(crate) const EXPORTED: &str = "llm_sre::rpc";

/// What can go wrong when logging is set up.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The filter has a mistake.
    #[error("log filter '{filter}' is invalid")]
    Filter {
        /// The filter.
        filter: String,
        /// Where.
        #[source]
        source: filter::ParseError,
    },
    /// The exporter cannot be built.
    #[error("failed to build the trace exporter for {endpoint}")]
    Exporter {
        /// The endpoint.
        endpoint: String,
        /// Why.
        #[source]
        source: opentelemetry_otlp::ExporterBuildError,
    },
    /// Somebody set up logging before.
    #[error("logging is set up already")]
    Twice(#[source] tracing_subscriber::util::TryInitError),
}

/// How to log.
#[derive(Clone, Debug)]
pub struct Options {
    /// Directives as in `info,llm_sre=debug`.
    pub filter: String,
    /// One JSON object a line instead of text.
    pub json: bool,
    /// Where to export spans, such as `http://127.0.0.1:4317`; `None` exports nothing and connects nowhere.
    pub otlp_endpoint: Option<String>,
    /// `service.name` of this process' spans.
    pub service_name: String,
}

/// Keeps the exporter; [`Logging::shutdown`] sends what it still holds.
#[derive(Debug)]
pub struct Logging {
    provider: Option<SdkTracerProvider>,
}

impl Logging {
    /// Sends what is left, for at most the export's time-out. A failure is returned for the caller's last words.
    pub fn shutdown(self) -> Result<(), opentelemetry_sdk::error::OTelSdkError> {
        self.provider.map_or(Ok(()), |provider| provider.shutdown())
    }
}

/// Sets up logging for the process. Needs a Tokio runtime where export is configured.
pub fn init(options: &Options) -> Result<Logging, Error> {
    let filter = EnvFilter::try_new(&options.filter)
        .map_err(|source| Error::Filter { filter: options.filter.clone(), source })?;
    let provider = options.otlp_endpoint.as_deref().map(|endpoint| provider(endpoint, &options.service_name));
    let provider = provider.transpose()?;
    let spans = provider.as_ref().map(|provider| {
        let rpc_only = filter::filter_fn(|metadata| metadata.target() == EXPORTED);
        tracing_opentelemetry::layer().with_tracer(provider.tracer("llm-sre")).with_filter(rpc_only)
    });
    let filter = filter.and(filter::filter_fn(|metadata| metadata.target() != EXPORTED));
    // Colours are for terminals: in a file they are noise.
    let is_terminal = std::io::IsTerminal::is_terminal(&std::io::stderr());
    let format = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_ansi(is_terminal).with_target(true);
    let format = if options.json { format.json().flatten_event(true).boxed() } else { format.compact().boxed() };
    tracing_subscriber::registry().with(spans).with(format.with_filter(filter)).try_init().map_err(Error::Twice)?;
    Ok(Logging { provider })
}

/// An exporter to `endpoint`.
pub(crate) fn exporter(endpoint: &str) -> Result<SpanExporter, Error> {
    SpanExporter::builder()
        .with_tonic()
        .with_endpoint(endpoint)
        .with_timeout(EXPORT_TIMEOUT)
        .build()
        .map_err(|source| Error::Exporter { endpoint: endpoint.to_owned(), source })
}

/// Who exports: a service, and which of its processes where that matters.
pub(crate) fn resource(service_name: &str, instance: Option<&str>) -> Resource {
    Resource::builder_empty()
        .with_attributes([
            KeyValue::new("service.name", service_name.to_owned()),
            KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
        ])
        .with_attributes(instance.map(|instance| KeyValue::new("service.instance.id", instance.to_owned())))
        .build()
}

fn provider(endpoint: &str, service_name: &str) -> Result<SdkTracerProvider, Error> {
    Ok(SdkTracerProvider::builder()
        .with_batch_exporter(exporter(endpoint)?)
        .with_sampler(Sampler::ParentBased(Box::new(Sampler::AlwaysOff)))
        .with_resource(resource(service_name, None))
        .build())
}
