//! Where an incident is, and why it is there.

use super::Actor;
use crate::Timestamp;

/// Where an incident is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    /// Detected, not yet looked at.
    Open,
    /// Being explained, or a plan is being made from the explanation.
    Diagnosing,
    /// A repair waits for a person.
    AwaitingApproval,
    /// A repair is being carried out.
    Remediating,
    /// Recovery is being measured.
    Verifying,
    /// A repair that did not help is being undone.
    RollingBack,
    /// A person must take over. It can still recover or be resolved by hand.
    Escalated,
    /// Ended; see the resolution.
    Resolved,
    /// Ended: it was the effect of another incident.
    Duplicate,
}

impl State {
    /// Whether the incident has ended. Every other state waits for something and has a deadline.
    pub fn is_terminal(self) -> bool {
        matches!(self, Self::Resolved | Self::Duplicate)
    }

    /// Whether an action may have touched its target and its outcome is not settled.
    pub fn is_acting(self) -> bool {
        matches!(self, Self::Remediating | Self::Verifying | Self::RollingBack)
    }
}

/// Why an incident counts as resolved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ResolutionReason {
    /// Recovery was measured after a repair.
    Measured,
    /// Recovery was measured without a repair.
    SelfRecovered,
    /// A person said so.
    Manual,
    /// A person said that there was nothing.
    FalsePositive,
}

/// How an incident was resolved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolution {
    /// Why it counts as resolved.
    pub reason: ResolutionReason,
    /// Who resolved it.
    pub actor: Actor,
    /// What that person wrote; empty for the product itself.
    pub note: String,
    /// When.
    pub time: Timestamp,
}

/// Why a person must take over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EscalationReason {
    /// No hypothesis was supported by the evidence.
    UnresolvedDiagnosis,
    /// Diagnosis failed or did not end in time.
    DiagnosisFailed,
    /// Policy shows the plan and does not let it be carried out.
    SuggestionOnly,
    /// Policy or a precondition blocks every plan.
    Blocked,
    /// The approval was refused, withdrawn or came too late.
    NotApproved,
    /// Every attempt that policy allows was made without measured recovery.
    AttemptsExhausted,
    /// Nobody knows whether an action took effect.
    OutcomeUnknown,
    /// Nobody began to explain it, or no diagnosis or plan came in time.
    Deadline,
    /// Undoing an action failed.
    RollbackFailed,
    /// The catalogue has no action for what the hypotheses say.
    NoAction,
}

impl EscalationReason {
    /// Whether a diagnosis that comes late settles what the escalation was about, so that planning may go on: a killed
    /// process delays an incident and never loses it.
    pub fn is_lifted_by_diagnosis(self) -> bool {
        matches!(self, Self::UnresolvedDiagnosis | Self::DiagnosisFailed | Self::NoAction | Self::Deadline)
    }
}
