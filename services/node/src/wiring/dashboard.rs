//! The dashboard's port: the page, and the services that it asks.

use std::sync::Arc;

use anyhow::Context;
use llm_sre_mesh::server::Server;

use super::{Control, Parts, access};
use crate::cli::ServiceName;
use crate::node::Node;

/// Binds the port of the page.
pub(super) async fn dashboard(parts: &Parts, node: &mut Node, control: &Control) -> anyhow::Result<()> {
    // A page in virtual time would be seen by nobody. A process that is nothing but this goes on.
    if !parts.listens {
        node.job("dashboard", |shutdown| async move {
            shutdown.cancelled().await;
            Ok(())
        });
        return Ok(());
    }
    let service = llm_sre_dashboard::Service::build(llm_sre_dashboard::Dependencies {
        clock: Arc::clone(&parts.clock),
        detector: parts.detector(control)?,
        diagnosis: parts.diagnosis(control)?,
        indexer: parts.peer(control, ServiceName::Indexer, "peers.indexer", &parts.config.peers.indexer)?,
        remediation: parts.remediation(control)?,
    });
    let name = llm_sre_dashboard::Service::NAME;
    let asked = access::at_ports(&parts.config)?;
    let server = Server::bind(parts.config.listen.dashboard, service.routes(), &[name], asked.clone()).await;
    let server = server.context("--dashboard (listen.dashboard) says where the page is")?;
    let page = llm_sre_dashboard::Service::page(asked, parts.config.dashboard.trace_url.clone());
    node.port("dashboard", server.beside(page), &[(name, &[])]);
    Ok(())
}
