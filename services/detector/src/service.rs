//! What the service needs and is made of.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use llm_sre_domain::Timestamp;
use llm_sre_domain::detect::{Checkpoint, Objectives};
use llm_sre_domain::incident::Rules;
use llm_sre_domain::remedy::ServicePattern;
use llm_sre_mesh::clients::{Diagnoses, Remediation};
use llm_sre_mesh::metrics::instruments;
use llm_sre_mesh::records::Records;
use llm_sre_mesh::stages::StageLog;
use llm_sre_mesh::{Peer, status};
use llm_sre_ports::bus::{self, EventBus};
use llm_sre_ports::clock::Clock;
use llm_sre_ports::documents::Documents;
use llm_sre_ports::ids::Ids;
use llm_sre_ports::leases::{self, Lease, Leases};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tonic::Status;

use crate::brain::Brain;
use crate::checkpoints;
use crate::duties::Owing;
use crate::fleet::Said;
use crate::kept::Kept;
use crate::recording::KeptSignals;
use crate::recordings;
use crate::stream::Reading;
use crate::windows::KeptWindow;

/// Names the lease of the one instance that detects: correlation needs to see every service.
const LEASE: &str = "detector";
/// How long the lease outlives an instance that was killed.
const LEASE_TTL: Duration = Duration::from_secs(10);
/// How often the lease is renewed or asked for.
const LEASE_EVERY: Duration = Duration::from_secs(3);
/// How long a renewal may take: two that fail and the waits before them are over before the lease is.
const RENEWAL_TIMEOUT: Duration = Duration::from_secs(1);

/// What the service needs of its surroundings.
pub struct Dependencies {
    /// Where incidents are stored.
    pub documents: Arc<dyn Documents>,
    /// Who may detect.
    pub leases: Arc<dyn Leases>,
    /// Where telemetry comes from.
    pub bus: Arc<dyn EventBus>,
    /// The product's clock.
    pub clock: Arc<dyn Clock>,
    /// Names events that nobody named.
    pub ids: Arc<dyn Ids>,
    /// The owner of the diagnoses.
    pub diagnoses: Peer,
    /// The owner of the actions; without one, incidents are explained and escalated.
    pub remediation: Option<Peer>,
    /// Where the steps of incidents are kept for their traces.
    pub stages: Arc<StageLog>,
    /// Names this instance among others.
    pub holder: String,
}

/// How detection and the incidents' life are tuned.
#[derive(Clone, Debug)]
pub struct Options {
    /// The times of an incident's life.
    pub rules: Rules,
    /// What services are held to.
    pub objectives: Objectives,
    /// The services that users meet. Where none is named, those are taken that nobody calls and that call others.
    pub user_facing: Vec<ServicePattern>,
    /// How far windows of event time stay open behind the newest sample, for telemetry that comes late. Collectors
    /// batch for up to 10 s.
    pub lateness: Duration,
    /// How often duties are looked for in real time, besides whenever one comes up.
    pub tick: Duration,
    /// How long a look for telemetry waits for some, in real time, where there is none.
    pub poll_wait: Duration,
    /// Goes into the fingerprints of series: who knows it can send two series that are taken for one.
    pub seed: u64,
    /// Whether the signals of incidents are recorded, for people to look at.
    pub records_signals: bool,
    /// How long recorded signals are kept after their incident's end, by the product's clock.
    pub keep_recordings_for: Duration,
    /// How far detection may be behind the clock for what it says of services to be true still: as long as all senders may
    /// be silent.
    pub stale_after: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            rules: Rules::default(),
            objectives: Objectives::default(),
            user_facing: Vec::new(),
            lateness: Duration::from_secs(10),
            tick: Duration::from_secs(1),
            poll_wait: Duration::from_millis(25),
            seed: 0,
            records_signals: true,
            keep_recordings_for: Duration::from_secs(90 * 24 * 3_600),
            stale_after: Duration::from_secs(120),
        }
    }
}

/// Why the service cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The bus refuses an operation for good.
    #[error("failed to {operation}")]
    Bus {
        /// What was to be done.
        operation: &'static str,
        /// Why.
        #[source]
        source: bus::Error,
    },
}

/// The detector service.
#[derive(Clone)]
pub struct Service {
    pub(crate) records: Records<Kept>,
    pub(crate) window_records: Records<KeptWindow>,
    pub(crate) checkpoints: Records<Checkpoint>,
    pub(crate) recordings: Records<KeptSignals>,
    pub(crate) leases: Arc<dyn Leases>,
    pub(crate) bus: Arc<dyn EventBus>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) ids: Arc<dyn Ids>,
    pub(crate) diagnoses: Diagnoses,
    pub(crate) remediation: Option<Remediation>,
    pub(crate) stages: Arc<StageLog>,
    pub(crate) holder: Arc<str>,
    pub(crate) options: Arc<Options>,
    /// Wakes the duties.
    pub(crate) owing: Arc<Owing>,
    /// Wakes the publishing of steps.
    pub(crate) stepped: Arc<Notify>,
    /// Whether this instance holds the lease.
    is_detecting: Arc<AtomicBool>,
    /// Whether it has read all that there was: before, it knows less than it will.
    pub(crate) is_current: Arc<AtomicBool>,
    brain: Arc<Mutex<Brain>>,
    /// How services were when it was said last: whoever asks again before there is more gets the same.
    pub(crate) said: Arc<tokio::sync::Mutex<Said>>,
}

