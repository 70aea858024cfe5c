//! Questions about log records, changes, calls and services.

use std::collections::{BTreeMap, BTreeSet};

use llm_sre_domain::telemetry::{Change, LogRecord, LogSeverity};
use llm_sre_domain::{ServiceId, Timestamp};
use llm_sre_ports::telemetry::{CallSum, LogCounts, LogPage, LogPlace, LogQuery, Parts, Range, SeenService};
use serde_json::{Value, json};

use super::OpenSearchTelemetry;
use super::rows::{self, PLACE_FIELDS};
use crate::opensearch::failure::Failure;
use crate::opensearch::keys;

/// The most records of one answer: less than the 10,000 that a search gives.
const RECORDS_MAX: usize = 5_000;
/// The most buckets of one answer; a node makes up to 65,535.
const BUCKETS_MAX: usize = 1_000;
/// The most metrics of one service that are named, and how many services one answer has.
const METRICS_MAX: usize = 2_000;
const SERVICES_MAX: usize = 25;

/// What lies in a range.
pub(super) fn within(range: Range) -> Value {
    json!({ "range": { "time": { "gte": range.start.as_nanos(), "lt": range.end.as_nanos() } } })
}

/// What has exactly this value.
pub(super) fn has(field: &str, value: &str) -> Value {
    json!({ "term": { field: value } })
}

/// What a log record has to be that a query asks for, page aside.
fn filters(query: &LogQuery, words: &BTreeSet<String>) -> Vec<Value> {
    let mut filters =
        vec![within(query.range), json!({ "range": { "severity": { "gte": query.min_severity.number() } } })];
    filters.extend(words.iter().map(|word| has("words", &rows::word_term(word.clone()))));
    filters.extend(query.service.as_ref().map(|service| has("service", &keys::of_service(service))));
    filters.extend(query.trace_id.map(|trace| has("trace", &rows::hex(&trace))));
    filters
}

impl OpenSearchTelemetry {
    pub(super) async fn find_logs(
        &self,
        query: &LogQuery,
        words: &BTreeSet<String>,
        after: Option<LogPlace>,
    ) -> Result<LogPage, Failure> {
        let limit = query.limit.clamp(1, RECORDS_MAX);
        let mut found = self.newest("logs", query.range, filters(query, words), after, limit + 1).await?;
        let more = found.len() > limit;
        found.truncate(limit);
        let last = found.last().filter(|_| more);
        let next = last.map(|last| rows::place(&last["sort"]).ok_or_else(|| Failure::corrupt("a place", last)));
        let next = next.transpose()?.map(|place| place.to_string());
        let records: Result<Vec<LogRecord>, _> = found.iter().map(|hit| rows::log(&hit["_source"])).collect();
        Ok(LogPage { records: records?, next })
    }

    /// By severity first, whose values are searched and not kept by column.
    pub(super) async fn count_found_logs(
        &self,
        query: &LogQuery,
        words: &BTreeSet<String>,
        parts: Parts,
    ) -> Result<LogCounts, Failure> {
        let (start, width) = (parts.start.as_nanos(), parts.width.as_nanos() as f64);
        // Numbers of an aggregation are doubles. Parts begin on whole seconds, which those hold exactly.
        let offset = start.rem_euclid(i64::try_from(parts.width.as_nanos()).unwrap_or(i64::MAX));
        let by_part = json!({ "histogram": {
            "field": "time", "interval": width, "offset": offset as f64, "min_doc_count": 1,
        } });
        let severities: serde_json::Map<String, Value> = LogSeverity::ALL
            .into_iter()
            .map(|severity| (severity.number().to_string(), json!({ "term": { "severity": severity.number() } })))
            .collect();
        let body = json!({
            "size": 0, "track_total_hits": false, "query": { "bool": { "filter": filters(query, words) } },
            "aggs": { "severities": { "filters": { "filters": severities }, "aggs": { "parts": by_part } } },
        });
        let answer = self.search("logs", query.range, &body).await?;
        let mut counts = LogCounts::new();
        for severity in LogSeverity::ALL {
            let of_it = &answer["aggregations"]["severities"]["buckets"][severity.number().to_string()];
            for bucket in of_it["parts"]["buckets"].as_array().into_iter().flatten() {
                let corrupt = || Failure::corrupt("a field", bucket);
                let began = bucket["key"].as_f64().ok_or_else(corrupt)?;
                let part = ((began - start as f64) / width).round().max(0.0) as usize;
                let count = bucket["doc_count"].as_u64().ok_or_else(corrupt)?;
                *counts.entry((part.min(parts.count.saturating_sub(1)), severity)).or_default() += count;
            }
        }
        Ok(counts)
    }

    pub(super) async fn find_changes(
        &self,
        range: Range,
        service: Option<&ServiceId>,
        limit: usize,
    ) -> Result<Vec<Change>, Failure> {
        let mut filters = vec![within(range)];
        filters.extend(service.map(|service| has("service", &keys::of_service(service))));
        let found = self.newest("changes", range, filters, None, limit.min(RECORDS_MAX)).await?;
        found.iter().map(|hit| rows::change(&hit["_source"])).collect()
    }

