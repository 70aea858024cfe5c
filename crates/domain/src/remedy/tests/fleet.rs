//! Who takes a place among all that is under way.

use super::gates::{forbidden, held};
use super::*;

/// Two that wait for days would else be all that the fleet has.
#[test]
fn what_may_start_and_is_held_takes_no_place_in_the_fleet_and_what_began_does() {
    use ActionState::*;
    for state in [Approved, Executing, Verifying, RollingBack] {
        for kind in 0..5 {
            let mut world = World::permissive();
            let (holds, is_held) = held("cart@*", kind);
            world.holds = holds;
            for age_s in [10, 11] {
                let past = past(&world, ActionKind::Restart, state, age_s, false);
                world.history.actions.push(PastAction { target: ServiceId::named("cart"), ..past });
            }
            let is_free = is_held && state == Approved;
            let expected = if is_free { BTreeSet::new() } else { BTreeSet::from([BlockReason::FleetLimit]) };
            assert_eq!(forbidden(&world), expected, "{state:?} {kind}");
        }
    }
}

/// What disturbs them would else wait for them, and they for it; and repairs that each bring new trouble about stop.
#[test]
fn a_few_whose_verdict_other_trouble_puts_off_take_no_place_in_the_fleet() {
    for (undisturbed, disturbed, is_full) in
        [(0, 2, false), (1, 2, false), (2, 0, true), (2, 2, true), (0, 3, false), (0, 4, true), (1, 3, true)]
    {
        for state in [ActionState::Verifying, ActionState::Executing] {
            let mut world = World::permissive();
            for age_s in 0..undisturbed + disturbed {
                let past = past(&world, ActionKind::Restart, state, age_s, false);
                let (target, is_disturbed) = (ServiceId::named("cart"), age_s < disturbed);
                world.history.actions.push(PastAction { target, is_disturbed, ..past });
            }
            // Only a verdict can be put off.
            let is_full = is_full || state == ActionState::Executing && undisturbed + disturbed >= 2;
            let expected = if is_full { BTreeSet::from([BlockReason::FleetLimit]) } else { BTreeSet::new() };
            assert_eq!(forbidden(&world), expected, "{undisturbed} {disturbed} {state:?}");
        }
    }
}

/// People are told of those beside the limit where there are any, and of none where there is none.
#[test]
fn a_full_fleet_says_who_is_beside_the_limit() {
    for (disturbed, beside) in [(0, false), (2, true)] {
        let mut world = World::permissive();
        for age_s in 0..disturbed + 2 {
            let past = past(&world, ActionKind::Restart, ActionState::Verifying, age_s, false);
            let (target, is_disturbed) = (ServiceId::named("cart"), age_s < disturbed);
            world.history.actions.push(PastAction { target, is_disturbed, ..past });
        }
        let (Plan::Blocked { blocks, .. }, _) = world.plan() else { panic!("{:?}", world.plan()) };
        let full = blocks.iter().find(|block| block.reason == BlockReason::FleetLimit).unwrap();
        assert!(full.detail.starts_with(&format!("{} actions are under way", disturbed + 2)), "{}", full.detail);
        assert_eq!(full.detail.contains("beside the limit"), beside, "{}", full.detail);
    }
}
