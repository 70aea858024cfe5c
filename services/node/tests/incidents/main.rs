//! The detector from the topics to resolved incidents, beside the real diagnosis service, on the twins in memory.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A helper that fails fails its test.

mod advised;
mod claimed;
mod fleet;
mod maintenance;
mod recordings;
mod returns;
mod shop;
mod silence;
mod slow;
mod standby;
mod steps;
mod target;
mod unreadable;
mod verdicts;
mod watching;

use std::time::Duration;

use llm_sre_domain::Timestamp;
use llm_sre_domain::remedy::{Autonomy, Policy, ServicePattern};
use llm_sre_proto::convert::common::{from_proto_time, to_proto_time};
use llm_sre_proto::incident::v1;
use llm_sre_proto::incident::v1::incident_service_server::IncidentService;
use llm_sre_proto::telemetry::v1::ServiceIdentity;
use shop::{Running, Shop};
use tonic::{Code, Request};

const WARM: i64 = 60;
const SICK: i64 = 30;
const WELL: i64 = 60;
const FAILING: f64 = 30.0;
/// Steps after an incident's end within which its trouble is the same again.
const REOPENED_FOR: i64 = 90;
/// An hour and a half of the shop's time.
const STEPS_MAX: u64 = 540;
/// How long the services may work between two steps.
const LOOK: Duration = Duration::from_millis(60);

async fn with_incident(seed: u64) -> (Shop, Running, v1::Incident) {
    let mut shop = Shop::new(seed).await;
    let running = shop.start();
    shop.trade(WARM, 0.0).await;
    shop.trade(SICK, FAILING).await;
    let incident = running.until(v1::State::Escalated).await;
    shop.until_read().await;
    (shop, running, incident)
}

#[tokio::test]
async fn trouble_is_one_incident_that_ends_when_recovery_was_measured() {
    let (mut shop, running, incident) = with_incident(1).await;
    assert_eq!(incident.service.as_ref().unwrap().name, "cart");
    assert_eq!(incident.escalation_reason(), v1::EscalationReason::NoAction, "nobody can repair here");
    assert!(incident.diagnosis.starts_with(&incident.name), "{incident:?}");

    shop.trade(WELL, 0.0).await;
    let ended = running.until(v1::State::Resolved).await;
    assert_eq!(ended.resolution.as_ref().unwrap().reason(), v1::ResolutionReason::SelfRecovered);
    assert_eq!(ended.name, incident.name);
    shop.until_read().await;
    assert_eq!(running.list().await.len(), 1);
    running.stop().await;
}

/// Trades and lets the services work, until an incident is in this state.
async fn trade_until(shop: &mut Shop, running: &Running, state: v1::State, failing: f64) -> v1::Incident {
    match trade_for(shop, running, STEPS_MAX, state, failing).await {
        Some(incident) => incident,
        None => panic!("no incident came to {state:?}: {:#?}", running.list().await),
    }
}

async fn trade_for(
    shop: &mut Shop,
    running: &Running,
    steps: u64,
    state: v1::State,
    failing: f64,
) -> Option<v1::Incident> {
    for _ in 0..steps {
        let sick = if shop.target.done() > 0 { 0.0 } else { failing };
        shop.trade(1, sick).await;
        shop.until_read().await;
        if let Some(found) = running.within(LOOK, state).await {
            return Some(found);
        }
        assert!(shop.steps() < STEPS_MAX, "no end comes: {:#?}", running.list().await);
    }
    None
}

fn policy(autonomy: Autonomy) -> Policy {
    Policy { autonomy, enrolled: vec![ServicePattern::parse("*@*").unwrap()], ..Policy::default() }
}

#[tokio::test]
async fn a_bad_deployment_is_taken_back_and_recovery_is_measured() {
    let mut shop = Shop::new(8).await.with_repairs(policy(Autonomy::Auto));
    let running = shop.start();
    shop.trade(WARM, 0.0).await;
    shop.deploy("1.4.1", "1.4.2").await;
    let ended = trade_until(&mut shop, &running, v1::State::Resolved, FAILING).await;
    assert_eq!(ended.resolution.as_ref().unwrap().reason(), v1::ResolutionReason::Measured, "{ended:#?}");
    assert_eq!((shop.target.done(), ended.attempts), (1, 1));
    shop.trade(WELL, 0.0).await;
    shop.until_read().await;
    assert_eq!(running.list().await.len(), 1, "what is left of the trouble is no new incident");
    running.stop().await;
    let stages = shop.stages_kept().await;
    let names: Vec<&str> = stages.iter().map(|(_, name)| name.as_str()).collect();
    assert_eq!(names, ["approve", "close", "diagnose", "execute", "detect", "propose", "verify"], "{stages:#?}");
}

