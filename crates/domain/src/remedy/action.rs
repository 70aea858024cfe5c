//! The life of an action.

use std::time::Duration;

use super::gate::Clearance;
use super::plan::blocked_report;
use super::{Block, Digest, PersonReason, Plan, Proposed, Reversibility};
use crate::Timestamp;
use crate::incident::{ActionId, Actor, EventKind, Verdict};

/// How long a target may take to undo an action. A minute less than the incident's own deadline for it is unless it is
/// configured, so that the action's word comes first.
const UNDO_DEADLINE: Duration = Duration::from_secs(540);

/// Where an action is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ActionState {
    /// Shown to people; policy does not let it be carried out.
    Suggested,
    /// Waits for a person.
    AwaitingApproval,
    /// May be carried out, by policy or by a person.
    Approved,
    /// Being carried out. The intent is stored before the call.
    Executing,
    /// Carried out; recovery is being measured.
    Verifying,
    /// Recovery was measured.
    Succeeded,
    /// No recovery could be measured in time, and nothing had to be undone.
    Ineffective,
    /// Being undone, since it did not help or a person ordered it.
    RollingBack,
    /// Undone.
    RolledBack,
    /// The target refused or failed it, without effect.
    Failed,
    /// Nobody knows whether it took effect. Its target is not called again.
    Unknown,
    /// A person refused it.
    Rejected,
    /// Nobody approved it in time, or nobody began it in time.
    Expired,
    /// Its incident ended before it was carried out, or a person withdrew it.
    Cancelled,
    /// A rule forbids it, and its target saw no call.
    Blocked,
    /// Undoing it failed.
    RollbackFailed,
}

impl ActionState {
    /// Whether it may touch its target now or soon.
    pub fn is_under_way(self) -> bool {
        matches!(self, Self::Approved | Self::Executing | Self::Verifying | Self::RollingBack)
    }

    /// Whether it has ended. A suggestion has not: it stands until its incident ends.
    pub fn is_terminal(self) -> bool {
        !self.is_under_way() && !matches!(self, Self::Suggested | Self::AwaitingApproval)
    }

    /// Whether the same action is passed over when the incident is planned for again in the same life: it was made, or
    /// a person did not want it.
    pub fn is_tried(self) -> bool {
        !matches!(self, Self::Suggested | Self::Blocked | Self::Cancelled)
    }

    /// Whether it was settled, and says nothing against the same action once the trouble is back: it helped, or nobody
    /// came to decide.
    pub(super) fn is_forgotten_on_return(self) -> bool {
        matches!(self, Self::Succeeded | Self::Expired)
    }

    /// Whether it was made and did not help.
    pub fn is_without_effect(self) -> bool {
        matches!(self, Self::Ineffective | Self::RolledBack | Self::RollbackFailed | Self::Failed)
    }
}

/// What a person decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// Whether it may be carried out.
    pub approved: bool,
    /// Who decided.
    pub actor: Actor,
    /// What that person wrote.
    pub note: String,
    /// When.
    pub time: Timestamp,
    /// The digest that was decided about.
    pub digest: Digest,
}

/// One action. [`Action::from_plan`] makes it and [`Action::apply`] is the only thing that changes it; the fields are
/// public so that the store's conversion can read and restore it.
#[derive(Clone, Debug, PartialEq)]
pub struct Action {
    /// What was planned. Frozen.
    pub plan: Proposed,
    /// Where it is in its life.
    pub state: ActionState,
    /// What a person decided; an approval is used up by the start.
    pub decision: Option<Decision>,
    /// Why it is blocked, or what would forbid a suggestion.
    pub blocks: Vec<Block>,
    /// Why it waits, or waited, for a person; empty where it did not.
    pub person_reasons: Vec<PersonReason>,
    /// What came of it, in one line; empty before anything did.
    pub outcome: String,
    /// When it was planned.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
    /// When its target was called, or was about to be; `None` once it is known that no call reached it and never will.
    pub executed_at: Option<Timestamp>,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// When the present state is given up; `None` in states that do not wait.
    pub deadline: Option<Timestamp>,
    /// The token under which its target was called; zero where `executed_at` is `None`.
    pub fencing_token: u64,
}

