//! Trouble that comes back after its repair, and repairs that do not help.

use llm_sre_domain::remedy::Autonomy;
use llm_sre_proto::incident::v1;
use serde_json::Value;

use crate::shop::{Running, Shop};
use crate::{FAILING, LOOK, STEPS_MAX, WARM, policy, trade_until};

/// Steps in which all is well before the trouble is back.
const CALM: i64 = 12;

/// What requests suffer: of a hundred, so many fail and so many are slow.
#[derive(Clone, Copy)]
struct Harm {
    failing: f64,
    dragging: f64,
}

const FAILURES: Harm = Harm { failing: FAILING, dragging: 0.0 };

/// Trades until the one incident is as it is asked for; requests suffer until so many repairs were made.
async fn trade_until_so(
    shop: &mut Shop,
    running: &Running,
    harm: Harm,
    cured_by: usize,
    is_so: impl Fn(&v1::Incident) -> bool,
) -> v1::Incident {
    while shop.steps() < STEPS_MAX {
        let is_cured = shop.target.done() >= cured_by;
        let Harm { failing, dragging } = if is_cured { Harm { failing: 0.0, dragging: 0.0 } } else { harm };
        shop.dragging = dragging;
        shop.trade(1, failing).await;
        shop.until_read().await;
        // Meanwhile the services work.
        assert_eq!(running.within(LOOK, v1::State::Duplicate).await, None);
        if let [incident] = running.list().await.as_slice()
            && is_so(incident)
        {
            return incident.clone();
        }
    }
    panic!("it does not come to that: {:#?}", running.list().await);
}

/// The ids of the repairs that a stored diagnosis argues from, with what it says of them.
fn repairs(diagnosis: &Value) -> Vec<(&str, &str)> {
    let facts = diagnosis["evidence"].as_array().into_iter().flatten();
    let told = facts.map(|fact| (fact["id"].as_str().unwrap(), fact["summary"].as_str().unwrap()));
    told.filter(|(id, _)| id.starts_with("repair-")).collect()
}

/// What the first hypothesis of a stored diagnosis cites, for or against itself.
fn cited<'a>(diagnosis: &'a Value, which: &str) -> Vec<&'a str> {
    let ids = diagnosis["hypotheses"][0][which].as_array().into_iter().flatten();
    ids.filter_map(Value::as_str).collect()
}

#[tokio::test]
async fn what_helped_is_done_again_when_the_trouble_is_back() {
    let mut shop = Shop::new(21).await.with_repairs(policy(Autonomy::Auto));
    let running = shop.start();
    shop.trade(WARM, 0.0).await;
    shop.deploy("1.4.1", "1.4.2").await;
    let first = trade_until(&mut shop, &running, v1::State::Resolved, FAILING).await;
    assert_eq!((shop.target.done(), first.reopen_time), (1, None));

    shop.trade(CALM, 0.0).await;
    shop.deploy("1.4.1", "1.4.3").await;
    let is_over = |incident: &v1::Incident| incident.state() == v1::State::Resolved && incident.attempts == 2;
    let second = trade_until_so(&mut shop, &running, FAILURES, 2, is_over).await;
    assert_eq!((&second.name, second.ordinal, shop.target.done()), (&first.name, 0, 2), "{second:#?}");
    assert_eq!(second.resolution.as_ref().unwrap().reason(), v1::ResolutionReason::Measured);
    assert!(second.reopen_time.is_some());
    running.stop().await;

    let kept = shop.diagnoses_kept().await;
    let told = repairs(&kept[0]);
    assert!(matches!(told.as_slice(), [(_, said)] if said.ends_with("recovery was measured")), "{told:?}");
    assert!(cited(&kept[0], "supportingEvidence").contains(&told[0].0), "{:#?}", kept[0]);
    assert!(kept[1..].iter().any(|before| repairs(before).is_empty()), "the first time nothing was known");
}

/// Its fingerprint would be another: people would name its latency first, and it was errors before.
#[tokio::test]
async fn what_comes_back_by_the_same_cause_is_the_same_incident_whatever_it_shows() {
    let mut shop = Shop::new(23).await.with_repairs(policy(Autonomy::Auto));
    let running = shop.start();
    shop.trade(WARM, 0.0).await;
    shop.deploy("1.4.1", "1.4.2").await;
    let first = trade_until(&mut shop, &running, v1::State::Resolved, FAILING).await;
    let shows = |incident: &v1::Incident, signal| incident.anomalies.iter().any(|shown| shown.signal() == signal);
    assert!(shows(&first, v1::Signal::Errors) && !shows(&first, v1::Signal::Latency), "{first:#?}");

    shop.trade(CALM, 0.0).await;
    shop.deploy("1.4.1", "1.4.3").await;
    let slow = Harm { failing: 0.0, dragging: 50.0 };
    let is_over = |incident: &v1::Incident| incident.state() == v1::State::Resolved && incident.attempts == 2;
    let second = trade_until_so(&mut shop, &running, slow, 2, is_over).await;
    assert!(shows(&second, v1::Signal::Latency), "{second:#?}");
    assert_eq!((second.name, second.ordinal, second.attempts), (first.name, 0, 2));
    running.stop().await;
}

#[tokio::test]
async fn what_did_not_help_is_undone_explained_again_and_not_repeated() {
    let mut shop = Shop::new(22).await.with_repairs(policy(Autonomy::Auto));
    let running = shop.start();
    shop.trade(WARM, 0.0).await;
    shop.deploy("1.4.1", "1.4.2").await;
    let is_left = |incident: &v1::Incident| incident.state() == v1::State::Escalated;
    let left = trade_until_so(&mut shop, &running, FAILURES, usize::MAX, is_left).await;
    // What put the deployment back is the newest change, and taking that back would go round in a circle.
    assert_eq!(left.escalation_reason(), v1::EscalationReason::NoAction, "{left:#?}");
    assert_eq!((shop.target.done(), shop.target.undone(), left.attempts), (1, 1, 1));
    running.stop().await;

    let kept = shop.diagnoses_kept().await;
    let told = repairs(&kept[0]);
    assert!(matches!(told.as_slice(), [(_, said)] if said.ends_with("it did not help")), "{told:?}");
    assert!(cited(&kept[0], "contradictingEvidence").contains(&told[0].0), "{:#?}", kept[0]);
    let gaps = kept[0]["gaps"].to_string();
    assert!(!gaps.contains("without the detector's snapshot"), "it argues from what is known now: {gaps}");
    let sure = |diagnosis: &Value| diagnosis["hypotheses"][0]["confidence"].as_f64().unwrap();
    let before = kept.iter().rfind(|diagnosis| repairs(diagnosis).is_empty()).unwrap();
    assert!(sure(&kept[0]) < sure(before), "{kept:#?}");
}
