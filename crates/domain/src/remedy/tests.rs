//! Properties of plans and of an action's life, over worlds put together at random.

mod fleet;
mod gates;
mod life;
mod planning;
mod proofs;
mod relapses;
mod treatments;
mod ways;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::diagnose::{CauseKind, Hypothesis};
use crate::evidence::EvidenceId;
use crate::incident::{
    Actor, DiagnosisId, Event, EventId, EventKind, Incident, IncidentId, Opening, Rules, Severity, Subject, Trigger,
};
use crate::telemetry::Origin;
use crate::{ServiceId, Signal, Timestamp};

fn service() -> ServiceId {
    ServiceId::new("shop", "checkout", "production")
}

fn now() -> Timestamp {
    Timestamp::from_secs(1_000_000)
}

/// An incident that is explained and waits for a plan.
fn incident() -> Incident {
    let opening = Opening {
        subject: Subject { service: service(), trigger: Trigger::Signal(Signal::Errors), dimension: "".into() },
        ordinal: 0,
        title: "checkout fails".to_owned(),
        anomalies: Vec::new(),
        impacts: BTreeMap::new(),
        severity: Severity::Sev3,
        onset: now(),
        detected_at: now(),
        actor: Actor::product(),
        coverage: None,
    };
    let (mut incident, _) = Incident::open(opening, &Rules::default(), now()).unwrap();
    let kind = EventKind::DiagnosisFinished { diagnosis: DiagnosisId::new("d1").unwrap() };
    let event = Event { id: EventId::new("diagnosed").unwrap(), actor: Actor::product(), kind };
    incident.apply(event, &Rules::default(), now()).unwrap();
    incident
}

fn person() -> Actor {
    Actor::new("unauthenticated:local").unwrap()
}

fn hypothesis(cause: CauseKind, confidence: f64) -> Hypothesis {
    Hypothesis {
        id: "h1".to_owned(),
        service: service(),
        origin: Origin::default(),
        metric: "".into(),
        cause,
        change: None,
        dependency: String::new(),
        statement: String::new(),
        immediate_fix: String::new(),
        long_term_fix: String::new(),
        confidence,
        supports: vec![EvidenceId("e1".to_owned())],
        contradicts: Vec::new(),
    }
}

/// Everything that a plan follows from.
#[derive(Clone, Debug)]
struct World {
    incident: Incident,
    hypotheses: Vec<Hypothesis>,
    catalogue: Catalogue,
    policy: Policy,
    holds: Holds,
    history: History,
    seen: BTreeSet<ServiceId>,
    /// What every target says when asked.
    answer: TargetState,
    now: Timestamp,
}

impl World {
    /// One in which the product may act at once on a bad deployment.
    fn permissive() -> Self {
        let everything = vec![ServicePattern::parse("*@*").unwrap()];
        Self {
            incident: incident(),
            hypotheses: vec![
                hypothesis(CauseKind::BadDeployment, 0.9),
                hypothesis(CauseKind::ConnectionPoolExhaustion, 0.7),
            ],
            catalogue: Catalogue::default(),
            policy: Policy { autonomy: Autonomy::Auto, enrolled: everything, ..Policy::default() },
            holds: Holds::default(),
            history: History::default(),
            seen: BTreeSet::from([service()]),
            answer: ready(),
            now: now(),
        }
    }

    fn around(&self) -> Surroundings<'_> {
        Surroundings {
            catalogue: &self.catalogue,
            policy: &self.policy,
            holds: &self.holds,
            history: &self.history,
            seen: &self.seen,
            now: self.now,
        }
    }

    /// Plans as a service does: asks the target when the plan wants to. Also says whether the target was asked.
    fn plan(&self) -> (Plan, bool) {
        let mut targets = BTreeMap::new();
        loop {
            let input = PlanInput {
                incident: &self.incident,
                hypotheses: &self.hypotheses,
                around: self.around(),
                targets: &targets,
            };
            let made = plan(input);
            assert_eq!(made, plan(input), "the same input gave another plan");
            let Plan::AskTarget(spec) = made else { return (made, !targets.is_empty()) };
            assert!(targets.insert(spec, self.answer.clone()).is_none(), "the same question twice");
        }
    }

    fn action(&self) -> Option<Action> {
        Action::from_plan(self.plan().0, self.policy.limits.approval_expiry_s, self.now)
    }
}

