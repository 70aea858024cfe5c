//! Copies of a store that is in use, and stores that were restored from them.

use std::collections::BTreeMap;
use std::time::Duration;

use llm_sre_adapters::sqlite::{Error, Store, back_up, restore};
use llm_sre_ports::bus::{EventBus, Record, TopicPartition, TopicSpec};
use llm_sre_ports::documents::{Documents, NewDocument, Precondition};
use llm_sre_ports::leases::Leases;
use tokio::sync::watch;

use super::{Place, opened, options};

const TTL: Duration = Duration::from_secs(60);
const TOPIC: &str = "t";

fn document(number: u32) -> NewDocument {
    NewDocument {
        collection: "a".to_owned(),
        id: number.to_string(),
        body: number.into(),
        attributes: BTreeMap::new(),
        schema_version: 1,
    }
}

/// How many documents there are, of those that were written one after the other. None may be missing in between.
async fn count(store: &Store) -> u32 {
    let mut count = 0;
    while store.documents().get("a", &count.to_string()).await.unwrap().is_some() {
        count += 1;
    }
    let beyond = store.documents().get("a", &(count + 1).to_string()).await.unwrap();
    assert!(beyond.is_none(), "{count} is missing");
    count
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_is_the_store_at_one_moment_while_others_write() {
    let (place, store) = opened();
    let (written, mut seen) = watch::channel(0);
    let writing = tokio::spawn({
        let store = store.clone();
        async move {
            for number in 0.. {
                store.documents().put(document(number), Precondition::Absent).await.unwrap();
                if written.send(number + 1).is_err() {
                    break;
                }
            }
        }
    });
    let elsewhere = Place::new();
    seen.wait_for(|written| *written >= 50).await.unwrap();
    let before = *seen.borrow();
    let (from, to) = (place.path(), elsewhere.path());
    let bytes = tokio::task::spawn_blocking(move || back_up(&from, &to)).await.unwrap().unwrap();
    let after = *seen.borrow();
    drop(seen);
    writing.await.unwrap();
    assert_eq!(std::fs::metadata(elsewhere.path()).unwrap().len(), bytes);
    let copied = count(&elsewhere.open()).await;
    // The newest one may be written and not yet told.
    assert!((before..=after + 1).contains(&copied), "{before} <= {copied} <= {after}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restored_store_goes_on_and_its_tokens_are_newer_than_any_before() {
    let (place, store) = opened();
    let spec = TopicSpec { name: TOPIC.to_owned(), partitions: 1, retention: None };
    store.bus().create_topic(spec).await.unwrap();
    let publish = async |store: &Store, text: &'static str| {
        let record = Record { value: text.into(), ..Record::default() };
        store.bus().publish(TOPIC, vec![record]).await.unwrap()[0].offset
    };
    publish(&store, "before").await;
    store.documents().put(document(0), Precondition::Absent).await.unwrap();
    store.leases().acquire("l", "a", TTL).await.unwrap().unwrap();
    let (copies, new) = (Place::new(), Place::new());
    back_up(&place.path(), &copies.path()).unwrap();
    // What comes after the copy, and is lost with the store.
    store.documents().put(document(1), Precondition::Absent).await.unwrap();
    let mut last = 0;
    for _ in 0..5 {
        last = store.leases().acquire("l", "a", TTL).await.unwrap().unwrap().token;
    }
    drop(store);

    restore(&copies.path(), &new.path()).unwrap();
    let restored = new.open();
    assert_eq!(count(&restored).await, 1);
    let lease = restored.leases().acquire("l", "b", TTL).await.unwrap().expect("nobody has it any more");
    assert!(lease.token > last, "{} after {last}", lease.token);
    assert_eq!(publish(&restored, "after").await, 1, "it goes on where the copy ended");
    let of = TopicPartition { topic: TOPIC.to_owned(), partition: 0 };
    assert_eq!(restored.bus().read(&of, 0, 10).await.unwrap().len(), 2);
    // The copy itself is as it was, and can be restored again.
    let again = Place::new();
    restore(&copies.path(), &again.path()).unwrap();
    assert_eq!(count(&again.open()).await, 1);
}

#[tokio::test]
async fn nothing_is_overwritten_and_only_a_sound_store_is_copied() {
    let (place, store) = opened();
    store.documents().put(document(0), Precondition::Absent).await.unwrap();
    let elsewhere = Place::new();
    let refused = back_up(&elsewhere.path(), &place.path());
    assert!(matches!(refused, Err(Error::NotAFile { path }) if path == elsewhere.path()));
    back_up(&place.path(), &elsewhere.path()).unwrap();
    let before = std::fs::read(elsewhere.path()).unwrap();
    assert!(matches!(back_up(&place.path(), &elsewhere.path()), Err(Error::Exists { .. })));
    assert!(matches!(restore(&elsewhere.path(), &place.path()), Err(Error::Exists { .. })));
    assert_eq!(std::fs::read(elsewhere.path()).unwrap(), before);

    let nowhere = elsewhere.path().with_file_name("absent").join("copy.sqlite");
    let failed = back_up(&place.path(), &nowhere).unwrap_err();
    assert!(matches!(&failed, Error::Copy { path, .. } if path.starts_with(nowhere.parent().unwrap())), "{failed:?}");

    // A log that a store left behind would be read into whatever has the name.
    let gone = Place::new();
    std::fs::write(gone.path().with_file_name("store.sqlite-wal"), b"of another").unwrap();
    assert!(matches!(restore(&elsewhere.path(), &gone.path()), Err(Error::Exists { .. })));

    let text = Place::new();
    std::fs::write(text.path(), "no database at all, and long enough to be read as one".repeat(40)).unwrap();
    let target = Place::new();
    assert!(matches!(back_up(&text.path(), &target.path()), Err(Error::NotADatabase { .. })));

    // Tables that are none, after a first page that names them.
    drop(store);
    let mut bytes = before;
    bytes[4_096..].fill(0xff);
    std::fs::write(text.path(), bytes).unwrap();
    let damaged = back_up(&text.path(), &target.path());
    assert!(matches!(damaged, Err(Error::Corrupt { .. } | Error::NotADatabase { .. })), "{damaged:?}");
    assert_eq!(std::fs::read_dir(target.path().parent().unwrap()).unwrap().count(), 0, "what was begun is removed");
    assert!(Store::open(&target.path(), options()).is_ok());
}
