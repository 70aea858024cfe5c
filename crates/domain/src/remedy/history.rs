//! What was done before.

use std::time::Duration;

use super::{Action, ActionKind, ActionState, Digest};
use crate::incident::{ActionId, Fingerprint, IncidentId};
use crate::telemetry::{Change, ChangeKind};
use crate::{ServiceId, Timestamp};

/// An action of before, as far as limits go by it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PastAction {
    /// Which action.
    pub id: ActionId,
    /// For which incident.
    pub incident: IncidentId,
    /// That incident's fingerprint.
    pub fingerprint: Fingerprint,
    /// Which type of action.
    pub kind: ActionKind,
    /// On which service.
    pub target: ServiceId,
    /// Where it is in its life.
    pub state: ActionState,
    /// When its target was called; `None` where it never was.
    pub executed_at: Option<Timestamp>,
    /// When it ended; `None` while it lives.
    pub ended_at: Option<Timestamp>,
    /// The digest of its plan.
    pub digest: Digest,
    /// Whether its verdict waits because another incident's cause disturbs what is measured, as far as is known.
    pub is_disturbed: bool,
}

impl PastAction {
    /// Whether it is passed over when its incident is planned for again, whose present life began then. What helped in
    /// an earlier life may help again. What did not, what a person refused, and what nobody knows the outcome of counts
    /// in every life.
    pub fn is_tried_in(&self, life_began: Option<Timestamp>) -> bool {
        let is_of_life = life_began.is_none_or(|began| self.ended_at.is_none_or(|ended_at| ended_at >= began));
        self.state.is_tried() && (is_of_life || !self.state.is_forgotten_on_return())
    }
}

impl From<&Action> for PastAction {
    fn from(action: &Action) -> Self {
        let plan = &action.plan;
        Self {
            id: plan.id,
            incident: plan.incident,
            fingerprint: plan.fingerprint.clone(),
            kind: plan.spec.kind,
            target: plan.spec.target.clone(),
            state: action.state,
            executed_at: action.executed_at,
            ended_at: action.ended_at,
            digest: plan.digest,
            is_disturbed: false,
        }
    }
}

/// What was done before: all actions of the incident at hand, all that live, and all that ended within the policy's
/// longest window. What is left out here is a limit not kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct History {
    /// The actions, in any order.
    pub actions: Vec<PastAction>,
}

/// How far a target's clock may be from ours.
const CLOCKS_APART: Duration = Duration::from_secs(60);

impl History {
    /// How many cures of a service did not last: each was followed by the next one there, or by now, in less than
    /// `lasting`. Of whatever kind, since cures that take turns cure no better; those that ended within `window` count.
    pub(super) fn relapses(&self, service: &ServiceId, lasting: Duration, window: Duration, now: Timestamp) -> usize {
        let cures = self.actions.iter().filter(|past| past.target == *service && past.state == ActionState::Succeeded);
        let mut ends: Vec<(Timestamp, Timestamp)> =
            cures.filter_map(|past| Some((past.ended_at?, past.executed_at?))).collect();
        ends.sort_unstable();
        let next = ends.iter().skip(1).map(|(_, executed_at)| *executed_at).chain([now]);
        let pairs = ends.iter().zip(next).filter(|((ended_at, _), _)| now.since(*ended_at) < window);
        pairs.filter(|((ended_at, _), next)| next.since(*ended_at) < lasting).count()
    }

    /// Whether a repair made this change, as far as its kind, place and time say.
    pub fn is_of_repair(&self, change: &Change) -> bool {
        self.actions.iter().any(|past| {
            let Some(executed_at) = past.executed_at else { return false };
            past.target == change.service
                && makes(past.kind).contains(&change.kind)
                && change.time + CLOCKS_APART >= executed_at
                && past
                    .ended_at
                    .is_none_or(|ended_at| change.time <= ended_at + CLOCKS_APART || is_unsettled(past.state))
        })
    }
}

/// Whether the target may still be at it, whatever is waited for.
fn is_unsettled(state: ActionState) -> bool {
    matches!(state, ActionState::Unknown | ActionState::RollbackFailed)
}

/// The kinds of change that an action shows as.
fn makes(kind: ActionKind) -> &'static [ChangeKind] {
    match kind {
        ActionKind::RollbackDeployment => &[ChangeKind::Deployment],
        ActionKind::ScaleOut => &[ChangeKind::Scaling],
        ActionKind::RaisePool | ActionKind::FailOver | ActionKind::ShedLoad => &[ChangeKind::Configuration],
        ActionKind::RevertConfiguration => &[ChangeKind::Configuration, ChangeKind::FeatureFlag],
        ActionKind::Restart | ActionKind::ClearDisk | ActionKind::RenewCertificate => &[],
    }
}
