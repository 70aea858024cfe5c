//! Requests that a service answers, summed over windows of event time: how many, how many failed, how long they took.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::classify;
use super::known::Distribution;
use super::rates::{Counter, Increment};
use crate::ServiceId;
use crate::Timestamp;
use crate::telemetry::{Attributes, MetricPoint, Temporality};

/// The width of a window. Senders that report less often fill some windows and leave others without a sample.
pub(crate) const WINDOW: Duration = Duration::from_secs(10);
/// Requests that a window needs before its latency or its share of errors is a sample: under that it is noise.
pub(crate) const REQUESTS_MIN: f64 = 10.0;
/// Windows open at once; older ones are closed by the watermark long before.
const WINDOWS_MAX: usize = 64;
/// The longest time from report to report, in seconds, that is waited for again.
const STEP_S_MAX: f64 = 120.0;
/// Counters kept a process; points of further label sets are refused.
const COUNTERS_MAX: usize = 512;
/// Services, processes, and addresses that are called, whose requests are counted.
pub(crate) const SCOPES_MAX: usize = 100_000;
/// Addresses that a service calls, followed at once: who calls all the world has no usual with each of it.
pub(crate) const PEERS_MAX: usize = 32;
/// The attribute that says where a call goes.
pub(crate) const PEER: &str = "server.address";

/// Whose requests are counted together. A service's own come first, then those of its processes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Scope {
    /// Those that a service answers.
    Service,
    /// Those that one of its processes answers.
    Process(Arc<str>),
    /// Those that it makes to an address.
    Peer(Arc<str>),
}

/// Why a point says nothing of requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Left {
    /// There is no room for one more counter.
    Full,
    /// It is not after the newest one of its counter.
    Late,
}

/// Sums over one window.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Window {
    pub(crate) requests: f64,
    pub(crate) failed: f64,
    pub(crate) per_second: f64,
    sum_s: f64,
    bounds: Arc<[f64]>,
    buckets: Vec<f64>,
}

/// What one point adds to a window.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Part<'a> {
    requests: f64,
    failed: f64,
    /// The change of the rate, which falls where a counter grows more slowly than before in the same window.
    per_second: f64,
    sum_s: f64,
    bounds: &'a [f64],
    buckets: Vec<f64>,
}

/// Requests with the same labels, as one process counts them.
#[derive(Debug)]
pub(crate) struct Counted {
    /// The scope of the service, or of the address that it calls, and of the process where it has a name.
    pub(super) whole: (ServiceId, Scope),
    pub(super) process: Option<(ServiceId, Scope)>,
    /// Whether it makes them, and does not answer them.
    pub(super) is_call: bool,
    /// The version of its service that the process runs.
    pub(super) version: Arc<str>,
    pub(super) labels: String,
    pub(super) is_failed: bool,
}

impl Counted {
    /// Those that a point counts. `None` for calls that do not say where they go.
    pub(super) fn new(point: &MetricPoint) -> Option<Self> {
        let (service, instance) = (&point.service, &point.origin.instance);
        let is_call = classify::is_call_duration(&point.metric);
        let scope = match is_call {
            true => Scope::Peer(point.attributes.get(PEER).filter(|peer| !peer.is_empty())?.clone()),
            false => Scope::Service,
        };
        let side = if is_call { "out," } else { "" };
        Some(Self {
            whole: (service.clone(), scope),
            process: (!instance.is_empty()).then(|| (service.clone(), Scope::Process(instance.clone()))),
            is_call,
            version: point.origin.version.clone(),
            labels: format!("{instance},{side}{}", labels(&point.attributes)),
            is_failed: classify::is_failed(&point.attributes),
        })
    }
}

impl Window {
    /// The share of failed requests.
    pub(crate) fn error_ratio(&self) -> f64 {
        if self.requests > 0.0 { (self.failed / self.requests).clamp(0.0, 1.0) } else { 0.0 }
    }

    /// How many requests its buckets hold; none where the sender gave no buckets.
    pub(crate) fn measured(&self) -> f64 {
        self.buckets.iter().sum()
    }

    /// Whether enough durations are known: buckets with other bounds than the first ones of the window are not added.
    pub(crate) fn is_timed(&self) -> bool {
        let measured = self.measured();
        self.requests >= REQUESTS_MIN && (measured == 0.0 || measured >= REQUESTS_MIN)
    }

