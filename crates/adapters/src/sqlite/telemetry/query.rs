//! Questions to the tables.

use std::collections::{BTreeMap, BTreeSet};

use llm_sre_domain::telemetry::{Change, Origin};
use llm_sre_domain::{ServiceId, Timestamp};
use llm_sre_ports::telemetry::{CallSum, Error, Range, SeenService, Series, SeriesPage, SeriesQuery};
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::decode::{self, point};
use crate::sqlite::failure::{Answer, Failure};

pub(super) fn limit(rows: usize) -> i64 {
    i64::try_from(rows).unwrap_or(i64::MAX)
}

pub(super) fn service_id(connection: &Connection, service: &ServiceId) -> Answer<Option<i64>, Error> {
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
