//! Records of the bus as telemetry to store.

use bytes::Bytes;
use llm_sre_domain::calls::{CallFinder, add_up};
use llm_sre_domain::telemetry::{Calls, Change};
use llm_sre_ports::bus::{Delivered, Position, Record};
use llm_sre_ports::telemetry::{Batch, RecordId};
use llm_sre_proto::otlp::{self, Export, take_rejected};
use llm_sre_proto::topics;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;

/// What one record of the bus holds.
#[derive(Debug, Default)]
pub(crate) struct Decoded {
    /// What is to be stored.
    pub(crate) batch: Batch,
    /// What cannot be: the record as it was, or its bad items.
    pub(crate) dead: Vec<Record>,
}

/// Decodes a record. The ids depend on where it was read only, so the same record gives the same ids at every reading.
pub(crate) fn decode(delivered: &Delivered, calls: &mut CallFinder) -> Decoded {
    let decoded = match delivered.topic.as_str() {
        topics::METRICS => request(delivered).map(|(request, dead)| (metrics(delivered, &request, calls), dead)),
        topics::LOGS => request(delivered).map(|(request, dead)| (logs(delivered, &request, calls), dead)),
        topics::TRACES => request(delivered).map(|(request, dead)| (spans(delivered, &request, calls), dead)),
        other => Err(format!("topic '{other}' carries no telemetry")),
    };
    match decoded {
        Ok((batch, dead)) => Decoded { batch, dead },
        Err(reason) => Decoded { batch: Batch::default(), dead: vec![dead_letter(delivered, None, &reason)] },
    }
}

/// A record as it goes to the dead letters, with another value where only a part of it does.
pub(crate) fn dead_letter(delivered: &Delivered, part: Option<Bytes>, reason: &str) -> Record {
    let Delivered { topic, position: Position { partition, offset }, record } = delivered;
    let mut record = record.clone();
    if let Some(part) = part {
        record.value = part;
    }
    let headers = [
        (topics::REASON_HEADER, reason.to_owned()),
        (topics::REJECTED_BY_HEADER, crate::GROUP.to_owned()),
        (topics::SOURCE_TOPIC_HEADER, topic.clone()),
        (topics::SOURCE_PARTITION_HEADER, partition.to_string()),
        (topics::SOURCE_OFFSET_HEADER, offset.to_string()),
    ];
    record.headers.extend(headers.map(|(name, value)| (name.to_owned(), Bytes::from(value))));
    record
}

/// The good part of a record's request, and its bad parts as dead letters. The gateway lets no bad items through; a
/// Collector that writes to Kafka itself may.
fn request<E: Export>(delivered: &Delivered) -> Result<(E, Vec<Record>), String> {
    let value = delivered.record.value.clone();
    let mut request = E::decode(value).map_err(|error| format!("failed to decode an export request: {error}"))?;
    let rejected = take_rejected(&mut request);
    let dead = rejected
        .iter()
        .map(|(reason, part)| dead_letter(delivered, Some(Bytes::from(part.encode_to_vec())), &reason.to_string()));
    let dead = dead.collect();
    Ok((request, dead))
}

fn metrics(delivered: &Delivered, request: &ExportMetricsServiceRequest, calls: &mut CallFinder) -> Batch {
    let points = otlp::metrics(request).items;
    let mut found = Vec::new();
    for point in &points {
        calls.see(&point.service);
        found.extend(calls.point(point));
    }
    Batch { points: with_ids(delivered, points), calls: summed(delivered, found), ..Batch::default() }
}

fn logs(delivered: &Delivered, request: &ExportLogsServiceRequest, calls: &mut CallFinder) -> Batch {
    let logs = with_ids(delivered, otlp::logs(request).items);
    let mut changes = Vec::new();
    for (id, record) in &logs {
        calls.see(&record.service);
        changes.extend(Change::from_log(record).map(|change| (*id, change)));
    }
    Batch { logs, changes, ..Batch::default() }
}

fn spans(delivered: &Delivered, request: &ExportTraceServiceRequest, calls: &mut CallFinder) -> Batch {
    let mut found = Vec::new();
    for span in &otlp::spans(request).items {
        calls.see(&span.service);
        found.extend(calls.span(span));
    }
    Batch { calls: summed(delivered, found), ..Batch::default() }
}

/// One row an edge and record, instead of one a span.
fn summed(delivered: &Delivered, calls: Vec<Calls>) -> Vec<(RecordId, Calls)> {
    with_ids(delivered, add_up(calls))
}

fn with_ids<T>(delivered: &Delivered, items: Vec<T>) -> Vec<(RecordId, T)> {
    // Part of what is stored: a topic keeps its number for ever.
    let topic = match delivered.topic.as_str() {
        topics::METRICS => 1,
        topics::LOGS => 2,
        topics::TRACES => 3,
        _ => 0,
    };
    let Position { partition, offset } = delivered.position;
    let id = |index| RecordId { topic, partition, offset, index };
    (0..).zip(items).map(|(index, item)| (id(index), item)).collect()
}
