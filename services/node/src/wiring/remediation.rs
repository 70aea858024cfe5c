//! The remediation service, and the targets that it may act on.

use std::sync::Arc;

use anyhow::Context;
use llm_sre_domain::remedy::{Catalogue, ServicePattern};
use tonic::service::Routes;

use super::{Control, Parts, access};
use crate::cli::ServiceName;
use crate::node::Node;

/// Builds it; nothing runs yet.
pub(super) fn remediation(parts: &Parts, node: &mut Node, control: &mut Control) -> anyhow::Result<()> {
    let mut targets = Vec::new();
    for (index, target) in parts.config.targets.iter().enumerate() {
        let token = access::for_target(index, target)?;
        targets.push((target.service.clone(), parts.ways.to_target(&target.endpoint, token.as_ref())?));
    }
    if parts.services.contains(&ServiceName::Simulator) {
        let shop = ServicePattern::parse(llm_sre_simulator::SERVICES).context("the shop's pattern is invalid")?;
        targets.push((shop, control.slot.peer()));
    }
    let service = llm_sre_remediation::Service::build(llm_sre_remediation::Dependencies {
        documents: Arc::clone(&parts.backend.documents),
        leases: Arc::clone(&parts.backend.leases),
        telemetry: Arc::clone(&parts.backend.telemetry),
        clock: Arc::clone(&parts.clock),
        ids: Arc::clone(&parts.chance.ids),
        incidents: parts.detector(control)?,
        diagnoses: parts.diagnosis(control)?,
        targets,
        policy: parts.policy.clone(),
        catalogue: Catalogue::default(),
        stages: parts.stages(node, "remediation")?,
        holder: parts.holder.clone(),
    });
    control.serve(ServiceName::Remediation, llm_sre_remediation::Service::NAME, Routes::new(service.server()));
    node.job("remediation", |shutdown| async move {
        Box::pin(service.run(shutdown)).await;
        Ok(())
    });
    Ok(())
}
