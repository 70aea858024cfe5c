//! Telemetry in maps.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

use async_trait::async_trait;
use llm_sre_domain::telemetry::{Calls, Change, LogRecord, MetricPoint, Origin, PointValue};
use llm_sre_domain::{ServiceId, Timestamp};

use super::lock;
use crate::telemetry::{
    BATCH_MAX, Batch, CallSum, Error, LogPage, LogQuery, Point, RANGE_MAX, Range, RecordId, SeenService, Series,
    SeriesPage, SeriesQuery, TelemetryStore,
};

#[derive(Debug, Default)]
struct State {
    points: BTreeMap<RecordId, MetricPoint>,
    logs: BTreeMap<RecordId, LogRecord>,
    changes: BTreeMap<RecordId, Change>,
    calls: BTreeMap<RecordId, Calls>,
}

/// The telemetry of this process. It keeps everything until it is pruned by age; a size is not kept to.
#[derive(Debug, Default)]
pub struct MemoryTelemetry {
    state: Mutex<State>,
}

#[async_trait]
impl TelemetryStore for MemoryTelemetry {
    async fn append(&self, batch: Batch) -> Result<(), Error> {
        if batch.len() > BATCH_MAX {
            return Err(invalid("batch", format!("{} records are more than {BATCH_MAX}", batch.len())));
        }
        let mut state = lock(&self.state);
        add(&mut state.points, batch.points);
        add(&mut state.logs, batch.logs);
        add(&mut state.changes, batch.changes);
        add(&mut state.calls, batch.calls);
        Ok(())
    }

    async fn series(&self, query: SeriesQuery) -> Result<SeriesPage, Error> {
        check(query.range)?;
        let mut found: BTreeMap<(Origin, BTreeMap<String, String>), Series> = BTreeMap::new();
        let state = lock(&self.state);
        for point in state.points.values().filter(|point| wanted(&query, point)) {
            let attributes: BTreeMap<String, String> =
                point.attributes.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect();
            let series = found.entry((point.origin.clone(), attributes.clone())).or_insert_with(|| Series {
                origin: point.origin.clone(),
                unit: point.unit.to_string(),
                attributes,
                points: Vec::new(),
            });
            series.points.push(chart_point(point));
        }
        let mut truncated = found.len() > query.series_max;
        let mut series: Vec<Series> = found.into_values().take(query.series_max).collect();
        for series in &mut series {
            series.points.sort_by_key(|point| point.time);
            let surplus = series.points.len().saturating_sub(query.points_max);
            truncated |= surplus > 0;
            series.points.drain(..surplus);
        }
        Ok(SeriesPage { series, truncated })
    }

    async fn search_logs(&self, query: LogQuery) -> Result<LogPage, Error> {
        check(query.range)?;
        let from: usize = match &query.cursor {
            None => 0,
            Some(cursor) => cursor.parse().map_err(|_| invalid("cursor", "it is not this store's".to_owned()))?,
        };
        let words = words(&query.text);
        let matches = |log: &&LogRecord| {
            within(query.range, log.time)
                && query.service.as_ref().is_none_or(|service| *service == log.service)
                && log.severity >= query.min_severity
                && query.trace_id.is_none_or(|trace| log.trace_id == Some(trace))
                && self::words(&log.body).is_superset(&words)
        };
        let state = lock(&self.state);
        let mut found: Vec<&LogRecord> = state.logs.values().filter(matches).collect();
        found.sort_by_key(|log| std::cmp::Reverse(log.time));
        let next = (found.len() > from + query.limit).then(|| (from + query.limit).to_string());
        Ok(LogPage { records: found.into_iter().skip(from).take(query.limit).cloned().collect(), next })
    }

    async fn changes(&self, range: Range, service: Option<&ServiceId>, limit: usize) -> Result<Vec<Change>, Error> {
        check(range)?;
        let state = lock(&self.state);
        let matches =
            |change: &&Change| within(range, change.time) && service.is_none_or(|service| *service == change.service);
        let mut found: Vec<Change> = state.changes.values().filter(matches).cloned().collect();
        found.sort_by_key(|change| std::cmp::Reverse(change.time));
        found.truncate(limit);
        Ok(found)
    }

