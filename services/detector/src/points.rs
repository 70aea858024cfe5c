//! From a record of metrics to what detection takes.
//!
//! Points of known series are read where they lie, and cost neither a copy nor a name. A request that is refused has no
//! effect: what is not known of it is decoded before any of it is taken.

use std::collections::VecDeque;

use llm_sre_domain::Timestamp;
use llm_sre_domain::detect::{Detector, Distribution, Reading, Value};
use llm_sre_domain::telemetry::MetricPoint;
use llm_sre_otlp::{Kind, Point, Points};
use llm_sre_proto::convert::otlp;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use prost::{DecodeError, Message};

/// Takes an encoded export request. The newest time of its points; `None` where it has none.
///
/// # Errors
/// Where it is malformed. Nothing of it was taken then.
pub(crate) fn take_metrics(
    detector: &mut Detector,
    request: &[u8],
    seed: u64,
) -> Result<Option<Timestamp>, DecodeError> {
    let Ok(points) = Points::read(request, seed) else {
        let points = decode(request)?;
        points.iter().for_each(|point| detector.metric(point));
        return Ok(points.iter().map(|point| point.time).max());
    };
    let mut unknown: VecDeque<(usize, Option<MetricPoint>)> = VecDeque::new();
    for (index, point) in points.iter().enumerate() {
        if !detector.knows_series(point.speaker, point.series) {
            unknown.push_back((index, decode(&points.alone(point))?.pop()));
        }
    }
    let mut newest = None;
    let (mut bounds, mut buckets) = (Vec::new(), Vec::new());
    for (index, point) in points.iter().enumerate() {
        if unknown.front().is_none_or(|(next, _)| *next != index) {
            let value = value(point, &mut bounds, &mut buckets);
            let Point { speaker, series, time, start, .. } = *point;
            if value.is_some_and(|value| detector.take(&Reading { speaker, series, time, start, value })) {
                newest = newest.max(Some(time));
            }
        } else if let Some((_, Some(decoded))) = unknown.pop_front() {
            detector.learn(point.speaker, point.series, &decoded);
            newest = newest.max(Some(decoded.time));
        }
    }
    Ok(newest)
}

fn decode(request: &[u8]) -> Result<Vec<MetricPoint>, DecodeError> {
    ExportMetricsServiceRequest::decode(request).map(|request| otlp::metrics(&request).items)
}

/// What a point holds, with its buckets in these; `None` for what has to be decoded.
fn value<'a>(point: &Point<'_>, bounds: &'a mut Vec<f64>, buckets: &'a mut Vec<u64>) -> Option<Value<'a>> {
    match point.kind {
        Kind::Level(value) => Some(Value::Level(value)),
        Kind::Count(value, temporality) => Some(Value::Count(value, temporality)),
        Kind::Distribution(read) => {
            bounds.clear();
            bounds.extend(read.bounds());
            buckets.clear();
            buckets.extend(read.buckets());
            let (count, sum, temporality) = (read.count, read.sum, read.temporality);
            Some(Value::Distribution(Distribution { count, sum, bounds, buckets, temporality }))
        }
        Kind::Other => None,
    }
}

#[cfg(test)]
mod tests {
    use llm_sre_domain::detect::Objectives;
    use opentelemetry_proto::tonic::common::v1::any_value::Value as Text;
    use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
    use opentelemetry_proto::tonic::metrics::v1::metric::Data;
    use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value as Number;
    use opentelemetry_proto::tonic::metrics::v1::{
        Gauge, Histogram, HistogramDataPoint, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, Sum, Summary,
        SummaryDataPoint, summary_data_point::ValueAtQuantile,
    };
    use opentelemetry_proto::tonic::resource::v1::Resource;

    use super::*;

    const START_S: u64 = 1_700_000_000;
    const STEPS: u64 = 420;
    /// Two versions, so that a process changes its own, and one that comes late.
    const PROCESSES: [(&str, u64, u64, &str); 4] =
        [("a", 0, 200, "1.0"), ("a", 200, STEPS, "1.1"), ("b", 0, STEPS, "1.0"), ("c", 250, STEPS, "1.1")];

    fn attribute(key: &str, value: &str) -> KeyValue {
        let value = Some(AnyValue { value: Some(Text::StringValue(value.to_owned())) });
        KeyValue { key: key.to_owned(), value, ..KeyValue::default() }
    }

    fn noise(seed: u64, step: u64) -> f64 {
        1.0 + ((seed.wrapping_mul(31) ^ step).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40) as f64 / f64::from(1 << 28)
    }

    fn metric(name: &str, unit: &str, data: Data) -> Metric {
        Metric { name: name.to_owned(), unit: unit.to_owned(), data: Some(data), ..Metric::default() }
    }

