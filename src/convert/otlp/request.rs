//! Export requests of metrics, logs and traces behind one trait: counting, splitting and taking apart.

use std::collections::BTreeMap;

use llm_sre_domain::{ServiceId, Timestamp};
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::logs::v1::{ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::{
    ExponentialHistogram, Gauge, Histogram, Metric, ResourceMetrics, ScopeMetrics, Sum, Summary,
};
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans};

use super::logs::log_times;
use super::metrics::point_times;
use super::spans::span_times;
use super::{Reason, Rejection, check_logs, check_metrics, check_spans, identity};
use crate::topics;

/// An OTLP export request. Its items are counted from 0 in wire order.
pub trait Export: prost::Message + Default + Sized + 'static {
    /// The topic that carries it.
    const TOPIC: &str;

    /// The items that no consumer could take.
    fn check(&self) -> Vec<Rejection>;

    /// The event time of each item, none where it has none or nothing was recorded.
    fn times(&self) -> Vec<Option<Timestamp>>;

    /// How many items it has. A metric without data counts as one.
    fn count(&self) -> usize;

    /// The service that each of its resources names, and how many items that has.
    fn services(&self) -> Vec<(ServiceId, usize)>;

    /// Splits it by the service that its resources name, in order of first appearance.
    fn by_service(self) -> Vec<(ServiceId, Self)>;

    /// Splits it by the key that its records have on the bus: what has one key meets one consumer, in order. Metrics
    /// and logs belong together by service. Spans do by trace, whatever their services, since a call is seen by both
    /// of its sides; as many traces share a key as keep records from getting small.
    fn by_key(self) -> Vec<(Vec<u8>, Self)>;

    /// Takes out the items at whose position `wanted` is true, each with copies of its resource, scope and metric.
    /// What is left empty by that is dropped.
    fn extract(&mut self, wanted: &mut dyn FnMut(usize) -> bool) -> Self;
}

/// Takes the items that no consumer could take out of a request: a part for each reason.
pub fn take_rejected<E: Export>(request: &mut E) -> Vec<(Reason, E)> {
    let rejected: BTreeMap<usize, Reason> =
        request.check().into_iter().map(|rejection| (rejection.position, rejection.reason)).collect();
    take_out(request, rejected)
}

/// Takes the items at these positions out of a request: a part for each reason.
pub fn take_out<E: Export, R: Copy + PartialEq>(request: &mut E, rejected: BTreeMap<usize, R>) -> Vec<(R, E)> {
    if rejected.is_empty() {
        return Vec::new();
    }
    let mut parts = Vec::new();
    let mut bad = request.extract(&mut |position| rejected.contains_key(&position));
    // Taken out in order, they are numbered anew from 0.
    let mut reasons: Vec<R> = rejected.into_values().collect();
    while let Some(reason) = reasons.first().copied() {
        parts.push((reason, bad.extract(&mut |position| reasons.get(position) == Some(&reason))));
        reasons.retain(|other| *other != reason);
    }
    parts
}

/// Keys that all traces share: far more than partitions that they are spread over, far fewer than the spans of a batch.
const TRACE_KEYS: u64 = 64;

fn by_service_key<E: Export>(request: E) -> Vec<(Vec<u8>, E)> {
    request.by_service().into_iter().map(|(service, part)| (topics::service_key(&service), part)).collect()
}

fn by_trace_key(mut request: ExportTraceServiceRequest) -> Vec<(Vec<u8>, ExportTraceServiceRequest)> {
    let scopes = request.resource_spans.iter().flat_map(|resource| &resource.scope_spans);
    let spans = scopes.flat_map(|scope| &scope.spans);
    let mut keys: Vec<u64> = spans.map(|span| fnv1a(&span.trace_id) % TRACE_KEYS).collect();
    let mut parts = Vec::new();
    while let Some(key) = keys.first().copied() {
        // Taken out in order, those that are left are numbered anew from 0.
        let part = request.extract(&mut |position| keys.get(position) == Some(&key));
        keys.retain(|other| *other != key);
        parts.push((format!("trace/{key}").into_bytes(), part));
    }
    parts
}

fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3))
}

