//! What services cannot work without, and how each is asked whether it is there: by a cheap call that they make anyway.

use std::sync::Arc;
use std::time::Duration;

use llm_sre_domain::Timestamp;
use llm_sre_mesh::readiness::Readiness;
use llm_sre_ports::telemetry::Range;
use llm_sre_proto::topics;

use super::Backend;
use crate::cli::ServiceName;

const BUS: &str = "event bus";
const DOCUMENTS: &str = "documents";
const TELEMETRY: &str = "telemetry store";

/// What a service needs. The others of the product are not among it: who does without one for a while goes on when it
/// is back, and loses nothing.
pub(super) fn needs(service: ServiceName) -> &'static [&'static str] {
    match service {
        ServiceName::Simulator | ServiceName::Dashboard => &[],
        ServiceName::Gateway => &[BUS],
        ServiceName::Indexer => &[BUS, TELEMETRY],
        ServiceName::Detector => &[BUS, DOCUMENTS],
        ServiceName::Diagnosis | ServiceName::Remediation => &[DOCUMENTS, TELEMETRY],
    }
}

/// Whether one of these services cannot work without the event bus.
pub(crate) fn need_bus<'a>(services: impl IntoIterator<Item = &'a ServiceName>) -> bool {
    services.into_iter().any(|service| needs(*service).contains(&BUS))
}

/// Whether one of these services cannot work without the store.
pub(crate) fn need_store<'a>(services: impl IntoIterator<Item = &'a ServiceName>) -> bool {
    services.into_iter().any(|service| needs(*service).iter().any(|need| *need != BUS))
}

/// Asks for what these services need.
pub(super) fn ask<'a>(
    readiness: &mut Readiness,
    services: impl IntoIterator<Item = &'a ServiceName>,
    backend: &Backend,
) {
    let needed: Vec<&str> = services.into_iter().flat_map(|service| needs(*service)).copied().collect();
    if needed.contains(&BUS) {
        let bus = Arc::clone(&backend.bus);
        readiness.dependency(BUS, move || {
            let bus = Arc::clone(&bus);
            async move { said(bus.end_offsets(topics::METRICS).await) }
        });
    }
    if needed.contains(&DOCUMENTS) {
        let documents = Arc::clone(&backend.documents);
        readiness.dependency(DOCUMENTS, move || {
            let documents = Arc::clone(&documents);
            async move { said(documents.get("readiness", "nobody").await) }
        });
    }
    if needed.contains(&TELEMETRY) {
        let telemetry = Arc::clone(&backend.telemetry);
        // Nothing is so old, so that nothing is to be looked through.
        let nothing = Range { start: Timestamp::EPOCH, end: Timestamp::EPOCH + Duration::from_secs(1) };
        readiness.dependency(TELEMETRY, move || {
            let telemetry = Arc::clone(&telemetry);
            async move { said(telemetry.changes(nothing, None, 1).await) }
        });
    }
}

fn said<T>(answer: Result<T, impl std::fmt::Display>) -> Result<(), String> {
    answer.map(|_| ()).map_err(|error| error.to_string())
}
