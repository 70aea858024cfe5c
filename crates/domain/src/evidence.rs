//! What a diagnosis may argue from: facts with ids, the call graph, and what is known to be missing.

use std::collections::BTreeSet;

use crate::telemetry::{Change, LogSeverity, Origin};
use crate::topology::Topology;
use crate::{Anomaly, ServiceId, Timestamp};

/// Names a fact within one incident: derived from the fact, so the same fact keeps its id in every diagnosis.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct EvidenceId(pub String);

/// An immutable picture of what was known about an incident at one time.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Evidence {
    /// Event time up to which telemetry was considered.
    pub as_of: Timestamp,
    /// The facts, in order of time.
    pub facts: Vec<Fact>,
    /// Who calls whom, at least around the services that the facts speak of.
    pub topology: Topology,
    /// What could not be looked at.
    pub gaps: Vec<Gap>,
    /// Services that other incidents are about. What they show counts, since others suffer from it, but none of them is
    /// the cause here.
    pub apart: BTreeSet<ServiceId>,
}

/// One fact with its id.
#[derive(Clone, Debug, PartialEq)]
pub struct Fact {
    /// Its name in citations.
    pub id: EvidenceId,
    /// What it says.
    pub observation: Observation,
}

/// What a fact says.
#[derive(Clone, Debug, PartialEq)]
pub enum Observation {
    /// A signal left its range.
    Anomaly(Anomaly),
    /// Log lines of one template.
    LogTemplate(LogTemplate),
    /// Something was changed.
    Change(Change),
}

/// Log lines of one shape.
#[derive(Clone, Debug, PartialEq)]
pub struct LogTemplate {
    /// The service that wrote them.
    pub service: ServiceId,
    /// The process that wrote them, where it is one only.
    pub origin: Origin,
    /// The lines with their variable parts as `<*>`.
    pub template: String,
    /// The worst severity among them.
    pub severity: LogSeverity,
    /// How many since the incident's onset.
    pub count: u64,
    /// When the first of them was written, ever.
    pub first_seen: Timestamp,
    /// Whether the template was never seen before the incident's onset.
    pub is_new: bool,
    /// A few of the lines, verbatim, oldest first.
    pub exemplars: Vec<String>,
    /// Hexadecimal trace ids of the exemplars; empty where a line had none.
    pub exemplar_traces: Vec<String>,
}

/// Something that could not be looked at, so that its absence proves nothing.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Gap {
    /// What is missing, such as `logs of checkout`.
    pub subject: String,
    /// Why, such as `the store did not answer in 2 s`.
    pub reason: String,
}
