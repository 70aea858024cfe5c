//! Batches into tables.

use std::collections::{BTreeMap, HashMap};

use llm_sre_domain::telemetry::{Attributes, LogRecord, MetricPoint, Origin};
use llm_sre_domain::{ServiceId, Timestamp};
use llm_sre_ports::telemetry::{Batch, Error, Point, RecordBytes, RecordId, words};
use rusqlite::{Connection, OptionalExtension, params};

use super::decode::{encode_quantiles, json};
use crate::sqlite::failure::Answer;

/// Nanoseconds of a minute, by which volumes are counted.
pub(super) const MINUTE: i64 = 60_000_000_000;

/// Stores a batch.
pub(super) fn append(connection: &Connection, batch: &Batch) -> Answer<(), Error> {
    let mut names = Names { connection, services: HashMap::new(), series: HashMap::new() };
    let mut volumes = Volumes::default();
    points(&mut names, &batch.points, &mut volumes)?;
    logs(&mut names, &batch.logs, &mut volumes)?;
    let mut insert = connection.prepare_cached(
        "INSERT INTO changes (time, record, service, change) VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING",
    )?;
    for (id, change) in &batch.changes {
        let service = names.service(&change.service)?;
        let values = params![change.time.as_nanos(), id.to_bytes(), service, json(change)?];
        if insert.execute(values)? > 0 {
            volumes.add(change.time, change.kept_bytes());
        }
    }
    let mut insert = connection.prepare_cached(
        "INSERT INTO calls (time, record, client, server, count) VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT DO NOTHING",
    )?;
    for (id, calls) in &batch.calls {
        let (client, server) = (names.service(&calls.client)?, names.service(&calls.server)?);
        if insert.execute(params![calls.time.as_nanos(), id.to_bytes(), client, server, calls.count])? > 0 {
            volumes.add(calls.time, calls.kept_bytes());
        }
    }
    volumes.store(connection)
}

fn points<'a>(
    names: &mut Names<'a>,
    points: &'a [(RecordId, MetricPoint)],
    volumes: &mut Volumes,
) -> Answer<(), Error> {
    let mut placed = Vec::with_capacity(points.len());
    for (id, point) in points {
        placed.push((names.series(point)?, point.time, *id, point));
    }
    // In the order of the table, so that neighbours are written together.
    placed.sort_unstable_by_key(|(series, time, id, _)| (*series, *time, *id));
    let mut insert = names.connection.prepare_cached(
        "INSERT INTO points (series, time, record, value, count, quantiles) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
         ON CONFLICT DO NOTHING",
    )?;
    for (series, time, id, point) in placed {
        let shown = Point::from(point);
        // The bits of a count that SQLite's integers have no room for come back as they were.
        let count = (shown.count > 0).then_some(shown.count as i64);
        let quantiles = encode_quantiles(&shown.quantiles);
        if insert.execute(params![series, time.as_nanos(), id.to_bytes(), shown.value, count, quantiles])? > 0 {
            volumes.add(time, point.kept_bytes());
        }
    }
    Ok(())
}

fn logs<'a>(names: &mut Names<'a>, logs: &'a [(RecordId, LogRecord)], volumes: &mut Volumes) -> Answer<(), Error> {
    let mut insert = names.connection.prepare_cached(
        "INSERT INTO logs (record, time, service, severity, trace_id, span_id, instance, version, event_name,
             attributes, body)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11) ON CONFLICT DO NOTHING",
    )?;
    let mut index = names.connection.prepare_cached("INSERT INTO log_words (rowid, words) VALUES (?1, ?2)")?;
    for (id, log) in logs {
        let is_new = insert.execute(params![
            id.to_bytes(),
            log.time.as_nanos(),
            names.service(&log.service)?,
            log.severity.number(),
            log.trace_id,
            log.span_id,
            &*log.origin.instance,
            &*log.origin.version,
            &*log.event_name,
            json(&log.attributes)?,
            log.body,
        ])? > 0;
        if is_new {
            let row = names.connection.last_insert_rowid();
            let words: Vec<String> = words(&log.body).into_iter().collect();
            index.execute(params![row, words.join(" ")])?;
            volumes.add_log(log.time, log.kept_bytes(), row);
        }
    }
    Ok(())
}

