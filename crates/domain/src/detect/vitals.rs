//! How a service is at this moment, in the numbers that people ask for first.
//!
//! What was not measured lately is `None`: nobody knows it, and it is neither zero nor well.

mod calls;

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::load::is_rate;
use super::requests::WINDOW;
use super::series::Side;
use super::standing::seconds;
use super::table::{Seen, SeriesKey};
use super::{Abnormal, Detector, classify};
use crate::{ServiceId, Signal, Timestamp};

pub(crate) use calls::is_at;
pub use calls::{CallVitals, Callee};

/// Signals that are named of one service.
const SIGNALS_MAX: usize = 8;
/// A share that is more than this counts in another measure, such as processors; less is how a full one rounds.
const FULL_MAX: f64 = 1.1;
/// Processes that report in every window do so after this many of them at most, with what timers are off.
const REPORTED_RARELY: f64 = 1.2;

/// How a service is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    /// Its requests were measured lately, and nothing about it that people would want to know is abnormal.
    Well,
    /// Something about it is abnormal, and people would want to know.
    Troubled,
    /// It should have said something by now.
    Silent,
    /// Its requests were not measured lately.
    Unknown,
}

/// See the module.
#[derive(Clone, Debug, PartialEq)]
pub struct Vitals {
    /// Who.
    pub service: ServiceId,
    /// How it is.
    pub health: Health,
    /// Requests that it answers in a second.
    pub requests_per_s: Option<f64>,
    /// Which share of them fails, from 0 to 1; of several processes that say so each for itself, that of the worst.
    pub error_ratio: Option<f64>,
    /// How long requests take; of several processes that say so each for itself, those of the slowest.
    pub latency: Option<Latency>,
    /// Its fullest resource, of those that say how full they are.
    pub saturation: Option<Saturation>,
    /// The end of the newest measurement among these.
    pub measured_at: Option<Timestamp>,
    /// When it was heard of last.
    pub last_heard: Timestamp,
    /// How long it usually is from one word of it to the next.
    pub interval: Duration,
    /// What is abnormal about it: first what people would want to know, and each the stronger first; at most 8.
    pub abnormal: Vec<Signal>,
    /// How fast it burns its error budget over the last hour, where 1 uses it up at the period's end.
    pub burn_rate: Option<f64>,
}

/// How long requests take.
#[derive(Clone, Debug, PartialEq)]
pub struct Latency {
    /// In seconds.
    pub seconds: f64,
    /// Which of their quantiles that is, such as `p95`; empty where the sender does not say.
    pub quantile: Arc<str>,
}

/// How full a resource is.
#[derive(Clone, Debug, PartialEq)]
pub struct Saturation {
    /// From 0 to 1.
    pub share: f64,
    /// Which resource, by the metric's name.
    pub metric: Arc<str>,
}

/// What is abnormal of each service.
#[derive(Clone, Debug, Default)]
pub struct Troubles(BTreeMap<ServiceId, Trouble>);

#[derive(Clone, Debug, Default)]
struct Trouble {
    is_worthy: bool,
    signals: Vec<Signal>,
}

impl Troubles {
    /// From what [`Detector::abnormal`] found.
    pub fn of(mut found: Vec<Abnormal>) -> Self {
        found.sort_by(|a, b| b.is_worthy.cmp(&a.is_worthy).then_with(|| b.anomaly.score.total_cmp(&a.anomaly.score)));
        let mut troubles: BTreeMap<ServiceId, Trouble> = BTreeMap::new();
        for Abnormal { anomaly, is_worthy, .. } in found {
            let trouble = troubles.entry(anomaly.service).or_default();
            trouble.is_worthy |= is_worthy;
            if trouble.signals.len() < SIGNALS_MAX && !trouble.signals.contains(&anomaly.signal) {
                trouble.signals.push(anomaly.signal);
            }
        }
        Self(troubles)
    }
}

