//! Telemetry at rest.

use std::sync::Arc;

use llm_sre_domain::telemetry::Change;
use llm_sre_domain::{ServiceId, Timestamp};
use llm_sre_ports::telemetry::{
    Batch, CallSum, Error, LogCounts, LogPage, LogQuery, Parts, Range, SeenService, SeriesPage, SeriesQuery,
    TelemetryStore,
};

use super::super::weather::Gate;
use super::passed;

/// See the module.
pub(super) struct Store {
    gate: Arc<Gate>,
    inner: Arc<dyn TelemetryStore>,
}

impl Store {
    pub(super) fn new(gate: Arc<Gate>, inner: Arc<dyn TelemetryStore>) -> Self {
        Self { gate, inner }
    }
}

fn away() -> Error {
    Error::Unavailable(Gate::away())
}

/// The half of a batch that is stored before the store fails.
fn half(batch: &Batch) -> Batch {
    let Batch { points, logs, changes, calls } = batch;
    Batch {
        points: points[..points.len() / 2].to_vec(),
        logs: logs[..logs.len() / 2].to_vec(),
        changes: changes[..changes.len() / 2].to_vec(),
        calls: calls[..calls.len() / 2].to_vec(),
    }
}

#[tonic::async_trait]
impl TelemetryStore for Store {
    async fn append(&self, batch: Batch) -> Result<(), Error> {
        let fate = self.gate.enter().await;
        if fate.is_refused && fate.before.is_zero() {
            return Err(Error::Full);
        }
        // What fails late may have done a part of it, as the contract says.
        let batch = if fate.is_refused { half(&batch) } else { batch };
        let done = self.inner.append(batch).await;
        self.gate.leave(fate).await;
        if fate.is_refused || fate.is_lost { Err(away()) } else { done }
    }

    async fn series(&self, query: SeriesQuery) -> Result<SeriesPage, Error> {
        passed!(self.gate, away(), self.inner.series(query))
    }

    async fn search_logs(&self, query: LogQuery) -> Result<LogPage, Error> {
        passed!(self.gate, away(), self.inner.search_logs(query))
    }

    async fn count_logs(&self, query: LogQuery, parts: Parts) -> Result<LogCounts, Error> {
        passed!(self.gate, away(), self.inner.count_logs(query, parts))
    }

    async fn changes(&self, range: Range, service: Option<&ServiceId>, limit: usize) -> Result<Vec<Change>, Error> {
        passed!(self.gate, away(), self.inner.changes(range, service, limit))
    }

    async fn calls(&self, range: Range, limit: usize) -> Result<Vec<CallSum>, Error> {
        passed!(self.gate, away(), self.inner.calls(range, limit))
    }

    async fn services(&self, range: Range, after: Option<&ServiceId>, limit: usize) -> Result<Vec<SeenService>, Error> {
        passed!(self.gate, away(), self.inner.services(range, after, limit))
    }

    async fn prune(&self, before: Timestamp, bytes_max: Option<u64>) -> Result<u64, Error> {
        passed!(self.gate, away(), self.inner.prune(before, bytes_max))
    }

    async fn prune_after(&self, last: Timestamp) -> Result<u64, Error> {
        passed!(self.gate, away(), self.inner.prune_after(last))
    }
}
