use llm_sre_mesh::status;
use tonic::{Code, Status};
use tonic_types::StatusExt;

use super::store::Mood;
use super::*;

fn assert_invalid(status: &Status, field: &str) {
    assert_eq!((status.code(), status::reason(status).as_deref()), (Code::InvalidArgument, Some("INVALID_FIELD")));
    let info = status.get_details_error_info().unwrap();
    assert_eq!(info.metadata["field"], field, "{status}");
}

fn range(start: Option<i64>, end: Option<i64>) -> Option<v1::TimeRange> {
    let at = |seconds: Option<i64>| seconds.map(|seconds| pbjson_types::Timestamp { seconds, nanos: 0 });
    Some(v1::TimeRange { start_time: at(start), end_time: at(end) })
}

#[tokio::test]
async fn every_query_names_a_range_that_is_bounded() {
    let world = World::new().await;
    let mut queries = world.queries();
    let month = 31 * 24 * 3600;
    for (range, field) in [
        (None, "range"),
        (range(None, Some(5)), "range.start_time"),
        (range(Some(5), None), "range.end_time"),
        (range(Some(5), Some(5)), "range.end_time"),
        (range(Some(0), Some(month + 1)), "range"),
    ] {
        let services = v1::ListServicesRequest { range, ..Default::default() };
        assert_invalid(&queries.list_services(services).await.unwrap_err(), field);
        let series = v1::QuerySeriesRequest {
            service: Some(identity("cart")),
            metric: "m".to_owned(),
            range,
            ..Default::default()
        };
        assert_invalid(&queries.query_series(series).await.unwrap_err(), field);
        let logs = v1::SearchLogsRequest { range, ..Default::default() };
        assert_invalid(&queries.search_logs(logs).await.unwrap_err(), field);
        let counts = v1::CountLogsRequest { range, ..Default::default() };
        assert_invalid(&queries.count_logs(counts).await.unwrap_err(), field);
        let changes = v1::ListChangesRequest { range, ..Default::default() };
        assert_invalid(&queries.list_changes(changes).await.unwrap_err(), field);
        let calls = v1::ListServiceCallsRequest { range, ..Default::default() };
        assert_invalid(&queries.list_service_calls(calls).await.unwrap_err(), field);
    }
    let whole_month = v1::ListServicesRequest { range: range(Some(0), Some(month)), ..Default::default() };
    queries.list_services(whole_month).await.unwrap();
}

#[tokio::test]
async fn wrong_fields_are_named() {
    let world = World::new().await;
    let mut queries = world.queries();
    let range = Some(around_now());
    let series = || v1::QuerySeriesRequest {
        service: Some(identity("cart")),
        metric: "m".to_owned(),
        range,
        ..Default::default()
    };
    for (request, field) in [
        (v1::QuerySeriesRequest { service: None, ..series() }, "service"),
        (v1::QuerySeriesRequest { metric: String::new(), ..series() }, "metric"),
        (v1::QuerySeriesRequest { page_size: -1, ..series() }, "page_size"),
        (v1::QuerySeriesRequest { max_points: -1, ..series() }, "max_points"),
        (v1::QuerySeriesRequest { view: 99, ..series() }, "view"),
    ] {
        assert_invalid(&queries.query_series(request).await.unwrap_err(), field);
    }
    let logs = || v1::SearchLogsRequest { range, ..Default::default() };
    for (request, field) in [
        (v1::SearchLogsRequest { min_severity: 99, ..logs() }, "min_severity"),
        (v1::SearchLogsRequest { trace_id: "xyz".to_owned(), ..logs() }, "trace_id"),
        (v1::SearchLogsRequest { trace_id: "+1".repeat(16), ..logs() }, "trace_id"),
        (v1::SearchLogsRequest { page_token: "made up".to_owned(), ..logs() }, "page_token"),
    ] {
        assert_invalid(&queries.search_logs(request).await.unwrap_err(), field);
    }
    let counts = || v1::CountLogsRequest { range, ..Default::default() };
    for (request, field) in [
        (v1::CountLogsRequest { max_parts: -1, ..counts() }, "max_parts"),
        (v1::CountLogsRequest { min_severity: 99, ..counts() }, "min_severity"),
        (v1::CountLogsRequest { trace_id: "xyz".to_owned(), ..counts() }, "trace_id"),
    ] {
        assert_invalid(&queries.count_logs(request).await.unwrap_err(), field);
    }
    for page_token in ["zz", "0", "6100", "é"] {
        let request = v1::ListServicesRequest { range, page_token: page_token.to_owned(), ..Default::default() };
        assert_invalid(&queries.list_services(request).await.unwrap_err(), "page_token");
    }
}

