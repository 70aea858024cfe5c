use super::*;

#[tokio::test]
async fn what_was_sent_is_found() {
    let world = World::new().await;
    let running = world.start();
    let histogram = json!({"aggregationTemporality": 1, "dataPoints": [{"timeUnixNano": nanos(5), "count": "4",
        "sum": 2.0, "explicitBounds": [0.25, 1.0], "bucketCounts": ["1", "3", "0"],
        "attributes": [{"key": "http.route", "value": {"stringValue": "/cart"}}]}]});
    let graph = json!({"aggregationTemporality": 1, "isMonotonic": true, "dataPoints": [{"timeUnixNano": nanos(6),
        "asInt": "12", "attributes": [{"key": "client", "value": {"stringValue": "web"}},
                                      {"key": "server", "value": {"stringValue": "cart"}}]}]});
    let host = json!({"dataPoints": [{"timeUnixNano": nanos(1), "asDouble": 0.5}]});
    world
        .send_metrics(json!({"resourceMetrics": [
        {"resource": resource("cart"), "scopeMetrics": [{"metrics": [
            {"name": "http.server.request.duration", "unit": "s", "histogram": histogram}]}]},
        {"resource": resource("web"), "scopeMetrics": [{"metrics": [
            {"name": "traces_service_graph_request_total", "sum": graph}]}]},
        {"scopeMetrics": [{"metrics": [{"name": "system.cpu.load_average.1m", "gauge": host}]}]}]}))
        .await;
    world.send_logs(logs("cart", &["connection refused by redis", "all is well"])).await;
    let span = |service: &str, id: u8, parent: &str, kind: u8| {
        json!({"resource": resource(service), "scopeSpans": [{"spans": [{"traceId": "0102030405060708090a0b0c0d0e0f10",
            "spanId": format!("{id:016x}"), "parentSpanId": parent, "kind": kind, "name": "GET /",
            "startTimeUnixNano": nanos(1), "endTimeUnixNano": nanos(2)}]}]})
    };
    world
        .send_traces(json!({"resourceSpans": [span("cart", 1, "", 3), span("redis", 2, "0000000000000001", 2)]}))
        .await;
    world.until_caught_up().await;

    let mut queries = world.queries();
    let range = Some(around_now());
    let services = queries.list_services(v1::ListServicesRequest { range, ..Default::default() }).await.unwrap();
    let names: Vec<String> =
        services.into_inner().services.into_iter().map(|service| service.identity.unwrap().name).collect();
    assert_eq!(names, ["unknown_service", "cart", "web"], "in order of namespace and name");

    let metric = "http.server.request.duration".to_owned();
    let request = v1::QuerySeriesRequest { service: Some(identity("cart")), metric, range, ..Default::default() };
    let found = queries.query_series(request).await.unwrap().into_inner();
    let [series] = found.series.as_slice() else { panic!("not one series: {found:?}") };
    assert_eq!((series.unit.as_str(), series.attributes["http.route"].as_str()), ("s", "/cart"));
    assert_eq!((series.points[0].value, series.points[0].count), (0.5, 4));

    let query = "redis CONNECTION".to_owned();
    let found = queries.search_logs(v1::SearchLogsRequest { range, query, ..Default::default() }).await.unwrap();
    let found = found.into_inner().records;
    assert_eq!(found.iter().map(|record| record.body.as_str()).collect::<Vec<_>>(), ["connection refused by redis"]);

    let calls = queries.list_service_calls(v1::ListServiceCallsRequest { range, page_size: 0 }).await.unwrap();
    let calls: Vec<(String, String, f64)> = calls
        .into_inner()
        .calls
        .into_iter()
        .map(|call| (call.client.unwrap().name, call.server.unwrap().name, call.call_count))
        .collect();
    assert_eq!(calls, [("cart".into(), "redis".into(), 1.0), ("web".into(), "cart".into(), 12.0)]);
    running.stop().await;
}

#[tokio::test]
async fn changes_are_recognised_among_logs() {
    let world = World::new().await;
    let running = world.start();
    let attribute = |key: &str, value: &str| json!({"key": key, "value": {"stringValue": value}});
    let record = json!({"timeUnixNano": nanos(3), "eventName": "deployment", "body": {"stringValue": "rolled out"},
        "attributes": [attribute("deployment.name", "cart"), attribute("service.version", "2.0.0")]});
    world
        .send_logs(json!({"resourceLogs": [
        {"resource": resource("cart"), "scopeLogs": [{"logRecords": [record]}]}]}))
        .await;
    world.send_logs(logs("cart", &["just a line"])).await;
    world.until_caught_up().await;
    let request = v1::ListChangesRequest { range: Some(around_now()), ..Default::default() };
    let changes = world.queries().list_changes(request).await.unwrap().into_inner().changes;
    let [change] = changes.as_slice() else { panic!("not one change: {changes:?}") };
    assert_eq!((change.service.clone().unwrap(), change.kind()), (identity("cart"), v1::ChangeKind::Deployment));
    running.stop().await;
}

/// A counter that grows by 7 in a second, with one restart, and by 700 for the length of one point.
#[tokio::test]
async fn a_counter_is_charted_by_its_rate_with_its_peak() {
    const POINTS: u32 = 400;
    let world = World::new().await;
    let running = world.start();
    let mut count = 0_u32;
    let points = (0..POINTS).map(|second| {
        count = if second == 100 { 7 } else { count + if second == 217 { 700 } else { 7 } };
        json!({"timeUnixNano": nanos(second.into()), "asInt": count.to_string()})
    });
    let sum = json!({"aggregationTemporality": 2, "isMonotonic": true, "dataPoints": points.collect::<Vec<_>>()});
    let metrics = json!([{"name": "http.server.requests", "sum": sum}]);
    let request = json!({"resourceMetrics": [{"resource": resource("cart"), "scopeMetrics": [{"metrics": metrics}]}]});
    world.send_metrics(request).await;
    world.until_caught_up().await;
    let (start, end) = (NOW_SECS, NOW_SECS + i64::from(POINTS));
    let at = |seconds: i64| Some(pbjson_types::Timestamp { seconds, nanos: 0 });
    let request = |view: v1::SeriesView| v1::QuerySeriesRequest {
        service: Some(identity("cart")),
        metric: "http.server.requests".to_owned(),
        range: Some(v1::TimeRange { start_time: at(start), end_time: at(end) }),
        max_points: 40,
        view: view.into(),
        ..Default::default()
    };
    let mut queries = world.queries();
    let found = queries.query_series(request(v1::SeriesView::Rate)).await.unwrap().into_inner();
    assert!(found.reduced && !found.truncated, "{found:?}");
    let points = &found.series[0].points;
    assert!(points.len() <= 40);
    let rates: Vec<f64> = points.iter().map(|point| point.value).collect();
    assert!(rates.iter().all(|rate| [7.0, 700.0].contains(rate)) && rates.contains(&700.0), "{rates:?}");
    let sent = queries.query_series(request(v1::SeriesView::Unspecified)).await.unwrap().into_inner();
    assert!(!sent.reduced && sent.truncated && sent.series[0].points.len() == 40, "{sent:?}");
    running.stop().await;
}
