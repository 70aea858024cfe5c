//! What detection leaves out, and why: a limit that nobody sees is a hole.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::table::SeriesKey;
use super::{Detector, SERIES_MAX};
use crate::ServiceId;

/// Series that one metric of one service may have: a label that holds users' names must not take everybody's room.
pub const METRIC_SERIES_MAX: usize = SERIES_MAX / 16;
/// Metrics of which refusals are told one by one; points of further ones are counted all the same.
const CROWDS_MAX: usize = 32;
/// Metrics that are named where there is no room left, those with the most series.
const LARGEST_TOLD: usize = 3;

/// Why a point is left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Refusal {
    /// There are [`SERIES_MAX`].
    Series,
    /// Its metric has [`METRIC_SERIES_MAX`] of its service.
    Metric,
    /// Its process counts requests by too many sets of labels, too many processes and services count requests, or its
    /// service calls too many addresses.
    Requests,
    /// Its time lies far in the future.
    Future,
    /// Its value is no finite number.
    Value,
}

impl Refusal {
    /// All of them, in order.
    pub const ALL: [Self; 5] = [Self::Series, Self::Metric, Self::Requests, Self::Future, Self::Value];

    /// Its name in metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Series => "too_many_series",
            Self::Metric => "too_many_series_of_metric",
            Self::Requests => "too_many_requests_labels",
            Self::Future => "far_future",
            Self::Value => "not_finite",
        }
    }
}

/// How many points were left out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Refused([u64; Refusal::ALL.len()]);

impl Refused {
    /// For one reason.
    pub fn of(&self, refusal: Refusal) -> u64 {
        self.0[refusal as usize]
    }

    /// For any.
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }

    /// Since an earlier count.
    pub fn since(&self, before: &Self) -> Self {
        Self(std::array::from_fn(|index| self.0[index] - before.0[index]))
    }

    pub(super) fn add(&mut self, refusal: Refusal) {
        self.0[refusal as usize] += 1;
    }
}

/// A metric of a service with many series.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Crowd {
    /// The service.
    pub service: ServiceId,
    /// The metric.
    pub metric: Arc<str>,
    /// How many series it has.
    pub series: usize,
    /// How many points of further ones were left out since this was last asked.
    pub refused: u64,
}

/// Points of series that were left out, by service and metric.
#[derive(Debug, Default)]
pub(super) struct Crowds(BTreeMap<(ServiceId, Arc<str>), u64>);

impl Crowds {
    fn add(&mut self, key: &SeriesKey) {
        let named = (key.service.clone(), key.metric.clone());
        if self.0.len() < CROWDS_MAX || self.0.contains_key(&named) {
            *self.0.entry(named).or_default() += 1;
        }
    }
}

impl Detector {
    /// Metrics of which points were left out for want of room since this was last asked; and where there was none at all,
    /// those that take most of it.
    pub fn take_crowds(&mut self) -> Vec<Crowd> {
        let refused = std::mem::take(&mut self.crowds).0;
        if refused.is_empty() {
            return Vec::new();
        }
        let is_full = self.table.len() >= SERIES_MAX;
        let largest = if is_full { self.table.largest_metrics(LARGEST_TOLD) } else { Vec::new() };
        let mut named: BTreeMap<(ServiceId, Arc<str>), u64> = largest.into_iter().map(|named| (named, 0)).collect();
        named.extend(refused);
        let crowd = |((service, metric), refused): ((ServiceId, Arc<str>), u64)| {
            let series = self.table.series_of_metric(&service, &metric);
            Crowd { service, metric, series, refused }
        };
        named.into_iter().map(crowd).collect()
    }

    /// Whether there is room for a series; where there is none, a point of it was left out.
    pub(super) fn has_room(&mut self, key: &SeriesKey) -> bool {
        let refusal = if self.table.len() >= SERIES_MAX {
            Refusal::Series
        } else if self.table.series_of_metric(&key.service, &key.metric) >= METRIC_SERIES_MAX {
            Refusal::Metric
        } else {
            return true;
        };
        self.counts.refused.add(refusal);
        self.crowds.add(key);
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Timestamp;
    use crate::detect::Objectives;
    use crate::telemetry::{MetricPoint, Origin, PointValue};

    fn point(service: &str, user: usize) -> MetricPoint {
        MetricPoint {
            service: ServiceId::named(service),
            origin: Origin::default(),
            metric: "cart.items".into(),
            unit: "{item}".into(),
            attributes: [("user".into(), user.to_string().into())].into(),
            time: Timestamp::from_secs(1_000),
            start: None,
            value: PointValue::Gauge(1.0),
        }
    }

    #[test]
    fn one_label_that_explodes_leaves_room_for_others_and_is_named() {
        let mut detector = Detector::new(Objectives::default());
        for user in 0..METRIC_SERIES_MAX + 5 {
            detector.metric(&point("cart", user));
        }
        detector.metric(&point("stock", 1));
        let counts = detector.counts();
        assert_eq!((counts.taken, counts.refused.total()), (METRIC_SERIES_MAX as u64 + 1, 5));
        assert_eq!(counts.refused.of(Refusal::Metric), 5);
        let (service, metric) = (ServiceId::named("cart"), "cart.items".into());
        assert_eq!(detector.take_crowds(), [Crowd { service, metric, series: METRIC_SERIES_MAX, refused: 5 }]);
        assert_eq!(detector.take_crowds(), [], "it is told once");
        // A series that is known goes on, and room that is given up can be taken again.
        let mut known = point("cart", 7);
        known.time = Timestamp::from_secs(1_010);
        detector.metric(&known);
        assert_eq!(detector.counts().taken, counts.taken + 1);
        detector.advance(Timestamp::from_secs(3 * 3_600));
        let mut new = point("cart", METRIC_SERIES_MAX + 5);
        new.time = Timestamp::from_secs(3 * 3_600);
        detector.metric(&new);
        assert_eq!(detector.counts().refused.total(), 5);
    }

    #[test]
    fn every_reason_has_a_name_and_a_place_of_its_own() {
        let names: std::collections::BTreeSet<_> = Refusal::ALL.iter().map(|refusal| refusal.name()).collect();
        assert_eq!(names.len(), Refusal::ALL.len());
        let mut refused = Refused::default();
        for (place, refusal) in Refusal::ALL.into_iter().enumerate() {
            assert_eq!(refusal as usize, place);
            refused.add(refusal);
            assert_eq!(refused.of(refusal), 1);
        }
        assert_eq!(refused.since(&Refused::default()), refused);
        assert_eq!(refused.since(&refused).total(), 0);
    }
}
