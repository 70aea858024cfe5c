//! The kill switch and freezes: none of the target's calls with effect is made while they hold, and nothing else stops.

use std::time::Duration;

use llm_sre_proto::convert::common::to_proto_duration;
use tonic::Code;
use uuid::Uuid;

use super::maintenance::plan_again;
use super::*;

async fn switch(service: &Service, engaged: bool) -> v1::KillSwitch {
    let request = v1::SetKillSwitchRequest { engaged, note: "migration".to_owned(), ..Default::default() };
    service.set_kill_switch(Request::new(request)).await.unwrap().into_inner()
}

async fn freeze(service: &Service, request: v1::CreateFreezeRequest) -> Result<v1::Freeze, Status> {
    service.create_freeze(Request::new(request)).await.map(tonic::Response::into_inner)
}

fn order(services: &[&str], lasts_s: u64) -> v1::CreateFreezeRequest {
    let services = services.iter().map(|&text| text.to_owned()).collect();
    let duration = Some(to_proto_duration(Duration::from_secs(lasts_s)));
    v1::CreateFreezeRequest { services, duration, request_id: "freeze-1".to_owned(), ..Default::default() }
}

async fn audit(service: &Service) -> Vec<v1::AuditRecord> {
    let request = Request::new(v1::ListAuditRecordsRequest::default());
    let records = service.list_audit_records(request).await.unwrap().into_inner().records;
    let read: Vec<_> = records.iter().map(|record| audit_from_wire(record).unwrap()).collect();
    verify(&read).unwrap();
    records
}

fn reasons(action: &v1::Action) -> Vec<v1::BlockReason> {
    action.blocks.iter().map(v1::Block::reason).collect()
}

#[tokio::test(start_paused = true)]
async fn nothing_is_planned_to_be_done_while_the_kill_switch_is_engaged() {
    let world = World::new(Autonomy::Auto);
    let service = world.service();
    switch(&service, true).await;
    let action = world.propose(&service, false).await.unwrap();
    assert_eq!(action.state(), v1::ActionState::Blocked);
    assert_eq!(reasons(&action), [v1::BlockReason::KillSwitch]);
    assert_eq!(world.calls("validate"), 0, "what is forbidden costs the target no call");
    switch(&service, false).await;
    world.run_for(&service, Duration::from_secs(60)).await;
    assert_eq!((world.calls("execute"), world.done()), (1, 1), "its incident is planned for again");
}

