//! What may be planned, what an approval is bound to, and what the record of it all is worth.

use super::*;
use crate::incident::ActionId;
use crate::telemetry::{Change, ChangeKind};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3_000))]

    #[test]
    fn only_what_everything_allows_goes_ahead(world in worlds()) {
        let (plan, asked) = world.plan();
        let policy = &world.policy;
        let allowed = policy.is_enrolled(&service()) && !policy.is_protected(&service()) && !world.seen.is_empty();
        prop_assert!(!asked || (allowed && policy.autonomy >= Autonomy::Approve), "a call although policy forbids it");
        let under_way = world.history.actions.iter().any(|past| past.state.is_under_way());
        let unknown = world.history.actions.iter().any(|past| {
            past.state == ActionState::Unknown && past.incident == world.incident.id
        });
        match &plan {
            Plan::Execute(action) => {
                prop_assert!(allowed && !under_way && !unknown && policy.autonomy == Autonomy::Auto);
                prop_assert!(action.confidence >= policy.confidence_auto_min);
                prop_assert_ne!(action.reversibility, Reversibility::Irreversible);
                prop_assert!(action.blast_radius <= policy.limits.blast_radius_max);
                let answered = matches!(world.answer, TargetState::Ready { .. });
                prop_assert!(answered);
            }
            Plan::AwaitApproval { reasons, .. } => {
                prop_assert!(allowed && !under_way && !unknown && policy.autonomy >= Autonomy::Approve);
                prop_assert!(!reasons.is_empty());
            }
            Plan::Suggest { .. } => prop_assert_eq!(policy.autonomy, Autonomy::Suggest),
            Plan::Blocked { blocks, .. } => prop_assert!(!blocks.is_empty()),
            Plan::AskTarget(_) | Plan::NothingToDo(_) => {}
        }
        if let Some(action) = world.action() {
            let tried = |past: &PastAction| {
                let is_same = past.incident == world.incident.id && past.kind == action.plan.spec.kind;
                is_same && past.is_tried_in(world.incident.reopened_at)
            };
            prop_assert!(!world.history.actions.iter().any(tried), "the same again");
            let planned = &action.plan;
            let explains = |hypothesis: &Hypothesis| {
                let is_it = hypothesis.cause == planned.cause && hypothesis.confidence == planned.confidence;
                is_it && !hypothesis.supports.is_empty() && hypothesis.confidence >= policy.confidence_min
            };
            prop_assert!(world.hypotheses.iter().any(explains), "planned on what nothing supports");
            let attempts = world.history.actions.iter().filter(|past| {
                past.incident == world.incident.id && past.executed_at.is_some()
            });
            prop_assert_eq!(planned.attempt as usize, attempts.count() + 1);
            let goes_ahead = matches!(plan, Plan::Execute(_) | Plan::AwaitApproval { .. });
            if let (true, TargetState::Ready { facts, .. }) = (goes_ahead, &world.answer) {
                prop_assert_eq!(&planned.target_state, facts);
            }
        }
    }

    #[test]
    fn patterns_match_what_a_plain_reading_says(pattern in "[ab*]{0,5}", text in "[ab]{0,6}") {
        fn plain(pattern: &[u8], text: &[u8]) -> bool {
            match pattern.split_first() {
                None => text.is_empty(),
                Some((b'*', rest)) => (0..=text.len()).any(|skip| plain(rest, &text[skip..])),
                Some((first, rest)) => text.first() == Some(first) && plain(rest, &text[1..]),
            }
        }
        let parsed = ServicePattern::parse(&format!("n@{pattern}")).unwrap();
        let service = ServiceId::new("", "n", &text);
        prop_assert_eq!(parsed.matches(&service), plain(pattern.as_bytes(), text.as_bytes()));
    }

    #[test]
    fn a_changed_record_is_found(
        steps in prop::collection::vec(("[a-z]{0,6}", any::<bool>()), 1..8),
        at: prop::sample::Index,
        how in 0..7,
    ) {
        let mut records: Vec<AuditRecord> = Vec::new();
        for (step, is_hold) in steps {
            let (incident, hold) = (incident().id, AuditSubject::Hold("killSwitch".to_owned()));
            let action = AuditSubject::Action { incident, action: ActionId::of(incident, 0) };
            let entry = AuditEntry {
                time: now(),
                actor: person(),
                subject: if is_hold { hold } else { action },
                step,
                detail: String::new(),
            };
            records.push(AuditRecord::next(records.last(), entry));
        }
        let head = verify(&records).unwrap();
        prop_assert_eq!(head, records[records.len() - 1].hash);
        let index = at.index(records.len());
        match how {
            0 => records[index].entry.detail.push('x'),
            1 => records[index].entry.step.push('x'),
            2 => records[index].entry.actor = Actor::product(),
            3 => records[index].entry.time = now() + Duration::from_nanos(1),
            4 => records[index].entry.subject = AuditSubject::Hold("freezes/x".to_owned()),
            5 if index + 1 < records.len() => { records.remove(index); }
            // Writing a record anew breaks the link to the one after it; for the newest only the noted head tells.
            _ => {
                let before = index.checked_sub(1).map(|before| records[before].clone());
                let entry = AuditEntry { detail: "x".to_owned(), ..records[index].entry.clone() };
                records[index] = AuditRecord::next(before.as_ref(), entry);
            }
        }
        prop_assert_ne!(verify(&records), Ok(head));
    }
}

