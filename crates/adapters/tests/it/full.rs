//! A store without room.

use std::collections::BTreeMap;

use bytes::Bytes;
use llm_sre_adapters::sqlite::{Options, Store};
use llm_sre_ports::bus::{self, EventBus, Record, TopicPartition, TopicSpec};
use llm_sre_ports::documents::{self, Documents, NewDocument, Precondition};
use std::time::Duration;

use super::{Place, options};

const TOPIC: &str = "t";

fn record() -> Record {
    Record { key: Some(Bytes::from_static(b"k")), value: Bytes::from(vec![0; 100_000]), ..Record::default() }
}

fn document(id: &str) -> NewDocument {
    NewDocument {
        collection: "a".to_owned(),
        id: id.to_owned(),
        body: serde_json::json!("x".repeat(1_000_000)),
        attributes: BTreeMap::new(),
        schema_version: 1,
    }
}

/// Says so, keeps what it has, and takes more once there is room.
#[tokio::test(flavor = "multi_thread")]
async fn a_full_store_works_again_after_room_is_made() {
    let place = Place::new();
    let limited = Options { file_bytes_max: Some(4 * 1024 * 1024), ..options() };
    let store = Store::open(&place.path(), limited).unwrap();
    let (bus, documents) = (store.bus(), store.documents());
    let retention = Some(Duration::from_millis(1));
    bus.create_topic(TopicSpec { name: TOPIC.to_owned(), partitions: 1, retention }).await.unwrap();
    let mut published = 0;
    let refusal = loop {
        match bus.publish(TOPIC, vec![record(); 4]).await {
            Ok(positions) => published += positions.len() as u64,
            Err(error) => break error,
        }
        assert!(published < 100, "the limit is not kept");
    };
    assert!(matches!(refusal, bus::Error::Full), "{refusal}");
    let refused = documents.put(document("1"), Precondition::Absent).await;
    assert!(matches!(refused, Err(documents::Error::Full)), "{refused:?}");

    let of = TopicPartition { topic: TOPIC.to_owned(), partition: 0 };
    assert_eq!(bus.read(&of, 0, 1_000).await.unwrap().len() as u64, published, "all or none");
    assert_eq!(bus.end_offsets(TOPIC).await.unwrap()[0].next_offset, published);
    assert_eq!(documents.get("a", "1").await.unwrap(), None);

    let mut removed = 0;
    let deadline = tokio::time::Instant::now() + Duration::from_secs(30);
    while removed < published {
        removed += bus.prune().await.unwrap();
        assert!(tokio::time::Instant::now() < deadline, "only {removed} of {published} were removed");
    }
    documents.put(document("1"), Precondition::Absent).await.unwrap();
    assert_eq!(bus.publish(TOPIC, vec![record()]).await.unwrap()[0].offset, published);
}

/// Others of the same transaction do not suffer for the one that has no room.
#[tokio::test(flavor = "multi_thread")]
async fn small_writes_beside_a_large_one_are_made() {
    let place = Place::new();
    let limited = Options { file_bytes_max: Some(1024 * 1024), ..options() };
    let store = Store::open(&place.path(), limited).unwrap();
    let bus = store.bus();
    bus.create_topic(TopicSpec { name: TOPIC.to_owned(), partitions: 1, retention: None }).await.unwrap();
    let mut writing = Vec::new();
    for number in 0..20 {
        let bus = bus.clone();
        let records = if number % 5 == 0 { vec![record(); 20] } else { vec![Record::default()] };
        writing.push(tokio::spawn(async move { (records.len(), bus.publish(TOPIC, records).await) }));
    }
    for written in writing {
        match written.await.unwrap() {
            (1, result) => assert_eq!(result.unwrap().len(), 1),
            (_, result) => assert!(matches!(result, Err(bus::Error::Full)), "{result:?}"),
        }
    }
}
