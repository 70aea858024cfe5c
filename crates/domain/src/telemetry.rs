//! Telemetry as the domain sees it: points, log records, calls and changes, each with the service that it speaks of.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::{ServiceId, Timestamp};

/// Attributes of a point or a record, ordered by key. Values are text; numbers and booleans are written as OTLP/JSON
/// writes them.
pub type Attributes = BTreeMap<Arc<str>, Arc<str>>;

/// Which process of a service spoke: the resource's instance and version.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub struct Origin {
    /// `service.instance.id`, or else `k8s.pod.name`, `container.id` or `host.name`; empty where none is given.
    pub instance: Arc<str>,
    /// `service.version`; empty where none is given.
    pub version: Arc<str>,
}

/// One point of one metric.
#[derive(Clone, Debug, PartialEq)]
pub struct MetricPoint {
    /// The service that it measures.
    pub service: ServiceId,
    /// The process that it measures.
    pub origin: Origin,
    /// The metric's name, such as `http.server.request.duration`.
    pub metric: Arc<str>,
    /// The unit in UCUM, such as `s` or `By`; empty where none is given.
    pub unit: Arc<str>,
    /// The point's own attributes, such as `http.route`.
    pub attributes: Attributes,
    /// When it was measured.
    pub time: Timestamp,
    /// Start of the interval that a sum or a histogram counts over; `None` where OTLP says zero.
    pub start: Option<Timestamp>,
    /// What was measured.
    pub value: PointValue,
}

/// How a sum or histogram relates to the points before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Temporality {
    /// Counts since `start`, which moves only when the process restarts.
    Cumulative,
    /// Counts since the point before.
    Delta,
}

/// The value of a point, by OTLP's kinds.
#[derive(Clone, Debug, PartialEq)]
pub enum PointValue {
    /// A value sampled now.
    Gauge(f64),
    /// A sum over time.
    Sum {
        /// The sum, in the metric's unit.
        value: f64,
        /// Whether it can only grow, so that a drop means a restart.
        monotonic: bool,
        /// What it counts since.
        temporality: Temporality,
    },
    /// A distribution in buckets; an exponential histogram is converted to explicit bounds on entry.
    Histogram {
        /// How many values.
        count: u64,
        /// Their sum, where the sender gave it.
        sum: Option<f64>,
        /// Upper bounds of all buckets but the last, ascending.
        bounds: Arc<[f64]>,
        /// Values per bucket; one more than `bounds`, or empty where the sender gave none.
        buckets: Vec<u64>,
        /// What it counts since.
        temporality: Temporality,
    },
    /// Quantiles that the sender computed.
    Summary {
        /// How many values, where the sender gave it (zero otherwise).
        count: u64,
        /// Their sum.
        sum: f64,
        /// Pairs of quantile (0 to 1) and value, ascending by quantile.
        quantiles: Vec<(f64, f64)>,
    },
}

/// One log record.
#[derive(Clone, Debug, PartialEq)]
pub struct LogRecord {
    /// The service that wrote it.
    pub service: ServiceId,
    /// The process that wrote it.
    pub origin: Origin,
    /// When it happened; the observed time where the sender gave no other.
    pub time: Timestamp,
    /// How bad it is.
    pub severity: LogSeverity,
    /// The text; a structured body is its JSON.
    pub body: String,
    /// The event's name, for records that are events; empty otherwise.
    pub event_name: Arc<str>,
    /// The record's own attributes.
    pub attributes: Attributes,
    /// The trace that it belongs to.
    pub trace_id: Option<[u8; 16]>,
    /// The span that it belongs to.
    pub span_id: Option<[u8; 8]>,
}

/// Severity of a log record, by OTLP's ranges of `severity_number`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub enum LogSeverity {
    /// Not stated (0).
    Unspecified,
    /// 1 to 4.
    Trace,
    /// 5 to 8.
    Debug,
    /// 9 to 12.
    Info,
    /// 13 to 16.
    Warn,
    /// 17 to 20.
    Error,
    /// 21 to 24.
    Fatal,
}

impl LogSeverity {
    /// All of them, the least first.
    pub const ALL: [Self; 7] =
        [Self::Unspecified, Self::Trace, Self::Debug, Self::Info, Self::Warn, Self::Error, Self::Fatal];

    /// From OTLP's `severity_number`; a number out of its range is not stated.
    pub fn from_number(number: i32) -> Self {
        match number {
            1..=4 => Self::Trace,
            5..=8 => Self::Debug,
            9..=12 => Self::Info,
            13..=16 => Self::Warn,
            17..=20 => Self::Error,
            21..=24 => Self::Fatal,
            _ => Self::Unspecified,
        }
    }

    /// The lowest `severity_number` of the range.
    pub fn number(self) -> i32 {
        match self {
            Self::Unspecified => 0,
            Self::Trace => 1,
            Self::Debug => 5,
            Self::Info => 9,
            Self::Warn => 13,
            Self::Error => 17,
            Self::Fatal => 21,
        }
    }
}

/// Calls from one service to another during an interval.
#[derive(Clone, Debug, PartialEq)]
pub struct Calls {
    /// Who called.
    pub client: ServiceId,
    /// Who was called.
    pub server: ServiceId,
    /// End of the interval.
    pub time: Timestamp,
    /// How many calls.
    pub count: f64,
}

/// One finished span, reduced to what detection and the call graph need.
#[derive(Clone, Debug, PartialEq)]
pub struct Span {
    /// The service that recorded it.
    pub service: ServiceId,
    /// The process that recorded it.
    pub origin: Origin,
    /// Its trace.
    pub trace_id: [u8; 16],
    /// Its id.
    pub span_id: [u8; 8],
    /// Its parent, if any.
    pub parent_span_id: Option<[u8; 8]>,
    /// The operation's name.
    pub name: Arc<str>,
    /// Which side of a call it is.
    pub kind: SpanKind,
    /// When it ended.
    pub end: Timestamp,
    /// How long it took.
    pub duration: Duration,
    /// Whether its status is an error.
    pub is_error: bool,
    /// `peer.service` of a client span, where the sender gave it.
    pub peer: Option<Arc<str>>,
}

/// Which side of a call a span is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpanKind {
    /// Work inside a service, or not stated.
    Internal,
    /// The callee's side of a call.
    Server,
    /// The caller's side of a call.
    Client,
    /// Sends a message.
    Producer,
    /// Handles a message.
    Consumer,
}

/// A change that somebody or something made to a service: evidence of the first rank.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Change {
    /// The service that was changed.
    pub service: ServiceId,
    /// When it took effect.
    pub time: Timestamp,
    /// What kind of change.
    pub kind: ChangeKind,
    /// What was changed: the deployment, the flag's key, the setting's key.
    pub subject: String,
    /// The value or version before; empty where the sender did not say.
    pub before: String,
    /// The value or version after; empty where the sender did not say.
    pub after: String,
    /// What the sender wrote about it.
    pub description: String,
}

/// Kinds of change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub enum ChangeKind {
    /// A new version was rolled out.
    Deployment,
    /// A feature flag was switched.
    FeatureFlag,
    /// A setting was changed.
    Configuration,
    /// The number of instances was changed.
    Scaling,
    /// A process was started again.
    Restart,
}
