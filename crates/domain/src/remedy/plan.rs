//! From hypotheses to one action, or to a typed reason why there is none.

mod spec;

use std::collections::{BTreeMap, BTreeSet};

use super::gate::{policy_blocks, reversibility, target_blocks};
use super::{
    ActionState, ActionType, Autonomy, BlastRadius, Block, BlockReason, Digest, PastAction, Reversibility, Spec,
    Surroundings, TargetState, Verification,
};
use crate::diagnose::{CauseKind, Hypothesis};
use crate::incident::{ActionId, DiagnosisId, EventKind, Fingerprint, Incident, IncidentId, Proposal};
use crate::{ServiceId, Timestamp};

/// One action with all that was decided about it.
#[derive(Clone, Debug, PartialEq)]
pub struct Proposed {
    /// Its id.
    pub id: ActionId,
    /// The incident that it is for.
    pub incident: IncidentId,
    /// The incident's fingerprint.
    pub fingerprint: Fingerprint,
    /// The diagnosis that it follows.
    pub diagnosis: Option<DiagnosisId>,
    /// What to do to what.
    pub spec: Spec,
    /// The hypothesis that it follows: `h1` for the first of the diagnosis.
    pub hypothesis: String,
    /// What that hypothesis says.
    pub cause: CauseKind,
    /// How sure it is, from 0 to 1.
    pub confidence: f64,
    /// Why this action, in one line.
    pub rationale: String,
    /// What policy allows for it.
    pub autonomy: Autonomy,
    /// Which rule says so, in words; empty where that was not noted. No part of the digest, which has the policy.
    pub policy_rule: String,
    /// Whether it can be taken back.
    pub reversibility: Reversibility,
    /// What it touches.
    pub blast_radius: BlastRadius,
    /// How it is found out whether it helped.
    pub verification: Verification,
    /// How the target described itself; empty where it was not asked.
    pub target_state: BTreeMap<String, String>,
    /// Which attempt of its incident it is, from 1.
    pub attempt: u32,
    /// What an approval is bound to.
    pub digest: Digest,
}

/// Everything that a plan follows from.
#[derive(Clone, Copy, Debug)]
pub struct PlanInput<'a> {
    /// The incident.
    pub incident: &'a Incident,
    /// What its cause can be, most likely first.
    pub hypotheses: &'a [Hypothesis],
    /// Catalogue, policy, history, what was seen, and the time.
    pub around: Surroundings<'a>,
    /// What targets said so far. A plan that needs to hear more says so.
    pub targets: &'a BTreeMap<Spec, TargetState>,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq)]
pub enum Plan {
    /// Nothing forbids it by policy; its target has to be asked first. Ask, and plan again with the answer.
    AskTarget(Spec),
    /// It may be executed at once.
    Execute(Box<Proposed>),
    /// It may be executed once a person approved it.
    AwaitApproval {
        /// The action.
        action: Box<Proposed>,
        /// Why a person is needed; never empty.
        reasons: Vec<PersonReason>,
        /// When the offer ends.
        expires_at: Timestamp,
    },
    /// It is shown and cannot be executed.
    Suggest {
        /// The action. Its target was not asked.
        action: Box<Proposed>,
        /// What would forbid it, were the rung higher.
        obstacles: Vec<Block>,
    },
    /// It is forbidden.
    Blocked {
        /// The action.
        action: Box<Proposed>,
        /// Every rule that forbids it; never empty.
        blocks: Vec<Block>,
    },
    /// There is no action.
    NothingToDo(NothingToDo),
}

/// Why a person is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PersonReason {
    /// The rung says so.
    Policy,
    /// It cannot be taken back.
    Irreversible,
    /// The hypothesis is less sure than policy wants.
    Confidence,
    /// A likelier cause has no treatment, so this would treat the second guess.
    LikelierCauseUntreated,
}

/// Why there is no action.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NothingToDo {
    /// The incident has ended.
    IncidentEnded,
    /// An action of the incident lives.
    ActionLives {
        /// Which one.
        action: ActionId,
    },
    /// No hypothesis cites evidence and is as sure as policy wants.
    NoHypothesis,
    /// The catalogue has nothing for the causes.
    NoTreatment {
        /// Which causes, in order of the hypotheses.
        causes: Vec<CauseKind>,
    },
    /// Every treatment was tried or refused on this incident, without lasting effect.
    AllTried,
    /// What is blamed was changed by a repair.
    OfRepair {
        /// Which cause.
        cause: CauseKind,
    },
    /// Policy lets nobody plan here.
    ObserveOnly {
        /// Where.
        service: ServiceId,
    },
}

