//! Every series that is watched: found by name, by fingerprint, by service, and by what is wrong with it.
//!
//! Series lie in slots, so that a point of a known one costs a look at its slot. Whoever goes through several meets them
//! in order of their names, whatever the order in which they came.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::classify;
use super::rates::Counter;
use super::sample::Sample;
use super::series::{Oddity, Series, Tuning, UsualLoad};
use crate::telemetry::Origin;
use crate::{ServiceId, Signal, Timestamp};

/// Slots that are made at once: a megabyte of them.
const CHUNK: usize = 1_024;

/// What a series is called.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct SeriesKey {
    pub(super) service: ServiceId,
    pub(super) instance: Arc<str>,
    pub(super) metric: Arc<str>,
    pub(super) dimension: Arc<str>,
}

/// What a series means, and how closely it is watched for that.
#[derive(Clone, Debug)]
pub(super) struct Meaning {
    pub(super) signal: Signal,
    pub(super) unit: Arc<str>,
    pub(super) tuning: Tuning,
    /// What the whole is, where it is a share of requests.
    pub(super) whole: Option<f64>,
    /// Whether it is time that is left of something, of which one is watched that is above zero.
    pub(super) is_time_left: bool,
}

impl Meaning {
    pub(super) fn new(signal: Signal, metric: &str, unit: &Arc<str>) -> Self {
        let (tuning, whole) = (classify::tuning(signal, metric, unit), classify::share_of(signal, metric, unit));
        let is_time_left = classify::is_time_left(metric);
        let unit = if is_time_left { "{valid}".into() } else { unit.clone() };
        Self { signal, unit, tuning, whole, is_time_left }
    }
}

/// The series of one service, metric and dimension, one a process, have all this in common.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) service: ServiceId,
    pub(super) metric: Arc<str>,
    pub(super) dimension: Arc<str>,
    pub(super) meaning: Meaning,
}

/// A series that is watched, or of which a first count was seen.
#[derive(Debug)]
pub(super) struct Watched {
    pub(super) group: Arc<Group>,
    pub(super) origin: Arc<Origin>,
    pub(super) counter: Option<Box<Counter>>,
    pub(super) series: Option<Series>,
}

impl Watched {
    pub(super) fn key(&self) -> SeriesKey {
        let Group { service, metric, dimension, .. } = &*self.group;
        let (service, instance) = (service.clone(), self.origin.instance.clone());
        SeriesKey { service, instance, metric: metric.clone(), dimension: dimension.clone() }
    }

    fn is_heard_since(&self, horizon: Timestamp) -> bool {
        let counted = self.counter.as_ref().is_some_and(|counter| counter.last_time() >= horizon);
        counted || self.series.as_ref().is_some_and(|series| series.last >= horizon)
    }
}

/// A watched series, and what it is called.
#[derive(Clone, Copy)]
pub(super) struct Seen<'a> {
    pub(super) group: &'a Group,
    pub(super) origin: &'a Origin,
    pub(super) series: &'a Series,
}

impl Seen<'_> {
    pub(super) fn signal(&self) -> Signal {
        self.group.meaning.signal
    }

    pub(super) fn tuning(&self) -> Tuning {
        self.group.meaning.tuning
    }

    pub(super) fn is_warm(&self) -> bool {
        self.series.is_warm(self.series.last)
    }
}

/// A series that is odd, with no sample outside of its range.
#[derive(Clone, Copy, Debug)]
pub(super) struct Odd {
    slot: u32,
    pub(super) oddity: Oddity,
    pub(super) since: Timestamp,
    pub(super) detected_at: Timestamp,
}

#[derive(Debug, Default)]
struct OfService {
    /// By metric and dimension.
    groups: BTreeMap<(Arc<str>, Arc<str>), Members>,
    /// Slots of series that count requests.
    traffic: BTreeSet<u32>,
    /// How many series each metric has.
    metrics: BTreeMap<Arc<str>, usize>,
}

