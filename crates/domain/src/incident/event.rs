//! What can happen to an incident, and what is to be done about it.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use super::{
    ActionId, Actor, Coverage, DiagnosisId, EscalationReason, IdError, IncidentId, ResolutionReason, Ruling, Severity,
};
use crate::{Anomaly, ServiceId, Timestamp};

/// Names one happening, so that its second report is known for what it is. The reporter derives it from what happened
/// (`actions/{id}/started`) or takes the `request_id` of the call that caused it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventId(Arc<str>);

impl EventId {
    /// # Errors
    /// When the id is empty: all events without a name would be one.
    pub fn new(id: &str) -> Result<Self, IdError> {
        if id.is_empty() { Err(IdError::Empty { what: "event" }) } else { Ok(Self(id.into())) }
    }

    /// The id's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Something that happened, as somebody reported it.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// Names it.
    pub id: EventId,
    /// Who did it.
    pub actor: Actor,
    /// What happened.
    pub kind: EventKind,
}

/// What a measurement says about recovery.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verdict {
    /// Enough samples were seen, and all signals are back.
    Recovered,
    /// Enough samples were seen, and a signal is still out of its range.
    NotRecovered,
    /// Silence, a failed query or too few samples. Never closes an incident.
    Inconclusive,
}

/// What policy makes of a proposed action.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proposal {
    /// It is executed at once.
    Automatic,
    /// It waits for a person until the time given.
    NeedsApproval {
        /// When the offer ends.
        expires_at: Timestamp,
    },
    /// It is shown and cannot be executed.
    Suggested,
}

/// How a person ends an incident.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HandReason {
    /// It is dealt with.
    Manual,
    /// There was nothing.
    FalsePositive,
}

/// What happened.
#[derive(Clone, Debug, PartialEq)]
pub enum EventKind {
    /// Correlation joined an anomaly to it, or saw a known one again. Idempotent by the anomaly's id.
    AnomalyJoined(Box<Anomaly>),
    /// The impact was judged again. Services are added and severity rises; neither is taken back.
    ImpactMeasured {
        /// Services that suffer, with the onset there.
        impacts: BTreeMap<ServiceId, Timestamp>,
        /// What [`super::severity`] says now.
        severity: Severity,
    },
    /// Every signal went back into its range. Not yet recovery: that is to be measured.
    SignalsCleared,
    /// Recovery was measured while no action was under way.
    RecoveryMeasured {
        /// What was measured; only [`Verdict::Recovered`] has an effect.
        verdict: Verdict,
    },
    /// Somebody began to explain it.
    DiagnosisStarted {
        /// The diagnosis.
        diagnosis: DiagnosisId,
    },
    /// It is explained: there are hypotheses to plan from.
    DiagnosisFinished {
        /// The diagnosis.
        diagnosis: DiagnosisId,
    },
    /// Diagnosis looked at the evidence and supports no hypothesis.
    DiagnosisUnresolved {
        /// The diagnosis.
        diagnosis: DiagnosisId,
    },
    /// Diagnosis could not be carried out.
    DiagnosisFailed {
        /// The diagnosis.
        diagnosis: DiagnosisId,
        /// Why, in one line.
        reason: String,
    },
    /// A plan was made.
    ActionProposed {
        /// The action.
        action: ActionId,
        /// What policy makes of it.
        proposal: Proposal,
        /// What it does, in one line.
        summary: String,
    },
    /// Policy or a precondition blocks every plan.
    PlanBlocked {
        /// Why, in one line.
        reason: String,
    },
    /// A plan is there and may not go ahead yet: time alone lifts what it waits for.
    PlanWaits {
        /// What would be done.
        action: ActionId,
        /// What it waits for, in one line.
        reason: String,
    },
    /// A plan that waited is given up.
    PlanDropped {
        /// What would have been done.
        action: ActionId,
        /// Why, in one line.
        reason: String,
    },
    /// The catalogue has nothing for what the hypotheses say.
    NothingToDo {
        /// Why, in one line.
        reason: String,
    },
    /// All the attempts that policy allows were made.
    AttemptsExhausted,
    /// A person let the action go ahead.
    ActionApproved {
        /// The action.
        action: ActionId,
    },
    /// A person refused or withdrew the action.
    ActionRejected {
        /// The action.
        action: ActionId,
    },
    /// Nobody answered in time.
    ApprovalExpired {
        /// The action.
        action: ActionId,
    },
    /// The action's intent is stored and its target is being called.
    ActionStarted {
        /// The action.
        action: ActionId,
    },
    /// The target says that the action took effect. Whether it helped is to be measured.
    ActionSucceeded {
        /// The action.
        action: ActionId,
    },
    /// The target says that the action failed.
    ActionFailed {
        /// The action.
        action: ActionId,
        /// Why, in one line.
        reason: String,
    },
    /// The target cannot say whether the action took effect.
    ActionUnknown {
        /// The action.
        action: ActionId,
    },
    /// Recovery was measured after an action; the last word, within the recipe's deadline.
    Verified {
        /// The action.
        action: ActionId,
        /// What was measured.
        verdict: Verdict,
        /// Which signals say so, in one line; empty where nobody knows.
        reason: String,
    },
    /// A person ordered that the action be undone before the verdict.
    RollbackStarted {
        /// The action.
        action: ActionId,
    },
    /// The action is undone, or there was nothing to undo.
    RolledBack {
        /// The action.
        action: ActionId,
    },
    /// The action could not be undone.
    RollbackFailed {
        /// The action.
        action: ActionId,
        /// Why, in one line.
        reason: String,
    },
    /// A person took notice. Possible in every state; changes none.
    Acknowledged {
        /// What that person wrote.
        note: String,
    },
    /// A person said what it was. Possible in every state; changes none, and replaces what was said before.
    Judged {
        /// What it was.
        ruling: Ruling,
        /// What that person wrote.
        note: String,
    },
    /// A person ended it. As a false positive, that it was a false alarm is said with it.
    ResolvedByHand {
        /// How.
        reason: HandReason,
        /// What that person wrote.
        note: String,
    },
    /// It is the effect of another incident.
    MarkedDuplicate {
        /// The other.
        of: IncidentId,
    },
    /// The clock passed the deadline. Nothing happens where it did not: timers may be early.
    DeadlinePassed,
    /// The same trouble came back within the reopen window.
    Reopened {
        /// What shows it.
        anomaly: Box<Anomaly>,
        /// How bad it is now.
        severity: Severity,
        /// What covers it now.
        coverage: Option<Coverage>,
    },
}

