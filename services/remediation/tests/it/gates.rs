//! The gates as the service asks them: before a call that takes back, with the right to plan and start in hand, and
//! with all that is in the store.

use llm_sre_domain::incident::{ActionId, HandReason, IncidentId};
use llm_sre_ports::documents::{Documents, NewDocument, Precondition};
use llm_sre_proto::convert::common::to_proto_time;
use llm_sre_proto::incident::v1::MaintenanceWindow;
use uuid::Uuid;

use super::*;

const GATE: &str = "remediation/gate";
const TARGET: &str = "target/shop/checkout@production";

/// An action that was carried out and did not help, and whose verdict is still to come.
async fn without_effect(world: &World) -> v1::Action {
    *world.owner.recovered.lock().unwrap() = false;
    let service = world.service();
    let action = world.propose(&service, false).await.unwrap();
    world.run_until(&service, &action.name, v1::ActionState::Verifying).await
}

async fn take_back(service: &Service, name: &str, validate_only: bool) -> Result<v1::Action, Status> {
    let request = v1::RollBackActionRequest { name: name.to_owned(), validate_only, ..Default::default() };
    service.roll_back_action(Request::new(request)).await.map(tonic::Response::into_inner)
}

pub(super) fn resolve_by_hand(world: &World) {
    let kind = EventKind::ResolvedByHand { reason: HandReason::Manual, note: String::new() };
    let event = Event { id: EventId::new("by-hand").unwrap(), actor: Actor::new("ann").unwrap(), kind };
    let mut incident = world.owner.incident.lock().unwrap();
    incident.apply(event, &Rules::default(), world.clock.now()).unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_is_protected_or_unenrolled_by_now_is_not_even_taken_back() {
    for is_protected in [true, false] {
        let mut world = World::new(Autonomy::Auto);
        let action = without_effect(&world).await;
        let word = if is_protected {
            world.policy.protected = vec![ServicePattern::parse("shop/checkout@*").unwrap()];
            "is protected"
        } else {
            world.policy.enrolled.clear();
            "is not enrolled"
        };
        let service = world.service();
        for validate_only in [true, false] {
            let refused = take_back(&service, &action.name, validate_only).await.unwrap_err();
            assert_eq!(status::reason(&refused).as_deref(), Some("NOT_ALLOWED"));
            assert!(refused.message().contains(word), "{}", refused.message());
        }
        let ended = world.run_until(&service, &action.name, v1::ActionState::RollbackFailed).await;
        assert!(ended.outcome.contains(word), "{}", ended.outcome);
        assert_eq!((world.calls("undo"), world.incident_state()), (0, State::Escalated));
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_taken_back_behind_who_resolved_the_incident_unless_somebody_orders_it() {
    for is_ordered in [false, true] {
        let world = World::new(Autonomy::Auto);
        let action = without_effect(&world).await;
        resolve_by_hand(&world);
        let service = world.service();
        let state = if is_ordered {
            take_back(&service, &action.name, false).await.unwrap();
            v1::ActionState::RolledBack
        } else {
            v1::ActionState::RollbackFailed
        };
        let ended = world.run_until(&service, &action.name, state).await;
        assert!(is_ordered || ended.outcome.contains("resolved"), "{}", ended.outcome);
        assert_eq!((world.calls("undo"), world.incident_state()), (usize::from(is_ordered), State::Resolved));
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_stored_that_was_judged_under_a_right_that_is_lost() {
    let world = World::new(Autonomy::Auto);
    let service = world.service();
    world.leases.lose(Some(GATE));
    assert_eq!(world.propose(&service, false).await.unwrap_err().code(), Code::Unavailable);
    assert!(world.documents.written("actions").is_empty());
    world.leases.lose(None);
    let action = world.propose(&service, false).await.unwrap();
    world.leases.lose(Some(GATE));
    world.run_for(&service, Duration::from_secs(60)).await;
    let found = service.get_action(Request::new(v1::GetActionRequest { name: action.name.clone() })).await.unwrap();
    assert_eq!((found.into_inner().state(), world.calls("execute")), (v1::ActionState::Approved, 0));
    world.leases.lose(None);
    world.run_until(&service, &action.name, v1::ActionState::Succeeded).await;
    assert_eq!((world.calls("execute"), world.done()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn no_call_with_effect_is_made_without_the_right_to_act_on_the_target() {
    let world = World::new(Autonomy::Auto);
    let service = world.service();
    let action = world.propose(&service, false).await.unwrap();
    world.leases.lose(Some(TARGET));
    world.run_until(&service, &action.name, v1::ActionState::Executing).await;
    world.run_for(&service, Duration::from_secs(120)).await;
    assert_eq!((world.calls("execute"), world.done()), (0, 0));
    world.leases.lose(None);
    world.run_until(&service, &action.name, v1::ActionState::Succeeded).await;
    assert_eq!((world.calls("execute"), world.done()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn what_policy_forbids_by_the_time_of_the_start_costs_the_target_no_call() {
    let mut world = World::new(Autonomy::Auto);
    let action = world.propose(&world.service(), false).await.unwrap();
    assert_eq!(world.calls("validate"), 1);
    world.policy.enrolled.clear();
    let blocked = world.run_until(&world.service(), &action.name, v1::ActionState::Blocked).await;
    // What policy forbids is said without what only the target could have said.
    let reasons: Vec<_> = blocked.blocks.iter().map(v1::Block::reason).collect();
    assert_eq!(reasons, [v1::BlockReason::NotEnrolled]);
    assert_eq!((world.calls("validate"), world.calls("execute")), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn nothing_is_done_off_the_record() {
    let world = World::new(Autonomy::Auto);
    let service = world.service();
    let action = world.propose(&service, false).await.unwrap();
    world.documents.hide(Some("audit"));
    world.run_for(&service, Duration::from_secs(60)).await;
    assert_eq!(world.calls("execute"), 0);
    world.documents.hide(None);
    world.run_until(&service, &action.name, v1::ActionState::Succeeded).await;
    assert_eq!((world.calls("execute"), world.done()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_target_that_forgot_what_it_was_at_is_not_asked_to_do_it_again() {
    let world = World::new(Autonomy::Auto);
    world.set(Mood::Forgets);
    let service = world.service();
    let action = world.propose(&service, false).await.unwrap();
    world.run_until(&service, &action.name, v1::ActionState::Unknown).await;
    assert_eq!((world.calls("execute"), world.incident_state()), (1, State::Escalated));

    let world = World::new(Autonomy::Auto);
    let action = without_effect(&world).await;
    world.set(Mood::Forgets);
    let ended = world.run_until(&world.service(), &action.name, v1::ActionState::RollbackFailed).await;
    assert!(ended.outcome.contains("forgot"), "{}", ended.outcome);
    assert_eq!((world.calls("undo"), world.incident_state()), (1, State::Escalated));
}

#[tokio::test(start_paused = true)]
async fn the_diagnosis_of_another_incident_is_none_to_plan_by() {
    let world = World::new(Autonomy::Auto);
    let parent = format!("incidents/{}", world.owner.incident.lock().unwrap().id);
    let diagnosis = format!("incidents/{}/diagnoses/d1", Uuid::from_u128(7));
    let request = v1::ProposeActionRequest { parent, diagnosis, ..Default::default() };
    let refused = world.service().propose_action(Request::new(request)).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    assert!(refused.message().contains("diagnosis"), "{}", refused.message());
    assert!(world.documents.written("actions").is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_service_must_have_been_seen_within_a_day_on_whichever_page() {
    let day = Duration::from_secs(24 * 3_600);
    for (age, is_seen) in [(day, true), (day + Duration::from_secs(1), false)] {
        let mut world = World::new(Autonomy::Auto);
        let now = world.clock.now();
        world.seen = (0..1_500).map(|number| (ServiceId::named(&format!("s{number:04}")), now)).collect();
        world.seen.push((checkout(), now - age));
        assert!(world.seen.is_sorted_by_key(|(service, _)| service.clone()), "as a store lists them");
        let action = world.propose(&world.service(), false).await.unwrap();
        let reasons: Vec<_> = action.blocks.iter().map(v1::Block::reason).collect();
        let expected = if is_seen { vec![] } else { vec![v1::BlockReason::NotSeen] };
        assert_eq!((reasons, world.calls("validate")), (expected, usize::from(is_seen)), "{age:?}");
    }
}

/// What another world's only action left in the store, as the one of this id of another incident and on this service.
pub(super) fn told_of(
    world: &World,
    action: &v1::Action,
    id: ActionId,
    incident: IncidentId,
    target: &str,
) -> Vec<NewDocument> {
    let (before, action) = action.name.trim_start_matches("incidents/").split_once("/actions/").unwrap();
    let (incident, id) = (incident.to_string(), id.to_string());
    let words = [(before, incident.as_str()), (action, id.as_str()), ("checkout", target)];
    world.documents.retold("actions", &words)
}

/// An incident of the same trouble at another time.
pub(super) fn another(number: u32) -> IncidentId {
    IncidentId::of(&explained_incident(Timestamp::EPOCH).fingerprint, number + 1)
}

/// The same, each of an incident of its own.
fn elsewhere(world: &World, action: &v1::Action, number: u32) -> Vec<NewDocument> {
    told_of(world, action, ActionId::of(another(number), 0), another(number), "checkout")
}

async fn keep(world: &World, documents: Vec<NewDocument>) {
    for document in documents {
        world.documents.put(document, Precondition::Absent).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_under_way_on_the_target_for_another_incident_is_waited_for() {
    let before = World::new(Autonomy::Auto);
    let service = before.service();
    let action = before.propose(&service, false).await.unwrap();
    let action = before.run_until(&service, &action.name, v1::ActionState::Verifying).await;
    let world = World::new(Autonomy::Auto);
    keep(&world, elsewhere(&before, &action, 1)).await;
    let blocked = world.propose(&world.service(), false).await.unwrap();
    let reasons: Vec<_> = blocked.blocks.iter().map(v1::Block::reason).collect();
    assert_eq!((blocked.state(), reasons), (v1::ActionState::Blocked, vec![v1::BlockReason::TargetBusy]));
    assert_eq!((world.calls("validate"), world.incident_state()), (0, State::Diagnosing), "it passes by itself");
}

#[tokio::test(start_paused = true)]
async fn limits_count_what_was_done_however_much_was_planned_since() {
    let (done, suggested) = (World::new(Autonomy::Auto), World::new(Autonomy::Suggest));
    let service = done.service();
    let action = done.propose(&service, false).await.unwrap();
    let action = done.run_until(&service, &action.name, v1::ActionState::Succeeded).await;
    let suggestion = suggested.propose(&suggested.service(), false).await.unwrap();
    for count in [2, 3] {
        let world = World::new(Autonomy::Auto);
        for number in 0..count {
            keep(&world, elsewhere(&done, &action, number)).await;
        }
        // More than a page of them is newer.
        for number in 100..350 {
            keep(&world, elsewhere(&suggested, &suggestion, number)).await;
        }
        let blocked = world.propose(&world.service(), false).await.unwrap();
        let is_limited = blocked.blocks.iter().any(|block| block.reason() == v1::BlockReason::RateLimit);
        assert_eq!(is_limited, count == 3, "{:?}", blocked.blocks);
    }
}

/// Each would be in the other's way, and so both for ever.
#[tokio::test(start_paused = true)]
async fn of_two_that_may_start_on_a_target_the_first_goes_first() {
    let before = World::new(Autonomy::Auto);
    let approved = before.propose(&before.service(), false).await.unwrap();
    for is_later in [false, true] {
        let world = World::new(Autonomy::Auto);
        let service = world.service();
        let action = world.propose(&service, false).await.unwrap();
        // Both were planned at the same moment, so their ids say which is the first.
        let ours: ActionId = action.name.rsplit('/').next().unwrap().parse().unwrap();
        let mut ids = (0..).map(|sequence| ActionId::of(another(1), sequence));
        let id = ids.find(|id| *id != ours && (*id > ours) == is_later).unwrap();
        keep(&world, told_of(&before, &approved, id, another(1), "checkout")).await;
        let other = format!("incidents/{}/actions/{id}", another(1));
        world.run_until(&service, &action.name, v1::ActionState::Verifying).await;
        let other = service.get_action(Request::new(v1::GetActionRequest { name: other })).await.unwrap().into_inner();
        // Its digest is that of the incident that it was copied from, so its turn ends without a call.
        let expected = if is_later { v1::ActionState::Approved } else { v1::ActionState::Blocked };
        assert_eq!((other.state(), world.calls("execute")), (expected, 1), "{other:?}");
    }
}

/// They may wait for days, for what is over then.
#[tokio::test(start_paused = true)]
async fn what_was_approved_for_after_maintenance_is_in_no_others_way() {
    let before = World::new(Autonomy::Auto);
    let approved = before.propose(&before.service(), false).await.unwrap();
    for (pattern, is_held) in [("shop/cart*@production", true), ("shop/cart*@staging", false)] {
        let mut world = World::new(Autonomy::Auto);
        let now = world.clock.now();
        let mut waiting = Vec::new();
        for (number, target) in [(1, "cart1"), (2, "cart2")] {
            world.seen.push((ServiceId::new("shop", target, "production"), now));
            let (incident, id) = (another(number), ActionId::of(another(number), 0));
            keep(&world, told_of(&before, &approved, id, incident, target)).await;
            waiting.push(format!("incidents/{incident}/actions/{id}"));
        }
        world.seen.sort_unstable();
        let window = MaintenanceWindow {
            name: "maintenanceWindows/w1".to_owned(),
            services: vec![pattern.to_owned()],
            end_time: Some(to_proto_time(now + Duration::from_secs(36_000))),
            ..MaintenanceWindow::default()
        };
        *world.owner.windows.lock().unwrap() = Some(vec![window]);
        let service = world.service();
        let action = world.propose(&service, false).await.unwrap();
        if !is_held {
            let reasons: Vec<_> = action.blocks.iter().map(v1::Block::reason).collect();
            assert_eq!(reasons, [v1::BlockReason::FleetLimit]);
            continue;
        }
        world.run_until(&service, &action.name, v1::ActionState::Verifying).await;
        for name in waiting {
            let request = Request::new(v1::GetActionRequest { name });
            let held = service.get_action(request).await.unwrap().into_inner();
            assert_eq!(held.state(), v1::ActionState::Approved, "{held:?}");
        }
        world.run_until(&service, &action.name, v1::ActionState::Succeeded).await;
        assert_eq!((world.calls("execute"), world.done()), (1, 1));
    }
}
