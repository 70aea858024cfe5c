use llm_sre_domain::telemetry::{LogSeverity, MetricPoint, PointValue, SpanKind, Temporality};
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::metrics::v1::ExponentialHistogramDataPoint;
use opentelemetry_proto::tonic::metrics::v1::exponential_histogram_data_point::Buckets;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use proptest::prelude::*;
use prost::Message;
use serde_json::{Value, json};

use super::*;

/// A request from its OTLP/JSON, which is shorter than the structs.
fn parse<T: serde::de::DeserializeOwned>(json: Value) -> T {
    serde_json::from_value(json).unwrap()
}

fn one_metric(metric: Value) -> Converted<MetricPoint> {
    let resource = json!({"attributes": [{"key": "service.name", "value": {"stringValue": "cart"}}]});
    let request: ExportMetricsServiceRequest = parse(json!({
        "resourceMetrics": [{"resource": resource, "scopeMetrics": [{"metrics": [metric]}]}]
    }));
    let converted = metrics(&request);
    assert_eq!(check_metrics(&request), converted.rejected, "the check and the conversion agree");
    converted
}

fn value(metric: Value) -> Result<PointValue, Reason> {
    let converted = one_metric(metric);
    match (converted.items.as_slice(), converted.rejected.as_slice()) {
        ([point], []) => Ok(point.value.clone()),
        ([], [rejection]) => Err(rejection.reason),
        other => panic!("not one point: {other:?}"),
    }
}

#[test]
fn identity_comes_from_the_resource() {
    let check = |attributes: &[(&str, &str)], service: &str, instance: &str| {
        let attributes: Vec<Value> =
            attributes.iter().map(|(key, text)| json!({"key": key, "value": {"stringValue": text}})).collect();
        let (found, origin) = identity(Some(&parse::<Resource>(json!({"attributes": attributes}))));
        assert_eq!((found.to_string().as_str(), &*origin.instance), (service, instance));
    };
    let full = [("service.name", "cart"), ("service.namespace", "shop"), ("deployment.environment.name", "prod")];
    check(&full, "shop/cart@prod", "");
    check(&[("service.name", "cart"), ("deployment.environment", "old")], "cart@old", "");
    check(&[("service.name", "a"), ("host.name", "h"), ("k8s.pod.name", "p")], "a", "p");
    check(&[("service.name", "a"), ("service.instance.id", ""), ("host.name", "h")], "a", "h");
    check(&[("host.name", "h")], "unknown_service", "h");
    assert_eq!(identity(None), (ServiceId::named(""), Origin::default()));
}