    /// A quantile of the duration, interpolated in its bucket as Prometheus' `histogram_quantile` does; the mean where
    /// the sender gave no buckets.
    pub(crate) fn duration(&self, quantile: f64) -> f64 {
        let total = self.measured();
        if total <= 0.0 || self.bounds.is_empty() {
            return if self.requests > 0.0 { self.sum_s / self.requests } else { 0.0 };
        }
        let rank = quantile * total;
        let mut below = 0.0;
        for (index, count) in self.buckets.iter().enumerate() {
            if below + count >= rank && *count > 0.0 {
                let lower = if index == 0 { 0.0 } else { self.bounds[index - 1] };
                let Some(upper) = self.bounds.get(index) else { return lower };
                return lower + (upper - lower) * ((rank - below) / count);
            }
            below += count;
        }
        self.bounds.last().copied().unwrap_or(0.0)
    }

    /// How many requests took longer than `limit_s`, interpolated in its bucket; none where the sender gave no buckets.
    pub(crate) fn slower(&self, limit_s: f64) -> f64 {
        let slower = self.buckets.iter().enumerate().map(|(index, count)| {
            let lower = if index == 0 { 0.0 } else { self.bounds.get(index - 1).copied().unwrap_or(f64::INFINITY) };
            let upper = self.bounds.get(index).copied().unwrap_or(f64::INFINITY);
            let share = match (limit_s <= lower, limit_s >= upper) {
                (true, _) => 1.0,
                (_, true) => 0.0,
                // Nobody knows how far the last bucket reaches: what is in it may all be faster.
                _ if upper.is_infinite() => 0.0,
                _ => (upper - limit_s) / (upper - lower),
            };
            count * share
        });
        slower.sum()
    }

    fn add(&mut self, part: &Part<'_>) {
        self.requests += part.requests;
        self.failed += part.failed;
        self.per_second += part.per_second;
        self.sum_s += part.sum_s;
        if self.buckets.is_empty() {
            self.bounds = part.bounds.into();
            self.buckets.clone_from(&part.buckets);
        } else if *self.bounds == *part.bounds {
            for (sum, count) in self.buckets.iter_mut().zip(&part.buckets) {
                *sum += count;
            }
        }
    }
}

/// One histogram's last point, to take increments from.
#[derive(Clone, Debug, Default)]
struct Histogram {
    count: Counter,
    sum: f64,
    buckets: Vec<u64>,
    /// What came of it in the newest window so far.
    pace: Pace,
}

/// The increments of one counter within one window, whose rate they have together.
#[derive(Clone, Copy, Debug, Default)]
struct Pace {
    window: Timestamp,
    amount: f64,
    seconds: f64,
}

impl Pace {
    fn per_second(self) -> f64 {
        if self.seconds > 0.0 { self.amount / self.seconds } else { 0.0 }
    }

    /// By how much one more increment changes the rate of its window: a sender may report more than once in one.
    fn add(&mut self, time: Timestamp, step: Increment) -> f64 {
        let window = time.floor(WINDOW);
        let before = if self.window == window { *self } else { Self { window, ..Self::default() } };
        *self = Self { window, amount: before.amount + step.amount, seconds: before.seconds + step.seconds };
        self.per_second() - before.per_second()
    }
}

/// The requests of one scope.
#[derive(Clone, Debug, Default)]
pub(crate) struct Requests {
    counters: BTreeMap<String, Histogram>,
    windows: BTreeMap<Timestamp, Window>,
    /// Which version of its service a process runs, as it said last; empty for another scope.
    version: Arc<str>,
}

