//! Who calls whom, from service-graph metrics and from spans.
//!
//! Both sources name the other side by its name only, or not at all, so a [`CallFinder`] remembers which services it
//! has seen, the last count of each cumulative series, and the spans of the last moments. All of it is bounded; what
//! was forgotten, or never seen because another process reads that partition, costs an edge's count and no more. The
//! spans of a trace share a partition where the gateway put them there.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use crate::telemetry::{Attributes, Calls, MetricPoint, Origin, PointValue, Span, SpanKind, Temporality};
use crate::{ServiceId, Timestamp};

/// What the Collector's service graph connector calls its count of requests.
pub const SERVICE_GRAPH_METRIC: &str = "traces_service_graph_request_total";

/// Finds calls in telemetry that comes in any order.
#[derive(Debug)]
pub struct CallFinder {
    capacity: usize,
    seen: BTreeMap<Arc<str>, BTreeSet<ServiceId>>,
    seen_count: usize,
    counts: BTreeMap<SeriesKey, LastCount>,
    callers: BTreeMap<SpanKey, Caller>,
    orphans: BTreeMap<SpanKey, Vec<(ServiceId, Timestamp)>>,
    /// Keys of `callers` and `orphans` in order of arrival, the oldest first.
    arrivals: VecDeque<SpanKey>,
}

type SeriesKey = (ServiceId, Origin, Attributes);
type SpanKey = ([u8; 16], [u8; 8]);

#[derive(Debug)]
struct LastCount {
    start: Option<Timestamp>,
    time: Timestamp,
    value: f64,
}

#[derive(Debug)]
struct Caller {
    service: ServiceId,
    /// Its call is already counted by the name that the span gave.
    is_counted: bool,
}

impl CallFinder {
    /// A finder that remembers at most `capacity` services, `capacity` series and `capacity` spans.
    pub fn new(capacity: usize) -> Self {
        Self {
            capacity: capacity.max(1),
            seen: BTreeMap::new(),
            seen_count: 0,
            counts: BTreeMap::new(),
            callers: BTreeMap::new(),
            orphans: BTreeMap::new(),
            arrivals: VecDeque::new(),
        }
    }

    /// Notes that a service exists, so that a bare name can be resolved to it.
    pub fn see(&mut self, service: &ServiceId) {
        if self.seen_count >= self.capacity || !service.is_named() {
            return;
        }
        if self.seen.get(&service.name).is_some_and(|known| known.contains(service)) {
            return;
        }
        self.seen.entry(service.name.clone()).or_default().insert(service.clone());
        self.seen_count += 1;
    }

    /// The calls that a point of [`SERVICE_GRAPH_METRIC`] counts; `None` for every other point.
    ///
    /// A cumulative series counts the difference to its point before; its first point, and a point older than the
    /// last, is an edge with no calls, since nothing says when they were made. A drop is a restart from zero.
    pub fn point(&mut self, point: &MetricPoint) -> Option<Calls> {
        let PointValue::Sum { value, temporality, .. } = point.value else { return None };
        if &*point.metric != SERVICE_GRAPH_METRIC {
            return None;
        }
        let client = self.side(point, "client")?;
        let server = self.side(point, "server")?;
        let count = match temporality {
            Temporality::Delta => value.max(0.0),
            Temporality::Cumulative => self.difference(point, value),
        };
        (client != server).then_some(Calls { client, server, time: point.time, count })
    }

    /// The calls that a span completes: its own, where a client names its peer or a server's parent is known, and
    /// those of servers that came before their parent.
    pub fn span(&mut self, span: &Span) -> Vec<Calls> {
        let key = (span.trace_id, span.span_id);
        let mut found = Vec::new();
        match (span.kind, &span.peer, span.parent_span_id) {
            (SpanKind::Client | SpanKind::Producer, Some(peer), _) => {
                let server = self.resolve(&span.service, peer);
                found.push(one_call(&span.service, &server, span.end));
            }
            (SpanKind::Server | SpanKind::Consumer, _, Some(parent)) => {
                let parent = (span.trace_id, parent);
                match self.callers.get(&parent) {
                    Some(caller) if caller.is_counted => {}
                    Some(caller) => found.push(one_call(&caller.service, &span.service, span.end)),
                    None => {
                        self.arrivals.push_back(parent);
                        self.orphans.entry(parent).or_default().push((span.service.clone(), span.end));
                    }
                }
            }
            _ => {}
        }
        let is_counted = !found.is_empty() && matches!(span.kind, SpanKind::Client | SpanKind::Producer);
        for (server, time) in self.orphans.remove(&key).unwrap_or_default() {
            if !is_counted {
                found.push(one_call(&span.service, &server, time));
            }
        }
        self.arrivals.push_back(key);
        self.callers.insert(key, Caller { service: span.service.clone(), is_counted });
        self.forget();
        found.retain(|call| call.client != call.server);
        found
    }

