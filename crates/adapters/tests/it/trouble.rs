//! What another process, or somebody with a tool, can do to an open file.

use std::collections::BTreeMap;
use std::time::Duration;

use llm_sre_adapters::sqlite::{Options, Store};
use llm_sre_ports::bus::{self, EventBus, Record, TopicPartition, TopicSpec};
use llm_sre_ports::documents::{self, Documents, Filter, NewDocument, Precondition};
use llm_sre_ports::telemetry::{self, Batch, TelemetryStore};
use rusqlite::Connection;

use super::{Place, durability, options};

const TOPIC: &str = "t";

async fn with_topic(place: &Place) -> Store {
    let store = Store::open(&place.path(), Options { busy_timeout: Duration::from_millis(50), ..options() }).unwrap();
    store.bus().create_topic(TopicSpec { name: TOPIC.to_owned(), partitions: 1, retention: None }).await.unwrap();
    store
}

/// Writes end in time and say that they may succeed later; reads go on.
#[tokio::test(flavor = "multi_thread")]
async fn a_writer_that_holds_the_file_does_not_hold_us_for_ever() {
    let place = Place::new();
    let store = with_topic(&place).await;
    let of = TopicPartition { topic: TOPIC.to_owned(), partition: 0 };
    let other = Connection::open(place.path()).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let refused = store.bus().publish(TOPIC, vec![Record::default()]).await.unwrap_err();
    assert!(matches!(refused, bus::Error::Unavailable(_)), "{refused}");
    assert!(refused.to_string().contains(&place.path().display().to_string()), "{refused} does not name the file");
    assert_eq!(store.bus().read(&of, 0, 10).await.unwrap(), []);
    other.execute_batch("ROLLBACK").unwrap();
    store.bus().publish(TOPIC, vec![Record::default()]).await.unwrap();
}

/// What cannot be read is said to be corrupt, by name, and never passed over.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_damaged_is_said_to_be() {
    let place = Place::new();
    let store = with_topic(&place).await;
    let document = NewDocument {
        collection: "a".to_owned(),
        id: "1".to_owned(),
        body: 1.into(),
        attributes: BTreeMap::new(),
        schema_version: 1,
    };
    store.documents().put(document, Precondition::Absent).await.unwrap();
    store.telemetry().append(Batch { points: vec![durability::point(1)], ..Batch::default() }).await.unwrap();
    let headers = vec![("name".to_owned(), "value".into())];
    store.bus().publish(TOPIC, vec![Record { headers, ..Record::default() }]).await.unwrap();

    let other = Connection::open(place.path()).unwrap();
    other
        .execute_batch(
            "UPDATE documents SET body = '{'; UPDATE series SET attributes = '{'; UPDATE records SET headers = x'ff'",
        )
        .unwrap();

    let is_corrupt = |error: &documents::Error| matches!(error, documents::Error::Corrupt { collection, id, .. } if collection == "a" && id == "1");
    let error = store.documents().get("a", "1").await.unwrap_err();
    assert!(is_corrupt(&error), "{error}");
    let error = store.documents().list("a", Filter::default(), None, 10).await.unwrap_err();
    assert!(is_corrupt(&error), "{error}");
    let (metric, range) = durability::asked();
    let error = store.telemetry().series(durability::query(&metric, range)).await.unwrap_err();
    assert!(matches!(error, telemetry::Error::Corrupt(_)), "{error}");
    let of = TopicPartition { topic: TOPIC.to_owned(), partition: 0 };
    let error = store.bus().read(&of, 0, 10).await.unwrap_err();
    assert!(error.to_string().contains("t/0/0"), "{error} does not name the record");
}

/// One table's pages are gone: what is in them is said to be, with the file and what helps, and the rest goes on.
#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_table_stops_nobody_else() {
    let place = Place::new();
    let store = with_topic(&place).await;
    let value = bytes::Bytes::from(vec![7; 1_000]);
    store.bus().publish(TOPIC, vec![Record { value, ..Record::default() }; 50]).await.unwrap();
    drop(store);
    let other = Connection::open(place.path()).unwrap();
    let root: u64 =
        other.query_row("SELECT rootpage FROM sqlite_schema WHERE name = 'records'", [], |row| row.get(0)).unwrap();
    // The log is part of the file, and nobody has it open.
    other.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
    drop(other);
    let mut bytes = std::fs::read(place.path()).unwrap();
    let start = usize::try_from(root - 1).unwrap() * 4_096;
    bytes[start..start + 4_096].fill(0xff);
    std::fs::write(place.path(), bytes).unwrap();

    let store = Store::open(&place.path(), options()).unwrap();
    let of = TopicPartition { topic: TOPIC.to_owned(), partition: 0 };
    let read = store.bus().read(&of, 0, 10).await.unwrap_err();
    let written = store.bus().publish(TOPIC, vec![Record::default()]).await.unwrap_err();
    for error in [read, written] {
        let text = error.to_string();
        let words = [place.path().display().to_string(), "malformed".to_owned(), "llm-sre store restore".to_owned()];
        assert!(words.iter().all(|word| text.contains(word)), "{text}");
    }
    let document = NewDocument {
        collection: "a".to_owned(),
        id: "1".to_owned(),
        body: 1.into(),
        attributes: BTreeMap::new(),
        schema_version: 1,
    };
    store.documents().put(document, Precondition::Absent).await.unwrap();
    assert!(store.documents().get("a", "1").await.unwrap().is_some());
}

/// A size is given back to the disk, and what is left is whole.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_pruned_makes_the_file_smaller() {
    let place = Place::new();
    let store = with_topic(&place).await;
    for round in 0..12 {
        let points = (0..10_000).map(|number| durability::point(round * 10_000 + number)).collect();
        store.telemetry().append(Batch { points, ..Batch::default() }).await.unwrap();
    }
    let pages = || {
        let connection = Connection::open(place.path()).unwrap();
        connection.query_row("PRAGMA page_count", [], |row| row.get::<_, u64>(0)).unwrap()
    };
    let before = pages();
    let (_, range) = durability::asked();
    assert_eq!(store.telemetry().prune(range.end, None).await.unwrap(), 120_000);
    let after = pages();
    // About a thousand pages may stay for what comes next.
    assert!(after < before && after < 1_200, "{before} pages before, {after} after");
    let checked: String =
        Connection::open(place.path()).unwrap().query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(checked, "ok");
}
