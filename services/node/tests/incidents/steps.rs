//! What happens to incidents, as followers of the topic `incidents` read it.

use std::collections::BTreeMap;
use std::time::Duration;

use llm_sre_domain::remedy::Autonomy;
use llm_sre_mesh::TraceContext;
use llm_sre_ports::bus::Record;
use llm_sre_proto::incident::v1;
use llm_sre_proto::topics;

use crate::shop::Shop;
use crate::{FAILING, WARM, WELL, policy, trade_until, with_incident};

/// Publishing goes on beside everything else.
const PUBLISHED_WITHIN: Duration = Duration::from_secs(30);

fn header<'a>(record: &'a Record, name: &str) -> &'a str {
    record.header(name).unwrap_or_else(|| panic!("no {name} in {:?}", record.headers))
}

/// Steps by their number, each as its type; one that came twice said the same.
fn steps(records: &[Record]) -> BTreeMap<u32, String> {
    let mut steps = BTreeMap::new();
    for record in records {
        let (_, number) = header(record, "ce_id").rsplit_once('/').unwrap();
        let said = format!("{} at {}", header(record, "ce_type"), header(record, "ce_time"));
        let before = steps.insert(number.parse().unwrap(), said.clone());
        assert!(before.is_none_or(|before| before == said), "step {number} changed");
    }
    steps
}

/// Waits until the last step of an incident that ended is published.
async fn until_published(shop: &Shop, incident: &v1::Incident) -> Vec<Record> {
    let published = async {
        loop {
            let records = shop.published().await;
            if steps(&records).len() >= incident.timeline.len() {
                return records;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PUBLISHED_WITHIN, published).await.unwrap()
}

#[tokio::test]
async fn every_step_is_a_cloud_event_in_the_incidents_trace() {
    let (mut shop, running, incident) = with_incident(21).await;
    shop.trade(WELL, 0.0).await;
    let ended = running.until(v1::State::Resolved).await;
    let records = until_published(&shop, &ended).await;
    running.stop().await;

    let uuid: uuid::Uuid = incident.name.trim_start_matches("incidents/").parse().unwrap();
    for record in &records {
        assert_eq!(record.key.as_deref(), Some(uuid.to_string().as_bytes()));
        assert_eq!(header(record, "ce_specversion"), "1.0");
        assert_eq!(header(record, "ce_source"), topics::EVENT_SOURCE);
        assert_eq!(header(record, "ce_subject"), incident.name);
        assert_eq!(header(record, "content-type"), "application/json");
        assert_eq!(header(record, "traceparent"), header(record, "ce_traceparent"));
        let trace = TraceContext::parse(header(record, "traceparent")).unwrap();
        assert_eq!(trace.trace_id(), *uuid.as_bytes(), "the incident is the trace");
        let told: v1::Incident = serde_json::from_slice(&record.value).unwrap();
        assert_eq!(told.name, incident.name);
    }
    let types: Vec<&str> = records.iter().map(|record| header(record, "ce_type")).collect();
    let expected: Vec<String> = ended
        .timeline
        .iter()
        .map(|entry| entry.state().as_str_name().trim_start_matches("STATE_").to_lowercase())
        .map(|state| format!("{}{state}", topics::STEP_TYPE))
        .collect();
    assert_eq!(types, expected, "each step once, in order");
    assert!(types[0].ends_with(".open") && types[types.len() - 1].ends_with(".resolved"), "{types:?}");
}

/// Processes end without a farewell while an incident's recovery is being measured, with steps behind it and before it.
#[tokio::test]
async fn kills_lose_no_step() {
    let mut shop = Shop::new(22).await.with_repairs(policy(Autonomy::Auto));
    let mut running = shop.start();
    shop.trade(WARM, 0.0).await;
    shop.deploy("1.4.1", "1.4.2").await;
    trade_until(&mut shop, &running, v1::State::Verifying, FAILING).await;
    running.kill().await;
    running = shop.start();
    let ended = trade_until(&mut shop, &running, v1::State::Resolved, FAILING).await;
    let records = until_published(&shop, &ended).await;
    let numbers: Vec<u32> = steps(&records).into_keys().collect();
    assert_eq!(numbers, (1..=numbers.len() as u32).collect::<Vec<_>>());
    running.stop().await;
}
