//! Telemetry in maps.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;
use llm_sre_domain::telemetry::{Calls, Change, LogRecord, MetricPoint, Origin};
use llm_sre_domain::{ServiceId, Timestamp};

use super::lock;
use crate::telemetry::{
    self, Batch, CallSum, Error, LogCounts, LogPage, LogPlace, LogQuery, Parts, Range, RecordBytes, RecordId,
    SeenService, Series, SeriesPage, SeriesQuery, TelemetryStore,
};

#[derive(Debug, Default)]
struct State {
    points: BTreeMap<RecordId, MetricPoint>,
    logs: BTreeMap<RecordId, LogRecord>,
    changes: BTreeMap<RecordId, Change>,
    calls: BTreeMap<RecordId, Calls>,
}

/// The telemetry of this process. It keeps everything until it is pruned.
#[derive(Debug, Default)]
pub struct MemoryTelemetry {
    state: Mutex<State>,
}

#[async_trait]
impl TelemetryStore for MemoryTelemetry {
    async fn append(&self, batch: Batch) -> Result<(), Error> {
        batch.check()?;
        let mut state = lock(&self.state);
        add(&mut state.points, batch.points);
        add(&mut state.logs, batch.logs);
        add(&mut state.changes, batch.changes);
        add(&mut state.calls, batch.calls);
        Ok(())
    }

    async fn series(&self, query: SeriesQuery) -> Result<SeriesPage, Error> {
        query.range.check()?;
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
            series.points.push(point.into());
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
        let (words, after) = query.parse()?;
        let matches = |log: &LogRecord| matches(&query, &words, log);
        let state = lock(&self.state);
        let mut found: Vec<(LogPlace, &LogRecord)> = state
            .logs
            .iter()
            .map(|(id, log)| (LogPlace { time: log.time, id: *id }, log))
            .filter(|(place, log)| after.is_none_or(|after| *place < after) && matches(log))
            .collect();
        found.sort_by_key(|(place, _)| std::cmp::Reverse(*place));
        let limit = query.limit.max(1);
        let next = (found.len() > limit).then(|| found[limit - 1].0.to_string());
        Ok(LogPage { records: found.into_iter().take(limit).map(|(_, log)| log.clone()).collect(), next })
    }

    async fn count_logs(&self, query: LogQuery, parts: Parts) -> Result<LogCounts, Error> {
        let (words, _) = query.parse()?;
        let mut counts = LogCounts::new();
        for log in lock(&self.state).logs.values().filter(|log| matches(&query, &words, log)) {
            *counts.entry((parts.at(log.time), log.severity)).or_default() += 1;
        }
        Ok(counts)
    }

    async fn changes(&self, range: Range, service: Option<&ServiceId>, limit: usize) -> Result<Vec<Change>, Error> {
        range.check()?;
        let state = lock(&self.state);
        let matches =
            |change: &&Change| range.contains(change.time) && service.is_none_or(|service| *service == change.service);
        let mut found: Vec<Change> = state.changes.values().rev().filter(matches).cloned().collect();
        found.sort_by_key(|change| std::cmp::Reverse(change.time));
        found.truncate(limit);
        Ok(found)
    }

    async fn calls(&self, range: Range, limit: usize) -> Result<Vec<CallSum>, Error> {
        range.check()?;
        let state = lock(&self.state);
        let mut sums: BTreeMap<(ServiceId, ServiceId), CallSum> = BTreeMap::new();
        for calls in state.calls.values().filter(|calls| range.contains(calls.time)) {
            let Calls { client, server, time, count } = calls.clone();
            let sum = sums.entry((client.clone(), server.clone()));
            let sum = sum.or_insert_with(|| CallSum { client, server, count: 0.0, last_seen: time });
            sum.count += count;
            sum.last_seen = sum.last_seen.max(time);
        }
        Ok(sums.into_values().take(limit).collect())
    }

    async fn services(&self, range: Range, after: Option<&ServiceId>, limit: usize) -> Result<Vec<SeenService>, Error> {
        range.check()?;
        let state = lock(&self.state);
        let points = state.points.values().map(|point| (&point.service, point.time, Some(&point.metric)));
        let logs = state.logs.values().map(|log| (&log.service, log.time, None));
        let mut seen: BTreeMap<ServiceId, (Timestamp, BTreeSet<String>)> = BTreeMap::new();
        for (service, time, metric) in points.chain(logs).filter(|(_, time, _)| range.contains(*time)) {
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

    async fn prune(&self, before: Timestamp, bytes_max: Option<u64>) -> Result<u64, Error> {
        let mut state = lock(&self.state);
        let count = |state: &State| state.points.len() + state.logs.len() + state.changes.len() + state.calls.len();
        let had = count(&state);
        let before = bytes_max.map_or(before, |bytes_max| before.max(state.oldest_within(bytes_max)));
        state.points.retain(|_, point| point.time >= before);
        state.logs.retain(|_, log| log.time >= before);
        state.changes.retain(|_, change| change.time >= before);
        state.calls.retain(|_, calls| calls.time >= before);
        Ok((had - count(&state)) as u64)
    }
}

impl State {
    /// The first time from which on there are at most so many bytes.
    fn oldest_within(&self, bytes_max: u64) -> Timestamp {
        let points = self.points.values().map(|point| (point.time, point.kept_bytes()));
        let logs = self.logs.values().map(|log| (log.time, log.kept_bytes()));
        let changes = self.changes.values().map(|change| (change.time, change.kept_bytes()));
        let calls = self.calls.values().map(|calls| (calls.time, calls.kept_bytes()));
        let all = points.chain(logs).chain(changes).chain(calls);
        // Most of the time there is room, and nothing to put in order.
        if all.clone().map(|(_, bytes)| bytes).sum::<u64>() <= bytes_max {
            return Timestamp::from_nanos(i64::MIN);
        }
        let mut kept: Vec<(Timestamp, u64)> = all.collect();
        kept.sort_unstable_by_key(|(time, _)| std::cmp::Reverse(*time));
        let mut bytes = 0;
        let beyond = kept.iter().find(|(_, more)| {
            bytes += more;
            bytes > bytes_max
        });
        beyond.map_or(Timestamp::from_nanos(i64::MIN), |(time, _)| *time + Duration::from_nanos(1))
    }
}

fn add<T>(kept: &mut BTreeMap<RecordId, T>, new: Vec<(RecordId, T)>) {
    for (id, record) in new {
        kept.entry(id).or_insert(record);
    }
}

fn wanted(query: &SeriesQuery, point: &MetricPoint) -> bool {
    let has =
        |(key, value): (&String, &String)| point.attributes.get(key.as_str()).is_some_and(|found| **found == **value);
    point.service == query.service
        && *point.metric == *query.metric
        && query.range.contains(point.time)
        && (query.instance.is_empty() || *point.origin.instance == *query.instance)
        && query.attributes.iter().all(has)
}

/// Whether a log record is what a query asks for, page aside.
fn matches(query: &LogQuery, words: &BTreeSet<String>, log: &LogRecord) -> bool {
    query.range.contains(log.time)
        && query.service.as_ref().is_none_or(|service| *service == log.service)
        && log.severity >= query.min_severity
        && query.trace_id.is_none_or(|trace| log.trace_id == Some(trace))
        && telemetry::words(&log.body).is_superset(words)
}
