//! Maintenance windows: who works on a service is not told of its incidents, which are there as ever.

use llm_sre_mesh::status;
use llm_sre_ports::documents::{Documents, NewDocument, Precondition};
use llm_sre_proto::convert::common::to_proto_duration;
use serde_json::json;
use tonic::Status;

use super::*;

const OVER_WITHIN: Duration = Duration::from_secs(30);
/// How long a window lasts that is over while trouble goes on.
const SILENT_S: u64 = 550;

pub(super) fn order(pattern: &str, lasts_s: u64) -> v1::CreateMaintenanceWindowRequest {
    v1::CreateMaintenanceWindowRequest {
        services: vec![pattern.to_owned()],
        duration: Some(to_proto_duration(Duration::from_secs(lasts_s))),
        note: "a new disk".to_owned(),
        request_id: "w1".to_owned(),
        ..v1::CreateMaintenanceWindowRequest::default()
    }
}

pub(super) async fn maintain(
    running: &Running,
    request: v1::CreateMaintenanceWindowRequest,
) -> Result<v1::MaintenanceWindow, Status> {
    running.service.create_maintenance_window(Request::new(request)).await.map(tonic::Response::into_inner)
}

pub(super) async fn end(running: &Running, window: &v1::MaintenanceWindow) -> v1::MaintenanceWindow {
    let request = v1::EndMaintenanceWindowRequest {
        name: window.name.clone(),
        note: "done".to_owned(),
        ..v1::EndMaintenanceWindowRequest::default()
    };
    running.service.end_maintenance_window(Request::new(request)).await.unwrap().into_inner()
}

fn is_over(incident: &v1::Incident) -> bool {
    incident.maintenance.as_ref().is_some_and(|maintenance| maintenance.over_time.is_some())
}