    /// Records newest first; those of one time by where they came from, the greatest first.
    async fn newest(
        &self,
        kind: &str,
        range: Range,
        filters: Vec<Value>,
        after: Option<LogPlace>,
        limit: usize,
    ) -> Result<Vec<Value>, Failure> {
        let sort: Vec<Value> = PLACE_FIELDS.iter().map(|field| json!({ *field: "desc" })).collect();
        let mut body = json!({
            "size": limit, "track_total_hits": false, "query": { "bool": { "filter": filters } }, "sort": sort,
        });
        if let Some(after) = after {
            body["search_after"] = json!(rows::place_values(after));
        }
        let mut answer = self.search(kind, range, &body).await?;
        match answer["hits"]["hits"].take() {
            Value::Array(hits) => Ok(hits),
            other => Err(Failure::corrupt("hits", &other)),
        }
    }

    pub(super) async fn sum_calls(&self, range: Range, limit: usize) -> Result<Vec<CallSum>, Failure> {
        let sums = json!({ "count": { "sum": { "field": "count" } }, "last": { "max": { "field": "time" } } });
        let groups = Groups {
            kind: "calls",
            range,
            filters: vec![within(range)],
            by: &["client", "server"],
            with: sums,
            page_max: BUCKETS_MAX,
        };
        let found = self.groups(&groups, None, limit).await?;
        let sum = |bucket: &Value| {
            Some(CallSum {
                client: keys::service(bucket["key"]["client"].as_str()?)?,
                server: keys::service(bucket["key"]["server"].as_str()?)?,
                count: bucket["count"]["value"].as_f64()?,
                last_seen: last_seen(bucket)?,
            })
        };
        found.iter().map(|bucket| sum(bucket).ok_or_else(|| Failure::corrupt("a field", bucket))).collect()
    }

    pub(super) async fn find_services(
        &self,
        range: Range,
        after: Option<&ServiceId>,
        limit: usize,
    ) -> Result<Vec<SeenService>, Failure> {
        let last = json!({ "last": { "max": { "field": "time" } } });
        let metrics = json!({ "terms": { "field": "metric", "size": METRICS_MAX, "order": { "_key": "asc" } } });
        let with_metrics = json!({ "last": last["last"], "metrics": metrics });
        let mut seen: BTreeMap<String, (Timestamp, Vec<String>)> = BTreeMap::new();
        for (kind, with) in [("points", with_metrics), ("logs", last)] {
            let filters = vec![within(range)];
            let groups = Groups { kind, range, filters, by: &["service"], with, page_max: SERVICES_MAX };
            let after = after.map(|after| json!({ "service": keys::of_service(after) }));
            for bucket in self.groups(&groups, after, limit).await? {
                let corrupt = || Failure::corrupt("a field", &bucket);
                let key = bucket["key"]["service"].as_str().ok_or_else(corrupt)?;
                let time = last_seen(&bucket).ok_or_else(corrupt)?;
                let names = bucket["metrics"]["buckets"].as_array().into_iter().flatten();
                let entry = seen.entry(key.to_owned()).or_insert_with(|| (time, Vec::new()));
                entry.0 = entry.0.max(time);
                entry.1.extend(names.filter_map(|name| name["key"].as_str()).map(str::to_owned));
            }
        }
        seen.into_iter()
            .take(limit)
            .map(|(key, (last_seen, metrics))| {
                let service = keys::service(&key).ok_or_else(|| Failure::corrupt("a service", &key.as_str().into()))?;
                Ok(SeenService { service, last_seen, metrics })
            })
            .collect()
    }

    /// Groups of records in order of what they have in common, at most `limit`.
    pub(super) async fn groups(
        &self,
        groups: &Groups<'_>,
        mut after: Option<Value>,
        limit: usize,
    ) -> Result<Vec<Value>, Failure> {
        let mut found = Vec::new();
        let sources: Vec<Value> =
            groups.by.iter().map(|field| json!({ *field: { "terms": { "field": field } } })).collect();
        while found.len() < limit {
            let size = (limit - found.len()).min(groups.page_max);
            let mut composite = json!({ "size": size, "sources": sources });
            if let Some(after) = after.take() {
                composite["after"] = after;
            }
            let body = json!({
                "size": 0, "track_total_hits": false, "query": { "bool": { "filter": groups.filters } },
                "aggs": { "groups": { "composite": composite, "aggs": groups.with } },
            });
            let mut answer = self.search(groups.kind, groups.range, &body).await?;
            // Where none of the indices is there, there is no aggregation.
            let Value::Array(buckets) = answer["aggregations"]["groups"]["buckets"].take() else { break };
            let count = buckets.len();
            after = buckets.last().map(|last| last["key"].clone());
            found.extend(buckets);
            if count < size {
                break;
            }
        }
        Ok(found)
    }
}

/// What is grouped, by which fields, and what is computed of each group.
pub(super) struct Groups<'a> {
    pub(super) kind: &'a str,
    pub(super) range: Range,
    pub(super) filters: Vec<Value>,
    pub(super) by: &'a [&'a str],
    pub(super) with: Value,
    pub(super) page_max: usize,
}

/// The newest time of a group. It is computed as a double, so that it may be wrong by a quarter of a microsecond.
fn last_seen(bucket: &Value) -> Option<Timestamp> {
    bucket["last"]["value"].as_f64().map(|nanos| Timestamp::from_nanos(nanos as i64))
}