/// The ids of what a batch names. They are looked up once a batch and not kept longer: another process may remove them.
struct Names<'a> {
    connection: &'a Connection,
    services: HashMap<&'a ServiceId, i64>,
    series: HashMap<(&'a ServiceId, &'a Origin, &'a str, &'a Attributes), i64>,
}

impl<'a> Names<'a> {
    fn service(&mut self, service: &'a ServiceId) -> Answer<i64, Error> {
        if let Some(id) = self.services.get(service) {
            return Ok(*id);
        }
        let values = params![&*service.namespace, &*service.name, &*service.environment];
        let mut find = self
            .connection
            .prepare_cached("SELECT id FROM services WHERE namespace = ?1 AND name = ?2 AND environment = ?3")?;
        let id = match find.query_row(values, |row| row.get(0)).optional()? {
            Some(id) => id,
            None => {
                let sql = "INSERT INTO services (namespace, name, environment) VALUES (?1, ?2, ?3)";
                self.connection.prepare_cached(sql)?.execute(values)?;
                self.connection.last_insert_rowid()
            }
        };
        self.services.insert(service, id);
        Ok(id)
    }

    fn series(&mut self, point: &'a MetricPoint) -> Answer<i64, Error> {
        let key = (&point.service, &point.origin, &*point.metric, &point.attributes);
        if let Some(id) = self.series.get(&key) {
            return Ok(*id);
        }
        let service = self.service(&point.service)?;
        let attributes = json(&point.attributes)?;
        let (instance, version) = (&*point.origin.instance, &*point.origin.version);
        let mut find = self.connection.prepare_cached(
            "SELECT id FROM series
             WHERE service = ?1 AND metric = ?2 AND instance = ?3 AND version = ?4 AND attributes = ?5",
        )?;
        let values = params![service, &*point.metric, instance, version, attributes];
        let id = match find.query_row(values, |row| row.get(0)).optional()? {
            Some(id) => id,
            None => {
                let mut insert = self.connection.prepare_cached(
                    "INSERT INTO series (service, metric, instance, version, attributes, unit)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                )?;
                insert.execute(params![service, &*point.metric, instance, version, attributes, &*point.unit])?;
                self.connection.last_insert_rowid()
            }
        };
        self.series.insert(key, id);
        Ok(id)
    }
}

/// What a batch adds to the volumes of minutes.
#[derive(Default)]
struct Volumes(BTreeMap<i64, Volume>);

#[derive(Default)]
struct Volume {
    bytes: u64,
    logs: Option<(i64, i64)>,
}

impl Volumes {
    fn add(&mut self, time: Timestamp, bytes: u64) -> &mut Volume {
        let volume = self.0.entry(time.as_nanos().div_euclid(MINUTE)).or_default();
        volume.bytes += bytes;
        volume
    }

    fn add_log(&mut self, time: Timestamp, bytes: u64, row: i64) {
        let volume = self.add(time, bytes);
        let (first, last) = volume.logs.unwrap_or((row, row));
        volume.logs = Some((first.min(row), last.max(row)));
    }

    fn store(self, connection: &Connection) -> Answer<(), Error> {
        let mut add = connection.prepare_cached(
            "INSERT INTO volumes (minute, bytes, first_log, last_log) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT DO UPDATE SET bytes = bytes + excluded.bytes,
                 first_log = min(ifnull(first_log, excluded.first_log), ifnull(excluded.first_log, first_log)),
                 last_log = max(ifnull(last_log, excluded.last_log), ifnull(excluded.last_log, last_log))",
        )?;
        for (minute, Volume { bytes, logs }) in self.0 {
            add.execute(params![minute, bytes, logs.map(|logs| logs.0), logs.map(|logs| logs.1)])?;
        }
        Ok(())
    }
}
