//! The dashboard: the page, gRPC-Web for the services that it asks, and the one stream that it follows.
//!
//! It has no state of its own. What it shows is in the store of those that it asks, whether they run in this process or
//! in others.

mod asked;
mod forward;
mod page;
mod part;
mod session;
mod shared;
mod trace_url;
mod voice;
mod watch;

use std::sync::Arc;

use llm_sre_mesh::Peer;
use llm_sre_mesh::access::Access;
use llm_sre_mesh::server::Web;
use llm_sre_ports::clock::Clock;
use llm_sre_proto::dashboard::v1::dashboard_service_server::DashboardServiceServer;
use tokio::sync::Semaphore;
use tonic::service::Routes;

use crate::asked::Asked;
use crate::shared::Shared;

pub use trace_url::{Error as TraceUrlError, TraceUrl};

/// Browsers that follow at once. Each holds one stream of incidents, and asks for what belongs to the one that it looks at;
/// what all see alike is asked for once.
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
    asked: Asked,
    shared: Arc<Shared>,
    watches: Arc<Semaphore>,
}

impl Service {
    /// The full name of the service, for health.
    pub const NAME: &str = "llmsre.dashboard.v1.DashboardService";

    /// From its surroundings.
    pub fn build(dependencies: Dependencies) -> Self {
        let Dependencies { clock, detector, diagnosis, indexer, remediation } = dependencies;
        let asked = Asked { detector, diagnosis, indexer, remediation };
        Self { clock, asked, shared: Arc::default(), watches: Arc::new(Semaphore::new(WATCHES_MAX)) }
    }

    /// What the page asks: its own service, and those that it shows.
    pub fn routes(&self) -> Routes {
        let own = Routes::new(DashboardServiceServer::new(self.clone()));
        let mut router = own.into_axum_router();
        let forwarded = [
            ("llmsre.incident.v1.IncidentService", Some(&self.asked.detector)),
            ("llmsre.fleet.v1.FleetService", Some(&self.asked.detector)),
            ("llmsre.diagnosis.v1.DiagnosisService", Some(&self.asked.diagnosis)),
            ("llmsre.telemetry.v1.TelemetryService", Some(&self.asked.indexer)),
            ("llmsre.remediation.v1.RemediationService", self.asked.remediation.as_ref()),
        ];
        for (name, peer) in forwarded {
            if let Some(peer) = peer {
                router = router.route_service(&format!("/{name}/{{method}}"), forward::Forward::to(peer.clone()));
            }
        }
        router.into()
    }

    /// The page, and who is signed in, for whoever asks its port for something that is no gRPC. The page itself is for
    /// everybody; what it shows is not, nor where it leads.
    pub fn page(access: Access, trace_url: Option<TraceUrl>) -> Web {
        page::Page::new().web(session::Sessions { access, trace_url })
    }
}
