//! Maintenance: on account of an incident that a window covers, and to a target that one covers, nothing is done, and
//! when it is over, it is.

use llm_sre_domain::incident::{Window, WindowId};
use llm_sre_proto::convert::common::to_proto_time;
use llm_sre_proto::incident::v1::MaintenanceWindow;

use super::gates::resolve_by_hand;
use super::*;

/// Where an incident is caused elsewhere: what is to be acted on, and not what it is about.
const TARGET: &str = "shop/check*@production";
/// Neither of them.
const NEITHER: &str = "*@staging";

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

/// The incident is about another service than the one that its diagnosis blames and that is to be acted on.
fn caused_elsewhere(autonomy: Autonomy) -> World {
    let world = World::new(autonomy);
    let web = ServiceId::new("shop", "web", "production");
    *world.owner.incident.lock().unwrap() = explained_incident_about(web, world.clock.now());
    world
}

/// A window as its owner lists it, from now on.
fn over(pattern: &str, world: &World, lasts_s: u64) -> MaintenanceWindow {
    MaintenanceWindow {
        name: "maintenanceWindows/w2".to_owned(),
        services: vec![pattern.to_owned()],
        end_time: Some(to_proto_time(world.clock.now() + Duration::from_secs(lasts_s))),
        ..MaintenanceWindow::default()
    }
}

fn list(world: &World, windows: Vec<MaintenanceWindow>) {
    *world.owner.windows.lock().unwrap() = Some(windows);
}

/// What would be planned for the incident now, by whoever asks anew.
pub(super) async fn plan_again(world: &World, service: &Service) -> Result<v1::Action, Status> {
    let parent = format!("incidents/{}", world.owner.incident.lock().unwrap().id);
    let request = v1::ProposeActionRequest { parent, validate_only: true, ..Default::default() };
    service.propose_action(Request::new(request)).await.map(tonic::Response::into_inner)
}

fn end(window: &MaintenanceWindow) -> Timestamp {
    from_proto_time(window.end_time.as_ref().unwrap())
}

/// By one rule, which names the window.
fn assert_blocked_by_window(action: &v1::Action) {
    assert_eq!(action.state(), v1::ActionState::Blocked);
    assert_eq!(action.blocks.iter().map(v1::Block::reason).collect::<Vec<_>>(), [v1::BlockReason::Maintenance]);
    let detail = &action.blocks[0].detail;
    assert!(detail.contains("maintenanceWindows/w2") && detail.contains("shop/checkout@production"), "{detail}");
}

#[tokio::test(start_paused = true)]
async fn nothing_is_planned_for_a_target_in_maintenance_before_it_is_over() {
    let world = caused_elsewhere(Autonomy::Auto);
    let service = world.service();
    let window = over(TARGET, &world, 600);
    list(&world, vec![window.clone()]);
    assert_blocked_by_window(&world.propose(&service, false).await.unwrap());
    world.run_for(&service, Duration::from_secs(300)).await;
    assert_eq!((world.calls("validate"), world.calls("execute")), (0, 0));
    assert_eq!(world.incident_state(), State::Diagnosing, "it passes by itself");
    world.clock.advance_to(end(&window));
    world.run_for(&service, Duration::from_secs(60)).await;
    assert_eq!((world.calls("execute"), world.done()), (1, 1), "its incident is planned for again");
}

#[tokio::test(start_paused = true)]
async fn what_is_to_be_done_to_a_target_in_maintenance_waits_for_its_end() {
    for autonomy in [Autonomy::Auto, Autonomy::Approve] {
        let world = caused_elsewhere(autonomy);
        let service = world.service();
        let action = world.propose(&service, false).await.unwrap();
        let window = over(TARGET, &world, 600);
        list(&world, vec![window.clone()]);
        if autonomy == Autonomy::Approve {
            approve(&service, &action, &action.digest).await.unwrap();
        }
        world.run_for(&service, Duration::from_secs(300)).await;
        assert_eq!((world.calls("execute"), world.incident_state()), (0, State::Remediating), "{autonomy:?}");
        world.clock.advance_to(end(&window));
        world.run_until(&service, &action.name, v1::ActionState::Succeeded).await;
        assert_eq!((world.calls("execute"), world.done()), (1, 1), "{autonomy:?}");
    }
}

/// What of a window cannot be read holds more, not less.
#[tokio::test(start_paused = true)]
async fn a_window_of_which_not_all_can_be_read_may_be_about_the_target_still() {
    let world = caused_elsewhere(Autonomy::Auto);
    let service = world.service();
    let neither = over(NEITHER, &world, 600);
    let no_pattern = MaintenanceWindow { services: vec!["cart".to_owned(), NEITHER.to_owned()], ..neither.clone() };
    let no_service = MaintenanceWindow { services: Vec::new(), ..neither.clone() };
    let no_end = MaintenanceWindow { end_time: None, ..over(TARGET, &world, 600) };
    let no_more_than_a_name = MaintenanceWindow { name: neither.name.clone(), ..MaintenanceWindow::default() };
    for window in [no_pattern, no_service, no_end, no_more_than_a_name] {
        list(&world, vec![neither.clone(), window]);
        assert_blocked_by_window(&world.propose(&service, true).await.unwrap());
    }
    list(&world, vec![neither]);
    assert_eq!(world.propose(&service, true).await.unwrap().state(), v1::ActionState::Approved);
}

