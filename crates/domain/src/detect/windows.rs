//! What the watermark brings about: windows that end become samples, and what was silent for long is forgotten.

use std::sync::Arc;

use super::refused::Refusal;
use super::requests::Scope;
use super::sample::Sample;
use super::table::SeriesKey;
use super::{CHANGES_KEPT, Detector, FORGET_AFTER, SPEAKERS_MAX, findings, logs, requests};
use crate::telemetry::Origin;
use crate::{ServiceId, Signal, Timestamp};

impl Detector {
    pub(super) fn close_requests(&mut self) {
        let watermark = self.watermark;
        let ended = self.requests.iter_mut().filter(|(_, requests)| requests.has_ended(watermark));
        let close = |(scope, requests): (&(ServiceId, Scope), &mut requests::Requests)| {
            (scope.clone(), requests.version().clone(), requests.close(watermark))
        };
        let closed: Vec<_> = ended.map(close).collect();
        for ((service, scope), version, windows) in closed {
            let instance = if let Scope::Process(instance) = &scope { instance.clone() } else { "".into() };
            let origin = Origin { instance, version };
            for (time, window) in windows {
                match &scope {
                    Scope::Service | Scope::Process(_) => self.request_window(&service, &origin, time, &window),
                    Scope::Peer(peer) => self.call_window(&service, peer, time, &window),
                }
            }
        }
        for (service, budget) in &mut self.budgets {
            budget.judge(watermark, &self.objectives.of(service));
        }
    }

    fn request_window(&mut self, service: &ServiceId, origin: &Origin, time: Timestamp, window: &requests::Window) {
        let instance = &origin.instance;
        let threshold_s = self.objectives.of(service).latency_threshold_s.filter(|_| instance.is_empty());
        // Failed requests may be slow as well, and are not told apart: at least so many were bad.
        let bad = window.failed.max(threshold_s.map_or(0.0, |threshold_s| window.slower(threshold_s)));
        if instance.is_empty() {
            if self.budgets.len() < SPEAKERS_MAX || self.budgets.contains_key(service) {
                self.budgets.entry(service.clone()).or_default().add(time, window.requests, bad);
            } else {
                self.counts.refused.add(Refusal::Requests);
            }
        }
        let mut observe = |metric: &str, dimension: &str, signal, unit: &str, sample| {
            let key = SeriesKey {
                service: service.clone(),
                instance: instance.clone(),
                metric: metric.into(),
                dimension: dimension.into(),
            };
            self.observe(&key, signal, &Arc::from(unit), origin, sample);
        };
        observe("requests.rate", "", Signal::Traffic, "{request}/s", Sample::plain(time, window.per_second));
        if window.is_timed() {
            let p95 = Sample::quantile(time, window, 0.95);
            observe("http.server.request.duration", "p95", Signal::Latency, "s", p95);
        }
        if window.requests >= requests::REQUESTS_MIN {
            let failed = Sample::share(time, window.error_ratio(), 1.0, window.requests);
            observe("requests.error_ratio", "", Signal::Errors, "1", failed);
            if threshold_s.is_some() {
                let bad = Sample::share(time, bad / window.requests, 1.0, window.requests);
                observe(findings::BAD_RATIO, "", Signal::Errors, "1", bad);
            }
        }
    }

    /// How the calls to an address fared. They say nothing of how the service itself is, and much of why.
    fn call_window(&mut self, service: &ServiceId, peer: &str, time: Timestamp, window: &requests::Window) {
        if window.requests < requests::REQUESTS_MIN {
            return;
        }
        let failed = Sample::share(time, window.error_ratio(), 1.0, window.requests);
        let p95 = Sample::quantile(time, window, 0.95);
        let peer = format!("{}={peer}", requests::PEER);
        for (metric, dimension, unit, sample) in [
            (findings::CALLS_FAILED, peer.clone(), "1", failed),
            (findings::CALL_DURATION, format!("p95,{peer}"), "s", p95),
        ] {
            let key = SeriesKey {
                service: service.clone(),
                instance: "".into(),
                metric: metric.into(),
                dimension: dimension.into(),
            };
            self.observe(&key, Signal::Other, &Arc::from(unit), &Origin::default(), sample);
        }
    }

    pub(super) fn close_logs(&mut self) {
        let watermark = self.watermark;
        let closed: Vec<_> =
            self.logs.iter_mut().map(|(service, logs)| (service.clone(), logs.close(watermark))).collect();
        let end = watermark.floor(logs::WINDOW);
        for (service, mut windows) in closed {
            // A window without an error is a sample too, as long as the service speaks.
            if self.pulses.get(&service).is_some_and(|pulse| pulse.last + logs::WINDOW * 2 > end) {
                windows.entry(end).or_insert(0.0);
            }
            for (time, count) in windows {
                let key = SeriesKey {
                    service: service.clone(),
                    instance: "".into(),
                    metric: findings::ERROR_LOGS.into(),
                    dimension: "".into(),
                };
                let sample = Sample::plain(time, count);
                self.observe(&key, Signal::LogBurst, &"{record}".into(), &Origin::default(), sample);
            }
        }
    }

    pub(super) fn forget(&mut self) {
        let horizon = self.watermark - FORGET_AFTER;
        self.table.forget(horizon);
        self.forget_routes();
        self.pulses.retain(|_, pulse| pulse.last >= horizon);
        self.loads.retain(|_, load| load.time >= horizon);
        self.topology.prune(horizon);
        let changes_horizon = self.watermark - CHANGES_KEPT;
        self.changes.retain(|change| change.time >= changes_horizon);
        let spoken = &self.pulses;
        self.requests.retain(|(service, _), requests| requests.forget(horizon) && spoken.contains_key(service));
        // What burns for days is not over because nothing came for an hour.
        self.budgets.retain(|_, budget| budget.forget(self.watermark));
        self.logs.retain(|service, _| spoken.contains_key(service));
    }
}
