//! Reading where it lies against decoding: what both take is the same, and what decoding refuses, reading refuses.

#![allow(clippy::unwrap_used)] // A helper that fails fails its test.

use llm_sre_domain::telemetry::{MetricPoint, PointValue};
use llm_sre_otlp::{Kind, Points};
use llm_sre_proto::otlp;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue, InstrumentationScope, KeyValue, KeyValueList};
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::{
    Exemplar, ExponentialHistogram, ExponentialHistogramDataPoint, Gauge, Histogram, HistogramDataPoint, Metric,
    NumberDataPoint, ResourceMetrics, ScopeMetrics, Sum, Summary, SummaryDataPoint, exemplar, number_data_point,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use proptest::collection::vec;
use proptest::prelude::*;
use prost::Message;

const SEED: u64 = 11;

fn any_value() -> impl Strategy<Value = Option<AnyValue>> {
    let leaf = prop_oneof![
        "[a-zäé]{0,40}".prop_map(Value::StringValue),
        any::<bool>().prop_map(Value::BoolValue),
        any::<i64>().prop_map(Value::IntValue),
        any::<f64>().prop_map(Value::DoubleValue),
        vec(any::<u8>(), 0..20).prop_map(Value::BytesValue),
    ];
    let value = leaf.prop_recursive(2, 8, 3, |inner| {
        let some = inner.prop_map(|value| AnyValue { value: Some(value) });
        let pair =
            some.clone().prop_map(|value| KeyValue { key: "k".into(), value: Some(value), ..KeyValue::default() });
        prop_oneof![
            vec(some, 0..3).prop_map(|values| Value::ArrayValue(ArrayValue { values })),
            vec(pair, 0..3).prop_map(|values| Value::KvlistValue(KeyValueList { values })),
        ]
    });
    prop::option::of(value.prop_map(|value| AnyValue { value: Some(value) }))
}

fn attributes() -> impl Strategy<Value = Vec<KeyValue>> {
    vec(("[a-c.]{0,3}", any_value()), 0..4).prop_map(|pairs| {
        pairs.into_iter().map(|(key, value)| KeyValue { key, value, ..KeyValue::default() }).collect()
    })
}

fn time() -> impl Strategy<Value = u64> {
    prop_oneof![Just(0), Just(1_700_000_000_000_000_000), any::<u64>()]
}

fn flags() -> impl Strategy<Value = u32> {
    prop_oneof![8 => Just(0), 1 => Just(1), 1 => any::<u32>()]
}

fn exemplars() -> impl Strategy<Value = Vec<Exemplar>> {
    let exemplar =
        (attributes(), time(), any::<f64>()).prop_map(|(filtered_attributes, time_unix_nano, value)| Exemplar {
            filtered_attributes,
            time_unix_nano,
            span_id: vec![1; 8],
            trace_id: vec![2; 16],
            value: Some(exemplar::Value::AsDouble(value)),
        });
    vec(exemplar, 0..2)
}

prop_compose! {
    fn number()(
        attributes in attributes(), start in time(), at in time(), flags in flags(), exemplars in exemplars(),
        value in prop::option::of(prop_oneof![
            any::<f64>().prop_map(number_data_point::Value::AsDouble),
            (-1e6..1e6_f64).prop_map(number_data_point::Value::AsDouble),
            any::<i64>().prop_map(number_data_point::Value::AsInt),
        ]),
    ) -> NumberDataPoint {
        NumberDataPoint { attributes, start_time_unix_nano: start, time_unix_nano: at, exemplars, flags, value }
    }
}

prop_compose! {
    fn histogram()(
        attributes in attributes(), start in time(), at in time(), flags in flags(), exemplars in exemplars(),
        count in any::<u64>(), sum in prop::option::of(-1e6..1e6_f64), step in -1.0..10.0_f64,
        buckets in vec(0..1_000_u64, 0..6), extra in 0..10_usize, huge in 0..10_usize,
    ) -> HistogramDataPoint {
        let bounds = buckets.len().saturating_sub(1) + usize::from(extra == 0);
        let mut bucket_counts = buckets;
        if huge == 0 { bucket_counts.extend([u64::MAX, 1]); }
        HistogramDataPoint {
            attributes, start_time_unix_nano: start, time_unix_nano: at, count, sum, bucket_counts,
            explicit_bounds: (0..bounds).map(|index| index as f64 * step).collect(), exemplars, flags,
            min: Some(0.0), max: None,
        }
    }
}

fn data() -> impl Strategy<Value = Option<Data>> {
    let temporality = -1..4_i32;
    let exponential = attributes().prop_map(|attributes| ExponentialHistogramDataPoint {
        attributes,
        time_unix_nano: 7,
        count: 1,
        zero_count: 1,
        ..ExponentialHistogramDataPoint::default()
    });
    let summary = (attributes(), time()).prop_map(|(attributes, time_unix_nano)| SummaryDataPoint {
        attributes,
        time_unix_nano,
        ..SummaryDataPoint::default()
    });
    prop_oneof![
        4 => vec(number(), 0..4).prop_map(|data_points| Some(Data::Gauge(Gauge { data_points }))),
        4 => (vec(number(), 0..4), temporality.clone(), any::<bool>()).prop_map(
            |(data_points, aggregation_temporality, is_monotonic)| Some(Data::Sum(Sum {
                data_points, aggregation_temporality, is_monotonic
            }))
        ),
        4 => (vec(histogram(), 0..3), temporality.clone()).prop_map(|(data_points, aggregation_temporality)| {
            Some(Data::Histogram(Histogram { data_points, aggregation_temporality }))
        }),
        1 => (vec(exponential, 0..2), temporality).prop_map(|(data_points, aggregation_temporality)| {
            Some(Data::ExponentialHistogram(ExponentialHistogram { data_points, aggregation_temporality }))
        }),
        1 => vec(summary, 0..2).prop_map(|data_points| Some(Data::Summary(Summary { data_points }))),
        1 => Just(None),
    ]
}

fn request() -> impl Strategy<Value = ExportMetricsServiceRequest> {
    let metric = ("[m-o]{0,2}", "[a-z]{0,2}", attributes(), data()).prop_map(|(name, unit, metadata, data)| Metric {
        name,
        unit,
        metadata,
        data,
        description: "é".into(),
    });
    let scope = (prop::option::of(attributes()), vec(metric, 0..4)).prop_map(|(attributes, metrics)| ScopeMetrics {
        scope: attributes.map(|attributes| InstrumentationScope { attributes, ..InstrumentationScope::default() }),
        metrics,
        schema_url: "https://schema".into(),
    });
    let resource = (prop::option::of(attributes()), vec(scope, 0..3)).prop_map(|(attributes, scope_metrics)| {
        let resource = attributes.map(|attributes| Resource { attributes, ..Resource::default() });
        ResourceMetrics { resource, scope_metrics, schema_url: String::new() }
    });
    vec(resource, 0..3).prop_map(|resource_metrics| ExportMetricsServiceRequest { resource_metrics })
}

/// What decoding the whole takes.
fn decoded(bytes: &[u8]) -> Option<Vec<MetricPoint>> {
    ExportMetricsServiceRequest::decode(bytes).ok().map(|request| otlp::metrics(&request).items)
}

/// What reading takes, each point decoded alone; `None` where reading refuses, or a part of it is malformed.
fn read(bytes: &[u8]) -> Option<Vec<MetricPoint>> {
    let points = Points::read(bytes, SEED).ok()?;
    let mut items = Vec::new();
    for point in points.iter() {
        let alone = decoded(&points.alone(point))?;
        if let Some(item) = alone.first() {
            assert_eq!(alone.len(), 1);
            match (&item.value, point.kind) {
                (PointValue::Gauge(value), Kind::Level(read)) => assert_eq!(*value, read),
                (PointValue::Sum { value, monotonic: false, .. }, Kind::Level(read)) => assert_eq!(*value, read),
                (PointValue::Sum { value, temporality, .. }, Kind::Count(read, since)) => {
                    assert_eq!((*value, *temporality), (read, since));
                }
                (PointValue::Histogram { count, sum, bounds, buckets, temporality }, Kind::Distribution(read)) => {
                    assert_eq!((*count, *sum, *temporality), (read.count, read.sum, read.temporality));
                    assert!(read.bounds().eq(bounds.iter().copied()) && read.buckets().eq(buckets.iter().copied()));
                }
                (PointValue::Histogram { .. } | PointValue::Summary { .. }, Kind::Other) => {}
                other => panic!("{other:?}"),
            }
            if !matches!(point.kind, Kind::Other) {
                assert_eq!((point.time, point.start), (item.time, item.start));
            }
        } else {
            assert!(matches!(point.kind, Kind::Other), "{point:?} is no point");
        }
        items.extend(alone);
    }
    Some(items)
}

/// Whether equal fingerprints mean equal names, and the other way round.
fn fingerprints_are_names(bytes: &[u8]) {
    let points = Points::read(bytes, SEED).unwrap();
    let name = |point| {
        let alone = ExportMetricsServiceRequest::decode(&*points.alone(point)).unwrap();
        let mut named = otlp::metrics(&alone).items;
        named.pop().map(|named| {
            let value = std::mem::discriminant(&named.value);
            ((named.service, named.origin, named.metric, named.unit, named.attributes), value)
        })
    };
    let named: Vec<_> = points.iter().filter_map(|point| Some((point.series.0, name(point)?))).collect();
    for (one, two) in named.iter().flat_map(|one| named.iter().map(move |two| (one, two))) {
        if one.0 == two.0 {
            assert_eq!(one.1, two.1);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn what_is_decoded_is_read(request in request()) {
        let bytes = request.encode_to_vec();
        prop_assert_eq!(read(&bytes), decoded(&bytes));
        fingerprints_are_names(&bytes);
    }

    #[test]
    fn what_is_broken_is_not_read(
        request in request(), changes in vec((any::<prop::sample::Index>(), any::<u8>()), 1..4), cut in any::<prop::sample::Index>(),
        is_cut in any::<bool>(),
    ) {
        let mut bytes = request.encode_to_vec();
        if !bytes.is_empty() {
            for (at, to) in changes {
                let at = at.index(bytes.len());
                bytes[at] = to;
            }
            if is_cut {
                bytes.truncate(cut.index(bytes.len()));
            }
        }
        if let Some(read) = read(&bytes) {
            prop_assert_eq!(Some(read), decoded(&bytes));
        }
    }

    #[test]
    fn noise_is_not_read_as_something(bytes in vec(any::<u8>(), 0..200)) {
        if let Some(read) = read(&bytes) {
            prop_assert_eq!(Some(read), decoded(&bytes));
        }
    }
}

#[test]
fn the_seed_and_every_part_of_a_name_count() {
    let of = |seed, service: &str, metric: &str, label: &str| {
        let text = |text: &str| Some(AnyValue { value: Some(Value::StringValue(text.to_owned())) });
        let pair = |key: &str, value: &str| KeyValue { key: key.to_owned(), value: text(value), ..KeyValue::default() };
        let point = NumberDataPoint {
            attributes: vec![pair("label", label)],
            time_unix_nano: 1,
            value: Some(number_data_point::Value::AsInt(1)),
            ..NumberDataPoint::default()
        };
        let data = Some(Data::Gauge(Gauge { data_points: vec![point] }));
        let metric = Metric { name: metric.to_owned(), data, ..Metric::default() };
        let scope = ScopeMetrics { metrics: vec![metric], ..ScopeMetrics::default() };
        let resource = Resource { attributes: vec![pair("service.name", service)], ..Resource::default() };
        let resource =
            ResourceMetrics { resource: Some(resource), scope_metrics: vec![scope], ..ResourceMetrics::default() };
        let bytes = ExportMetricsServiceRequest { resource_metrics: vec![resource] }.encode_to_vec();
        Points::read(&bytes, seed).unwrap().iter().map(|point| point.series.0).next().unwrap()
    };
    let first = of(1, "a", "m", "x");
    assert_eq!(first, of(1, "a", "m", "x"));
    for other in [of(2, "a", "m", "x"), of(1, "b", "m", "x"), of(1, "a", "n", "x"), of(1, "a", "m", "y")] {
        assert_ne!(first, other);
    }
}