#[tokio::test]
async fn pages_join_to_the_whole() {
    let world = World::new().await;
    let running = world.start();
    let services: Vec<String> = (0..7).map(|index| format!("service-{index}")).collect();
    for service in &services {
        world.send_logs(logs(service, &[service])).await;
    }
    world.until_caught_up().await;
    let mut queries = world.queries();

    let (mut names, mut page_token) = (Vec::new(), String::new());
    loop {
        let request = v1::ListServicesRequest { range: Some(around_now()), page_size: 3, page_token };
        let page = queries.list_services(request).await.unwrap().into_inner();
        assert!(page.services.len() <= 3);
        names.extend(page.services.into_iter().map(|service| service.identity.unwrap().name));
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    assert_eq!(names, services);

    let counted = v1::CountLogsRequest { range: Some(around_now()), max_parts: 4, ..Default::default() };
    let counted = queries.count_logs(counted).await.unwrap().into_inner();
    assert_eq!(counted.counts.iter().map(|one| one.count).sum::<i64>(), 7);
    assert!(counted.part_duration.is_some_and(|duration| duration.seconds > 0), "{counted:?}");
    assert!(counted.counts.iter().all(|one| one.start_time.is_some()), "{counted:?}");

    let (mut lines, mut page_token) = (Vec::new(), String::new());
    loop {
        let request =
            v1::SearchLogsRequest { range: Some(around_now()), page_size: 2, page_token, ..Default::default() };
        let page = queries.search_logs(request).await.unwrap().into_inner();
        assert!(page.records.len() <= 2);
        lines.extend(page.records.into_iter().map(|record| record.body));
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    lines.sort();
    assert_eq!(lines, services);
    running.stop().await;
}

#[tokio::test]
async fn a_store_that_is_away_is_unavailable() {
    let world = World::new().await;
    world.store.set(Mood::Away);
    let request = v1::ListServicesRequest { range: Some(around_now()), ..Default::default() };
    let status = world.queries().list_services(request).await.unwrap_err();
    assert_eq!((status.code(), status::reason(&status).as_deref()), (Code::Unavailable, Some("UNAVAILABLE")));
}

/// Each reads up to half a million points into memory.
#[tokio::test(start_paused = true)]
async fn only_so_many_read_series_at_once_and_who_has_no_turn_in_time_is_told_to_come_again() {
    let world = World::new().await;
    let queries = world.queries();
    let ask = || {
        let mut queries = queries.clone();
        let (service, range) = (Some(identity("cart")), Some(around_now()));
        let request = v1::QuerySeriesRequest { service, metric: "m".to_owned(), range, ..Default::default() };
        tokio::spawn(async move { queries.query_series(request).await })
    };
    world.store.set(Mood::Stuck);
    let first: Vec<_> = (0..4).map(|_| ask()).collect();
    pass(Duration::from_millis(1)).await;
    let refused = ask().await.unwrap().unwrap_err();
    assert_eq!(refused.code(), Code::ResourceExhausted, "{refused}");
    assert_eq!(status::reason(&refused).as_deref(), Some("TOO_MANY_QUERIES"));
    assert!(refused.get_details_retry_info().is_some());
    let waits = ask();
    pass(Duration::from_millis(1)).await;
    world.store.set(Mood::Well);
    for answered in first.into_iter().chain([waits]) {
        answered.await.unwrap().unwrap();
    }
}
