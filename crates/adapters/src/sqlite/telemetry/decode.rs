//! Between values and columns.

use std::sync::Arc;

use llm_sre_domain::telemetry::{LogRecord, LogSeverity, Origin};
use llm_sre_domain::{ServiceId, Timestamp};
use llm_sre_ports::telemetry::{Error, LogPlace, Point, RecordId};
use rusqlite::Row;

use crate::sqlite::failure::{Answer, Failure};

/// A value as JSON.
pub(super) fn json<T: JsonText + ?Sized>(value: &T) -> Answer<String, Error> {
    Ok(value.to_json().map_err(|error| Failure::corrupt("a value has no JSON", error))?)
}

/// What has a JSON text.
pub(super) trait JsonText {
    fn to_json(&self) -> serde_json::Result<String>;
}

impl JsonText for llm_sre_domain::telemetry::Attributes {
    fn to_json(&self) -> serde_json::Result<String> {
        serde_json::to_string(self)
    }
}

impl JsonText for llm_sre_domain::telemetry::Change {
    fn to_json(&self) -> serde_json::Result<String> {
        serde_json::to_string(self)
    }
}

/// Pairs of quantile and value, eight bytes each; nothing where there are none.
pub(super) fn encode_quantiles(quantiles: &[(f64, f64)]) -> Option<Vec<u8>> {
    let numbers = quantiles.iter().flat_map(|(quantile, value)| [quantile.to_le_bytes(), value.to_le_bytes()]);
    (!quantiles.is_empty()).then(|| numbers.flatten().collect())
}

fn decode_quantiles(bytes: &[u8]) -> Result<Vec<(f64, f64)>, Failure> {
    let (numbers, rest) = bytes.as_chunks::<8>();
    let (pairs, odd) = numbers.as_chunks::<2>();
    if !rest.is_empty() || !odd.is_empty() {
        return Err(Failure::corrupt("a point's quantiles", "they are cut"));
    }
    Ok(pairs.iter().map(|[quantile, value]| (f64::from_le_bytes(*quantile), f64::from_le_bytes(*value))).collect())
}

/// A point of `time, value, count, quantiles`.
pub(super) fn point(row: &Row<'_>) -> Answer<Point, Error> {
    let quantiles: Option<Vec<u8>> = row.get(3)?;
    Ok(Point {
        time: Timestamp::from_nanos(row.get(0)?),
        value: row.get::<_, Option<f64>>(1)?.unwrap_or(f64::NAN),
        count: row.get::<_, Option<i64>>(2)?.unwrap_or(0) as u64,
        quantiles: quantiles.map_or(Ok(Vec::new()), |bytes| decode_quantiles(&bytes))?,
    })
}

/// A service of three columns from `at` on.
pub(super) fn service(row: &Row<'_>, at: usize) -> rusqlite::Result<ServiceId> {
    let text = |at: usize| row.get::<_, Arc<str>>(at);
    Ok(ServiceId { namespace: text(at)?, name: text(at + 1)?, environment: text(at + 2)? })
}

/// The columns of a log record, for [`log`].
pub(super) const LOG: &str = "l.time, l.record, l.severity, l.trace_id, l.span_id, l.instance, l.version,
    l.event_name, l.attributes, l.body, s.namespace, s.name, s.environment";

/// A log record of [`LOG`], and its place.
pub(super) fn log(row: &Row<'_>) -> Answer<(LogPlace, LogRecord), Error> {
    let time = Timestamp::from_nanos(row.get(0)?);
    let id = RecordId::from_bytes(&row.get(1)?);
    let attributes: String = row.get(8)?;
    let attributes = serde_json::from_str(&attributes)
        .map_err(|error| Failure::corrupt(&format!("the attributes of {id:?}"), error))?;
    let record = LogRecord {
        service: service(row, 10)?,
        origin: Origin { instance: row.get(5)?, version: row.get(6)? },
        time,
        severity: LogSeverity::from_number(row.get(2)?),
        body: row.get(9)?,
        event_name: row.get(7)?,
        attributes,
        trace_id: row.get(3)?,
        span_id: row.get(4)?,
    };
    Ok((LogPlace { time, id }, record))
}
