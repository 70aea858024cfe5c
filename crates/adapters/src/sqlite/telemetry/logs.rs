//! Questions about log records.

use std::collections::BTreeSet;

use llm_sre_domain::telemetry::LogSeverity;
use llm_sre_ports::telemetry::{Error, LogCounts, LogPage, LogPlace, LogQuery, Parts, Range};
use rusqlite::{Connection, params, params_from_iter, types::Value};

use super::append::MINUTE;
use super::decode::{LOG, log};
use super::query::{limit, service_id};
use crate::sqlite::failure::Answer;

/// Where log records are looked for, what has to hold of them, and the values that it names by number.
struct Filter {
    source: &'static str,
    conditions: String,
    values: Vec<Value>,
}

impl Filter {
    /// `None` where no record can match.
    fn of(connection: &Connection, query: &LogQuery, words: &BTreeSet<String>) -> Answer<Option<Self>, Error> {
        let mut filter = Self {
            source: "logs l",
            conditions: "l.time >= ?1 AND l.time < ?2".to_owned(),
            values: vec![query.range.start.as_nanos().into(), query.range.end.as_nanos().into()],
        };
        if let Some(service) = &query.service {
            let Some(service) = service_id(connection, service)? else { return Ok(None) };
            filter.and("l.service = ?", service.into());
        }
        filter.and("l.severity >= ?", i64::from(query.min_severity.number()).into());
        if let Some(trace) = query.trace_id {
            filter.and("l.trace_id = ?", trace.to_vec().into());
        }
        if !words.is_empty() {
            let Some((first, last)) = log_rows(connection, query.range)? else { return Ok(None) };
            // Words are alphanumeric, so quotes make each of them one term whatever it spells.
            let terms: Vec<String> = words.iter().map(|word| format!("\"{word}\"")).collect();
            filter.and("w.log_words MATCH ?", terms.join(" AND ").into());
            filter.and("w.rowid >= ?", first.into());
            filter.and("w.rowid <= ?", last.into());
            filter.source = "log_words w CROSS JOIN logs l ON l.id = w.rowid";
        }
        Ok(Some(filter))
    }

    /// Also this has to hold, in which `?` is the value.
    fn and(&mut self, sql: &str, value: Value) {
        let place = self.value(value);
        self.conditions += &format!(" AND {}", sql.replace('?', &place));
    }

    /// How a value is named.
    fn value(&mut self, value: Value) -> String {
        self.values.push(value);
        format!("?{}", self.values.len())
    }
}

pub(super) fn search(
    connection: &Connection,
    query: &LogQuery,
    words: &BTreeSet<String>,
    after: Option<LogPlace>,
) -> Answer<LogPage, Error> {
    let Some(mut filter) = Filter::of(connection, query, words)? else { return Ok(LogPage::default()) };
    if let Some(after) = after {
        filter.and("l.time <= ?", after.time.as_nanos().into());
        filter
            .and(&format!("(l.time < {} OR l.record < ?)", after.time.as_nanos()), after.id.to_bytes().to_vec().into());
    }
    let most = query.limit.max(1);
    let sql = format!(
        "SELECT {LOG} FROM {} JOIN services s ON s.id = l.service WHERE {}
         ORDER BY l.time DESC, l.record DESC LIMIT {}",
        filter.source,
        filter.conditions,
        limit(most.saturating_add(1))
    );
    let mut statement = connection.prepare(&sql)?;
    let mut rows = statement.query(params_from_iter(filter.values))?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(log(row)?);
    }
    let more = found.len() > most;
    found.truncate(most);
    let next = found.last().filter(|_| more).map(|(place, _)| place.to_string());
    Ok(LogPage { records: found.into_iter().map(|(_, log)| log).collect(), next })
}

pub(super) fn count(
    connection: &Connection,
    query: &LogQuery,
    words: &BTreeSet<String>,
    parts: Parts,
) -> Answer<LogCounts, Error> {
    let mut counts = LogCounts::new();
    let Some(mut filter) = Filter::of(connection, query, words)? else { return Ok(counts) };
    let start = filter.value(parts.start.as_nanos().into());
    let width = filter.value(i64::try_from(parts.width.as_nanos()).unwrap_or(i64::MAX).into());
    let sql = format!(
        "SELECT (l.time - {start}) / {width} part, l.severity, count(*) FROM {} WHERE {} GROUP BY part, l.severity",
        filter.source, filter.conditions
    );
    let mut statement = connection.prepare(&sql)?;
    let mut rows = statement.query(params_from_iter(filter.values))?;
    while let Some(row) = rows.next()? {
        let (part, severity, count): (usize, i32, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
        let severity = LogSeverity::from_number(severity);
        *counts.entry((part, severity)).or_default() += count.unsigned_abs();
    }
    Ok(counts)
}

/// Between which rows the log records of a range are. The text index knows rows and no times.
fn log_rows(connection: &Connection, range: Range) -> Answer<Option<(i64, i64)>, Error> {
    let mut find = connection
        .prepare_cached("SELECT min(first_log), max(last_log) FROM volumes WHERE minute BETWEEN ?1 AND ?2")?;
    let minutes = params![range.start.as_nanos().div_euclid(MINUTE), range.end.as_nanos().div_euclid(MINUTE)];
    let (first, last): (Option<i64>, Option<i64>) = find.query_row(minutes, |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(first.zip(last))
}
