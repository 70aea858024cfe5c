//! Telemetry in tables.

mod append;
mod decode;
mod logs;
mod query;
mod retention;

use async_trait::async_trait;
use llm_sre_domain::telemetry::Change;
use llm_sre_domain::{ServiceId, Timestamp};
use llm_sre_ports::telemetry::{
    Batch, CallSum, Error, LogCounts, LogPage, LogQuery, Parts, Range, SeenService, SeriesPage, SeriesQuery,
    TelemetryStore,
};

use super::Store;

/// The telemetry of a file.
#[derive(Clone, Debug)]
pub struct SqliteTelemetry {
    store: Store,
}

impl SqliteTelemetry {
    pub(super) fn new(store: Store) -> Self {
        Self { store }
    }
}

#[async_trait]
impl TelemetryStore for SqliteTelemetry {
    async fn append(&self, batch: Batch) -> Result<(), Error> {
        batch.check()?;
        if batch.is_empty() {
            return Ok(());
        }
        self.store.write(move |connection| append::append(connection, &batch)).await
    }

    async fn series(&self, query: SeriesQuery) -> Result<SeriesPage, Error> {
        query.range.check()?;
        self.store.read(move |connection| query::series(connection, &query)).await
    }

    async fn search_logs(&self, query: LogQuery) -> Result<LogPage, Error> {
        let (words, after) = query.parse()?;
        self.store.read(move |connection| logs::search(connection, &query, &words, after)).await
    }

    async fn count_logs(&self, query: LogQuery, parts: Parts) -> Result<LogCounts, Error> {
        let (words, _) = query.parse()?;
        self.store.read(move |connection| logs::count(connection, &query, &words, parts)).await
    }

    async fn changes(&self, range: Range, service: Option<&ServiceId>, limit: usize) -> Result<Vec<Change>, Error> {
        range.check()?;
        let service = service.cloned();
        self.store.read(move |connection| query::changes(connection, range, service.as_ref(), limit)).await
    }

    async fn calls(&self, range: Range, limit: usize) -> Result<Vec<CallSum>, Error> {
        range.check()?;
        self.store.read(move |connection| query::calls(connection, range, limit)).await
    }

    async fn services(&self, range: Range, after: Option<&ServiceId>, limit: usize) -> Result<Vec<SeenService>, Error> {
        range.check()?;
        let after = after.cloned();
        self.store.read(move |connection| query::services(connection, range, after.as_ref(), limit)).await
    }

    async fn prune(&self, before: Timestamp, bytes_max: Option<u64>) -> Result<u64, Error> {
        retention::prune(&self.store, before, bytes_max).await
    }
}
