//! How many requests lie behind a number: a share or a mean of a handful is noise, and harm is so much times so many.

use std::sync::Arc;

use super::sample::Sample;
use super::{Detector, SeriesKey, classify, requests};
use crate::telemetry::MetricPoint;
use crate::{Signal, Timestamp};

/// Samples of traffic that a rate is taken over.
const RATE_SAMPLES: usize = 3;

/// How many requests were answered lately, as far as gauges and summaries say; histograms count for themselves.
#[derive(Clone, Copy, Debug)]
pub(super) struct Load {
    pub(super) time: Timestamp,
    /// In the newest interval of its sender.
    requests: f64,
    /// The count of a summary so far, and since when it counts; `None` where it does not go on counting.
    total: Option<(Timestamp, f64)>,
}

impl Detector {
    /// Notes the count of a summary. How many requests it stands for; `None` where nobody counted. One that says since
    /// when it counts goes on counting, as Prometheus' does; one that does not counts anew each time.
    pub(super) fn count_summary(&mut self, point: &MetricPoint, count: u64) -> Option<f64> {
        if count == 0 || !classify::is_request_duration(&point.metric) {
            return (count > 0).then_some(count as f64);
        }
        let key = (point.service.clone(), point.origin.instance.clone());
        let total = point.start.map(|start| (start, count as f64));
        let before = self.loads.get(&key).and_then(|load| load.total);
        let requests = match (total, before) {
            (Some((start, now)), Some((same, before))) if start == same && now >= before => now - before,
            _ => count as f64,
        };
        self.note_load(key, Load { time: point.time, requests, total });
        Some(requests)
    }

    /// Takes a gauge. Where requests are counted beside it, means and shares of a handful of them are left out.
    pub(super) fn gauge(&mut self, point: &MetricPoint, value: f64) {
        let signal = classify::signal(&point.metric, &point.attributes);
        let load_key = (point.service.clone(), point.origin.instance.clone());
        if signal == Signal::Traffic && !is_rate(&point.unit) {
            let total = self.loads.get(&load_key).and_then(|load| load.total);
            if total.is_none() && value >= 0.0 {
                self.note_load(load_key, Load { time: point.time, requests: value, total });
            }
            let sample = Sample::count(point.time, value);
            return self.observe(self.key(point, ""), signal, &point.unit, &point.origin, sample);
        }
        let whole = classify::share_of(signal, &point.metric, &point.unit);
        let requests = self.loads.get(&load_key).map(|load| load.requests);
        let sample = match (requests, whole) {
            (Some(requests), _)
                if requests < requests::REQUESTS_MIN && (whole.is_some() || signal == Signal::Latency) =>
            {
                return;
            }
            (Some(requests), Some(whole)) => Sample::share(point.time, value, whole, requests),
            _ => Sample::plain(point.time, value),
        };
        self.observe(self.key(point, ""), signal, &point.unit, &point.origin, sample);
    }

    fn note_load(&mut self, key: (crate::ServiceId, Arc<str>), load: Load) {
        if self.loads.len() < super::SERIES_MAX || self.loads.contains_key(&key) {
            self.loads.insert(key, load);
        }
    }

    /// How many requests a second the process, or else the service, of this series answered lately. `None` where
    /// nobody counted.
    pub(super) fn requests_per_s(&self, key: &SeriesKey) -> Option<f64> {
        let of = |instance: &str| {
            let traffic = self
                .series_of(&key.service)
                .filter(|(other, watched)| watched.signal == Signal::Traffic && &*other.instance == instance);
            let rates = traffic.filter_map(|(_, watched)| {
                let values: Vec<f64> = watched
                    .series
                    .recent
                    .iter()
                    .rev()
                    .take(RATE_SAMPLES)
                    .map(|recent| f64::from(recent.value))
                    .collect();
                let mean = values.iter().sum::<f64>() / values.len().max(1) as f64;
                let seconds = if is_rate(&watched.unit) { 1.0 } else { watched.series.interval_s() };
                (seconds > 0.0 && mean.is_finite()).then(|| mean.max(0.0) / seconds)
            });
            rates.fold(None, |most: Option<f64>, rate| Some(most.map_or(rate, |most| most.max(rate))))
        };
        of(&key.instance).or_else(|| of(""))
    }
}

/// Whether a unit is that of a rate, such as `{request}/s`.
fn is_rate(unit: &str) -> bool {
    unit.ends_with("/s")
}
