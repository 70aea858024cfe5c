//! What is done about which cause, and what has to be known for it.

use super::*;

/// What is planned where a target knows all facts but one.
fn planned(world: &World, but: &str) -> Plan {
    let mut world = world.clone();
    let TargetState::Ready { facts, .. } = &mut world.answer else { unreachable!() };
    facts.remove(but);
    world.plan().0
}

/// The treatment of a cause, where the target says what has to be known, and only then.
fn treated(world: &World, fact: &str) -> Box<Proposed> {
    match planned(world, fact) {
        Plan::Blocked { blocks, .. } => {
            assert!(blocks.iter().all(|block| block.reason == BlockReason::Precondition), "{blocks:?}");
            assert!(blocks.iter().any(|block| block.detail.contains(fact)), "{blocks:?}");
        }
        other => panic!("{fact} is not asked for: {other:?}"),
    }
    let Plan::Execute(action) = planned(world, "") else { panic!("{:?}", planned(world, "")) };
    action
}

fn with(cause: CauseKind) -> World {
    World { hypotheses: vec![hypothesis(cause, 0.9)], ..World::permissive() }
}

#[test]
fn a_dependency_that_is_named_is_called_no_more() {
    let mut world = with(CauseKind::DependencyOutage);
    let untreated = Plan::NothingToDo(NothingToDo::NoTreatment { causes: vec![CauseKind::DependencyOutage] });
    assert_eq!(world.plan().0, untreated, "nobody knows which");
    world.hypotheses[0].dependency = "x".repeat(300);
    assert_eq!(world.plan().0, untreated, "no address is so long");
    world.hypotheses[0].dependency = "bank.example".to_owned();
    let action = treated(&world, "standby");
    assert_eq!((action.spec.kind, &*action.spec.parameters["dependency"]), (ActionKind::FailOver, "bank.example"));
    assert_eq!(action.reversibility, Reversibility::Undo);
}

#[test]
fn a_certificate_that_has_expired_is_renewed() {
    let action = treated(&with(CauseKind::ExpiredCertificate), "certificate_not_after");
    assert_eq!((action.spec.kind, &*action.spec.parameters["valid_days"]), (ActionKind::RenewCertificate, "90"));
}

#[test]
fn load_is_turned_away_once_at_a_time() {
    let mut world = with(CauseKind::CacheStampede);
    let action = treated(&world, "admitted_percent");
    assert_eq!((action.spec.kind, &*action.spec.parameters["percent"]), (ActionKind::ShedLoad, "30"));
    let TargetState::Ready { facts, .. } = &mut world.answer else { unreachable!() };
    facts.insert("admitted_percent".to_owned(), "70".to_owned());
    let Plan::Blocked { blocks, .. } = world.plan().0 else { panic!("{:?}", world.plan().0) };
    assert!(blocks.iter().all(|block| block.reason == BlockReason::Precondition && block.detail.contains("70")));
}

#[test]
fn instances_that_are_all_busy_get_more_beside_them() {
    let action = treated(&with(CauseKind::CpuSaturation), "instances");
    assert_eq!((action.spec.kind, action.reversibility), (ActionKind::ScaleOut, Reversibility::Undo));
}
