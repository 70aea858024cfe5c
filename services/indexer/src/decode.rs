//! Records of the bus as telemetry to store.

use std::panic::{AssertUnwindSafe, catch_unwind};

use bytes::Bytes;
use llm_sre_domain::calls::{CallFinder, add_up};
use llm_sre_domain::telemetry::{Calls, Change};
use llm_sre_ports::bus::{Delivered, Position, Record};
use llm_sre_ports::telemetry::{Batch, RecordId};
use llm_sre_proto::otlp::{self, Export, take_out, take_rejected};
use llm_sre_proto::topics::{self, Place};
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;

use crate::letters::dead_letter;
use crate::times::Times;

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
pub(crate) fn decode_guarded(delivered: &Delivered, calls: &mut CallFinder, capacity: usize, times: &Times) -> Decoded {
    guarded(delivered, calls, capacity, |delivered, calls| decode(delivered, calls, times))
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

/// Decodes a record. The ids depend on where it was read only, so the same record gives the same ids at every reading,
/// whatever times are right by then; those of a replayed record on where it was read first.
pub(crate) fn decode(delivered: &Delivered, calls: &mut CallFinder, times: &Times) -> Decoded {
    let decoded = match delivered.topic.as_str() {
        topics::METRICS => taken(delivered, times, |request| metrics(delivered, request, calls, times)),
        topics::LOGS => taken(delivered, times, |request| logs(delivered, request, calls, times)),
        topics::TRACES => taken(delivered, times, |request| spans(delivered, request, calls, times)),
        other => Err(format!("topic '{other}' carries no telemetry")),
    };
    decoded
        .unwrap_or_else(|reason| Decoded { batch: Batch::default(), dead: vec![dead_letter(delivered, None, &reason)] })
}

/// The good part of a record's request, and its bad parts as dead letters. The gateway lets no bad items through; a
/// Collector that writes to Kafka itself may. Times nobody has looked at before.
fn taken<E: Export>(
    delivered: &Delivered,
    times: &Times,
    convert: impl FnOnce(&E) -> Batch,
) -> Result<Decoded, String> {
    let value = delivered.record.value.clone();
    let mut request = E::decode(value).map_err(|error| format!("failed to decode an export request: {error}"))?;
    let letter = |reason: &str, part: &E| dead_letter(delivered, Some(Bytes::from(part.encode_to_vec())), reason);
    let rejected = take_rejected(&mut request);
    let mut dead: Vec<Record> = rejected.iter().map(|(reason, part)| letter(&reason.to_string(), part)).collect();
    let batch = convert(&request);
    let untimely = times.untimely(&request);
    let untimely = take_out(&mut request, untimely);
    dead.extend(untimely.iter().map(|(untimely, part)| letter(&times.reason(*untimely, part), part)));
    Ok(Decoded { batch, dead })
}

fn metrics(
    delivered: &Delivered,
    request: &ExportMetricsServiceRequest,
    calls: &mut CallFinder,
    times: &Times,
) -> Batch {
    let mut points = with_ids(delivered, otlp::metrics(request).items);
    times.retain(&mut points, |point| point.time);
    let mut found = Vec::new();
    for (_, point) in &points {
        calls.see(&point.service);
        found.extend(calls.point(point));
    }
    Batch { points, calls: summed(delivered, found), ..Batch::default() }
}

fn logs(delivered: &Delivered, request: &ExportLogsServiceRequest, calls: &mut CallFinder, times: &Times) -> Batch {
    let mut logs = with_ids(delivered, otlp::logs(request).items);
    times.retain(&mut logs, |record| record.time);
    let mut changes = Vec::new();
    for (id, record) in &logs {
        calls.see(&record.service);
        changes.extend(Change::from_log(record).map(|change| (*id, change)));
    }
    Batch { logs, changes, ..Batch::default() }
}

fn spans(delivered: &Delivered, request: &ExportTraceServiceRequest, calls: &mut CallFinder, times: &Times) -> Batch {
    let mut found = Vec::new();
    for span in otlp::spans(request).items.iter().filter(|span| times.judge(span.end).is_none()) {
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

/// Part of what is stored: a topic keeps its number for ever, and its dead letters have ten more.
pub(crate) fn number_of(topic: &str) -> u8 {
    match topic {
        topics::METRICS => 1,
        topics::LOGS => 2,
        topics::TRACES => 3,
        _ => 0,
    }
}

/// The place that ids derive from.
fn origin(delivered: &Delivered) -> (u8, Position) {
    let number = number_of(&delivered.topic);
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
    use std::time::Duration;

    use llm_sre_domain::Timestamp;
    use prost::Message as _;

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

    /// A record of the bus that holds a request.
    fn record<E: Export>(request: &E) -> Delivered {
        Delivered {
            topic: E::TOPIC.to_owned(),
            position: Position { partition: 0, offset: 3 },
            record: Record { value: Bytes::from(request.encode_to_vec()), ..Record::default() },
        }
    }

    #[test]
    fn what_is_of_another_time_is_a_dead_letter_and_moves_no_ids() {
        use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
        let at = |seconds: u64| LogRecord { time_unix_nano: seconds * 1_000_000_000, ..LogRecord::default() };
        let log_records = vec![at(1_600_000_000), at(1_700_000_000), at(3_629_000_000), at(1_700_000_001)];
        let resource = ResourceLogs {
            scope_logs: vec![ScopeLogs { log_records, ..ScopeLogs::default() }],
            ..ResourceLogs::default()
        };
        let delivered = record(&ExportLogsServiceRequest { resource_logs: vec![resource] });
        let now = Timestamp::from_secs(1_700_000_002);
        let indices = |times: &Times| {
            let decoded = decode(&delivered, &mut CallFinder::new(1), times);
            let reasons = decoded.dead.iter().filter_map(|letter| letter.header(topics::REASON_HEADER));
            let reasons: Vec<String> = reasons.map(str::to_owned).collect();
            (decoded.batch.logs.into_iter().map(|(id, _)| id.index).collect::<Vec<u32>>(), reasons)
        };
        let (kept, reasons) = indices(&Times::around(now, Duration::from_secs(3_600)));
        assert_eq!(kept, [1, 3]);
        assert_eq!(
            reasons,
            [
                "its time 1600000000.000s is before 1699920000.000s, from which on telemetry is kept",
                "its time 3629000000.000s is more than a day ahead of 1700000002.000s"
            ]
        );
        let later = Times::around(Timestamp::from_secs(3_629_000_000), Duration::MAX);
        assert_eq!(indices(&later), (vec![0, 1, 2, 3], Vec::new()));
    }

    #[test]
    fn points_and_spans_of_another_time_are_dead_letters() {
        use opentelemetry_proto::tonic::metrics::v1::metric::Data;
        use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value;
        use opentelemetry_proto::tonic::metrics::v1::{Gauge, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics};
        use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
        let times = Times::around(Timestamp::from_secs(1_700_000_000), Duration::from_secs(3_600));
        let nanos = [1_700_000_000_000_000_000, 3_629_000_000_000_000_000];
        let data_points = nanos.map(|time_unix_nano| {
            let value = Some(Value::AsDouble(1.0));
            NumberDataPoint { time_unix_nano, value, ..NumberDataPoint::default() }
        });
        let data = Some(Data::Gauge(Gauge { data_points: data_points.into() }));
        let metrics = vec![Metric { name: "m".to_owned(), data, ..Metric::default() }];
        let scope_metrics = vec![ScopeMetrics { metrics, ..ScopeMetrics::default() }];
        let resource = ResourceMetrics { scope_metrics, ..ResourceMetrics::default() };
        let request = ExportMetricsServiceRequest { resource_metrics: vec![resource] };
        let decoded = decode(&record(&request), &mut CallFinder::new(1), &times);
        assert_eq!((decoded.batch.points.len(), decoded.dead.len()), (1, 1));
        let left = ExportMetricsServiceRequest::decode(&decoded.dead[0].value[..]).unwrap();
        assert_eq!(left.times(), [Some(Timestamp::from_secs(3_629_000_000))]);

        let spans = nanos.map(|end_time_unix_nano| Span {
            trace_id: vec![1; 16],
            span_id: vec![2; 8],
            start_time_unix_nano: 1,
            end_time_unix_nano,
            ..Span::default()
        });
        let scope_spans = vec![ScopeSpans { spans: spans.into(), ..ScopeSpans::default() }];
        let resource = ResourceSpans { scope_spans, ..ResourceSpans::default() };
        let request = ExportTraceServiceRequest { resource_spans: vec![resource] };
        let decoded = decode(&record(&request), &mut CallFinder::new(1), &times);
        assert_eq!(decoded.dead.len(), 1);
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
