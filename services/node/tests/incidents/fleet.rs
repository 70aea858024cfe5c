//! How the services are, as the fleet's service tells it.

use llm_sre_proto::fleet::v1::fleet_service_server::FleetService;
use llm_sre_proto::fleet::v1::service_call_health::Callee;
use llm_sre_proto::fleet::v1::{Fleet, GetFleetRequest, HealthState, ServiceHealth};
use llm_sre_proto::incident::v1::Signal;
use serde_json::json;
use tonic::{Code, Request};

use crate::shop::{Running, START_S, Shop};
use crate::{FAILING, SICK, WARM};

/// Longer than detection may be behind for what it says to be true still.
const STALE_STEPS: i64 = 15;

async fn fleet(running: &Running) -> Fleet {
    running.service.get_fleet(Request::new(GetFleetRequest::default())).await.unwrap().into_inner()
}

fn of<'a>(fleet: &'a Fleet, name: &str) -> &'a ServiceHealth {
    let is_named = |health: &&ServiceHealth| health.service.as_ref().is_some_and(|service| service.name == name);
    fleet.services.iter().find(is_named).unwrap()
}

#[tokio::test]
async fn who_is_measured_is_well_until_something_is_abnormal() {
    let mut shop = Shop::new(61).await;
    let running = shop.start();
    shop.trade(WARM, 0.0).await;
    shop.until_read().await;
    let well = fleet(&running).await;
    assert_eq!(well.services.len(), 2);
    assert!(well.current && !well.truncated && well.read_time.is_some() && well.time.is_some(), "{well:?}");
    let cart = of(&well, "cart");
    assert_eq!(cart.state(), HealthState::Well, "{cart:?}");
    assert!((90.0..110.0).contains(&cart.requests_per_second.unwrap()), "{cart:?}");
    assert_eq!((cart.error_ratio, cart.latency_dimension.as_str()), (Some(0.0), "p95"));
    let web = of(&well, "web");
    assert_eq!(web.state(), HealthState::Unknown, "nobody measures its requests: {web:?}");
    assert_eq!((web.requests_per_second, web.error_ratio, web.latency_s), (None, None, None));

    shop.trade(SICK, FAILING).await;
    shop.until_read().await;
    let sick = fleet(&running).await;
    let cart = of(&sick, "cart");
    assert_eq!(cart.state(), HealthState::Troubled, "{cart:?}");
    assert!(cart.abnormal_signals.contains(&Signal::Errors.into()), "{cart:?}");
    assert!(cart.burn_rate.unwrap() > 1.0, "{cart:?}");
    running.stop().await;
}

/// Steps in which calls are made.
const CALLING_STEPS: u64 = 12;

/// Lets `web` tell that it has made so many calls to an address by now, of which none failed.
async fn call(shop: &Shop, address: &str, count: u64) {
    let point = json!({
        "attributes": [{"key": "server.address", "value": {"stringValue": address}}],
        "startTimeUnixNano": (START_S * 1_000_000_000).to_string(), "timeUnixNano": shop.time(),
        "count": count.to_string(), "sum": count as f64 * 0.02,
        "explicitBounds": [0.01, 0.1], "bucketCounts": ["0", count.to_string(), "0"],
    });
    let calls = json!({"name": "http.client.request.duration", "unit": "s",
                       "histogram": {"aggregationTemporality": 2, "dataPoints": [point]}});
    shop.publish("web", json!([calls])).await;
}

#[tokio::test]
async fn calls_that_are_measured_by_who_makes_them_say_how_they_fare() {
    let mut shop = Shop::new(64).await;
    let running = shop.start();
    for step in 0..CALLING_STEPS {
        shop.trade(1, 0.0).await;
        call(&shop, "cart:8080", step * 400).await;
        call(&shop, "bank.example", step * 100).await;
    }
    shop.until_read().await;
    let told = fleet(&running).await;
    let names = told.calls.iter().map(|call| match call.callee.as_ref().unwrap() {
        Callee::Service(service) => service.name.clone(),
        Callee::Address(address) => address.clone(),
    });
    assert_eq!(names.collect::<Vec<_>>(), ["cart", "bank.example"], "{told:?}");
    assert!(!told.calls_truncated);
    for (call, per_second) in told.calls.iter().zip([40.0, 10.0]) {
        assert_eq!(call.caller.as_ref().unwrap().name, "web");
        assert!((call.requests_per_second.unwrap() - per_second).abs() < 1.0, "{call:?}");
        assert_eq!((call.error_ratio, call.latency_dimension.as_str()), (Some(0.0), "p95"), "{call:?}");
        assert!(call.latency_s.is_some_and(|latency_s| latency_s < 0.1) && call.measure_time.is_some(), "{call:?}");
    }
    // Nobody is heard, and nothing is known of how calls fare.
    shop.stop_for(STALE_STEPS);
    let stale = fleet(&running).await;
    assert_eq!(stale.calls.len(), 2);
    for call in &stale.calls {
        assert_eq!((call.requests_per_second, call.error_ratio, call.latency_s), (None, None, None), "{call:?}");
    }
    running.stop().await;
}

#[tokio::test]
async fn only_who_detects_says_how_services_are() {
    let mut shop = Shop::new(62).await;
    let first = shop.start_as("first");
    shop.trade(WARM, 0.0).await;
    shop.until_read().await;
    let second = shop.start_as("second");
    let refused = second.service.get_fleet(Request::new(GetFleetRequest::default())).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unavailable, "{refused}");
    assert_eq!(llm_sre_mesh::status::reason(&refused).as_deref(), Some("STANDING_BY"));
    second.stop().await;
    first.stop().await;
}

#[tokio::test]
async fn nobody_is_well_while_detection_comes_no_further() {
    let mut shop = Shop::new(63).await;
    let running = shop.start();
    shop.trade(WARM, 0.0).await;
    shop.until_read().await;
    let told = fleet(&running).await;
    let well = of(&told, "cart");
    assert!(
        well.state() == HealthState::Well && well.requests_per_second.is_some() && well.latency_s.is_some(),
        "{well:?}"
    );
    // Nobody is heard, the bus may be away: event time stands still, and says nothing of anybody.
    shop.stop_for(STALE_STEPS);
    let stale = fleet(&running).await;
    let cart = of(&stale, "cart");
    assert_eq!(cart.state(), HealthState::Unknown, "{stale:?}");
    let numbers = [cart.requests_per_second, cart.error_ratio, cart.latency_s, cart.saturation, cart.burn_rate];
    assert_eq!(numbers, [None; 5], "old numbers look like new ones: {cart:?}");
    shop.trade(SICK, 0.0).await;
    shop.until_read().await;
    assert_eq!(of(&fleet(&running).await, "cart").state(), HealthState::Well);
    running.stop().await;
}
