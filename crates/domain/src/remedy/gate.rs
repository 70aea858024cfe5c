//! Every rule that can forbid an action, in one place: the plan asks it, `validate_only` asks it, and it is asked again
//! before the target is called.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::catalogue::VALUE;
use super::{
    Action, ActionKind, ActionState, BlastRadius, Catalogue, Digest, Fact, History, Holds, Parameters, PastAction,
    Policy, Proposed,
};
use super::{Autonomy, Reversibility};
use crate::incident::{ActionId, Fingerprint, IncidentId};
use crate::{ServiceId, Timestamp};

/// What to do to what; the action without its reasons.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Spec {
    /// Which type of action.
    pub kind: ActionKind,
    /// The service that it is done to.
    pub target: ServiceId,
    /// All parameters, checked.
    pub parameters: Parameters,
}

/// What the target said when it was asked to validate a [`Spec`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TargetState {
    /// It would do it.
    Ready {
        /// How it describes itself.
        facts: BTreeMap<String, String>,
        /// Whether its Undo could take the action back.
        can_undo: bool,
    },
    /// It would refuse, or could not be asked.
    Refused {
        /// Why, in one line.
        reason: String,
    },
}

/// One reason why an action may not be carried out.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Block {
    /// Which rule.
    pub reason: BlockReason,
    /// The rule applied to this action, in one line.
    pub detail: String,
}

/// Rules that forbid an action.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum BlockReason {
    /// The target is not enrolled.
    NotEnrolled,
    /// The target is protected.
    Protected,
    /// The target was never seen in telemetry, or did not name itself.
    NotSeen,
    /// Policy does not let the product act here.
    Autonomy,
    /// It touches more than policy allows.
    BlastRadius,
    /// The target met too many actions in the window.
    RateLimit,
    /// Another action is under way on the same target.
    TargetBusy,
    /// Too many actions are under way in the whole fleet.
    FleetLimit,
    /// The same action on the same fingerprint had no effect too often.
    Ineffective,
    /// What was cured on the target came back too often.
    Relapse,
    /// Nobody knows what an earlier action did to the target; it is not called again.
    OutcomeUnknown,
    /// The target refuses it.
    Refused,
    /// The target does not say what has to be known.
    Precondition,
    /// The plan, the policy or the target changed since it was decided.
    DigestMismatch,
    /// The incident's attempts are used up.
    AttemptsExhausted,
    /// The same action on the same target was used for another incident a short while ago.
    Cooldown,
    /// A person ordered that nothing is done.
    KillSwitch,
    /// A person ordered that nothing is done to the target for some time.
    Freeze,
    /// The incident or the target is in maintenance.
    Maintenance,
    /// The catalogue has no such type of action, or not with these parameters.
    Catalogue,
}

impl BlockReason {
    /// Whether it is lifted without anything about the plan or the target changing, so that trying again later is worth
    /// more than calling people now.
    pub fn is_passing(self) -> bool {
        matches!(
            self,
            Self::RateLimit
                | Self::TargetBusy
                | Self::FleetLimit
                | Self::Cooldown
                | Self::KillSwitch
                | Self::Freeze
                | Self::Maintenance
        )
    }
}

impl Block {
    fn new(reason: BlockReason, detail: impl Into<String>) -> Self {
        Self { reason, detail: detail.into() }
    }
}

/// What the rules look at beside the plan itself.
#[derive(Clone, Copy, Debug)]
pub struct Surroundings<'a> {
    /// The actions that there are.
    pub catalogue: &'a Catalogue,
    /// What people allow.
    pub policy: &'a Policy,
    /// What people ordered to be left alone.
    pub holds: &'a Holds,
    /// What was done before.
    pub history: &'a History,
    /// The services seen in telemetry within its retention.
    pub seen: &'a BTreeSet<ServiceId>,
    /// The product's clock.
    pub now: Timestamp,
}

/// Leave to call the target for one plan. Only [`check_start`] gives it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Clearance {
    action: ActionId,
    digest: Digest,
    /// How long its target may take.
    pub(super) within: Duration,
}

impl Clearance {
    /// Whether it is for this plan.
    pub(super) fn is_for(&self, plan: &Proposed) -> bool {
        self.action == plan.id && self.digest == plan.digest
    }
}

/// Asks every rule again, for an action about to start: limits and policy as they are now, the target as it is now, and
/// that neither is other than what was decided about.
///
/// # Errors
/// All the rules that forbid it; never empty.
pub fn check_start(action: &Action, around: Surroundings<'_>, target: &TargetState) -> Result<Clearance, Vec<Block>> {
    let plan = &action.plan;
    let mut blocks = policy_blocks(&plan.spec, plan.incident, &plan.fingerprint, Some(plan.id), around);
    let rung = around.policy.autonomy(&plan.spec.target, plan.spec.kind);
    let decided = action.decision.as_ref().is_some_and(|decision| decision.approved);
    if rung < Autonomy::Approve || (rung < Autonomy::Auto && !decided) {
        blocks.push(Block::new(BlockReason::Autonomy, format!("policy is {rung:?} for {}", plan.spec.target)));
    }
    blocks.extend(target_blocks(&plan.spec, around.catalogue, target));
    if Digest::of(plan, around.policy, Some(target)) != plan.digest {
        blocks.push(Block::new(BlockReason::DigestMismatch, "the plan, the policy or the target changed since"));
    }
    blocks.sort();
    if !blocks.is_empty() {
        return Err(blocks);
    }
    let within = Duration::from_secs(around.policy.limits.execution_s);
    Ok(Clearance { action: plan.id, digest: plan.digest, within })
}

