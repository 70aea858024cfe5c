//! Where adapters meet services: the only place that knows both.

mod access;
mod backend;
mod chance;
mod dashboard;
mod detector;
mod diagnosis;
mod gateway;
mod indexer;
mod model;
mod opensearch;
mod readiness;
pub(crate) mod recorded;
mod remediation;
mod simulator;
mod ways;

use std::collections::BTreeSet;
use std::sync::Arc;

use anyhow::Context;
use llm_sre_domain::remedy::Policy;
use llm_sre_mesh::late::Slot;
use llm_sre_mesh::server::Server;
use llm_sre_mesh::stages::StageLog;
use llm_sre_mesh::{Peer, peer};
use llm_sre_ports::bus;
use llm_sre_ports::clock::Clock;
use tonic::service::Routes;

use crate::cli::ServiceName;
use crate::config::{self, Config, Endpoints};
use crate::node::{Needs, Node};
use crate::self_watch::SelfWatch;

pub(crate) use access::{own_token, ways};
pub(crate) use backend::{Backend, IN_MEMORY, open_backend, open_store};
pub(crate) use chance::Chance;
pub(crate) use model::advising;
pub(crate) use readiness::need_store;
pub(crate) use ways::Ways;

/// Everything that a process is made of.
pub(crate) struct Parts {
    pub(crate) config: Config,
    pub(crate) services: BTreeSet<ServiceName>,
    pub(crate) backend: Backend,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) chance: Chance,
    pub(crate) policy: Policy,
    /// How the shop runs, where it runs in this process.
    pub(crate) simulation: Simulation,
    /// Names this process among all that share the leases.
    pub(crate) holder: String,
    /// How it reaches the others.
    pub(crate) ways: Ways,
    /// Whether others reach this process; what runs in virtual time must not wait for a network.
    pub(crate) listens: bool,
}

/// How the simulated shop runs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Simulation {
    pub(crate) seed: u64,
    pub(crate) speed: f64,
    /// Whether it calls everything by other names than in the demo.
    pub(crate) is_renamed: bool,
    /// How many services it has, drawn from the seed; all of them where it is not said.
    pub(crate) services_max: Option<usize>,
}

impl Default for Simulation {
    /// The demo's shop at the pace of its clock.
    fn default() -> Self {
        Self { seed: 0, speed: 1.0, is_renamed: false, services_max: None }
    }
}

/// The services of the product.
pub(crate) const PRODUCT: [ServiceName; 6] = [
    ServiceName::Gateway,
    ServiceName::Indexer,
    ServiceName::Detector,
    ServiceName::Diagnosis,
    ServiceName::Remediation,
    ServiceName::Dashboard,
];
/// The services of the product, and the shop.
pub(crate) const EVERYTHING: [ServiceName; 7] = [
    ServiceName::Simulator,
    ServiceName::Gateway,
    ServiceName::Indexer,
    ServiceName::Detector,
    ServiceName::Diagnosis,
    ServiceName::Remediation,
    ServiceName::Dashboard,
];

/// A name for this process that no other has.
pub(crate) fn holder() -> String {
    format!("{}-{}", std::process::id(), uuid::Uuid::now_v7().simple())
}

/// Binds and builds; nothing runs before [`Node::run`].
pub(crate) async fn build(parts: Parts) -> anyhow::Result<Node> {
    let mut node = Node::default();
    // Diagnosis and remediation begin without the bus, too.
    if readiness::need_bus(&parts.services) {
        create_topics(&parts).await?;
    }
    let mut control = Control::default();
    let mut gateway_peer = None;
    for name in &parts.services {
        match name {
            ServiceName::Gateway => gateway_peer = Some(gateway::gateway(&parts, &mut node).await?),
            ServiceName::Indexer => indexer::indexer(&parts, &mut node, &mut control),
            ServiceName::Detector => detector::detector(&parts, &mut node, &mut control)?,
            ServiceName::Diagnosis => diagnosis::diagnosis(&parts, &mut node, &mut control)?,
            ServiceName::Remediation => remediation::remediation(&parts, &mut node, &mut control)?,
            ServiceName::Dashboard => dashboard::dashboard(&parts, &mut node, &control).await?,
            ServiceName::Simulator => {}
        }
    }
    if parts.services.contains(&ServiceName::Simulator) {
        simulator::simulator(&parts, &mut node, &mut control, gateway_peer)?;
    }
    // What is reached from within only has no port that says anything.
    if parts.listens {
        readiness::ask(node.readiness(), &parts.services, &parts.backend);
    }
    if llm_sre_mesh::metrics::instruments().are_exported() {
        let watch = SelfWatch::new(&parts.backend, &parts.services, &parts.config);
        node.job("self-watch", |shutdown| async move {
            watch.run(shutdown).await;
            Ok(())
        });
    }
    let Control { routes, services, slot } = control;
    slot.fill(peer::local(routes.clone()));
    node.reached_by(slot);
    if parts.listens && !services.is_empty() {
        let names: Vec<&str> = services.iter().map(|(name, _)| *name).collect();
        let access = access::at_ports(&parts.config)?;
        let server = Server::bind(parts.config.listen.control, routes, &names, access).await;
        let server = server.context("--listen (listen.control) says where control services listen")?;
        node.port("control (gRPC)", server, &services);
    }
    Ok(node)
}