    /// What a process sends at a step: every kind of metric; from step 330 on it is in trouble.
    fn request(process: &str, version: &str, step: u64) -> Vec<u8> {
        let seed = u64::from(process.as_bytes()[0]);
        let is_bad = step >= 330;
        let time_unix_nano = (START_S + step * 10) * 1_000_000_000 + seed;
        let start_time_unix_nano = START_S * 1_000_000_000;
        let number = |value: f64, attributes: &[KeyValue]| NumberDataPoint {
            attributes: attributes.to_vec(),
            time_unix_nano,
            start_time_unix_nano,
            value: Some(Number::AsDouble(value)),
            ..NumberDataPoint::default()
        };
        let gauge = |value: f64| Data::Gauge(Gauge { data_points: vec![number(value, &[])] });
        let sum = |value: f64, is_monotonic: bool| {
            let data_points = vec![number(value, &[attribute("kind", "new")])];
            Data::Sum(Sum { data_points, aggregation_temporality: 2, is_monotonic })
        };
        let durations = |status: &str, share: f64| {
            let count = ((step + 1) as f64 * 100.0 * share * noise(seed, step)) as u64;
            HistogramDataPoint {
                attributes: vec![attribute("http.response.status_code", status)],
                time_unix_nano,
                start_time_unix_nano,
                count,
                sum: Some(count as f64 * 0.02),
                bucket_counts: vec![0, count, 0],
                explicit_bounds: vec![0.01, 0.1],
                ..HistogramDataPoint::default()
            }
        };
        let data_points = vec![durations("200", 0.95), durations("500", if is_bad { 0.05 } else { 0.0 })];
        let histogram = Data::Histogram(Histogram { data_points, aggregation_temporality: 2 });
        let quantile_values = vec![ValueAtQuantile { quantile: 0.5, value: noise(seed, step) }];
        let summary = SummaryDataPoint { time_unix_nano, count: 100, quantile_values, ..SummaryDataPoint::default() };
        let worse = if is_bad { 3.0 } else { 1.0 };
        let metrics = vec![
            metric("process.cpu.utilization", "1", gauge(0.2 * worse * noise(seed, step))),
            metric("queue.length", "{item}", sum(10.0 * worse * noise(seed, step), false)),
            metric("orders.failed", "{order}", sum((step * step) as f64 * if is_bad { 9.0 } else { 1.0 }, true)),
            metric("http.server.request.duration", "s", histogram.clone()),
            metric("http.client.request.duration", "s", histogram),
            metric("gc.pause", "s", Data::Summary(Summary { data_points: vec![summary] })),
        ];
        let attributes = [("service.name", "cart"), ("service.instance.id", process), ("service.version", version)];
        let attributes = attributes.map(|(key, value)| attribute(key, value)).into();
        ExportMetricsServiceRequest {
            resource_metrics: vec![ResourceMetrics {
                resource: Some(Resource { attributes, ..Resource::default() }),
                scope_metrics: vec![ScopeMetrics { metrics, ..ScopeMetrics::default() }],
                ..ResourceMetrics::default()
            }],
        }
        .encode_to_vec()
    }

    #[test]
    fn both_ways_come_to_the_same() {
        let (mut read, mut decoded) = (Detector::new(Objectives::default()), Detector::new(Objectives::default()));
        let mut found = 0;
        for step in 0..STEPS {
            for (process, _, _, version) in PROCESSES.iter().filter(|(_, from, to, _)| (*from..*to).contains(&step)) {
                let request = request(process, version, step);
                let newest = take_metrics(&mut read, &request, 5).unwrap();
                let points = decode(&request).unwrap();
                points.iter().for_each(|point| decoded.metric(point));
                assert_eq!(newest, points.iter().map(|point| point.time).max());
            }
            let watermark = Timestamp::from_secs((START_S + step * 10).cast_signed());
            read.advance(watermark);
            decoded.advance(watermark);
            assert_eq!(read.abnormal(), decoded.abnormal(), "step {step}");
            assert_eq!(read.counts(), decoded.counts(), "step {step}");
            found = found.max(read.abnormal().len());
        }
        assert!(found > 3, "the comparison is of something: {found}");
    }

    #[test]
    fn what_is_malformed_anywhere_has_no_effect() {
        let mut detector = Detector::new(Objectives::default());
        let good = request("a", "1.0", 0);
        // A key of an attribute that is no text lies in the last point.
        let at = good.windows(4).rposition(|window| window == b"kind").unwrap();
        let mut bad = request("a", "1.0", 1);
        bad[at] = 0xff;
        assert!(take_metrics(&mut detector, &bad, 5).is_err());
        assert!(take_metrics(&mut detector, &good[..good.len() - 1], 5).is_err());
        assert_eq!(detector.counts().taken, 0);
        take_metrics(&mut detector, &good, 5).unwrap();
        let taken = detector.counts().taken;
        assert!(taken > 0);
        assert!(take_metrics(&mut detector, &bad, 5).is_err());
        assert_eq!(detector.counts().taken, taken);
    }
}
