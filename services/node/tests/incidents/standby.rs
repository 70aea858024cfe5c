//! Two detectors: one detects, the other stands by and takes over.

use std::time::Duration;

use llm_sre_ports::bus::{EventBus, Start};
use llm_sre_ports::leases::Leases;
use llm_sre_proto::incident::v1;
use llm_sre_proto::incident::v1::incident_service_server::IncidentService;
use llm_sre_proto::topics;
use tonic::{Code, Request};

use crate::shop::{Running, Shop};
use crate::slow::SlowBus;
use crate::{FAILING, SICK, WARM, WELL, with_incident};

/// Long beside the pace of standing by.
const FOLLOWED_WITHIN: Duration = Duration::from_secs(30);

/// Two instances, of which the second has read all that the first handled, and nobody else can read any more.
async fn followed(shop: &Shop, first: &Running, second: &Running) {
    shop.until_read().await;
    let follows = async {
        while second.service.watermark() != first.service.watermark() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(FOLLOWED_WITHIN, follows).await.unwrap();
    shop.forget_telemetry().await;
}

#[tokio::test]
async fn who_stood_by_sees_trouble_that_comes_after_a_kill() {
    let mut shop = Shop::new(31).await;
    let first = shop.start_as("first");
    shop.trade(WARM, 0.0).await;
    shop.until_read().await;
    let second = shop.start_as("second");
    followed(&shop, &first, &second).await;
    first.kill().await;
    shop.trade(SICK, FAILING).await;
    let incident = second.until(v1::State::Escalated).await;
    assert_eq!(incident.service.as_ref().unwrap().name, "cart");
    assert_eq!(second.list().await.len(), 1);
    second.stop().await;
}

#[tokio::test]
async fn who_stood_by_goes_on_with_the_incident_and_opens_no_other() {
    let mut shop = Shop::new(32).await;
    let first = shop.start_as("first");
    shop.trade(WARM, 0.0).await;
    shop.until_read().await;
    let second = shop.start_as("second");
    shop.trade(SICK, FAILING).await;
    let incident = first.until(v1::State::Escalated).await;
    let since_time = incident.detect_time;
    let request = v1::CheckRecoveryRequest { name: incident.name.clone(), since_time };
    let refused = second.service.check_recovery(Request::new(request)).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unavailable, "it has measured nothing that counts: {refused}");
    followed(&shop, &first, &second).await;
    first.stop().await;
    shop.trade(WELL, 0.0).await;
    let ended = second.until(v1::State::Resolved).await;
    assert_eq!(ended.name, incident.name);
    assert_eq!(ended.resolution.as_ref().unwrap().reason(), v1::ResolutionReason::SelfRecovered);
    shop.until_read().await;
    assert_eq!(second.list().await.len(), 1);
    second.stop().await;
}

/// As a broker's restart does, or a member that was killed and lingers.
#[tokio::test]
async fn what_is_known_outlives_a_membership() {
    let mut shop = Shop::new(33).await;
    let running = shop.start();
    shop.trade(WARM, 0.0).await;
    shop.until_read().await;
    shop.forget_telemetry().await;
    let mut other = shop.bus.subscribe(llm_sre_detector::GROUP, &topics::TELEMETRY, Start::Earliest).await.unwrap();
    let takes = async {
        while other.assignment().is_empty() {
            other.poll(1, 1, Duration::from_millis(10)).await.unwrap();
        }
    };
    tokio::time::timeout(FOLLOWED_WITHIN, takes).await.unwrap();
    other.close().await.unwrap();
    shop.trade(SICK, FAILING).await;
    let incident = running.until(v1::State::Escalated).await;
    assert_eq!(incident.service.as_ref().unwrap().name, "cart");
    running.stop().await;
}

/// As a store does that is away for some seconds.
#[tokio::test]
async fn what_is_known_outlives_a_lease() {
    let mut shop = Shop::new(35).await;
    let running = shop.start_as("only");
    shop.trade(WARM, 0.0).await;
    shop.until_read().await;
    shop.forget_telemetry().await;
    let taken = shop.leases.acquire("detector", "only", FOLLOWED_WITHIN).await.unwrap().unwrap();
    let is_taken_back = async {
        while shop.leases.renew(&taken, FOLLOWED_WITHIN).await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(FOLLOWED_WITHIN, is_taken_back).await.unwrap();
    shop.trade(SICK, FAILING).await;
    let incident = running.until(v1::State::Escalated).await;
    assert_eq!(incident.service.as_ref().unwrap().name, "cart");
    running.stop().await;
}

/// The lease comes while it has read half of what the other handled, and partitions are not given yet.
#[tokio::test]
async fn who_takes_over_half_way_does_not_take_the_past_for_news() {
    let (mut shop, first, _) = with_incident(34).await;
    shop.trade(WELL, 0.0).await;
    first.until(v1::State::Resolved).await;
    shop.until_read().await;
    let before = first.list().await;
    first.stop().await;
    let lease = shop.leases.acquire("detector", "other", FOLLOWED_WITHIN * 2).await.unwrap().unwrap();
    let slow = SlowBus::new(shop.bus.clone(), WARM.unsigned_abs());
    shop.slow = Some(slow.clone());
    let second = shop.start_as("second");
    let is_half_way = async {
        while !slow.was_asked() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(FOLLOWED_WITHIN, is_half_way).await.unwrap();
    shop.leases.release(lease).await.unwrap();
    slow.open();
    shop.trade(WELL, 0.0).await;
    shop.until_read().await;
    assert_eq!(second.list().await, before);
    second.stop().await;
}

/// What is read again is sure at a slightly other time than it was when it was new, and who handled it may have been
/// killed in between.
#[tokio::test]
async fn what_was_handled_and_never_told_is_told_by_who_comes_next() {
    let mut shop = Shop::new(36).await;
    shop.trade(WARM, 0.0).await;
    shop.trade(SICK, FAILING).await;
    let mut killed = shop.bus.subscribe(llm_sre_detector::GROUP, &topics::TELEMETRY, Start::Earliest).await.unwrap();
    let takes = async {
        while killed.assignment().is_empty() {
            killed.poll(1, 1, Duration::from_millis(10)).await.unwrap();
        }
    };
    tokio::time::timeout(FOLLOWED_WITHIN, takes).await.unwrap();
    for topic in topics::TELEMETRY {
        killed.commit(&shop.bus.end_offsets(topic).await.unwrap()).await.unwrap();
    }
    killed.close().await.unwrap();
    let running = shop.start();
    let incident = running.until(v1::State::Escalated).await;
    assert_eq!(incident.service.as_ref().unwrap().name, "cart");
    shop.trade(SICK, FAILING).await;
    shop.until_read().await;
    assert_eq!(running.list().await.len(), 1);
    running.stop().await;
}