/// What can happen to an action.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ActionEvent {
    /// A person lets it go ahead.
    Approved {
        /// Who.
        actor: Actor,
        /// What that person wrote.
        note: String,
        /// The digest that the person saw.
        digest: Digest,
    },
    /// A person refuses it.
    Rejected {
        /// Who.
        actor: Actor,
        /// What that person wrote.
        note: String,
    },
    /// It is withdrawn before its target was called: by a person, or by the product because the incident ended.
    Cancelled {
        /// Who.
        actor: Actor,
        /// Why.
        note: String,
    },
    /// The gate forbids the start; or the intent was stored, a hold kept the call back for as long as there was time
    /// for it, and no target saw it or ever will.
    Blocked {
        /// Every rule that forbids it.
        blocks: Vec<Block>,
    },
    /// The gate is open, and the target is about to be called.
    Started {
        /// Leave to do so, from [`super::check_start`].
        clearance: Clearance,
        /// The token of the lease held.
        fencing_token: u64,
    },
    /// The target says that it is done.
    Succeeded,
    /// The target says that it failed, without effect.
    Failed {
        /// What it said.
        reason: String,
    },
    /// The target cannot say whether it took effect.
    OutcomeUnknown,
    /// Recovery was measured: the last word.
    Verified {
        /// What was measured.
        verdict: Verdict,
    },
    /// A person has it undone without waiting for the verdict.
    RollbackOrdered {
        /// Who.
        actor: Actor,
        /// What that person wrote.
        note: String,
    },
    /// The target undid it.
    Undone,
    /// The target did not undo it, or cannot say.
    UndoFailed {
        /// What it said.
        reason: String,
    },
    /// The clock passed the deadline. Nothing happens where it did not.
    DeadlinePassed,
}

/// What is to be done, after the action is stored.
#[derive(Clone, Debug, PartialEq)]
pub enum ActionEffect {
    /// Call the target's Execute with the plan's spec.
    Execute,
    /// Measure recovery as the plan's verification recipe says.
    MeasureRecovery,
    /// Call the target's Undo.
    Undo,
    /// Tell the incident's owner.
    Report(EventKind),
}

/// Why an event cannot happen to an action. The action is as it was.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Illegal {
    /// The state does not allow it.
    #[error("this is not possible in {state:?} of action {action}")]
    State {
        /// The action.
        action: ActionId,
        /// The state that it is in.
        state: ActionState,
    },
    /// What was decided about is not what is planned, or the clearance is for another plan.
    #[error("action {action} has the digest {expected}, not the one given")]
    Digest {
        /// The action.
        action: ActionId,
        /// The digest of its plan.
        expected: Digest,
    },
    /// The offer has ended.
    #[error("the approval of action {action} came after the offer ended at {deadline}")]
    Expired {
        /// The action.
        action: ActionId,
        /// When the offer ended.
        deadline: Timestamp,
    },
    /// The product cannot approve its own plan.
    #[error("action {action} needs a person, and {actor} is none")]
    NotAPerson {
        /// The action.
        action: ActionId,
        /// Who tried.
        actor: Actor,
    },
}

impl Action {
    /// The record of a plan, in the state that the plan gives it. `None` where the plan names no action yet.
    pub fn from_plan(plan: Plan, approval_expiry_s: u64, now: Timestamp) -> Option<Self> {
        let expiry = now + Duration::from_secs(approval_expiry_s);
        let mut person_reasons = vec![];
        let (plan, state, blocks, deadline) = match plan {
            Plan::Execute(action) => (action, ActionState::Approved, vec![], Some(expiry)),
            Plan::AwaitApproval { action, expires_at, reasons } => {
                person_reasons = reasons;
                (action, ActionState::AwaitingApproval, vec![], Some(expires_at))
            }
            Plan::Suggest { action, obstacles } => (action, ActionState::Suggested, obstacles, None),
            Plan::Blocked { action, blocks } => (action, ActionState::Blocked, blocks, None),
            Plan::AskTarget(_) | Plan::NothingToDo(_) => return None,
        };
        Some(Self {
            plan: *plan,
            state,
            decision: None,
            blocks,
            person_reasons,
            outcome: String::new(),
            created_at: now,
            updated_at: now,
            executed_at: None,
            ended_at: state.is_terminal().then_some(now),
            deadline,
            fencing_token: 0,
        })
    }

    /// Takes note of an event and says what is to be done. A report of what the action already knows changes nothing
    /// and returns no effects; a decision or a start is never taken twice.
    ///
    /// # Errors
    /// When the event cannot happen now. The action is unchanged.
    pub fn apply(&mut self, event: ActionEvent, now: Timestamp) -> Result<Vec<ActionEffect>, Illegal> {
        let mut next = self.clone();
        let effects = next.take(event, now)?;
        if next != *self {
            next.updated_at = now;
            *self = next;
        }
        Ok(effects)
    }
}

mod transition;
