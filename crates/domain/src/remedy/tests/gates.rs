//! Each rule that can forbid an action, by what it must forbid and what it must let pass.

use super::*;
use crate::incident::{ActionId, Fingerprint, State};
use crate::remedy::gate::policy_blocks;

fn reasons(blocks: &[Block]) -> BTreeSet<BlockReason> {
    blocks.iter().map(|block| block.reason).collect()
}

/// What the policy forbids about rolling the service's deployment back.
pub(super) fn forbidden(world: &World) -> BTreeSet<BlockReason> {
    let spec = Spec { kind: ActionKind::RollbackDeployment, target: service(), parameters: Parameters::new() };
    let blocks = policy_blocks(&spec, world.incident.id, &world.incident.fingerprint, None, world.around());
    reasons(&blocks)
}

fn other_fingerprint() -> Fingerprint {
    let trigger = Trigger::Signal(Signal::Errors);
    Fingerprint::of(&Subject { service: service(), trigger, dimension: "other".into() }).unwrap()
}

/// Some actions of before, many of them at the edge of a limit's window.
fn histories() -> impl Strategy<Value = Vec<PastAction>> {
    use ActionState::*;
    let kinds = prop_oneof![3 => Just(ActionKind::RollbackDeployment), 1 => Just(ActionKind::Restart)];
    let vain = prop::sample::select(vec![Ineffective, RolledBack, RollbackFailed, Failed]);
    let states = prop_oneof![2 => states(), 2 => vain, 1 => Just(Succeeded)];
    let ages = prop::sample::select(vec![0_u64, 299, 300, 301, 3_599, 3_600, 3_601, 86_399, 86_400, 86_401]);
    let is_here = prop::bool::weighted(0.7);
    let one = (kinds, states, ages, is_here, prop::bool::weighted(0.8), any::<bool>());
    let one = one.prop_map(|(kind, state, age_s, is_here, is_same, is_mine)| {
        let mut made = past(&World::permissive(), kind, state, age_s, is_mine);
        if !is_here {
            made.target = ServiceId::named("cart");
        }
        if !is_same {
            made.fingerprint = other_fingerprint();
        }
        made
    });
    prop::collection::vec(one, 0..7)
}

/// Holds of every kind, over some service. Whether one stands that holds that service's target.
pub(super) fn held(service: &str, kind: usize) -> (Holds, bool) {
    let services = vec![ServicePattern::parse(service).unwrap()];
    let (before, after) = (now() - Duration::from_secs(60), now() + Duration::from_secs(60));
    let freeze = |start, end| Freeze { services: services.clone(), start, end, note: String::new() };
    let window = |start, end| {
        let window = "maintenanceWindows/w".to_owned();
        MaintenanceHold { window, services: Some(services.clone()), start, end: Some(end) }
    };
    match kind {
        0 => (Holds::default(), false),
        1 => (Holds { freezes: vec![freeze(None, after)], ..Holds::default() }, true),
        2 => (Holds { windows: vec![window(Some(before), after)], ..Holds::default() }, true),
        3 => (Holds { freezes: vec![freeze(Some(before), now())], ..Holds::default() }, false),
        _ => (Holds { windows: vec![window(Some(after), after)], ..Holds::default() }, false),
    }
}