    async fn calls(&self, range: Range, limit: usize) -> Result<Vec<CallSum>, Error> {
        check(range)?;
        let state = lock(&self.state);
        let mut sums: BTreeMap<(ServiceId, ServiceId), CallSum> = BTreeMap::new();
        for calls in state.calls.values().filter(|calls| within(range, calls.time)) {
            let Calls { client, server, time, count } = calls.clone();
            let sum = sums.entry((client.clone(), server.clone()));
            let sum = sum.or_insert_with(|| CallSum { client, server, count: 0.0, last_seen: time });
            sum.count += count;
            sum.last_seen = sum.last_seen.max(time);
        }
        Ok(sums.into_values().take(limit).collect())
    }

    async fn services(&self, range: Range, after: Option<&ServiceId>, limit: usize) -> Result<Vec<SeenService>, Error> {
        check(range)?;
        let state = lock(&self.state);
        let points = state.points.values().map(|point| (&point.service, point.time, Some(&point.metric)));
        let logs = state.logs.values().map(|log| (&log.service, log.time, None));
        let mut seen: BTreeMap<ServiceId, (Timestamp, BTreeSet<String>)> = BTreeMap::new();
        for (service, time, metric) in points.chain(logs).filter(|(_, time, _)| within(range, *time)) {
            let entry = seen.entry(service.clone()).or_insert_with(|| (time, BTreeSet::new()));
            entry.0 = entry.0.max(time);
            entry.1.extend(metric.map(ToString::to_string));
        }
        Ok(seen
            .into_iter()
            .filter(|(service, _)| after.is_none_or(|after| service > after))
            .take(limit)
            .map(|(service, (last_seen, metrics))| SeenService {
                service,
                last_seen,
                metrics: metrics.into_iter().collect(),
            })
            .collect())
    }

    async fn prune(&self, before: Timestamp, _bytes_max: Option<u64>) -> Result<u64, Error> {
        let mut state = lock(&self.state);
        let count = |state: &State| state.points.len() + state.logs.len() + state.changes.len() + state.calls.len();
        let had = count(&state);
        state.points.retain(|_, point| point.time >= before);
        state.logs.retain(|_, log| log.time >= before);
        state.changes.retain(|_, change| change.time >= before);
        state.calls.retain(|_, calls| calls.time >= before);
        Ok((had - count(&state)) as u64)
    }
}

fn add<T>(kept: &mut BTreeMap<RecordId, T>, new: Vec<(RecordId, T)>) {
    for (id, record) in new {
        kept.entry(id).or_insert(record);
    }
}

fn invalid(what: &'static str, reason: String) -> Error {
    Error::InvalidArgument { what, reason }
}

fn check(range: Range) -> Result<(), Error> {
    if range.end <= range.start || range.end.since(range.start) > RANGE_MAX {
        let reason = format!("it is empty or longer than {} days", RANGE_MAX.as_secs() / 86_400);
        return Err(invalid("range", reason));
    }
    Ok(())
}

fn within(range: Range, time: Timestamp) -> bool {
    range.start <= time && time < range.end
}

fn wanted(query: &SeriesQuery, point: &MetricPoint) -> bool {
    let has =
        |(key, value): (&String, &String)| point.attributes.get(key.as_str()).is_some_and(|found| **found == **value);
    point.service == query.service
        && *point.metric == *query.metric
        && within(query.range, point.time)
        && (query.instance.is_empty() || *point.origin.instance == *query.instance)
        && query.attributes.iter().all(has)
}

fn chart_point(point: &MetricPoint) -> Point {
    let mean = |sum: f64, count: u64| if count == 0 { 0.0 } else { sum / count as f64 };
    let (value, count, quantiles) = match &point.value {
        PointValue::Gauge(value) | PointValue::Sum { value, .. } => (*value, 0, Vec::new()),
        PointValue::Histogram { count, sum, .. } => (mean(sum.unwrap_or(0.0), *count), *count, Vec::new()),
        PointValue::Summary { count, sum, quantiles } => (mean(*sum, *count), *count, quantiles.clone()),
    };
    Point { time: point.time, value, count, quantiles }
}

fn words(text: &str) -> BTreeSet<String> {
    text.split(|character: char| !character.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(str::to_lowercase)
        .collect()
}