#[tokio::test(start_paused = true)]
async fn of_many_windows_none_is_overlooked_and_too_many_let_nothing_be_done() {
    let world = caused_elsewhere(Autonomy::Auto);
    let service = world.service();
    let mut windows = vec![over(NEITHER, &world, 600); 1_000];
    windows[999] = over(TARGET, &world, 600);
    list(&world, windows.clone());
    assert_blocked_by_window(&world.propose(&service, true).await.unwrap());
    windows[999] = over(NEITHER, &world, 600);
    list(&world, windows.clone());
    assert_eq!(world.propose(&service, true).await.unwrap().state(), v1::ActionState::Approved);
    windows.push(over(NEITHER, &world, 600));
    list(&world, windows);
    assert_eq!(world.propose(&service, true).await.unwrap_err().code(), Code::Internal);
}

#[tokio::test(start_paused = true)]
async fn where_windows_cannot_be_listed_nothing_is_called() {
    let world = caused_elsewhere(Autonomy::Auto);
    *world.owner.recovered.lock().unwrap() = false;
    let service = world.service();
    let action = world.propose(&service, false).await.unwrap();
    *world.owner.windows.lock().unwrap() = None;
    assert_eq!(plan_again(&world, &service).await.unwrap_err().code(), Code::Unavailable);
    world.run_for(&service, Duration::from_secs(60)).await;
    assert_eq!(world.calls("execute"), 0);
    list(&world, Vec::new());
    world.run_until(&service, &action.name, v1::ActionState::Verifying).await;
    assert_eq!(world.calls("execute"), 1);
    *world.owner.windows.lock().unwrap() = None;
    let order = v1::RollBackActionRequest { name: action.name.clone(), ..Default::default() };
    assert_eq!(service.roll_back_action(Request::new(order)).await.unwrap_err().code(), Code::Unavailable);
    world.run_until(&service, &action.name, v1::ActionState::RollingBack).await;
    world.run_for(&service, Duration::from_secs(120)).await;
    assert_eq!(world.calls("undo"), 0);
    list(&world, Vec::new());
    world.run_until(&service, &action.name, v1::ActionState::RolledBack).await;
    assert_eq!(world.calls("undo"), 1);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_taken_back_from_a_target_in_maintenance() {
    let world = caused_elsewhere(Autonomy::Auto);
    *world.owner.recovered.lock().unwrap() = false;
    let service = world.service();
    let action = world.propose(&service, false).await.unwrap();
    world.run_until(&service, &action.name, v1::ActionState::Verifying).await;
    list(&world, vec![over(TARGET, &world, 36_000)]);
    let order = v1::RollBackActionRequest { name: action.name.clone(), ..Default::default() };
    let held = service.roll_back_action(Request::new(order)).await.unwrap_err();
    assert_eq!(status::reason(&held).as_deref(), Some("ON_HOLD"));
    assert!(held.message().contains("maintenanceWindows/w2"), "{}", held.message());
    world.run_until(&service, &action.name, v1::ActionState::RollingBack).await;
    world.run_for(&service, Duration::from_secs(120)).await;
    assert_eq!(world.calls("undo"), 0);
    // Somebody ends it early, and it is listed no more.
    list(&world, Vec::new());
    world.run_until(&service, &action.name, v1::ActionState::RolledBack).await;
    assert_eq!(world.calls("undo"), 1);
}

/// The incident is not in maintenance: people are called, and may have the same planned once the target's is over.
#[tokio::test(start_paused = true)]
async fn what_had_its_time_while_its_target_was_in_maintenance_is_withdrawn() {
    for autonomy in [Autonomy::Auto, Autonomy::Approve] {
        let world = caused_elsewhere(autonomy);
        let service = world.service();
        let action = world.propose(&service, false).await.unwrap();
        let window = over(TARGET, &world, 7_200);
        list(&world, vec![window.clone()]);
        let lapsed = world.run_until(&service, &action.name, v1::ActionState::Cancelled).await;
        assert!(lapsed.outcome.contains("maintenanceWindows/w2"), "{}", lapsed.outcome);
        assert_eq!((world.incident_state(), world.calls("execute")), (State::Escalated, 0), "{autonomy:?}");
        world.clock.advance_to(end(&window));
        let again = plan_again(&world, &service).await.unwrap();
        assert_eq!(again.spec, action.spec, "{autonomy:?}");
    }
}

/// Planning is done by one at a time: who waits for days must not be in everybody's way.
#[tokio::test(start_paused = true)]
async fn what_is_held_is_not_planned_again_before_its_end() {
    for is_of_incident in [true, false] {
        let world = if is_of_incident { World::new(Autonomy::Auto) } else { caused_elsewhere(Autonomy::Auto) };
        let service = world.service();
        let (covering, listed) = ([window(&world, 600)], over(TARGET, &world, 600));
        if is_of_incident {
            cover(&world, &covering);
        } else {
            list(&world, vec![listed]);
        }
        let action = world.propose(&service, false).await.unwrap();
        assert_eq!(action.state(), v1::ActionState::Blocked);
        let (rights, writes) = (world.leases.given(), world.documents.written("actions").len());
        world.run_for(&service, Duration::from_secs(300)).await;
        assert_eq!(world.leases.given(), rights, "it asked for the right to plan");
        assert_eq!(world.documents.written("actions").len(), writes);
        world.clock.advance_to(covering[0].end);
        cover(&world, &covering);
        world.run_for(&service, Duration::from_secs(60)).await;
        assert!(world.leases.given() > rights);
        assert_eq!((world.calls("execute"), world.done()), (1, 1), "its incident is planned for again");
    }
}