/// What the default limits forbid, read from their description and with their numbers written out.
fn plain_reading(world: &World, is_elsewhere_held: bool) -> BTreeSet<BlockReason> {
    use ActionState::*;
    let history = &world.history.actions;
    let young = |time: Option<Timestamp>, seconds: u64| time.is_some_and(|time| now().since(time).as_secs() < seconds);
    let is_under_way = |past: &PastAction| [Approved, Executing, Verifying, RollingBack].contains(&past.state);
    let waits = |past: &PastAction| is_elsewhere_held && past.state == Approved && past.target != service();
    let is_mine = |past: &PastAction| past.incident == world.incident.id;
    let here: Vec<&PastAction> = history.iter().filter(|past| past.target == service()).collect();
    let is_same_kind = |past: &PastAction| past.kind == ActionKind::RollbackDeployment;
    let was_vain = |past: &&PastAction| {
        let is_vain = [Ineffective, RolledBack, RollbackFailed, Failed].contains(&past.state);
        is_same_kind(past) && past.fingerprint != other_fingerprint() && is_vain && young(past.ended_at, 86_400)
    };
    let cools = |past: &&PastAction| {
        is_same_kind(past) && !is_mine(past) && past.executed_at.is_some() && young(past.ended_at, 300)
    };
    let is_unknown = |past: &&PastAction| past.state == Unknown && (is_mine(past) || young(past.ended_at, 3_600));
    // Cures, the oldest first: each lasted until the next one, or until now.
    let cures = here.iter().filter(|past| past.state == Succeeded).filter_map(|past| past.ended_at);
    let mut ages_s: Vec<u64> = cures.map(|ended_at| now().since(ended_at).as_secs()).collect();
    ages_s.sort_unstable();
    ages_s.reverse();
    let next_s = ages_s.iter().skip(1).copied().chain([0]);
    let relapses = ages_s.iter().zip(next_s).filter(|(age_s, next_s)| **age_s < 86_400 && **age_s - next_s < 3_600);
    let forbids = [
        (relapses.count() > 2, BlockReason::Relapse),
        (here.iter().any(|past| is_under_way(past)), BlockReason::TargetBusy),
        (history.iter().filter(|past| is_under_way(past) && !waits(past)).count() >= 2, BlockReason::FleetLimit),
        (here.iter().copied().any(|past| is_unknown(&past)), BlockReason::OutcomeUnknown),
        (here.iter().filter(|past| young(past.executed_at, 3_600)).count() >= 3, BlockReason::RateLimit),
        (
            history.iter().filter(|past| is_mine(past) && past.executed_at.is_some()).count() >= 3,
            BlockReason::AttemptsExhausted,
        ),
        (history.iter().filter(was_vain).count() >= 2, BlockReason::Ineffective),
        (here.iter().copied().any(|past| cools(&past)), BlockReason::Cooldown),
    ];
    forbids.into_iter().filter_map(|(is_so, reason)| is_so.then_some(reason)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(5_000))]

    #[test]
    fn limits_are_kept_to_the_number_and_to_the_second(history in histories(), kind in 0..5_usize) {
        let mut world = World::permissive();
        world.history.actions = history;
        let (holds, is_elsewhere_held) = held("cart@*", kind);
        world.holds = holds;
        prop_assert_eq!(forbidden(&world), plain_reading(&world, is_elsewhere_held));
    }

    #[test]
    fn the_first_rule_that_speaks_of_service_and_action_counts(
        rules in prop::collection::vec((any::<bool>(), 0..=ActionKind::ALL.len(), rungs()), 0..4),
        otherwise in rungs(),
        kind in 0..ActionKind::ALL.len(),
    ) {
        let kind = ActionKind::ALL[kind];
        let (mut policy, mut expected) = (Policy { autonomy: otherwise, ..Policy::default() }, None);
        for (place, (is_meant, action, autonomy)) in rules.into_iter().enumerate() {
            let service = ServicePattern::parse(if is_meant { "checkout@production" } else { "cart@*" }).unwrap();
            // Past the last of all kinds the rule names none, and speaks of each.
            let action = ActionKind::ALL.get(action).copied();
            if is_meant && action.unwrap_or(kind) == kind {
                expected = expected.or(Some((place, autonomy)));
            }
            policy.rules.push(Rule { service, action, autonomy });
        }
        prop_assert_eq!(policy.autonomy(&service(), kind), expected.map_or(otherwise, |(_, autonomy)| autonomy));
        let words = policy.rule_in_words(&service(), kind);
        let rule = expected.map_or("no rule matches".to_owned(), |(place, _)| format!("rule {}: checkout@production", place + 1));
        prop_assert!(words.starts_with(&rule), "{words}");
    }
}

