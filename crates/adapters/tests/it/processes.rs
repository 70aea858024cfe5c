//! Two handles on one file, which share nothing but the file, as two processes would.

use std::collections::BTreeSet;
use std::time::Duration;

use bytes::Bytes;
use llm_sre_adapters::sqlite::Store;
use llm_sre_ports::bus::{EventBus, Progress, Record, Start, TopicPartition, TopicSpec};
use llm_sre_ports::documents::{Documents, Error, Filter, NewDocument, Precondition};
use llm_sre_ports::leases::Leases;
use llm_sre_ports::telemetry::{Batch, TelemetryStore};
use tokio::time::Instant;

use super::{MEMBER_LEASE, Place};

const TOPIC: &str = "t";
const ALL: usize = 1_000_000;

async fn two() -> (Place, Store, Store) {
    let place = Place::new();
    let (one, two) = (place.open(), place.open());
    one.bus().create_topic(TopicSpec { name: TOPIC.to_owned(), partitions: 4, retention: None }).await.unwrap();
    (place, one, two)
}

fn record(number: u64) -> Record {
    Record { key: Some(Bytes::from(number.to_string())), ..Record::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_waiting_consumer_hears_of_another_process() {
    let (_place, one, two) = two().await;
    let mut consumer = one.bus().subscribe("g", &[TOPIC], Start::Earliest).await.unwrap();
    assert_eq!(consumer.poll(10, ALL, Duration::ZERO).await.unwrap().assigned.len(), 4);
    let wait = Duration::from_secs(60);
    let (started, bus) = (Instant::now(), two.bus());
    let (batch, published) = tokio::join!(consumer.poll(10, ALL, wait), bus.publish(TOPIC, vec![record(1)]));
    assert_eq!(batch.unwrap().records[0].position, published.unwrap()[0]);
    assert!(started.elapsed() < wait);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_is_shared() {
    let (_place, one, two) = two().await;
    let mut first = one.bus().subscribe("g", &[TOPIC], Start::Earliest).await.unwrap();
    let mut second = two.bus().subscribe("g", &[TOPIC], Start::Earliest).await.unwrap();
    first.poll(10, ALL, Duration::ZERO).await.unwrap();
    second.poll(10, ALL, Duration::ZERO).await.unwrap();
    assert_eq!((first.assignment().len(), second.assignment().len()), (2, 2));
    let (publisher, reader) = (one.bus(), two.bus());
    publisher.publish(TOPIC, (0..100).map(record).collect()).await.unwrap();
    let mut read = BTreeSet::new();
    for consumer in [&mut first, &mut second] {
        let batch = consumer.poll(1_000, ALL, Duration::ZERO).await.unwrap();
        for delivered in batch.records {
            assert!(read.insert(delivered.position), "read twice");
            let of = TopicPartition { topic: TOPIC.to_owned(), partition: delivered.position.partition };
            consumer.commit(&[Progress { of, next_offset: delivered.position.offset + 1 }]).await.unwrap();
        }
    }
    assert_eq!(read.len(), 100);
    let committed = reader.committed("g", TOPIC).await.unwrap();
    assert_eq!(committed, publisher.end_offsets(TOPIC).await.unwrap());

    // One dies: the other takes over what it had.
    let died = Instant::now();
    drop(second);
    drop(two);
    while first.assignment().len() < 4 {
        first.poll(10, ALL, Duration::from_millis(50)).await.unwrap();
        assert!(died.elapsed() < MEMBER_LEASE * 10, "the partitions did not move");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn documents_and_leases_are_shared() {
    let (_place, one, two) = two().await;
    let document = |number: u32| NewDocument {
        collection: "a".to_owned(),
        id: "1".to_owned(),
        body: number.into(),
        attributes: [("state".to_owned(), "OPEN".to_owned())].into(),
        schema_version: 1,
    };
    let (ours, theirs) = (one.documents(), two.documents());
    let version = ours.put(document(1), Precondition::Absent).await.unwrap();
    assert!(matches!(theirs.put(document(2), Precondition::Absent).await, Err(Error::Conflict { .. })));
    theirs.put(document(2), Precondition::Version(version)).await.unwrap();
    assert_eq!(ours.get("a", "1").await.unwrap().unwrap().body, 2);
    let open = Filter::default().with("state", "OPEN");
    assert_eq!(ours.list("a", open, None, 10).await.unwrap().documents.len(), 1);
    assert_eq!(ours.changes("a", None, 10).await.unwrap().documents[0].body, 2);

    let (ours, theirs) = (one.leases(), two.leases());
    let lease = ours.acquire("a", "one", Duration::from_secs(60)).await.unwrap().unwrap();
    assert_eq!(theirs.acquire("a", "two", Duration::from_secs(60)).await.unwrap(), None);
    theirs.renew(&lease, Duration::from_secs(60)).await.unwrap();
    ours.release(lease.clone()).await.unwrap();
    let next = theirs.acquire("a", "two", Duration::from_secs(60)).await.unwrap().unwrap();
    assert!(next.token > lease.token);
}

/// One writes telemetry while the other removes it: what both remember of series is never out of date.
#[tokio::test(flavor = "multi_thread")]
async fn series_may_go_and_come_back() {
    let (_place, one, two) = two().await;
    let (ours, theirs) = (one.telemetry(), two.telemetry());
    for round in 0..5 {
        let point = super::durability::point(round);
        let (metric, range) = super::durability::asked();
        ours.append(Batch { points: vec![point], ..Batch::default() }).await.unwrap();
        let found = theirs.series(super::durability::query(&metric, range)).await.unwrap();
        assert_eq!(found.series.len(), 1, "round {round}");
        assert_eq!(theirs.prune(range.end, None).await.unwrap(), 1);
        assert_eq!(ours.series(super::durability::query(&metric, range)).await.unwrap().series.len(), 0);
    }
}
