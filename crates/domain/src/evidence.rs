//! What a diagnosis may argue from: facts with ids, the call graph, what people said and what repairs came to before,
//! and what is known to be missing.

use std::collections::BTreeSet;

use crate::diagnose::Cause;
use crate::incident::{ActionId, IncidentId, Ruling};
use crate::remedy::{Action, ActionKind, ActionState};
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
    /// A person judged an incident before this one.
    Precedent(Precedent),
    /// A repair was made before.
    Attempt(Attempt),
}

/// A past incident that a person judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Precedent {
    /// The past incident.
    pub incident: IncidentId,
    /// The service that it was about.
    pub service: ServiceId,
    /// Whether it had the fingerprint of the incident at hand. Else it was about the same service, and says less.
    pub is_same: bool,
    /// When the person said so, by the product's clock.
    pub judged_at: Timestamp,
    /// What the person said.
    pub ruling: Ruling,
    /// What the judged diagnosis had named first; `None` where it named nothing or is not there any more.
    pub diagnosed: Option<Cause>,
}

impl Precedent {
    /// What the cause was, as a person said or confirmed it; `None` for a false alarm, and where nobody knows what was
    /// confirmed.
    pub fn cause(&self) -> Option<&Cause> {
        match &self.ruling {
            Ruling::FalseAlarm => None,
            Ruling::Confirmed => self.diagnosed.as_ref(),
            Ruling::OtherCause(cause) => Some(cause),
        }
    }

    /// What the diagnosis had named and a person said that it was not; `None` where they agree. That there was nothing
    /// says nothing of one cause against another.
    pub fn refuted(&self) -> Option<&Cause> {
        match &self.ruling {
            Ruling::FalseAlarm | Ruling::Confirmed => None,
            Ruling::OtherCause(cause) => self.diagnosed.as_ref().filter(|diagnosed| *diagnosed != cause),
        }
    }
}

/// A repair that was made before, for the incident at hand or for one with the same fingerprint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// The incident that it was for.
    pub incident: IncidentId,
    /// Which action.
    pub action: ActionId,
    /// What was done, to the service of the cause.
    pub kind: ActionKind,
    /// What it was to cure.
    pub cause: Cause,
    /// Whether it was for the incident at hand, since that was opened or opened again last.
    pub is_of_this_life: bool,
    /// What came of it.
    pub outcome: Outcome,
    /// When its target was called, by the product's clock.
    pub executed_at: Timestamp,
    /// When it ended, by the product's clock.
    pub ended_at: Timestamp,
}

impl Attempt {
    /// What an action says of an incident whose present life began then; `None` where its target was not called, or it
    /// has not ended.
    pub fn of(action: &Action, incident: IncidentId, life_began: Timestamp) -> Option<Self> {
        let plan = &action.plan;
        let (outcome, executed_at, ended_at) = (Outcome::of(action.state)?, action.executed_at?, action.ended_at?);
        Some(Self {
            incident: plan.incident,
            action: plan.id,
            kind: plan.spec.kind,
            cause: Cause { service: plan.spec.target.clone(), kind: plan.cause },
            is_of_this_life: plan.incident == incident && ended_at >= life_began,
            outcome,
            executed_at,
            ended_at,
        })
    }
}

/// What a repair came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// Recovery was measured after it.
    Helped,
    /// No recovery was measured, or the target failed it.
    Vain,
    /// Nobody knows whether it took effect.
    Unknown,
}

impl Outcome {
    /// What a state of an action says of what came of it; `None` where the target was not called, or it has not ended.
    pub fn of(state: ActionState) -> Option<Self> {
        match state {
            ActionState::Succeeded => Some(Self::Helped),
            ActionState::Unknown => Some(Self::Unknown),
            state if state.is_without_effect() => Some(Self::Vain),
            _ => None,
        }
    }
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