/// A number, and when it was measured.
struct Measured<T>(T, Timestamp);

impl Detector {
    /// How a service is; `None` where it was not heard of within what is remembered.
    pub fn vitals(&self, service: &ServiceId, troubles: &Troubles) -> Option<Vitals> {
        let pulse = self.pulses.get(service)?;
        let requests = self.request_rate(service);
        let errors = self.failing_share(service);
        let latency = self.latency(service);
        let saturation = self.saturation(service);
        let times = [
            requests.as_ref().map(|found| found.1),
            errors.as_ref().map(|found| found.1),
            latency.as_ref().map(|found| found.1),
        ];
        let is_measured = times.iter().any(Option::is_some);
        let measured_at = times.into_iter().chain([saturation.as_ref().map(|found| found.1)]).max().flatten();
        let trouble = troubles.0.get(service);
        let is_silent = pulse.is_overdue(self.watermark) || pulse.silent_for(self.watermark).is_some();
        let health = match (is_silent, trouble.is_some_and(|trouble| trouble.is_worthy), is_measured) {
            (true, ..) => Health::Silent,
            (false, true, _) => Health::Troubled,
            (false, false, true) => Health::Well,
            (false, false, false) => Health::Unknown,
        };
        Some(Vitals {
            service: service.clone(),
            health,
            requests_per_s: requests.map(|found| found.0),
            error_ratio: errors.map(|found| found.0),
            latency: latency.map(|found| found.0),
            saturation: saturation.map(|found| found.0),
            measured_at,
            last_heard: pulse.last,
            interval: pulse.interval,
            abnormal: trouble.map(|trouble| trouble.signals.clone()).unwrap_or_default(),
            burn_rate: self.burn_rate(service),
        })
    }

