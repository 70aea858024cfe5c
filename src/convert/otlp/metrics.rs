//! Metrics to points.

use llm_sre_domain::Timestamp;
use llm_sre_domain::telemetry::{MetricPoint, PointValue, Temporality};
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value;
use opentelemetry_proto::tonic::metrics::v1::{
    AggregationTemporality, DataPointFlags, ExponentialHistogramDataPoint, HistogramDataPoint, Metric, NumberDataPoint,
    Sum, SummaryDataPoint,
};

use super::text::Interner;
use super::{Converted, Reason, Rejection, exponential, identity, required_time};

/// Converts all points of a request.
pub fn metrics(request: &ExportMetricsServiceRequest) -> Converted<MetricPoint> {
    let mut converted = Converted::default();
    let mut texts = Interner::default();
    let mut position = 0;
    for resource in &request.resource_metrics {
        let (service, origin) = identity(resource.resource.as_ref());
        for metric in resource.scope_metrics.iter().flat_map(|scope| &scope.metrics) {
            let (name, unit) = (texts.get(&metric.name), texts.get(&metric.unit));
            for point in points(metric) {
                match judge(metric, &point) {
                    Ok(Some((time, value))) => {
                        let head = point.head();
                        converted.items.push(MetricPoint {
                            service: service.clone(),
                            origin: origin.clone(),
                            metric: name.clone(),
                            unit: unit.clone(),
                            attributes: texts.repeated(head.attributes),
                            time,
                            start: (head.start != 0).then(|| Timestamp::from_otlp(head.start)),
                            value,
                        });
                    }
                    Ok(None) => converted.skipped += 1,
                    Err(reason) => converted.rejected.push(Rejection { position, reason }),
                }
                position += 1;
            }
        }
    }
    converted
}

/// What [`metrics`] would reject, without converting the rest.
pub fn check_metrics(request: &ExportMetricsServiceRequest) -> Vec<Rejection> {
    let scopes = request.resource_metrics.iter().flat_map(|resource| &resource.scope_metrics);
    let judged = scopes
        .flat_map(|scope| &scope.metrics)
        .flat_map(|metric| points(metric).map(move |point| judge(metric, &point).err()));
    judged.enumerate().filter_map(|(position, reason)| Some(Rejection { position, reason: reason? })).collect()
}

/// The time of each point, in wire order; none where nothing was recorded.
pub(super) fn point_times(request: &ExportMetricsServiceRequest) -> Vec<Option<Timestamp>> {
    let scopes = request.resource_metrics.iter().flat_map(|resource| &resource.scope_metrics);
    let heads = scopes.flat_map(|scope| &scope.metrics).flat_map(points).map(|point| {
        let Head { time, flags, .. } = point.head();
        (time, flags)
    });
    heads.map(|(time, flags)| if is_recorded(flags) { required_time(time).ok() } else { None }).collect()
}

