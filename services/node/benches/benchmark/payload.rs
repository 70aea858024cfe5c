//! Telemetry as services send it: some instances of each of many services, a request of each every ten seconds.
//!
//! A request has about 140 points under a resource of nine attributes: request durations as histograms, counters and
//! gauges with two to six attributes each. Values move around what is usual by a hash of seed, series and time.

use llm_sre_domain::Timestamp;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::{
    AggregationTemporality, Gauge, Histogram, HistogramDataPoint, Metric, NumberDataPoint, ResourceMetrics,
    ScopeMetrics, Sum, number_data_point,
};
use opentelemetry_proto::tonic::resource::v1::Resource;

/// Seconds from request to request of an instance.
pub(crate) const STEP_S: i64 = 10;
const BOUNDS_S: [f64; 14] = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0];
const ROUTES: [&str; 6] =
    ["/", "/api/carts/{id}", "/api/carts/{id}/items", "/api/orders", "/api/products/{id}", "/api/search"];

/// An instance of a service.
#[derive(Clone, Copy)]
pub(crate) struct Sender {
    pub(crate) seed: u64,
    pub(crate) service: u64,
    pub(crate) instance: u64,
}

impl Sender {
    /// All instances, service by service.
    pub(crate) fn all(seed: u64, services: u64, instances: u64) -> Vec<Self> {
        let of = |service| (0..instances).map(move |instance| Self { seed, service, instance });
        (0..services).flat_map(of).collect()
    }

    pub(crate) fn name(&self) -> String {
        format!("service-{}", self.service)
    }

    /// What it sends at a step, a step being [`STEP_S`]; `start` is when its process began. `failing` is the share of
    /// requests that fail.
    pub(crate) fn request(&self, start: Timestamp, step: i64, failing: f64) -> ExportMetricsServiceRequest {
        // Instances do not send all at once.
        let phase_ns = hash(&[self.seed, self.service, self.instance]) % (STEP_S as u64 * 1_000_000_000);
        let time = start.as_nanos().unsigned_abs() + step.unsigned_abs() * STEP_S as u64 * 1_000_000_000 + phase_ns;
        let at = At { sender: *self, start: start.as_nanos().unsigned_abs(), time, step: step.unsigned_abs() + 1 };
        let scope = InstrumentationScope {
            name: "io.opentelemetry.runtime".to_owned(),
            version: "2.10.0".to_owned(),
            ..InstrumentationScope::default()
        };
        let metrics = vec![
            at.durations("http.server.request.duration", failing),
            at.durations("http.client.request.duration", 0.0),
            at.counter("process.cpu.time", "s", &[("cpu.mode", &["user", "system"])]),
            at.gauge("process.memory.usage", "By", &[]),
            at.gauge(
                "jvm.memory.used",
                "By",
                &[("jvm.memory.type", &["heap", "non_heap"]), ("jvm.memory.pool.name", &["eden", "old", "code"])],
            ),
            at.gauge(
                "db.client.connection.count",
                "{connection}",
                &[
                    ("db.client.connection.pool.name", &["main", "reports"]),
                    ("db.client.connection.state", &["used", "idle"]),
                ],
            ),
            at.counter(
                "orders.processed",
                "{order}",
                &[
                    ("tenant.tier", &["free", "team", "enterprise"]),
                    ("order.kind", &["new", "renewal"]),
                    ("payment.method", &["card", "invoice", "wallet"]),
                    ("cloud.zone", &["eu-west-1a", "eu-west-1b"]),
                ],
            ),
            at.gauge(
                "cache.entries",
                "{entry}",
                &[
                    ("cache.name", &["sessions", "products", "prices", "stock"]),
                    ("cache.level", &["local", "shared"]),
                    ("cache.shard", &["0", "1", "2", "3"]),
                    ("cache.policy", &["lru"]),
                    ("cache.region", &["eu-west-1"]),
                ],
            ),
            at.gauge("messaging.client.lag", "{message}", &[("messaging.destination.partition.id", &PARTITIONS)]),
        ];
        let resource = Resource { attributes: self.resource(), ..Resource::default() };
        let scope_metrics = vec![ScopeMetrics { scope: Some(scope), metrics, schema_url: String::new() }];
        ExportMetricsServiceRequest {
            resource_metrics: vec![ResourceMetrics {
                resource: Some(resource),
                scope_metrics,
                schema_url: "https://opentelemetry.io/schemas/1.29.0".to_owned(),
            }],
        }
    }

    fn resource(&self) -> Vec<KeyValue> {
        let instance = format!("{:08x}-{}", hash(&[self.seed, self.service]) as u32, self.instance);
        [
            ("service.namespace", "benchmark"),
            ("service.name", &self.name()),
            ("deployment.environment.name", "production"),
            ("service.instance.id", &instance),
            ("service.version", "1.42.0"),
            ("host.name", &format!("node-{}.internal", self.instance)),
            ("k8s.pod.name", &format!("{}-{instance}", self.name())),
            ("telemetry.sdk.language", "java"),
            ("telemetry.sdk.name", "opentelemetry"),
        ]
        .map(|(key, value)| attribute(key, value))
        .into()
    }
}