async fn create_topics(parts: &Parts) -> anyhow::Result<()> {
    let bus = &parts.config.bus;
    let telemetry = llm_sre_gateway::topic_specs(bus.partitions, bus.keep_for());
    for spec in telemetry.into_iter().chain([llm_sre_detector::topic_spec()]) {
        match parts.backend.bus.create_topic(spec).await {
            Err(error @ bus::Error::PartitionsDiffer { .. }) => {
                return Err(anyhow::Error::new(config::Error::Key {
                    place: "file".to_owned(),
                    key: "bus.partitions".to_owned(),
                    reason: error.to_string(),
                }));
            }
            other => other.context("failed to create the topics")?,
        }
    }
    Ok(())
}

/// The control services of this process, as they come together.
#[derive(Default)]
struct Control {
    routes: Routes,
    services: Vec<(&'static str, Needs)>,
    slot: Slot,
}

impl Control {
    fn serve(&mut self, of: ServiceName, name: &'static str, routes: Routes) {
        // Both have the fallback that answers UNIMPLEMENTED; one must go.
        let added = routes.into_axum_router().reset_fallback();
        self.routes = std::mem::take(&mut self.routes).into_axum_router().merge(added).into();
        self.services.push((name, readiness::needs(of)));
    }
}

impl Parts {
    /// A service, in this process or where the configuration says.
    fn peer(&self, control: &Control, name: ServiceName, key: &str, elsewhere: &Endpoints) -> anyhow::Result<Peer> {
        if self.services.contains(&name) {
            let own = control.slot.peer();
            // One that stands by is not available for everything: see CheckRecovery.
            return if elsewhere.is_empty() { Ok(own) } else { self.ways.local_or_any(own, elsewhere.addresses()) };
        }
        if elsewhere.is_empty() {
            return Err(anyhow::Error::new(config::Error::Key {
                place: "--services".to_owned(),
                key: key.to_owned(),
                reason: "is required, since that service does not run in this process".to_owned(),
            }));
        }
        self.ways.any(elsewhere.addresses())
    }

    fn detector(&self, control: &Control) -> anyhow::Result<Peer> {
        self.peer(control, ServiceName::Detector, "peers.detector", &self.config.peers.detector)
    }

    fn diagnosis(&self, control: &Control) -> anyhow::Result<Peer> {
        self.peer(control, ServiceName::Diagnosis, "peers.diagnosis", &self.config.peers.diagnosis)
    }

    /// The owner of actions, where there is one.
    fn remediation(&self, control: &Control) -> anyhow::Result<Option<Peer>> {
        let elsewhere = &self.config.peers.remediation;
        let is_there = self.services.contains(&ServiceName::Remediation) || !elsewhere.is_empty();
        is_there.then(|| self.peer(control, ServiceName::Remediation, "peers.remediation", elsewhere)).transpose()
    }

    /// The log of a service's steps, which exports them meanwhile.
    fn stages(&self, node: &mut Node, service: &'static str) -> anyhow::Result<Arc<StageLog>> {
        let endpoint = self.config.traces.otlp_endpoint.as_deref();
        let (documents, time) = (Arc::clone(&self.backend.documents), self.chance.span_time.clone());
        let stages = StageLog::new(documents, service, endpoint, time)?;
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
