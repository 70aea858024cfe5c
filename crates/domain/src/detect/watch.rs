//! From a point to the series that it is of: by name here, and by fingerprint in [`super::known`].

use std::collections::BTreeMap;
use std::sync::Arc;

use super::known::{Distribution, Way};
use super::refused::Refusal;
use super::requests::{self, Counted, Left, PEERS_MAX, Requests, SCOPES_MAX, Scope};
use super::sample::Sample;
use super::table::{Meaning, SeriesKey};
use super::{Detector, classify};
use crate::telemetry::{MetricPoint, Origin, Temporality};
use crate::{ServiceId, Signal, Timestamp};

impl Detector {
    pub(super) fn key(&self, point: &MetricPoint, quantile: &str) -> SeriesKey {
        let labels = requests::labels(&point.attributes);
        let dimension = match (quantile.is_empty(), labels.is_empty()) {
            (true, _) => labels,
            (false, true) => quantile.to_owned(),
            (false, false) => format!("{quantile},{labels}"),
        };
        SeriesKey {
            service: point.service.clone(),
            instance: point.origin.instance.clone(),
            metric: point.metric.clone(),
            dimension: dimension.into(),
        }
    }

    pub(super) fn count(&mut self, point: &MetricPoint, value: f64, temporality: Temporality) -> Option<Way> {
        let signal = classify::signal(&point.metric, &point.attributes);
        let key = self.key(point, "");
        let unit = || format!("{}/s", point.unit).into();
        let slot = self.slot(&key, &point.origin, || Meaning::new(signal, &key.metric, &unit()))?;
        self.count_at(slot, &point.origin, point.time, point.start, value, temporality);
        Some(Way::Slot(slot))
    }

    pub(super) fn count_at(
        &mut self,
        slot: u32,
        origin: &Origin,
        time: Timestamp,
        start: Option<Timestamp>,
        value: f64,
        temporality: Temporality,
    ) {
        let Some(watched) = self.table.at_mut(slot) else { return };
        let counter = watched.counter.get_or_insert_default();
        if time <= counter.last_time() {
            self.counts.late += 1;
            return;
        }
        if let Some(step) = counter.advance(time, start, value, temporality) {
            self.observe_at(slot, origin, Sample::plain(time, step.amount / step.seconds));
        }
    }

    /// The slot of a series, which is made where there is room for it.
    fn slot(&mut self, key: &SeriesKey, origin: &Origin, meaning: impl FnOnce() -> Meaning) -> Option<u32> {
        if let Some(slot) = self.table.find(key) {
            return Some(slot);
        }
        self.has_room(key).then(|| self.table.insert(key, origin, meaning))
    }

    pub(super) fn observe(
        &mut self,
        key: &SeriesKey,
        signal: Signal,
        unit: &Arc<str>,
        origin: &Origin,
        sample: Sample<'_>,
    ) -> Option<u32> {
        if !sample.value.is_finite() {
            self.counts.refused.add(Refusal::Value);
            return None;
        }
        let slot = self.slot(key, origin, || Meaning::new(signal, &key.metric, unit))?;
        self.observe_at(slot, origin, sample);
        Some(slot)
    }

    /// Takes a sample of the series in a slot, which begins with it if it has not yet.
    pub(super) fn observe_at(&mut self, slot: u32, origin: &Origin, sample: Sample<'_>) {
        if !sample.value.is_finite() {
            self.counts.refused.add(Refusal::Value);
            return;
        }
        let Some(watched) = self.table.at(slot) else { return };
        let is_new_version = watched.origin.version != origin.version;
        match &watched.series {
            Some(series) if sample.time <= series.last => {
                self.counts.late += 1;
                return;
            }
            Some(_) => {}
            None => {
                let begun = self.begin_series(slot, sample.time);
                if let Some(watched) = self.table.at_mut(slot) {
                    watched.series = begun;
                }
            }
        }
        if is_new_version {
            let origin = self.table.origin(origin);
            if let Some(watched) = self.table.at_mut(slot) {
                watched.origin = origin;
            }
        }
        self.counts.taken += 1;
        self.table.observe(slot, sample);
    }

    pub(super) fn histogram(&mut self, point: &MetricPoint) -> Option<Way> {
        if !classify::is_request_duration(&point.metric) && !classify::is_call_duration(&point.metric) {
            return Some(Way::Nowhere);
        }
        let Some(counted) = Counted::new(point) else { return Some(Way::Nowhere) };
        let distribution = point.value.distribution()?;
        self.count_requests(&counted, point.time, point.start, &distribution);
        Some(Way::Requests)
    }

    /// Takes the durations of requests with the same labels.
    pub(super) fn count_requests(
        &mut self,
        counted: &Counted,
        time: Timestamp,
        start: Option<Timestamp>,
        distribution: &Distribution<'_>,
    ) {
        let Counted { whole, process, is_call, version, labels, is_failed } = counted;
        if *is_call && !self.has_room_for(whole) {
            self.counts.refused.add(Refusal::Requests);
            return;
        }
        // A process counts by itself, so that many of them are no more than one service can have; but for its calls, which
        // must not take the room of what it answers.
        let home = process.as_ref().filter(|_| !is_call).unwrap_or(whole);
        let increment = entry(&mut self.requests, home)
            .ok_or(Left::Full)
            .and_then(|requests| requests.increment(labels, time, start, distribution, *is_failed));
        let part = match increment {
            Ok(Some(part)) => part,
            Ok(None) => return,
            Err(Left::Full) => {
                self.counts.refused.add(Refusal::Requests);
                return;
            }
            Err(Left::Late) => {
                self.counts.late += 1;
                return;
            }
        };
        for scope in [Some(whole), process.as_ref().filter(|_| !is_call)].into_iter().flatten() {
            if let Some(requests) = entry(&mut self.requests, scope) {
                requests.add(time, &part);
                if matches!(scope.1, Scope::Process(_)) {
                    requests.runs(version);
                }
            }
        }
    }

    /// Whether calls to an address can be followed.
    fn has_room_for(&self, peer: &(ServiceId, Scope)) -> bool {
        if self.requests.contains_key(peer) {
            return true;
        }
        self.peers_of(&peer.0).count() < PEERS_MAX
    }

    /// The addresses that a service calls, and what it counts of that.
    pub(super) fn peers_of<'a>(&'a self, service: &ServiceId) -> impl Iterator<Item = (&'a Arc<str>, &'a Requests)> {
        let peers = self.requests.range((service.clone(), Scope::Peer("".into()))..);
        peers.map_while(move |((caller, scope), requests)| match scope {
            Scope::Peer(peer) if caller == service => Some((peer, requests)),
            _ => None,
        })
    }
}

/// The entry of a scope, whose name is copied only where it is new; `None` where there is no room for it.
fn entry<'a>(
    requests: &'a mut BTreeMap<(ServiceId, Scope), Requests>,
    scope: &(ServiceId, Scope),
) -> Option<&'a mut Requests> {
    if !requests.contains_key(scope) {
        if requests.len() >= SCOPES_MAX {
            return None;
        }
        requests.insert(scope.clone(), Requests::default());
    }
    requests.get_mut(scope)
}