/// The rules that forbid to take an action back. That was agreed to with the action, so rungs, limits and digest are
/// not asked once more; a service that is not to be acted on any more is left alone in this way too.
///
/// # Errors
/// All the rules that forbid it; never empty.
pub fn check_undo(action: &Action, policy: &Policy) -> Result<(), Vec<Block>> {
    let blocks = service_blocks(&action.plan.spec.target, policy);
    if blocks.is_empty() { Ok(()) } else { Err(blocks) }
}

/// The rules about whose service it is.
fn service_blocks(target: &ServiceId, policy: &Policy) -> Vec<Block> {
    let mut blocks = Vec::new();
    if !policy.is_enrolled(target) {
        blocks.push(Block::new(BlockReason::NotEnrolled, format!("{target} is not enrolled")));
    }
    if policy.is_protected(target) {
        blocks.push(Block::new(BlockReason::Protected, format!("{target} is protected")));
    }
    blocks
}

/// What the catalogue has against an action: one that was planned with another catalogue, or that telemetry gave a
/// parameter out of bounds.
fn catalogue_block(spec: &Spec, catalogue: &Catalogue) -> Option<Block> {
    let detail = match catalogue.get(spec.kind).map(|entry| entry.check_parameters(&spec.parameters)) {
        None => format!("the catalogue has no action {}", spec.kind),
        Some(Err(error)) => error.to_string(),
        Some(Ok(checked)) if checked != spec.parameters => {
            format!("the parameters of action {} are not all there, or not as the catalogue writes them", spec.kind)
        }
        Some(Ok(_)) => return None,
    };
    Some(Block::new(BlockReason::Catalogue, detail))
}

/// The rules that need no word from the target, so that what they forbid costs it no call.
pub(super) fn policy_blocks(
    spec: &Spec,
    incident: IncidentId,
    fingerprint: &Fingerprint,
    but: Option<ActionId>,
    around: Surroundings<'_>,
) -> Vec<Block> {
    let mut blocks = around.holds.blocks(&spec.target, around.now);
    blocks.extend(service_blocks(&spec.target, around.policy));
    blocks.extend(catalogue_block(spec, around.catalogue));
    if !spec.target.is_named() || !around.seen.contains(&spec.target) {
        let detail = format!("{} was not seen in telemetry under a name", spec.target);
        blocks.push(Block::new(BlockReason::NotSeen, detail));
    }
    let max = around.policy.limits.blast_radius_max;
    // A type that the catalogue lacks touches who knows what.
    let touches = around.catalogue.get(spec.kind).map_or(BlastRadius::System, |t| t.blast_radius(&spec.parameters));
    if touches > max {
        let detail = format!("it touches {touches:?}, policy allows {max:?}");
        blocks.push(Block::new(BlockReason::BlastRadius, detail));
    }
    let others: Vec<_> = around.history.actions.iter().filter(|past| Some(past.id) != but).collect();
    blocks.extend(limit_blocks(spec, incident, fingerprint, &others, around));
    blocks
}

fn limit_blocks(
    spec: &Spec,
    incident: IncidentId,
    fingerprint: &Fingerprint,
    others: &[&PastAction],
    around: Surroundings<'_>,
) -> Vec<Block> {
    let limits = &around.policy.limits;
    let now = around.now;
    let within = |time: Option<Timestamp>, window_s: u64| {
        time.is_some_and(|time| now.since(time) < Duration::from_secs(window_s))
    };
    let mut blocks = Vec::new();
    let on_target = || others.iter().filter(|past| past.target == spec.target);
    if let Some(busy) = on_target().find(|past| past.state.is_under_way()) {
        let detail = format!("action {} is under way on {}", busy.id, spec.target);
        blocks.push(Block::new(BlockReason::TargetBusy, detail));
    }
    let unknown = |past: &&&PastAction| {
        past.state == ActionState::Unknown && (past.incident == incident || within(past.ended_at, limits.window_s))
    };
    if let Some(unknown) = on_target().find(unknown) {
        let detail = format!("nobody knows what action {} did to {}", unknown.id, spec.target);
        blocks.push(Block::new(BlockReason::OutcomeUnknown, detail));
    }
    let count = on_target().filter(|past| within(past.executed_at, limits.window_s)).count();
    if count >= limits.actions_per_target_max as usize {
        let detail = format!("{} met {count} actions in {} s", spec.target, limits.window_s);
        blocks.push(Block::new(BlockReason::RateLimit, detail));
    }
    blocks.extend(fleet_block(others, around));
    let count = others.iter().filter(|past| past.incident == incident && past.executed_at.is_some()).count();
    if count >= limits.attempts_per_incident_max as usize {
        blocks.push(Block::new(BlockReason::AttemptsExhausted, format!("{count} attempts were made")));
    }
    let without_effect = |past: &&&PastAction| {
        past.kind == spec.kind
            && past.fingerprint == *fingerprint
            && past.state.is_without_effect()
            && within(past.ended_at, limits.ineffective_window_s)
    };
    let count = others.iter().filter(without_effect).count();
    if count >= limits.ineffective_max as usize {
        let detail = format!("{} was without effect {count} times", spec.kind);
        blocks.push(Block::new(BlockReason::Ineffective, detail));
    }
    let [lasting, window] = [limits.relapse_window_s, limits.ineffective_window_s].map(Duration::from_secs);
    let count = around.history.relapses(&spec.target, lasting, window, now);
    if count > limits.relapses_max as usize {
        let detail = format!("trouble of {} came back {count} times within {lasting:?} of its cure", spec.target);
        blocks.push(Block::new(BlockReason::Relapse, detail));
    }
    let cooling = on_target()
        .filter(|past| past.kind == spec.kind && past.incident != incident && past.executed_at.is_some())
        .filter_map(|past| past.ended_at)
        .filter(|ended_at| within(Some(*ended_at), limits.cooldown_s))
        .max();
    if let Some(ended_at) = cooling {
        let until = ended_at + Duration::from_secs(limits.cooldown_s);
        let detail = format!("{} was done for another incident; cooling down until {until}", spec.kind);
        blocks.push(Block::new(BlockReason::Cooldown, detail));
    }
    blocks
}

