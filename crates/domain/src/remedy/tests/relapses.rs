//! Trouble that comes back after its cure.

use super::*;
use crate::incident::ActionId;

proptest! {
    #[test]
    fn cures_that_do_not_last_end_with_people(
        returns in prop::collection::vec((1..3_600_u64, 60..1_200_u64, any::<bool>(), any::<bool>()), 4..10),
    ) {
        let mut world = World::permissive();
        // So that nothing else bounds it.
        world.policy.limits.actions_per_target_max = 100;
        world.policy.limits.attempts_per_incident_max = 100;
        world.policy.limits.cooldown_s = 0;
        let (mut cures, mut is_left_to_people) = (0, false);
        for (away_s, took_s, is_leak, is_other) in returns {
            let cause = if is_leak { CauseKind::MemoryLeak } else { CauseKind::BadDeployment };
            world.hypotheses = vec![hypothesis(cause, 0.9)];
            match world.plan().0 {
                Plan::Execute(action) => {
                    cures += 1;
                    let ended_at = world.now + Duration::from_secs(took_s);
                    let mut cure = past(&world, action.spec.kind, ActionState::Succeeded, 0, !is_other);
                    cure.id = ActionId::of(cure.incident, cures);
                    cure.ended_at = Some(ended_at);
                    world.history.actions.push(cure);
                    world.now = ended_at + Duration::from_secs(away_s);
                    world.incident.reopened_at = Some(world.now);
                }
                Plan::Blocked { blocks, .. } => {
                    prop_assert!(blocks.iter().all(|block| block.reason == BlockReason::Relapse), "{:?}", blocks);
                    prop_assert!(!BlockReason::Relapse.is_passing(), "people have to be called");
                    is_left_to_people = true;
                }
                other => return Err(TestCaseError::fail(format!("{other:?}"))),
            }
        }
        prop_assert!(is_left_to_people && cures == 3, "{} cures", cures);
    }
}

#[test]
fn what_lasted_bounds_nothing() {
    let mut world = World::permissive();
    let hour = world.policy.limits.relapse_window_s;
    let cure = |age_s| past(&World::permissive(), ActionKind::Restart, ActionState::Succeeded, age_s, false);
    let relapses = |world: &World| {
        let [hour, day] = [hour, world.policy.limits.ineffective_window_s].map(Duration::from_secs);
        world.history.relapses(&service(), hour, day, world.now)
    };
    for index in 1..10 {
        world.history.actions.push(cure(index * hour));
    }
    assert_eq!(relapses(&world), 0);
    world.history.actions.push(cure(3 * hour + 1));
    assert_eq!(relapses(&world), 2, "to the one after it, and from the one before");
    world.history.actions.push(cure(hour - 1));
    assert_eq!(relapses(&world), 4, "the last did not last until now either");
    let elsewhere = ServiceId::named("cart");
    assert_eq!(
        world.history.relapses(&elsewhere, Duration::from_secs(hour), Duration::from_secs(86_400), world.now),
        0
    );
}

#[test]
fn what_helped_may_help_again_and_what_did_not_is_passed_over() {
    use ActionState::*;
    let is_made_again = |state, age_s| {
        let mut world = World::permissive();
        world.policy.limits.cooldown_s = 0;
        world.incident.reopened_at = Some(now() - Duration::from_secs(100));
        world.history.actions = vec![past(&world, ActionKind::RollbackDeployment, state, age_s, true)];
        matches!(world.plan().0, Plan::Execute(action) if action.spec.kind == ActionKind::RollbackDeployment)
    };
    let (before, since) = (200, 50);
    for state in [Succeeded, Expired] {
        assert!(is_made_again(state, before), "{state:?}");
        assert!(!is_made_again(state, since), "{state:?}");
    }
    for state in [Suggested, Cancelled, Blocked] {
        assert!(is_made_again(state, before) && is_made_again(state, since), "{state:?}");
    }
    for state in [Ineffective, RolledBack, RollbackFailed, Failed, Rejected, Unknown] {
        assert!(!is_made_again(state, before) && !is_made_again(state, since), "{state:?}");
    }
}
