//! Publishing what happened to incidents on the topic `incidents`, beside the duties: nothing waits for it.

use std::time::Duration;

use bytes::Bytes;
use llm_sre_mesh::records::Stored;
use llm_sre_mesh::stages::ROOT;
use llm_sre_mesh::{TraceContext, names, status};
use llm_sre_ports::bus::{self, Record, TopicSpec};
use llm_sre_ports::documents::Filter;
use llm_sre_proto::convert::common::from_proto_time;
use llm_sre_proto::topics;
use tokio_util::sync::CancellationToken;
use tonic::Status;

use crate::Service;
use crate::kept::{Kept, Step};

/// Incidents that one round looks at.
const ROUND_MAX: usize = 100;
/// The wait after a failure.
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// How often is looked for what another instance left behind, in real time; what this one wrote wakes it at once.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// How long steps are kept: for a follower that was away over a holiday.
const KEPT_FOR: Duration = Duration::from_secs(30 * 24 * 3_600);

/// The topic of what happens to incidents. One partition: there are few, and followers get them in one order.
pub fn topic_spec() -> TopicSpec {
    TopicSpec { name: topics::INCIDENTS.to_owned(), partitions: 1, retention: Some(KEPT_FOR) }
}

impl Service {
    /// Publishes until `shutdown`.
    pub(crate) async fn keep_publishing(&self, shutdown: &CancellationToken) {
        while !shutdown.is_cancelled() {
            let wait = match self.publish_steps().await {
                Ok(()) => LOOK_EVERY,
                Err(error) => {
                    tracing::warn!(%error, "failed to publish what happened to incidents; trying again");
                    RETRY_AFTER
                }
            };
            tokio::select! {
                biased;
                () = shutdown.cancelled() => {}
                () = self.stepped.notified() => {}
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    /// One round. A kill between publishing and noting it publishes the same steps again, under the same ids.
    async fn publish_steps(&self) -> Result<(), Status> {
        let filter = Filter::default().with("unpublished", "yes");
        let (stepped, _) = self.records.list_readable(filter, None, ROUND_MAX).await?;
        for stored in stepped {
            let name = &stored.message.incident.name;
            let records: Result<Vec<_>, _> =
                stored.message.unpublished.iter().map(|step| record(&stored, step)).collect();
            // One incident that cannot be told must not stop the others, which would wait behind it for ever.
            let refusal = match records {
                Err(error) => Some(error.to_string()),
                Ok(records) => match self.bus.publish(topics::INCIDENTS, records).await {
                    Ok(_) => None,
                    Err(error @ (bus::Error::TooLarge { .. } | bus::Error::InvalidArgument { .. })) => {
                        Some(error.to_string())
                    }
                    Err(error) => return Err(status::unavailable("the event bus", error, RETRY_AFTER)),
                },
            };
            if let Some(reason) = refusal {
                tracing::error!(incident = name, reason, "steps cannot be published, and are given up");
            }
            let newest = stored.message.unpublished.last().map_or(0, |step| step.number);
            self.edit(name, |kept| kept.unpublished.retain(|step| step.number > newest)).await?;
        }
        Ok(())
    }
}

fn record(stored: &Stored<Kept>, step: &Step) -> Result<Record, Status> {
    let incident = &stored.message.incident;
    let id = names::parse_incident("name", &incident.name)?;
    let invalid = |error: serde_json::Error| status::internal(format!("{}: {error}", incident.name));
    // A protobuf time as JSON is what CloudEvents asks for: RFC 3339.
    let time = serde_json::to_value(step.entry.time.unwrap_or_default()).map_err(invalid)?;
    let headers = topics::incident_step(
        &incident.name,
        step.number,
        step.entry.state().as_str_name(),
        time.as_str().unwrap_or_default(),
        &TraceContext::of_stage(id, ROOT).to_string(),
    );
    let value = serde_json::to_vec(incident).map_err(invalid)?;
    Ok(Record {
        key: Some(Bytes::from(id.to_string())),
        headers: headers.into_iter().map(|(name, text)| (name.to_owned(), Bytes::from(text))).collect(),
        value: Bytes::from(value),
        timestamp: step.entry.time.as_ref().map(from_proto_time).unwrap_or_default(),
    })
}
