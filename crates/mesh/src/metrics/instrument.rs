//! Instruments that cost nothing where nobody reads them.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use opentelemetry::metrics::{AsyncInstrument, Meter, ObservableGauge};

use super::{Declared, key_values};

/// Bounds of the buckets of times, in seconds: from the fastest answer of a store beside us to the deadline of a call.
const SECONDS: [f64; 15] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0, 300.0];
/// Bounds of the buckets of counts.
const COUNTS: [f64; 9] = [1.0, 10.0, 50.0, 100.0, 500.0, 1_000.0, 5_000.0, 10_000.0, 50_000.0];
/// The most rows of a gauge: the SDK would count more of them together.
const ROWS_MAX: usize = 2_000;

/// An attribute's name and value.
pub type Attribute = (&'static str, Cow<'static, str>);

/// What an instrument is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Grows.
    Counter,
    /// How measurements are distributed.
    Histogram,
    /// A value that was last seen.
    Gauge,
}

/// Grows.
#[derive(Debug)]
pub struct Counter(Option<opentelemetry::metrics::Counter<u64>>);

impl Counter {
    pub(super) fn new(meter: Option<&Meter>, declared: Option<&Declared>) -> Self {
        let (name, unit, description) = words(declared);
        Self(meter.map(|meter| meter.u64_counter(name).with_unit(unit).with_description(description).build()))
    }

    /// Adds some.
    pub fn add(&self, count: usize, attributes: &[Attribute]) {
        if let (Some(counter), 1..) = (&self.0, count) {
            counter.add(u64::try_from(count).unwrap_or(u64::MAX), &key_values(attributes));
        }
    }
}

/// How measurements are distributed.
#[derive(Debug)]
pub struct Histogram(Option<opentelemetry::metrics::Histogram<f64>>);

impl Histogram {
    pub(super) fn new(meter: Option<&Meter>, declared: Option<&Declared>) -> Self {
        let (name, unit, description) = words(declared);
        let bounds = if unit == "s" { SECONDS.to_vec() } else { COUNTS.to_vec() };
        let built = |meter: &Meter| {
            let builder = meter.f64_histogram(name).with_unit(unit).with_description(description);
            builder.with_boundaries(bounds).build()
        };
        Self(meter.map(built))
    }

    /// Notes a time.
    pub fn took(&self, time: Duration, attributes: &[Attribute]) {
        if let Some(histogram) = &self.0 {
            histogram.record(time.as_secs_f64(), &key_values(attributes));
        }
    }

    /// Notes a count.
    pub fn count(&self, count: usize, attributes: &[Attribute]) {
        if let Some(histogram) = &self.0 {
            histogram.record(count as f64, &key_values(attributes));
        }
    }
}

type Rows = BTreeMap<Vec<Attribute>, f64>;

/// Values that were last seen, a row for each combination of attributes. What is no longer set is no longer told.
pub struct Gauge {
    rows: Arc<Mutex<Rows>>,
    _observed: Option<ObservableGauge<f64>>,
}

impl std::fmt::Debug for Gauge {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_tuple("Gauge").field(&*lock(&self.rows)).finish()
    }
}

impl Gauge {
    pub(super) fn new(meter: Option<&Meter>, declared: Option<&Declared>) -> Self {
        let (name, unit, description) = words(declared);
        let rows: Arc<Mutex<Rows>> = Arc::default();
        let told = Arc::clone(&rows);
        let tell = move |observer: &dyn AsyncInstrument<f64>| {
            for (attributes, value) in &*lock(&told) {
                observer.observe(*value, &key_values(attributes));
            }
        };
        let built = |meter: &Meter| {
            let builder = meter.f64_observable_gauge(name).with_unit(unit).with_description(description);
            builder.with_callback(tell).build()
        };
        Self { rows, _observed: meter.map(built) }
    }

    /// Sets a row.
    pub fn set(&self, attributes: &[Attribute], value: f64) {
        let mut rows = lock(&self.rows);
        if rows.len() < ROWS_MAX || rows.contains_key(attributes) {
            rows.insert(attributes.to_vec(), value);
        }
    }

    /// Sets all rows that have these attributes, and removes the others that have them.
    pub fn replace(&self, common: &[Attribute], new: impl IntoIterator<Item = (Vec<Attribute>, f64)>) {
        let mut rows = lock(&self.rows);
        rows.retain(|attributes, _| !common.iter().all(|attribute| attributes.contains(attribute)));
        let room = ROWS_MAX.saturating_sub(rows.len());
        rows.extend(new.into_iter().take(room).map(|(own, value)| ([common, &own].concat(), value)));
    }

    /// The rows, as they would be told.
    #[cfg(test)]
    pub(super) fn rows(&self) -> Rows {
        lock(&self.rows).clone()
    }
}

fn lock(rows: &Mutex<Rows>) -> MutexGuard<'_, Rows> {
    rows.lock().unwrap_or_else(PoisonError::into_inner)
}

fn words(declared: Option<&Declared>) -> (&'static str, &'static str, &'static str) {
    declared.map_or(("", "", ""), |declared| (declared.name, declared.unit, declared.description))
}