impl EventKind {
    /// Whether its id is kept. Frequent events that are idempotent by nature would push the others out.
    pub(super) fn is_remembered(&self) -> bool {
        match self {
            Self::AnomalyJoined(_)
            | Self::ImpactMeasured { .. }
            | Self::PlanWaits { .. }
            | Self::SignalsCleared
            | Self::DeadlinePassed => false,
            Self::RecoveryMeasured { verdict } => *verdict == Verdict::Recovered,
            _ => true,
        }
    }

    /// Its name, for errors and logs.
    pub fn name(&self) -> &'static str {
        match self {
            Self::AnomalyJoined(_) => "anomaly joined",
            Self::ImpactMeasured { .. } => "impact measured",
            Self::SignalsCleared => "signals cleared",
            Self::RecoveryMeasured { .. } => "recovery measured",
            Self::DiagnosisStarted { .. } => "diagnosis started",
            Self::DiagnosisFinished { .. } => "diagnosis finished",
            Self::DiagnosisUnresolved { .. } => "diagnosis unresolved",
            Self::DiagnosisFailed { .. } => "diagnosis failed",
            Self::ActionProposed { .. } => "action proposed",
            Self::PlanBlocked { .. } => "plan blocked",
            Self::PlanWaits { .. } => "plan waits",
            Self::PlanDropped { .. } => "plan dropped",
            Self::NothingToDo { .. } => "nothing to do",
            Self::AttemptsExhausted => "attempts exhausted",
            Self::ActionApproved { .. } => "action approved",
            Self::ActionRejected { .. } => "action rejected",
            Self::ApprovalExpired { .. } => "approval expired",
            Self::ActionStarted { .. } => "action started",
            Self::ActionSucceeded { .. } => "action succeeded",
            Self::ActionFailed { .. } => "action failed",
            Self::ActionUnknown { .. } => "action outcome unknown",
            Self::Verified { .. } => "recovery verified",
            Self::RollbackStarted { .. } => "rollback started",
            Self::RolledBack { .. } => "rolled back",
            Self::RollbackFailed { .. } => "rollback failed",
            Self::Acknowledged { .. } => "acknowledged",
            Self::Judged { .. } => "judged",
            Self::ResolvedByHand { .. } => "resolved by hand",
            Self::MarkedDuplicate { .. } => "marked duplicate",
            Self::DeadlinePassed => "deadline passed",
            Self::Reopened { .. } => "reopened",
        }
    }
}

/// What is to be done. Services carry effects out after the incident is stored; reconciliation does again what a crash
/// left undone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Ask the diagnosis service to explain it.
    RequestDiagnosis,
    /// Ask the remediation service for a plan from the newest diagnosis.
    RequestPlan,
    /// Measure recovery: after the action, or without one.
    CheckRecovery {
        /// The action whose effect is measured.
        action: Option<ActionId>,
    },
    /// Undo the action, or report that there is nothing to undo. The remediation service knows by itself where the
    /// verdict was its own; this is for the incident's deadline.
    RollBack {
        /// The action.
        action: ActionId,
    },
    /// Cancel what waits or has not begun.
    CancelPendingActions,
    /// A person must take over.
    Escalate {
        /// Why.
        reason: EscalationReason,
    },
    /// Tell people. The cooldown was applied already, and no window covers it.
    Notify(Notice),
}

/// What people are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notice {
    /// There is a new incident.
    Opened,
    /// It is back.
    Reopened,
    /// Nobody has acknowledged an escalated incident for long.
    Reminder,
    /// It is worse than was said.
    SeverityRose {
        /// How bad it is now.
        to: Severity,
    },
    /// A person must take over.
    Escalated {
        /// Why.
        reason: EscalationReason,
    },
    /// An action waits for approval.
    ApprovalWanted {
        /// The action.
        action: ActionId,
        /// When the offer ends.
        expires_at: Timestamp,
    },
    /// It ended.
    Resolved {
        /// How.
        reason: ResolutionReason,
    },
    /// It lived through a maintenance window, which is over.
    MaintenanceOver {
        /// How many notices were withheld meanwhile.
        withheld: u32,
    },
}

/// How the cooldown treats a notice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Urgency {
    /// Held back within the cooldown of any other.
    Routine,
    /// Held back within the cooldown of another urgent one.
    Urgent,
    /// Never held back and starts no cooldown: each happens once for a state that others bound.
    Always,
}

impl Notice {
    pub(super) fn urgency(self) -> Urgency {
        match self {
            Self::Opened | Self::Reopened | Self::Reminder => Urgency::Routine,
            Self::SeverityRose { .. } | Self::Escalated { .. } => Urgency::Urgent,
            Self::ApprovalWanted { .. } | Self::Resolved { .. } | Self::MaintenanceOver { .. } => Urgency::Always,
        }
    }
}
