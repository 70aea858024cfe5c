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
                removed += self.drop_index(&index, "dropped old telemetry").await?;
                bytes = bytes.saturating_sub(index.bytes);
            }
        }
        Ok(removed)
    }

    /// Drops the days after that of `last`: one of them would be the newest to [`Self::drop_indices`], and each costs
    /// the cluster shards.
    pub(super) async fn drop_indices_after(&self, last: Timestamp) -> Result<u64, Failure> {
        let mut removed = 0;
        for index in after(self.days().await?, &keys::date(keys::day(last))).into_values().flatten() {
            removed += self.drop_index(&index, "dropped telemetry of a day that has not come").await?;
        }
        Ok(removed)
    }

    /// Drops an index, and gives how many records it had.
    async fn drop_index(&self, index: &Dated, what: &'static str) -> Result<u64, Failure> {
        match self.client.request(Repeat::Harmless, Method::Delete, &index.name, None).await {
            Ok(_) => {
                tracing::info!(index = index.name, records = index.records, "{what}");
                Ok(index.records)
            }
            // Somebody else dropped it.
            Err(Failure::Unavailable(reason)) if reason.contains("index_not_found_exception") => Ok(0),
            Err(failure) => Err(failure),
        }
    }

    /// The indices by date.
    async fn days(&self) -> Result<BTreeMap<String, Vec<Dated>>, Failure> {
        let patterns = KINDS.map(|kind| format!("{}-{kind}-*", self.prefix)).join(",");
        // What is counted is what searches find. It may be less where a shard is away, which must not keep the disk full.
        if let Err(error) = self.client.refresh(&patterns).await {
            tracing::debug!(%error, "what is removed is counted without the newest");
        }
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

/// The days after `last`; none where all are, since a clock before all that is stored tells nothing.
fn after<T>(mut days: BTreeMap<String, T>, last: &str) -> BTreeMap<String, T> {
    let is_plausible = days.keys().next().is_some_and(|first| first.as_str() <= last);
    days.retain(|date, _| is_plausible && date.as_str() > last);
    days
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_that_have_not_come_are_found() {
        let dates = ["2026.11.24", "2026.11.25", "2026.11.26", "2026.11.27", "2085.01.01"];
        let after = |last: &str| {
            let days = dates.map(|date| (date.to_owned(), ())).into();
            super::after(days, last).into_keys().collect::<Vec<_>>()
        };
        assert_eq!(after("2026.11.26"), dates[3..]);
        assert_eq!(after("2085.01.01"), [""; 0]);
        assert_eq!(after("2026.11.24"), dates[1..]);
        assert_eq!(after("1970.01.02"), [""; 0], "it is the clock that is wrong");
        assert_eq!(super::after(BTreeMap::<String, ()>::new(), "2026.11.24"), BTreeMap::new());
    }
}
