//! What may be done about an incident: the catalogue of actions, the policy that bounds them, the plan that follows from
//! both, the life of an action, and the record of every step.
//!
//! [`plan`] leaves execution no choices: it names one action with all parameters, or says in types why there is none.
//! [`check_start`] is the same gate again, before the target is called. [`Action::apply`] is the only way from a plan to
//! an effect, and an action that is blocked, refused or expired has no way to a call.

mod action;
mod audit;
mod catalogue;
mod digest;
mod gate;
mod history;
mod hold;
mod pattern;
mod plan;
mod policy;
#[cfg(test)]
mod tests;

pub use action::{Action, ActionEffect, ActionEvent, ActionState, Decision, Illegal};
pub use audit::{AuditChain, AuditEntry, AuditHash, AuditRecord, AuditSubject, Broken, verify};
pub use catalogue::{
    ActionKind, ActionType, BlastRadius, Catalogue, Fact, INSTANCE, Parameter, ParameterError, ParameterKind,
    Parameters, Reversibility, Verification,
};
pub use digest::Digest;
pub use gate::{Block, BlockReason, Clearance, Spec, Surroundings, TargetState, check_start, check_undo};
pub use history::{History, PastAction};
pub use hold::{Freeze, Holds, MaintenanceHold};
pub use pattern::{PatternError, ServicePattern};
pub use plan::{NothingToDo, PersonReason, Plan, PlanInput, Proposed, plan};
pub use policy::{Autonomy, Limits, Policy, Rule};
