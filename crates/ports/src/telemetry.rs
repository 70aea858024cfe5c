//! Telemetry at rest: points, log records, changes and calls, each under an id that makes a repeat harmless.

mod parts;
mod rules;

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use llm_sre_domain::telemetry::{Calls, Change, LogRecord, LogSeverity, MetricPoint, Origin};
use llm_sre_domain::{ServiceId, Timestamp};

pub use parts::Parts;
pub use rules::{LogPlace, RecordBytes, words};

/// The most records in one batch.
pub const BATCH_MAX: usize = 10_000;
/// The longest range that a query may ask for.
pub const RANGE_MAX: Duration = Duration::from_secs(31 * 24 * 3_600);

/// The most different words that a log search may ask for: more than a person types, and few enough to plan.
pub const WORDS_MAX: usize = 64;

/// What can go wrong with the telemetry store.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A query out of its bounds.
    #[error("{what} is invalid: {reason}")]
    InvalidArgument {
        /// Which argument.
        what: &'static str,
        /// What is wrong.
        reason: String,
    },
    /// There is no room left for all of it.
    #[error("the telemetry store is full")]
    Full,
    /// What is stored cannot be read.
    #[error("stored telemetry is corrupt: {0}")]
    Corrupt(String),
    /// The store does not answer; the same call may succeed later.
    #[error("the telemetry store is not available: {0}")]
    Unavailable(String),
}

/// Where a record came from: the same place is the same record, and so has the same time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecordId {
    /// Which topic, as a number that the caller keeps the same.
    pub topic: u8,
    /// The partition.
    pub partition: u32,
    /// The offset.
    pub offset: u64,
    /// The place within the record of the bus.
    pub index: u32,
}

/// Records to store.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// Points of metrics.
    pub points: Vec<(RecordId, MetricPoint)>,
    /// Log records.
    pub logs: Vec<(RecordId, LogRecord)>,
    /// Changes.
    pub changes: Vec<(RecordId, Change)>,
    /// Calls between services.
    pub calls: Vec<(RecordId, Calls)>,
}

impl Batch {
    /// How many records.
    pub fn len(&self) -> usize {
        self.points.len() + self.logs.len() + self.changes.len() + self.calls.len()
    }

    /// Whether there is nothing to store.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A half-open range of event time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    /// First instant in it.
    pub start: Timestamp,
    /// First instant after it.
    pub end: Timestamp,
}

/// Which series.
#[derive(Clone, Debug)]
pub struct SeriesQuery {
    /// The service.
    pub service: ServiceId,
    /// The metric's name.
    pub metric: String,
    /// Attributes that the series must have, with these values.
    pub attributes: BTreeMap<String, String>,
    /// Only this instance; empty matches all.
    pub instance: String,
    /// The range.
    pub range: Range,
    /// At most this many series.
    pub series_max: usize,
    /// At most this many points a series, the newest ones.
    pub points_max: usize,
}

/// One series.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// The process.
    pub origin: Origin,
    /// The unit.
    pub unit: String,
    /// The points' attributes.
    pub attributes: BTreeMap<String, String>,
    /// The points, oldest first.
    pub points: Vec<Point>,
}

/// One point for a chart.
#[derive(Clone, Debug, PartialEq)]
pub struct Point {
    /// When.
    pub time: Timestamp,
    /// A gauge's or a sum's value as it was sent, or a distribution's mean.
    pub value: f64,
    /// How many values a distribution holds; zero for others.
    pub count: u64,
    /// Pairs of quantile and value of a distribution whose sender computed them.
    pub quantiles: Vec<(f64, f64)>,
}

/// Series that matched.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SeriesPage {
    /// The series, in order of instance and attributes.
    pub series: Vec<Series>,
    /// Whether series or points were left out because of the limits.
    pub truncated: bool,
}