impl NothingToDo {
    fn message(&self) -> String {
        match self {
            Self::IncidentEnded => "the incident has ended".to_owned(),
            Self::ActionLives { action } => format!("action {action} lives"),
            Self::NoHypothesis => "no hypothesis is as sure as policy wants".to_owned(),
            Self::NoTreatment { causes } => format!("the catalogue has no action for {causes:?}"),
            Self::AllTried => "every treatment was tried or refused".to_owned(),
            Self::OfRepair { cause } => format!("{cause:?} is blamed on a change that a repair made"),
            Self::ObserveOnly { service } => format!("policy is observe for {service}"),
        }
    }
}

impl Plan {
    /// What to tell the incident's owner. `None` where there is no news.
    pub fn report(&self) -> Option<EventKind> {
        let proposed = |action: &Proposed, proposal| {
            Some(EventKind::ActionProposed { action: action.id, proposal, summary: action.rationale.clone() })
        };
        match self {
            Self::AskTarget(_) => None,
            Self::Execute(action) => proposed(action, Proposal::Automatic),
            Self::AwaitApproval { action, expires_at, .. } => {
                proposed(action, Proposal::NeedsApproval { expires_at: *expires_at })
            }
            Self::Suggest { action, .. } => proposed(action, Proposal::Suggested),
            Self::Blocked { action, blocks } if self.waits() => {
                Some(EventKind::PlanWaits { action: action.id, reason: details(blocks) })
            }
            Self::Blocked { blocks, .. } => Some(blocked_report(blocks)),
            Self::NothingToDo(NothingToDo::IncidentEnded | NothingToDo::ActionLives { .. }) => None,
            Self::NothingToDo(NothingToDo::AllTried) => Some(EventKind::AttemptsExhausted),
            Self::NothingToDo(why) => Some(EventKind::NothingToDo { reason: why.message() }),
        }
    }

    /// Whether time alone lifts all that blocks it. Plan again then; the incident's own deadline calls people if that takes
    /// too long.
    pub fn waits(&self) -> bool {
        matches!(self, Self::Blocked { blocks, .. } if blocks.iter().all(|block| block.reason.is_passing()))
    }
}

fn details(blocks: &[Block]) -> String {
    blocks.iter().map(|block| block.detail.as_str()).collect::<Vec<_>>().join("; ")
}

pub(super) fn blocked_report(blocks: &[Block]) -> EventKind {
    if blocks.iter().any(|block| block.reason == BlockReason::AttemptsExhausted) {
        return EventKind::AttemptsExhausted;
    }
    EventKind::PlanBlocked { reason: details(blocks) }
}

/// Makes the plan. The hypotheses are looked at in their order, and each cause's treatments in the catalogue's; what
/// was tried in vain or refused on this incident, or tried at all since it was opened last, is passed over. The first
/// that is left decides: a less likely cause is not treated because the likelier one is forbidden.
pub fn plan(input: PlanInput<'_>) -> Plan {
    if input.incident.state.is_terminal() {
        return Plan::NothingToDo(NothingToDo::IncidentEnded);
    }
    let mine = || input.around.history.actions.iter().filter(|past| past.incident == input.incident.id);
    let lives = |past: &&PastAction| past.state == ActionState::AwaitingApproval || past.state.is_under_way();
    if let Some(living) = mine().find(lives) {
        return Plan::NothingToDo(NothingToDo::ActionLives { action: living.id });
    }
    let began = input.incident.reopened_at;
    let tried: BTreeSet<_> =
        mine().filter(|past| past.is_tried_in(began)).map(|past| (past.kind, past.target.clone())).collect();

    let mut untreated = Vec::new();
    let mut any_tried = false;
    let mut of_repair = None;
    for hypothesis in input.hypotheses {
        if hypothesis.supports.is_empty() || !is_sure(hypothesis.confidence, input.around.policy.confidence_min) {
            continue;
        }
        // What a repair changed is not taken back as a cause of harm. That it is blamed is for people to look at, and so is
        // what is treated in its place.
        if hypothesis.change.as_ref().is_some_and(|change| input.around.history.is_of_repair(change)) {
            of_repair = Some(hypothesis.cause);
            continue;
        }
        let mut treated = false;
        for entry in input.around.catalogue.treatments(hypothesis) {
            treated = true;
            if tried.contains(&(entry.kind, hypothesis.service.clone())) {
                any_tried = true;
                continue;
            }
            let candidate =
                Candidate { input, hypothesis, entry, second_guess: !untreated.is_empty() || of_repair.is_some() };
            return candidate.decide();
        }
        if !treated {
            untreated.push(hypothesis.cause);
        }
    }
    Plan::NothingToDo(match (any_tried, untreated.is_empty(), of_repair) {
        (true, _, _) => NothingToDo::AllTried,
        (false, _, Some(cause)) => NothingToDo::OfRepair { cause },
        (false, true, None) => NothingToDo::NoHypothesis,
        (false, false, None) => NothingToDo::NoTreatment { causes: untreated },
    })
}

