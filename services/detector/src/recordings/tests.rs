use std::sync::Arc;

use llm_sre_mesh::late::Slot;
use llm_sre_mesh::stages::{SpanTime, StageLog};
use llm_sre_ports::clock::{Clock, ManualClock};
use llm_sre_ports::documents::{Documents, NewDocument, Precondition};
use llm_sre_ports::ids::RandomIds;
use llm_sre_ports::memory::{MemoryBus, MemoryDocuments, MemoryLeases};
use serde_json::json;

use super::*;
use crate::{Dependencies, Options};

const KEEP: Duration = Duration::from_secs(10 * 24 * 3_600);
const HOUR: Duration = Duration::from_secs(3_600);

struct World {
    documents: Arc<MemoryDocuments>,
    clock: Arc<ManualClock>,
    service: Service,
    _slot: Slot,
}

impl World {
    fn new() -> Self {
        let (documents, slot) = (Arc::new(MemoryDocuments::default()), Slot::default());
        let clock = Arc::new(ManualClock::new(Timestamp::from_secs(1_700_000_000)));
        let options = Options { keep_recordings_for: KEEP, ..Options::default() };
        let service = Service::build(
            options,
            Dependencies {
                documents: documents.clone(),
                leases: Arc::new(MemoryLeases::default()),
                bus: Arc::new(MemoryBus::default()),
                clock: clock.clone(),
                ids: Arc::new(RandomIds),
                diagnoses: slot.peer(),
                remediation: None,
                stages: StageLog::new(documents.clone(), "detector", None, SpanTime::Real).unwrap(),
                holder: "test".to_owned(),
            },
        );
        Self { documents, clock, service, _slot: slot }
    }

    /// An incident, of which retention asks no more than whether it lives, with something recorded.
    async fn record(&self, id: &str, living: &str) {
        self.incident(id, living, Precondition::Absent).await;
        let attributes = written_at(self.service.clock.now());
        self.service.recordings.create(id, &KeptSignals::default(), attributes).await.unwrap();
    }

    async fn incident(&self, id: &str, living: &str, precondition: Precondition) {
        let document = NewDocument {
            collection: "incidents".to_owned(),
            id: id.to_owned(),
            body: json!("of a newer shape"),
            attributes: BTreeMap::from([("living".to_owned(), living.to_owned())]),
            schema_version: u32::MAX,
        };
        self.documents.put(document, precondition).await.unwrap();
    }

    /// Lets so much of the product's time pass, and then retention have its turn.
    async fn pass(&self, duration: Duration) {
        self.clock.advance_to(self.clock.now() + duration);
        drop(tokio::time::timeout(PRUNE_EVERY + Duration::from_secs(1), std::future::pending::<()>()).await);
    }

    async fn recorded(&self) -> Vec<String> {
        let page = self.documents.list(COLLECTION, Filter::default(), None, 10).await.unwrap();
        page.documents.into_iter().map(|document| document.id).collect()
    }
}

#[tokio::test(start_paused = true)]
async fn recordings_go_a_while_after_their_incident_ended_and_never_while_it_lives() {
    let world = World::new();
    world.record("ended", "no").await;
    world.record("lives", "yes").await;
    let (service, stop) = (world.service.clone(), CancellationToken::new());
    let stopped = stop.clone();
    let pruning = tokio::spawn(async move { service.keep_recordings_few(&stopped).await });
    world.pass(KEEP - HOUR).await;
    assert_eq!(world.recorded().await, ["lives", "ended"]);
    world.pass(HOUR * 2).await;
    assert_eq!(world.recorded().await, ["lives"]);
    world.pass(KEEP * 3).await;
    assert_eq!(world.recorded().await, ["lives"], "however long its signals are silent");
    world.incident("lives", "no", Precondition::Version(1)).await;
    world.pass(KEEP - HOUR).await;
    assert_eq!(world.recorded().await, ["lives"], "it has just ended");
    world.pass(HOUR * 2).await;
    assert!(world.recorded().await.is_empty());
    stop.cancel();
    pruning.await.unwrap();
}
