//! What returned stays.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::time::Duration;

use bytes::Bytes;
use llm_sre_adapters::sqlite::Store;
use llm_sre_domain::telemetry::{Attributes, MetricPoint, Origin, PointValue};
use llm_sre_domain::{ServiceId, Timestamp};
use llm_sre_ports::bus::{EventBus, Progress, Record, Start, TopicPartition, TopicSpec};
use llm_sre_ports::documents::{Documents, NewDocument, Precondition};
use llm_sre_ports::leases::Leases;
use llm_sre_ports::telemetry::{Batch, Range, RecordId, SeriesQuery, TelemetryStore};

use super::{Place, options};

const TOPIC: &str = "t";
/// Tells the helper below which file to publish into.
const CHILD_STORE: &str = "LLM_SRE_TEST_CHILD_STORE";
/// Acknowledgements that the child is left to give before it is killed.
const ACKNOWLEDGED: usize = 200;
const WRITERS: usize = 4;

pub(crate) fn point(number: u64) -> (RecordId, MetricPoint) {
    let point = MetricPoint {
        service: ServiceId::named("a"),
        origin: Origin::default(),
        metric: "m".into(),
        unit: "s".into(),
        attributes: Attributes::new(),
        time: Timestamp::from_secs(1_700_000_000),
        start: None,
        value: PointValue::Gauge(1.0),
    };
    (RecordId { topic: 1, partition: 0, offset: number, index: 0 }, point)
}

/// The metric of [`point`], and a range that it is in.
pub(crate) fn asked() -> (String, Range) {
    let time = Timestamp::from_secs(1_700_000_000);
    ("m".to_owned(), Range { start: time, end: time + Duration::from_secs(1) })
}

pub(crate) fn query(metric: &str, range: Range) -> SeriesQuery {
    SeriesQuery {
        service: ServiceId::named("a"),
        metric: metric.to_owned(),
        attributes: BTreeMap::new(),
        instance: String::new(),
        range,
        series_max: 10,
        points_max: 10,
    }
}

async fn with_topic(store: &Store) {
    store.bus().create_topic(TopicSpec { name: TOPIC.to_owned(), partitions: 4, retention: None }).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_returned_is_there_after_reopening() {
    let place = Place::new();
    let store = place.open();
    with_topic(&store).await;
    let record = Record { key: Some(Bytes::from_static(b"k")), ..Record::default() };
    let position = store.bus().publish(TOPIC, vec![record; 3]).await.unwrap()[2];
    let of = TopicPartition { topic: TOPIC.to_owned(), partition: position.partition };
    let mut consumer = store.bus().subscribe("g", &[TOPIC], Start::Earliest).await.unwrap();
    consumer.poll(10, 1_000, Duration::ZERO).await.unwrap();
    consumer.commit(&[Progress { of: of.clone(), next_offset: 2 }]).await.unwrap();
    let document = NewDocument {
        collection: "a".to_owned(),
        id: "1".to_owned(),
        body: 7.into(),
        attributes: BTreeMap::new(),
        schema_version: 1,
    };
    store.documents().put(document, Precondition::Absent).await.unwrap();
    store.telemetry().append(Batch { points: vec![point(1)], ..Batch::default() }).await.unwrap();
    let lease = store.leases().acquire("a", "one", Duration::from_secs(60)).await.unwrap().unwrap();
    drop((consumer, store));

    let store = place.open();
    assert_eq!(store.bus().read(&of, 0, 10).await.unwrap().len(), 3);
    assert_eq!(store.bus().committed("g", TOPIC).await.unwrap(), [Progress { of, next_offset: 2 }]);
    assert_eq!(store.documents().get("a", "1").await.unwrap().unwrap().body, 7);
    let (metric, range) = asked();
    assert_eq!(store.telemetry().series(query(&metric, range)).await.unwrap().series[0].points.len(), 1);
    store.leases().renew(&lease, Duration::from_secs(60)).await.unwrap();
}

/// Not a test of its own: what [`a_killed_process_loses_nothing`] starts as a process and kills. It publishes and stores
/// without end, and says what was acknowledged, a line each.
#[tokio::test(flavor = "multi_thread")]
async fn child_that_writes_until_it_is_killed() {
    let Some(path) = std::env::var_os(CHILD_STORE) else { return };
    let store = Store::open(path.as_ref(), options()).unwrap();
    let mut writing = tokio::task::JoinSet::new();
    for writer in 0..WRITERS {
        let store = store.clone();
        writing.spawn(async move {
            for number in 0_u64.. {
                let text = format!("{writer}/{number}");
                let value = Bytes::from(text.clone());
                let record = Record { key: Some(Bytes::from(writer.to_string())), value, ..Record::default() };
                let position = store.bus().publish(TOPIC, vec![record]).await.unwrap()[0];
                let document = NewDocument {
                    collection: "a".to_owned(),
                    id: text.clone(),
                    body: number.into(),
                    attributes: BTreeMap::new(),
                    schema_version: 1,
                };
                store.documents().put(document, Precondition::Absent).await.unwrap();
                let line = format!("acknowledged {} {} {text} .\n", position.partition, position.offset);
                std::io::stdout().write_all(line.as_bytes()).unwrap();
            }
        });
    }
    writing.join_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_process_loses_nothing() {
    let place = Place::new();
    with_topic(&place.open()).await;
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "durability::child_that_writes_until_it_is_killed", "--nocapture"])
        .env(CHILD_STORE, place.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = Vec::new();
    let mut is_killed = false;
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        let Ok(line) = line else { break };
        let Some(rest) = line.strip_prefix("acknowledged ") else { continue };
        let parts: Vec<String> = rest.split(' ').map(str::to_owned).collect();
        // A line without its end was cut by the kill.
        let [partition, offset, text, end] = parts.as_slice() else { continue };
        if end != "." {
            continue;
        }
        said.push([partition.clone(), offset.clone(), text.clone()]);
        if said.len() == ACKNOWLEDGED {
            // SIGKILL; what it said until then is still read.
            child.kill().unwrap();
            is_killed = true;
        }
    }
    let status = child.wait().unwrap();
    assert!(is_killed && !status.success(), "the child ended by itself after {} lines: {status}", said.len());

    let store = place.open();
    let mut records = BTreeMap::new();
    for partition in 0..4 {
        let of = TopicPartition { topic: TOPIC.to_owned(), partition };
        for delivered in store.bus().read(&of, 0, 1_000_000).await.unwrap() {
            let text = String::from_utf8(delivered.record.value.to_vec()).unwrap();
            records.insert((partition.to_string(), delivered.position.offset.to_string()), text);
        }
    }
    for [partition, offset, text] in said {
        assert_eq!(records.get(&(partition, offset)), Some(&text), "an acknowledged record is lost");
        assert!(store.documents().get("a", &text).await.unwrap().is_some(), "{text} is lost");
    }
}
