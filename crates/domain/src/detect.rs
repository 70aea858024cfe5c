//! From telemetry to what is abnormal, series by series, as a stream.
//!
//! A [`Detector`] takes points, records and spans in the order in which they come, and closes windows of event time
//! as its watermark advances. [`Detector::abnormal`] then says what is outside of its usual range; nothing is decided
//! here about incidents. All state is bounded: by [`SERIES_MAX`], and per series by its room, about a kilobyte.

mod baseline;
mod budget;
mod checkpoint;
mod classify;
mod explained;
mod felt;
mod findings;
mod habit;
mod heirs;
mod known;
mod load;
mod logs;
mod objectives;
mod odd;
mod present;
mod pulse;
mod rates;
mod recent;
mod recorded;
mod recovery;
mod refused;
mod requests;
mod routes;
mod sample;
mod series;
mod short;
mod standing;
mod table;
#[cfg(test)]
mod tests;
mod versions;
mod vitals;
mod watch;
mod windows;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use crate::calls::CallFinder;
use crate::telemetry::{Calls, Change, LogRecord, MetricPoint, PointValue, Span};
use crate::topology::Topology;
use crate::{ServiceId, Timestamp};

use budget::Budget;
use known::{Speaker, Way};
use load::Load;
use logs::Logs;
use pulse::{Gap, Pulse};
use refused::Crowds;
use requests::{Counted, Requests, Scope};
use routes::Routes;
use sample::Sample;
use table::Table;

pub use checkpoint::{CHECKPOINT_VERSION, Checkpoint, Hour};
pub use findings::Abnormal;
pub(crate) use findings::{CALL_DURATION, CALLS_FAILED, CERTIFICATE_LEFT};
pub use known::{Distribution, Reading, Value};
pub(crate) use logs::EXEMPLAR_BYTES_MAX;
pub use logs::log_facts;
pub use objectives::{Objective, Objectives};
pub use recorded::{Recorded, Usual};
pub use recovery::{Measured, Recovery};
pub use refused::{Crowd, METRIC_SERIES_MAX, Refusal, Refused};
pub(crate) use requests::PEER;
pub use routes::Fingerprint;
pub(crate) use standing::{Hurt, Standing};
pub(crate) use vitals::is_at;
pub use vitals::{CallVitals, Callee, Health, Latency, Saturation, Troubles, Vitals};

/// Series watched at once; points of further ones are counted as refused.
pub const SERIES_MAX: usize = 1 << 20;
/// Services, and processes, heard of at once; further ones are watched, and their silence is not.
const SPEAKERS_MAX: usize = 50_000;
/// Services, edges' counters and spans remembered to find calls by.
const CALLS_MAX: usize = 10_000;
/// Changes kept, and for how long.
const CHANGES_MAX: usize = 1_000;
const CHANGES_KEPT: Duration = Duration::from_secs(2 * 3600);
/// A series or an edge that was silent for so long is forgotten.
const FORGET_AFTER: Duration = Duration::from_secs(3600);
/// How often what is to be forgotten is looked for.
const FORGET_EVERY: Duration = Duration::from_secs(60);
/// Requests that lie beyond a quantile, for it to be a sample: of fewer it is one of them, by chance.
const BEYOND_MIN: f64 = 4.999;
/// Points that lie further in the future than this, as seen from the watermark, are refused: one wrong clock must
/// not close everybody's windows.
const FUTURE_MAX: Duration = Duration::from_secs(6 * 3600);

/// How much was taken and what was left out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Samples taken.
    pub taken: u64,
    /// Points not after the newest one of their series or counter. They change nothing.
    pub late: u64,
    /// Points that were left out, by reason.
    pub refused: Refused,
}

impl Counts {
    /// What was counted since an earlier count.
    pub fn since(&self, before: &Self) -> Self {
        let (taken, late) = (self.taken - before.taken, self.late - before.late);
        Self { taken, late, refused: self.refused.since(&before.refused) }
    }
}

/// The state of detection.
#[derive(Debug)]
pub struct Detector {
    objectives: Objectives,
    table: Table,
    routes: Routes,
    /// Who speaks, by fingerprint.
    speakers: BTreeMap<[u64; 2], Arc<Speaker>>,
    speakers_forgotten_at: Timestamp,
    /// Who spoke last, and the last time that it was heard of by then.
    speaking: Option<(Fingerprint, Arc<Speaker>)>,
    heard: Option<Timestamp>,
    /// What fingerprints of request durations stand for.
    counted: Vec<Arc<Counted>>,
    requests: BTreeMap<(ServiceId, Scope), Requests>,
    budgets: BTreeMap<ServiceId, Budget>,
    logs: BTreeMap<ServiceId, Logs>,
    pulses: BTreeMap<ServiceId, Pulse>,
    newest: Timestamp,
    gap: Option<Gap>,
    loads: BTreeMap<(ServiceId, Arc<str>), Load>,
    changes: VecDeque<Change>,
    finder: CallFinder,
    topology: Topology,
    watermark: Timestamp,
    forgotten_at: Timestamp,
    counts: Counts,
    crowds: Crowds,
}