#[test]
fn each_kind_of_point_keeps_its_value() {
    let time = "1700000000000000000";
    let sum = |temporality: i32| {
        json!({"name": "m", "sum": {"aggregationTemporality": temporality, "isMonotonic": true,
            "dataPoints": [{"timeUnixNano": time, "asInt": "7"}]}})
    };
    let sum_value = |temporality| PointValue::Sum { value: 7.0, monotonic: true, temporality };
    assert_eq!(value(sum(1)), Ok(sum_value(Temporality::Delta)));
    assert_eq!(value(sum(2)), Ok(sum_value(Temporality::Cumulative)));
    assert_eq!(value(sum(0)), Err(Reason::NoTemporality));

    let gauge = |point: Value| json!({"name": "m", "gauge": {"dataPoints": [point]}});
    assert_eq!(value(gauge(json!({"timeUnixNano": time, "asDouble": 0.5}))), Ok(PointValue::Gauge(0.5)));
    assert_eq!(value(gauge(json!({"timeUnixNano": time}))), Err(Reason::NoValue));
    assert_eq!(value(gauge(json!({"asDouble": 0.5}))), Err(Reason::NoTime));
    assert_eq!(value(json!({"gauge": {"dataPoints": [{"asDouble": 1.0}]}})), Err(Reason::NoName));
    assert_eq!(value(json!({"name": "m"})), Err(Reason::NoData));
    let empty = one_metric(gauge(json!({"timeUnixNano": time, "flags": 1})));
    assert_eq!((empty.items.len(), empty.rejected.len(), empty.skipped), (0, 0, 1));

    let histogram = |bounds: Value, counts: Value| {
        json!({"name": "m", "histogram": {"aggregationTemporality": 1, "dataPoints": [
            {"timeUnixNano": time, "count": "3", "sum": 1.5, "explicitBounds": bounds, "bucketCounts": counts}]}})
    };
    let expected = PointValue::Histogram {
        count: 3,
        sum: Some(1.5),
        bounds: [0.1, 1.0].into(),
        buckets: vec![1, 1, 1],
        temporality: Temporality::Delta,
    };
    assert_eq!(value(histogram(json!([0.1, 1.0]), json!(["1", "1", "1"]))), Ok(expected));
    assert_eq!(value(histogram(json!([1.0, 0.1]), json!(["1", "1", "1"]))), Err(Reason::MalformedBuckets));
    assert_eq!(value(histogram(json!([1.0]), json!(["1"]))), Err(Reason::MalformedBuckets));

    let summary = json!({"name": "m", "summary": {"dataPoints": [{"timeUnixNano": time, "count": "2", "sum": 3.0,
        "quantileValues": [{"quantile": 0.9, "value": 2.0}, {"quantile": 0.5, "value": 1.0}]}]}});
    let quantiles = vec![(0.5, 1.0), (0.9, 2.0)];
    assert_eq!(value(summary), Ok(PointValue::Summary { count: 2, sum: 3.0, quantiles }));
}

#[test]
fn a_wrong_point_costs_only_itself() {
    let mut request: ExportMetricsServiceRequest = parse(json!({"resourceMetrics": [{"scopeMetrics": [{"metrics": [
        {"name": "m", "gauge": {"dataPoints": [
            {"timeUnixNano": "1", "asDouble": 1.0}, {"timeUnixNano": "2", "asDouble": 2.0},
            {"timeUnixNano": "3", "asDouble": 3.0}]}}]}]}]}));
    let metric = &mut request.resource_metrics[0].scope_metrics[0].metrics[0];
    let Some(Data::Gauge(gauge)) = &mut metric.data else { panic!("not a gauge") };
    gauge.data_points[1].value = Some(number(f64::NAN));
    let converted = metrics(&request);
    assert_eq!(converted.items.iter().map(|point| point.time.as_nanos()).collect::<Vec<_>>(), [1, 3]);
    assert_eq!(converted.rejected, [Rejection { position: 1, reason: Reason::NotFinite }]);
    assert!(!converted.items[0].service.is_named());
}

fn number(value: f64) -> opentelemetry_proto::tonic::metrics::v1::number_data_point::Value {
    opentelemetry_proto::tonic::metrics::v1::number_data_point::Value::AsDouble(value)
}