/// Every process ends and comes back, again and again, at steps drawn from a seed.
#[tokio::test]
async fn restarts_delay_a_repair_and_never_repeat_it() {
    for seed in [10, 11, 12] {
        let mut shop = Shop::new(seed).await.with_repairs(policy(Autonomy::Auto));
        let mut running = shop.start();
        shop.trade(WARM, 0.0).await;
        shop.deploy("1.4.1", "1.4.2").await;
        let mut draws = seed;
        let ended = loop {
            draws = draws.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let steps = 2 + (draws >> 33) % 12;
            if let Some(ended) = trade_for(&mut shop, &running, steps, v1::State::Resolved, FAILING).await {
                break ended;
            }
            running.stop().await;
            running = shop.start();
        };
        assert_eq!(ended.resolution.as_ref().unwrap().reason(), v1::ResolutionReason::Measured, "{seed}: {ended:#?}");
        assert_eq!((shop.target.done(), running.list().await.len()), (1, 1), "seed {seed}");
        running.stop().await;
    }
}

#[tokio::test]
async fn a_policy_that_only_suggests_calls_no_target() {
    let mut shop = Shop::new(9).await.with_repairs(policy(Autonomy::Suggest));
    let running = shop.start();
    shop.trade(WARM, 0.0).await;
    shop.deploy("1.4.1", "1.4.2").await;
    let waits = trade_until(&mut shop, &running, v1::State::Escalated, FAILING).await;
    assert_eq!(waits.escalation_reason(), v1::EscalationReason::SuggestionOnly, "{waits:#?}");
    assert!(waits.action.starts_with(&waits.name));
    assert_eq!(shop.target.done(), 0);
    running.stop().await;
    let names: Vec<String> = shop.stages_kept().await.into_iter().map(|(_, name)| name).collect();
    assert_eq!(names, ["diagnose", "detect", "propose"], "the trace has its root while the incident lasts");
}

#[tokio::test]
async fn a_calm_shop_has_no_incident() {
    let mut shop = Shop::new(2).await;
    let running = shop.start();
    shop.trade(WARM + SICK + WELL, 0.0).await;
    shop.until_read().await;
    assert_eq!(running.list().await, []);
    running.stop().await;
}

#[tokio::test]
async fn a_killed_detector_goes_on_with_the_incident_that_it_had() {
    let (mut shop, running, incident) = with_incident(3).await;
    running.kill().await;
    let again = shop.start();
    shop.trade(WELL, 0.0).await;
    let ended = again.until(v1::State::Resolved).await;
    assert_eq!(ended.name, incident.name);
    shop.until_read().await;
    assert_eq!(again.list().await.len(), 1, "what was known opens nothing");
    again.stop().await;
}

#[tokio::test]
async fn trouble_while_the_detector_was_away_is_found() {
    let mut shop = Shop::new(13).await;
    shop.trade(WARM, 0.0).await;
    shop.trade(SICK, FAILING).await;
    let running = shop.start();
    let incident = running.until(v1::State::Escalated).await;
    assert_eq!(incident.service.as_ref().unwrap().name, "cart");
    running.stop().await;
}

#[tokio::test]
async fn silence_is_no_recovery() {
    let (mut shop, running, incident) = with_incident(15).await;
    shop.cart_speaks_every = i64::MAX;
    shop.trade(WELL, 0.0).await;
    shop.until_read().await;
    assert_eq!(running.list().await[0].state(), v1::State::Escalated);
    let since_time = incident.detect_time;
    let request = v1::CheckRecoveryRequest { name: incident.name, since_time };
    let measured = running.service.check_recovery(Request::new(request)).await.unwrap().into_inner();
    assert_ne!(measured.verdict(), v1::RecoveryVerdict::Recovered, "{measured:?}");
    running.stop().await;
}

/// Sixty seconds are the interval that SDKs export metrics at where nobody says another.
#[tokio::test]
async fn a_service_that_sends_once_a_minute_recovers_too() {
    let mut shop = Shop::new(16).await;
    shop.cart_speaks_every = 6;
    let running = shop.start();
    shop.trade(WARM * 6, 0.0).await;
    shop.trade(SICK * 6, FAILING).await;
    let incident = running.until(v1::State::Escalated).await;
    shop.until_read().await;
    shop.trade(WELL * 6, 0.0).await;
    assert_eq!(running.until(v1::State::Resolved).await.name, incident.name);
    running.stop().await;
}

#[tokio::test]
async fn what_was_handled_and_is_no_longer_kept_stops_nothing() {
    let mut shop = Shop::new(14).await;
    shop.forget_handled_traces().await;
    let running = shop.start();
    shop.trade(WARM, 0.0).await;
    shop.trade(SICK, FAILING).await;
    running.until(v1::State::Escalated).await;
    running.stop().await;
}

#[tokio::test]
async fn trouble_that_comes_back_reopens_its_incident() {
    let (mut shop, running, incident) = with_incident(4).await;
    shop.trade(WELL, 0.0).await;
    running.until(v1::State::Resolved).await;
    shop.until_read().await;
    shop.trade(SICK, FAILING).await;
    let back = running.until(v1::State::Escalated).await;
    assert_eq!((back.name, back.ordinal), (incident.name, 0));
    assert!(back.timeline.iter().any(|entry| entry.message.starts_with("reopened")), "{:?}", back.timeline);
    running.stop().await;
}

