//! What the service needs and is made of.

use std::sync::Arc;

use llm_sre_domain::remedy::{Catalogue, Policy, ServicePattern};
use llm_sre_mesh::Peer;
use llm_sre_mesh::clients::{Diagnoses, Incidents};
use llm_sre_mesh::records::Records;
use llm_sre_mesh::stages::StageLog;
use llm_sre_ports::clock::Clock;
use llm_sre_ports::documents::Documents;
use llm_sre_ports::ids::Ids;
use llm_sre_ports::leases::Leases;
use llm_sre_ports::telemetry::TelemetryStore;
use serde::{Deserialize, Serialize};
use tokio::sync::{Mutex, Notify};

use crate::audit::Audit;
use crate::hold::HoldBook;
use crate::kept::Kept;
use crate::memory::Memory;
use crate::target::Targets;

/// What the service needs of its surroundings.
pub struct Dependencies {
    /// Where actions and the audit record are stored.
    pub documents: Arc<dyn Documents>,
    /// The right to act on a target.
    pub leases: Arc<dyn Leases>,
    /// Which services were seen.
    pub telemetry: Arc<dyn TelemetryStore>,
    /// The product's clock.
    pub clock: Arc<dyn Clock>,
    /// Names freezes that no request names.
    pub ids: Arc<dyn Ids>,
    /// The owner of the incidents.
    pub incidents: Peer,
    /// The owner of the diagnoses.
    pub diagnoses: Peer,
    /// Who carries out actions on which services; the first pattern that matches counts.
    pub targets: Vec<(ServicePattern, Peer)>,
    /// What people allow.
    pub policy: Policy,
    /// The actions that there are.
    pub catalogue: Catalogue,
    /// Where the steps of incidents are kept for their traces.
    pub stages: Arc<StageLog>,
    /// Names this process among all that share the leases.
    pub holder: String,
}

/// The remediation service.
#[derive(Clone)]
pub struct Service {
    pub(crate) actions: Records<Kept>,
    pub(crate) requests: Records<Answered>,
    pub(crate) audit: Audit,
    pub(crate) holds: HoldBook,
    pub(crate) leases: Arc<dyn Leases>,
    pub(crate) telemetry: Arc<dyn TelemetryStore>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) ids: Arc<dyn Ids>,
    pub(crate) incidents: Incidents,
    pub(crate) diagnoses: Diagnoses,
    pub(crate) targets: Targets,
    pub(crate) policy: Arc<Policy>,
    pub(crate) catalogue: Arc<Catalogue>,
    pub(crate) stages: Arc<StageLog>,
    pub(crate) holder: Arc<str>,
    /// Wakes the executor.
    pub(crate) changed: Arc<Notify>,
    /// One plan or start at a time in this process; the lease of the gate does the same among processes.
    pub(crate) gate: Arc<Mutex<()>>,
    pub(crate) memory: Arc<Memory>,
}

/// Which action a request to propose was answered with.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Answered {
    /// The action's name.
    pub(crate) action: String,
}

impl Service {
    /// From its surroundings.
    pub fn build(dependencies: Dependencies) -> Self {
        let documents = dependencies.documents;
        Self {
            actions: Records::new(Arc::clone(&documents), "actions"),
            requests: Records::new(Arc::clone(&documents), "action_requests"),
            audit: Audit::new(Arc::clone(&documents)),
            holds: HoldBook::new(documents),
            leases: dependencies.leases,
            telemetry: dependencies.telemetry,
            clock: dependencies.clock,
            ids: dependencies.ids,
            incidents: Incidents::new(dependencies.incidents),
            diagnoses: Diagnoses::new(dependencies.diagnoses),
            targets: Targets::new(dependencies.targets),
            policy: Arc::new(dependencies.policy),
            catalogue: Arc::new(dependencies.catalogue),
            stages: dependencies.stages,
            holder: dependencies.holder.into(),
            changed: Arc::new(Notify::new()),
            gate: Arc::new(Mutex::new(())),
            memory: Arc::new(Memory::default()),
        }
    }
}
