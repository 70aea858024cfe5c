//! The life of an action, alone and together with its incident.

use super::*;
use crate::incident::{EscalationReason, State, Verdict};

fn verdicts() -> impl Strategy<Value = Verdict> {
    prop::sample::select(vec![Verdict::Recovered, Verdict::NotRecovered, Verdict::Inconclusive])
}

/// What the test does to an action; the gate's answer is made when its turn comes.
#[derive(Clone, Debug)]
enum Move {
    Event(ActionEvent),
    Approve {
        digest_is_right: bool,
        by_person: bool,
    },
    /// Asks the gate and reports what it says; `target_changed` makes it say no.
    Start {
        target_changed: bool,
    },
}

fn moves() -> impl Strategy<Value = Move> {
    let reason = String::new;
    prop_oneof![
        2 => prop::bool::weighted(0.8).prop_flat_map(|digest_is_right| {
            prop::bool::weighted(0.8).prop_map(move |by_person| Move::Approve { digest_is_right, by_person })
        }),
        3 => prop::bool::weighted(0.2).prop_map(|target_changed| Move::Start { target_changed }),
        4 => Just(Move::Event(ActionEvent::Succeeded)),
        4 => verdicts().prop_map(|verdict| Move::Event(ActionEvent::Verified { verdict })),
        1 => Just(Move::Event(ActionEvent::Undone)),
        1 => prop::sample::select(vec![
            ActionEvent::Rejected { actor: person(), note: reason() },
            ActionEvent::Cancelled { actor: person(), note: reason() },
            ActionEvent::Failed { reason: reason() },
            ActionEvent::OutcomeUnknown,
            ActionEvent::RollbackOrdered { actor: person(), note: reason() },
            ActionEvent::UndoFailed { reason: reason() },
            ActionEvent::DeadlinePassed,
        ]).prop_map(Move::Event),
    ]
}

fn event(world: &World, action: &Action, made: Move) -> ActionEvent {
    match made {
        Move::Event(event) => event,
        Move::Approve { digest_is_right, by_person } => ActionEvent::Approved {
            actor: if by_person { person() } else { Actor::product() },
            note: String::new(),
            digest: if digest_is_right { action.plan.digest } else { Digest::from_bytes([7; 32]) },
        },
        Move::Start { target_changed } => {
            let gone = TargetState::Refused { reason: "gone".to_owned() };
            let target = if target_changed { &gone } else { &world.answer };
            match check_start(action, world.around(), target) {
                Ok(clearance) => ActionEvent::Started { clearance, fencing_token: 7 },
                Err(blocks) => ActionEvent::Blocked { blocks },
            }
        }
    }
}

fn calls(effects: &[ActionEffect], which: &ActionEffect) -> usize {
    effects.iter().filter(|effect| *effect == which).count()
}

/// An action and its incident, the incident hearing every report.
struct Pair {
    world: World,
    action: Action,
    incident: Incident,
    told: usize,
}

impl Pair {
    fn new(rung: Autonomy, cause: CauseKind) -> Self {
        let mut world = World::permissive();
        world.policy.autonomy = rung;
        world.hypotheses = vec![hypothesis(cause, 0.9)];
        let report = world.plan().0.report().unwrap();
        let mut pair = Self { action: world.action().unwrap(), incident: world.incident.clone(), world, told: 0 };
        pair.hear(report);
        pair
    }

