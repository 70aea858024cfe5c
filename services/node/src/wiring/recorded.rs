//! The services that a replay goes through, on ports of its own and without a port to the outside: gateway, indexer,
//! detector and diagnosis, and nothing that acts.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use llm_sre_domain::Timestamp;
use llm_sre_mesh::clients::{Diagnoses, Incidents};
use llm_sre_mesh::late::Slot;
use llm_sre_mesh::stages::StageLog;
use llm_sre_mesh::{Peer, peer};
use llm_sre_ports::bus::{self, EventBus, Progress};
use llm_sre_ports::clock::{Clock, ManualClock};
use llm_sre_ports::documents::Documents;
use llm_sre_ports::memory::{MemoryBus, MemoryDocuments, MemoryLeases, MemoryTelemetry};
use llm_sre_ports::telemetry::TelemetryStore;
use llm_sre_proto::topics;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;

use super::Chance;

/// One partition keeps the records in the order in which they were sent, and holds 32 MiB at most.
const PARTITIONS: u32 = 1;
/// Who replays looks whether everything was handled before the clock goes on, so nobody must wait for long.
const POLL_WAIT: Duration = Duration::from_millis(1);
const TICK: Duration = Duration::from_millis(20);
/// What a diagnosis looks back for, and some more: the rest would only take room.
const KEEP_FOR: Duration = Duration::from_secs(3 * 3_600);
const KEEP_BYTES: u64 = 256 * 1024 * 1024;
const PRUNE_EVERY: Duration = Duration::from_millis(500);

/// Services that run.
pub(crate) struct Recorded {
    pub(crate) gateway: Peer,
    pub(crate) incidents: Incidents,
    pub(crate) diagnoses: Diagnoses,
    pub(crate) clock: Arc<ManualClock>,
    bus: Arc<MemoryBus>,
    stop: CancellationToken,
    jobs: JoinSet<anyhow::Result<()>>,
    /// How the services know each other, for as long as this is.
    _slots: [Slot; 2],
}

impl Recorded {
    /// Builds and starts them; the product's clock stands at `now`.
    pub(crate) async fn start(now: Timestamp) -> anyhow::Result<Self> {
        let bus = Arc::new(MemoryBus::default());
        let telemetry = llm_sre_gateway::topic_specs(PARTITIONS, KEEP_FOR);
        for spec in telemetry.into_iter().chain([llm_sre_detector::topic_spec()]) {
            bus.create_topic(spec).await.context("failed to create the topics")?;
        }
        let clock = Arc::new(ManualClock::new(now));
        let time: Arc<dyn Clock> = Arc::<ManualClock>::clone(&clock);
        let events: Arc<dyn EventBus> = Arc::<MemoryBus>::clone(&bus);
        let documents: Arc<dyn Documents> = Arc::new(MemoryDocuments::default());
        let telemetry: Arc<dyn TelemetryStore> = Arc::new(MemoryTelemetry::default());
        let chance = Chance::drawn();
        let stages = StageLog::new(Arc::clone(&documents), "replay", None, chance.span_time)?;
        let gateway = llm_sre_gateway::build(
            llm_sre_gateway::Options::default(),
            llm_sre_gateway::Dependencies { bus: Arc::clone(&events), clock: Arc::clone(&time) },
        );
        let indexer = llm_sre_indexer::build(
            llm_sre_indexer::Options {
                keep_for: KEEP_FOR,
                keep_bytes: Some(KEEP_BYTES),
                prune_every: PRUNE_EVERY,
                ..llm_sre_indexer::Options::default()
            },
            llm_sre_indexer::Dependencies {
                bus: Arc::clone(&events),
                store: Arc::clone(&telemetry),
                clock: Arc::clone(&time),
            },
        );
        let (incidents, diagnoses) = (Slot::default(), Slot::default());
        let explains = llm_sre_diagnosis::Service::build(llm_sre_diagnosis::Dependencies {
            documents: Arc::clone(&documents),
            telemetry,
            clock: Arc::clone(&time),
            ids: Arc::clone(&chance.ids),
            incidents: incidents.peer(),
            remediation: None,
            stages: Arc::clone(&stages),
            advising: None,
        });
        diagnoses.fill(peer::local(Routes::new(explains.server())));
        let detects = llm_sre_detector::Service::build(
            llm_sre_detector::Options {
                tick: TICK,
                poll_wait: POLL_WAIT,
                seed: chance.series_seed,
                ..llm_sre_detector::Options::default()
            },
            llm_sre_detector::Dependencies {
                documents,
                leases: Arc::new(MemoryLeases::default()),
                bus: events,
                clock: time,
                ids: chance.ids,
                diagnoses: diagnoses.peer(),
                remediation: None,
                stages,
                holder: "replay".to_owned(),
            },
        );
        incidents.fill(peer::local(Routes::new(detects.server())));
        let stop = CancellationToken::new();
        let jobs = run(indexer, detects, explains, &stop);
        let gateway = peer::local(gateway.routes());
        let slots = [incidents, diagnoses];
        let [incidents, diagnoses] = slots.each_ref().map(Slot::peer);
        let (incidents, diagnoses) = (Incidents::new(incidents), Diagnoses::new(diagnoses));
        Ok(Self { gateway, incidents, diagnoses, clock, bus, stop, jobs, _slots: slots })
    }

    /// Whether indexer and detector have handled all that the gateway took.
    pub(crate) async fn is_read(&self) -> Result<bool, bus::Error> {
        for topic in topics::TELEMETRY {
            let ends = self.bus.end_offsets(topic).await?;
            for group in [llm_sre_indexer::GROUP, llm_sre_detector::GROUP] {
                let committed = self.bus.committed(group, topic).await?;
                let done = |end: &Progress| {
                    end.next_offset == 0
                        || committed.iter().any(|at| at.of == end.of && at.next_offset >= end.next_offset)
                };
                if !ends.iter().all(done) {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    /// Ends as soon as a service does, with why.
    pub(crate) async fn check(&mut self) -> anyhow::Result<()> {
        match self.jobs.try_join_next() {
            None => Ok(()),
            Some(ended) => {
                ended.context("a service stopped")??;
                anyhow::bail!("a service ended by itself")
            }
        }
    }

    /// Lets the services end.
    pub(crate) async fn stop(mut self) -> anyhow::Result<()> {
        self.stop.cancel();
        while let Some(ended) = self.jobs.join_next().await {
            ended.context("a service stopped")??;
        }
        Ok(())
    }
}

fn run(
    indexer: llm_sre_indexer::Indexer,
    detector: llm_sre_detector::Service,
    diagnosis: llm_sre_diagnosis::Service,
    stop: &CancellationToken,
) -> JoinSet<anyhow::Result<()>> {
    let mut jobs = JoinSet::new();
    let stopped = stop.clone();
    jobs.spawn(async move { indexer.run(stopped).await.context("the indexer failed") });
    let stopped = stop.clone();
    jobs.spawn(async move { Box::pin(detector.run(stopped)).await.context("the detector failed") });
    let stopped = stop.clone();
    jobs.spawn(async move {
        Box::pin(diagnosis.run(stopped)).await;
        Ok(())
    });
    jobs
}
