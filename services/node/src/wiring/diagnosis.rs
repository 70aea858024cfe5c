//! The diagnosis service, with or without a model.

use std::sync::Arc;

use tonic::service::Routes;

use super::{Control, Parts, model};
use crate::cli::ServiceName;
use crate::node::Node;

/// Builds it; nothing runs yet.
pub(super) fn diagnosis(parts: &Parts, node: &mut Node, control: &mut Control) -> anyhow::Result<()> {
    let service = llm_sre_diagnosis::Service::build(llm_sre_diagnosis::Dependencies {
        documents: Arc::clone(&parts.backend.documents),
        telemetry: Arc::clone(&parts.backend.telemetry),
        clock: Arc::clone(&parts.clock),
        ids: Arc::clone(&parts.chance.ids),
        incidents: parts.detector(control)?,
        remediation: parts.remediation(control)?,
        stages: parts.stages(node, "diagnosis")?,
        advising: model::advising(&parts.config, &parts.backend.leases)?,
    });
    control.serve(ServiceName::Diagnosis, llm_sre_diagnosis::Service::NAME, Routes::new(service.server()));
    node.job("diagnosis", |shutdown| async move {
        Box::pin(service.run(shutdown)).await;
        Ok(())
    });
    Ok(())
}
