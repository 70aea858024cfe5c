//! Where adapters meet services: the only place that knows both.

mod late;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use llm_sre_domain::remedy::Policy;
use llm_sre_mesh::server::Server;
use llm_sre_mesh::stages::StageLog;
use llm_sre_mesh::{Peer, peer};
use llm_sre_ports::bus::EventBus;
use llm_sre_ports::clock::Clock;
use llm_sre_ports::documents::Documents;
use llm_sre_ports::leases::Leases;
use llm_sre_ports::telemetry::TelemetryStore;
use tokio::net::TcpListener;
use tonic::service::Routes;

use crate::cli::ServiceName;
use crate::config::{self, Config};
use crate::node::Node;
use late::Slot;

/// Partitions of a topic of telemetry on the embedded bus: more than one machine has use for.
const PARTITIONS: u32 = 4;
/// How long the embedded bus keeps telemetry: long enough for a detector that was away for a night.
const BUS_RETENTION: Duration = Duration::from_secs(24 * 3_600);

/// What everything is kept in, by port.
#[derive(Clone)]
pub(crate) struct Backend {
    pub(crate) bus: Arc<dyn EventBus>,
    pub(crate) documents: Arc<dyn Documents>,
    pub(crate) telemetry: Arc<dyn TelemetryStore>,
    pub(crate) leases: Arc<dyn Leases>,
}

/// Everything that a process is made of.
pub(crate) struct Parts {
    pub(crate) config: Config,
    pub(crate) services: BTreeSet<ServiceName>,
    pub(crate) backend: Backend,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) policy: Policy,
    /// How the shop runs, where it runs in this process.
    pub(crate) simulation: Simulation,
}

/// How the simulated shop runs.
pub(crate) struct Simulation {
    pub(crate) seed: u64,
    pub(crate) speed: f64,
}

/// The services of the product.
pub(crate) const PRODUCT: [ServiceName; 5] = [
    ServiceName::Gateway,
    ServiceName::Indexer,
    ServiceName::Detector,
    ServiceName::Diagnosis,
    ServiceName::Remediation,
];
/// The services of the product, and the shop.
pub(crate) const EVERYTHING: [ServiceName; 6] = [
    ServiceName::Simulator,
    ServiceName::Gateway,
    ServiceName::Indexer,
    ServiceName::Detector,
    ServiceName::Diagnosis,
    ServiceName::Remediation,
];

/// Binds and builds; nothing runs before [`Node::run`].
pub(crate) async fn build(parts: Parts) -> anyhow::Result<Node> {
    let mut node = Node::default();
    for spec in llm_sre_gateway::topic_specs(PARTITIONS, BUS_RETENTION) {
        parts.backend.bus.create_topic(spec).await.context("failed to create the topics")?;
    }
    let mut control = Control::default();
    let has = |name| parts.services.contains(&name);
    if has(ServiceName::Gateway) {
        gateway(&parts, &mut node).await?;
    }
    if has(ServiceName::Indexer) {
        indexer(&parts, &mut node, &mut control);
    }
    if has(ServiceName::Diagnosis) {
        diagnosis(&parts, &mut node, &mut control)?;
    }
    let Control { routes, names, slot } = control;
    slot.fill(peer::local(routes.clone()));
    node.reached_by(slot.peer());
    if !names.is_empty() {
        let server = Server::bind(parts.config.listen.control, routes, &names).await;
        let server = server.context("--listen (listen.control) says where control services listen")?;
        node.port("control (gRPC)", server, names);
    }
    Ok(node)
}

/// The control services of this process, as they come together.
#[derive(Default)]
struct Control {
    routes: Routes,
    names: Vec<&'static str>,
    slot: Slot,
}

impl Control {
    fn serve(&mut self, name: &'static str, routes: Routes) {
        // Both have the fallback that answers UNIMPLEMENTED; one must go.
        let added = routes.into_axum_router().reset_fallback();
        self.routes = std::mem::take(&mut self.routes).into_axum_router().merge(added).into();
        self.names.push(name);
    }
}

