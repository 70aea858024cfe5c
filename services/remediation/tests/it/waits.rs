//! Plans that wait for what time alone lifts.

use llm_sre_domain::incident::{ActionId, EscalationReason};
use llm_sre_ports::documents::{Documents, Precondition};

use super::*;

/// Planned while the kill switch was engaged.
async fn waiting(world: &World, service: &Service) -> v1::Action {
    switch(service, true).await;
    let action = world.propose(service, false).await.unwrap();
    assert_eq!(action.state(), v1::ActionState::Blocked);
    action
}

async fn switch(service: &Service, engaged: bool) {
    let request = v1::SetKillSwitchRequest { engaged, ..Default::default() };
    service.set_kill_switch(Request::new(request)).await.unwrap();
}

fn tell(world: &World, id: &str, kind: EventKind) {
    let event = Event { id: EventId::new(id).unwrap(), actor: Actor::product(), kind };
    let mut incident = world.owner.incident.lock().unwrap();
    incident.apply(event, &Rules::default(), world.clock.now()).unwrap();
}

fn waits_for(world: &World) -> String {
    world.owner.incident.lock().unwrap().plan_waits_for.clone()
}

/// Lets the time for a plan pass, and calls people.
async fn call_people(world: &World, service: &Service) {
    world.run_for(service, Duration::from_secs(Rules::default().planning_s)).await;
    tell(world, "late", EventKind::DeadlinePassed);
    assert_eq!(world.owner.incident.lock().unwrap().escalation, Some(EscalationReason::Deadline));
}

#[tokio::test(start_paused = true)]
async fn the_incident_says_what_its_plan_waits_for_and_people_do_not_end_the_wait() {
    let world = World::new(Autonomy::Auto);
    let service = world.service();
    waiting(&world, &service).await;
    assert!(waits_for(&world).contains("kill switch"), "{}", waits_for(&world));
    call_people(&world, &service).await;
    assert!(waits_for(&world).contains("kill switch"));
    switch(&service, false).await;
    world.run_for(&service, Duration::from_secs(60)).await;
    assert_eq!((world.calls("execute"), world.done()), (1, 1), "it is planned for again");
    assert_eq!(waits_for(&world), "");
}

#[tokio::test(start_paused = true)]
async fn it_waits_no_more_once_somebody_took_over_or_the_picture_is_old() {
    for is_taken_over in [true, false] {
        let world = World::new(Autonomy::Auto);
        let service = world.service();
        waiting(&world, &service).await;
        call_people(&world, &service).await;
        if is_taken_over {
            tell(&world, "seen", EventKind::Acknowledged { note: String::new() });
        } else {
            world.run_for(&service, Duration::from_secs(world.policy.limits.approval_expiry_s)).await;
        }
        world.run_for(&service, Duration::from_secs(60)).await;
        switch(&service, false).await;
        world.run_for(&service, Duration::from_secs(60)).await;
        assert_eq!((world.calls("execute"), waits_for(&world).as_str()), (0, ""));
        let message = world.owner.incident.lock().unwrap().timeline.last().unwrap().message.clone();
        let why = if is_taken_over { "somebody acknowledged the incident" } else { "it waited for" };
        assert!(message.contains(why), "{message}");
    }
}

/// The call of people withdraws what waits, and would withdraw what is planned right after it.
#[tokio::test(start_paused = true)]
async fn nothing_is_planned_right_after_people_were_called() {
    let world = World::new(Autonomy::Auto);
    let service = world.service();
    waiting(&world, &service).await;
    call_people(&world, &service).await;
    switch(&service, false).await;
    let planned = || world.owner.incident.lock().unwrap().action;
    world.run_for(&service, Duration::from_secs(10)).await;
    assert_eq!((planned(), world.incident_state()), (None, State::Escalated));
    world.run_for(&service, Duration::from_secs(60)).await;
    assert!(planned().is_some());
}

/// A repair whose verdict other trouble puts off, as the store has it.
async fn disturbed(world: &World) -> v1::Action {
    let service = world.service();
    *world.owner.sight.lock().unwrap() = Sight::Disturbed;
    let action = world.propose(&service, false).await.unwrap();
    let action = world.run_until(&service, &action.name, v1::ActionState::Verifying).await;
    world.run_for(&service, Duration::from_secs(120)).await;
    action
}

#[tokio::test(start_paused = true)]
async fn those_that_wait_for_other_trouble_do_not_keep_it_from_its_repair() {
    let before = World::new(Autonomy::Auto);
    let action = disturbed(&before).await;
    for (count, is_full) in [(2, false), (3, false), (4, true)] {
        let world = World::new(Autonomy::Auto);
        for number in 0..count {
            let (incident, target) = (gates::another(number), format!("cart{number}"));
            let id = ActionId::of(incident, 0);
            for document in gates::told_of(&before, &action, id, incident, &target) {
                world.documents.put(document, Precondition::Absent).await.unwrap();
            }
        }
        let planned = world.propose(&world.service(), false).await.unwrap();
        let reasons: Vec<_> = planned.blocks.iter().map(v1::Block::reason).collect();
        assert_eq!(reasons, if is_full { vec![v1::BlockReason::FleetLimit] } else { vec![] }, "{count}");
        assert_eq!(waits_for(&world).contains("4 actions are under way"), is_full, "{}", waits_for(&world));
    }
}

/// What it said last is no word for ever: a detector that is away lets nobody act beside what it does not see.
#[tokio::test(start_paused = true)]
async fn what_a_detector_said_before_it_went_away_is_disturbed_no_longer_than_its_window() {
    let world = World::new(Autonomy::Auto);
    let action = disturbed(&world).await;
    let is_disturbed = || world.documents.written("actions").last().unwrap().contains(r#""is_disturbed":true"#);
    assert!(is_disturbed());
    *world.owner.sight.lock().unwrap() = Sight::Gone;
    let service = world.service();
    world.run_for(&service, Duration::from_secs(600)).await;
    let found = service.get_action(Request::new(v1::GetActionRequest { name: action.name })).await.unwrap();
    assert_eq!((found.into_inner().state(), is_disturbed()), (v1::ActionState::Verifying, false));
}
