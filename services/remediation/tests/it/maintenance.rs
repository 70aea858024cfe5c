//! Maintenance: on account of an incident that a window covers nothing is done, and when it is over, it is.

use llm_sre_domain::incident::{Window, WindowId};

use super::gates::resolve_by_hand;
use super::*;

/// From now on, over the incident's service.
fn window(world: &World, lasts_s: u64) -> Window {
    let services = vec![ServicePattern::parse("shop/*@production").unwrap()];
    let end = world.clock.now() + Duration::from_secs(lasts_s);
    Window { id: WindowId::new("w1").unwrap(), services, start: None, end }
}

/// The incident's owner takes note of the windows there are.
fn cover(world: &World, windows: &[Window]) {
    let mut incident = world.owner.incident.lock().unwrap();
    incident.cover(windows, &Rules::default(), world.clock.now());
}

#[tokio::test(start_paused = true)]
async fn nothing_is_planned_to_be_done_before_it_is_over() {
    let world = World::new(Autonomy::Auto);
    let service = world.service();
    let windows = [window(&world, 600)];
    cover(&world, &windows);
    let action = world.propose(&service, false).await.unwrap();
    assert_eq!(action.state(), v1::ActionState::Blocked);
    assert_eq!(action.blocks.iter().map(v1::Block::reason).collect::<Vec<_>>(), [v1::BlockReason::Maintenance]);
    assert!(action.blocks[0].detail.contains("maintenanceWindows/w1"), "{:?}", action.blocks);
    world.run_for(&service, Duration::from_secs(300)).await;
    assert_eq!((world.calls("validate"), world.calls("execute")), (0, 0));
    assert_eq!(world.incident_state(), State::Diagnosing, "nobody is called");
    world.clock.advance_to(windows[0].end);
    cover(&world, &windows);
    world.run_for(&service, Duration::from_secs(60)).await;
    assert_eq!((world.calls("execute"), world.done()), (1, 1), "its incident is planned for again");
}

#[tokio::test(start_paused = true)]
async fn what_may_start_and_what_a_person_approves_wait_for_its_end() {
    for autonomy in [Autonomy::Auto, Autonomy::Approve] {
        let world = World::new(autonomy);
        let service = world.service();
        let action = world.propose(&service, false).await.unwrap();
        let windows = [window(&world, 600)];
        cover(&world, &windows);
        if autonomy == Autonomy::Approve {
            approve(&service, &action, &action.digest).await.unwrap();
        }
        world.run_for(&service, Duration::from_secs(300)).await;
        assert_eq!((world.calls("execute"), world.incident_state()), (0, State::Remediating), "{autonomy:?}");
        world.clock.advance_to(windows[0].end);
        cover(&world, &windows);
        world.run_until(&service, &action.name, v1::ActionState::Succeeded).await;
        assert_eq!((world.calls("execute"), world.done()), (1, 1), "{autonomy:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_had_its_time_meanwhile_is_withdrawn_and_planned_again() {
    for autonomy in [Autonomy::Auto, Autonomy::Approve] {
        let world = World::new(autonomy);
        let service = world.service();
        let action = world.propose(&service, false).await.unwrap();
        let windows = [window(&world, 7_200)];
        cover(&world, &windows);
        let lapsed = world.run_until(&service, &action.name, v1::ActionState::Cancelled).await;
        assert!(lapsed.outcome.contains("maintenanceWindows/w1"), "{}", lapsed.outcome);
        assert_eq!(world.incident_state(), State::Diagnosing, "nobody is called for an answer");
        // As the incident's owner asks then.
        let parent = format!("incidents/{}", world.owner.incident.lock().unwrap().id);
        let request = v1::ProposeActionRequest { parent, request_id: "propose-2".to_owned(), ..Default::default() };
        let blocked = service.propose_action(Request::new(request)).await.unwrap().into_inner();
        assert_eq!(blocked.state(), v1::ActionState::Blocked);
        world.clock.advance_to(windows[0].end);
        cover(&world, &windows);
        world.run_for(&service, Duration::from_secs(60)).await;
        let is_auto = autonomy == Autonomy::Auto;
        assert_eq!(world.calls("execute"), usize::from(is_auto), "{autonomy:?}");
        assert!(is_auto || world.incident_state() == State::AwaitingApproval, "it is offered again");
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_taken_back_before_it_is_over() {
    let world = World::new(Autonomy::Auto);
    *world.owner.recovered.lock().unwrap() = false;
    let service = world.service();
    let action = world.propose(&service, false).await.unwrap();
    world.run_until(&service, &action.name, v1::ActionState::Verifying).await;
    let mut windows = [window(&world, 36_000)];
    cover(&world, &windows);
    let order = v1::RollBackActionRequest { name: action.name.clone(), ..Default::default() };
    let held = service.roll_back_action(Request::new(order)).await.unwrap_err();
    assert_eq!(status::reason(&held).as_deref(), Some("ON_HOLD"));
    world.run_until(&service, &action.name, v1::ActionState::RollingBack).await;
    world.run_for(&service, Duration::from_secs(120)).await;
    assert_eq!(world.calls("undo"), 0);
    // Somebody ends it early.
    windows[0].end = world.clock.now();
    cover(&world, &windows);
    world.run_until(&service, &action.name, v1::ActionState::RolledBack).await;
    assert_eq!(world.calls("undo"), 1);
}

#[tokio::test(start_paused = true)]
async fn recovery_is_measured_and_the_incident_ends_in_maintenance() {
    let world = World::new(Autonomy::Auto);
    let service = world.service();
    let action = world.propose(&service, false).await.unwrap();
    world.run_until(&service, &action.name, v1::ActionState::Verifying).await;
    cover(&world, &[window(&world, 36_000)]);
    world.run_until(&service, &action.name, v1::ActionState::Succeeded).await;
    assert_eq!(world.incident_state(), State::Resolved);
    assert!(world.owner.incident.lock().unwrap().is_covered(), "people were never told");
}

/// Whoever works on the service resolves its incident by hand: what was to be taken back for it is left as it is then.
#[tokio::test(start_paused = true)]
async fn what_was_resolved_by_hand_in_maintenance_is_not_taken_back_after_it() {
    let world = World::new(Autonomy::Auto);
    *world.owner.recovered.lock().unwrap() = false;
    let service = world.service();
    let action = world.propose(&service, false).await.unwrap();
    world.run_until(&service, &action.name, v1::ActionState::Verifying).await;
    cover(&world, &[window(&world, 36_000)]);
    resolve_by_hand(&world);
    world.run_until(&service, &action.name, v1::ActionState::RollingBack).await;
    world.run_for(&service, Duration::from_secs(60)).await;
    let request = v1::GetActionRequest { name: action.name.clone() };
    let waiting = service.get_action(Request::new(request)).await.unwrap().into_inner();
    assert_eq!((waiting.state(), world.calls("undo")), (v1::ActionState::RollingBack, 0), "{waiting:?}");
    {
        // Somebody ends the window early, as the owner tells of an incident that has ended.
        let mut incident = world.owner.incident.lock().unwrap();
        let over = incident.maintenance_now(&[], world.clock.now());
        incident.maintenance = over;
    }
    let ended = world.run_until(&service, &action.name, v1::ActionState::RollbackFailed).await;
    assert!(ended.outcome.contains("resolved"), "{}", ended.outcome);
    assert_eq!((world.calls("undo"), world.incident_state()), (0, State::Resolved));
}
