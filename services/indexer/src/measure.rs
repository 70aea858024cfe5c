//! What the indexer tells of itself.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use llm_sre_domain::{ServiceId, Timestamp};
use llm_sre_mesh::metrics::instruments;
use llm_sre_ports::bus::{Delivered, TopicPartition};
use llm_sre_ports::telemetry::{self, Batch, RecordId};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::Dependencies;
use crate::decode::number_of;
use crate::missed::Hole;

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

/// Retention removed records before they were read.
pub(crate) fn missed(Hole { of, from, until }: &Hole) {
    let (topic, partition) = (&of.topic, of.partition);
    tracing::error!(
        topic,
        partition,
        from,
        until,
        "records were gone before they were read: bus.keep_hours is too short"
    );
    let missed = usize::try_from(until - from).unwrap_or(usize::MAX);
    let group = ("messaging.consumer.group.name", crate::GROUP.into());
    instruments().missed.add(missed, &[group, ("messaging.destination.name", topic.clone().into())]);
}

/// The newest telemetry of each service, of the partitions that this process reads.
#[derive(Debug, Default)]
pub(crate) struct Sources(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    services: BTreeMap<ServiceId, Seen>,
    /// When it was last said which partitions are read.
    kept_at: Option<Instant>,
}

/// When a service was last heard of, by its own time, and in which partition of which topic by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Seen {
    newest: Timestamp,
    place: (u8, u32),
}

impl Sources {
    /// Notes what a batch holds, where somebody wants to know.
    pub(crate) fn see(&self, batch: &Batch) {
        if !instruments().are_exported() {
            return;
        }
        let seen = |id: &RecordId, newest| Seen { newest, place: (id.topic, id.partition) };
        let points = batch.points.iter().map(|(id, point)| (&point.service, seen(id, point.time)));
        let logs = batch.logs.iter().map(|(id, record)| (&record.service, seen(id, record.time)));
        let mut known = self.lock();
        // A record is of one service, mostly.
        let mut run: Option<(&ServiceId, Seen)> = None;
        for (service, seen) in points.chain(logs) {
            match &mut run {
                Some((same, known)) if *same == service => *known = known.and(seen),
                _ => known.note(run.replace((service, seen))),
            }
        }
        known.note(run);
    }

    /// Whether it is time to say again which partitions are read.
    pub(crate) fn are_due(&self) -> bool {
        instruments().are_exported() && self.lock().kept_at.is_none_or(|kept_at| kept_at.elapsed() > TELL_EVERY)
    }

    /// Forgets whom other members hear of: here they would only seem to be silent.
    pub(crate) fn keep_only(&self, assignment: &[TopicPartition]) {
        let places: BTreeSet<(u8, u32)> = assignment.iter().map(|of| (number_of(&of.topic), of.partition)).collect();
        let mut known = self.lock();
        known.services.retain(|_, seen| places.contains(&seen.place));
        known.kept_at = Some(Instant::now());
    }

    /// Tells until `shutdown` how old the newest telemetry is.
    pub(crate) async fn tell(&self, dependencies: &Dependencies, shutdown: CancellationToken) {
        while instruments().are_exported() && !shutdown.is_cancelled() {
            let now = dependencies.clock.now();
            let mut ages: Vec<(f64, ServiceId)> = self
                .lock()
                .services
                .iter()
                .map(|(service, seen)| (now.since(seen.newest).as_secs_f64(), service.clone()))
                .collect();
            instruments().sources.set(&[], ages.len() as f64);
            ages.sort_by(|one, other| other.0.total_cmp(&one.0));
            ages.truncate(SOURCES_TOLD);
            let rows =
                ages.into_iter().map(|(age, service)| (vec![("llm_sre.source", service.to_string().into())], age));
            instruments().source_age.replace(&[], rows);
            tokio::select! {
                biased;
                () = shutdown.cancelled() => {}
                () = tokio::time::sleep(TELL_EVERY) => {}
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    fn note(&mut self, seen: Option<(&ServiceId, Seen)>) {
        let Some((service, seen)) = seen else { return };
        if let Some(known) = self.services.get_mut(service) {
            *known = known.and(seen);
        } else if self.services.len() < SOURCES_MAX {
            self.services.insert(service.clone(), seen);
        }
    }
}

impl Seen {
    /// What comes after it.
    fn and(self, seen: Self) -> Self {
        Self { newest: self.newest.max(seen.newest), place: seen.place }
    }
}

#[cfg(test)]
mod tests {
    use llm_sre_proto::topics;

    use super::*;

    #[test]
    fn whom_another_member_hears_of_is_forgotten() {
        let sources = Sources::default();
        let seen = |seconds, place| Seen { newest: Timestamp::from_secs(seconds), place };
        let (web, cart) = (ServiceId::named("web"), ServiceId::named("cart"));
        for (service, seen) in [(&web, seen(9, (1, 0))), (&cart, seen(5, (1, 1))), (&web, seen(7, (2, 3)))] {
            sources.lock().note(Some((service, seen)));
        }
        let at = |topic: &str, partition| TopicPartition { topic: topic.to_owned(), partition };
        sources.keep_only(&[at(topics::METRICS, 1), at(topics::LOGS, 3)]);
        assert_eq!(sources.lock().services[&web], seen(9, (2, 3)), "heard last of in its logs");
        assert_eq!(sources.lock().services.len(), 2);
        sources.keep_only(&[at(topics::METRICS, 0), at(topics::METRICS, 1)]);
        assert_eq!(sources.lock().services.keys().collect::<Vec<_>>(), [&cart]);
    }
}
