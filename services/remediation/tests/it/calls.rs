//! Calls that a target never saw, and targets that are away.

use std::time::Duration;

use llm_sre_domain::incident::HandReason;
use tonic::Code;

use super::*;

/// An action whose intent is stored and whose target never saw the call, and the process that made it dead.
async fn intended(world: &World) -> v1::Action {
    let service = world.service();
    let action = world.propose(&service, false).await.unwrap();
    world.set(Mood::Unreached);
    world.run_until(&service, &action.name, v1::ActionState::Executing).await
}

#[tokio::test(start_paused = true)]
async fn a_call_that_never_arrived_is_made_again_under_its_id() {
    let world = World::new(Autonomy::Auto);
    let action = intended(&world).await;
    let service = world.service();
    world.run_for(&service, Duration::from_secs(60)).await;
    assert!(world.calls("execute") > 1, "it was not tried again");
    world.set(Mood::Well);
    world.run_until(&service, &action.name, v1::ActionState::Succeeded).await;
    assert_eq!(world.done(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_never_arrived_is_given_up_in_time() {
    let world = World::new(Autonomy::Auto);
    let action = intended(&world).await;
    // It may arrive for a while, and then no more.
    let ended = world.run_until(&world.service(), &action.name, v1::ActionState::Failed).await;
    assert!(ended.outcome.contains("its time is over"), "{}", ended.outcome);
    world.set(Mood::Well);
    world.run_for(&world.service(), Duration::from_secs(60)).await;
    assert_eq!(world.done(), 0);
}

#[tokio::test(start_paused = true)]
async fn what_was_forbidden_while_nobody_was_there_is_not_done() {
    let mut world = World::new(Autonomy::Auto);
    let action = intended(&world).await;
    let before = world.calls("execute");
    world.set(Mood::Well);
    world.policy.enrolled.clear();
    let ended = world.run_until(&world.service(), &action.name, v1::ActionState::Failed).await;
    assert!(ended.outcome.contains("not enrolled"), "{}", ended.outcome);
    assert_eq!((world.calls("execute"), world.done()), (before, 0));
}

#[tokio::test(start_paused = true)]
async fn what_an_incident_of_the_past_wanted_is_not_done() {
    let world = World::new(Autonomy::Auto);
    let action = intended(&world).await;
    world.set(Mood::Well);
    {
        let kind = EventKind::ResolvedByHand { reason: HandReason::Manual, note: String::new() };
        let event = Event { id: EventId::new("by-hand").unwrap(), actor: Actor::new("ann").unwrap(), kind };
        let mut incident = world.owner.incident.lock().unwrap();
        incident.apply(event, &Rules::default(), world.clock.now()).unwrap();
    }
    let ended = world.run_until(&world.service(), &action.name, v1::ActionState::Failed).await;
    assert!(ended.outcome.contains("does not wait for it"), "{}", ended.outcome);
    assert_eq!(world.done(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_target_that_is_away_for_a_moment_is_waited_for() {
    let world = World::new(Autonomy::Auto);
    let service = world.service();
    let action = world.propose(&service, false).await.unwrap();
    world.set(Mood::Away);
    world.run_for(&service, Duration::from_secs(30)).await;
    world.set(Mood::GoesAway);
    let executing = world.run_until(&service, &action.name, v1::ActionState::Executing).await;
    assert_eq!(executing.name, action.name);
    world.run_for(&service, Duration::from_secs(30)).await;
    world.set(Mood::Well);
    world.run_until(&service, &action.name, v1::ActionState::Succeeded).await;
    assert_eq!((world.calls("execute"), world.done()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_plan_waits_for_the_target_of_its_best_action() {
    let world = World::new(Autonomy::Auto);
    let service = world.service();
    world.set(Mood::Away);
    let refused = world.propose(&service, false).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unavailable);
    assert!(refused.message().contains("checkout"), "{}", refused.message());
    world.set(Mood::Well);
    assert_eq!(world.propose(&service, false).await.unwrap().state(), v1::ActionState::Approved);
}

#[tokio::test(start_paused = true)]
async fn a_plan_does_not_wait_for_ever() {
    let world = World::new(Autonomy::Auto);
    let service = world.service();
    world.set(Mood::Away);
    assert!(world.propose(&service, false).await.is_err());
    tokio::time::advance(Duration::from_secs(60)).await;
    assert_eq!(world.propose(&service, false).await.unwrap().state(), v1::ActionState::Blocked);
}

#[tokio::test(start_paused = true)]
async fn a_refused_offer_is_never_one_that_may_be_carried_out() {
    let world = World::new(Autonomy::Auto);
    let service = world.service();
    *world.owner.refuses_offers.lock().unwrap() = true;
    let action = world.propose(&service, false).await.unwrap();
    assert_eq!(action.state(), v1::ActionState::Cancelled);
    // What a process that died after any of the writes would have found.
    let written = world.documents.written("actions");
    assert!(written.iter().any(|body| body.contains("ACTION_STATE_APPROVED")), "{written:?}");
    let free = |body: &&String| body.contains("ACTION_STATE_APPROVED") && !body.contains("\"unreported\"");
    assert_eq!(written.iter().find(free), None);
    assert_eq!(world.calls("execute"), 0);
}
