//! Trouble that somebody had handled, who was killed before it was told.

use std::time::Duration;

use llm_sre_detector::GROUP;
use llm_sre_ports::bus::{EventBus, Progress, Start};
use llm_sre_proto::incident::v1;
use llm_sre_proto::topics;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message;
use serde_json::json;

use crate::shop::Shop;
use crate::{FAILING, SICK, WARM};

/// Lets a service call another in one trace.
async fn call(shop: &Shop, trace: u8, client: &str, server: &str) {
    let trace = format!("{trace:032x}");
    for (service, kind, span, parent) in
        [(client, 3, "0000000000000001", ""), (server, 2, "0000000000000002", "0000000000000001")]
    {
        let request = json!({"resourceSpans": [{
            "resource": {"attributes": [{"key": "service.name", "value": {"stringValue": service}}]},
            "scopeSpans": [{"spans": [{
                "traceId": trace, "spanId": span, "parentSpanId": parent, "name": "call", "kind": kind,
                "startTimeUnixNano": shop.time(), "endTimeUnixNano": shop.time(),
            }]}],
        }]});
        let request: ExportTraceServiceRequest = serde_json::from_value(request).unwrap();
        shop.send(topics::TRACES, service, request.encode_to_vec()).await;
    }
}

/// Lets the shop trade, whose `web` fails as `cart` does.
async fn trade(shop: &mut Shop, steps: i64, failing: f64) {
    for _ in 0..steps {
        shop.trade(1, failing).await;
        shop.publish("web", json!([shop.durations()])).await;
    }
}

/// Notes all that was published as handled, though nobody told anything of it.
async fn handle_untold(shop: &Shop) {
    for topic in topics::TELEMETRY {
        let mut consumer = shop.bus.subscribe(GROUP, &[topic], Start::Earliest).await.unwrap();
        consumer.poll(1, 1, Duration::ZERO).await.unwrap();
        let ends: Vec<Progress> = shop.bus.end_offsets(topic).await.unwrap();
        consumer.commit(&ends).await.unwrap();
        consumer.close().await.unwrap();
    }
}

#[tokio::test]
async fn what_one_cause_explains_is_told_once_though_who_calls_whom_was_known_late() {
    let mut shop = Shop::new(41).await;
    trade(&mut shop, WARM, 0.0).await;
    call(&shop, 1, "gift", "web").await;
    trade(&mut shop, SICK, FAILING).await;
    call(&shop, 2, "web", "cart").await;
    trade(&mut shop, 6, FAILING).await;
    handle_untold(&shop).await;

    let running = shop.start();
    let incident = running.until(v1::State::Escalated).await;
    assert_eq!(incident.service.as_ref().unwrap().name, "cart");
    trade(&mut shop, 6, FAILING).await;
    shop.until_read().await;
    let incidents = running.list().await;
    assert_eq!(incidents.len(), 1, "web suffers from what cart does: {incidents:#?}");
    let services: Vec<&str> = incidents[0].anomalies.iter().map(|one| &*one.service.as_ref().unwrap().name).collect();
    assert!(services.contains(&"web"), "what it shows is kept with its cause: {services:?}");
    running.stop().await;
}
