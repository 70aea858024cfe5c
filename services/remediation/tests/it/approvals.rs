//! What an approval is worth: it is a person's, for one plan as that person saw it, in time, and used once.

use super::*;

fn reason(answer: Result<v1::Action, Status>) -> Option<String> {
    status::reason(&answer.unwrap_err())
}

async fn approve_as(service: &Service, name: &str, digest: &str, id: &str) -> Result<v1::Action, Status> {
    let (name, digest, request_id) = (name.to_owned(), digest.to_owned(), id.to_owned());
    let request = v1::ApproveActionRequest { name, digest, request_id, ..Default::default() };
    service.approve_action(Request::new(request)).await.map(tonic::Response::into_inner)
}

async fn reject_as(service: &Service, name: &str, id: &str) -> Result<v1::Action, Status> {
    let (name, request_id) = (name.to_owned(), id.to_owned());
    let request = v1::RejectActionRequest { name, request_id, ..Default::default() };
    service.reject_action(Request::new(request)).await.map(tonic::Response::into_inner)
}

async fn state(service: &Service, name: &str) -> v1::ActionState {
    let request = v1::GetActionRequest { name: name.to_owned() };
    service.get_action(Request::new(request)).await.unwrap().into_inner().state()
}

/// A world with an offer that waits for a person.
async fn offered() -> (World, Service, v1::Action) {
    let world = World::new(Autonomy::Approve);
    let service = world.service();
    let action = world.propose(&service, false).await.unwrap();
    assert_eq!(action.state(), v1::ActionState::AwaitingApproval);
    (world, service, action)
}

