//! Points of series that are known by a fingerprint: no name is built or compared for them.
//!
//! Whoever reads points as bytes offers each as a [`Reading`] first. What is not known yet is decoded and given with its
//! fingerprints, once; from then on the fingerprint leads to the series. What both ways do is the same.

use std::sync::Arc;

use super::requests::Counted;
use super::routes::{Fingerprint, Route};
use super::{Detector, FORGET_AFTER, SERIES_MAX, SPEAKERS_MAX};
use crate::calls::SERVICE_GRAPH_METRIC;
use crate::telemetry::{MetricPoint, Origin, PointValue, Temporality};
use crate::{ServiceId, Timestamp};

/// The most fingerprints that are remembered: senders may write one series in two ways.
const ROUTES_MAX: usize = 2 * SERIES_MAX;
/// The most label sets of requests that are remembered by their fingerprints.
const COUNTED_MAX: usize = SERIES_MAX;

/// A point, without the names that it came with.
#[derive(Clone, Copy, Debug)]
pub struct Reading<'a> {
    /// Of what says who speaks.
    pub speaker: Fingerprint,
    /// Of what says which series it is, who speaks included.
    pub series: Fingerprint,
    /// When it was measured.
    pub time: Timestamp,
    /// Start of the interval that it counts over; `None` where that is not known.
    pub start: Option<Timestamp>,
    /// What was measured.
    pub value: Value<'a>,
}

/// What a [`Reading`] holds.
#[derive(Clone, Copy, Debug)]
pub enum Value<'a> {
    /// A gauge, or a sum that can shrink.
    Level(f64),
    /// A sum that only grows.
    Count(f64, Temporality),
    /// A distribution in buckets.
    Distribution(Distribution<'a>),
}

/// A distribution in buckets.
#[derive(Clone, Copy, Debug)]
pub struct Distribution<'a> {
    /// How many values.
    pub count: u64,
    /// Their sum, where the sender gave it.
    pub sum: Option<f64>,
    /// Upper bounds of all buckets but the last, ascending.
    pub bounds: &'a [f64],
    /// Values per bucket; one more than `bounds`, or empty where the sender gave none.
    pub buckets: &'a [u64],
    /// What it counts since.
    pub temporality: Temporality,
}

/// Where a point went, and others of its series will go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// To the series in a slot.
    Slot(u32),
    /// To the requests of its service.
    Requests,
    /// Nowhere: its service speaks, and that is all.
    Nowhere,
}

/// A process that speaks.
#[derive(Debug)]
pub(super) struct Speaker {
    service: ServiceId,
    origin: Arc<Origin>,
}

impl Detector {
    /// Whether [`Self::take`] would take a point of this series.
    pub fn knows_series(&self, speaker: Fingerprint, series: Fingerprint) -> bool {
        self.routes.get(series).is_some() && self.speakers.contains_key(&speaker.0)
    }

    /// Takes a point of a series that is known by its fingerprint; `false` where it is not, and then nothing happened.
    pub fn take(&mut self, reading: &Reading<'_>) -> bool {
        let Some(route) = self.routes.get(reading.series) else { return false };
        let Some(speaker) = self.speak(reading.speaker) else { return false };
        // A request's points were mostly taken at one time, of which its service needs to be heard once.
        if self.heard != Some(reading.time) {
            if !self.hear(&speaker.service, reading.time) {
                return true;
            }
            self.heard = Some(reading.time);
        }
        match (route, reading.value) {
            (Route::Slot(slot), Value::Level(value)) => self.level_at(slot, &speaker, reading.time, value),
            (Route::Slot(slot), Value::Count(value, temporality)) => {
                self.count_at(slot, &speaker.origin, reading.time, reading.start, value, temporality);
            }
            (Route::Requests(counted), Value::Distribution(distribution)) => {
                if let Some(counted) = self.counted.get(counted as usize).map(Arc::clone) {
                    self.count_requests(&counted, reading.time, reading.start, &distribution);
                }
            }
            // A fingerprint says which kind its points are of.
            _ => {}
        }
        true
    }

    /// Takes a point as [`Self::metric`] does, and remembers what its fingerprints stand for.
    pub fn learn(&mut self, speaker: Fingerprint, series: Fingerprint, point: &MetricPoint) {
        let way = self.place(point);
        let Some(way) = way.filter(|_| &*point.metric != SERVICE_GRAPH_METRIC) else { return };
        if self.routes.len() >= ROUTES_MAX || self.speakers.len() >= SPEAKERS_MAX {
            return;
        }
        let route = match way {
            Way::Slot(slot) => Some(Route::Slot(slot)),
            Way::Requests => Counted::new(point).and_then(|counted| self.remember(counted)),
            Way::Nowhere => Some(Route::Nowhere),
        };
        let Some(route) = route else { return };
        self.speakers.entry(speaker.0).or_insert_with(|| {
            let origin = self.table.origin(&point.origin);
            Arc::new(Speaker { service: point.service.clone(), origin })
        });
        self.routes.insert(series, route);
    }

    /// A route for points of requests with these labels.
    fn remember(&mut self, counted: Counted) -> Option<Route> {
        if self.counted.len() >= COUNTED_MAX {
            return None;
        }
        let index = u32::try_from(self.counted.len()).ok()?;
        self.counted.push(Arc::new(counted));
        Some(Route::Requests(index))
    }

    /// Gives up routes to what was given up, and now and then all that may stand for processes that are gone.
    pub(super) fn forget_routes(&mut self) {
        let is_over = self.watermark.since(self.speakers_forgotten_at) >= FORGET_AFTER;
        if is_over {
            self.speakers_forgotten_at = self.watermark;
            self.speakers.clear();
            self.counted.clear();
        }
        let table = &self.table;
        self.routes.keep(|route| match route {
            Route::Slot(slot) => table.at(slot).is_some(),
            Route::Requests(_) | Route::Nowhere => !is_over,
        });
        (self.speaking, self.heard) = (None, None);
    }

    fn speak(&mut self, fingerprint: Fingerprint) -> Option<Arc<Speaker>> {
        match &self.speaking {
            Some((speaking, speaker)) if *speaking == fingerprint => Some(Arc::clone(speaker)),
            _ => {
                let speaker = self.speakers.get(&fingerprint.0).map(Arc::clone)?;
                (self.speaking, self.heard) = (Some((fingerprint, Arc::clone(&speaker))), None);
                Some(speaker)
            }
        }
    }

    fn level_at(&mut self, slot: u32, speaker: &Speaker, time: Timestamp, value: f64) {
        let Some(group) = self.table.at(slot).map(|watched| Arc::clone(&watched.group)) else { return };
        let process = (&speaker.service, &speaker.origin.instance);
        if let Some(sample) = self.weigh(process, &group.meaning, time, value) {
            self.observe_at(slot, &speaker.origin, sample);
        }
    }
}

impl PointValue {
    /// A histogram's numbers.
    pub(super) fn distribution(&self) -> Option<Distribution<'_>> {
        let Self::Histogram { count, sum, bounds, buckets, temporality } = self else { return None };
        Some(Distribution { count: *count, sum: *sum, bounds, buckets, temporality: *temporality })
    }
}
