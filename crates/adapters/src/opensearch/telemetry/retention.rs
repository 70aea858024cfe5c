//! Drops the indices of days that are too old or too much.

use std::collections::BTreeMap;

use llm_sre_domain::Timestamp;
use opensearch::http::Method;

use super::OpenSearchTelemetry;
use crate::opensearch::client::{Repeat, whole};
use crate::opensearch::failure::Failure;
use crate::opensearch::keys;

const KINDS: [&str; 4] = ["points", "logs", "changes", "calls"];

/// An index of one day.
struct Dated {
    name: String,
    records: u64,
    bytes: u64,
}

impl OpenSearchTelemetry {
    /// Drops the days that end before `before`, and the oldest beyond `bytes_max`; the newest always stays.
    pub(super) async fn drop_indices(&self, before: Timestamp, bytes_max: Option<u64>) -> Result<u64, Failure> {
        let days = self.days().await?;
        let mut bytes: u64 = days.values().flatten().map(|index| index.bytes).sum();
        let newest = days.keys().next_back().cloned();
        // A date's text is ordered as the dates are.
        let first_kept = keys::date(keys::day(before));
        let mut removed = 0;
        for (date, indices) in days {
            let is_too_much = bytes_max.is_some_and(|most| bytes > most) && newest.as_ref() != Some(&date);
            if date >= first_kept && !is_too_much {
                break;
            }
            for index in indices {
                match self.client.request(Repeat::Harmless, Method::Delete, &index.name, None).await {
                    Ok(_) => {
                        tracing::info!(index = index.name, records = index.records, "dropped old telemetry");
                        removed += index.records;
                    }
                    // Somebody else dropped it.
                    Err(Failure::Unavailable(reason)) if reason.contains("index_not_found_exception") => {}
                    Err(failure) => return Err(failure),
                }
                bytes = bytes.saturating_sub(index.bytes);
            }
        }
        Ok(removed)
    }

    /// The indices by date.
    async fn days(&self) -> Result<BTreeMap<String, Vec<Dated>>, Failure> {
        let patterns = KINDS.map(|kind| format!("{}-{kind}-*", self.prefix)).join(",");
        // What is counted is what searches find.
        self.client.refresh(&patterns).await?;
        let path = format!(
            "{patterns}/_stats/docs,store?ignore_unavailable=true&allow_no_indices=true\
             &filter_path=_shards,indices.*.total.store.size_in_bytes,indices.*.primaries.docs.count"
        );
        let answer = self.client.request(Repeat::Harmless, Method::Get, &path, None).await?;
        whole(&answer)?;
        let mut days: BTreeMap<String, Vec<Dated>> = BTreeMap::new();
        for (name, stats) in answer["indices"].as_object().into_iter().flatten() {
            let Some(date) = name.rsplit('-').next().filter(|date| date.len() == "2026.01.31".len()) else { continue };
            let number = |pointer: &str| stats.pointer(pointer).and_then(serde_json::Value::as_u64).unwrap_or(0);
            let index = Dated {
                name: name.clone(),
                records: number("/primaries/docs/count"),
                bytes: number("/total/store/size_in_bytes"),
            };
            days.entry(date.to_owned()).or_default().push(index);
        }
        Ok(days)
    }
}