impl Service {
    /// From its surroundings.
    pub fn build(options: Options, dependencies: Dependencies) -> Self {
        Self {
            checkpoints: Records::new(Arc::clone(&dependencies.documents), checkpoints::COLLECTION),
            recordings: Records::new(Arc::clone(&dependencies.documents), recordings::COLLECTION),
            records: Records::new(Arc::clone(&dependencies.documents), "incidents"),
            window_records: Records::new(dependencies.documents, "maintenance_windows"),
            leases: dependencies.leases,
            bus: dependencies.bus,
            clock: dependencies.clock,
            ids: dependencies.ids,
            diagnoses: Diagnoses::new(dependencies.diagnoses),
            remediation: dependencies.remediation.map(Remediation::new),
            stages: dependencies.stages,
            holder: dependencies.holder.into(),
            brain: Arc::new(Mutex::new(Brain::new(&options))),
            options: Arc::new(options),
            owing: Arc::default(),
            stepped: Arc::new(Notify::new()),
            is_detecting: Arc::default(),
            is_current: Arc::default(),
            said: Arc::default(),
        }
    }

    /// Refuses what only the instance that detects can answer.
    pub(crate) fn check_detecting(&self) -> Result<(), Status> {
        if self.is_detecting.load(Ordering::Relaxed) {
            return Ok(());
        }
        Err(status::standing_by("another instance detects", LEASE_EVERY))
    }

    /// Refuses what only detection that has read everything can answer.
    pub(crate) fn check_current(&self) -> Result<(), Status> {
        self.check_detecting()?;
        if self.is_current.load(Ordering::Relaxed) {
            return Ok(());
        }
        Err(status::unavailable("detection", "it reads what came before", LEASE_EVERY))
    }

    /// The state of detection. Held for computations only, never across a wait.
    pub(crate) fn brain(&self) -> MutexGuard<'_, Brain> {
        self.brain.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Event time up to which this instance has closed windows, whether it detects or stands by.
    pub fn watermark(&self) -> Timestamp {
        self.brain().detector.watermark()
    }

    /// Detects while this instance holds the lease and stands by while another does, until `shutdown`.
    ///
    /// # Errors
    /// When the bus refuses an operation for good, such as an unknown topic.
    pub async fn run(&self, shutdown: CancellationToken) -> Result<(), Error> {
        measure_lease(false);
        let mut reading = Reading::default();
        while let Some(lease) = self.stand_by(&mut reading, &shutdown).await {
            let lost = shutdown.child_token();
            measure_lease(true);
            // What was counted while standing by, the other told.
            let _by_the_other = self.brain().counted_since();
            self.is_detecting.store(true, Ordering::Relaxed);
            let holding = async {
                self.hold(lease, &lost).await;
                lost.cancelled().await;
                // Another may detect from now on, whatever this one has yet to finish.
                self.is_detecting.store(false, Ordering::Relaxed);
                self.is_current.store(false, Ordering::Relaxed);
            };
            let working = async {
                let reading = async {
                    let ended = Box::pin(self.consume(&mut reading, &lost)).await;
                    // The others end only so, and whoever stands by may do better.
                    lost.cancel();
                    ended
                };
                let recording = Box::pin(async {
                    tokio::join!(self.keep_recordings(&lost), self.keep_recordings_few(&lost));
                });
                tokio::join!(reading, self.keep_duties(&lost), self.keep_publishing(&lost), recording).0
            };
            let ((), ended) = tokio::join!(holding, working);
            measure_lease(false);
            instruments().detector_watermark_age.replace(&[], []);
            ended?;
            // A lease ends with a short absence of the store, too, which tells nothing about services.
            if std::mem::take(&mut reading.is_torn) {
                tracing::info!("a finding may not be stored: telemetry is read again");
                *self.brain() = Brain::new(&self.options);
                reading = Reading::default();
            }
        }
        Ok(())
    }

    pub(crate) async fn acquire(&self) -> Option<Lease> {
        match self.leases.acquire(LEASE, &self.holder, LEASE_TTL).await {
            Ok(lease) => lease,
            Err(error) => {
                tracing::warn!(%error, "failed to ask for the detector's lease");
                None
            }
        }
    }

    /// Renews the lease until `lost` is cancelled, or cancels it when the lease is lost.
    async fn hold(&self, lease: Lease, lost: &CancellationToken) {
        let mut misses = 0;
        loop {
            tokio::select! {
                biased;
                () = lost.cancelled() => break,
                () = tokio::time::sleep(LEASE_EVERY) => {}
            }
            let renewal = tokio::time::timeout(RENEWAL_TIMEOUT, self.leases.renew(&lease, LEASE_TTL)).await;
            let is_lost = match renewal {
                Ok(Ok(())) => {
                    misses = 0;
                    continue;
                }
                Ok(Err(error)) => {
                    tracing::warn!(%error, "failed to renew the detector's lease");
                    matches!(error, leases::Error::Lost { .. })
                }
                Err(_) => {
                    tracing::warn!(
                        timeout_s = RENEWAL_TIMEOUT.as_secs(),
                        "the detector's lease was not renewed in time"
                    );
                    false
                }
            };
            misses += 1;
            if is_lost || misses == 2 {
                lost.cancel();
                return;
            }
        }
        if let Err(error) = self.leases.release(lease).await {
            tracing::debug!(%error, "failed to release the detector's lease; it will end");
        }
    }
}

fn measure_lease(is_held: bool) {
    instruments().lease_held.set(&[("llm_sre.lease", LEASE.into())], if is_held { 1.0 } else { 0.0 });
}
