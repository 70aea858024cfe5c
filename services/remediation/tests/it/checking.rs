//! `validate_only` runs every check of the real call, and comes out as that would.

use super::*;

#[derive(Clone, Copy, Debug)]
enum Call {
    Propose,
    Approve,
    ApproveOther,
    Reject,
    Cancel,
    TakeBack,
}

/// How a call comes out: the state of the action, or the code and the reason of the refusal.
type End = Result<v1::ActionState, (Code, Option<String>)>;

async fn end(world: &World, service: &Service, name: &str, call: Call, validate_only: bool) -> End {
    let (name, note, request_id) = (name.to_owned(), String::new(), String::new());
    let answer = match call {
        Call::Propose => world.propose(service, validate_only).await.map(tonic::Response::new),
        Call::Approve | Call::ApproveOther => {
            let found = service.get_action(Request::new(v1::GetActionRequest { name: name.clone() })).await;
            let digest = found.unwrap().into_inner().digest;
            let digest = if matches!(call, Call::Approve) { digest } else { "0".repeat(64) };
            let request = v1::ApproveActionRequest { name, digest, note, request_id, validate_only };
            service.approve_action(Request::new(request)).await
        }
        Call::Reject => {
            let request = v1::RejectActionRequest { name, note, request_id, validate_only };
            service.reject_action(Request::new(request)).await
        }
        Call::Cancel => {
            let request = v1::CancelActionRequest { name, note, request_id, validate_only };
            service.cancel_action(Request::new(request)).await
        }
        Call::TakeBack => {
            let request = v1::RollBackActionRequest { name, note, request_id, validate_only };
            service.roll_back_action(Request::new(request)).await
        }
    };
    match answer {
        Ok(action) => Ok(action.into_inner().state()),
        Err(refused) => Err((refused.code(), status::reason(&refused))),
    }
}

/// Checks a call, makes it, and compares; and says how it came out.
async fn same(world: &World, service: &Service, name: &str, call: Call) -> End {
    let stored = world.documents.written("actions").len();
    let calls = world.calls("execute") + world.calls("undo");
    let checked = end(world, service, name, call, true).await;
    assert_eq!(world.documents.written("actions").len(), stored, "{call:?} was only to be checked");
    assert_eq!(world.calls("execute") + world.calls("undo"), calls, "{call:?} was only to be checked");
    let made = end(world, service, name, call, false).await;
    assert_eq!(checked, made, "{call:?}");
    made
}

fn refused(code: Code, reason: &str) -> End {
    Err((code, Some(reason.to_owned())))
}

async fn engage(service: &Service) {
    let request = v1::SetKillSwitchRequest { engaged: true, ..Default::default() };
    service.set_kill_switch(Request::new(request)).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_plan_that_is_only_made_comes_out_as_one_that_is_stored() {
    use v1::ActionState as Is;
    for autonomy in [Autonomy::Auto, Autonomy::Approve, Autonomy::Suggest, Autonomy::Observe] {
        let world = World::new(autonomy);
        let expected = match autonomy {
            Autonomy::Auto => Ok(Is::Approved),
            Autonomy::Approve => Ok(Is::AwaitingApproval),
            Autonomy::Suggest => Ok(Is::Suggested),
            Autonomy::Observe => refused(Code::FailedPrecondition, "NOTHING_TO_DO"),
        };
        assert_eq!(same(&world, &world.service(), "", Call::Propose).await, expected, "{autonomy:?}");
    }
    let world = World::new(Autonomy::Auto);
    engage(&world.service()).await;
    assert_eq!(same(&world, &world.service(), "", Call::Propose).await, Ok(Is::Blocked));
    let mut world = World::new(Autonomy::Auto);
    world.policy.enrolled.clear();
    assert_eq!(same(&world, &world.service(), "", Call::Propose).await, Ok(Is::Blocked));
    let world = World::new(Autonomy::Auto);
    world.set(Mood::Away);
    assert_eq!(same(&world, &world.service(), "", Call::Propose).await, refused(Code::Unavailable, "UNAVAILABLE"));
}

#[tokio::test(start_paused = true)]
async fn a_decision_that_is_only_checked_comes_out_as_one_that_is_made() {
    use v1::ActionState as Is;
    let illegal = || refused(Code::FailedPrecondition, "ILLEGAL_TRANSITION");
    for (call, expected) in [
        (Call::ApproveOther, refused(Code::FailedPrecondition, "DIGEST_MISMATCH")),
        (Call::TakeBack, illegal()),
        (Call::Approve, Ok(Is::Approved)),
        (Call::Reject, Ok(Is::Rejected)),
        (Call::Cancel, Ok(Is::Cancelled)),
    ] {
        let world = World::new(Autonomy::Approve);
        let service = world.service();
        let offer = world.propose(&service, false).await.unwrap();
        assert_eq!(same(&world, &service, &offer.name, call).await, expected, "{call:?}");
        // Once is enough, but for what changed nothing and for what was withdrawn.
        let again = same(&world, &service, &offer.name, Call::Reject).await;
        let is_open = matches!(call, Call::ApproveOther | Call::TakeBack);
        assert_eq!(again, if is_open { Ok(Is::Rejected) } else { illegal() }, "{call:?}");
    }
    let world = World::new(Autonomy::Approve);
    let service = world.service();
    let offer = world.propose(&service, false).await.unwrap();
    world.clock.advance_to(from_proto_time(offer.deadline_time.as_ref().unwrap()));
    let late = same(&world, &service, &offer.name, Call::Approve).await;
    assert_eq!(late, refused(Code::FailedPrecondition, "APPROVAL_EXPIRED"));

    let world = World::new(Autonomy::Auto);
    *world.owner.recovered.lock().unwrap() = false;
    let service = world.service();
    let action = world.propose(&service, false).await.unwrap();
    world.run_until(&service, &action.name, Is::Verifying).await;
    assert_eq!(same(&world, &service, &action.name, Call::Cancel).await, illegal());
    engage(&service).await;
    let held = same(&world, &service, &action.name, Call::TakeBack).await;
    assert_eq!(held, refused(Code::FailedPrecondition, "ON_HOLD"));
    let release = v1::SetKillSwitchRequest::default();
    service.set_kill_switch(Request::new(release)).await.unwrap();
    assert_eq!(same(&world, &service, &action.name, Call::TakeBack).await, Ok(Is::RollingBack));
}
