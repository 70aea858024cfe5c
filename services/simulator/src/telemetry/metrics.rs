//! Metrics, by the semantic conventions for HTTP servers, processes and database clients.

use llm_sre_domain::Timestamp;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value;
use opentelemetry_proto::tonic::metrics::v1::{
    AggregationTemporality, Gauge, Histogram, HistogramDataPoint, Metric, NumberDataPoint, ResourceMetrics,
    ScopeMetrics, Sum,
};

use super::{integer, nanos, resource, resource_of, scope, text};
use crate::world::instance::{Answer, BOUNDS_S, Durations, Instance};
use crate::world::service::Service;

const MIB: f64 = 1_048_576.0;
/// Who looks at certificates, and at caches.
const TLS_CHECK: &str = "github.com/open-telemetry/opentelemetry-collector-contrib/receiver/tlscheckreceiver";
const REDIS: &str = "github.com/open-telemetry/opentelemetry-collector-contrib/receiver/redisreceiver";

pub(super) fn of_service(service: &Service, now: Timestamp) -> ExportMetricsServiceRequest {
    let up = service.instances.iter().filter(|instance| instance.is_up(now));
    let of_processes = up.map(|instance| of_instance(service, instance, now));
    let resource_metrics = of_processes.chain([of_surroundings(service, now)]).collect();
    ExportMetricsServiceRequest { resource_metrics }
}

/// What a Collector sees of the endpoint's certificate and of the cache, by its receivers `tlscheck` and `redis`. It runs
/// beside the processes, and has their clock.
fn of_surroundings(service: &Service, now: Timestamp) -> ResourceMetrics {
    let seen = service.telling.stamp(now);
    let left = NumberDataPoint {
        attributes: vec![text("tlscheck.x509.cn", service.name())],
        time_unix_nano: nanos(seen),
        value: Some(Value::AsInt(service.certificate.left(seen).as_secs().try_into().unwrap_or(i64::MAX))),
        ..NumberDataPoint::default()
    };
    let counted = |name: &str, unit: &str, count: f64| {
        let value = Some(Value::AsInt(count as i64));
        let point = NumberDataPoint { time_unix_nano: nanos(seen), value, ..NumberDataPoint::default() };
        let aggregation_temporality = AggregationTemporality::Cumulative.into();
        metric(name, unit, Data::Sum(Sum { data_points: vec![point], aggregation_temporality, is_monotonic: true }))
    };
    let certificate = vec![gauge("tlscheck.time_left", "s", left)];
    let cache = vec![
        counted("redis.keyspace.hits", "{hit}", service.cache.hits),
        counted("redis.keyspace.misses", "{miss}", service.cache.misses),
    ];
    let scopes = [(TLS_CHECK, certificate), (REDIS, cache)];
    let scope_metrics =
        scopes.map(|(name, metrics)| ScopeMetrics { scope: scope(name), metrics, ..ScopeMetrics::default() });
    ResourceMetrics {
        resource: Some(resource(service.name(), "", service.version())),
        scope_metrics: scope_metrics.into(),
        ..ResourceMetrics::default()
    }
}

fn of_instance(service: &Service, instance: &Instance, now: Timestamp) -> ResourceMetrics {
    let name = service.name();
    let stamp = nanos(service.telling.stamp(now));
    let number = |value| NumberDataPoint {
        start_time_unix_nano: nanos(instance.started),
        time_unix_nano: stamp,
        value: Some(value),
        ..NumberDataPoint::default()
    };
    let level = |value: i64| number(Value::AsInt(value));
    let pool = text("db.client.connection.pool.name", name);
    let state = |value: u32, state: &str| {
        let attributes = vec![pool.clone(), text("db.client.connection.state", state)];
        NumberDataPoint { attributes, ..level(value.into()) }
    };
    let of_pool = |value: u32| NumberDataPoint { attributes: vec![pool.clone()], ..level(value.into()) };
    let idle = service.pool.saturating_sub(instance.held);
    let served = instance.requests.values().map(|durations| durations.count).sum::<u64>();
    let waited = served as f64 / now.since(instance.started).as_secs_f64().max(1.0) * instance.latency_s;
    let http = vec![
        durations(name, instance, stamp),
        sum("http.server.active_requests", "{request}", vec![level(waited.round() as i64)]),
        calls(service, instance, stamp),
    ];
    let process = vec![
        gauge("process.cpu.utilization", "1", number(Value::AsDouble(instance.cpu))),
        sum("process.memory.usage", "By", vec![level((instance.memory_mib * MIB) as i64)]),
    ];
    let database = vec![
        sum(
            "db.client.connection.count",
            "{connection}",
            vec![state(instance.held.min(service.pool), "used"), state(idle, "idle")],
        ),
        sum("db.client.connection.max", "{connection}", vec![of_pool(service.pool)]),
        sum("db.client.connection.pending_requests", "{request}", vec![of_pool(instance.pending)]),
    ];
    let mountpoint = vec![text("system.filesystem.mountpoint", service.naming.mountpoint)];
    let disk = NumberDataPoint { attributes: mountpoint, ..number(Value::AsDouble(instance.disk())) };
    let system = vec![gauge("system.filesystem.utilization", "1", disk)];
    let scopes = [("http", http), ("process", process), ("database", database), ("system", system)];
    let scope_metrics = scopes.into_iter().map(|(name, metrics)| ScopeMetrics {
        scope: scope(&format!("io.opentelemetry.{name}")),
        metrics,
        ..ScopeMetrics::default()
    });
    ResourceMetrics {
        resource: Some(resource_of(name, instance)),
        scope_metrics: scope_metrics.collect(),
        ..ResourceMetrics::default()
    }
}