/// A confidence that is no number is never sure enough.
fn is_sure(confidence: f64, min: f64) -> bool {
    confidence >= min
}

/// One treatment for one hypothesis.
struct Candidate<'a> {
    input: PlanInput<'a>,
    hypothesis: &'a Hypothesis,
    entry: &'a ActionType,
    second_guess: bool,
}

impl Candidate<'_> {
    fn decide(&self) -> Plan {
        let around = self.input.around;
        let incident = self.input.incident;
        let rung = around.policy.autonomy(&self.hypothesis.service, self.entry.kind);
        if rung == Autonomy::Observe {
            return Plan::NothingToDo(NothingToDo::ObserveOnly { service: self.hypothesis.service.clone() });
        }
        let spec = spec::of(self.entry, self.hypothesis);
        let blocks = policy_blocks(&spec, incident.id, &incident.fingerprint, None, around);
        if rung == Autonomy::Suggest {
            let action = Box::new(self.propose(spec, rung, None, Some(ActionState::Suggested)));
            return Plan::Suggest { action, obstacles: blocks };
        }
        if !blocks.is_empty() {
            return Plan::Blocked {
                action: Box::new(self.propose(spec, rung, None, Some(ActionState::Blocked))),
                blocks,
            };
        }
        let Some(target) = self.input.targets.get(&spec) else { return Plan::AskTarget(spec) };
        let blocks = target_blocks(&spec, around.catalogue, target);
        if !blocks.is_empty() {
            let action = Box::new(self.propose(spec, rung, Some(target), Some(ActionState::Blocked)));
            return Plan::Blocked { action, blocks };
        }
        let action = Box::new(self.propose(spec, rung, Some(target), None));
        let reasons = self.person_reasons(rung, action.reversibility);
        if reasons.is_empty() {
            return Plan::Execute(action);
        }
        let expires_at = around.now + std::time::Duration::from_secs(around.policy.limits.approval_expiry_s);
        Plan::AwaitApproval { action, reasons, expires_at }
    }

    fn person_reasons(&self, rung: Autonomy, reversibility: Reversibility) -> Vec<PersonReason> {
        let unsure = !is_sure(self.hypothesis.confidence, self.input.around.policy.confidence_auto_min);
        [
            (rung != Autonomy::Auto, PersonReason::Policy),
            (reversibility == Reversibility::Irreversible, PersonReason::Irreversible),
            (unsure, PersonReason::Confidence),
            (self.second_guess, PersonReason::LikelierCauseUntreated),
        ]
        .into_iter()
        .filter_map(|(holds, reason)| holds.then_some(reason))
        .collect()
    }

    fn propose(
        &self,
        spec: Spec,
        autonomy: Autonomy,
        target: Option<&TargetState>,
        ends_as: Option<ActionState>,
    ) -> Proposed {
        let incident = self.input.incident;
        let mine = || self.input.around.history.actions.iter().filter(|past| past.incident == incident.id);
        let attempts = mine().filter(|past| past.executed_at.is_some()).count();
        let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        let mut proposed = Proposed {
            id: ActionId::of(incident.id, count(mine().count())),
            incident: incident.id,
            fingerprint: incident.fingerprint.clone(),
            diagnosis: incident.diagnosis.clone(),
            hypothesis: self.hypothesis.id.clone(),
            cause: self.hypothesis.cause,
            confidence: self.hypothesis.confidence,
            rationale: spec::rationale(&spec, self.hypothesis),
            autonomy,
            policy_rule: self.input.around.policy.rule_in_words(&spec.target, spec.kind),
            reversibility: reversibility(self.entry.reversibility, target),
            blast_radius: self.entry.blast_radius(&spec.parameters),
            verification: self.entry.verification,
            target_state: match target {
                Some(TargetState::Ready { facts, .. }) => facts.clone(),
                _ => BTreeMap::new(),
            },
            attempt: count(attempts).saturating_add(1),
            digest: Digest::from_bytes([0; 32]),
            spec,
        };
        proposed.digest = Digest::of(&proposed, self.input.around.policy, target);
        // The same suggestion or refusal again is the same action, not another.
        let is_same = |past: &&PastAction| Some(past.state) == ends_as && past.digest == proposed.digest;
        if let Some(same) = mine().find(is_same) {
            proposed.id = same.id;
        }
        proposed
    }
}
