//! What the gateway tells of itself.

use std::collections::BTreeMap;
use std::time::Duration;

use llm_sre_mesh::metrics::{Attribute, instruments};
use tonic::Code;

use crate::batch::Batch;

/// Items of a request by service, and what became of them.
pub(crate) struct Items {
    topic: &'static str,
    /// By service and the reason of a rejection, which is empty for what was accepted.
    counts: BTreeMap<(String, String), usize>,
}

impl Items {
    /// Counts a request, where somebody wants to know.
    pub(crate) fn of(topic: &'static str, batch: &Batch) -> Self {
        let mut counts = BTreeMap::new();
        if instruments().are_exported() {
            let accepted = batch.records.iter().map(|record| (record, ""));
            let rejected = batch.dead.iter().map(|dead| (&dead.record, dead.reason.as_str()));
            for (record, reason) in accepted.chain(rejected) {
                for (service, items) in &record.services {
                    *counts.entry((service.to_string(), reason.to_owned())).or_default() += items;
                }
            }
        }
        Self { topic, counts }
    }

    /// The bus has them.
    pub(crate) fn are_taken(self) {
        for ((service, reason), count) in self.counts {
            let outcome = if reason.is_empty() { "accepted" } else { "rejected" };
            let attributes = [
                ("llm_sre.signal", self.topic.into()),
                ("llm_sre.source", service.into()),
                ("llm_sre.outcome", outcome.into()),
                ("llm_sre.reason", reason.into()),
            ];
            instruments().gateway_items.add(count, &attributes);
        }
    }
}

/// A request was answered, or refused with this code.
pub(crate) fn answered(topic: &'static str, took: Duration, refusal: Option<Code>) {
    let mut attributes: Vec<Attribute> = vec![("llm_sre.signal", topic.into())];
    attributes.extend(refusal.map(|code| ("error.type", format!("{code:?}").into())));
    instruments().gateway_request_duration.took(took, &attributes);
}

/// The bus has records.
pub(crate) fn sent(topic: &str, records: usize) {
    instruments().sent.add(records, &[("messaging.destination.name", topic.to_owned().into())]);
}

/// The bus has dead letters.
pub(crate) fn buried(topic: String, letters: usize) {
    let attributes = [("messaging.destination.name", topic.into()), ("llm_sre.rejected_by", "gateway".into())];
    instruments().dead_letters.add(letters, &attributes);
}
