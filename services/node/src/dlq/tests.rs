//! Replays on the twins in memory, where every step can be looked at.

use bytes::Bytes;
use llm_sre_ports::bus::{Delivered, EventBus, Record, TopicPartition, TopicSpec};
use llm_sre_proto::topics;

use super::replay::REPLAYS_MAX;
use super::*;
use crate::cli::{Output, ReplayLetters};

const SOURCE_PARTITIONS: u32 = 3;

async fn backend() -> Backend {
    let mut config = Config::default();
    config.store.path = IN_MEMORY.into();
    let backend = wiring::open_store(&config).unwrap();
    for topic in topics::TELEMETRY {
        for (name, partitions) in [(topic.to_owned(), SOURCE_PARTITIONS), (topics::dead_letters(topic), 1)] {
            backend.bus.create_topic(TopicSpec { name, partitions, retention: None }).await.unwrap();
        }
    }
    backend
}

fn headers(pairs: &[(&str, &str)]) -> Vec<(String, Bytes)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), Bytes::from((*value).to_owned()))).collect()
}

/// Buries a record of `logs` as the indexer does.
async fn bury(bus: &dyn EventBus, value: &str, own: &[(&str, &str)]) {
    let mut all = headers(&[("theirs", "a"), ("llmsre-reason", "it is bad"), ("llmsre-source-topic", "logs")]);
    all.extend(headers(own));
    let record = Record { key: Some("key".into()), headers: all, value: value.to_owned().into(), ..Record::default() };
    bus.publish("logs.dlq", vec![record]).await.unwrap();
}

fn all() -> ReplayLetters {
    ReplayLetters { topic: None, reason: None, offsets: Vec::new(), dry_run: false, limit: None, force: false }
}

async fn replay(backend: &Backend, wanted: ReplayLetters) -> Result<(), String> {
    replay::run(backend, &replays(backend), &wanted, Output::Json).await.map_err(|error| format!("{error:#}"))
}

async fn on_topic(backend: &Backend, topic: &str) -> Vec<Delivered> {
    let mut found = Vec::new();
    for end in backend.bus.end_offsets(topic).await.unwrap() {
        found.extend(backend.bus.read(&end.of, 0, 100).await.unwrap());
    }
    found
}

const WHOLE: [(&str, &str); 3] =
    [("llmsre-kept", "whole"), ("llmsre-source-partition", "2"), ("llmsre-source-offset", "40")];

#[tokio::test]
async fn a_letter_goes_back_once_as_its_sender_made_it() {
    let backend = backend().await;
    bury(backend.bus.as_ref(), "one", &WHOLE).await;
    bury(backend.bus.as_ref(), "two", &[]).await;
    replay(&backend, ReplayLetters { dry_run: true, ..all() }).await.unwrap();
    assert!(on_topic(&backend, "logs").await.is_empty(), "a dry run publishes nothing");
    replay(&backend, all()).await.unwrap();
    replay(&backend, all()).await.unwrap();
    let replayed = on_topic(&backend, "logs").await;
    let expected = |value: &'static str, offset: u32, origin: &str| Record {
        key: Some("key".into()),
        value: value.into(),
        headers: headers(&[
            ("theirs", "a"),
            (topics::REPLAY_OF_HEADER, &format!("logs.dlq/0/{offset}")),
            (topics::REPLAYS_HEADER, "1"),
            (topics::ORIGIN_HEADER, origin),
        ]),
        ..Record::default()
    };
    let records: Vec<_> = replayed.into_iter().map(|delivered| delivered.record).collect();
    assert_eq!(records, [expected("one", 0, "logs/2/40"), expected("two", 1, "logs.dlq/0/1")]);
}

#[tokio::test]
async fn a_kill_before_the_note_publishes_again_under_the_same_origin() {
    let backend = backend().await;
    bury(backend.bus.as_ref(), "one", &WHOLE).await;
    replay(&backend, all()).await.unwrap();
    // What a kill before the note leaves: the record is there, and nobody knows.
    let forgotten = Backend { documents: super::tests::backend().await.documents, ..backend };
    replay(&forgotten, all()).await.unwrap();
    let replayed = on_topic(&forgotten, "logs").await;
    assert_eq!(replayed.len(), 2);
    assert_eq!(replayed[0].record, replayed[1].record, "both give the same ids");
}