#[test]
fn what_cannot_be_undone_needs_a_person() {
    let mut world = World::permissive();
    assert!(matches!(world.plan().0, Plan::Execute(_)));
    let mut entry = world.catalogue.get(ActionKind::RollbackDeployment).unwrap().clone();
    entry.reversibility = Reversibility::Irreversible;
    world.catalogue = world.catalogue.with(entry);
    let (Plan::AwaitApproval { reasons, .. }, _) = world.plan() else { panic!("{:?}", world.plan()) };
    assert_eq!(reasons, [PersonReason::Irreversible]);
}

#[test]
fn the_second_guess_needs_a_person() {
    let mut world = World::permissive();
    world.hypotheses.insert(0, hypothesis(CauseKind::TrafficSurge, 0.95));
    // Whoever decides is told.
    let action = world.action().unwrap();
    assert_eq!(
        (action.state, &action.person_reasons[..]),
        (ActionState::AwaitingApproval, &[PersonReason::LikelierCauseUntreated][..])
    );
}

#[test]
fn each_limit_blocks() {
    let deploy = ActionKind::RollbackDeployment;
    let block = |change: &dyn Fn(&mut World)| {
        let mut world = World::permissive();
        change(&mut world);
        match world.plan() {
            (Plan::Blocked { blocks, .. }, asked) => {
                assert!(!asked, "a blocked action made a call");
                blocks.into_iter().map(|block| block.reason).collect::<Vec<_>>()
            }
            (plan, _) => panic!("{plan:?}"),
        }
    };
    let add = |world: &mut World, kind, state, age_s, mine| {
        let past = past(world, kind, state, age_s, mine);
        world.history.actions.push(past);
    };
    let busy = |world: &mut World| add(world, ActionKind::Restart, ActionState::Verifying, 10, false);
    assert_eq!(block(&busy), [BlockReason::TargetBusy]);
    let cooling = |world: &mut World| add(world, deploy, ActionState::Succeeded, 10, false);
    assert_eq!(block(&cooling), [BlockReason::Cooldown]);
    let unknown = |world: &mut World| add(world, ActionKind::Restart, ActionState::Unknown, 90_000, true);
    assert_eq!(block(&unknown), [BlockReason::OutcomeUnknown]);
    let vain = |world: &mut World| (0..2).for_each(|i| add(world, deploy, ActionState::RolledBack, 4_000 + i, false));
    assert_eq!(block(&vain), [BlockReason::Ineffective]);
    let often = |world: &mut World| {
        (0..3).for_each(|i| add(world, ActionKind::Restart, ActionState::Ineffective, 900 + i, false))
    };
    assert_eq!(block(&often), [BlockReason::RateLimit]);
    let spent = |world: &mut World| {
        (0..3).for_each(|i| add(world, ActionKind::Restart, ActionState::Ineffective, 9_000 + i, true))
    };
    assert_eq!(block(&spent), [BlockReason::AttemptsExhausted]);
    let relapsed = |world: &mut World| {
        (1..4).for_each(|i| add(world, ActionKind::Restart, ActionState::Succeeded, 3_000 * i, false))
    };
    assert_eq!(block(&relapsed), [BlockReason::Relapse]);
    let fleet = |world: &mut World| {
        (0..2).for_each(|i| add(world, ActionKind::Restart, ActionState::Executing, 10 + i, false));
        world.history.actions.iter_mut().for_each(|past| past.target = ServiceId::named("cart"));
    };
    assert_eq!(block(&fleet), [BlockReason::FleetLimit]);
}

