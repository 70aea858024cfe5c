//! Records of the bus as telemetry to store.

use std::panic::{AssertUnwindSafe, catch_unwind};

use bytes::Bytes;
use llm_sre_domain::calls::{CallFinder, add_up};
use llm_sre_domain::telemetry::{Calls, Change};
use llm_sre_ports::bus::{Delivered, Position, Record};
use llm_sre_ports::telemetry::{Batch, RecordId};
use llm_sre_proto::otlp::{self, Export, take_rejected};
use llm_sre_proto::topics::{self, Place};
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;

use crate::letters::dead_letter;

/// What one record of the bus holds.
#[derive(Debug, Default)]
pub(crate) struct Decoded {
    /// What is to be stored.
    pub(crate) batch: Batch,
    /// What cannot be: the record as it was, or its bad items.
    pub(crate) dead: Vec<Record>,
}

/// As [`decode`], where a record that brings the decoder down is a dead letter like others: it would bring down every
/// instance that reads it.
pub(crate) fn decode_guarded(delivered: &Delivered, calls: &mut CallFinder, capacity: usize) -> Decoded {
    guarded(delivered, calls, capacity, decode)
}

fn guarded(
    delivered: &Delivered,
    calls: &mut CallFinder,
    capacity: usize,
    decode: impl Fn(&Delivered, &mut CallFinder) -> Decoded,
) -> Decoded {
    let decoded = catch_unwind(AssertUnwindSafe(|| decode(delivered, calls)));
    decoded.unwrap_or_else(|panic| {
        // It may have been left half changed.
        *calls = CallFinder::new(capacity);
        let said = panic.downcast_ref::<String>().map(String::as_str);
        let said = said.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("without a word");
        let reason = format!("decoding it panicked: {said}");
        Decoded { batch: Batch::default(), dead: vec![dead_letter(delivered, None, &reason)] }
    })
}

/// Decodes a record. The ids depend on where it was read only, so the same record gives the same ids at every reading;
/// those of a replayed record on where it was read first.
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
    let (topic, Position { partition, offset }) = origin(delivered);
    let id = |index| RecordId { topic, partition, offset, index };
    (0..).zip(items).map(|(index, item)| (id(index), item)).collect()
}

/// The place that ids derive from.
fn origin(delivered: &Delivered) -> (u8, Position) {
    // Part of what is stored: a topic keeps its number for ever, and its dead letters have ten more.
    let number = match delivered.topic.as_str() {
        topics::METRICS => 1,
        topics::LOGS => 2,
        topics::TRACES => 3,
        _ => 0,
    };
    let replayed = delivered.record.header(topics::ORIGIN_HEADER).and_then(Place::parse);
    match replayed {
        Some(Place { topic, partition, offset }) if topic == delivered.topic => {
            (number, Position { partition, offset })
        }
        Some(Place { topic, partition, offset }) if topic == topics::dead_letters(&delivered.topic) => {
            (number + 10, Position { partition, offset })
        }
        // What names another topic is none of ours.
        _ => (number, delivered.position),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_that_brings_the_decoder_down_is_a_dead_letter() {
        let delivered = Delivered {
            topic: topics::LOGS.to_owned(),
            position: Position { partition: 2, offset: 7 },
            record: Record { value: Bytes::from_static(b"poison"), ..Record::default() },
        };
        let decoded = guarded(&delivered, &mut CallFinder::new(1), 1, |_, _| panic!("at item {}", 3));
        assert!(decoded.batch.is_empty());
        let [letter] = &decoded.dead[..] else { panic!("{decoded:?}") };
        assert_eq!(letter.header(topics::REASON_HEADER), Some("decoding it panicked: at item 3"));
        assert_eq!(&letter.value[..], b"poison");
    }

    #[test]
    fn ids_of_a_replay_are_those_of_its_origin() {
        let at = |origin: Option<&str>| {
            let headers = origin.map(|origin| (topics::ORIGIN_HEADER.to_owned(), Bytes::from(origin.to_owned())));
            let record = Record { headers: headers.into_iter().collect(), ..Record::default() };
            origin_of(Delivered { topic: "logs".to_owned(), position: Position { partition: 1, offset: 2 }, record })
        };
        assert_eq!(at(None), (2, 1, 2));
        assert_eq!(at(Some("logs/5/6")), (2, 5, 6));
        assert_eq!(at(Some("logs.dlq/5/6")), (12, 5, 6));
        assert_eq!(at(Some("metrics/5/6")), (2, 1, 2), "another topic's ids are not to be had");
    }

    fn origin_of(delivered: Delivered) -> (u8, u32, u64) {
        let (topic, Position { partition, offset }) = origin(&delivered);
        (topic, partition, offset)
    }
}
