//! Records as rows of an index, and back.

use std::collections::BTreeMap;

use llm_sre_domain::telemetry::{Calls, Change, LogRecord, LogSeverity, MetricPoint, Origin};
use llm_sre_domain::{ServiceId, Timestamp};
use llm_sre_ports::telemetry::{LogPlace, Point, RecordId, words};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::opensearch::failure::Failure;
use crate::opensearch::keys;

/// The longest word that is a term as it stands; a term may have 32 KiB.
const WORD_BYTES_MAX: usize = 256;

#[derive(Serialize)]
pub(super) struct PointRow<'a> {
    time: i64,
    service: String,
    metric: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    unit: &'a str,
    series: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<f64>,
    /// A value that is no number of JSON's.
    #[serde(skip_serializing_if = "Option::is_none")]
    special: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    count: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    quantiles: Option<String>,
}

impl<'a> PointRow<'a> {
    pub(super) fn new(point: &'a MetricPoint) -> Self {
        let Point { value, count, quantiles, .. } = point.into();
        let quantiles: Vec<String> = quantiles.iter().map(|(quantile, value)| format!("{quantile}={value}")).collect();
        Self {
            time: point.time.as_nanos(),
            service: keys::of_service(&point.service),
            metric: &point.metric,
            unit: &point.unit,
            series: series_key(point),
            value: value.is_finite().then_some(value),
            special: (!value.is_finite()).then(|| value.to_string()),
            count: (count > 0).then(|| i64::try_from(count).unwrap_or(i64::MAX)),
            quantiles: (!quantiles.is_empty()).then(|| quantiles.join(",")),
        }
    }
}

/// What points of one series share and others do not, ordered as series are.
fn series_key(point: &MetricPoint) -> String {
    let origin = [&*point.origin.instance, &*point.origin.version];
    keys::join(origin.into_iter().chain(point.attributes.iter().flat_map(|(key, value)| [&**key, &**value])))
}

/// Origin and attributes of a series.
pub(super) fn series_of(key: &str) -> Option<(Origin, BTreeMap<String, String>)> {
    let mut parts = keys::split(key)?.into_iter();
    let origin = Origin { instance: parts.next()?.into(), version: parts.next()?.into() };
    let mut attributes = BTreeMap::new();
    while let Some(key) = parts.next() {
        attributes.insert(key, parts.next()?);
    }
    Some((origin, attributes))
}

/// The columns that a point is read from.
pub(super) const POINT_COLUMNS: [&str; 6] = ["time", "unit", "value", "special", "count", "quantiles"];

/// A point's unit, and the point.
pub(super) fn point(columns: &Value) -> Option<(&str, Point)> {
    let text = |name: &str| columns[name][0].as_str();
    let value = match text("special") {
        Some(special) => special.parse().ok()?,
        None => columns["value"][0].as_f64()?,
    };
    let quantile = |pair: &str| {
        let (quantile, value) = pair.split_once('=')?;
        Some((quantile.parse().ok()?, value.parse().ok()?))
    };
    let quantiles = text("quantiles").into_iter().flat_map(|quantiles| quantiles.split(',')).map(quantile);
    let time = Timestamp::from_nanos(columns["time"][0].as_i64()?);
    let count = columns["count"][0].as_u64().unwrap_or(0);
    Some((text("unit").unwrap_or_default(), Point { time, value, count, quantiles: quantiles.collect::<Option<_>>()? }))
}

/// The place of a record among its like: by time, then by where it came from.
#[derive(Serialize)]
struct Placed {
    #[serde(rename = "@timestamp")]
    timestamp_ms: i64,
    time: i64,
    service: String,
    source: i64,
    offset: i64,
    index: u32,
}

impl Placed {
    fn new(id: RecordId, time: Timestamp, service: &ServiceId) -> Self {
        let [_, source, offset, index] = place_values(LogPlace { time, id });
        Self {
            timestamp_ms: time.as_nanos().div_euclid(1_000_000),
            time: time.as_nanos(),
            service: keys::of_service(service),
            source,
            offset,
            index: u32::try_from(index).unwrap_or_default(),
        }
    }
}

/// The fields that records are ordered by.
pub(super) const PLACE_FIELDS: [&str; 4] = ["time", "source", "offset", "index"];

/// What they hold.
pub(super) fn place_values(LogPlace { time, id }: LogPlace) -> [i64; 4] {
    // An offset is less than 2^63, on every bus that there is.
    let offset = i64::try_from(id.offset).unwrap_or(i64::MAX);
    [time.as_nanos(), (i64::from(id.topic) << 32) | i64::from(id.partition), offset, i64::from(id.index)]
}

