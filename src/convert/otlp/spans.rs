//! Spans, reduced to what detection and the call graph need.

use std::sync::Arc;

use llm_sre_domain::Timestamp;
use llm_sre_domain::telemetry::{Span, SpanKind};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::Span as Record;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind as Kind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;

use super::text::Interner;
use super::{Converted, Reason, Rejection, first_of, id, identity, required_time};

/// Converts all spans of a request.
pub fn spans(request: &ExportTraceServiceRequest) -> Converted<Span> {
    let mut converted = Converted::default();
    let mut texts = Interner::default();
    let mut position = 0;
    for resource in &request.resource_spans {
        let (service, origin) = identity(resource.resource.as_ref());
        for record in resource.scope_spans.iter().flat_map(|scope| &scope.spans) {
            match judge(record) {
                Ok((trace_id, span_id, end)) => converted.items.push(Span {
                    service: service.clone(),
                    origin: origin.clone(),
                    trace_id,
                    span_id,
                    parent_span_id: id(&record.parent_span_id),
                    name: texts.get(&record.name),
                    kind: kind(record.kind),
                    end,
                    duration: end.since(Timestamp::from_otlp(record.start_time_unix_nano)),
                    is_error: record.status.as_ref().is_some_and(|status| status.code == StatusCode::Error as i32),
                    peer: peer(record, &mut texts),
                }),
                Err(reason) => converted.rejected.push(Rejection { position, reason }),
            }
            position += 1;
        }
    }
    converted
}

/// What [`spans`] would reject, without converting the rest.
pub fn check_spans(request: &ExportTraceServiceRequest) -> Vec<Rejection> {
    let scopes = request.resource_spans.iter().flat_map(|resource| &resource.scope_spans);
    let judged = scopes.flat_map(|scope| &scope.spans).map(|record| judge(record).err());
    judged.enumerate().filter_map(|(position, reason)| Some(Rejection { position, reason: reason? })).collect()
}

/// The end of each span, in wire order.
pub(super) fn span_times(request: &ExportTraceServiceRequest) -> Vec<Option<Timestamp>> {
    let scopes = request.resource_spans.iter().flat_map(|resource| &resource.scope_spans);
    scopes.flat_map(|scope| &scope.spans).map(|record| required_time(record.end_time_unix_nano).ok()).collect()
}

fn judge(record: &Record) -> Result<([u8; 16], [u8; 8], Timestamp), Reason> {
    let trace_id = id(&record.trace_id).ok_or(Reason::MalformedTraceId)?;
    let span_id = id(&record.span_id).ok_or(Reason::MalformedSpanId)?;
    // Without a start the duration would be the time since 1970.
    required_time(record.start_time_unix_nano)?;
    Ok((trace_id, span_id, required_time(record.end_time_unix_nano)?))
}

/// A kind that this version does not know is work inside a service, as the specification of OTLP asks.
fn kind(stated: i32) -> SpanKind {
    match Kind::try_from(stated) {
        Ok(Kind::Server) => SpanKind::Server,
        Ok(Kind::Client) => SpanKind::Client,
        Ok(Kind::Producer) => SpanKind::Producer,
        Ok(Kind::Consumer) => SpanKind::Consumer,
        Ok(Kind::Internal | Kind::Unspecified) | Err(_) => SpanKind::Internal,
    }
}

/// `service.peer.name`, or `peer.service` as it was called before.
fn peer(record: &Record, texts: &mut Interner) -> Option<Arc<str>> {
    let peer = first_of(&record.attributes, &["service.peer.name", "peer.service"]);
    (!peer.is_empty()).then(|| texts.get(&peer))
}
