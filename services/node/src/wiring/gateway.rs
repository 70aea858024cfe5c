//! The gateway's ports, where telemetry comes in.

use std::sync::Arc;

use anyhow::Context;
use llm_sre_mesh::server::Server;
use llm_sre_mesh::{Peer, peer};

use super::{Parts, access, readiness};
use crate::cli::ServiceName;
use crate::node::Node;

/// The way to the gateway's OTLP services within the process.
pub(super) async fn gateway(parts: &Parts, node: &mut Node) -> anyhow::Result<Peer> {
    let dependencies =
        llm_sre_gateway::Dependencies { bus: Arc::clone(&parts.backend.bus), clock: Arc::clone(&parts.clock) };
    let gateway = llm_sre_gateway::build(llm_sre_gateway::Options::default(), dependencies);
    let listen = &parts.config.listen;
    let names = llm_sre_gateway::SERVICE_NAMES;
    let routes = gateway.routes();
    if !parts.listens {
        let peer = peer::local(routes);
        node.takes_telemetry_by(peer.clone());
        // A process that is nothing but this has nothing to do meanwhile, and goes on.
        node.job("OTLP", |shutdown| async move {
            shutdown.cancelled().await;
            Ok(())
        });
        return Ok(peer);
    }
    let access = access::at_ports(&parts.config)?;
    let server = Server::bind(listen.otlp_grpc, routes.clone(), &names, access.clone()).await;
    let server = server.context("--otlp-grpc (listen.otlp_grpc) says where OTLP over gRPC is taken")?;
    let services = names.map(|name| (name, readiness::needs(ServiceName::Gateway)));
    node.port("OTLP (gRPC)", server, &services);
    let listener = llm_sre_mesh::server::listen(listen.otlp_http).with_context(|| {
        format!(
            "--otlp-http (listen.otlp_http) says where OTLP over HTTP is taken: failed to listen on {}",
            listen.otlp_http
        )
    })?;
    node.announce("OTLP (HTTP)", listener.local_addr()?.to_string());
    node.job("OTLP (HTTP)", |shutdown| async move { Ok(gateway.run_http(listener, access, shutdown).await?) });
    Ok(peer::local(routes))
}
