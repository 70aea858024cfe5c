//! Hours of error budgets in the store, for a start to take over: they are of longer ago than telemetry is read again.

use std::time::Duration;

use llm_sre_domain::Timestamp;
use llm_sre_domain::detect::{CHECKPOINT_VERSION, Checkpoint};
use llm_sre_mesh::records::{Attributes, Records, Write};
use llm_sre_ports::documents::Filter;
use tonic::Status;

use crate::Service;
use crate::brain::Brain;

/// The collection that they are kept in.
pub(crate) const COLLECTION: &str = "checkpoints";
/// Services of one document: some 400 kB of the 2 MiB that it may have.
const SERVICES_A_DOCUMENT: usize = 200;
/// Documents read at once, and how often at most: enough for twice as many services as are watched.
const PAGE: usize = 25;
const PAGES_MAX: usize = 20;
/// How often they are written, in event time. An hour that is over does not change, and six are read again.
const WRITTEN_EVERY: Duration = Duration::from_secs(3_600);
/// When a write is tried again that failed, in event time.
const RETRIED_AFTER: Duration = Duration::from_secs(60);

impl Service {
    /// Writes what a later start cannot read again, each hour. While the store is away it waits: what a checkpoint lacks is
    /// read again, for hours.
    pub(crate) async fn keep_checkpoint(&self) {
        let parts = {
            let mut brain = self.brain();
            let now = brain.detector.watermark();
            if now < brain.checkpoint_due {
                return;
            }
            brain.checkpoint_due = now + WRITTEN_EVERY;
            brain.detector.checkpoints(SERVICES_A_DOCUMENT)
        };
        let mut is_kept = true;
        // One that cannot be replaced keeps no other from it.
        for (number, part) in parts.iter().enumerate() {
            if let Err(error) = save(&self.checkpoints, number, part).await {
                tracing::warn!(%error, number, "failed to keep hours of error budgets; trying again");
                is_kept = false;
            }
        }
        if !is_kept {
            let mut brain = self.brain();
            brain.checkpoint_due = brain.detector.watermark() + RETRIED_AFTER;
        }
    }

    /// What is known when reading begins at a time: what was kept of before. Where all is read that there is, nothing is
    /// taken over.
    pub(crate) async fn remembering(&self, since: Option<Timestamp>) -> Result<Brain, Status> {
        let kept = if since.is_some() { load(&self.checkpoints).await? } else { Vec::new() };
        let mut brain = Brain::new(&self.options);
        if let Some(since) = since {
            let services = brain.detector.restore(kept, since);
            tracing::debug!(services, "took over the hours of error budgets");
        }
        Ok(brain)
    }
}

async fn save(records: &Records<Checkpoint>, number: usize, part: &Checkpoint) -> Result<(), Status> {
    // Another version has documents of its own: it may not be able to read these.
    let id = format!("budgets-v{CHECKPOINT_VERSION}-{number}");
    let written = match records.get(&id).await? {
        Some(stored) => records.replace(&stored, part, Attributes::new()).await?,
        None => records.create(&id, part, Attributes::new()).await?,
    };
    if matches!(written, Write::Conflict) {
        tracing::debug!(id, "another instance wrote the hours of error budgets");
    }
    Ok(())
}

async fn load(records: &Records<Checkpoint>) -> Result<Vec<Checkpoint>, Status> {
    let (mut found, mut cursor) = (Vec::new(), None);
    for _ in 0..PAGES_MAX {
        let (page, next) = records.list_readable(Filter::default(), cursor, PAGE).await?;
        found.extend(page.into_iter().map(|stored| stored.message));
        cursor = next;
        if cursor.is_none() {
            break;
        }
    }
    found.retain(|checkpoint| checkpoint.version == CHECKPOINT_VERSION);
    Ok(found)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use llm_sre_domain::ServiceId;
    use llm_sre_domain::detect::{Detector, Hour, Objectives};
    use llm_sre_ports::memory::MemoryDocuments;
    use proptest::prelude::*;

    use super::*;

    /// Some services with some hours.
    fn checkpoint(as_of: i64, services: std::ops::Range<usize>, hours: i64) -> Checkpoint {
        let hours: Vec<Hour> = (0..hours).map(|hour| Hour(470_000 + hour, 360_000.5, 12.25)).collect();
        let budgets = services.map(|index| (ServiceId::named(&format!("service-{index}")), hours.clone())).collect();
        Checkpoint { version: CHECKPOINT_VERSION, as_of: Timestamp::from_secs(as_of), budgets }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        /// However often parts are written, and whatever an earlier time left: the newest of each service is taken over.
        #[test]
        fn what_is_kept_is_taken_over(parts in 1_usize..60, earlier in 1_usize..60, hours in 1_i64..72) {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            let kept = runtime.block_on(async {
                let records = Records::new(Arc::new(MemoryDocuments::default()), COLLECTION);
                for number in 0..earlier {
                    save(&records, number, &checkpoint(1_000, number * 2..number * 2 + 2, 72)).await.unwrap();
                }
                for number in 0..parts {
                    save(&records, number, &checkpoint(2_000, number * 2..number * 2 + 2, hours)).await.unwrap();
                }
                let mut unknown = checkpoint(3_000, 0..1, 1);
                unknown.version += 1;
                let _written = records.create("of-another", &unknown, Attributes::new()).await.unwrap();
                load(&records).await.unwrap()
            });
            prop_assert_eq!(kept.len(), parts.max(earlier));
            let mut detector = Detector::new(Objectives::default());
            let restored = detector.restore(kept, Timestamp::from_secs((470_000 + 72) * 3_600));
            prop_assert_eq!(restored, 2 * parts.max(earlier));
            detector.advance(Timestamp::from_secs((470_000 + 72) * 3_600));
            let again = detector.checkpoints(usize::MAX);
            let of_first = &again[0].budgets.iter().find(|(service, _)| &*service.name == "service-0").unwrap().1;
            let expected = checkpoint(0, 0..1, hours);
            prop_assert_eq!(of_first, &expected.budgets[0].1);
        }
    }
}