#[tokio::test(start_paused = true)]
async fn what_may_start_waits_for_the_kill_switch() {
    let world = World::new(Autonomy::Auto);
    let service = world.service();
    let action = world.propose(&service, false).await.unwrap();
    switch(&service, true).await;
    world.run_for(&service, Duration::from_secs(120)).await;
    assert_eq!(world.calls("execute"), 0);
    switch(&service, false).await;
    world.run_until(&service, &action.name, v1::ActionState::Succeeded).await;
    assert_eq!((world.calls("execute"), world.done()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn the_kill_switch_comes_between_an_intent_and_its_call() {
    let world = World::new(Autonomy::Auto);
    let service = world.service();
    let action = world.propose(&service, false).await.unwrap();
    // The owner hears that the action started right before the target is called.
    *world.owner.kills_at_start.lock().unwrap() = Some(world.service());
    world.run_until(&service, &action.name, v1::ActionState::Executing).await;
    world.run_for(&service, Duration::from_secs(120)).await;
    assert_eq!((world.calls("execute"), world.done()), (0, 0));
    switch(&service, false).await;
    world.run_until(&service, &action.name, v1::ActionState::Succeeded).await;
    assert_eq!((world.calls("execute"), world.done()), (1, 1));
}

/// It was not tried: else the second guess would be treated in its place.
#[tokio::test(start_paused = true)]
async fn what_a_hold_kept_from_its_target_for_its_whole_time_may_be_planned_again() {
    let world = World::new(Autonomy::Auto);
    let service = world.service();
    let action = world.propose(&service, false).await.unwrap();
    *world.owner.kills_at_start.lock().unwrap() = Some(world.service());
    let ended = world.run_until(&service, &action.name, v1::ActionState::Blocked).await;
    assert_eq!((reasons(&ended), ended.execute_time), (vec![v1::BlockReason::KillSwitch], None));
    assert_eq!((world.calls("execute"), world.incident_state()), (0, State::Escalated));
    let steps: Vec<_> = audit(&service).await.into_iter().map(|record| record.step).collect();
    assert_eq!(steps, ["planned: approved", "execute", "engaged", "blocked"]);
    switch(&service, false).await;
    let again = plan_again(&world, &service).await.unwrap();
    assert_eq!((again.state(), &again.spec, again.attempt), (v1::ActionState::Approved, &action.spec, 1));
}

#[tokio::test(start_paused = true)]
async fn nothing_is_taken_back_while_the_kill_switch_is_engaged() {
    for is_released in [true, false] {
        let world = World::new(Autonomy::Auto);
        *world.owner.recovered.lock().unwrap() = false;
        let service = world.service();
        let action = world.propose(&service, false).await.unwrap();
        world.run_until(&service, &action.name, v1::ActionState::Verifying).await;
        switch(&service, true).await;
        world.run_until(&service, &action.name, v1::ActionState::RollingBack).await;
        world.run_for(&service, Duration::from_secs(120)).await;
        assert_eq!(world.calls("undo"), 0);
        if is_released {
            switch(&service, false).await;
        }
        let ended = if is_released { v1::ActionState::RolledBack } else { v1::ActionState::RollbackFailed };
        world.run_until(&service, &action.name, ended).await;
        assert_eq!(world.calls("undo"), usize::from(is_released));
    }
}

#[tokio::test(start_paused = true)]
async fn recovery_is_measured_and_incidents_end_while_everything_is_on_hold() {
    let world = World::new(Autonomy::Auto);
    let service = world.service();
    let action = world.propose(&service, false).await.unwrap();
    world.run_until(&service, &action.name, v1::ActionState::Verifying).await;
    switch(&service, true).await;
    freeze(&service, order(&["*@*"], 3_600)).await.unwrap();
    world.run_until(&service, &action.name, v1::ActionState::Succeeded).await;
    assert_eq!(world.incident_state(), State::Resolved);
}

#[tokio::test(start_paused = true)]
async fn a_freeze_holds_its_services_for_its_time() {
    for (pattern, is_meant) in [("shop/check*@production", true), ("*@staging", false)] {
        let world = World::new(Autonomy::Auto);
        let service = world.service();
        let action = world.propose(&service, false).await.unwrap();
        let frozen = freeze(&service, order(&[pattern], 600)).await.unwrap();
        world.run_for(&service, Duration::from_secs(500)).await;
        assert_eq!(world.calls("execute"), usize::from(!is_meant), "{pattern}");
        world.run_until(&service, &action.name, v1::ActionState::Succeeded).await;
        assert!(world.clock.now() >= from_proto_time(&frozen.end_time.unwrap()) || !is_meant);
    }
}

#[tokio::test(start_paused = true)]
async fn orders_are_one_effect_and_on_the_record() {
    let world = World::new(Autonomy::Auto);
    let service = world.service();
    let frozen = freeze(&service, order(&["*@*"], 600)).await.unwrap();
    assert_eq!(freeze(&world.service(), order(&["*@*"], 600)).await.unwrap().name, frozen.name);
    let other = freeze(&service, order(&["*@production"], 600)).await.unwrap_err();
    assert_eq!(other.code(), Code::InvalidArgument);
    let longer = freeze(&service, order(&["*@*"], 6_000)).await.unwrap_err();
    assert!(longer.message().contains("request_id"), "{}", longer.message());
    for _ in 0..2 {
        assert!(switch(&service, true).await.engaged);
    }
    let seen = service.get_kill_switch(Request::new(v1::GetKillSwitchRequest {})).await.unwrap().into_inner();
    let stale = v1::SetKillSwitchRequest { etag: format!("{}0", seen.etag), ..Default::default() };
    assert_eq!(service.set_kill_switch(Request::new(stale)).await.unwrap_err().code(), Code::Aborted);
    let end = v1::EndFreezeRequest { name: frozen.name.clone(), note: "done".to_owned(), validate_only: false };
    for _ in 0..2 {
        let ended = service.end_freeze(Request::new(end.clone())).await.unwrap().into_inner();
        assert_eq!(from_proto_time(&ended.end_time.unwrap()), world.clock.now());
    }
    let list = |show_ended| v1::ListFreezesRequest { show_ended, ..Default::default() };
    for (show_ended, count) in [(false, 0), (true, 1)] {
        let listed = service.list_freezes(Request::new(list(show_ended))).await.unwrap();
        assert_eq!(listed.into_inner().freezes.len(), count);
    }
    let steps: Vec<_> = audit(&service).await.into_iter().map(|record| (record.hold, record.step)).collect();
    let expected = [(&frozen.name, "frozen"), (&"killSwitch".to_owned(), "engaged"), (&frozen.name, "ended")];
    assert_eq!(steps, expected.map(|(hold, step)| (hold.clone(), step.to_owned())));
}

#[tokio::test(start_paused = true)]
async fn only_checking_orders_nothing() {
    let world = World::new(Autonomy::Auto);
    let service = world.service();
    let request = v1::CreateFreezeRequest { validate_only: true, ..order(&["*@*"], 600) };
    freeze(&service, request).await.unwrap();
    let request = v1::SetKillSwitchRequest { engaged: true, validate_only: true, ..Default::default() };
    assert!(service.set_kill_switch(Request::new(request)).await.unwrap().into_inner().engaged);
    let action = world.propose(&service, false).await.unwrap();
    world.run_until(&service, &action.name, v1::ActionState::Succeeded).await;
    assert!(audit(&service).await.iter().all(|record| record.hold.is_empty()));
}

#[tokio::test(start_paused = true)]
async fn a_freeze_that_makes_no_sense_is_refused_by_name() {
    let world = World::new(Autonomy::Auto);
    let service = world.service();
    let past = Some(llm_sre_proto::convert::common::to_proto_time(world.clock.now()));
    let far = Some(llm_sre_proto::convert::common::to_proto_time(world.clock.now() + Duration::from_secs(91 * 86_400)));
    let wrong = [
        ("services", order(&[], 600)),
        ("services[0]", order(&["checkout"], 600)),
        ("end_time", v1::CreateFreezeRequest { duration: None, ..order(&["*@*"], 1) }),
        ("end_time", v1::CreateFreezeRequest { duration: None, end_time: past, ..order(&["*@*"], 1) }),
        ("duration", order(&["*@*"], 0)),
        ("duration", order(&["*@*"], 91 * 86_400)),
        ("duration", v1::CreateFreezeRequest { end_time: past, ..order(&["*@*"], 1) }),
        ("start_time", v1::CreateFreezeRequest { start_time: far, ..order(&["*@*"], 1) }),
        ("note", v1::CreateFreezeRequest { note: "x".repeat(2_001), ..order(&["*@*"], 1) }),
    ];
    for (field, request) in wrong {
        let error = freeze(&service, request).await.unwrap_err();
        assert_eq!(error.code(), Code::InvalidArgument);
        assert!(error.message().contains(field), "{field}: {}", error.message());
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_that_does_not_say_what_is_on_hold_lets_nothing_be_done() {
    for collection in ["kill_switch", "freezes"] {
        let world = World::new(Autonomy::Auto);
        let service = world.service();
        let action = world.propose(&service, false).await.unwrap();
        world.documents.hide(Some(collection));
        world.run_for(&service, Duration::from_secs(60)).await;
        assert_eq!(world.calls("execute"), 0, "{collection}");
        world.documents.hide(None);
        world.run_until(&service, &action.name, v1::ActionState::Succeeded).await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_hold_owes_the_record_is_told_when_the_record_can_be_written() {
    let world = World::new(Autonomy::Auto);
    let service = world.service();
    let frozen = freeze(&service, order(&["*@*"], 600)).await.unwrap();
    world.documents.hide(Some("audit"));
    let end = v1::EndFreezeRequest { name: frozen.name.clone(), ..Default::default() };
    assert_eq!(service.end_freeze(Request::new(end)).await.unwrap_err().code(), Code::Unavailable);
    world.documents.hide(None);
    world.run_for(&service, Duration::from_secs(60)).await;
    let steps: Vec<_> = audit(&service).await.into_iter().map(|record| record.step).collect();
    assert_eq!(steps, ["frozen", "ended"]);
}

#[tokio::test(start_paused = true)]
async fn a_record_that_is_moved_to_another_subject_is_not_read() {
    let world = World::new(Autonomy::Auto);
    let service = world.service();
    switch(&service, true).await;
    let record = audit(&service).await.remove(0);
    let action = format!("incidents/{}/actions/{}", Uuid::nil(), Uuid::nil());
    for moved in [
        v1::AuditRecord { action: record.hold.clone(), hold: String::new(), ..record.clone() },
        v1::AuditRecord { action: action.clone(), ..record.clone() },
        v1::AuditRecord { hold: action, ..record.clone() },
        v1::AuditRecord { hold: String::new(), ..record.clone() },
    ] {
        assert!(audit_from_wire(&moved).is_err(), "{moved:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn so_many_freezes_stand_and_those_that_are_over_make_room() {
    let world = World::new(Autonomy::Auto);
    let service = world.service();
    let another =
        |index: usize| v1::CreateFreezeRequest { request_id: format!("f{index}"), ..order(&["*@staging"], 600) };
    for index in 0..200 {
        freeze(&service, another(index)).await.unwrap();
    }
    let refused = freeze(&service, another(200)).await.unwrap_err();
    assert_eq!(status::reason(&refused).as_deref(), Some("TOO_MANY_FREEZES"));
    world.clock.advance_to(world.clock.now() + Duration::from_secs(600));
    for index in 200..400 {
        freeze(&service, another(index)).await.unwrap();
    }
    // The oldest are closed behind the newest, and then no call reads them.
    world.run_for(&service, Duration::from_secs(600 + 3_700)).await;
    let open = world.documents.found("freezes", "open", "yes");
    assert_eq!(open, 0);
}