/// Whatever a person could have decided by is in the digest, and what is in the digest voids a decision.
#[test]
fn a_digest_covers_plan_policy_and_target() {
    let base = World::permissive();
    let action = base.action().unwrap();
    assert!(check_start(&action, base.around(), &base.answer).is_ok());
    let pattern = || ServicePattern::parse("other@*").unwrap();
    let changes: [&dyn Fn(&mut World); 19] = [
        &(|w| {
            w.policy.rules.push(Rule {
                service: ServicePattern::parse("x@*").unwrap(),
                action: None,
                autonomy: Autonomy::Auto,
            })
        }),
        &(move |w| w.policy.enrolled.push(pattern())),
        &(move |w| w.policy.protected.push(pattern())),
        &(|w| w.policy.confidence_min = 0.1),
        &(|w| w.policy.confidence_auto_min = 0.5),
        &(|w| w.policy.limits.actions_per_target_max += 1),
        &(|w| w.policy.limits.window_s += 1),
        &(|w| w.policy.limits.actions_under_way_max += 1),
        &(|w| w.policy.limits.actions_disturbed_max += 1),
        &(|w| w.policy.limits.attempts_per_incident_max += 1),
        &(|w| w.policy.limits.blast_radius_max = BlastRadius::System),
        &(|w| w.policy.limits.approval_expiry_s += 1),
        &(|w| w.policy.limits.execution_s += 1),
        &(|w| w.policy.limits.ineffective_max += 1),
        &(|w| w.policy.limits.ineffective_window_s += 1),
        &(|w| w.policy.limits.relapses_max += 1),
        &(|w| w.policy.limits.relapse_window_s += 1),
        &(|w| w.policy.limits.cooldown_s += 1),
        &(|w| {
            let TargetState::Ready { facts, .. } = &mut w.answer else { unreachable!() };
            facts.insert("version".to_owned(), "1.4.3".to_owned());
        }),
    ];
    let mut digests = BTreeSet::from([action.plan.digest]);
    for (index, change) in changes.iter().enumerate() {
        let mut world = base.clone();
        change(&mut world);
        assert!(digests.insert(world.action().unwrap().plan.digest), "change {index} is not in the digest");
        let blocks = check_start(&action, world.around(), &world.answer).unwrap_err();
        assert_eq!(
            blocks.iter().map(|block| block.reason).collect::<Vec<_>>(),
            [BlockReason::DigestMismatch],
            "{index}"
        );
    }
    let leak = |world: &mut World, instance: &str| {
        world.hypotheses[0].cause = CauseKind::MemoryLeak;
        world.hypotheses[0].origin.instance = instance.into();
    };
    let plans: [&dyn Fn(&mut World); 5] = [
        &|w| w.hypotheses[0].confidence = 0.91,
        &|w| leak(w, ""),
        &|w| leak(w, "checkout-1"),
        &|w| leak(w, "checkout-2"),
        &|w| w.seen = BTreeSet::from([service(), ServiceId::named("cart")]),
    ];
    let differ = plans.map(|change| {
        let mut world = base.clone();
        change(&mut world);
        digests.insert(world.action().unwrap().plan.digest)
    });
    assert_eq!(differ, [true, true, true, true, false]);
}