#[test]
fn one_more_than_a_limit_is_forbidden_and_the_last_within_it_is_not() {
    let mut world = World::permissive();
    let add = |world: &mut World, kind, state, age_s| {
        let past = past(world, kind, state, age_s, false);
        world.history.actions.push(past);
    };
    for age_s in [900, 901] {
        add(&mut world, ActionKind::Restart, ActionState::Ineffective, age_s);
    }
    assert_eq!(forbidden(&world), BTreeSet::new());
    add(&mut world, ActionKind::Restart, ActionState::Ineffective, 902);
    assert_eq!(forbidden(&world), BTreeSet::from([BlockReason::RateLimit]));
    // Cooling down ends when it is said to.
    world.history.actions.clear();
    add(&mut world, ActionKind::RollbackDeployment, ActionState::Succeeded, 10);
    let Plan::Blocked { blocks, .. } = world.plan().0 else { panic!("{:?}", world.plan().0) };
    let until = format!("until {}", now() - Duration::from_secs(10) + Duration::from_secs(300));
    assert!(blocks[0].detail.ends_with(&until), "{}", blocks[0].detail);
}

#[test]
fn only_a_service_that_is_enrolled_unprotected_named_and_seen_is_acted_on() {
    let meant = || vec![ServicePattern::parse("shop/checkout@production").unwrap()];
    let other = || vec![ServicePattern::parse("shop/cart@production").unwrap()];
    let mut world = World::permissive();
    world.policy.enrolled = meant();
    assert_eq!(forbidden(&world), BTreeSet::new());
    world.policy.enrolled = other();
    assert_eq!(forbidden(&world), BTreeSet::from([BlockReason::NotEnrolled]));
    world.policy.enrolled = [other(), meant()].concat();
    world.policy.protected = other();
    assert_eq!(forbidden(&world), BTreeSet::new());
    world.policy.protected = [other(), meant()].concat();
    assert_eq!(forbidden(&world), BTreeSet::from([BlockReason::Protected]));
    world.policy.protected.clear();
    world.seen = BTreeSet::from([ServiceId::new("shop", "checkout", "staging")]);
    assert_eq!(forbidden(&world), BTreeSet::from([BlockReason::NotSeen]));

    // What does not name itself was seen, and may be anybody's.
    let mut world = World::permissive();
    let nobody = ServiceId::new("shop", "", "production");
    world.seen = BTreeSet::from([nobody.clone()]);
    world.hypotheses[0].service = nobody;
    let Plan::Blocked { blocks, .. } = world.plan().0 else { panic!("{:?}", world.plan().0) };
    assert_eq!(reasons(&blocks), BTreeSet::from([BlockReason::NotSeen]));
}