#[tokio::test(start_paused = true)]
async fn an_approval_is_for_what_was_seen_and_is_used_once() {
    let (world, service, action) = offered().await;
    for _ in 0..2 {
        assert_eq!(approve(&service, &action, &action.digest).await.unwrap().state(), v1::ActionState::Approved);
    }
    let ended = world.run_until(&service, &action.name, v1::ActionState::Succeeded).await;
    assert_eq!(ended.decision.unwrap().actor, "unauthenticated:local");
    // The same request is answered, and another one is too late.
    let again = approve(&service, &action, &action.digest).await.unwrap();
    assert_eq!(again.state(), v1::ActionState::Succeeded);
    let replayed = approve_as(&service, &action.name, &action.digest, "approve-2").await;
    assert_eq!(reason(replayed).as_deref(), Some("ILLEGAL_TRANSITION"));
    world.run_for(&service, Duration::from_secs(600)).await;
    assert_eq!((world.calls("execute"), world.done()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn who_decides_is_whom_the_port_names() {
    let (world, service, action) = offered().await;
    let (name, digest) = (action.name.clone(), action.digest.clone());
    let mut request = Request::new(v1::ApproveActionRequest { name, digest, ..Default::default() });
    request.metadata_mut().insert("x-llm-sre-actor", "alice".parse().unwrap());
    let approved = service.approve_action(request).await.unwrap().into_inner();
    assert_eq!(approved.decision.unwrap().actor, "alice");
    world.run_until(&service, &action.name, v1::ActionState::Succeeded).await;
    let request = v1::ListAuditRecordsRequest { action: action.name, ..Default::default() };
    let audit = service.list_audit_records(Request::new(request)).await.unwrap().into_inner().records;
    assert!(audit.iter().any(|record| record.actor == "alice"), "{audit:?}");
}

#[tokio::test(start_paused = true)]
async fn an_altered_approval_is_refused_whichever_digit_it_is() {
    let (world, service, action) = offered().await;
    for place in 0..action.digest.len() {
        let altered: String =
            action.digest.chars().enumerate().map(|(at, digit)| flipped(digit, at == place)).collect();
        let refused = approve_as(&service, &action.name, &altered, &format!("altered-{place}")).await;
        assert_eq!(reason(refused).as_deref(), Some("DIGEST_MISMATCH"), "{altered}");
    }
    for digest in ["", "0", &action.digest[1..], "no digest"] {
        let refused = approve_as(&service, &action.name, digest, "unreadable").await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument, "{digest}");
    }
    assert_eq!(state(&service, &action.name).await, v1::ActionState::AwaitingApproval);
    assert_eq!(world.calls("execute"), 0);
}

/// Another digit, where it is to be one.
fn flipped(digit: char, is_to_be: bool) -> char {
    match digit {
        '0' if is_to_be => '1',
        _ if is_to_be => '0',
        digit => digit,
    }
}

#[tokio::test(start_paused = true)]
async fn an_approval_of_another_plan_is_none_of_this_one() {
    let (world, service, action) = offered().await;
    let mut elsewhere = World::new(Autonomy::Approve);
    elsewhere.policy.limits.attempts_per_incident_max += 1;
    let foreign = elsewhere.propose(&elsewhere.service(), false).await.unwrap();
    assert_ne!(foreign.digest, action.digest, "the policy is part of what is agreed to");
    let refused = approve_as(&service, &action.name, &foreign.digest, "foreign").await;
    assert_eq!(reason(refused).as_deref(), Some("DIGEST_MISMATCH"));
    let name = format!("incidents/{}/actions/{}", uuid::Uuid::from_u128(7), uuid::Uuid::from_u128(8));
    let refused = approve_as(&service, &name, &action.digest, "nowhere").await.unwrap_err();
    assert_eq!(refused.code(), Code::NotFound);
    world.run_for(&service, Duration::from_secs(60)).await;
    assert_eq!(world.calls("execute"), 0);
}

#[tokio::test(start_paused = true)]
async fn an_approval_that_comes_at_the_end_of_the_offer_is_too_late() {
    let (world, service, action) = offered().await;
    // To the moment, and before anybody has looked at it.
    world.clock.advance_to(from_proto_time(action.deadline_time.as_ref().unwrap()));
    let refused = approve_as(&service, &action.name, &action.digest, "late").await;
    assert_eq!(reason(refused).as_deref(), Some("APPROVAL_EXPIRED"));
    world.run_until(&service, &action.name, v1::ActionState::Expired).await;
    assert_eq!(world.calls("execute"), 0);
}

#[tokio::test(start_paused = true)]
async fn nobody_approving_in_time_ends_the_offer() {
    let (world, service, action) = offered().await;
    world.run_until(&service, &action.name, v1::ActionState::Expired).await;
    assert_eq!((world.calls("execute"), world.incident_state()), (0, State::Escalated));
    assert!(approve(&service, &action, &action.digest).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn what_was_approved_is_not_done_to_a_target_that_has_changed_since() {
    let (world, service, action) = offered().await;
    approve(&service, &action, &action.digest).await.unwrap();
    world.shop.0.lock().unwrap().facts.insert("version".to_owned(), "1.4.3".to_owned());
    let blocked = world.run_until(&service, &action.name, v1::ActionState::Blocked).await;
    assert_eq!(blocked.blocks.iter().map(v1::Block::reason).collect::<Vec<_>>(), [v1::BlockReason::DigestMismatch]);
    assert_eq!(world.calls("execute"), 0);
}

#[tokio::test(start_paused = true)]
async fn of_two_who_decide_at_once_one_wins() {
    let orders = [["approve", "approve"], ["approve", "reject"], ["reject", "approve"], ["reject", "reject"]];
    for [first, second] in orders {
        let (world, one, action) = offered().await;
        let two = world.service();
        let decide = async |service: &Service, verb: &str, id: &str| match verb {
            "approve" => approve_as(service, &action.name, &action.digest, id).await,
            _ => reject_as(service, &action.name, id).await,
        };
        // Each has read the offer before the other writes.
        world.documents.take_turns(true);
        let answers = tokio::join!(decide(&one, first, "r1"), decide(&two, second, "r2"));
        world.documents.take_turns(false);
        let (won, lost) = match answers {
            (Ok(_), Err(lost)) => (first, lost),
            (Err(lost), Ok(_)) => (second, lost),
            both => panic!("{first} and {second}: {both:?}"),
        };
        assert_eq!(lost.code(), Code::Aborted, "{first} and {second}: {lost}");
        world.run_for(&one, Duration::from_secs(120)).await;
        assert_eq!(world.done(), usize::from(won == "approve"), "{first} and {second}, of which {won} won");
    }
}
