//! Who stops sending, and what happens when all do.

use llm_sre_proto::incident::v1;

use super::*;

const MAX_STEPS: usize = 120;

#[tokio::test]
async fn a_service_that_stops_sending_has_an_incident_until_it_sends_again() {
    let mut shop = Shop::new(20).await;
    let running = shop.start();
    shop.trade(WARM, 0.0).await;
    shop.cart_speaks_every = i64::MAX;
    let incident = trade_until(&mut shop, &running, v1::State::Escalated, 0.0).await;
    assert_eq!((incident.title.as_str(), incident.signal()), ("cart is silent", v1::Signal::Silence));
    assert_eq!(incident.service.as_ref().unwrap().name, "cart");
    shop.cart_speaks_every = 1;
    let ended = trade_until(&mut shop, &running, v1::State::Resolved, 0.0).await;
    assert_eq!(ended.name, incident.name);
    assert_eq!(ended.resolution.as_ref().unwrap().reason(), v1::ResolutionReason::SelfRecovered);
    assert_eq!(running.list().await.len(), 1, "{:#?}", running.list().await);
    running.stop().await;
}

/// A Collector that is gone takes every service with it. Nothing moves event time then.
#[tokio::test]
async fn when_nobody_sends_it_is_one_incident_about_that() {
    let mut shop = Shop::new(21).await;
    let running = shop.start();
    shop.trade(WARM, 0.0).await;
    shop.until_read().await;
    let mut opened = None;
    for _ in 0..MAX_STEPS {
        shop.stop_for(1);
        opened = running.within(LOOK, v1::State::Escalated).await;
        if opened.is_some() {
            break;
        }
    }
    let incident = opened.expect("nobody sends, and nobody notices");
    assert_eq!(incident.title, "no telemetry is received");
    let service = incident.service.clone().unwrap();
    assert_eq!((service.namespace.as_str(), service.name.as_str()), ("llm-sre", "detector"));
    shop.stop_for(30);

    let ended = trade_until(&mut shop, &running, v1::State::Resolved, 0.0).await;
    assert_eq!(ended.name, incident.name);
    assert_eq!(ended.resolution.as_ref().unwrap().reason(), v1::ResolutionReason::SelfRecovered);
    shop.trade(WELL, 0.0).await;
    shop.until_read().await;
    assert_eq!(running.list().await.len(), 1, "who could not be heard was not silent: {:#?}", running.list().await);
    running.stop().await;
}

#[tokio::test]
async fn a_detector_that_was_away_while_nobody_sent_opens_nothing() {
    let mut shop = Shop::new(22).await;
    let running = shop.start();
    shop.trade(WARM, 0.0).await;
    shop.until_read().await;
    running.stop().await;
    shop.stop_for(60);
    let again = shop.start();
    shop.trade(WELL, 0.0).await;
    shop.until_read().await;
    assert_eq!(again.list().await, []);
    again.stop().await;
}