/// Which log records.
#[derive(Clone, Debug)]
pub struct LogQuery {
    /// The range.
    pub range: Range,
    /// Words that the body must contain, all of them, at most [`WORDS_MAX`]; none match all. See [`words`].
    pub text: String,
    /// Only this service.
    pub service: Option<ServiceId>,
    /// Only records at least this severe.
    pub min_severity: LogSeverity,
    /// Only records of this trace.
    pub trace_id: Option<[u8; 16]>,
    /// At most this many, and at least one.
    pub limit: usize,
    /// From the answer before. What is stored meanwhile moves no page.
    pub cursor: Option<String>,
}

/// Log records, newest first; those of one time by [`RecordId`], the greatest first.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LogPage {
    /// The records.
    pub records: Vec<LogRecord>,
    /// Cursor of the next page; `None` at the end.
    pub next: Option<String>,
}

/// How many log records, by part and severity.
pub type LogCounts = BTreeMap<(usize, LogSeverity), u64>;

/// A service that was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeenService {
    /// Who.
    pub service: ServiceId,
    /// The newest telemetry in the range, by event time, to the microsecond.
    pub last_seen: Timestamp,
    /// Names of its metrics in the range, in order.
    pub metrics: Vec<String>,
}

/// Calls of one edge, summed over a range.
#[derive(Clone, Debug, PartialEq)]
pub struct CallSum {
    /// Who calls.
    pub client: ServiceId,
    /// Who is called.
    pub server: ServiceId,
    /// How many calls.
    pub count: f64,
    /// When it was last seen, to the microsecond.
    pub last_seen: Timestamp,
}

/// The telemetry store. Every query is bounded by a range of event time of at most [`RANGE_MAX`].
#[async_trait]
pub trait TelemetryStore: Send + Sync {
    /// Stores records, at most [`BATCH_MAX`]; they are durable and found when it returns. A record whose id is stored
    /// already changes nothing. After an error some may be stored, and the same batch again stores the rest.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for a batch that is too large, of which nothing is stored, and for a record that the
    /// store can never hold, beside which it may have stored the others.
    async fn append(&self, batch: Batch) -> Result<(), Error>;

    /// Series for a chart.
    async fn series(&self, query: SeriesQuery) -> Result<SeriesPage, Error>;

    /// Full-text search over log records, newest first.
    async fn search_logs(&self, query: LogQuery) -> Result<LogPage, Error>;

    /// How many log records match, by part of the range and severity; what has none is absent. `limit` and `cursor` of the
    /// query mean nothing here. A store may be wrong by a quarter of a microsecond about where a part begins.
    async fn count_logs(&self, query: LogQuery, parts: Parts) -> Result<LogCounts, Error>;

    /// Changes in a range, newest first, at most `limit`. Those of one time come by [`RecordId`], the greatest first.
    async fn changes(&self, range: Range, service: Option<&ServiceId>, limit: usize) -> Result<Vec<Change>, Error>;

    /// The call graph of a range, in order of client and server, at most `limit`.
    async fn calls(&self, range: Range, limit: usize) -> Result<Vec<CallSum>, Error>;

    /// The services seen in a range by points or log records, in order, after `after`, at most `limit`.
    async fn services(&self, range: Range, after: Option<&ServiceId>, limit: usize) -> Result<Vec<SeenService>, Error>;

    /// Removes telemetry older than `before` by event time, and the oldest beyond `bytes_max`. Gives how many records
    /// were removed. A store may do so by days (UTC): then what is older, but of the day of `before`, stays with it, and
    /// so does the newest day. The size is kept about, not exactly, and is what the store itself takes for it.
    async fn prune(&self, before: Timestamp, bytes_max: Option<u64>) -> Result<u64, Error>;

    /// Removes the telemetry of days (UTC) after that of `last`, which senders with wrong clocks have told, unless the
    /// store has nothing else: then it is the caller's clock that is wrong. Gives how many records were removed. A store
    /// whose [`TelemetryStore::prune`] knows no newest day is not led astray by them, and keeps them.
    async fn prune_after(&self, last: Timestamp) -> Result<u64, Error> {
        let _kept_whatever = last;
        Ok(0)
    }
}