#[derive(Debug)]
struct Members {
    group: Arc<Group>,
    /// In order of their instances.
    slots: Vec<u32>,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Table {
    slots: Vec<Vec<Option<Watched>>>,
    vacant: Vec<u32>,
    len: usize,
    services: BTreeMap<ServiceId, OfService>,
    /// Origins and texts that many series have, kept once.
    origins: BTreeSet<Arc<Origin>>,
    texts: BTreeSet<Arc<str>>,
    outside: BTreeMap<SeriesKey, u32>,
    odd: BTreeMap<SeriesKey, Odd>,
    /// Slots of series of latency and errors.
    symptoms: BTreeSet<u32>,
}

impl Table {
    /// How many slots are taken.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn at(&self, slot: u32) -> Option<&Watched> {
        let slot = slot as usize;
        self.slots.get(slot / CHUNK)?.get(slot % CHUNK)?.as_ref()
    }

    pub(super) fn at_mut(&mut self, slot: u32) -> Option<&mut Watched> {
        let slot = slot as usize;
        self.slots.get_mut(slot / CHUNK)?.get_mut(slot % CHUNK)?.as_mut()
    }

    /// The slot of a name.
    pub(super) fn find(&self, key: &SeriesKey) -> Option<u32> {
        let groups = &self.services.get(&key.service)?.groups;
        let members = groups.get(&(key.metric.clone(), key.dimension.clone()))?;
        self.place(members, &key.instance).ok().map(|index| members.slots[index])
    }

    fn place(&self, members: &Members, instance: &str) -> Result<usize, usize> {
        let of = |slot: &u32| self.at(*slot).map_or("", |watched| &*watched.origin.instance);
        members.slots.binary_search_by(|slot| of(slot).cmp(instance))
    }

    /// Takes a slot for a name that has none.
    pub(super) fn insert(&mut self, key: &SeriesKey, origin: &Origin, meaning: impl FnOnce() -> Meaning) -> u32 {
        let (metric, dimension) = (self.text(&key.metric), self.text(&key.dimension));
        let origin = self.origin(&Origin { instance: key.instance.clone(), version: origin.version.clone() });
        let slot = self.vacant.pop().unwrap_or_else(|| {
            if self.slots.last().is_none_or(|chunk| chunk.len() == CHUNK) {
                self.slots.push(Vec::with_capacity(CHUNK));
            }
            let before = (self.slots.len() - 1) * CHUNK;
            let chunk = self.slots.last_mut().map_or(0, |chunk| {
                chunk.push(None);
                chunk.len() - 1
            });
            u32::try_from(before + chunk).unwrap_or(u32::MAX)
        });
        let of_service = self.services.entry(key.service.clone()).or_default();
        *of_service.metrics.entry(metric.clone()).or_default() += 1;
        let members = of_service.groups.entry((metric.clone(), dimension.clone())).or_insert_with(|| {
            let group = Group { service: key.service.clone(), metric, dimension, meaning: meaning() };
            Members { group: Arc::new(group), slots: Vec::new() }
        });
        let group = Arc::clone(&members.group);
        match group.meaning.signal {
            Signal::Traffic => drop(of_service.traffic.insert(slot)),
            Signal::Latency | Signal::Errors => drop(self.symptoms.insert(slot)),
            _ => {}
        }
        let watched = Watched { group, origin, counter: None, series: None };
        if let Some(place) = self.slots.get_mut(slot as usize / CHUNK).and_then(|c| c.get_mut(slot as usize % CHUNK)) {
            *place = Some(watched);
        }
        self.len += 1;
        self.join(key, slot);
        slot
    }

