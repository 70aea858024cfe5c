//! Sampled traces: requests that enter the shop, followed through its services.

use std::collections::BTreeMap;
use std::time::Duration;

use llm_sre_domain::Timestamp;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::logs::v1::SeverityNumber;
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::logs::Line;
use super::{INTERVAL, integer, nanos, resource_of, scope, text, wording};
use crate::world::World;
use crate::world::blueprint::Call;
use crate::world::flow;

/// Traces sampled in an interval.
const TRACES: usize = 6;

/// The spans of one service, with the processes that they ran in.
pub(super) type Spans = Vec<(Resource, Span)>;

/// Follows some requests. What fails writes a line beside its span.
pub(super) fn sample(
    world: &World,
    rng: &mut ChaCha8Rng,
    logs: &mut BTreeMap<&'static str, Vec<Line>>,
) -> BTreeMap<&'static str, Spans> {
    let mut walk = Walk { world, rng, logs, spans: BTreeMap::new() };
    for _ in 0..TRACES {
        let start = world.now - INTERVAL.mul_f64(walk.rng.random_range(0.2..1.0));
        let trace_id = walk.rng.random();
        if !walk.is_refused(0) {
            walk.serve(0, trace_id, None, start);
        }
    }
    walk.spans
}

struct Walk<'a> {
    world: &'a World,
    rng: &'a mut ChaCha8Rng,
    logs: &'a mut BTreeMap<&'static str, Vec<Line>>,
    spans: BTreeMap<&'static str, Spans>,
}

impl Walk<'_> {
    /// A request to a service: when it ended, and whether it failed. `None` where no process takes it.
    fn serve(
        &mut self,
        index: usize,
        trace_id: [u8; 16],
        parent: Option<[u8; 8]>,
        start: Timestamp,
    ) -> Option<(Timestamp, bool)> {
        let service = &self.world.services[index];
        let (name, telling) = (service.name(), service.telling);
        let up: Vec<_> = service.instances.iter().filter(|instance| instance.is_up(self.world.now)).collect();
        let instance = up.get(self.rng.random_range(0..up.len().max(1)))?;
        let span_id: [u8; 8] = self.rng.random();
        let network_s = service.outside.network_s;
        let calls = service.blueprint.calls.iter();
        let called_s: f64 = calls.map(|call| (self.expected_s(call) + network_s) * call.per_request).sum();
        let own_s = flow::quantile((instance.latency_s - called_s).max(0.001), self.rng.random_range(0.0..1.0));
        let mut time = start + Duration::from_secs_f64(own_s / 2.0);
        let mut has_failed = self.rng.random_bool(instance.error_ratio.clamp(0.0, 1.0) / 2.0);
        for call in service.blueprint.calls {
            if !self.rng.random_bool(call.per_request.clamp(0.0, 1.0)) {
                continue;
            }
            let Some(callee) = self.world.callee(call) else { continue };
            let client_id: [u8; 8] = self.rng.random();
            let begun = time;
            let is_refused = self.is_refused(callee);
            let answer = if is_refused { None } else { self.serve(callee, trace_id, Some(client_id), begun) };
            let (ended, failed) = answer.unwrap_or((begun + Duration::from_millis(1), true));
            time = ended + Duration::from_micros(300) + Duration::from_secs_f64(network_s);
            has_failed |= failed && call.is_required;
            let (begun, answered) = (telling.stamp(begun), telling.stamp(time));
            let mut span = self.span(trace_id, client_id, Some(span_id), SpanKind::Client, begun, answered, failed);
            span.name = "GET".to_owned();
            span.attributes.push(text("server.address", self.world.services[callee].name()));
            self.keep(name, resource_of(name, instance), span);
        }
        let end = time + Duration::from_secs_f64(own_s / 2.0);
        let (begun, answered) = (telling.stamp(start), telling.stamp(end));
        let mut span = self.span(trace_id, span_id, parent, SpanKind::Server, begun, answered, has_failed);
        span.name = format!("GET /{name}");
        span.attributes.push(text("http.route", &format!("/{name}")));
        self.keep(name, resource_of(name, instance), span);
        if has_failed {
            let body = wording::unanswered(&service.naming);
            let time = telling.stamp(end.min(self.world.now));
            let line = Line::new(name, instance, time, SeverityNumber::Error, body);
            self.logs.entry(name).or_default().push(line.traced(trace_id, span_id));
        }
        Some((end, has_failed))
    }

    /// Whether a call does not come to be. Drawn only where some do not.
    fn is_refused(&mut self, index: usize) -> bool {
        let refused = self.world.services[index].certificate.refused;
        refused > 0.0 && self.rng.random_bool(refused.min(1.0))
    }

    fn expected_s(&self, call: &Call) -> f64 {
        self.world.callee(call).map_or(0.0, |index| self.world.services[index].latency_s)
    }

    #[allow(clippy::too_many_arguments)] // A span has that many parts.
    fn span(
        &self,
        trace_id: [u8; 16],
        span_id: [u8; 8],
        parent: Option<[u8; 8]>,
        kind: SpanKind,
        start: Timestamp,
        end: Timestamp,
        failed: bool,
    ) -> Span {
        let status = if failed { 500 } else { 200 };
        let code = if failed { StatusCode::Error } else { StatusCode::Unset };
        Span {
            trace_id: trace_id.to_vec(),
            span_id: span_id.to_vec(),
            parent_span_id: parent.map(|id| id.to_vec()).unwrap_or_default(),
            kind: kind.into(),
            start_time_unix_nano: nanos(start),
            end_time_unix_nano: nanos(end),
            attributes: vec![text("http.request.method", "GET"), integer("http.response.status_code", status)],
            status: Some(Status { code: code.into(), ..Status::default() }),
            ..Span::default()
        }
    }

    fn keep(&mut self, service: &'static str, resource: Resource, span: Span) {
        self.spans.entry(service).or_default().push((resource, span));
    }
}

/// One request with the spans of a service.
pub(super) fn request(spans: Spans) -> ExportTraceServiceRequest {
    let mut resource_spans: Vec<ResourceSpans> = Vec::new();
    for (resource, span) in spans {
        let same = resource_spans.iter_mut().find(|found| found.resource.as_ref() == Some(&resource));
        match same.and_then(|found| found.scope_spans.first_mut()) {
            Some(scope_spans) => scope_spans.spans.push(span),
            None => resource_spans.push(ResourceSpans {
                resource: Some(resource),
                scope_spans: vec![ScopeSpans {
                    scope: scope("io.opentelemetry.http"),
                    spans: vec![span],
                    ..ScopeSpans::default()
                }],
                ..ResourceSpans::default()
            }),
        }
    }
    ExportTraceServiceRequest { resource_spans }
}