/// Groups resources by the service that they name, in order of first appearance.
fn grouped<R>(resources: impl IntoIterator<Item = (ServiceId, R)>) -> Vec<(ServiceId, Vec<R>)> {
    let mut index: BTreeMap<ServiceId, usize> = BTreeMap::new();
    let mut groups: Vec<(ServiceId, Vec<R>)> = Vec::new();
    for (service, resource) in resources {
        let place = *index.entry(service).or_insert_with_key(|service| {
            groups.push((service.clone(), Vec::new()));
            groups.len() - 1
        });
        groups[place].1.push(resource);
    }
    groups
}

/// Moves the wanted items out of `items`, counting `position` up over all of them.
fn take<T>(items: &mut Vec<T>, position: &mut usize, wanted: &mut dyn FnMut(usize) -> bool) -> Vec<T> {
    let mut is_wanted = |_: &mut T| {
        *position += 1;
        wanted(*position - 1)
    };
    items.extract_if(.., &mut is_wanted).collect()
}

impl Export for ExportMetricsServiceRequest {
    const TOPIC: &str = topics::METRICS;

    fn check(&self) -> Vec<Rejection> {
        check_metrics(self)
    }

    fn times(&self) -> Vec<Option<Timestamp>> {
        point_times(self)
    }

    fn count(&self) -> usize {
        let scopes = self.resource_metrics.iter().flat_map(|resource| &resource.scope_metrics);
        scopes.flat_map(|scope| &scope.metrics).map(points).sum()
    }

    fn services(&self) -> Vec<(ServiceId, usize)> {
        let count = |resource: &ResourceMetrics| {
            resource.scope_metrics.iter().flat_map(|scope| &scope.metrics).map(points).sum()
        };
        let named = |resource: &ResourceMetrics| (identity(resource.resource.as_ref()).0, count(resource));
        self.resource_metrics.iter().map(named).collect()
    }

    fn by_service(self) -> Vec<(ServiceId, Self)> {
        let named = |resource: ResourceMetrics| (identity(resource.resource.as_ref()).0, resource);
        let groups = grouped(self.resource_metrics.into_iter().map(named));
        groups.into_iter().map(|(service, resource_metrics)| (service, Self { resource_metrics })).collect()
    }

    fn by_key(self) -> Vec<(Vec<u8>, Self)> {
        by_service_key(self)
    }

    fn extract(&mut self, wanted: &mut dyn FnMut(usize) -> bool) -> Self {
        let mut position = 0;
        let mut taken = Self::default();
        for resource in &mut self.resource_metrics {
            let mut scopes = Vec::new();
            for scope in &mut resource.scope_metrics {
                let mut metrics = Vec::new();
                for metric in &mut scope.metrics {
                    metrics.extend(extract_points(metric, &mut position, wanted));
                }
                scope.metrics.retain(|metric| points(metric) > 0);
                if !metrics.is_empty() {
                    scopes.push(ScopeMetrics {
                        scope: scope.scope.clone(),
                        metrics,
                        schema_url: scope.schema_url.clone(),
                    });
                }
            }
            resource.scope_metrics.retain(|scope| !scope.metrics.is_empty());
            if !scopes.is_empty() {
                taken.resource_metrics.push(ResourceMetrics {
                    resource: resource.resource.clone(),
                    scope_metrics: scopes,
                    schema_url: resource.schema_url.clone(),
                });
            }
        }
        self.resource_metrics.retain(|resource| !resource.scope_metrics.is_empty());
        taken
    }
}

/// A metric without data counts as one, so that it is rejected and not lost.
fn points(metric: &Metric) -> usize {
    match &metric.data {
        Some(Data::Gauge(data)) => data.data_points.len(),
        Some(Data::Sum(data)) => data.data_points.len(),
        Some(Data::Histogram(data)) => data.data_points.len(),
        Some(Data::ExponentialHistogram(data)) => data.data_points.len(),
        Some(Data::Summary(data)) => data.data_points.len(),
        None => 1,
    }
}