#[test]
fn parameters_are_checked_and_filled_in() {
    let catalogue = Catalogue::default();
    let pool = catalogue.get(ActionKind::RaisePool).unwrap();
    let with = |name: &str, value: &str| pool.check_parameters(&[(name.to_owned(), value.to_owned())].into());
    assert_eq!(pool.check_parameters(&Parameters::new()).unwrap()["raise_percent"], "100");
    assert_eq!(with("raise_percent", "+50").unwrap()["raise_percent"], "50");
    for refused in ["9", "301", "", "1e2", "50 "] {
        assert!(matches!(with("raise_percent", refused), Err(ParameterError::OutOfBounds { .. })), "{refused}");
    }
    assert!(matches!(with("force", "true"), Err(ParameterError::Unknown { .. })));
    // An incident gives up verifying after every recipe has, and after the hour that a detector has to come back.
    let longest = catalogue.types().map(|entry| entry.verification.deadline).max().unwrap();
    assert!(longest + Duration::from_secs(3_600) < Duration::from_secs(Rules::default().verifying_s));
    assert!(catalogue.types().all(|t| t.verification.settle + t.verification.measure < t.verification.deadline));
    assert!(ActionKind::ALL.iter().all(|kind| ActionKind::from_name(kind.name()) == Some(*kind)));
}

/// A flag of the service that was switched so long before now.
fn switched(age_s: u64) -> Change {
    Change {
        service: service(),
        time: now() - Duration::from_secs(age_s),
        kind: ChangeKind::FeatureFlag,
        subject: "checkout.batched-reads".to_owned(),
        before: "off".to_owned(),
        after: "on".to_owned(),
        description: String::new(),
    }
}

#[test]
fn a_setting_that_is_blamed_is_set_back_to_what_it_was_and_to_nothing_else() {
    let mut world = World::permissive();
    world.hypotheses = vec![hypothesis(CauseKind::BadConfiguration, 0.9)];
    let untreated = Plan::NothingToDo(NothingToDo::NoTreatment { causes: vec![CauseKind::BadConfiguration] });
    assert_eq!(world.plan().0, untreated, "nobody knows which setting");
    world.hypotheses[0].change = Some(Change { before: String::new(), ..switched(300) });
    assert_eq!(world.plan().0, untreated, "nobody knows what it was");
    world.hypotheses[0].change = Some(switched(300));
    let Plan::Execute(action) = world.plan().0 else { panic!("{:?}", world.plan().0) };
    assert_eq!(action.spec.kind, ActionKind::RevertConfiguration);
    assert_eq!((&*action.spec.parameters["key"], &*action.spec.parameters["value"]), ("checkout.batched-reads", "off"));

    // Somebody has set it back meanwhile: its newest change was from "on".
    let TargetState::Ready { facts, .. } = &mut world.answer else { unreachable!() };
    facts.insert("previous_value".to_owned(), "on".to_owned());
    let Plan::Blocked { blocks, .. } = world.plan().0 else { panic!("{:?}", world.plan().0) };
    assert!(blocks.iter().all(|block| block.reason == BlockReason::Precondition && block.detail.contains("'on'")));
}