#[test]
fn what_touches_more_than_policy_allows_is_forbidden() {
    for (instance, max, is_allowed) in [
        ("", BlastRadius::Instance, false),
        ("", BlastRadius::Service, true),
        ("", BlastRadius::System, true),
        ("checkout-1", BlastRadius::Instance, true),
    ] {
        let mut world = World::permissive();
        world.hypotheses = vec![hypothesis(CauseKind::MemoryLeak, 0.9)];
        world.hypotheses[0].origin.instance = instance.into();
        world.policy.limits.blast_radius_max = max;
        match world.plan().0 {
            Plan::Execute(action) => assert!(is_allowed && action.blast_radius <= max, "{instance} {max:?}"),
            Plan::Blocked { blocks, .. } => {
                assert!(!is_allowed, "{instance} {max:?}");
                assert_eq!(reasons(&blocks), BTreeSet::from([BlockReason::BlastRadius]));
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn what_the_catalogue_does_not_have_is_neither_planned_nor_started() {
    // From telemetry, which says what it likes.
    let mut world = World::permissive();
    world.hypotheses = vec![hypothesis(CauseKind::MemoryLeak, 0.9)];
    world.hypotheses[0].origin.instance = "x".repeat(254).into();
    let (Plan::Blocked { blocks, .. }, false) = world.plan() else { panic!("{:?}", world.plan()) };
    assert_eq!(reasons(&blocks), BTreeSet::from([BlockReason::Catalogue]));
    world.hypotheses[0].origin.instance = "x".repeat(253).into();
    assert!(matches!(world.plan().0, Plan::Execute(_)));

    let mut world = World::permissive();
    world.hypotheses.remove(0);
    let action = world.action().unwrap();
    assert_eq!(action.plan.spec.kind, ActionKind::RaisePool);
    for (name, value) in [("raise_percent", "301"), ("raise_percent", "+50"), ("force", "yes"), ("", "")] {
        let mut changed = action.clone();
        if name.is_empty() {
            changed.plan.spec.parameters.clear();
        } else {
            changed.plan.spec.parameters.insert(name.to_owned(), value.to_owned());
        }
        let blocks = check_start(&changed, world.around(), &world.answer).unwrap_err();
        assert!(reasons(&blocks).contains(&BlockReason::Catalogue), "{name}={value}: {blocks:?}");
    }
    // An entry that is narrower by now.
    let mut entry = world.catalogue.get(ActionKind::RaisePool).unwrap().clone();
    entry.parameters = &[];
    world.catalogue = world.catalogue.with(entry);
    let blocks = check_start(&action, world.around(), &world.answer).unwrap_err();
    assert_eq!(reasons(&blocks), BTreeSet::from([BlockReason::Catalogue]));
}

#[test]
fn a_target_has_to_say_whatever_its_action_needs_to_know() {
    let causes = [
        (CauseKind::BadDeployment, "previous_version"),
        (CauseKind::ConnectionPoolExhaustion, "pool_size"),
        (CauseKind::DiskFull, "reclaimable_bytes"),
    ];
    for (cause, fact) in causes {
        for said in [None, Some("")] {
            let mut world = World::permissive();
            world.hypotheses = vec![hypothesis(cause, 0.9)];
            assert!(matches!(world.plan().0, Plan::Execute(_)), "{cause:?}");
            let TargetState::Ready { facts, .. } = &mut world.answer else { unreachable!() };
            facts.remove(fact);
            facts.extend(said.map(|value| (fact.to_owned(), value.to_owned())));
            let (Plan::Blocked { blocks, .. }, true) = world.plan() else { panic!("{:?}", world.plan()) };
            assert_eq!(reasons(&blocks), BTreeSet::from([BlockReason::Precondition]));
            assert!(blocks[0].detail.contains(fact), "{}", blocks[0].detail);
        }
    }
    let mut world = World::permissive();
    world.answer = TargetState::Refused { reason: "not today".to_owned() };
    let (Plan::Blocked { blocks, .. }, true) = world.plan() else { panic!("{:?}", world.plan()) };
    assert_eq!(reasons(&blocks), BTreeSet::from([BlockReason::Refused]));
    assert!(blocks[0].detail.contains("not today"), "{}", blocks[0].detail);
    // What is nothing to a disk is nothing to others.
    let TargetState::Ready { mut facts, .. } = ready() else { unreachable!() };
    facts.insert("reclaimable_bytes".to_owned(), "0".to_owned());
    world.answer = TargetState::Ready { facts, can_undo: true };
    assert!(matches!(world.plan().0, Plan::Execute(_)));
}

#[test]
fn what_the_target_cannot_take_back_needs_a_person() {
    let mut world = World::permissive();
    let TargetState::Ready { facts, .. } = ready() else { unreachable!() };
    world.answer = TargetState::Ready { facts, can_undo: false };
    let Plan::AwaitApproval { action, reasons, .. } = world.plan().0 else { panic!("{:?}", world.plan().0) };
    assert_eq!((action.reversibility, &reasons[..]), (Reversibility::Irreversible, &[PersonReason::Irreversible][..]));
    // A start leaves nothing behind, whatever the target can.
    world.hypotheses = vec![hypothesis(CauseKind::MemoryLeak, 0.9)];
    assert!(matches!(world.plan().0, Plan::Execute(_)));
}

#[test]
fn the_rung_is_asked_again_at_the_start() {
    use Autonomy::*;
    let world = World::permissive();
    let planned = world.action().unwrap();
    let decided = |approved| Decision {
        approved,
        actor: person(),
        note: String::new(),
        time: now(),
        digest: planned.plan.digest,
    };
    let decisions = [None, Some(decided(false)), Some(decided(true))];
    for (rung, is_free) in [
        (Observe, [false, false, false]),
        (Suggest, [false, false, false]),
        (Approve, [false, false, true]),
        (Auto, [true, true, true]),
    ] {
        for (decision, is_free) in decisions.iter().zip(is_free) {
            let mut world = world.clone();
            world.policy.autonomy = rung;
            let action = Action { decision: decision.clone(), ..planned.clone() };
            let blocks = check_start(&action, world.around(), &world.answer).err().unwrap_or_default();
            assert_eq!(!reasons(&blocks).contains(&BlockReason::Autonomy), is_free, "{rung:?} {decision:?}");
        }
    }
}

#[test]
fn an_action_is_not_in_its_own_way_and_others_are() {
    let mut world = World::permissive();
    let action = world.action().unwrap();
    world.history.actions = vec![PastAction::from(&action)];
    assert!(check_start(&action, world.around(), &world.answer).is_ok());
    world.history.actions.push(PastAction { id: ActionId::of(world.incident.id, 7), ..PastAction::from(&action) });
    let blocks = check_start(&action, world.around(), &world.answer).unwrap_err();
    assert_eq!(reasons(&blocks), BTreeSet::from([BlockReason::TargetBusy]));
}

#[test]
fn leave_to_start_is_for_one_plan_of_one_action() {
    let world = World::permissive();
    let action = world.action().unwrap();
    let started = |cleared: &Action, world: &World| {
        let clearance = check_start(cleared, world.around(), &world.answer).unwrap();
        action.clone().apply(ActionEvent::Started { clearance, fencing_token: 1 }, now())
    };
    assert!(started(&action, &world).is_ok());
    // The id is no part of the digest: two actions can have one.
    let mut twin = action.clone();
    twin.plan.id = ActionId::of(world.incident.id, 7);
    assert!(matches!(started(&twin, &world), Err(Illegal::Digest { .. })));
    let mut changed = world.clone();
    changed.policy.limits.window_s += 1;
    let other = changed.action().unwrap();
    assert_eq!(other.plan.id, action.plan.id);
    assert!(matches!(started(&other, &changed), Err(Illegal::Digest { .. })));
}

#[test]
fn nothing_is_taken_back_where_nothing_may_be_done() {
    let mut world = World::permissive();
    let action = world.action().unwrap();
    // Rungs and limits bound what is begun, and not the way back.
    world.policy.autonomy = Autonomy::Observe;
    world.policy.limits.actions_per_target_max = 0;
    assert_eq!(check_undo(&action, &world.policy), Ok(()));
    world.policy.protected = vec![ServicePattern::parse("checkout@*").unwrap()];
    let blocks = check_undo(&action, &world.policy).unwrap_err();
    assert_eq!(reasons(&blocks), BTreeSet::from([BlockReason::Protected]));
    world.policy.protected.clear();
    world.policy.enrolled.clear();
    let blocks = check_undo(&action, &world.policy).unwrap_err();
    assert_eq!(reasons(&blocks), BTreeSet::from([BlockReason::NotEnrolled]));
}

#[test]
fn an_incident_that_has_ended_or_has_a_living_action_gets_no_other() {
    for state in [State::Resolved, State::Duplicate] {
        let mut world = World::permissive();
        world.incident.state = state;
        assert_eq!(world.plan(), (Plan::NothingToDo(NothingToDo::IncidentEnded), false));
    }
    use ActionState::*;
    for state in [AwaitingApproval, Approved, Executing, Verifying, RollingBack] {
        for is_mine in [true, false] {
            let mut world = World::permissive();
            let living = past(&world, ActionKind::ClearDisk, state, 10, is_mine);
            let lives = Plan::NothingToDo(NothingToDo::ActionLives { action: living.id });
            world.history.actions = vec![PastAction { target: ServiceId::named("cart"), ..living }];
            assert_eq!(world.plan().0 == lives, is_mine, "{state:?}");
        }
    }
}
