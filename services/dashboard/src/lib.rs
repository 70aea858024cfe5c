//! The dashboard: the page, gRPC-Web for the services that it asks, and the one stream that it follows.
//!
//! It has no state of its own. What it shows is in the store of those that it asks, whether they run in this process or
//! in others.

mod forward;
mod page;
mod part;
mod session;
mod watch;

use std::sync::Arc;

use llm_sre_mesh::Peer;
use llm_sre_mesh::access::Access;
use llm_sre_mesh::server::Web;
use llm_sre_ports::clock::Clock;
use llm_sre_proto::dashboard::v1::dashboard_service_server::DashboardServiceServer;
use tokio::sync::Semaphore;
use tonic::service::Routes;

/// Browsers that follow at once. Each asks a handful of questions a second on its reader's behalf.
const WATCHES_MAX: usize = 256;

/// What the service needs of its surroundings.
pub struct Dependencies {
    /// The product's clock.
    pub clock: Arc<dyn Clock>,
    /// The owner of incidents, who knows how the fleet is.
    pub detector: Peer,
    /// The owner of diagnoses.
    pub diagnosis: Peer,
    /// Who has the stored telemetry.
    pub indexer: Peer,
    /// The owner of actions; without one nothing is repaired, and the page says so.
    pub remediation: Option<Peer>,
}

/// The dashboard service.
#[derive(Clone)]
pub struct Service {
    clock: Arc<dyn Clock>,
    detector: Peer,
    diagnosis: Peer,
    indexer: Peer,
    remediation: Option<Peer>,
    watches: Arc<Semaphore>,
}

impl Service {
    /// The full name of the service, for health.
    pub const NAME: &str = "llmsre.dashboard.v1.DashboardService";

    /// From its surroundings.
    pub fn build(dependencies: Dependencies) -> Self {
        let Dependencies { clock, detector, diagnosis, indexer, remediation } = dependencies;
        Self { clock, detector, diagnosis, indexer, remediation, watches: Arc::new(Semaphore::new(WATCHES_MAX)) }
    }

    /// What the page asks: its own service, and those that it shows.
    pub fn routes(&self) -> Routes {
        let own = Routes::new(DashboardServiceServer::new(self.clone()));
        let mut router = own.into_axum_router();
        let asked = [
            ("llmsre.incident.v1.IncidentService", Some(&self.detector)),
            ("llmsre.fleet.v1.FleetService", Some(&self.detector)),
            ("llmsre.diagnosis.v1.DiagnosisService", Some(&self.diagnosis)),
            ("llmsre.telemetry.v1.TelemetryService", Some(&self.indexer)),
            ("llmsre.remediation.v1.RemediationService", self.remediation.as_ref()),
        ];
        for (name, peer) in asked {
            if let Some(peer) = peer {
                router = router.route_service(&format!("/{name}/{{method}}"), forward::Forward::to(peer.clone()));
            }
        }
        router.into()
    }

    /// The page, and who is signed in, for whoever asks its port for something that is no gRPC. The page itself is for
    /// everybody; what it shows is not.
    pub fn page(access: Access) -> Web {
        page::Page::new().web(access)
    }
}