impl Requests {
    /// The increment that a point of a request-duration histogram brings, by the counter of its labels. `None` for
    /// first and unusable points.
    ///
    /// # Errors
    /// When it has no counter and there are [`COUNTERS_MAX`], or it comes late: what it counted is in a newer point.
    pub(crate) fn increment<'a>(
        &mut self,
        labels: &str,
        time: Timestamp,
        start: Option<Timestamp>,
        distribution: &Distribution<'a>,
        is_failed: bool,
    ) -> Result<Option<Part<'a>>, Left> {
        let Distribution { count, sum, bounds, buckets, temporality } = *distribution;
        if !self.counters.contains_key(labels) {
            if self.counters.len() >= COUNTERS_MAX {
                return Err(Left::Full);
            }
            self.counters.insert(labels.to_owned(), Histogram::default());
        }
        let Some(counter) = self.counters.get_mut(labels) else { return Err(Left::Full) };
        if time <= counter.count.last_time() {
            return Err(Left::Late);
        }
        let step = counter.count.advance(time, start, count as f64, temporality);
        let is_reset = temporality == Temporality::Delta
            || step.is_some_and(|step| step.amount >= count as f64)
            || counter.buckets.len() != buckets.len();
        let sum_before = if is_reset { 0.0 } else { counter.sum };
        counter.sum = sum.unwrap_or(0.0);
        let grown = step.map(|step| {
            let then = |index: usize| if is_reset { 0 } else { counter.buckets.get(index).copied().unwrap_or(0) };
            let grown = buckets.iter().enumerate().map(|(index, now)| now.saturating_sub(then(index)) as f64).collect();
            (step, grown)
        });
        counter.buckets.clear();
        counter.buckets.extend_from_slice(buckets);
        Ok(grown.map(|(step, buckets)| Part {
            requests: step.amount,
            failed: if is_failed { step.amount } else { 0.0 },
            per_second: counter.pace.add(time, step),
            sum_s: (sum.unwrap_or(0.0) - sum_before).max(0.0),
            bounds,
            buckets,
        }))
    }

    /// Gives up counters that were silent since before `horizon`. Whether anything is left.
    pub(crate) fn forget(&mut self, horizon: Timestamp) -> bool {
        self.counters.retain(|_, counter| counter.count.last_time() >= horizon);
        !self.counters.is_empty() || !self.windows.is_empty()
    }

    /// Adds an increment to the window of its time.
    pub(crate) fn add(&mut self, time: Timestamp, part: &Part<'_>) {
        self.windows.entry(time.floor(WINDOW)).or_default().add(part);
        while self.windows.len() > WINDOWS_MAX {
            self.windows.pop_first();
        }
    }

    /// How many there are in a second, and when that was counted last: of all counters, each as it was last, of which
    /// `is_recent` says by that time and the seconds from report to report that they tell of now. `None` without any.
    pub(crate) fn pace(&self, is_recent: impl Fn(Timestamp, f64) -> bool) -> Option<(f64, Timestamp)> {
        let counted = self.counters.values().map(|counter| (counter.pace, counter.count.last_time()));
        // After a gap the last step is the gap.
        let recent =
            counted.filter(|(pace, last)| pace.seconds > 0.0 && is_recent(*last, pace.seconds.min(STEP_S_MAX)));
        let paces = recent.map(|(pace, last)| (pace.per_second(), last));
        paces.reduce(|sum, more| (sum.0 + more.0, sum.1.max(more.1)))
    }

    /// Notes which version a process runs.
    pub(crate) fn runs(&mut self, version: &Arc<str>) {
        if !Arc::ptr_eq(&self.version, version) {
            self.version = Arc::clone(version);
        }
    }

    /// Which version a process runs.
    pub(crate) fn version(&self) -> &Arc<str> {
        &self.version
    }

    /// Whether a window ended by the watermark.
    pub(crate) fn has_ended(&self, watermark: Timestamp) -> bool {
        self.windows.first_key_value().is_some_and(|(start, _)| *start + WINDOW <= watermark)
    }

    /// Takes the windows that ended by the watermark, oldest first, with the time at which they ended.
    pub(crate) fn close(&mut self, watermark: Timestamp) -> Vec<(Timestamp, Window)> {
        let open = self.windows.split_off(&(watermark - WINDOW + Duration::from_nanos(1)));
        let closed = std::mem::replace(&mut self.windows, open);
        closed.into_iter().map(|(start, window)| (start + WINDOW, window)).collect()
    }
}

/// A point's labels as a key.
pub(crate) fn labels(attributes: &Attributes) -> String {
    let pairs: Vec<String> = attributes.iter().map(|(key, value)| format!("{key}={value}")).collect();
    pairs.join(",")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Whole seconds, so that windows of ten hold several reports, one, or none.
        #[test]
        fn a_rate_is_the_same_however_often_it_is_reported(
            every_s in 1_i64..40, offset_s in 0_i64..10, per_s in 1_u32..1_000,
        ) {
            let mut requests = Requests::default();
            for report in 0..60 {
                let time = Timestamp::from_secs(1_000 + offset_s + report * every_s);
                let count = u64::from(per_s) * u64::try_from(report * every_s).unwrap();
                let temporality = Temporality::Cumulative;
                let distribution = Distribution { count, sum: None, bounds: &[], buckets: &[], temporality };
                if let Some(part) = requests.increment("", time, None, &distribution, false).unwrap() {
                    requests.add(time, &part);
                }
            }
            let closed = requests.close(Timestamp::from_secs(10_000));
            prop_assert!(!closed.is_empty());
            for (time, window) in closed {
                prop_assert!((window.per_second - f64::from(per_s)).abs() < 1e-6, "{time:?}: {}", window.per_second);
            }
        }
    }

    #[test]
    fn what_is_slower_is_told_by_the_buckets() {
        let window = Window { bounds: vec![0.1, 0.2].into(), buckets: vec![10.0, 4.0, 2.0], ..Window::default() };
        for (limit_s, expected) in [(0.0, 16.0), (0.05, 11.0), (0.1, 6.0), (0.15, 4.0), (0.2, 2.0), (0.3, 0.0)] {
            assert!((window.slower(limit_s) - expected).abs() < 1e-9, "{limit_s}: {}", window.slower(limit_s));
        }
        assert!(Window::default().slower(0.1).abs() < 1e-9, "nothing is known");
    }
}
