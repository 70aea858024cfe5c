//! Questions to the tables.

use std::collections::{BTreeMap, BTreeSet};

use llm_sre_domain::telemetry::{Change, Origin};
use llm_sre_domain::{ServiceId, Timestamp};
use llm_sre_ports::telemetry::{
    CallSum, Error, LogPage, LogPlace, LogQuery, Range, SeenService, Series, SeriesPage, SeriesQuery,
};
use rusqlite::{Connection, OptionalExtension, Row, params, params_from_iter, types::Value};

use super::append::MINUTE;
use super::decode::{self, LOG, log, point};
use crate::sqlite::failure::{Answer, Failure};

fn limit(rows: usize) -> i64 {
    i64::try_from(rows).unwrap_or(i64::MAX)
}

fn service_id(connection: &Connection, service: &ServiceId) -> Answer<Option<i64>, Error> {
    let mut find =
        connection.prepare_cached("SELECT id FROM services WHERE namespace = ?1 AND name = ?2 AND environment = ?3")?;
    let values = params![&*service.namespace, &*service.name, &*service.environment];
    Ok(find.query_row(values, |row| row.get(0)).optional()?)
}

/// A series that matches, before its points are read: in order of instance and attributes.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Candidate {
    origin: Origin,
    attributes: BTreeMap<String, String>,
    unit: String,
    id: i64,
}

pub(super) fn series(connection: &Connection, query: &SeriesQuery) -> Answer<SeriesPage, Error> {
    let mut page = SeriesPage::default();
    let mut statement = connection.prepare_cached(
        "SELECT time, value, count, quantiles FROM points WHERE series = ?1 AND time >= ?2 AND time < ?3
         ORDER BY time DESC, record DESC LIMIT ?4",
    )?;
    let (start, end) = (query.range.start.as_nanos(), query.range.end.as_nanos());
    for Candidate { origin, attributes, unit, id } in candidates(connection, query)? {
        let mut points = Vec::new();
        let most = limit(query.points_max.saturating_add(1));
        let mut rows = statement.query(params![id, start, end, most])?;
        while let Some(row) = rows.next()? {
            points.push(point(row)?);
        }
        if points.is_empty() {
            continue;
        }
        if page.series.len() >= query.series_max {
            page.truncated = true;
            break;
        }
        page.truncated |= points.len() > query.points_max;
        points.truncate(query.points_max);
        points.reverse();
        page.series.push(Series { origin, unit, attributes, points });
    }
    Ok(page)
}

fn candidates(connection: &Connection, query: &SeriesQuery) -> Answer<Vec<Candidate>, Error> {
    let Some(service) = service_id(connection, &query.service)? else { return Ok(Vec::new()) };
    let mut statement = connection.prepare_cached(
        "SELECT id, instance, version, attributes, unit FROM series
         WHERE service = ?1 AND metric = ?2 AND (?3 = '' OR instance = ?3)",
    )?;
    let mut rows = statement.query(params![service, query.metric, query.instance])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let text: String = row.get(3)?;
        let attributes: BTreeMap<String, String> = serde_json::from_str(&text)
            .map_err(|error| Failure::corrupt(&format!("the attributes of a series of {}", query.metric), error))?;
        if query.attributes.iter().all(|(key, value)| attributes.get(key) == Some(value)) {
            let origin = Origin { instance: row.get(1)?, version: row.get(2)? };
            found.push(Candidate { origin, attributes, unit: row.get(4)?, id: row.get(0)? });
        }
    }
    found.sort_unstable();
    Ok(found)
}

pub(super) fn logs(
    connection: &Connection,
    query: &LogQuery,
    words: &BTreeSet<String>,
    after: Option<LogPlace>,
) -> Answer<LogPage, Error> {
    let mut values: Vec<Value> = vec![query.range.start.as_nanos().into(), query.range.end.as_nanos().into()];
    let mut conditions = "l.time >= ?1 AND l.time < ?2".to_owned();
    let mut condition = |sql: &str, value: Value| {
        values.push(value);
        conditions += &format!(" AND {}", sql.replace('?', &format!("?{}", values.len())));
    };
    if let Some(service) = &query.service {
        let Some(service) = service_id(connection, service)? else { return Ok(LogPage::default()) };
        condition("l.service = ?", service.into());
    }
    condition("l.severity >= ?", i64::from(query.min_severity.number()).into());
    if let Some(trace) = query.trace_id {
        condition("l.trace_id = ?", trace.to_vec().into());
    }
    if let Some(after) = after {
        condition("l.time <= ?", after.time.as_nanos().into());
        condition(
            &format!("(l.time < {} OR l.record < ?)", after.time.as_nanos()),
            after.id.to_bytes().to_vec().into(),
        );
    }
    let mut source = "logs l";
    if !words.is_empty() {
        let Some((first, last)) = log_rows(connection, query.range)? else { return Ok(LogPage::default()) };
        // Words are alphanumeric, so quotes make each of them one term whatever it spells.
        let terms: Vec<String> = words.iter().map(|word| format!("\"{word}\"")).collect();
        condition("w.log_words MATCH ?", terms.join(" AND ").into());
        condition("w.rowid >= ?", first.into());
        condition("w.rowid <= ?", last.into());
        source = "log_words w CROSS JOIN logs l ON l.id = w.rowid";
    }
    let limit = query.limit.max(1);
    let most = self::limit(limit.saturating_add(1));
    let sql = format!(
        "SELECT {LOG} FROM {source} JOIN services s ON s.id = l.service WHERE {conditions}
         ORDER BY l.time DESC, l.record DESC LIMIT {most}"
    );
    let mut statement = connection.prepare(&sql)?;
    let mut rows = statement.query(params_from_iter(values))?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(log(row)?);
    }
    let more = found.len() > limit;
    found.truncate(limit);
    let next = found.last().filter(|_| more).map(|(place, _)| place.to_string());
    Ok(LogPage { records: found.into_iter().map(|(_, log)| log).collect(), next })
}

