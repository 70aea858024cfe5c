//! Telemetry in an index a day and kind, by the records' own time: what is old goes as whole indices.

mod append;
mod query;
mod retention;
mod rows;
mod series;

use std::sync::Arc;

use async_trait::async_trait;
use llm_sre_domain::telemetry::Change;
use llm_sre_domain::{ServiceId, Timestamp};
use llm_sre_ports::telemetry::{
    Batch, CallSum, Error, LogCounts, LogPage, LogQuery, Parts, Range, SeenService, SeriesPage, SeriesQuery,
    TelemetryStore,
};
use serde_json::Value;

use super::client::Client;
use super::failure::Failure;
use super::{Store, keys};

/// The telemetry of a cluster.
#[derive(Clone, Debug)]
pub struct OpenSearchTelemetry {
    client: Arc<Client>,
    prefix: Arc<str>,
}

impl OpenSearchTelemetry {
    pub(super) fn new(store: &Store) -> Self {
        Self { client: Arc::clone(&store.client), prefix: Arc::clone(&store.prefix) }
    }

    /// The index of a kind and a day.
    fn index(&self, kind: &str, day: i64) -> String {
        format!("{}-{kind}-{}", self.prefix, keys::date(day))
    }

    /// The indices that a range lies in, 32 at most; those that are not there are passed over.
    fn indices(&self, kind: &str, range: Range) -> Vec<String> {
        let last = Timestamp::from_nanos(range.end.as_nanos() - 1);
        (keys::day(range.start)..=keys::day(last)).map(|day| self.index(kind, day)).collect()
    }

    /// Searches the indices of a range for everything that was written before.
    async fn search(&self, kind: &str, range: Range, body: &Value) -> Result<Value, Failure> {
        let indices = self.indices(kind, range).join(",");
        self.client.refresh(&indices).await?;
        self.client.search(&indices, body).await
    }
}

#[async_trait]
impl TelemetryStore for OpenSearchTelemetry {
    async fn append(&self, batch: Batch) -> Result<(), Error> {
        batch.check()?;
        self.append(&batch).await
    }

    async fn series(&self, query: SeriesQuery) -> Result<SeriesPage, Error> {
        query.range.check()?;
        Ok(self.find_series(&query).await?)
    }

    async fn search_logs(&self, query: LogQuery) -> Result<LogPage, Error> {
        let (words, after) = query.parse()?;
        Ok(self.find_logs(&query, &words, after).await?)
    }

    async fn count_logs(&self, query: LogQuery, parts: Parts) -> Result<LogCounts, Error> {
        let (words, _) = query.parse()?;
        Ok(self.count_found_logs(&query, &words, parts).await?)
    }

    async fn changes(&self, range: Range, service: Option<&ServiceId>, limit: usize) -> Result<Vec<Change>, Error> {
        range.check()?;
        Ok(self.find_changes(range, service, limit).await?)
    }

    async fn calls(&self, range: Range, limit: usize) -> Result<Vec<CallSum>, Error> {
        range.check()?;
        Ok(self.sum_calls(range, limit).await?)
    }

    async fn services(&self, range: Range, after: Option<&ServiceId>, limit: usize) -> Result<Vec<SeenService>, Error> {
        range.check()?;
        Ok(self.find_services(range, after, limit).await?)
    }

    async fn prune(&self, before: Timestamp, bytes_max: Option<u64>) -> Result<u64, Error> {
        Ok(self.drop_indices(before, bytes_max).await?)
    }

    async fn prune_after(&self, last: Timestamp) -> Result<u64, Error> {
        Ok(self.drop_indices_after(last).await?)
    }
}