/// What a kill between a letter and the commit of its source leaves.
#[tokio::test]
async fn a_part_that_was_buried_twice_goes_back_once() {
    let backend = backend().await;
    let part = [("llmsre-kept", "part"), WHOLE[1], WHOLE[2]];
    for value in ["one", "one", "two"] {
        bury(backend.bus.as_ref(), value, &part).await;
    }
    replay(&backend, all()).await.unwrap();
    let mut values: Vec<_> = on_topic(&backend, "logs").await.into_iter().map(|found| found.record.value).collect();
    values.sort();
    assert_eq!(values, ["one", "two"]);
}

#[tokio::test]
async fn selections_are_kept_to() {
    let backend = backend().await;
    for value in ["0", "1", "2", "3"] {
        bury(backend.bus.as_ref(), value, &[]).await;
    }
    let at = |offset| llm_sre_ports::bus::Position { partition: 0, offset };
    let some = |offsets: &[u64]| ReplayLetters {
        topic: Some("logs".to_owned()),
        offsets: offsets.iter().copied().map(at).collect(),
        ..all()
    };
    replay(&backend, some(&[2])).await.unwrap();
    let error = replay(&backend, some(&[3, 9])).await.unwrap_err();
    assert!(error.contains("1 of the offsets have no dead letter"), "{error}");
    replay(&backend, ReplayLetters { reason: Some("it is good".to_owned()), ..all() }).await.unwrap();
    replay(&backend, ReplayLetters { topic: Some("metrics".to_owned()), ..all() }).await.unwrap();
    replay(&backend, ReplayLetters { limit: Some(1), reason: Some("is bad".to_owned()), ..all() }).await.unwrap();
    replay(&backend, ReplayLetters { limit: Some(1), ..some(&[1, 0, 2]) }).await.unwrap();
    let mut values: Vec<_> = on_topic(&backend, "logs").await.into_iter().map(|found| found.record.value).collect();
    values.sort();
    assert_eq!(values, ["0", "1", "2", "3"]);
}

#[tokio::test]
async fn a_letter_that_comes_back_too_often_waits_for_a_person() {
    let backend = backend().await;
    let replays = REPLAYS_MAX.to_string();
    bury(backend.bus.as_ref(), "stubborn", &[("llmsre-replays", &replays), ("llmsre-origin", "logs/1/7"), WHOLE[0]])
        .await;
    let error = replay(&backend, all()).await.unwrap_err();
    assert!(error.contains("cannot be replayed"), "{error}");
    assert!(on_topic(&backend, "logs").await.is_empty());
    replay(&backend, ReplayLetters { force: true, ..all() }).await.unwrap();
    let replayed = on_topic(&backend, "logs").await;
    assert_eq!(replayed[0].record.header(topics::REPLAYS_HEADER), Some("6"));
    assert_eq!(replayed[0].record.header(topics::ORIGIN_HEADER), Some("logs/1/7"), "its first place");
}

#[tokio::test]
async fn what_was_left_out_comes_from_the_source_as_long_as_that_has_it() {
    let backend = backend().await;
    let sent = Record { key: Some("key".into()), value: "all of it".into(), ..Record::default() };
    let position = backend.bus.publish("logs", vec![sent]).await.unwrap()[0];
    let (partition, offset) = (position.partition.to_string(), position.offset.to_string());
    let place = [("llmsre-source-partition", &*partition), ("llmsre-source-offset", &*offset)];
    bury(backend.bus.as_ref(), "", &[("llmsre-kept", "nothing"), place[0], place[1]]).await;
    bury(backend.bus.as_ref(), "", &[("llmsre-kept", "nothing"), place[0], ("llmsre-source-offset", "77")]).await;
    bury(backend.bus.as_ref(), "", &[("llmsre-kept", "nothing-of-part"), place[0], place[1]]).await;
    let error = replay(&backend, all()).await.unwrap_err();
    assert!(error.contains("2 of the dead letters"), "{error}");
    let of = TopicPartition { topic: "logs".to_owned(), partition: position.partition };
    let found = backend.bus.read(&of, position.offset, 10).await.unwrap();
    assert_eq!(found.len(), 2);
    assert_eq!(found[1].record.value, "all of it");
    let origin = format!("logs/{partition}/{offset}");
    assert_eq!(found[1].record.header(topics::ORIGIN_HEADER), Some(&*origin));
}

#[tokio::test]
async fn two_replays_at_once_are_one() {
    let backend = backend().await;
    let other = std::time::Duration::from_secs(60);
    let lease = backend.leases.acquire("dlq-replay", "another", other).await.unwrap().unwrap();
    bury(backend.bus.as_ref(), "one", &[]).await;
    let error = replay(&backend, all()).await.unwrap_err();
    assert!(error.contains("somebody else replays"), "{error}");
    backend.leases.release(lease).await.unwrap();
    replay(&backend, all()).await.unwrap();
}