const PARTITIONS: [&str; 8] = ["0", "1", "2", "3", "4", "5", "6", "7"];

/// One request in the making.
struct At {
    sender: Sender,
    start: u64,
    time: u64,
    step: u64,
}

type Labels<'a> = [(&'a str, &'a [&'a str])];

impl At {
    /// About 1, by less than a tenth more or less.
    fn noise(&self, series: usize) -> f64 {
        let Sender { seed, service, instance } = self.sender;
        let mixed = hash(&[seed, service, instance, series as u64, self.step]);
        1.0 + ((mixed >> 40) as f64 / f64::from(1 << 24) - 0.5) * 0.15
    }

    fn gauge(&self, name: &str, unit: &str, labels: &Labels<'_>) -> Metric {
        let value = |series: usize| (50.0 + series as f64) * self.noise(series);
        let data_points = self.points(labels, value);
        metric(name, unit, Data::Gauge(Gauge { data_points }))
    }

    fn counter(&self, name: &str, unit: &str, labels: &Labels<'_>) -> Metric {
        let value = |series: usize| (self.step as f64 + self.noise(series)) * (100.0 + series as f64);
        let data_points = self.points(labels, value);
        let aggregation_temporality = AggregationTemporality::Cumulative.into();
        metric(name, unit, Data::Sum(Sum { data_points, aggregation_temporality, is_monotonic: true }))
    }

    fn points(&self, labels: &Labels<'_>, value: impl Fn(usize) -> f64) -> Vec<NumberDataPoint> {
        let point = |(series, attributes)| NumberDataPoint {
            attributes,
            start_time_unix_nano: self.start,
            time_unix_nano: self.time,
            value: Some(number_data_point::Value::AsDouble(value(series))),
            ..NumberDataPoint::default()
        };
        combinations(labels).into_iter().enumerate().map(point).collect()
    }

    fn durations(&self, name: &str, failing: f64) -> Metric {
        let labels: &Labels<'_> = &[
            ("http.request.method", &["GET"]),
            ("url.scheme", &["https"]),
            ("network.protocol.version", &["1.1"]),
            ("http.route", &ROUTES),
            ("http.response.status_code", &["200", "500"]),
        ];
        let point = |(series, attributes): (usize, Vec<KeyValue>)| {
            let share = if series % 2 == 1 { failing } else { 1.0 - failing };
            let total = ((self.step as f64 + self.noise(series) - 0.5) * 400.0 * share).max(0.0) as u64;
            let mut bucket_counts = vec![0; BOUNDS_S.len() + 1];
            for (index, tenths) in [(3, 2), (4, 5), (5, 2)] {
                bucket_counts[index] = total * tenths / 10;
            }
            bucket_counts[6] = total - bucket_counts.iter().sum::<u64>();
            HistogramDataPoint {
                attributes,
                start_time_unix_nano: self.start,
                time_unix_nano: self.time,
                count: total,
                sum: Some(total as f64 * 0.07),
                bucket_counts,
                explicit_bounds: BOUNDS_S.into(),
                min: Some(0.004),
                max: Some(0.3),
                ..HistogramDataPoint::default()
            }
        };
        let data_points = combinations(labels).into_iter().enumerate().map(point).collect();
        let aggregation_temporality = AggregationTemporality::Cumulative.into();
        metric(name, "s", Data::Histogram(Histogram { data_points, aggregation_temporality }))
    }
}

fn combinations(labels: &Labels<'_>) -> Vec<Vec<KeyValue>> {
    labels.iter().fold(vec![Vec::new()], |sets, (key, values)| {
        let with = |set: &Vec<KeyValue>, value: &&str| [&set[..], &[attribute(key, value)]].concat();
        sets.iter().flat_map(|set| values.iter().map(move |value| with(set, value))).collect()
    })
}

fn metric(name: &str, unit: &str, data: Data) -> Metric {
    let description = "What the instrument measures, in a sentence as instruments have it.".to_owned();
    Metric { name: name.to_owned(), unit: unit.to_owned(), description, data: Some(data), ..Metric::default() }
}

fn attribute(key: &str, value: &str) -> KeyValue {
    let value = Some(AnyValue { value: Some(Value::StringValue(value.to_owned())) });
    KeyValue { key: key.to_owned(), value, ..KeyValue::default() }
}

/// The same number for the same parts (FNV-1a over words, mixed at the end).
pub(crate) fn hash(parts: &[u64]) -> u64 {
    let folded =
        parts.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, part| (hash ^ part).wrapping_mul(0x0000_0100_0000_01b3));
    let mixed = (folded ^ (folded >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    (mixed ^ (mixed >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53)
}
