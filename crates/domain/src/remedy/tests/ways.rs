//! Every way that an action may go from each of its states, written down once more, and that there is no other.

use super::*;
use crate::incident::Verdict;

/// How long a call to a target, and one that takes it back, may take.
const CALL_WITHIN: Duration = Duration::from_secs(540);
/// What can happen, by name. Those of a decision come from a person.
const HAPPENINGS: [&str; 16] = [
    "approved",
    "rejected",
    "cancelled",
    "withdrawn by the product",
    "blocked",
    "started",
    "succeeded",
    "failed",
    "outcome unknown",
    "recovered",
    "not recovered",
    "inconclusive",
    "rollback ordered",
    "undone",
    "undo failed",
    "deadline passed",
];

/// Where it goes, what is told and done, and how long it then has: `None` where what it had stands, or there is none.
struct Way {
    to: ActionState,
    effects: Vec<&'static str>,
    has: Option<Duration>,
}

fn to(to: ActionState, effects: &[&'static str]) -> Option<Way> {
    Some(Way { to, effects: effects.to_vec(), has: None })
}

fn with(way: Option<Way>, has: Duration) -> Option<Way> {
    way.map(|way| Way { has: Some(has), ..way })
}

/// The table. `None` where it is refused.
fn way(from: ActionState, happening: &str, can_undo: bool, recovery_within: Duration, was_called: bool) -> Option<Way> {
    use ActionState as S;
    let given_up = |told| match can_undo {
        true => with(to(S::RollingBack, &[told, "Undo"]), CALL_WITHIN),
        false => to(S::Ineffective, &[told, "rolled back"]),
    };
    match (from, happening) {
        (S::AwaitingApproval, "approved") => to(S::Approved, &["action approved"]),
        (S::AwaitingApproval, "rejected") => to(S::Rejected, &["action rejected"]),
        (S::Suggested, "cancelled") => to(S::Cancelled, &[]),
        (S::AwaitingApproval | S::Approved, "cancelled") => to(S::Cancelled, &["action rejected"]),
        (S::Suggested | S::AwaitingApproval | S::Approved, "withdrawn by the product") => to(S::Cancelled, &[]),
        (S::Approved | S::Executing, "blocked") => to(S::Blocked, &["plan blocked"]),
        (S::Approved, "started") => with(to(S::Executing, &["action started", "Execute"]), CALL_WITHIN),
        (S::Executing, "succeeded") => {
            with(to(S::Verifying, &["action succeeded", "MeasureRecovery"]), recovery_within)
        }
        (S::Executing, "failed") => to(S::Failed, &["action failed", "rolled back"]),
        (S::Executing, "outcome unknown" | "deadline passed") => to(S::Unknown, &["action outcome unknown"]),
        (S::Verifying, "recovered") => to(S::Succeeded, &["recovery verified"]),
        (S::Verifying, "not recovered" | "inconclusive" | "deadline passed") => given_up("recovery verified"),
        (S::Verifying, "rollback ordered") if can_undo => given_up("rollback started"),
        (S::RollingBack, "undone") => to(S::RolledBack, &["rolled back"]),
        (S::RollingBack, "undo failed" | "deadline passed") => to(S::RollbackFailed, &["rollback failed"]),
        (S::AwaitingApproval | S::Approved, "deadline passed") => to(S::Expired, &["approval expired"]),
        // What is so already, and what is asked for again.
        (S::Cancelled, "cancelled" | "withdrawn by the product")
        | (S::Blocked, "blocked")
        | (S::RollingBack, "rollback ordered")
        | (_, "deadline passed") => to(from, &[]),
        (_, "succeeded" | "failed" | "outcome unknown" | "recovered" | "not recovered" | "inconclusive")
        | (_, "undone" | "undo failed")
            if was_called =>
        {
            to(from, &[])
        }
        _ => None,
    }
}

fn event(happening: &str, action: &Action) -> ActionEvent {
    let (actor, note, reason) = (person(), String::new(), "so it says".to_owned());
    match happening {
        "approved" => ActionEvent::Approved { actor, note, digest: action.plan.digest },
        "rejected" => ActionEvent::Rejected { actor, note },
        "cancelled" => ActionEvent::Cancelled { actor, note },
        "withdrawn by the product" => ActionEvent::Cancelled { actor: Actor::product(), note },
        "blocked" => {
            let holds = Holds { kill_switch: Some("migration".to_owned()), ..Holds::default() };
            ActionEvent::Blocked { blocks: holds.blocks(&service(), now()) }
        }
        "started" => ActionEvent::Started { clearance: clearance(action), fencing_token: 7 },
        "succeeded" => ActionEvent::Succeeded,
        "failed" => ActionEvent::Failed { reason },
        "outcome unknown" => ActionEvent::OutcomeUnknown,
        "recovered" => ActionEvent::Verified { verdict: Verdict::Recovered },
        "not recovered" => ActionEvent::Verified { verdict: Verdict::NotRecovered },
        "inconclusive" => ActionEvent::Verified { verdict: Verdict::Inconclusive },
        "rollback ordered" => ActionEvent::RollbackOrdered { actor, note },
        "undone" => ActionEvent::Undone,
        "undo failed" => ActionEvent::UndoFailed { reason },
        "deadline passed" => ActionEvent::DeadlinePassed,
        other => panic!("{other}"),
    }
}

/// Leave for the plan of an action, whatever state that is in; of one that is only suggested, for another.
fn clearance(action: &Action) -> Clearance {
    let mut world = World::permissive();
    let deadline = Some(world.now + Duration::from_secs(1));
    let suggested = action.state == ActionState::Suggested;
    let planned = if suggested { fresh(Autonomy::Auto, CauseKind::MemoryLeak) } else { action.clone() };
    world.policy.autonomy = planned.plan.autonomy;
    // As it was when its turn came.
    let (actor, note, digest) = (person(), String::new(), planned.plan.digest);
    let decision = Some(Decision { approved: true, actor, note, time: now(), digest });
    let approved = Action { state: ActionState::Approved, decision, deadline, executed_at: None, ..planned };
    check_start(&approved, world.around(), &world.answer).unwrap_or_else(|blocks| panic!("{action:?}: {blocks:?}"))
}

fn fresh(rung: Autonomy, cause: CauseKind) -> Action {
    let mut world = World::permissive();
    world.policy.autonomy = rung;
    world.hypotheses = vec![hypothesis(cause, 0.9)];
    world.action().unwrap()
}

/// An action after these, of which each is possible.
fn after(rung: Autonomy, cause: CauseKind, happenings: &[&str]) -> Action {
    let mut action = fresh(rung, cause);
    for happening in happenings {
        let at = if *happening == "deadline passed" { action.deadline.unwrap() } else { now() };
        action.apply(event(happening, &action), at).unwrap_or_else(|error| panic!("{happening}: {error}"));
    }
    action
}

/// An action in each state, by a way there.
fn everywhere(cause: CauseKind) -> Vec<Action> {
    let (start, done) = (["started"].as_slice(), ["started", "succeeded"].as_slice());
    let ways: [(Autonomy, &[&str], &[&str]); 15] = [
        (Autonomy::Suggest, &[], &[]),
        (Autonomy::Approve, &[], &[]),
        (Autonomy::Approve, &["approved"], &[]),
        (Autonomy::Approve, &["rejected"], &[]),
        (Autonomy::Approve, &["deadline passed"], &[]),
        (Autonomy::Auto, &[], &[]),
        (Autonomy::Auto, &["cancelled"], &[]),
        (Autonomy::Auto, &["blocked"], &[]),
        (Autonomy::Auto, start, &[]),
        (Autonomy::Auto, start, &["failed"]),
        (Autonomy::Auto, start, &["outcome unknown"]),
        (Autonomy::Auto, done, &[]),
        (Autonomy::Auto, done, &["recovered"]),
        (Autonomy::Auto, done, &["not recovered"]),
        (Autonomy::Auto, start, &["blocked"]),
    ];
    let mut found: Vec<Action> =
        ways.iter().map(|(rung, way, on)| after(*rung, cause, &[*way, *on].concat())).collect();
    let rolling_back = after(Autonomy::Auto, cause, &["started", "succeeded", "not recovered"]);
    if rolling_back.state == ActionState::RollingBack {
        for end in ["undone", "undo failed"] {
            found.push(after(Autonomy::Auto, cause, &["started", "succeeded", "not recovered", end]));
        }
    }
    found
}

fn names(effects: &[ActionEffect]) -> Vec<String> {
    let name = |effect: &ActionEffect| match effect {
        ActionEffect::Report(kind) => kind.name().to_owned(),
        other => format!("{other:?}"),
    };
    effects.iter().map(name).collect()
}

/// Holds one step against the table. Time passed by a second, or to the deadline and no further.
fn check(action: &Action, happening: &str) {
    let at = match happening {
        "deadline passed" => action.deadline.unwrap_or(now()),
        _ => now() + Duration::from_secs(1),
    };
    let (from, was_called) = (action.state, action.executed_at.is_some());
    let can_undo = action.plan.reversibility == Reversibility::Undo;
    let told = format!("{happening} in {from:?}, undo: {can_undo}");
    let mut next = action.clone();
    let came = next.apply(event(happening, action), at);
    let Some(Way { to, effects, has }) = way(from, happening, can_undo, action.plan.verification.deadline, was_called)
    else {
        assert!(came.is_err() && next == *action, "{told}: {came:?}");
        return;
    };
    assert_eq!((next.state, names(&came.unwrap())), (to, effects.iter().map(ToString::to_string).collect()), "{told}");
    let deadline = match has {
        Some(has) => Some(at + has),
        None if to.is_terminal() => None,
        None => action.deadline,
    };
    assert_eq!(next.deadline, deadline, "{told}");
    if happening == "deadline passed" && action.deadline.is_some() {
        let mut early = action.clone();
        let came = early.apply(ActionEvent::DeadlinePassed, at - Duration::from_nanos(1));
        assert!(came.unwrap().is_empty() && early == *action, "{told}, but not yet");
    }
}

#[test]
fn an_action_goes_the_ways_that_are_written_down_and_no_other() {
    let mut seen = BTreeSet::new();
    for cause in [CauseKind::ConnectionPoolExhaustion, CauseKind::MemoryLeak] {
        for action in everywhere(cause) {
            seen.insert(format!("{:?}", action.state));
            for happening in HAPPENINGS {
                check(&action, happening);
            }
        }
    }
    let states = [
        "Approved",
        "AwaitingApproval",
        "Blocked",
        "Cancelled",
        "Executing",
        "Expired",
        "Failed",
        "Ineffective",
        "Rejected",
        "RollbackFailed",
        "RolledBack",
        "RollingBack",
        "Succeeded",
        "Suggested",
        "Unknown",
        "Verifying",
    ];
    assert!(seen.iter().eq(states), "{seen:?}");
}