    /// A side of a service graph's edge: its name, with the namespace and environment that the connector was told to
    /// add as dimensions, or else what [`Self::resolve`] finds.
    fn side(&self, point: &MetricPoint, side: &str) -> Option<ServiceId> {
        let get = |name: &str| point.attributes.get(name).filter(|value| !value.is_empty());
        let name = get(side)?;
        // Dots as the connector writes them, underscores as they come back from Prometheus.
        let dimension = |names: [&str; 3]| names.iter().find_map(|name| get(&format!("{side}_{name}")));
        let namespace = dimension(["service.namespace", "service_namespace", "namespace"]);
        let environment =
            dimension(["deployment.environment.name", "deployment_environment_name", "deployment.environment"]);
        if namespace.is_none() && environment.is_none() {
            return Some(self.resolve(&point.service, name));
        }
        let namespace = namespace.unwrap_or(&point.service.namespace);
        Some(ServiceId::new(namespace, name, environment.unwrap_or(&point.service.environment)))
    }

    /// The service that `asker` means by `name`: in its own namespace and environment if there is one, or else the
    /// only one in its environment. An asker without an environment (a Collector) means the only one there is at all.
    /// Where that is not clear, one beside the asker.
    pub fn resolve(&self, asker: &ServiceId, name: &str) -> ServiceId {
        let beside = ServiceId::new(&asker.namespace, name, &asker.environment);
        let Some(known) = self.seen.get(name).filter(|known| !known.contains(&beside)) else { return beside };
        let only = |mut matching: Vec<&ServiceId>| if matching.len() == 1 { matching.pop().cloned() } else { None };
        let near = only(known.iter().filter(|service| service.same_environment(asker)).collect());
        let anywhere = || if asker.environment.is_empty() { only(known.iter().collect()) } else { None };
        near.or_else(anywhere).unwrap_or(beside)
    }

    fn difference(&mut self, point: &MetricPoint, value: f64) -> f64 {
        let key = (point.service.clone(), point.origin.clone(), point.attributes.clone());
        let now = LastCount { start: point.start, time: point.time, value };
        if let Some(last) = self.counts.get_mut(&key) {
            if now.time <= last.time {
                return 0.0;
            }
            let is_restart = value < last.value || now.start > last.start;
            let difference = if is_restart { value } else { value - last.value };
            *last = now;
            return difference.max(0.0);
        }
        if self.counts.len() >= self.capacity {
            let oldest = self.counts.iter().min_by_key(|(_, last)| last.time).map(|(key, _)| key.clone());
            oldest.and_then(|key| self.counts.remove(&key));
        }
        self.counts.insert(key, now);
        0.0
    }

    fn forget(&mut self) {
        while self.arrivals.len() > self.capacity {
            if let Some(key) = self.arrivals.pop_front() {
                self.callers.remove(&key);
                self.orphans.remove(&key);
            }
        }
    }
}

fn one_call(client: &ServiceId, server: &ServiceId, time: Timestamp) -> Calls {
    Calls { client: client.clone(), server: server.clone(), time, count: 1.0 }
}

/// Adds up calls between the same two services, in order of client and server, each with its newest time.
pub fn add_up(calls: impl IntoIterator<Item = Calls>) -> Vec<Calls> {
    let mut sums: BTreeMap<(ServiceId, ServiceId), (Timestamp, f64)> = BTreeMap::new();
    for call in calls {
        let sum = sums.entry((call.client, call.server)).or_insert((call.time, 0.0));
        *sum = (sum.0.max(call.time), sum.1 + call.count);
    }
    sums.into_iter().map(|((client, server), (time, count))| Calls { client, server, time, count }).collect()
}

#[cfg(test)]
mod tests;