/// The place of a found record.
pub(super) fn place(sort: &Value) -> Option<LogPlace> {
    let number = |index: usize| sort[index].as_i64();
    let source = number(1)?;
    let id = RecordId {
        topic: u8::try_from(source >> 32).ok()?,
        partition: u32::try_from(source & i64::from(u32::MAX)).ok()?,
        offset: u64::try_from(number(2)?).ok()?,
        index: u32::try_from(number(3)?).ok()?,
    };
    Some(LogPlace { time: Timestamp::from_nanos(number(0)?), id })
}

#[derive(Serialize)]
pub(super) struct LogRow<'a> {
    #[serde(flatten)]
    placed: Placed,
    severity: i32,
    #[serde(skip_serializing_if = "Option::is_none")]
    trace: Option<String>,
    words: Vec<String>,
    record: StoredLog<'a>,
}

/// What of a log record is only read.
#[derive(Serialize, Deserialize)]
struct StoredLog<'a> {
    service: ServiceId,
    #[serde(default)]
    origin: Origin,
    body: std::borrow::Cow<'a, str>,
    #[serde(default, skip_serializing_if = "str::is_empty")]
    event: std::borrow::Cow<'a, str>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    attributes: BTreeMap<std::sync::Arc<str>, std::sync::Arc<str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    span: Option<String>,
}

impl<'a> LogRow<'a> {
    pub(super) fn new(id: RecordId, log: &'a LogRecord) -> Self {
        Self {
            placed: Placed::new(id, log.time, &log.service),
            severity: log.severity.number(),
            trace: log.trace_id.map(|trace_id| hex(&trace_id)),
            words: words(&log.body).into_iter().map(word_term).collect(),
            record: StoredLog {
                service: log.service.clone(),
                origin: log.origin.clone(),
                body: log.body.as_str().into(),
                event: (&*log.event_name).into(),
                attributes: log.attributes.clone(),
                span: log.span_id.map(|span_id| hex(&span_id)),
            },
        }
    }
}

/// The term that a word is found by.
pub(super) fn word_term(word: String) -> String {
    if word.len() > WORD_BYTES_MAX { keys::digest([word.as_str()]) } else { word }
}

/// Bytes as lower-case hexadecimal digits, as ids of traces are shown everywhere.
pub(super) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |digit: u8| char::from(DIGITS[usize::from(digit & 15)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(*byte)]).collect()
}

/// The bytes again.
fn from_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    if text.len() != 2 * N || !text.is_ascii() {
        return None;
    }
    for (byte, at) in bytes.iter_mut().zip((0..).step_by(2)) {
        *byte = u8::from_str_radix(&text[at..at + 2], 16).ok()?;
    }
    Some(bytes)
}

/// A log record, from its row.
pub(super) fn log(row: &Value) -> Result<LogRecord, Failure> {
    let read = || {
        let stored = StoredLog::deserialize(&row["record"]).ok()?;
        let trace_id = row.get("trace").map(|trace| from_hex(trace.as_str()?));
        Some(LogRecord {
            service: stored.service,
            origin: stored.origin,
            time: Timestamp::from_nanos(row["time"].as_i64()?),
            severity: LogSeverity::from_number(row["severity"].as_i64()?.try_into().ok()?),
            body: stored.body.into_owned(),
            event_name: stored.event.into(),
            attributes: stored.attributes,
            trace_id: if let Some(found) = trace_id { Some(found?) } else { None },
            span_id: if let Some(span) = stored.span { Some(from_hex(&span)?) } else { None },
        })
    };
    read().ok_or_else(|| Failure::corrupt("a field of a log record", row))
}

#[derive(Serialize)]
pub(super) struct ChangeRow<'a> {
    #[serde(flatten)]
    placed: Placed,
    change: &'a Change,
}

impl<'a> ChangeRow<'a> {
    pub(super) fn new(id: RecordId, change: &'a Change) -> Self {
        Self { placed: Placed::new(id, change.time, &change.service), change }
    }
}

/// A change, from its row.
pub(super) fn change(row: &Value) -> Result<Change, Failure> {
    Change::deserialize(&row["change"]).map_err(|_| Failure::corrupt("a field of a change", row))
}

#[derive(Serialize)]
pub(super) struct CallsRow {
    time: i64,
    client: String,
    server: String,
    count: f64,
}

impl CallsRow {
    pub(super) fn new(calls: &Calls) -> Self {
        Self {
            time: calls.time.as_nanos(),
            client: keys::of_service(&calls.client),
            server: keys::of_service(&calls.server),
            count: calls.count,
        }
    }
}