/// A point of any kind, with what it needs of its metric.
enum Point<'a> {
    Gauge(&'a NumberDataPoint),
    Sum(&'a NumberDataPoint, &'a Sum),
    Histogram(&'a HistogramDataPoint, i32),
    Exponential(&'a ExponentialHistogramDataPoint, i32),
    Summary(&'a SummaryDataPoint),
    /// Stands for a metric without data, so that it is reported and not lost.
    Absent,
}

/// What all kinds of points have.
struct Head<'a> {
    attributes: &'a [KeyValue],
    start: u64,
    time: u64,
    flags: u32,
}

fn points(metric: &Metric) -> Box<dyn Iterator<Item = Point<'_>> + '_> {
    match &metric.data {
        Some(Data::Gauge(gauge)) => Box::new(gauge.data_points.iter().map(Point::Gauge)),
        Some(Data::Sum(sum)) => Box::new(sum.data_points.iter().map(move |point| Point::Sum(point, sum))),
        Some(Data::Histogram(histogram)) => {
            let temporality = histogram.aggregation_temporality;
            Box::new(histogram.data_points.iter().map(move |point| Point::Histogram(point, temporality)))
        }
        Some(Data::ExponentialHistogram(histogram)) => {
            let temporality = histogram.aggregation_temporality;
            Box::new(histogram.data_points.iter().map(move |point| Point::Exponential(point, temporality)))
        }
        Some(Data::Summary(summary)) => Box::new(summary.data_points.iter().map(Point::Summary)),
        None => Box::new(std::iter::once(Point::Absent)),
    }
}

/// The point's time and value, nothing where nothing was recorded, or why it cannot be taken.
fn judge(metric: &Metric, point: &Point<'_>) -> Result<Option<(Timestamp, PointValue)>, Reason> {
    if metric.name.is_empty() {
        return Err(Reason::NoName);
    }
    let head = point.head();
    if !is_recorded(head.flags) {
        return Ok(None);
    }
    let value = point.value()?;
    Ok(Some((required_time(head.time)?, value)))
}

fn is_recorded(flags: u32) -> bool {
    flags & DataPointFlags::NoRecordedValueMask as u32 == 0
}

impl<'a> Point<'a> {
    fn head(&self) -> Head<'a> {
        /// The fields have the same names in every kind.
        macro_rules! head {
            ($point:expr) => {
                Head {
                    attributes: &$point.attributes,
                    start: $point.start_time_unix_nano,
                    time: $point.time_unix_nano,
                    flags: $point.flags,
                }
            };
        }
        match self {
            Self::Gauge(point) | Self::Sum(point, _) => head!(point),
            Self::Histogram(point, _) => head!(point),
            Self::Exponential(point, _) => head!(point),
            Self::Summary(point) => head!(point),
            Self::Absent => Head { attributes: &[], start: 0, time: 0, flags: 0 },
        }
    }

    fn value(&self) -> Result<PointValue, Reason> {
        match self {
            Self::Gauge(point) => number(point).map(PointValue::Gauge),
            Self::Sum(point, sum) => Ok(PointValue::Sum {
                value: number(point)?,
                monotonic: sum.is_monotonic,
                temporality: temporality(sum.aggregation_temporality)?,
            }),
            Self::Histogram(point, stated) => histogram(point, *stated),
            Self::Exponential(point, stated) => {
                let (bounds, buckets) = exponential::to_explicit(point)?;
                Ok(PointValue::Histogram {
                    count: point.count,
                    sum: point.sum.map(finite).transpose()?,
                    bounds: bounds.into(),
                    buckets,
                    temporality: temporality(*stated)?,
                })
            }
            Self::Summary(point) => summary(point),
            Self::Absent => Err(Reason::NoData),
        }
    }
}

fn number(point: &NumberDataPoint) -> Result<f64, Reason> {
    match point.value {
        Some(Value::AsDouble(value)) => finite(value),
        Some(Value::AsInt(value)) => Ok(value as f64),
        None => Err(Reason::NoValue),
    }
}

fn histogram(point: &HistogramDataPoint, stated: i32) -> Result<PointValue, Reason> {
    let (bounds, buckets) = (&point.explicit_bounds, &point.bucket_counts);
    let fits = buckets.is_empty() || buckets.len() == bounds.len() + 1;
    let ascends = bounds.windows(2).all(|pair| pair[0] < pair[1]);
    let total = buckets.iter().try_fold(0u64, |sum, count| sum.checked_add(*count));
    if !fits || !ascends || total.is_none() {
        return Err(Reason::MalformedBuckets);
    }
    if !bounds.iter().all(|bound| bound.is_finite()) {
        return Err(Reason::NotFinite);
    }
    Ok(PointValue::Histogram {
        count: point.count,
        sum: point.sum.map(finite).transpose()?,
        // Bounds without counts say nothing.
        bounds: if buckets.is_empty() { [].into() } else { bounds.as_slice().into() },
        buckets: buckets.clone(),
        temporality: temporality(stated)?,
    })
}

fn summary(point: &SummaryDataPoint) -> Result<PointValue, Reason> {
    let sum = finite(point.sum)?;
    if !point.quantile_values.iter().all(|pair| (0.0..=1.0).contains(&pair.quantile)) {
        return Err(Reason::MalformedQuantiles);
    }
    // Prometheus clients report NaN for the quantiles of an empty window.
    let given = point.quantile_values.iter().filter(|pair| pair.value.is_finite());
    let mut quantiles: Vec<(f64, f64)> = given.map(|pair| (pair.quantile, pair.value)).collect();
    quantiles.sort_by(|left, right| left.0.total_cmp(&right.0));
    Ok(PointValue::Summary { count: point.count, sum, quantiles })
}

fn finite(value: f64) -> Result<f64, Reason> {
    if value.is_finite() { Ok(value) } else { Err(Reason::NotFinite) }
}

fn temporality(stated: i32) -> Result<Temporality, Reason> {
    match AggregationTemporality::try_from(stated) {
        Ok(AggregationTemporality::Delta) => Ok(Temporality::Delta),
        Ok(AggregationTemporality::Cumulative) => Ok(Temporality::Cumulative),
        Ok(AggregationTemporality::Unspecified) | Err(_) => Err(Reason::NoTemporality),
    }
}