    /// Enters a slot among its group's.
    fn join(&mut self, key: &SeriesKey, slot: u32) {
        let named = (key.metric.clone(), key.dimension.clone());
        let members = self.services.get(&key.service).and_then(|service| service.groups.get(&named));
        let Some(Err(index)) = members.map(|members| self.place(members, &key.instance)) else { return };
        let service = self.services.get_mut(&key.service);
        if let Some(members) = service.and_then(|service| service.groups.get_mut(&named)) {
            members.slots.insert(index, slot);
        }
    }

    /// A text as others have it.
    fn text(&mut self, text: &Arc<str>) -> Arc<str> {
        if let Some(kept) = self.texts.get(&**text) {
            return kept.clone();
        }
        self.texts.insert(text.clone());
        text.clone()
    }

    /// An origin as others have it.
    pub(super) fn origin(&mut self, origin: &Origin) -> Arc<Origin> {
        if let Some(kept) = self.origins.get(origin) {
            return kept.clone();
        }
        let kept = Arc::new(origin.clone());
        self.origins.insert(kept.clone());
        kept
    }

    /// Takes a sample for a slot whose series has begun.
    pub(super) fn observe(&mut self, slot: u32, sample: Sample<'_>) {
        self.change(slot, |series, tuning| series.observe(sample, tuning));
    }

    /// Takes the newest samples of these slots as normal.
    pub(super) fn accept(&mut self, slot: u32) {
        self.change(slot, |series, tuning| series.accept(tuning));
    }

    /// Notes what was usual when the excursion in a slot was new.
    pub(super) fn note_usual(&mut self, slot: u32, usual: impl IntoIterator<Item = UsualLoad>) {
        if let Some(series) = self.at_mut(slot).and_then(|watched| watched.series.as_mut()) {
            series.note_usual(usual);
        }
    }

    fn change(&mut self, slot: u32, change: impl FnOnce(&mut Series, Tuning)) {
        let Some(watched) = self.at_mut(slot) else { return };
        let tuning = watched.group.meaning.tuning;
        let is_resource = watched.group.meaning.signal == Signal::Saturation;
        let Some(series) = &mut watched.series else { return };
        let was_outside = series.excursion().is_some();
        let was_odd = series.oddity(tuning, is_resource);
        change(series, tuning);
        let is_outside = series.excursion().is_some();
        let oddity = series.oddity(tuning, is_resource);
        if (was_outside, was_odd) == (is_outside, oddity) {
            return;
        }
        let detected_at = series.last;
        let odd = oddity.map(|oddity| Odd { slot, oddity, since: series.odd_since(oddity), detected_at });
        let key = watched.key();
        if was_odd != oddity {
            self.odd.remove(&key);
            if let Some(odd) = odd {
                self.odd.insert(key.clone(), odd);
            }
        }
        if is_outside {
            self.outside.insert(key, slot);
        } else {
            self.outside.remove(&key);
        }
    }