/// Waits until maintenance is over for an incident.
async fn until_over(running: &Running) -> v1::Incident {
    let over = async {
        loop {
            if let Some(incident) = running.list().await.into_iter().find(is_over) {
                return incident;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(OVER_WITHIN, over).await.unwrap()
}

/// How often people were told that it lives still.
fn times_told(incident: &v1::Incident) -> usize {
    incident.timeline.iter().filter(|entry| entry.message.starts_with("maintenance is over")).count()
}

fn deadline(incident: &v1::Incident) -> Timestamp {
    from_proto_time(incident.deadline_time.as_ref().unwrap())
}

/// What covers an incident at this moment, as whoever is about to act on its account is told.
async fn covering(running: &Running, incident: &v1::Incident) -> v1::Maintenance {
    let request = v1::GetIncidentRequest { name: incident.name.clone() };
    running.service.get_incident(Request::new(request)).await.unwrap().into_inner().maintenance.unwrap()
}

fn until(maintenance: &v1::Maintenance) -> Timestamp {
    from_proto_time(maintenance.end_time.as_ref().unwrap())
}

fn now(shop: &Shop) -> Timestamp {
    llm_sre_ports::clock::Clock::now(shop.clock.as_ref())
}

/// An incident that opened under a window.
async fn silent(shop: &mut Shop, running: &Running) -> v1::Incident {
    let window = maintain(running, order("cart@*", SILENT_S)).await.unwrap();
    shop.trade(SICK, FAILING).await;
    let incident = running.until(v1::State::Escalated).await;
    assert_eq!(incident.escalation_reason(), v1::EscalationReason::NoAction, "its states are as ever");
    assert!(incident.diagnosis.starts_with(&incident.name), "it is explained as ever");
    let maintenance = incident.maintenance.clone().unwrap();
    assert_eq!((maintenance.window, maintenance.over_time), (window.name, None));
    assert!(maintenance.withheld >= 2, "that it opened, and that a person must take over");
    assert_eq!(incident.last_notification, None, "nobody was told");
    incident
}

#[tokio::test]
async fn nobody_is_told_before_maintenance_is_over_and_then_once_whoever_is_killed() {
    let mut shop = Shop::new(41).await;
    let running = shop.start();
    shop.trade(WARM, 0.0).await;
    shop.until_read().await;
    let incident = silent(&mut shop, &running).await;
    shop.until_read().await;
    running.kill().await;
    let again = shop.start();
    shop.trade(SICK, FAILING).await;
    let told = until_over(&again).await;
    assert_eq!((told.name.as_str(), told.state()), (incident.name.as_str(), v1::State::Escalated));
    assert!(told.last_notification.is_some());
    assert!(deadline(&told) > deadline(&incident), "it counts anew: {told:#?}");
    again.kill().await;
    let third = shop.start();
    shop.trade(1, FAILING).await;
    shop.until_read().await;
    assert_eq!(times_told(&third.list().await[0]), 1);
    third.stop().await;
}

#[tokio::test]
async fn whoever_recovers_meanwhile_is_never_told_of() {
    let mut shop = Shop::new(42).await;
    let running = shop.start();
    shop.trade(WARM, 0.0).await;
    shop.until_read().await;
    let window = maintain(&running, order("*@*", 7_200)).await.unwrap();
    shop.trade(SICK, FAILING).await;
    running.until(v1::State::Escalated).await;
    shop.until_read().await;
    shop.trade(WELL, 0.0).await;
    let ended = running.until(v1::State::Resolved).await;
    assert_eq!(ended.resolution.as_ref().unwrap().reason(), v1::ResolutionReason::SelfRecovered, "as measured");
    assert!(until(&covering(&running, &ended).await) > now(&shop), "nothing is taken back either");
    end(&running, &window).await;
    assert!(until(&covering(&running, &ended).await) <= now(&shop), "not for as long as it was ordered");
    shop.trade(1, 0.0).await;
    shop.until_read().await;
    let incidents = running.list().await;
    let [kept] = &incidents[..] else { panic!("{incidents:#?}") };
    assert_eq!((kept.last_notification.as_ref(), times_told(kept), is_over(kept)), (None, 0, false));
    running.stop().await;
}

#[tokio::test]
async fn a_window_covers_what_lives_already_until_it_is_ended() {
    let (_shop, running, before) = with_incident(43).await;
    assert!(before.last_notification.is_some() && before.maintenance.is_none());
    let window = maintain(&running, order("cart@*", 3_600)).await.unwrap();
    let covered = running.list().await.remove(0);
    assert!(covered.maintenance.is_some() && !is_over(&covered), "from its order on");
    assert!(deadline(&covered) > deadline(&before));
    for _ in 0..2 {
        let ended = end(&running, &window).await;
        assert_eq!((ended.end_actor.as_str(), ended.end_note.as_str()), ("unauthenticated:local", "done"));
        let told = running.list().await.remove(0);
        assert_eq!((is_over(&told), times_told(&told)), (true, 1));
    }
    running.stop().await;
}

/// Ordered at the instance that stands by, and told by whichever detects when it is over.
#[tokio::test]
async fn two_detectors_keep_to_one_window() {
    let mut shop = Shop::new(44).await;
    let first = shop.start_as("first");
    shop.trade(WARM, 0.0).await;
    shop.until_read().await;
    let second = shop.start_as("second");
    let window = maintain(&second, order("cart@*", SILENT_S)).await.unwrap();
    shop.trade(SICK, FAILING).await;
    let incident = first.until(v1::State::Escalated).await;
    assert_eq!(incident.maintenance.map(|maintenance| maintenance.window), Some(window.name));
    assert_eq!(incident.last_notification, None);
    shop.until_read().await;
    first.kill().await;
    shop.trade(SICK, FAILING).await;
    let told = until_over(&second).await;
    assert_eq!((told.name == incident.name, times_told(&told)), (true, 1));
    second.stop().await;
}

#[tokio::test]
async fn nothing_is_repaired_before_maintenance_is_over() {
    let mut shop = Shop::new(8).await.with_repairs(policy(Autonomy::Auto));
    let running = shop.start();
    shop.trade(WARM, 0.0).await;
    shop.until_read().await;
    maintain(&running, order("cart@*", 900)).await.unwrap();
    shop.deploy("1.4.1", "1.4.2").await;
    let ended = trade_for(&mut shop, &running, 80, v1::State::Resolved, FAILING).await;
    assert_eq!((ended, shop.target.done()), (None, 0));
    assert_eq!(running.list().await[0].state(), v1::State::Diagnosing, "nobody waits for an answer");
    let ended = trade_until(&mut shop, &running, v1::State::Resolved, FAILING).await;
    assert_eq!(ended.resolution.as_ref().unwrap().reason(), v1::ResolutionReason::Measured, "{ended:#?}");
    assert_eq!((shop.target.done(), ended.attempts, times_told(&ended)), (1, 1, 1));
    running.stop().await;
}

#[tokio::test]
async fn an_order_is_one_window_that_is_listed_until_it_is_over() {
    let shop = Shop::new(45).await;
    let running = shop.start();
    let only_checked = v1::CreateMaintenanceWindowRequest { validate_only: true, ..order("*@*", 600) };
    maintain(&running, only_checked).await.unwrap();
    let window = maintain(&running, order("*@*", 600)).await.unwrap();
    assert_eq!(maintain(&running, order("*@*", 600)).await.unwrap(), window);
    assert_eq!(maintain(&running, order("*@*", 700)).await.unwrap_err().code(), Code::InvalidArgument);
    let list = async |show_ended: bool| {
        let request = v1::ListMaintenanceWindowsRequest { show_ended, ..Default::default() };
        running.service.list_maintenance_windows(Request::new(request)).await.unwrap().into_inner().windows
    };
    assert_eq!(list(false).await, std::slice::from_ref(&window));
    end(&running, &window).await;
    assert_eq!((list(false).await.len(), list(true).await.len()), (0, 1));
    let nowhere = v1::EndMaintenanceWindowRequest {
        name: format!("maintenanceWindows/{}", uuid::Uuid::from_u128(7)),
        ..v1::EndMaintenanceWindowRequest::default()
    };
    let refused = running.service.end_maintenance_window(Request::new(nowhere)).await.unwrap_err();
    assert_eq!(refused.code(), Code::NotFound);
    running.stop().await;
}

#[tokio::test]
async fn a_window_that_makes_no_sense_is_refused_by_name_and_so_is_one_too_many() {
    let shop = Shop::new(46).await;
    let running = shop.start();
    let past = Some(to_proto_time(now(&shop)));
    let far = Some(to_proto_time(now(&shop) + Duration::from_secs(91 * 86_400)));
    let one = || order("*@*", 1);
    let wrong = [
        ("services", v1::CreateMaintenanceWindowRequest { services: Vec::new(), ..one() }),
        ("services", v1::CreateMaintenanceWindowRequest { services: vec!["*@*".to_owned(); 51], ..one() }),
        ("services[0]", order("cart", 600)),
        ("services[0]", order(&format!("{}@*", "x".repeat(200)), 600)),
        ("end_time", v1::CreateMaintenanceWindowRequest { duration: None, ..one() }),
        ("end_time", v1::CreateMaintenanceWindowRequest { duration: None, end_time: past, ..one() }),
        ("duration", order("*@*", 0)),
        ("duration", order("*@*", 31 * 86_400)),
        ("duration", v1::CreateMaintenanceWindowRequest { end_time: past, ..one() }),
        ("start_time", v1::CreateMaintenanceWindowRequest { start_time: far, ..one() }),
        ("note", v1::CreateMaintenanceWindowRequest { note: "x".repeat(2_001), ..one() }),
        ("request_id", v1::CreateMaintenanceWindowRequest { request_id: "x".repeat(129), ..one() }),
    ];
    for (field, request) in wrong {
        let error = maintain(&running, request).await.unwrap_err();
        assert_eq!(error.code(), Code::InvalidArgument);
        assert!(error.message().contains(field), "{field}: {}", error.message());
    }
    let another = |index: usize| v1::CreateMaintenanceWindowRequest {
        request_id: format!("w{index}"),
        ..order("*@staging", 600)
    };
    for index in 0..200 {
        maintain(&running, another(index)).await.unwrap();
    }
    let refused = maintain(&running, another(200)).await.unwrap_err();
    assert_eq!(status::reason(&refused).as_deref(), Some("TOO_MANY_WINDOWS"));
    running.stop().await;
}

/// Somebody else wrote it, or a newer version that says more.
#[tokio::test]
async fn a_window_that_cannot_be_read_silences_nobody_and_may_be_about_everything() {
    let (mut shop, running, incident) = with_incident(47).await;
    let senseless = json!({"name": "maintenanceWindows/w", "services": ["cart"], "endTime": "2100-01-01T00:00:00Z"});
    let mut precondition = Precondition::Absent;
    for body in [json!(7), senseless] {
        let (collection, id) = ("maintenance_windows".to_owned(), "w".to_owned());
        let attributes = [("open".to_owned(), "yes".to_owned())].into();
        let document = NewDocument { collection, id, body, attributes, schema_version: 1 };
        precondition = Precondition::Version(shop.documents.put(document, precondition).await.unwrap());
        let held = covering(&running, &incident).await;
        assert_eq!((held.window.as_str(), held.over_time), ("maintenanceWindows/w", None));
        assert!(until(&held) > now(&shop));
        shop.trade(1, FAILING).await;
        shop.until_read().await;
        let told = running.list().await.remove(0);
        assert_eq!(told.maintenance, None, "people are told");
    }
    let window = maintain(&running, order("cart@*", 600)).await.unwrap();
    assert_eq!(covering(&running, &incident).await.window, window.name, "one that can be read says more");
    running.stop().await;
}

/// Its record is damaged by the time that it is read again.
#[tokio::test]
async fn a_window_that_can_be_read_no_more_holds_what_it_covered() {
    let (mut shop, running, incident) = with_incident(48).await;
    let window = maintain(&running, order("cart@*", 3_600)).await.unwrap();
    let (collection, id) = ("maintenance_windows", window.name.trim_start_matches("maintenanceWindows/"));
    let kept = shop.documents.get(collection, id).await.unwrap().unwrap();
    let damaged = NewDocument {
        collection: collection.to_owned(),
        id: id.to_owned(),
        body: json!(7),
        attributes: kept.attributes,
        schema_version: kept.schema_version,
    };
    shop.documents.put(damaged, Precondition::Version(kept.version)).await.unwrap();
    shop.trade(1, FAILING).await;
    assert_eq!(until_over(&running).await.name, incident.name, "people are told");
    let held = covering(&running, &incident).await;
    assert_eq!((held.window, held.over_time), (window.name.clone(), None));
    end(&running, &window).await;
    assert!(covering(&running, &incident).await.over_time.is_some(), "it is over for good");
    running.stop().await;
}

/// What is stored of it stays as it is, for a version that can read it.
#[tokio::test]
async fn a_window_that_cannot_be_read_is_ended_by_its_name() {
    let (shop, running, incident) = with_incident(47).await;
    let is_held = async || {
        let request = v1::GetIncidentRequest { name: incident.name.clone() };
        running.service.get_incident(Request::new(request)).await.unwrap().into_inner().maintenance.is_some()
    };
    let list = async |show_ended: bool| {
        let request = v1::ListMaintenanceWindowsRequest { show_ended, ..Default::default() };
        running.service.list_maintenance_windows(Request::new(request)).await.unwrap().into_inner().windows
    };
    let third = format!("maintenanceWindows/{}", uuid::Uuid::from_u128(3));
    let senseless = json!({"name": third, "services": ["cart"], "endTime": "2100-01-01T00:00:00Z"});
    for (number, body, schema_version) in [(1, json!(7), 1), (2, json!({"services": ["*@*"]}), 2), (3, senseless, 1)] {
        let (collection, id) = ("maintenance_windows".to_owned(), uuid::Uuid::from_u128(number).to_string());
        let attributes = [("open".to_owned(), "yes".to_owned())].into();
        let document = NewDocument { collection, id: id.clone(), body: body.clone(), attributes, schema_version };
        shop.documents.put(document, Precondition::Absent).await.unwrap();
        assert!(is_held().await, "{body}");
        let name = format!("maintenanceWindows/{id}");
        let tried = v1::EndMaintenanceWindowRequest { name: name.clone(), validate_only: true, ..Default::default() };
        running.service.end_maintenance_window(Request::new(tried)).await.unwrap();
        assert!(is_held().await, "{body}");
        let window = v1::MaintenanceWindow { name, ..v1::MaintenanceWindow::default() };
        let listed = list(false).await;
        let names: Vec<_> = listed.iter().map(|listed| listed.name.as_str()).collect();
        assert_eq!(names, [window.name.as_str()], "whoever acts on a target has to know of it");
        assert_eq!(listed == std::slice::from_ref(&window), number != 3, "all that is known: {listed:?}");
        let is_in_all = list(true).await.iter().any(|listed| listed.name == window.name);
        assert_eq!(is_in_all, number == 3, "who cannot read it cannot say whether it is over");
        let ended = end(&running, &window).await;
        assert_eq!((ended.end_actor.as_str(), ended.end_note.as_str()), ("unauthenticated:local", "done"));
        assert!(!is_held().await && list(false).await.is_empty(), "{body}");
        shop.clock.advance_to(now(&shop) + Duration::from_secs(1));
        let again = end(&running, &window).await;
        assert_eq!((&again.end_actor, again.end_time, &again.etag), (&ended.end_actor, ended.end_time, &ended.etag));
        let kept = shop.documents.get("maintenance_windows", &id).await.unwrap().unwrap();
        assert_eq!(kept.attributes.contains_key("ended_by"), number != 3, "{:?}", kept.attributes);
        let is_as_it_was = (kept.body, kept.schema_version) == (body, schema_version);
        assert_eq!(is_as_it_was, number != 3, "the last has its end");
    }
    running.stop().await;
}
