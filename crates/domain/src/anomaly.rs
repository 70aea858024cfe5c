//! What detection says: one signal of one service left its normal range.

use std::sync::Arc;

use crate::telemetry::Origin;
use crate::{ServiceId, Timestamp};

/// Identifies an anomaly: derived from service, signal, metric and dimension, and the time of onset. The same
/// telemetry gives the same id after a restart or a replay.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct AnomalyId(pub Arc<str>);

/// What a signal means to its service, from the semantic conventions where they say so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub enum Signal {
    /// How long requests take.
    Latency,
    /// Which share of requests fails.
    Errors,
    /// How many requests arrive.
    Traffic,
    /// How full a resource is: CPU, memory, connections, queue, disk.
    Saturation,
    /// The error budget burns faster than the objective allows.
    BudgetBurn,
    /// More error logs than usual.
    LogBurst,
    /// An error or warning log never seen before.
    NewLogTemplate,
    /// A source stopped sending.
    Silence,
    /// A metric whose meaning no convention states.
    Other,
    /// A metric that always varied repeats one value, while others of its process vary.
    FlatLine,
    /// A resource filled so slowly, over hours, that no sample was outside of what was usual by then.
    Drift,
}

impl Signal {
    /// Whether it says since when something is wrong. What stands still or crept may have done so for long.
    pub fn is_dated(self) -> bool {
        !matches!(self, Self::FlatLine | Self::Drift)
    }
}

/// Which way a value left its range.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub enum Direction {
    /// Above the range.
    Up,
    /// Below the range.
    Down,
}

/// One signal of one service outside its normal range.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Anomaly {
    /// Its identity.
    pub id: AnomalyId,
    /// The service that shows it.
    pub service: ServiceId,
    /// The process that shows it; both parts empty where the whole service does.
    pub origin: Origin,
    /// What the signal means.
    pub signal: Signal,
    /// The metric, or the log template's text for log signals.
    pub metric: Arc<str>,
    /// What sets the series apart within its metric, such as `p95` or `pool=primary`; empty for the whole.
    pub dimension: Arc<str>,
    /// The unit in UCUM; empty where unknown.
    pub unit: Arc<str>,
    /// When the signal left its range, as well as the data tell. Never after `detected_at`.
    pub onset: Timestamp,
    /// The event time at which detection became sure.
    pub detected_at: Timestamp,
    /// The event time of the newest sample that still showed it.
    pub last_seen: Timestamp,
    /// Which way it left.
    pub direction: Direction,
    /// How far outside: robust standard deviations for series, burn rate over its threshold for budgets, ratio to the
    /// usual count for logs. Comparable within a signal, always positive and finite.
    pub score: f64,
    /// The usual value (median of the baseline), in `unit`.
    pub expected: f64,
    /// The most extreme value since the onset, in `unit`.
    pub observed: f64,
    /// A log line or trace that shows it; empty where there is none.
    pub exemplar: String,
    /// Requests per second that its service answered meanwhile: with it, a share or a duration becomes failed requests
    /// and lost time. `None` where nobody counted.
    pub requests_per_s: Option<f64>,
}