fn ready() -> TargetState {
    let facts = [
        ("previous_version", "1.4.1"),
        ("pool_size", "20"),
        ("version", "1.4.2"),
        ("previous_value", "off"),
        ("reclaimable_bytes", "1000000"),
        ("standby", "bank-2.example"),
        ("admitted_percent", "100"),
        ("instances", "3"),
        ("certificate_not_after", "2026-01-01"),
    ];
    let facts = facts.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
    TargetState::Ready { facts, can_undo: true }
}

fn past(world: &World, kind: ActionKind, state: ActionState, age_s: u64, mine: bool) -> PastAction {
    let other = IncidentId::of(&world.incident.fingerprint, 9);
    let incident = if mine { world.incident.id } else { other };
    let then = world.now - Duration::from_secs(age_s);
    let called = state.is_tried()
        && !matches!(state, ActionState::AwaitingApproval | ActionState::Approved | ActionState::Rejected)
        && state != ActionState::Expired;
    PastAction {
        id: crate::incident::ActionId::of(incident, u32::try_from(age_s).unwrap()),
        incident,
        fingerprint: world.incident.fingerprint.clone(),
        kind,
        target: service(),
        state,
        executed_at: called.then_some(then),
        ended_at: state.is_terminal().then_some(then),
        digest: Digest::from_bytes([1; 32]),
        is_disturbed: false,
    }
}

fn rungs() -> impl Strategy<Value = Autonomy> {
    use Autonomy::*;
    prop_oneof![1 => Just(Observe), 1 => Just(Suggest), 2 => Just(Approve), 4 => Just(Auto)]
}

fn states() -> impl Strategy<Value = ActionState> {
    use ActionState::*;
    prop::sample::select(vec![
        Suggested,
        AwaitingApproval,
        Approved,
        Executing,
        Verifying,
        Succeeded,
        Ineffective,
        RollingBack,
        RolledBack,
        Failed,
        Unknown,
        Rejected,
        Expired,
        Cancelled,
        Blocked,
        RollbackFailed,
    ])
}

fn answers() -> impl Strategy<Value = TargetState> {
    let bare = TargetState::Ready { facts: BTreeMap::new(), can_undo: true };
    let TargetState::Ready { facts, .. } = ready() else { unreachable!() };
    let frozen = TargetState::Ready { facts, can_undo: false };
    let refused = TargetState::Refused { reason: "no such service".to_owned() };
    prop_oneof![6 => Just(ready()), 1 => Just(bare), 1 => Just(frozen), 1 => Just(refused)]
}

fn hypotheses() -> impl Strategy<Value = Vec<Hypothesis>> {
    use CauseKind::*;
    let cause = prop::sample::select(vec![BadDeployment, ConnectionPoolExhaustion, MemoryLeak, TrafficSurge]);
    let confidence = prop_oneof![9 => 0.0..1.0, 1 => Just(f64::NAN)];
    let supported = prop::bool::weighted(0.9);
    let one = (cause, confidence, supported).prop_map(|(cause, confidence, supported)| {
        let mut made = hypothesis(cause, confidence);
        if !supported {
            made.supports.clear();
        }
        made
    });
    prop::collection::vec(one, 0..4)
}

prop_compose! {
    fn worlds()(
        rung in rungs(),
        enrolled in prop::bool::weighted(0.8),
        protected in prop::bool::weighted(0.2),
        seen in prop::bool::weighted(0.8),
        hypotheses in hypotheses(),
        answer in answers(),
        history in prop::collection::vec((0..ActionKind::ALL.len(), states(), 1..200_000_u64, any::<bool>()), 0..3),
        narrow in prop::bool::weighted(0.1),
        reopened in prop::option::of(1..200_000_u64),
    ) -> World {
        let mut world = World::permissive();
        world.incident.reopened_at = reopened.map(|age_s| world.now - Duration::from_secs(age_s));
        world.policy.autonomy = rung;
        if !enrolled {
            world.policy.enrolled.clear();
        }
        if protected {
            world.policy.protected = vec![ServicePattern::parse("shop/check*@prod*").unwrap()];
        }
        if !seen {
            world.seen.clear();
        }
        if narrow {
            world.policy.limits.blast_radius_max = BlastRadius::Instance;
        }
        world.hypotheses = hypotheses;
        world.answer = answer;
        let actions = history.into_iter().map(|(kind, state, age_s, mine)| {
            past(&world, ActionKind::ALL[kind], state, age_s, mine)
        });
        world.history.actions = actions.collect();
        world
    }
}
