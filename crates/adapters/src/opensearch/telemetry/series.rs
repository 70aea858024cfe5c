//! Series for charts: first which there are, then the newest points of each.

use llm_sre_ports::telemetry::{Series, SeriesPage, SeriesQuery};
use opensearch::http::Method;
use serde_json::{Value, json};

use super::OpenSearchTelemetry;
use super::query::{Groups, has, within};
use super::rows::{self, POINT_COLUMNS};
use crate::opensearch::client::{Repeat, whole};
use crate::opensearch::failure::Failure;
use crate::opensearch::keys;

/// How many series of a service and metric are looked at: instance and attributes are not indexed.
const LOOKED_AT_MAX: usize = 20_000;
const PAGE_MAX: usize = 1_000;
/// The most points of one series: as many as a search gives.
const POINTS_MAX: usize = 10_000;
/// How many series one request asks for.
const TOGETHER_MAX: usize = 20;

impl OpenSearchTelemetry {
    pub(super) async fn find_series(&self, query: &SeriesQuery) -> Result<SeriesPage, Failure> {
        let (mut found, is_whole) = self.matching(query).await?;
        let mut page = SeriesPage { series: Vec::new(), truncated: !is_whole || found.len() > query.series_max };
        found.truncate(query.series_max);
        for some in found.chunks(TOGETHER_MAX) {
            for (key, mut answer) in some.iter().zip(self.points_of(query, some).await?) {
                whole(&answer)?;
                let total = answer["hits"]["total"]["value"].as_u64().unwrap_or(0);
                let Value::Array(hits) = answer["hits"]["hits"].take() else {
                    return Err(Failure::corrupt("hits", &answer));
                };
                page.truncated |= total > query.points_max.min(POINTS_MAX) as u64;
                page.series.extend(series(key, &hits, query.points_max)?);
            }
        }
        Ok(page)
    }

    /// The keys of the series that match, in order, one more than asked for; and whether all were looked at.
    async fn matching(&self, query: &SeriesQuery) -> Result<(Vec<String>, bool), Failure> {
        let groups = Groups {
            kind: "points",
            range: query.range,
            filters: filters(query),
            by: &["series"],
            with: json!({}),
            page_max: PAGE_MAX,
        };
        let (mut found, mut looked_at, mut after) = (Vec::new(), 0, None);
        while looked_at < LOOKED_AT_MAX {
            let buckets = self.groups(&groups, after.take(), PAGE_MAX).await?;
            for bucket in &buckets {
                let key = bucket["key"]["series"].as_str().ok_or_else(|| Failure::corrupt("a series", bucket))?;
                let (origin, attributes) = rows::series_of(key).ok_or_else(|| Failure::corrupt("a series", bucket))?;
                let is_asked_for = (query.instance.is_empty() || *origin.instance == *query.instance)
                    && query.attributes.iter().all(|(name, value)| attributes.get(name) == Some(value));
                if is_asked_for {
                    found.push(key.to_owned());
                }
            }
            if found.len() > query.series_max || buckets.len() < PAGE_MAX {
                return Ok((found, true));
            }
            looked_at += buckets.len();
            after = buckets.last().map(|last| last["key"].clone());
        }
        Ok((found, false))
    }

    /// The newest points of some series, an answer for each.
    async fn points_of(&self, query: &SeriesQuery, keys: &[String]) -> Result<Vec<Value>, Failure> {
        let header = json!({
            "index": self.indices("points", query.range), "ignore_unavailable": true, "allow_no_indices": true,
            "allow_partial_search_results": false,
        });
        let mut lines = String::new();
        for key in keys {
            let mut filters = filters(query);
            filters.push(has("series", key));
            let search = json!({
                // One at least, which says the unit.
                "size": query.points_max.clamp(1, POINTS_MAX), "track_total_hits": query.points_max.min(POINTS_MAX) + 1,
                "query": { "bool": { "filter": filters } }, "sort": [{ "time": "desc" }, { "_seq_no": "desc" }],
                "_source": false, "docvalue_fields": POINT_COLUMNS,
            });
            lines.push_str(&format!("{header}\n{search}\n"));
        }
        let path = "_msearch?filter_path=responses.status,responses.error,responses.timed_out,responses._shards,\
                    responses.hits.total.value,responses.hits.hits.fields";
        let mut answer = self.client.request(Repeat::Harmless, Method::Post, path, Some(lines.into())).await?;
        match answer["responses"].take() {
            Value::Array(answers) if answers.len() == keys.len() => Ok(answers),
            other => Err(Failure::Unavailable(format!("{} searches have the answer {other}", keys.len()))),
        }
    }
}

fn filters(query: &SeriesQuery) -> Vec<Value> {
    vec![within(query.range), has("service", &keys::of_service(&query.service)), has("metric", &query.metric)]
}

/// A series of its newest points; none where they were removed meanwhile.
fn series(key: &str, hits: &[Value], points_max: usize) -> Result<Option<Series>, Failure> {
    let (mut unit, mut points) = (None, Vec::with_capacity(hits.len()));
    for hit in hits {
        let (of, point) = rows::point(&hit["fields"]).ok_or_else(|| Failure::corrupt("a column of a point", hit))?;
        unit.get_or_insert(of);
        points.push(point);
    }
    let (origin, attributes) = rows::series_of(key).ok_or_else(|| Failure::corrupt("a series", &key.into()))?;
    points.truncate(points_max);
    points.reverse();
    Ok(unit.map(|unit| Series { origin, unit: unit.to_owned(), attributes, points }))
}