#[test]
fn what_a_repair_changed_is_not_taken_back() {
    let mut world = World::permissive();
    world.hypotheses = vec![hypothesis(CauseKind::BadConfiguration, 0.9), hypothesis(CauseKind::MemoryLeak, 0.8)];
    // What was done to the target lately is no limit here.
    world.policy.limits.cooldown_s = 0;
    let planned = |age_s, kind, state| {
        let mut world = world.clone();
        world.hypotheses[0].change = Some(Change { kind: ChangeKind::Configuration, ..switched(age_s) });
        let mut repair = past(&world, kind, state, 600, false);
        repair.ended_at = repair.ended_at.map(|ended_at| ended_at + Duration::from_secs(200));
        world.history.actions = vec![repair];
        world.plan().0
    };
    let is_left = |plan: Plan| match plan {
        // What is treated instead is a second guess.
        Plan::AwaitApproval { action, reasons, .. } => {
            assert_eq!(reasons, [PersonReason::LikelierCauseUntreated]);
            action.spec.kind == ActionKind::Restart
        }
        Plan::Execute(action) => action.spec.kind != ActionKind::RevertConfiguration,
        other => panic!("{other:?}"),
    };
    assert!(is_left(planned(590, ActionKind::RaisePool, ActionState::Succeeded)), "the repair's own change");
    assert!(is_left(planned(390, ActionKind::RaisePool, ActionState::RolledBack)), "that which took it back");
    assert!(is_left(planned(100, ActionKind::RaisePool, ActionState::RollbackFailed)), "that which came late");
    assert!(!is_left(planned(300, ActionKind::RaisePool, ActionState::Succeeded)), "after the repair");
    assert!(!is_left(planned(700, ActionKind::RaisePool, ActionState::Succeeded)), "before it");
    assert!(!is_left(planned(590, ActionKind::Restart, ActionState::Succeeded)), "a repair that changes nothing");

    world.hypotheses.truncate(1);
    world.hypotheses[0].change = Some(Change { kind: ChangeKind::Configuration, ..switched(590) });
    let mut repair = past(&world, ActionKind::RaisePool, ActionState::Succeeded, 600, false);
    repair.ended_at = Some(now());
    world.history.actions = vec![repair];
    let of_repair = NothingToDo::OfRepair { cause: CauseKind::BadConfiguration };
    assert_eq!(world.plan().0, Plan::NothingToDo(of_repair));
}

#[test]
fn what_changes_by_itself_voids_no_approval() {
    let mut world = World::permissive();
    world.policy.autonomy = Autonomy::Approve;
    world.hypotheses = vec![hypothesis(CauseKind::DiskFull, 0.9)];
    let digest = |world: &World| world.action().unwrap().plan.digest;
    let seen = digest(&world);
    let mut set = |key: &str, value: &str| {
        let TargetState::Ready { facts, .. } = &mut world.answer else { unreachable!() };
        facts.insert(key.to_owned(), value.to_owned());
        digest(&world)
    };
    assert_eq!(set("reclaimable_bytes", "2000000"), seen, "the disk fills on");
    assert_ne!(set("version", "1.4.3"), seen, "somebody deploys");
    let TargetState::Ready { facts, .. } = &mut world.answer else { unreachable!() };
    facts.insert("reclaimable_bytes".to_owned(), "0".to_owned());
    assert!(matches!(world.plan().0, Plan::Blocked { .. }), "there is nothing to remove");
}

#[test]
fn the_instance_whose_cpu_is_busy_is_started_again_and_where_all_are_there_are_more() {
    let mut world = World::permissive();
    world.hypotheses = vec![hypothesis(CauseKind::CpuSaturation, 0.9)];
    let Plan::Execute(action) = world.plan().0 else { panic!("{:?}", world.plan().0) };
    assert_eq!((action.spec.kind, &*action.spec.parameters["add_percent"]), (ActionKind::ScaleOut, "100"));
    world.hypotheses[0].origin.instance = "checkout-1".into();
    let Plan::Execute(action) = world.plan().0 else { panic!("{:?}", world.plan().0) };
    assert_eq!((action.spec.kind, &*action.spec.parameters["instance"]), (ActionKind::Restart, "checkout-1"));
}
