//! The simulated shop, which sends to the gateway and can be acted on.

use std::sync::Arc;

use llm_sre_mesh::Peer;
use tonic::service::Routes;

use super::{Control, Parts, Simulation};
use crate::cli::ServiceName;
use crate::node::Node;

/// Builds it; nothing runs yet. `gateway` is the one of this process, where there is one.
pub(super) fn simulator(
    parts: &Parts,
    node: &mut Node,
    control: &mut Control,
    gateway: Option<Peer>,
) -> anyhow::Result<()> {
    let gateway = match gateway {
        Some(gateway) => gateway,
        None => parts.peer(control, ServiceName::Gateway, "peers.gateway", &parts.config.peers.gateway)?,
    };
    let Simulation { seed, speed, is_renamed, services_max } = parts.simulation;
    let service = llm_sre_simulator::Service::build(
        llm_sre_simulator::Options { seed, speed, is_renamed, services_max },
        llm_sre_simulator::Dependencies { clock: Arc::clone(&parts.clock), gateway },
    );
    control.serve(ServiceName::Simulator, llm_sre_simulator::Service::NAMES[0], Routes::new(service.simulator()));
    control.serve(ServiceName::Simulator, llm_sre_simulator::Service::NAMES[1], Routes::new(service.actions()));
    node.job("simulator", |shutdown| async move {
        service.run(shutdown).await;
        Ok(())
    });
    Ok(())
}
