//! The recorded signals of incidents in the store, one document an incident, and as callers see them.

use std::collections::BTreeMap;

use llm_sre_domain::incident::IncidentId;
use llm_sre_mesh::records::{Attributes, Write};
use llm_sre_mesh::{names, status};
use llm_sre_proto::fleet::v1;
use tokio_util::sync::CancellationToken;
use tonic::{Code, Status};

use crate::Service;
use crate::recorder::Recorder;
use crate::recording::KeptSignals;

/// The collection that they are kept in.
pub(crate) const COLLECTION: &str = "signal_recordings";
/// Ticks of the duties between two rounds of writing: five seconds.
const TICKS_A_ROUND: u32 = 5;
/// Incidents that are written in one round, so that a storm leaves the store some room.
const WRITTEN_AT_ONCE: usize = 20;

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

    /// Whether it was written.
    async fn save(&self, incident: IncidentId, recorded: KeptSignals) -> Result<bool, Status> {
        let id = incident.to_string();
        let written = match self.recordings.get(&id).await? {
            None => self.recordings.create(&id, &recorded, attributes(&recorded)).await?,
            Some(stored) => {
                let merged = stored.message.clone().merged(recorded);
                if merged == stored.message {
                    return Ok(true);
                }
                self.recordings.replace(&stored, &merged, attributes(&merged)).await?
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

/// What retention would go by.
fn attributes(recorded: &KeptSignals) -> Attributes {
    BTreeMap::from([("time".to_owned(), recorded.newest().as_nanos().to_string())])
}
