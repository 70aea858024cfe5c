//! An incident's steps as spans of one trace.
//!
//! A span is exported when it ends, and an incident can last for hours and outlive the process; so no span is held open.
//! Each step that ended is stored as a record first, and exported from there with ids that derive from incident and
//! step. A kill between the two delays the span; a kill in between export and the note that it was exported sends the
//! same span again.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use llm_sre_ports::clock::Clock;
use llm_sre_ports::documents::{Documents, Filter};
use opentelemetry::trace::{SpanContext, SpanId, SpanKind, Status as SpanStatus, TraceFlags, TraceId, TraceState};
use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_otlp::SpanExporter as OtlpExporter;
use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanExporter, SpanLinks};
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tonic::Status;
use uuid::Uuid;

use crate::context::TraceContext;
use crate::logging;
use crate::metrics;
use crate::records::{Attributes, Records, Stored, Write};

/// The step that all others of an incident hang on.
pub const ROOT: &str = "incident";

/// Spans in one export.
const BATCH: usize = 64;
/// How often the store is asked for steps that another process left behind.
const POLL: Duration = Duration::from_secs(5);
/// The longest wait after exports that failed.
const BACKOFF_MAX: Duration = Duration::from_secs(60);

/// One step of an incident that has ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Stage {
    /// The incident, and so the trace.
    pub incident: Uuid,
    /// The step's key within its incident, such as `diagnose/1`. Span ids derive from it.
    pub key: String,
    /// The span's name, such as `diagnose`.
    pub name: String,
    /// Start in nanoseconds since the Unix epoch, by [`SpanTime`].
    pub start_unix_nano: u64,
    /// End in nanoseconds since the Unix epoch, by [`SpanTime`].
    pub end_unix_nano: u64,
    /// Attributes of the span.
    pub attributes: Vec<(String, String)>,
    /// Attributes that are numbers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub numbers: Vec<(String, i64)>,
    /// Whether somebody outside the product was called: the span's kind is then CLIENT.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_call: bool,
    /// Why it failed; empty where it did not.
    pub error: String,
}

/// What the times of spans go by.
#[derive(Clone)]
pub enum SpanTime {
    /// Real time, whatever the product's clock says: others put spans of theirs beside these.
    Real,
    /// A clock in virtual time, where a run is to store the same bytes again.
    Virtual(Arc<dyn Clock>),
}

impl SpanTime {
    /// Nanoseconds since the Unix epoch.
    fn now_unix_nano(&self) -> u64 {
        match self {
            Self::Real => {
                #[allow(clippy::disallowed_methods)] // Spans are on real time; see the three clocks in ARCHITECTURE.md.
                let now = SystemTime::now();
                now.duration_since(UNIX_EPOCH).map_or(0, |since| u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
            }
            Self::Virtual(clock) => u64::try_from(clock.now().as_nanos()).unwrap_or(0),
        }
    }
}

/// Stores one service's steps and exports them.
pub struct StageLog {
    records: Records<Stage>,
    service: String,
    exporter: Option<OtlpExporter>,
    time: SpanTime,
    written: Notify,
}

impl StageLog {
    /// For one service. Without an endpoint steps are stored and nothing is connected.
    pub fn new(
        store: Arc<dyn Documents>,
        service: &str,
        otlp_endpoint: Option<&str>,
        time: SpanTime,
    ) -> Result<Arc<Self>, logging::Error> {
        let exporter = otlp_endpoint.map(logging::exporter).transpose()?.map(|mut exporter| {
            exporter.set_resource(&logging::resource(service, None));
            exporter
        });
        let records = Records::new(store, "stages");
        Ok(Arc::new(Self { records, service: service.to_owned(), exporter, time, written: Notify::new() }))
    }

    /// The present in the time that spans are in, in nanoseconds since the Unix epoch.
    pub fn now_unix_nano(&self) -> u64 {
        self.time.now_unix_nano()
    }

    /// Stores a step that has ended. The same step twice is one: the first stays.
    pub async fn record(&self, stage: Stage) -> Result<(), Status> {
        let id = id(&stage);
        let pending = if self.exporter.is_some() { "yes" } else { "no" };
        match self.records.create(&id, &stage, self.attributes(&stage, pending)).await? {
            Write::Done(_) => {
                self.measure(&stage);
                self.written.notify_one();
            }
            Write::Conflict => {}
        }
        Ok(())
    }

    fn measure(&self, stage: &Stage) {
        let took = Duration::from_nanos(stage.end_unix_nano.saturating_sub(stage.start_unix_nano));
        let outcome = if stage.error.is_empty() { "done" } else { "failed" };
        let attributes = [
            ("llm_sre.service", self.service.clone().into()),
            ("llm_sre.stage", stage.name.clone().into()),
            ("llm_sre.outcome", outcome.into()),
        ];
        metrics::instruments().stage_duration.took(took, &attributes);
    }