    /// The series in a slot, if it has begun.
    pub(super) fn seen(&self, slot: u32) -> Option<Seen<'_>> {
        let Watched { group, origin, series, .. } = self.at(slot)?;
        Some(Seen { group, origin, series: series.as_ref()? })
    }

    /// The series of a name.
    pub(super) fn get(&self, key: &SeriesKey) -> Option<Seen<'_>> {
        self.seen(self.find(key)?)
    }

    /// The series of a service, metric and dimension, in order of their instances.
    pub(super) fn alike(&self, key: &SeriesKey) -> impl Iterator<Item = Seen<'_>> {
        let groups = self.services.get(&key.service).map(|service| &service.groups);
        let members = groups.and_then(|groups| groups.get(&(key.metric.clone(), key.dimension.clone())));
        members.into_iter().flat_map(|members| &members.slots).filter_map(|slot| self.seen(*slot))
    }

    /// All series of a service, in order of metric, dimension and instance.
    pub(super) fn of_service(&self, service: &ServiceId) -> impl Iterator<Item = Seen<'_>> {
        let groups = self.services.get(service).into_iter().flat_map(|service| service.groups.values());
        groups.flat_map(|members| &members.slots).filter_map(|slot| self.seen(*slot))
    }

    /// Series of a service that count requests, by their slots.
    pub(super) fn traffic_of(&self, service: &ServiceId) -> impl Iterator<Item = (u32, Seen<'_>)> {
        let slots = self.services.get(service).into_iter().flat_map(|service| &service.traffic);
        slots.filter_map(|slot| Some((*slot, self.seen(*slot)?)))
    }

    /// How many series a metric of a service has.
    pub(super) fn series_of_metric(&self, service: &ServiceId, metric: &str) -> usize {
        self.services.get(service).and_then(|service| service.metrics.get(metric)).copied().unwrap_or(0)
    }

    /// The metrics with the most series, with the services that they are of.
    pub(super) fn largest_metrics(&self, most: usize) -> Vec<(ServiceId, Arc<str>)> {
        let metrics = |(service, of): (&ServiceId, &OfService)| {
            of.metrics.iter().map(|(metric, series)| (*series, service.clone(), metric.clone())).collect::<Vec<_>>()
        };
        let mut all: Vec<_> = self.services.iter().flat_map(metrics).collect();
        all.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| (&a.1, &a.2).cmp(&(&b.1, &b.2))));
        all.into_iter().take(most).map(|(_, service, metric)| (service, metric)).collect()
    }

    /// Every series.
    pub(super) fn all(&self) -> impl Iterator<Item = Seen<'_>> {
        self.services.keys().flat_map(|service| self.of_service(service))
    }

    /// Every series of latency or errors.
    pub(super) fn symptoms(&self) -> impl Iterator<Item = Seen<'_>> {
        self.symptoms.iter().filter_map(|slot| self.seen(*slot))
    }

    /// The series that are outside of their range, with their slots, in order of service, instance, metric and dimension.
    pub(super) fn outside(&self) -> impl Iterator<Item = (u32, Seen<'_>)> {
        self.outside.values().filter_map(|slot| Some((*slot, self.seen(*slot)?)))
    }

    /// The series that are odd, in order of service, instance, metric and dimension.
    pub(super) fn odd(&self) -> impl Iterator<Item = (Odd, Seen<'_>)> {
        self.odd.values().filter_map(|odd| Some((*odd, self.seen(odd.slot)?)))
    }

    /// Gives up what was silent since before `horizon`.
    pub(super) fn forget(&mut self, horizon: Timestamp) {
        for number in 0..self.slots.len() * CHUNK {
            let slot = u32::try_from(number).unwrap_or(u32::MAX);
            if self.at(slot).is_some_and(|watched| !watched.is_heard_since(horizon)) {
                self.remove(slot);
            }
        }
        self.origins.retain(|origin| Arc::strong_count(origin) > 1);
        self.texts.retain(|text| Arc::strong_count(text) > 1);
    }

    fn remove(&mut self, slot: u32) {
        let index = slot as usize;
        let Some(place) = self.slots.get_mut(index / CHUNK).and_then(|chunk| chunk.get_mut(index % CHUNK)) else {
            return;
        };
        let Some(watched) = place.take() else { return };
        let key = watched.key();
        self.outside.remove(&key);
        self.odd.remove(&key);
        self.symptoms.remove(&slot);
        self.vacant.push(slot);
        self.len -= 1;
        let Some(of_service) = self.services.get_mut(&key.service) else { return };
        of_service.traffic.remove(&slot);
        if let Some(series) = of_service.metrics.get_mut(&key.metric) {
            *series -= 1;
            if *series == 0 {
                of_service.metrics.remove(&key.metric);
            }
        }
        let named = (key.metric, key.dimension);
        if let Some(members) = of_service.groups.get_mut(&named) {
            members.slots.retain(|other| *other != slot);
            if members.slots.is_empty() {
                of_service.groups.remove(&named);
            }
        }
        if of_service.groups.is_empty() {
            self.services.remove(&key.service);
        }
    }
}
