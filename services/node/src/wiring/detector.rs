//! The detector, at the pace of the clock.

use std::sync::Arc;
use std::time::Duration;

use tonic::service::Routes;

use super::{Control, Parts};
use crate::cli::ServiceName;
use crate::node::Node;

/// How long a look for telemetry waits in virtual time.
const VIRTUAL_POLL_WAIT: Duration = Duration::from_millis(100);
/// The least time between two looks for duties of incidents, in real time.
const TICK_MIN: Duration = Duration::from_millis(50);

/// Builds it; nothing runs yet.
pub(super) fn detector(parts: &Parts, node: &mut Node, control: &mut Control) -> anyhow::Result<()> {
    let defaults = llm_sre_detector::Options::default();
    let options = llm_sre_detector::Options {
        rules: parts.config.incidents.clone(),
        objectives: parts.config.objectives(),
        user_facing: parts.config.user_facing(),
        // What is late in the sender's time is late by so much less in real time.
        tick: Duration::from_secs(1).div_f64(parts.simulation.speed.max(1.0)).max(TICK_MIN),
        // In virtual time looks cost, and what a look finds a little later changes nothing.
        poll_wait: if parts.listens { defaults.poll_wait } else { VIRTUAL_POLL_WAIT },
        seed: parts.chance.series_seed,
        records_signals: parts.listens,
        keep_recordings_for: parts.config.store.keep_recordings_for(),
        // A clock in a hurry leaves less real time to catch up in.
        stale_after: defaults.stale_after.mul_f64((parts.simulation.speed / 6.0).max(1.0)),
        ..defaults
    };
    let service = llm_sre_detector::Service::build(
        options,
        llm_sre_detector::Dependencies {
            documents: Arc::clone(&parts.backend.documents),
            leases: Arc::clone(&parts.backend.leases),
            bus: Arc::clone(&parts.backend.bus),
            clock: Arc::clone(&parts.clock),
            ids: Arc::clone(&parts.chance.ids),
            diagnoses: parts.diagnosis(control)?,
            remediation: parts.remediation(control)?,
            stages: parts.stages(node, "detector")?,
            holder: parts.holder.clone(),
        },
    );
    control.serve(ServiceName::Detector, llm_sre_detector::Service::NAME, Routes::new(service.server()));
    control.serve(ServiceName::Detector, llm_sre_detector::Service::FLEET_NAME, Routes::new(service.fleet_server()));
    node.job("detector", |shutdown| async move { Ok(Box::pin(service.run(shutdown)).await?) });
    Ok(())
}