/// What a start reads again of an ended incident goes on for an hour: a burnt error budget. New trouble is none of that.
#[tokio::test]
async fn trouble_that_comes_back_after_a_restart_reopens_its_incident_too() {
    let (mut shop, running, incident) = with_incident(17).await;
    shop.trade(WELL, 0.0).await;
    running.until(v1::State::Resolved).await;
    shop.until_read().await;
    running.kill().await;
    let again = shop.start();
    shop.trade(SICK, FAILING).await;
    let back = again.until(v1::State::Escalated).await;
    assert_eq!((back.name, back.ordinal), (incident.name, 0));
    again.stop().await;
}

/// A start reads the trouble of before again, which is not that of the incident that lives now.
#[tokio::test]
async fn a_restart_blames_no_incident_for_what_was_before_it() {
    let (mut shop, running, before) = with_incident(18).await;
    shop.trade(WELL, 0.0).await;
    running.until(v1::State::Resolved).await;
    shop.trade(REOPENED_FOR + WELL, 0.0).await;
    shop.until_read().await;
    shop.trade(SICK, FAILING).await;
    let lives = running.until(v1::State::Escalated).await;
    assert_eq!((lives.ordinal, lives.service == before.service), (1, true));
    shop.until_read().await;
    let told = |incidents: Vec<v1::Incident>| -> Vec<_> {
        incidents.into_iter().map(|incident| (incident.name, incident.onset_time, incident.anomalies)).collect()
    };
    let before = told(running.list().await);
    running.kill().await;
    let again = shop.start();
    shop.trade(1, FAILING).await;
    shop.until_read().await;
    assert_eq!(told(again.list().await), before);
    again.stop().await;
}

#[tokio::test]
async fn recovery_is_what_was_measured_since() {
    let (mut shop, running, incident) = with_incident(5).await;
    let check = async |since: Timestamp| {
        let request = v1::CheckRecoveryRequest { name: incident.name.clone(), since_time: Some(to_proto_time(since)) };
        running.service.check_recovery(Request::new(request)).await.unwrap().into_inner()
    };
    let onset = from_proto_time(incident.onset_time.as_ref().unwrap());
    let sick = check(onset).await;
    assert_eq!(sick.verdict(), v1::RecoveryVerdict::NotRecovered, "{sick:?}");
    let later = llm_sre_ports::clock::Clock::now(shop.clock.as_ref());
    assert_eq!(check(later).await.verdict(), v1::RecoveryVerdict::Inconclusive, "nothing was measured since");
    shop.trade(WELL, 0.0).await;
    shop.until_read().await;
    let well = check(later).await;
    assert_eq!(well.verdict(), v1::RecoveryVerdict::Recovered, "{well:?}");
    assert!(!well.signals.is_empty() && well.signals.iter().all(|signal| signal.samples >= 3), "{well:?}");
    running.stop().await;
}

#[tokio::test]
async fn a_person_ends_it_once_and_at_the_etag_that_they_saw() {
    let (_shop, running, incident) = with_incident(6).await;
    let resolve = async |etag: &str, validate_only: bool| {
        let request = v1::ResolveIncidentRequest {
            name: incident.name.clone(),
            reason: v1::ResolutionReason::Manual.into(),
            etag: etag.to_owned(),
            request_id: "r1".to_owned(),
            validate_only,
            ..v1::ResolveIncidentRequest::default()
        };
        running.service.resolve_incident(Request::new(request)).await.map(tonic::Response::into_inner)
    };
    assert_eq!(resolve("0", false).await.unwrap_err().code(), Code::Aborted);
    let etag = running.until(v1::State::Escalated).await.etag;
    assert_eq!(resolve(&etag, true).await.unwrap().state(), v1::State::Resolved);
    assert_eq!(running.list().await[0].state(), v1::State::Escalated, "it was only checked");
    let ended = resolve("", false).await.unwrap();
    assert_eq!(ended.resolution.as_ref().unwrap().actor, "unauthenticated:local");
    let again = resolve(&etag, false).await.unwrap();
    assert_eq!((again.state(), again.end_time), (ended.state(), ended.end_time), "a repeat is the same answer");
    running.stop().await;
}

#[tokio::test]
async fn a_report_needs_a_service_that_was_seen_and_opens_once() {
    let mut shop = Shop::new(7).await;
    let running = shop.start();
    shop.trade(WARM, 0.0).await;
    shop.until_read().await;
    let report = async |service: &str, request_id: &str| {
        let request = v1::ReportIncidentRequest {
            service: Some(ServiceIdentity { name: service.to_owned(), ..ServiceIdentity::default() }),
            title: "customers call".to_owned(),
            request_id: request_id.to_owned(),
            ..v1::ReportIncidentRequest::default()
        };
        running.service.report_incident(Request::new(request)).await.map(tonic::Response::into_inner)
    };
    assert_eq!(report("nowhere", "a").await.unwrap_err().code(), Code::InvalidArgument);
    let first = report("cart", "b").await.unwrap();
    assert_eq!(first.signal(), v1::Signal::Reported);
    assert_eq!(report("cart", "b").await.unwrap().name, first.name);
    assert_eq!(report("cart", "c").await.unwrap_err().code(), Code::AlreadyExists);
    running.stop().await;
}