    fn hear(&mut self, kind: EventKind) {
        self.told += 1;
        let id = EventId::new(&format!("r{}", self.told)).unwrap();
        let event = Event { id, actor: Actor::product(), kind };
        let name = event.kind.name();
        let refused = |error| panic!("the incident refuses `{name}` of {:?}: {error}", self.action);
        self.incident.apply(event, &Rules::default(), self.world.now).unwrap_or_else(refused);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn an_action_is_called_once_and_never_without_leave(
        rung in rungs().prop_filter("a plan", |rung| *rung != Autonomy::Observe),
        pool: bool,
        moves in prop::collection::vec((moves(), 0..200_u64), 0..25),
    ) {
        let cause = if pool { CauseKind::ConnectionPoolExhaustion } else { CauseKind::MemoryLeak };
        let mut pair = Pair::new(rung, cause);
        let (mut executed, mut undone, mut approved) = (0, 0, false);
        for (made, wait_s) in moves {
            pair.world.now = pair.world.now + Duration::from_secs(wait_s);
            let before = pair.action.clone();
            let event = event(&pair.world, &before, made);
            let Ok(effects) = pair.action.apply(event.clone(), pair.world.now) else {
                prop_assert_eq!(&pair.action, &before, "a refused event left a trace");
                continue;
            };
            let action = &pair.action;
            executed += calls(&effects, &ActionEffect::Execute);
            undone += calls(&effects, &ActionEffect::Undo);
            approved |= action.decision.as_ref().is_some_and(|decision| decision.approved && !decision.actor.is_product());
            prop_assert!(executed <= 1 && undone <= executed, "called twice, or undone without a call");
            prop_assert!(executed == 0 || rung == Autonomy::Auto || (rung == Autonomy::Approve && approved));
            // Blocked after the intent was stored, its target never saw the call.
            prop_assert_eq!(executed == 1 && action.state != ActionState::Blocked, action.executed_at.is_some());
            prop_assert_eq!(action.executed_at.is_some(), action.fencing_token != 0);
            prop_assert!(!before.state.is_terminal() || *action == before, "it moved after its end");
            let became_succeeded = action.state == ActionState::Succeeded && before.state != ActionState::Succeeded;
            let measured = event == ActionEvent::Verified { verdict: Verdict::Recovered };
            prop_assert!(measured || !became_succeeded);
            let waits = !action.state.is_terminal() && action.state != ActionState::Suggested;
            prop_assert_eq!(action.deadline.is_some(), waits);
            prop_assert_eq!(action.ended_at.is_some(), action.state.is_terminal());

            let mut again = action.clone();
            let repeated = again.apply(event, pair.world.now).unwrap_or_default();
            prop_assert!(repeated.is_empty() && again == *action, "a repeat had an effect");

            for effect in effects {
                if let ActionEffect::Report(kind) = effect {
                    pair.hear(kind);
                }
            }
            // What has ended leaves no incident behind that waits for it.
            prop_assert!(!pair.action.state.is_terminal() || !pair.incident.state.is_acting());
            let healed = pair.incident.state == State::Resolved;
            prop_assert_eq!(healed, pair.action.state == ActionState::Succeeded);
        }
        // Left alone, it ends by its deadlines.
        for _ in 0..3 {
            let Some(deadline) = pair.action.deadline else { break };
            pair.action.apply(ActionEvent::DeadlinePassed, deadline.max(pair.world.now)).unwrap();
        }
        prop_assert!(pair.action.state.is_terminal() || pair.action.state == ActionState::Suggested);
    }
}

#[test]
fn an_approval_is_for_what_was_seen_in_time_by_a_person_and_used_once() {
    let pair = Pair::new(Autonomy::Approve, CauseKind::BadDeployment);
    let offer = pair.action;
    assert_eq!(offer.state, ActionState::AwaitingApproval);
    let digest = offer.plan.digest;
    let approve = |actor, digest, now| {
        let mut action = offer.clone();
        action.apply(ActionEvent::Approved { actor, note: String::new(), digest }, now).map(|_| action)
    };
    assert!(matches!(approve(Actor::product(), digest, now()), Err(Illegal::NotAPerson { .. })));
    assert!(matches!(approve(person(), Digest::from_bytes([0; 32]), now()), Err(Illegal::Digest { .. })));
    assert!(matches!(approve(person(), digest, offer.deadline.unwrap()), Err(Illegal::Expired { .. })));

    let mut action = approve(person(), digest, now()).unwrap();
    assert_eq!(action.decision.as_ref().unwrap().actor, person());
    let clearance = check_start(&action, pair.world.around(), &pair.world.answer).unwrap();
    let start = ActionEvent::Started { clearance, fencing_token: 1 };
    action.apply(start.clone(), now()).unwrap();
    assert!(matches!(action.apply(start, now()), Err(Illegal::State { .. })));
}

#[test]
fn what_a_hold_kept_back_until_its_time_was_over_is_no_attempt() {
    let mut pair = Pair::new(Autonomy::Auto, CauseKind::BadDeployment);
    let clearance = check_start(&pair.action, pair.world.around(), &pair.world.answer).unwrap();
    let hear = |pair: &mut Pair, effects: Vec<ActionEffect>| {
        for effect in effects {
            if let ActionEffect::Report(kind) = effect {
                pair.hear(kind);
            }
        }
    };
    let started = pair.action.apply(ActionEvent::Started { clearance, fencing_token: 7 }, now()).unwrap();
    hear(&mut pair, started);
    let holds = Holds { kill_switch: Some("migration".to_owned()), ..Holds::default() };
    let deadline = pair.action.deadline.unwrap();
    let blocked = ActionEvent::Blocked { blocks: holds.blocks(&service(), deadline) };
    let mut carried_out = pair.action.clone();
    carried_out.apply(ActionEvent::Succeeded, now()).unwrap();
    assert!(matches!(carried_out.apply(blocked.clone(), deadline), Err(Illegal::State { .. })));
    let told = pair.action.apply(blocked, deadline).unwrap();
    hear(&mut pair, told);
    assert_eq!((pair.action.state, pair.action.executed_at), (ActionState::Blocked, None));
    assert_eq!(pair.action.outcome, "blocked before its target saw the call");
    let mut early = Pair::new(Autonomy::Auto, CauseKind::BadDeployment).action;
    early.apply(ActionEvent::Blocked { blocks: pair.action.blocks.clone() }, now()).unwrap();
    assert_eq!(early.outcome, "blocked before it began");
    assert_eq!((pair.incident.state, pair.incident.escalation), (State::Escalated, Some(EscalationReason::Blocked)));
    // People have it, and the likeliest cause has its treatment still.
    pair.world.history.actions = vec![PastAction::from(&pair.action)];
    let again = pair.world.action().unwrap();
    assert_eq!((again.state, &again.plan.spec), (ActionState::Approved, &pair.action.plan.spec));
    assert_eq!((again.plan.attempt, again.plan.id == pair.action.plan.id), (1, false));
}

#[test]
fn the_same_suggestion_is_one_action_and_another_is_another() {
    let mut world = World::permissive();
    world.policy.autonomy = Autonomy::Suggest;
    let first = world.action().unwrap();
    world.history.actions.push(PastAction::from(&first));
    assert_eq!(world.action().unwrap().plan.id, first.plan.id);
    world.policy.autonomy = Autonomy::Auto;
    let second = world.action().unwrap();
    assert_ne!(second.plan.id, first.plan.id);
    // Blocked at the last moment, and free to go a moment later: a new attempt, not the blocked one once more.
    world.history.actions.push(PastAction { state: ActionState::Blocked, ..PastAction::from(&second) });
    let third = world.action().unwrap();
    assert_eq!((third.state, third.plan.digest), (ActionState::Approved, second.plan.digest));
    assert_ne!(third.plan.id, second.plan.id);
}

#[test]
fn a_target_has_as_long_as_policy_gives_it() {
    let mut world = World::permissive();
    world.policy.limits.execution_s = 7;
    let mut action = world.action().unwrap();
    let clearance = check_start(&action, world.around(), &world.answer).unwrap();
    action.apply(ActionEvent::Started { clearance, fencing_token: 1 }, world.now).unwrap();
    assert_eq!(action.deadline, Some(world.now + Duration::from_secs(7)));
    action.apply(ActionEvent::DeadlinePassed, world.now + Duration::from_secs(7)).unwrap();
    assert_eq!(action.state, ActionState::Unknown);
}