/// The metric with the wanted points only; what is left without points stays behind for the caller to drop.
fn extract_points(metric: &mut Metric, position: &mut usize, wanted: &mut dyn FnMut(usize) -> bool) -> Option<Metric> {
    let data = match &mut metric.data {
        Some(Data::Gauge(data)) => {
            Some(Data::Gauge(Gauge { data_points: take(&mut data.data_points, position, wanted) }))
        }
        Some(Data::Sum(data)) => {
            let data_points = take(&mut data.data_points, position, wanted);
            Some(Data::Sum(Sum { data_points, ..*data }))
        }
        Some(Data::Histogram(data)) => {
            let data_points = take(&mut data.data_points, position, wanted);
            Some(Data::Histogram(Histogram { data_points, ..*data }))
        }
        Some(Data::ExponentialHistogram(data)) => {
            let data_points = take(&mut data.data_points, position, wanted);
            Some(Data::ExponentialHistogram(ExponentialHistogram { data_points, ..*data }))
        }
        Some(Data::Summary(data)) => {
            Some(Data::Summary(Summary { data_points: take(&mut data.data_points, position, wanted) }))
        }
        None => {
            *position += 1;
            let is_wanted = wanted(*position - 1);
            let taken = is_wanted.then(|| metric.clone());
            if is_wanted {
                // Empty data has no points, so that the caller drops what is left.
                metric.data = Some(Data::Gauge(Gauge::default()));
            }
            return taken;
        }
    };
    let taken = Metric {
        name: metric.name.clone(),
        description: metric.description.clone(),
        unit: metric.unit.clone(),
        metadata: metric.metadata.clone(),
        data,
    };
    (points(&taken) > 0).then_some(taken)
}

/// Logs and traces have the same shape: resources of scopes of items.
macro_rules! flat_export {
    (
        $request:ident, $resource:ident, $scope:ident, $resources:ident, $scopes:ident, $items:ident,
        $topic:expr, $check:path, $times:path, $by_key:path
    ) => {
        impl Export for $request {
            const TOPIC: &str = $topic;

            fn check(&self) -> Vec<Rejection> {
                $check(self)
            }

            fn times(&self) -> Vec<Option<Timestamp>> {
                $times(self)
            }

            fn count(&self) -> usize {
                self.$resources.iter().flat_map(|resource| &resource.$scopes).map(|scope| scope.$items.len()).sum()
            }

            fn services(&self) -> Vec<(ServiceId, usize)> {
                let count = |resource: &$resource| resource.$scopes.iter().map(|scope| scope.$items.len()).sum();
                let named = |resource: &$resource| (identity(resource.resource.as_ref()).0, count(resource));
                self.$resources.iter().map(named).collect()
            }

            fn by_service(self) -> Vec<(ServiceId, Self)> {
                let named = |resource: $resource| (identity(resource.resource.as_ref()).0, resource);
                let groups = grouped(self.$resources.into_iter().map(named));
                groups.into_iter().map(|(service, $resources)| (service, Self { $resources })).collect()
            }

            fn by_key(self) -> Vec<(Vec<u8>, Self)> {
                $by_key(self)
            }

            fn extract(&mut self, wanted: &mut dyn FnMut(usize) -> bool) -> Self {
                let mut position = 0;
                let mut taken = Self::default();
                for resource in &mut self.$resources {
                    let mut scopes = Vec::new();
                    for scope in &mut resource.$scopes {
                        let $items = take(&mut scope.$items, &mut position, wanted);
                        if !$items.is_empty() {
                            let schema_url = scope.schema_url.clone();
                            scopes.push($scope { scope: scope.scope.clone(), $items, schema_url });
                        }
                    }
                    resource.$scopes.retain(|scope| !scope.$items.is_empty());
                    if !scopes.is_empty() {
                        let schema_url = resource.schema_url.clone();
                        let resource = resource.resource.clone();
                        taken.$resources.push($resource { resource, $scopes: scopes, schema_url });
                    }
                }
                self.$resources.retain(|resource| !resource.$scopes.is_empty());
                taken
            }
        }
    };
}

flat_export!(
    ExportLogsServiceRequest,
    ResourceLogs,
    ScopeLogs,
    resource_logs,
    scope_logs,
    log_records,
    topics::LOGS,
    check_logs,
    log_times,
    by_service_key
);
flat_export!(
    ExportTraceServiceRequest,
    ResourceSpans,
    ScopeSpans,
    resource_spans,
    scope_spans,
    spans,
    topics::TRACES,
    check_spans,
    span_times,
    by_trace_key
);