    /// Exports until `shutdown`, and once more then.
    pub async fn run(&self, shutdown: CancellationToken) {
        let Some(exporter) = &self.exporter else { return };
        let mut wait = POLL;
        loop {
            match self.export_pending(exporter).await {
                Ok(()) => wait = POLL,
                Err(error) => {
                    wait = (wait * 2).min(BACKOFF_MAX);
                    tracing::warn!(%error, service = self.service, retry_in_s = wait.as_secs(), "spans wait for export");
                }
            }
            tokio::select! {
                biased;
                () = shutdown.cancelled() => break,
                () = self.written.notified(), if wait == POLL => {}
                () = tokio::time::sleep(wait) => {}
            }
        }
        if let Err(error) = self.export_pending(exporter).await {
            tracing::warn!(%error, service = self.service, "spans stay for the next start");
        }
    }

    async fn export_pending(&self, exporter: &OtlpExporter) -> Result<(), ExportError> {
        loop {
            let filter = Filter::default().with("service", &self.service).with("pending", "yes");
            let (stages, _) = self.records.list(filter, None, BATCH).await.map_err(ExportError::Store)?;
            if stages.is_empty() {
                return Ok(());
            }
            exporter.export(stages.iter().map(|stored| span(&stored.message)).collect()).await?;
            for stored in &stages {
                self.mark_exported(stored).await.map_err(ExportError::Store)?;
            }
        }
    }

    async fn mark_exported(&self, stored: &Stored<Stage>) -> Result<(), Status> {
        let attributes = self.attributes(&stored.message, "no");
        // A conflict means that another instance of this service exported it too.
        self.records.replace(stored, &stored.message, attributes).await.map(|_| ())
    }

    fn attributes(&self, stage: &Stage, pending: &str) -> Attributes {
        [("service", self.service.as_str()), ("incident", &stage.incident.to_string()), ("pending", pending)]
            .into_iter()
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .collect()
    }
}

/// Why spans could not be exported.
#[derive(Debug, thiserror::Error)]
enum ExportError {
    #[error("failed to read or mark stages: {0}")]
    Store(Status),
    #[error("failed to export: {0}")]
    Export(#[from] opentelemetry_sdk::error::OTelSdkError),
}

fn id(stage: &Stage) -> String {
    format!("{}/{}", stage.incident, stage.key)
}

fn span(stage: &Stage) -> SpanData {
    let context = TraceContext::of_stage(stage.incident, &stage.key);
    let is_root = stage.key == ROOT;
    let parent = TraceContext::of_stage(stage.incident, ROOT);
    let attribute = |(key, value): &(String, String)| KeyValue::new(key.clone(), value.clone());
    let numbers = stage.numbers.iter().map(|(key, value)| KeyValue::new(key.clone(), *value));
    let status =
        if stage.error.is_empty() { SpanStatus::Unset } else { SpanStatus::error(Cow::Owned(stage.error.clone())) };
    SpanData {
        span_context: SpanContext::new(
            TraceId::from_bytes(context.trace_id()),
            SpanId::from_bytes(context.span_id()),
            TraceFlags::SAMPLED,
            false,
            TraceState::default(),
        ),
        parent_span_id: if is_root { SpanId::INVALID } else { SpanId::from_bytes(parent.span_id()) },
        parent_span_is_remote: !is_root,
        span_kind: if stage.is_call { SpanKind::Client } else { SpanKind::Internal },
        name: Cow::Owned(stage.name.clone()),
        start_time: UNIX_EPOCH + Duration::from_nanos(stage.start_unix_nano),
        end_time: UNIX_EPOCH + Duration::from_nanos(stage.end_unix_nano),
        attributes: stage.attributes.iter().map(attribute).chain(numbers).collect(),
        dropped_attributes_count: 0,
        events: SpanEvents::default(),
        links: SpanLinks::default(),
        status,
        instrumentation_scope: InstrumentationScope::builder("llm-sre").build(),
    }
}

#[cfg(test)]
mod tests {
    use llm_sre_ports::clock::ManualClock;

    use super::*;

    #[test]
    fn spans_of_a_run_in_virtual_time_are_in_that_time() {
        let clock = Arc::new(ManualClock::new(Default::default()));
        let time = SpanTime::Virtual(Arc::<ManualClock>::clone(&clock));
        clock.advance_to(clock.now() + Duration::from_secs(7));
        assert_eq!(time.now_unix_nano(), 7_000_000_000);
        assert!(SpanTime::Real.now_unix_nano() > time.now_unix_nano());
    }
}