impl Detector {
    /// A detector that has seen nothing.
    pub fn new(objectives: Objectives) -> Self {
        Self {
            objectives,
            table: Table::default(),
            routes: Routes::default(),
            speakers: BTreeMap::new(),
            speakers_forgotten_at: Timestamp::EPOCH,
            speaking: None,
            heard: None,
            counted: Vec::new(),
            requests: BTreeMap::new(),
            budgets: BTreeMap::new(),
            logs: BTreeMap::new(),
            pulses: BTreeMap::new(),
            newest: Timestamp::EPOCH,
            gap: None,
            loads: BTreeMap::new(),
            changes: VecDeque::new(),
            finder: CallFinder::new(CALLS_MAX),
            topology: Topology::default(),
            watermark: Timestamp::EPOCH,
            forgotten_at: Timestamp::EPOCH,
            counts: Counts::default(),
            crowds: Crowds::default(),
        }
    }

    /// How much was taken and what was left out.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// Event time up to which windows are closed.
    pub fn watermark(&self) -> Timestamp {
        self.watermark
    }

    /// Who calls whom, as seen within the last hour.
    pub fn topology(&self) -> &Topology {
        &self.topology
    }

    /// Whether a service was heard of within what is remembered.
    pub fn knows(&self, service: &ServiceId) -> bool {
        self.pulses.contains_key(service)
    }

    /// Every service that was heard of within what is remembered.
    pub fn services(&self) -> impl Iterator<Item = &ServiceId> {
        self.pulses.keys()
    }

    /// How many requests a second a service answered lately; `None` where nobody counted.
    pub fn requests_per_second(&self, service: &ServiceId) -> Option<f64> {
        self.requests_per_s(service, "")
    }

    /// What a service is held to.
    pub fn objective(&self, service: &ServiceId) -> Objective {
        self.objectives.of(service)
    }

    /// How fast a service burns its error budget over the last hour; `None` without requests.
    pub fn burn_rate(&self, service: &ServiceId) -> Option<f64> {
        self.budgets.get(service)?.rate(self.watermark, &self.objective(service))
    }

    /// Takes a point.
    pub fn metric(&mut self, point: &MetricPoint) {
        self.place(point);
    }

    /// Takes a point. The way that others like it would go, where there is a shorter one.
    fn place(&mut self, point: &MetricPoint) -> Option<Way> {
        if !self.hear(&point.service, point.time) {
            return None;
        }
        if let Some(calls) = self.finder.point(point) {
            self.observe_calls(&calls);
            return None;
        }
        match &point.value {
            PointValue::Gauge(value) => self.gauge(point, *value),
            PointValue::Sum { value, monotonic: false, .. } => self.gauge(point, *value),
            PointValue::Sum { value, temporality, .. } => self.count(point, *value, *temporality),
            PointValue::Histogram { .. } => self.histogram(point),
            PointValue::Summary { count, quantiles, .. } => {
                let count = self.count_summary(point, *count);
                let is_told = |quantile: f64| count.is_none_or(|count| count * (1.0 - quantile) >= BEYOND_MIN);
                let watched = quantiles.iter().filter(|(quantile, _)| (0.5..0.99).contains(quantile));
                for (quantile, value) in watched.filter(|(quantile, _)| is_told(*quantile)) {
                    let signal = classify::signal(&point.metric, &point.attributes);
                    let key = self.key(point, &format!("p{}", quantile * 100.0));
                    let sample = Sample::plain(point.time, *value);
                    self.observe(&key, signal, &point.unit, &point.origin, sample);
                }
                None
            }
        }
    }

    /// Takes a log record.
    pub fn log(&mut self, record: &LogRecord) {
        if !self.hear(&record.service, record.time) {
            return;
        }
        if let Some(change) = Change::from_log(record) {
            self.changes.push_back(change);
            while self.changes.len() > CHANGES_MAX {
                self.changes.pop_front();
            }
            return;
        }
        self.logs.entry(record.service.clone()).or_default().observe(record);
    }

    /// Takes a span: for the call graph.
    pub fn span(&mut self, span: &Span) {
        if self.hear(&span.service, span.end) {
            for calls in self.finder.span(span) {
                self.observe_calls(&calls);
            }
        }
    }

    /// Closes the windows that end by `watermark`. It never goes back.
    pub fn advance(&mut self, watermark: Timestamp) {
        if watermark <= self.watermark {
            return;
        }
        self.excuse(watermark);
        self.watermark = watermark;
        self.close_requests();
        self.close_logs();
        self.note_usual_loads();
        self.accept_explained();
        if watermark.since(self.forgotten_at) >= FORGET_EVERY {
            self.forgotten_at = watermark;
            self.forget();
        }
    }

    fn observe_calls(&mut self, calls: &Calls) {
        self.topology.observe(&calls.client, &calls.server, calls.time);
    }

    /// Notes that a service speaks. Whether the time can be used.
    fn hear(&mut self, service: &ServiceId, time: Timestamp) -> bool {
        if self.watermark > Timestamp::EPOCH && time > self.watermark + FUTURE_MAX {
            self.counts.refused.add(Refusal::Future);
            return false;
        }
        self.finder.see(service);
        self.end_gap(time);
        let has_room = self.pulses.len() < SPEAKERS_MAX;
        match self.pulses.get_mut(service) {
            Some(pulse) => pulse.beat(time, self.gap),
            None if has_room => {
                self.pulses.insert(service.clone(), Pulse::new(time));
            }
            None => {}
        }
        true
    }
}