/// What may start and waits for the end of a freeze or window takes no place in the fleet, or a few that wait for days
/// would keep all others from being repaired. It does not start without this being asked again. A few whose verdict waits
/// for the end of other trouble take none either, or that would wait for them.
fn fleet_block(others: &[&PastAction], around: Surroundings<'_>) -> Option<Block> {
    let limits = &around.policy.limits;
    let waits =
        |past: &PastAction| past.state == ActionState::Approved && around.holds.holds_target(&past.target, around.now);
    let is_disturbed = |past: &PastAction| past.state == ActionState::Verifying && past.is_disturbed;
    let under_way = || others.iter().filter(|past| past.state.is_under_way() && !waits(past));
    let (all, disturbed) = (under_way().count(), under_way().filter(|past| is_disturbed(past)).count());
    // Who lets few be under way lets few be beside them.
    let excused = disturbed.min(limits.actions_disturbed_max.min(limits.actions_under_way_max) as usize);
    let beside = match excused {
        0 => String::new(),
        _ => format!(", {excused} of them beside the limit because other trouble disturbs what is measured"),
    };
    let is_full = all - excused >= limits.actions_under_way_max as usize;
    is_full.then(|| Block::new(BlockReason::FleetLimit, format!("{all} actions are under way in the fleet{beside}")))
}

/// The rules that need the target's word.
pub(super) fn target_blocks(spec: &Spec, catalogue: &Catalogue, target: &TargetState) -> Vec<Block> {
    let facts = match target {
        TargetState::Ready { facts, .. } => facts,
        TargetState::Refused { reason } => {
            return vec![Block::new(BlockReason::Refused, format!("the target refuses it: {reason}"))];
        }
    };
    let needed = catalogue.get(spec.kind).map_or(&[][..], |entry| entry.preconditions);
    let known = |fact: &Fact| facts.get(fact.key()).is_some_and(|value| !value.is_empty());
    let unknown = needed.iter().filter(|fact| !known(fact));
    let mut blocks: Vec<Block> = unknown
        .map(|fact| Block::new(BlockReason::Precondition, format!("the target does not say its {}", fact.key())))
        .collect();
    if spec.kind == ActionKind::ClearDisk && facts.get(Fact::ReclaimableBytes.key()).is_some_and(|bytes| bytes == "0") {
        blocks.push(Block::new(BlockReason::Precondition, "the target says that nothing can be removed"));
    }
    let admitted =
        facts.get(Fact::AdmittedShare.key()).filter(|share| spec.kind == ActionKind::ShedLoad && *share != "100");
    if let Some(share) = admitted {
        let detail = format!("the target turns requests away already, and lets {share} percent in");
        blocks.push(Block::new(BlockReason::Precondition, detail));
    }
    // What was changed once more since is not what is blamed, and perhaps its cure.
    if let (ActionKind::RevertConfiguration, Some(wanted), Some(previous)) =
        (spec.kind, spec.parameters.get(VALUE), facts.get(Fact::PreviousValue.key()))
        && wanted != previous
    {
        let detail = format!("its newest change was from '{previous}', and not from '{wanted}'");
        blocks.push(Block::new(BlockReason::Precondition, detail));
    }
    blocks
}

/// Whether the action can be taken back, as the catalogue says and the target confirms.
pub(super) fn reversibility(declared: Reversibility, target: Option<&TargetState>) -> Reversibility {
    match (declared, target) {
        (Reversibility::Undo, Some(TargetState::Ready { can_undo: false, .. })) => Reversibility::Irreversible,
        _ => declared,
    }
}
