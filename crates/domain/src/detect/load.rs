//! How many requests lie behind a number: a share or a mean of a handful is noise, and harm is so much times so many.

use std::sync::Arc;

use super::known::Way;
use super::sample::Sample;
use super::table::{Group, Meaning};
use super::{Detector, SPEAKERS_MAX, classify, requests};
use crate::telemetry::MetricPoint;
use crate::{ServiceId, Signal, Timestamp};

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

    /// Takes a gauge.
    pub(super) fn gauge(&mut self, point: &MetricPoint, value: f64) -> Option<Way> {
        let signal = classify::signal(&point.metric, &point.attributes);
        let key = self.key(point, "");
        let meaning = Meaning::new(signal, &point.metric, &point.unit);
        let process = (&point.service, &point.origin.instance);
        let sample = self.weigh(process, &meaning, point.time, value)?;
        let slot = self.observe(&key, signal, &point.unit, &point.origin, sample)?;
        // Else the name stands for something else, and points of this kind are looked at one by one.
        let is_same = |group: &Group| group.meaning.signal == signal && group.meaning.unit == meaning.unit;
        self.table.at(slot).filter(|watched| is_same(&watched.group)).map(|_| Way::Slot(slot))
    }

    /// What a level says. Where requests are counted beside it, means and shares of a handful of them are left out.
    pub(super) fn weigh(
        &mut self,
        process: (&ServiceId, &Arc<str>),
        meaning: &Meaning,
        time: Timestamp,
        value: f64,
    ) -> Option<Sample<'static>> {
        let Meaning { signal, whole, is_time_left, .. } = *meaning;
        if is_time_left && value.is_finite() {
            return Some(Sample::plain(time, f64::from(u8::from(value > 0.0))));
        }
        let load_key = || (process.0.clone(), process.1.clone());
        if signal == Signal::Traffic && !is_rate(&meaning.unit) {
            let total = self.loads.get(&load_key()).and_then(|load| load.total);
            if total.is_none() && value >= 0.0 {
                self.note_load(load_key(), Load { time, requests: value, total });
            }
            return Some(Sample::count(time, value));
        }
        if whole.is_none() && signal != Signal::Latency {
            return Some(Sample::plain(time, value));
        }
        let requests = self.loads.get(&load_key()).map(|load| load.requests);
        match (requests, whole) {
            (Some(requests), _) if requests < requests::REQUESTS_MIN => None,
            (Some(requests), Some(whole)) => Some(Sample::share(time, value, whole, requests)),
            _ => Some(Sample::plain(time, value)),
        }
    }

    fn note_load(&mut self, key: (ServiceId, Arc<str>), load: Load) {
        if self.loads.len() < SPEAKERS_MAX || self.loads.contains_key(&key) {
            self.loads.insert(key, load);
        }
    }

    /// How many requests a second the process, or else the service, of this series answered lately. `None` where
    /// nobody counted.
    pub(super) fn requests_per_s(&self, service: &ServiceId, instance: &str) -> Option<f64> {
        let of = |instance: &str| {
            let traffic = self.table.traffic_of(service).filter(|(_, seen)| &*seen.origin.instance == instance);
            let rates = traffic.filter_map(|(_, seen)| {
                let (sum, count) = seen
                    .series
                    .recent()
                    .take(RATE_SAMPLES)
                    .fold((0.0, 0), |(sum, count), recent| (sum + recent.value, count + 1));
                let mean = sum / f64::from(count.max(1));
                let seconds = if is_rate(&seen.group.meaning.unit) { 1.0 } else { seen.series.interval_s() };
                (seconds > 0.0 && mean.is_finite()).then(|| mean.max(0.0) / seconds)
            });
            rates.fold(None, |most: Option<f64>, rate| Some(most.map_or(rate, |most| most.max(rate))))
        };
        of(instance).or_else(|| of(""))
    }
}

/// Whether a unit is that of a rate, such as `{request}/s`.
pub(super) fn is_rate(unit: &str) -> bool {
    unit.ends_with("/s")
}