/// Between which rows the log records of a range are. The text index knows rows and no times.
fn log_rows(connection: &Connection, range: Range) -> Answer<Option<(i64, i64)>, Error> {
    let mut find = connection
        .prepare_cached("SELECT min(first_log), max(last_log) FROM volumes WHERE minute BETWEEN ?1 AND ?2")?;
    let minutes = params![range.start.as_nanos().div_euclid(MINUTE), range.end.as_nanos().div_euclid(MINUTE)];
    let (first, last): (Option<i64>, Option<i64>) = find.query_row(minutes, |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(first.zip(last))
}

pub(super) fn changes(
    connection: &Connection,
    range: Range,
    service: Option<&ServiceId>,
    most: usize,
) -> Answer<Vec<Change>, Error> {
    let service = match service {
        None => None,
        Some(service) => match service_id(connection, service)? {
            None => return Ok(Vec::new()),
            some => some,
        },
    };
    let mut statement = connection.prepare_cached(
        "SELECT change FROM changes WHERE time >= ?1 AND time < ?2 AND (?3 IS NULL OR service = ?3)
         ORDER BY time DESC, record DESC LIMIT ?4",
    )?;
    let values = params![range.start.as_nanos(), range.end.as_nanos(), service, limit(most)];
    let mut rows = statement.query(values)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let text: String = row.get(0)?;
        found.push(serde_json::from_str(&text).map_err(|error| Failure::corrupt("a change", error))?);
    }
    Ok(found)
}

pub(super) fn calls(connection: &Connection, range: Range, most: usize) -> Answer<Vec<CallSum>, Error> {
    let mut statement = connection.prepare_cached(
        "SELECT c.namespace, c.name, c.environment, s.namespace, s.name, s.environment, e.count, e.last
         FROM (SELECT client, server, total(count) AS count, max(time) AS last FROM calls
               WHERE time >= ?1 AND time < ?2 GROUP BY client, server) e
         JOIN services c ON c.id = e.client JOIN services s ON s.id = e.server
         ORDER BY 1, 2, 3, 4, 5, 6 LIMIT ?3",
    )?;
    let sum = |row: &Row<'_>| {
        Ok(CallSum {
            client: decode::service(row, 0)?,
            server: decode::service(row, 3)?,
            count: row.get(6)?,
            last_seen: Timestamp::from_nanos(row.get(7)?),
        })
    };
    let found = statement.query_map(params![range.start.as_nanos(), range.end.as_nanos(), limit(most)], sum)?;
    Ok(found.collect::<Result<_, _>>()?)
}

pub(super) fn services(
    connection: &Connection,
    range: Range,
    after: Option<&ServiceId>,
    most: usize,
) -> Answer<Vec<SeenService>, Error> {
    let mut statement = connection.prepare_cached(
        "SELECT namespace, name, environment, id FROM services
         WHERE ?1 OR (namespace, name, environment) > (?2, ?3, ?4) ORDER BY namespace, name, environment",
    )?;
    let part = |part: fn(&ServiceId) -> &str| after.map_or("", part);
    let values = params![after.is_none(), part(|id| &id.namespace), part(|id| &id.name), part(|id| &id.environment)];
    let mut rows = statement.query(values)?;
    let mut found = Vec::new();
    while found.len() < most
        && let Some(row) = rows.next()?
    {
        let service = decode::service(row, 0)?;
        found.extend(seen(connection, range, service, row.get(3)?)?);
    }
    Ok(found)
}

fn seen(connection: &Connection, range: Range, service: ServiceId, id: i64) -> Answer<Option<SeenService>, Error> {
    let (start, end) = (range.start.as_nanos(), range.end.as_nanos());
    let mut newest_log =
        connection.prepare_cached("SELECT max(time) FROM logs WHERE service = ?1 AND time >= ?2 AND time < ?3")?;
    let mut newest: Option<i64> = newest_log.query_row(params![id, start, end], |row| row.get(0))?;
    // One search in the points a series; the range is never read through.
    let mut newest_points = connection.prepare_cached(
        "SELECT metric, (SELECT max(time) FROM points WHERE series = s.id AND time >= ?2 AND time < ?3)
         FROM series s WHERE service = ?1",
    )?;
    let mut metrics = BTreeSet::new();
    let mut rows = newest_points.query(params![id, start, end])?;
    while let Some(row) = rows.next()? {
        if let Some(time) = row.get::<_, Option<i64>>(1)? {
            newest = newest.max(Some(time));
            metrics.insert(row.get(0)?);
        }
    }
    let seen =
        |time| SeenService { service, last_seen: Timestamp::from_nanos(time), metrics: metrics.into_iter().collect() };
    Ok(newest.map(seen))
}
