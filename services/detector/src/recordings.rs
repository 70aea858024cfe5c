//! The recorded signals of incidents in the store, one document an incident, and as callers see them.

use std::collections::BTreeMap;
use std::time::Duration;

use llm_sre_domain::Timestamp;
use llm_sre_domain::incident::IncidentId;
use llm_sre_mesh::records::{Attributes, Write};
use llm_sre_mesh::{names, status};
use llm_sre_ports::documents::Filter;
use llm_sre_proto::fleet::v1;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;
use tonic::{Code, Status};

use crate::Service;
use crate::book::LIVING_MAX;
use crate::recorder::Recorder;
use crate::recording::KeptSignals;

/// The collection that they are kept in.
pub(crate) const COLLECTION: &str = "signal_recordings";
/// Ticks of the duties between two rounds of writing: five seconds.
const TICKS_A_ROUND: u32 = 5;
/// Incidents that are written in one round, so that a storm leaves the store some room.
const WRITTEN_AT_ONCE: usize = 20;
/// How often recordings are looked through for those that are too old. They are kept for two days at least.
const PRUNE_EVERY: Duration = Duration::from_secs(3_600);
/// The recordings of an incident that lives are marked as needed where nothing was recorded for so long.
const RENEWED_AFTER: Duration = Duration::from_secs(24 * 3_600);

impl Service {
    /// Keeps what is recorded until `shutdown`. What is not written by then is read again.
    pub(crate) async fn keep_recordings(&self, shutdown: &CancellationToken) {
        if !self.options.records_signals {
            return;
        }
        loop {
            tokio::select! {
                biased;
                () = shutdown.cancelled() => return,
                () = tokio::time::sleep(self.options.tick * TICKS_A_ROUND) => {}
            }
            let Some(()) = shutdown.run_until_cancelled(self.write_recordings()).await else { return };
        }
    }

    async fn write_recordings(&self) {
        let due = self.brain().recorder.as_ref().map(Recorder::due).unwrap_or_default();
        for incident in due.into_iter().take(WRITTEN_AT_ONCE) {
            let Some(due) = self.brain().recorder.as_ref().and_then(|recorder| recorder.take(incident)) else {
                continue;
            };
            match self.save(incident, KeptSignals::of(&due.recordings)).await {
                Ok(true) => {}
                // Somebody else wrote: it has its turn again.
                Ok(false) => continue,
                // What cannot be merged with what is stored never can.
                Err(error) if error.code() == Code::Internal => {
                    tracing::error!(%error, %incident, "signals of an incident cannot be kept");
                }
                Err(error) => {
                    tracing::warn!(%error, "failed to keep signals of incidents; trying again");
                    return;
                }
            }
            if let Some(recorder) = self.brain().recorder.as_mut() {
                recorder.written(incident, due.change);
            }
        }
    }

    /// Removes recordings of incidents that ended too long ago, until `shutdown`. What fails is tried again the next time.
    pub(crate) async fn keep_recordings_few(&self, shutdown: &CancellationToken) {
        if !self.options.records_signals {
            return;
        }
        let mut turns = tokio::time::interval(PRUNE_EVERY);
        turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                () = shutdown.cancelled() => return,
                _ = turns.tick() => {}
            }
            match shutdown.run_until_cancelled(Box::pin(self.prune_recordings())).await {
                None => return,
                Some(Ok(0)) => {}
                Some(Ok(removed)) => {
                    tracing::info!(removed, "removed recorded signals of incidents that ended long ago")
                }
                Some(Err(error)) => tracing::warn!(%error, "failed to remove old recorded signals"),
            }
        }
    }

    /// How many were removed. Without knowing what lives none is.
    async fn prune_recordings(&self) -> Result<u64, Status> {
        let now = self.clock.now();
        let mut page = None;
        loop {
            let living = Filter::default().with("living", "yes");
            let found = self.records.list_all(living, page, LIVING_MAX).await?;
            // One that cannot be read lives on for a build that can.
            for id in found.records.iter().map(|stored| &stored.id).chain(&found.unreadable) {
                match self.renew(id, now).await {
                    Err(error) if error.code() == Code::Internal => {
                        tracing::error!(%error, incident = id, "recorded signals cannot be read, and may be removed");
                    }
                    renewed => renewed?,
                }
            }
            page = found.next;
            if page.is_none() {
                break;
            }
        }
        self.recordings.prune(now - self.options.keep_recordings_for).await
    }

    /// Keeps what was recorded of an incident that lives, however long its signals have been silent.
    async fn renew(&self, id: &str, now: Timestamp) -> Result<(), Status> {
        let Some(stored) = self.recordings.get(id).await? else { return Ok(()) };
        if stored.message.newest() < now - RENEWED_AFTER {
            // Where somebody else wrote meanwhile, it is renewed by that.
            let _written = self.recordings.replace(&stored, &stored.message, written_at(now)).await?;
        }
        Ok(())
    }

    /// Whether it was written.
    async fn save(&self, incident: IncidentId, recorded: KeptSignals) -> Result<bool, Status> {
        let (id, attributes) = (incident.to_string(), written_at(self.clock.now()));
        let written = match self.recordings.get(&id).await? {
            None => self.recordings.create(&id, &recorded, attributes).await?,
            Some(stored) => {
                let merged = stored.message.clone().merged(recorded);
                if merged == stored.message {
                    return Ok(true);
                }
                self.recordings.replace(&stored, &merged, attributes).await?
            }
        };
        Ok(matches!(written, Write::Done(_)))
    }

    /// What was recorded of an incident, by its name in a request's `parent` field.
    pub(crate) async fn recordings_of(&self, parent: &str) -> Result<v1::ListSignalRecordingsResponse, Status> {
        let id = names::parse_incident("parent", parent)?;
        self.check_detecting()?;
        let Some(incident) = self.records.get(&id.to_string()).await? else {
            return Err(status::not_found(parent));
        };
        let id = incident.message.domain()?.id;
        let recorded = self.brain().recorder.as_ref().map(|recorder| recorder.of(id)).unwrap_or_default();
        let stored = self.recordings.get(&id.to_string()).await?.map(|stored| stored.message).unwrap_or_default();
        let recordings = stored.merged(KeptSignals::of(&recorded)).shown();
        Ok(v1::ListSignalRecordingsResponse { recordings })
    }
}

/// What retention goes by: while an incident lives its signals are written again and again.
fn written_at(now: Timestamp) -> Attributes {
    BTreeMap::from([("time".to_owned(), now.as_nanos().to_string())])
}

#[cfg(test)]
mod tests;