fn durations(service: &str, instance: &Instance, stamp: u64) -> Metric {
    let counted = instance.requests.iter();
    let points = counted.map(|(status, counted)| point(labels(service, *status), counted, instance, stamp));
    histogram("http.server.request.duration", points.collect())
}

/// The calls to the outside and to services of the shop, as a client measures them.
fn calls(service: &Service, instance: &Instance, stamp: u64) -> Metric {
    let outside = instance.calls.iter().map(|((is_standby, is_failed), counted)| {
        let outcome = match is_failed {
            true => vec![text("error.type", "timeout")],
            false => vec![integer("http.response.status_code", 200)],
        };
        let called = ("POST", service.address(*is_standby), 443);
        point(called_labels(called, outcome), counted, instance, stamp)
    });
    let inside = instance.inside.iter().map(|((name, answer), counted)| {
        let outcome = match answer {
            Answer::Sound => vec![integer("http.response.status_code", 200)],
            Answer::Error => vec![integer("http.response.status_code", 500), text("error.type", "500")],
            Answer::None => vec![text("error.type", "timeout")],
            Answer::Refused => vec![text("error.type", "tls_handshake")],
        };
        point(called_labels(("GET", (*name).to_owned(), 8080), outcome), counted, instance, stamp)
    });
    histogram("http.client.request.duration", outside.chain(inside).collect())
}

/// By method, address and port, and what came of it.
fn called_labels((method, address, port): (&str, String, i64), outcome: Vec<KeyValue>) -> Vec<KeyValue> {
    let called = [text("http.request.method", method), text("server.address", &address), integer("server.port", port)];
    called.into_iter().chain(outcome).collect()
}

fn point(attributes: Vec<KeyValue>, counted: &Durations, instance: &Instance, stamp: u64) -> HistogramDataPoint {
    HistogramDataPoint {
        attributes,
        start_time_unix_nano: nanos(instance.started),
        time_unix_nano: stamp,
        count: counted.count,
        sum: Some(counted.sum_s),
        bucket_counts: counted.buckets.to_vec(),
        explicit_bounds: BOUNDS_S.to_vec(),
        ..HistogramDataPoint::default()
    }
}

fn histogram(name: &str, data_points: Vec<HistogramDataPoint>) -> Metric {
    let aggregation_temporality = AggregationTemporality::Cumulative.into();
    metric(name, "s", Data::Histogram(Histogram { data_points, aggregation_temporality }))
}

fn labels(service: &str, status: u16) -> Vec<KeyValue> {
    vec![
        text("http.request.method", "GET"),
        text("http.route", &format!("/{service}")),
        text("url.scheme", "http"),
        integer("http.response.status_code", status.into()),
    ]
}

fn gauge(name: &str, unit: &str, point: NumberDataPoint) -> Metric {
    metric(name, unit, Data::Gauge(Gauge { data_points: vec![point] }))
}

/// A level that goes up and down, as an UpDownCounter writes it.
fn sum(name: &str, unit: &str, data_points: Vec<NumberDataPoint>) -> Metric {
    let aggregation_temporality = AggregationTemporality::Cumulative.into();
    metric(name, unit, Data::Sum(Sum { data_points, aggregation_temporality, is_monotonic: false }))
}

fn metric(name: &str, unit: &str, data: Data) -> Metric {
    Metric { name: name.to_owned(), unit: unit.to_owned(), data: Some(data), ..Metric::default() }
}
