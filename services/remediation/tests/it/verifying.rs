//! Whether recovery was measured, for long enough, and what is no verdict.

use std::time::Duration;

use super::*;

/// An action that was carried out, and the end of its recipe.
async fn carried_out(world: &World, service: &Service) -> (v1::Action, Timestamp) {
    let action = world.propose(service, false).await.unwrap();
    let verifying = world.run_until(service, &action.name, v1::ActionState::Verifying).await;
    let deadline = from_proto_time(&verifying.deadline_time.unwrap());
    (verifying, deadline)
}

fn see(world: &World, sight: Sight) {
    *world.owner.sight.lock().unwrap() = sight;
}

#[tokio::test(start_paused = true)]
async fn a_detector_that_is_behind_or_away_says_nothing_against_an_action() {
    let deadline_over = Duration::from_secs(1_800);
    for is_away in [false, true] {
        let world = World::new(Autonomy::Auto);
        let service = world.service();
        let action = world.propose(&service, false).await.unwrap();
        world.run_until(&service, &action.name, v1::ActionState::Verifying).await;
        let since = world.clock.now();
        *world.owner.sight.lock().unwrap() = if is_away { Sight::Gone } else { Sight::Until(since) };
        world.run_for(&service, deadline_over).await;
        *world.owner.sight.lock().unwrap() = Sight::Clear;
        world.run_until(&service, &action.name, v1::ActionState::Succeeded).await;
        assert_eq!((world.calls("execute"), world.calls("undo")), (1, 0));
        assert_eq!(world.incident_state(), State::Resolved);
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_service_showed_long_before_the_deadline_says_nothing_at_it() {
    for comes_late in [true, false] {
        let world = World::new(Autonomy::Auto);
        let service = world.service();
        let action = world.propose(&service, false).await.unwrap();
        let verifying = world.run_until(&service, &action.name, v1::ActionState::Verifying).await;
        let now = world.clock.now();
        let deadline = from_proto_time(&verifying.deadline_time.unwrap());
        *world.owner.sight.lock().unwrap() = Sight::Stale(now + Duration::from_secs(60));
        world.run_for(&service, deadline.since(now) + Duration::from_secs(60)).await;
        if comes_late {
            *world.owner.sight.lock().unwrap() = Sight::Clear;
            world.run_until(&service, &action.name, v1::ActionState::Succeeded).await;
        } else {
            world.run_until(&service, &action.name, v1::ActionState::RolledBack).await;
        }
        assert_eq!((world.calls("execute"), world.calls("undo")), (1, usize::from(!comes_late)));
    }
}

#[tokio::test(start_paused = true)]
async fn signals_have_to_be_well_for_as_long_as_the_recipe_says() {
    let world = World::new(Autonomy::Auto);
    let service = world.service();
    let action = world.propose(&service, false).await.unwrap();
    let verifying = world.run_until(&service, &action.name, v1::ActionState::Verifying).await;
    let measure = verifying.verification.unwrap().measure_duration.unwrap();
    let unwell = world.clock.now() + Duration::from_secs(300);
    *world.owner.sight.lock().unwrap() = Sight::WellSince(unwell);
    world.run_until(&service, &action.name, v1::ActionState::Succeeded).await;
    let held = world.clock.now().since(unwell);
    assert!(held.as_secs() >= u64::try_from(measure.seconds).unwrap(), "well for {held:?} only");
}

#[tokio::test(start_paused = true)]
async fn a_detector_that_never_sees_again_is_not_waited_for_for_ever() {
    let world = World::new(Autonomy::Auto);
    let service = world.service();
    let action = world.propose(&service, false).await.unwrap();
    world.run_until(&service, &action.name, v1::ActionState::Verifying).await;
    *world.owner.sight.lock().unwrap() = Sight::Gone;
    world.run_for(&service, Duration::from_secs(2 * 3_600)).await;
    world.run_until(&service, &action.name, v1::ActionState::RolledBack).await;
    assert_eq!((world.calls("execute"), world.calls("undo")), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn another_incidents_doing_says_nothing_against_an_action_for_an_hour() {
    for ends in [true, false] {
        let world = World::new(Autonomy::Auto);
        let service = world.service();
        let (action, deadline) = carried_out(&world, &service).await;
        see(&world, Sight::Disturbed);
        world.run_for(&service, deadline.since(world.clock.now()) + Duration::from_secs(1_200)).await;
        assert_eq!(world.calls("undo"), 0);
        if ends {
            see(&world, Sight::Clear);
            world.run_until(&service, &action.name, v1::ActionState::Succeeded).await;
        } else {
            world.run_for(&service, Duration::from_secs(3_600)).await;
            world.run_until(&service, &action.name, v1::ActionState::RolledBack).await;
        }
        assert_eq!((world.calls("execute"), world.calls("undo")), (1, usize::from(!ends)));
    }
}

#[tokio::test(start_paused = true)]
async fn a_detector_that_reads_no_more_puts_a_verdict_off_no_longer_than_one_that_is_away() {
    let world = World::new(Autonomy::Auto);
    let service = world.service();
    let (action, deadline) = carried_out(&world, &service).await;
    // Another cause disturbs it for nearly as long as that can count, and then nothing is read.
    let stop = deadline + Duration::from_secs(3_000);
    see(&world, Sight::Disturbed);
    world.run_for(&service, stop.since(world.clock.now())).await;
    see(&world, Sight::DisturbedUntil(stop));
    world.run_for(&service, (deadline + Duration::from_secs(3_900)).since(world.clock.now())).await;
    assert_eq!(world.calls("undo"), 1);
    world.run_until(&service, &action.name, v1::ActionState::RolledBack).await;
}

#[tokio::test(start_paused = true)]
async fn what_is_well_at_the_deadline_has_its_time_however_late_telemetry_is() {
    for behind in [Duration::ZERO, Duration::from_secs(600)] {
        let world = World::new(Autonomy::Auto);
        let service = world.service();
        let (action, deadline) = carried_out(&world, &service).await;
        see(&world, Sight::Behind { by: behind, well_since: deadline - Duration::from_secs(30) });
        world.run_until(&service, &action.name, v1::ActionState::Succeeded).await;
        assert_eq!((world.calls("execute"), world.calls("undo")), (1, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn a_sample_outside_after_the_deadline_takes_nothing_back_that_is_well_in_time() {
    for comes_back in [true, false] {
        let world = World::new(Autonomy::Auto);
        let service = world.service();
        let (action, deadline) = carried_out(&world, &service).await;
        see(&world, Sight::WellSince(deadline - Duration::from_secs(30)));
        world.run_for(&service, deadline.since(world.clock.now()) + Duration::from_secs(10)).await;
        *world.owner.recovered.lock().unwrap() = false;
        see(&world, Sight::Clear);
        world.run_for(&service, Duration::from_secs(10)).await;
        assert_eq!(world.calls("undo"), 0);
        let ended = if comes_back {
            see(&world, Sight::WellSince(world.clock.now()));
            v1::ActionState::Succeeded
        } else {
            v1::ActionState::RolledBack
        };
        world.run_until(&service, &action.name, ended).await;
    }
}
