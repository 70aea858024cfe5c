//! The indexer, from the bus to the telemetry store.

use std::sync::Arc;

use super::{Control, Parts};
use crate::cli::ServiceName;
use crate::node::Node;

/// Builds it; nothing runs yet.
pub(super) fn indexer(parts: &Parts, node: &mut Node, control: &mut Control) {
    let options = llm_sre_indexer::Options {
        keep_for: parts.config.store.keep_for(),
        keep_bytes: Some(parts.config.store.keep_bytes()),
        seed: parts.chance.waits_seed,
        ..llm_sre_indexer::Options::default()
    };
    let dependencies = llm_sre_indexer::Dependencies {
        bus: Arc::clone(&parts.backend.bus),
        store: Arc::clone(&parts.backend.telemetry),
        clock: Arc::clone(&parts.clock),
    };
    let indexer = llm_sre_indexer::build(options, dependencies);
    control.serve(ServiceName::Indexer, llm_sre_indexer::SERVICE_NAME, indexer.routes());
    node.job("indexer", |shutdown| async move { Ok(indexer.run(shutdown).await?) });
}