impl Parts {
    /// A service, in this process or where the configuration says.
    fn peer(&self, control: &Control, name: ServiceName, key: &str, address: Option<&String>) -> anyhow::Result<Peer> {
        if self.services.contains(&name) {
            return Ok(control.slot.peer());
        }
        let missing = || config::Error::Key {
            place: "--services".to_owned(),
            key: key.to_owned(),
            reason: "is required, since that service does not run in this process".to_owned(),
        };
        Ok(peer::remote(address.ok_or_else(missing)?)?)
    }

    fn detector(&self, control: &Control) -> anyhow::Result<Peer> {
        self.peer(control, ServiceName::Detector, "peers.detector", self.config.peers.detector.as_ref())
    }

    /// The log of a service's steps, which exports them meanwhile.
    fn stages(&self, node: &mut Node, service: &'static str) -> anyhow::Result<Arc<StageLog>> {
        let endpoint = self.config.traces.otlp_endpoint.as_deref();
        let stages = StageLog::new(Arc::clone(&self.backend.documents), service, endpoint)?;
        if endpoint.is_some() {
            let running = Arc::clone(&stages);
            node.job("trace export", |shutdown| async move {
                running.run(shutdown).await;
                Ok(())
            });
        }
        Ok(stages)
    }
}

async fn gateway(parts: &Parts, node: &mut Node) -> anyhow::Result<()> {
    let dependencies =
        llm_sre_gateway::Dependencies { bus: Arc::clone(&parts.backend.bus), clock: Arc::clone(&parts.clock) };
    let gateway = llm_sre_gateway::build(llm_sre_gateway::Options::default(), dependencies);
    let listen = &parts.config.listen;
    let names = llm_sre_gateway::SERVICE_NAMES;
    let server = Server::bind(listen.otlp_grpc, gateway.routes(), &names).await;
    let server = server.context("--otlp-grpc (listen.otlp_grpc) says where OTLP over gRPC is taken")?;
    node.port("OTLP (gRPC)", server, names.to_vec());
    let listener = TcpListener::bind(listen.otlp_http).await.with_context(|| {
        format!(
            "--otlp-http (listen.otlp_http) says where OTLP over HTTP is taken: failed to listen on {}",
            listen.otlp_http
        )
    })?;
    node.announce("OTLP (HTTP)", listener.local_addr()?.to_string());
    node.job("OTLP (HTTP)", |shutdown| async move { Ok(gateway.run_http(listener, shutdown).await?) });
    Ok(())
}

fn indexer(parts: &Parts, node: &mut Node, control: &mut Control) {
    let options = llm_sre_indexer::Options {
        keep_for: parts.config.store.keep_for(),
        keep_bytes: Some(parts.config.store.keep_bytes()),
        ..llm_sre_indexer::Options::default()
    };
    let dependencies = llm_sre_indexer::Dependencies {
        bus: Arc::clone(&parts.backend.bus),
        store: Arc::clone(&parts.backend.telemetry),
        clock: Arc::clone(&parts.clock),
    };
    let indexer = llm_sre_indexer::build(options, dependencies);
    control.serve(llm_sre_indexer::SERVICE_NAME, indexer.routes());
    node.job("indexer", |shutdown| async move { Ok(indexer.run(shutdown).await?) });
}

fn diagnosis(parts: &Parts, node: &mut Node, control: &mut Control) -> anyhow::Result<()> {
    let service = llm_sre_diagnosis::Service::build(llm_sre_diagnosis::Dependencies {
        documents: Arc::clone(&parts.backend.documents),
        telemetry: Arc::clone(&parts.backend.telemetry),
        clock: Arc::clone(&parts.clock),
        incidents: parts.detector(control)?,
        stages: parts.stages(node, "llm-sre-diagnosis")?,
    });
    control.serve("llmsre.diagnosis.v1.DiagnosisService", Routes::new(service.server()));
    node.job("diagnosis", |shutdown| async move {
        service.run(shutdown).await;
        Ok(())
    });
    Ok(())
}