#[test]
fn logs_keep_text_time_and_trace() {
    let request: ExportLogsServiceRequest = parse(json!({"resourceLogs": [{"scopeLogs": [{"logRecords": [
        {"observedTimeUnixNano": "5", "severityNumber": 18, "body": {"stringValue": "plain"},
         "traceId": "0102030405060708090a0b0c0d0e0f10", "spanId": "0102030405060708", "eventName": "deployed",
         "attributes": [{"key": "n", "value": {"intValue": "7"}}, {"key": "b", "value": {"boolValue": true}}]},
        {"timeUnixNano": "6", "observedTimeUnixNano": "9", "severityText": "Warning", "body": {"kvlistValue": {
            "values": [{"key": "user", "value": {"stringValue": "a\"b"}},
                       {"key": "ids", "value": {"arrayValue": {"values": [{"intValue": "1"}]}}}]}}},
        {"body": {"stringValue": "timeless"}}]}]}]}));
    let converted = logs(&request);
    let [first, second] = converted.items.as_slice() else { panic!("not two records: {converted:?}") };
    assert_eq!((first.time.as_nanos(), first.severity, first.body.as_str()), (5, LogSeverity::Error, "plain"));
    assert_eq!((&*first.event_name, first.span_id), ("deployed", Some([1, 2, 3, 4, 5, 6, 7, 8])));
    assert_eq!((&*first.attributes["n"], &*first.attributes["b"]), ("7", "true"));
    assert_eq!((second.time.as_nanos(), second.severity, second.trace_id), (6, LogSeverity::Warn, None));
    assert_eq!(second.body, r#"{"ids":[1],"user":"a\"b"}"#);
    assert_eq!(converted.rejected, [Rejection { position: 2, reason: Reason::NoTime }]);
}

#[test]
fn what_is_empty_may_be_left_out_of_json() {
    let text = r#"{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"timeUnixNano":"1","body":{"arrayValue":{}},
        "attributes":[{"key":"a","value":{"kvlistValue":{}}},{"value":{"arrayValue":{"values":[{}]}}},
                      {"key":"b","value":{"kvlistValue":{"values":[{"value":{"intValue":1}}]}}}]}]}]}]}"#;
    let converted = logs(&from_json::<ExportLogsServiceRequest>(text.as_bytes()).unwrap());
    let [record] = converted.items.as_slice() else { panic!("not one record: {converted:?}") };
    let attributes: Vec<(&str, &str)> = record.attributes.iter().map(|(key, value)| (&**key, &**value)).collect();
    assert_eq!((record.body.as_str(), attributes), ("[]", vec![("", "[null]"), ("a", "{}"), ("b", r#"{"":1}"#)]));
    assert!(from_json::<ExportLogsServiceRequest>(b"{\"resourceLogs\":7}").is_err());
}

#[test]
fn spans_keep_their_side_and_peer() {
    let trace_id = "0102030405060708090a0b0c0d0e0f10";
    let request: ExportTraceServiceRequest = parse(json!({"resourceSpans": [{"scopeSpans": [{"spans": [
        {"traceId": trace_id, "spanId": "0102030405060708", "name": "GET", "kind": 3, "status": {"code": 2},
         "startTimeUnixNano": "1000", "endTimeUnixNano": "3500",
         "attributes": [{"key": "peer.service", "value": {"stringValue": "cart"}}]},
        {"traceId": trace_id, "spanId": "01", "startTimeUnixNano": "1", "endTimeUnixNano": "2"},
        {"traceId": trace_id, "spanId": "0102030405060709", "startTimeUnixNano": "9", "endTimeUnixNano": "2"}]}]}]}));
    let converted = spans(&request);
    let [call, backwards] = converted.items.as_slice() else { panic!("not two spans: {converted:?}") };
    assert_eq!((call.kind, call.is_error, call.peer.as_deref()), (SpanKind::Client, true, Some("cart")));
    assert_eq!((call.duration.as_nanos(), backwards.duration.as_nanos()), (2500, 0));
    assert_eq!(converted.rejected, [Rejection { position: 1, reason: Reason::MalformedSpanId }]);
}

/// An exponential histogram of `values` at `scale`, bucketed as the specification defines it.
fn exponential_of(values: &[f64], scale: i32) -> ExponentialHistogramDataPoint {
    let indices: Vec<i32> =
        values.iter().map(|value| (value.log2() * f64::from(scale).exp2()).ceil() as i32 - 1).collect();
    let offset = indices.iter().copied().min().unwrap_or(0);
    let mut bucket_counts = vec![0; indices.iter().map(|index| (index - offset) as usize + 1).max().unwrap_or(0)];
    indices.iter().for_each(|index| bucket_counts[(index - offset) as usize] += 1);
    let positive = Some(Buckets { offset, bucket_counts });
    ExponentialHistogramDataPoint { scale, positive, count: values.len() as u64, ..Default::default() }
}

proptest! {
    #[test]
    fn exponential_buckets_hold_the_same_values(
        exponents in prop::collection::vec(-18.0f64..34.0, 0..50), scale in -3i32..8, zeros in 0u64..5,
    ) {
        // Values on a bound would test the rounding of log2 and not the buckets.
        let values: Vec<f64> = exponents.iter().map(|exponent| exponent.exp2()).filter(|value| value.log2().fract().abs() > 1e-3).collect();
        let mut point = exponential_of(&values, scale);
        point.zero_count = zeros;
        let (bounds, counts) = exponential::to_explicit(&point).unwrap();
        prop_assert_eq!(counts.len(), bounds.len() + 1);
        prop_assert!(bounds.windows(2).all(|pair| pair[0] < pair[1]));
        let mut below = 0;
        for (bound, count) in bounds.iter().zip(&counts) {
            below += count;
            let slack = 1.0 + 1e-9;
            let expected = values.iter().filter(|value| **value <= bound * slack).count() as u64 + zeros;
            prop_assert_eq!(below, expected, "values up to {}", bound);
        }
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        if let Ok(request) = ExportMetricsServiceRequest::decode(&bytes[..]) {
            prop_assert_eq!(check_metrics(&request), metrics(&request).rejected);
        }
        if let Ok(request) = ExportLogsServiceRequest::decode(&bytes[..]) {
            prop_assert_eq!(check_logs(&request), logs(&request).rejected);
        }
        if let Ok(request) = ExportTraceServiceRequest::decode(&bytes[..]) {
            prop_assert_eq!(check_spans(&request), spans(&request).rejected);
        }
    }

    /// Random bytes seldom decode, so this takes points that decode and hold anything.
    #[test]
    fn every_point_is_accounted_for(
        points in prop::collection::vec((any::<u64>(), any::<f64>(), any::<u32>()), 0..20),
        scale in any::<i32>(), offset in any::<i32>(), counts in prop::collection::vec(any::<u64>(), 0..40),
        temporality in -1i32..4,
    ) {
        use opentelemetry_proto::tonic::metrics::v1::*;
        let numbers = points.iter().map(|(time, value, flags)| NumberDataPoint {
            time_unix_nano: *time, value: Some(super::tests::number(*value)), flags: *flags, ..Default::default()
        }).collect::<Vec<_>>();
        let buckets = Some(Buckets { offset, bucket_counts: counts.clone() });
        let exponential = ExponentialHistogramDataPoint {
            scale, time_unix_nano: 1, positive: buckets.clone(), negative: buckets, ..Default::default()
        };
        let explicit = HistogramDataPoint {
            explicit_bounds: points.iter().map(|point| point.1).collect(), bucket_counts: counts,
            time_unix_nano: 1, ..Default::default()
        };
        let datas = [
            Data::Gauge(Gauge { data_points: numbers.clone() }),
            Data::Sum(Sum { data_points: numbers, aggregation_temporality: temporality, is_monotonic: true }),
            Data::ExponentialHistogram(ExponentialHistogram {
                data_points: vec![exponential], aggregation_temporality: temporality }),
            Data::Histogram(Histogram { data_points: vec![explicit], aggregation_temporality: temporality }),
        ];
        let metrics_of = datas.map(|data| Metric { name: "m".into(), data: Some(data), ..Default::default() });
        let scope = ScopeMetrics { metrics: metrics_of.into(), ..Default::default() };
        let resource = ResourceMetrics { scope_metrics: vec![scope], ..Default::default() };
        let request = ExportMetricsServiceRequest { resource_metrics: vec![resource] };
        let converted = metrics(&request);
        prop_assert_eq!(
            converted.items.len() + converted.rejected.len() + converted.skipped, 2 * points.len() + 2
        );
        prop_assert!(converted.rejected.windows(2).all(|pair| pair[0].position < pair[1].position));
        let mut good = request;
        take_rejected(&mut good);
        let times: Vec<Timestamp> = converted.items.iter().map(|point| point.time).collect();
        prop_assert_eq!(good.times().into_iter().flatten().collect::<Vec<_>>(), times);
    }
}
