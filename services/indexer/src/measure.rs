//! What the indexer tells of itself.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use llm_sre_domain::{ServiceId, Timestamp};
use llm_sre_mesh::metrics::instruments;
use llm_sre_ports::bus::Delivered;
use llm_sre_ports::telemetry::{self, Batch};
use tokio_util::sync::CancellationToken;

use crate::Dependencies;

/// The most services whose newest telemetry is remembered.
const SOURCES_MAX: usize = 10_000;
/// How many of them are told of by name: those that are silent for longest.
const SOURCES_TOLD: usize = 50;
/// Between two times that it is told.
const TELL_EVERY: Duration = Duration::from_secs(5);

/// Records came with a poll.
pub(crate) fn consumed(records: &[Delivered]) {
    if !instruments().are_exported() {
        return;
    }
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for delivered in records {
        *counts.entry(&delivered.topic).or_default() += 1;
    }
    for (topic, count) in counts {
        let group = ("messaging.consumer.group.name", crate::GROUP.into());
        instruments().consumed.add(count, &[group, ("messaging.destination.name", topic.to_owned().into())]);
    }
}

/// How many items of each kind a batch holds.
pub(crate) struct Sizes([(&'static str, usize); 4]);

impl Sizes {
    pub(crate) fn of(batch: &Batch) -> Self {
        Self([
            ("point", batch.points.len()),
            ("log", batch.logs.len()),
            ("change", batch.changes.len()),
            ("calls", batch.calls.len()),
        ])
    }

    /// The store has them.
    pub(crate) fn are_stored(&self) {
        instruments().indexer_batch_items.count(self.0.iter().map(|(_, count)| count).sum(), &[]);
        for (kind, count) in self.0 {
            instruments().indexer_items.add(count, &[("llm_sre.kind", kind.into())]);
        }
    }
}

/// The store did not take a batch.
pub(crate) fn not_stored(error: &telemetry::Error) {
    let kind = match error {
        telemetry::Error::InvalidArgument { .. } => "invalid",
        telemetry::Error::Full => "full",
        telemetry::Error::Unavailable(_) => "unavailable",
        telemetry::Error::Corrupt(_) => "corrupt",
    };
    instruments().store_append_failures.add(1, &[("error.type", kind.into())]);
}

/// A stage of what a poll brought is over.
pub(crate) fn stage(name: &'static str, took: Duration) {
    instruments().indexer_stage_duration.took(took, &[("llm_sre.stage", name.into())]);
}

/// The bus has dead letters.
pub(crate) fn buried(topic: &str, letters: usize) {
    let by = ("llm_sre.rejected_by", crate::GROUP.into());
    instruments().dead_letters.add(letters, &[("messaging.destination.name", topic.to_owned().into()), by]);
}

/// The newest telemetry of each service, as far as it came through this process.
#[derive(Debug, Default)]
pub(crate) struct Sources(Mutex<BTreeMap<ServiceId, Timestamp>>);

impl Sources {
    /// Notes what a batch holds, where somebody wants to know.
    pub(crate) fn see(&self, batch: &Batch) {
        if !instruments().are_exported() {
            return;
        }
        let points = batch.points.iter().map(|(_, point)| (&point.service, point.time));
        let logs = batch.logs.iter().map(|(_, record)| (&record.service, record.time));
        let mut known = self.lock();
        // A record is of one service, mostly.
        let mut run: Option<(&ServiceId, Timestamp)> = None;
        for (service, time) in points.chain(logs) {
            match &mut run {
                Some((same, newest)) if *same == service => *newest = time.max(*newest),
                _ => note(&mut known, run.replace((service, time))),
            }
        }
        note(&mut known, run);
    }

    /// Tells until `shutdown` how old the newest telemetry is.
    pub(crate) async fn tell(&self, dependencies: &Dependencies, shutdown: CancellationToken) {
        while instruments().are_exported() && !shutdown.is_cancelled() {
            let now = dependencies.clock.now();
            let mut ages: Vec<(f64, ServiceId)> = self
                .lock()
                .iter()
                .map(|(service, newest)| (now.since(*newest).as_secs_f64(), service.clone()))
                .collect();
            instruments().sources.set(&[], ages.len() as f64);
            ages.sort_by(|one, other| other.0.total_cmp(&one.0));
            ages.truncate(SOURCES_TOLD);
            let rows =
                ages.into_iter().map(|(age, service)| (vec![("llm_sre.source", service.to_string().into())], age));
            instruments().source_age.replace(&[], rows);
            tokio::select! {
                () = shutdown.cancelled() => {}
                () = tokio::time::sleep(TELL_EVERY) => {}
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<ServiceId, Timestamp>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn note(known: &mut BTreeMap<ServiceId, Timestamp>, seen: Option<(&ServiceId, Timestamp)>) {
    let Some((service, time)) = seen else { return };
    if let Some(newest) = known.get_mut(service) {
        *newest = time.max(*newest);
    } else if known.len() < SOURCES_MAX {
        known.insert(service.clone(), time);
    }
}