    /// The newest sample of the whole service, of a series that is made of its requests.
    fn of_whole<'a>(&'a self, service: &ServiceId, metric: &str, dimension: &str) -> Option<Seen<'a>> {
        let instance = "".into();
        let key = SeriesKey { service: service.clone(), instance, metric: metric.into(), dimension: dimension.into() };
        self.table.get(&key).filter(|seen| self.is_fresh(*seen))
    }

    /// The fresh series of a service that mean this.
    fn fresh<'a>(&'a self, service: &ServiceId, signal: Signal) -> impl Iterator<Item = Seen<'a>> {
        self.table.of_service(service).filter(move |seen| seen.signal() == signal && self.is_fresh(*seen))
    }

    fn request_rate(&self, service: &ServiceId) -> Option<Measured<f64>> {
        let traffic = || self.table.traffic_of(service).map(|(_, seen)| seen).filter(|seen| self.is_fresh(*seen));
        if let Some(whole) = self.of_whole(service, REQUEST_RATE, "") {
            // A window of the whole service has only those processes that reported in it.
            let is_slow = |seen: &Seen<'_>| seen.series.interval_s() > REPORTED_RARELY * WINDOW.as_secs_f64();
            let processes =
                traffic().filter(|seen| &*seen.group.metric == REQUEST_RATE && !seen.origin.instance.is_empty());
            let processes: Vec<Seen<'_>> = processes.collect();
            let together = if processes.iter().any(is_slow) { sum(processes.into_iter()) } else { None };
            return together.or_else(|| sum([whole].into_iter()));
        }
        // Several metrics may count the same requests, and one may count them in all and by some label.
        let mut metrics: BTreeMap<&Arc<str>, Vec<Seen<'_>>> = BTreeMap::new();
        traffic().for_each(|seen| metrics.entry(&seen.group.metric).or_default().push(seen));
        let sums = metrics.into_values().filter_map(|all| {
            let has_total = all.iter().any(|seen| seen.group.dimension.is_empty());
            sum(all.into_iter().filter(|seen| !has_total || seen.group.dimension.is_empty()))
        });
        sums.max_by(|a, b| a.0.total_cmp(&b.0))
    }

    fn failing_share(&self, service: &ServiceId) -> Option<Measured<f64>> {
        let share = |seen: Seen<'_>| {
            let Measured(value, time) = newest(seen)?;
            let share = value / seen.group.meaning.whole?;
            let failing = if seen.tuning().side == Side::Down { 1.0 - share } else { share };
            Some(Measured(failing.clamp(0.0, 1.0), time))
        };
        if let Some(whole) = self.of_whole(service, ERROR_RATIO, "") {
            return share(whole);
        }
        self.fresh(service, Signal::Errors).filter_map(share).max_by(|a, b| a.0.total_cmp(&b.0))
    }

    fn latency(&self, service: &ServiceId) -> Option<Measured<Latency>> {
        let latency = |seen: Seen<'_>| {
            let Measured(value, time) = newest(seen)?;
            let seconds = value.max(0.0) * seconds(&seen.group.meaning.unit);
            let quantile = quantile_of(&seen.group.dimension).map_or("", |(name, _)| name).into();
            Some(Measured(Latency { seconds, quantile }, time))
        };
        if let Some(whole) = self.of_whole(service, DURATION, P95) {
            return latency(whole);
        }
        // The 95th percentile before others, these before what is none, and the slowest of what is alike.
        let nearness = |found: &Latency| match quantile_of(&found.quantile) {
            Some((name, _)) if name == P95 => (2, 0.0),
            Some((_, quantile)) => (1, quantile),
            None => (0, 0.0),
        };
        let order = |a: &Measured<Latency>, b: &Measured<Latency>| -> Ordering {
            let ((kind, quantile), (other_kind, other)) = (nearness(&a.0), nearness(&b.0));
            kind.cmp(&other_kind).then(quantile.total_cmp(&other)).then(a.0.seconds.total_cmp(&b.0.seconds))
        };
        self.fresh(service, Signal::Latency).filter_map(latency).max_by(order)
    }

    fn saturation(&self, service: &ServiceId) -> Option<Measured<Saturation>> {
        let share = |seen: Seen<'_>| {
            let whole = classify::full_at(&seen.group.metric, &seen.group.meaning.unit)?;
            let Measured(value, time) = newest(seen)?;
            let share = value / whole;
            let metric = seen.group.metric.clone();
            (0.0..=FULL_MAX).contains(&share).then(|| Measured(Saturation { share: share.min(1.0), metric }, time))
        };
        let full = self.fresh(service, Signal::Saturation).filter_map(share);
        full.max_by(|a, b| a.0.share.total_cmp(&b.0.share))
    }
}

/// Series that are made of a service's requests, with the dimension of their duration.
const REQUEST_RATE: &str = "requests.rate";
const ERROR_RATIO: &str = "requests.error_ratio";
const DURATION: &str = "http.server.request.duration";
const P95: &str = "p95";

fn newest(seen: Seen<'_>) -> Option<Measured<f64>> {
    let sample = seen.series.recent().next().filter(|sample| sample.value.is_finite())?;
    Some(Measured(sample.value, seen.series.last))
}

/// Requests a second of these together.
fn sum<'a>(series: impl Iterator<Item = Seen<'a>>) -> Option<Measured<f64>> {
    let rates = series.filter_map(|seen| {
        let Measured(value, time) = newest(seen)?;
        let seconds = if is_rate(&seen.group.meaning.unit) { 1.0 } else { seen.series.interval_s() };
        (seconds > 0.0).then(|| Measured(value.max(0.0) / seconds, time))
    });
    rates.reduce(|sum, more| Measured(sum.0 + more.0, sum.1.max(more.1)))
}

/// The quantile that a dimension begins with, as it is written and as a number.
fn quantile_of(dimension: &str) -> Option<(&str, f64)> {
    let name = dimension.split(',').next()?;
    Some((name, name.strip_prefix('p')?.parse().ok()?))
}

#[cfg(test)]
mod tests;
