//! The feed of changes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use llm_sre_domain::Timestamp;

use super::{Store, create, document, ids, whole_list, with};
use crate::documents::{Error, Filter, Precondition};

/// Of a store that was restored since, such as one has been given. Cursors of changes count writes in every adapter.
pub async fn cursors_beyond_what_was_written_are_refused(kit: Store) {
    for id in ["1", "2"] {
        create(&*kit.port, document("a", id, 1)).await;
    }
    let newest = kit.port.changes("a", None, 10).await.unwrap().next.unwrap();
    let beyond = newest.parse::<u64>().unwrap() + 100;
    let refused = kit.port.changes("a", Some(beyond.to_string()), 10).await;
    assert!(matches!(&refused, Err(Error::InvalidCursor { cursor }) if *cursor == beyond.to_string()), "{refused:?}");
    // What was removed was written all the same.
    create(&*kit.port, with(document("a", "old", 1), &[("time", "1")])).await;
    let after_old = kit.port.changes("a", Some(newest.clone()), 10).await.unwrap().next.unwrap();
    assert_eq!(kit.port.prune("a", Timestamp::from_nanos(100)).await.unwrap(), 1);
    for cursor in [newest, after_old] {
        let none = kit.port.changes("a", Some(cursor), 10).await.unwrap();
        assert!(none.documents.is_empty(), "{none:?}");
    }
}

/// Oldest write first, each document once and as it is now; the cursor is always there.
pub async fn changes_come_in_order_of_writing(kit: Store) {
    let none = kit.port.changes("a", None, 10).await.unwrap();
    assert!(none.documents.is_empty() && none.next.is_some());
    for id in ["1", "2", "3"] {
        create(&*kit.port, document("a", id, 1)).await;
        create(&*kit.port, document("other", id, 1)).await;
    }
    kit.port.put(document("a", "1", 2), Precondition::Version(1)).await.unwrap();
    let first = kit.port.changes("a", none.next, 2).await.unwrap();
    assert_eq!(ids(&first.documents), ["2", "3"]);
    let second = kit.port.changes("a", first.next, 2).await.unwrap();
    assert_eq!(ids(&second.documents), ["1"]);
    assert_eq!(second.documents[0].body["number"], 2);
    let end = kit.port.changes("a", second.next, 2).await.unwrap();
    assert!(end.documents.is_empty());
    kit.port.put(document("a", "2", 3), Precondition::Version(1)).await.unwrap();
    let news = kit.port.changes("a", end.next, 2).await.unwrap();
    assert_eq!(ids(&news.documents), ["2"]);
}

/// Who follows the feed while many write has seen every document when they are done.
pub async fn changes_miss_nothing(kit: Store) {
    let mut writing = Vec::new();
    for writer in 0..4 {
        let store = Arc::clone(&kit.port);
        writing.push(tokio::spawn(async move {
            for number in 0..15 {
                create(&*store, document("a", &format!("{writer}/{number}"), number)).await;
            }
        }));
    }
    let (mut seen, mut cursor) = (BTreeSet::new(), None);
    loop {
        let is_last = writing.iter().all(tokio::task::JoinHandle::is_finished);
        let page = kit.port.changes("a", cursor, 7).await.unwrap();
        let is_empty = page.documents.is_empty();
        seen.extend(page.documents.into_iter().map(|document| document.id));
        cursor = page.next;
        if is_last && is_empty {
            break;
        }
        tokio::task::yield_now().await;
    }
    assert_eq!(seen.len(), 60);
}

/// Who lists after it was given and then follows from it has seen every document as it is, whoever writes meanwhile.
pub async fn the_end_of_changes_is_behind_what_was_written_and_before_the_rest(kit: Store) {
    let empty = kit.port.end_of_changes("a").await.unwrap();
    let none = kit.port.changes("a", Some(empty.clone()), 10).await.unwrap();
    assert!(none.documents.is_empty(), "{none:?}");
    create(&*kit.port, document("a", "first", 1)).await;
    assert_eq!(ids(&kit.port.changes("a", Some(empty), 10).await.unwrap().documents), ["first"]);
    let mut writing = Vec::new();
    for writer in 0..4 {
        let store = Arc::clone(&kit.port);
        writing.push(tokio::spawn(async move {
            for number in 0..10 {
                let id = format!("{writer}/{number}");
                create(&*store, document("a", &id, 0)).await;
                store.put(document("a", &id, 1), Precondition::Version(1)).await.unwrap();
            }
        }));
    }
    let mut seen = BTreeMap::new();
    let mut end = kit.port.end_of_changes("a").await.unwrap();
    for found in whole_list(&*kit.port, "a", Filter::default()).await {
        seen.insert(found.id, found.body["number"].as_i64().unwrap());
    }
    for one in writing {
        one.await.unwrap();
    }
    loop {
        let page = kit.port.changes("a", Some(end), 7).await.unwrap();
        if page.documents.is_empty() {
            break;
        }
        seen.extend(page.documents.into_iter().map(|found| (found.id, found.body["number"].as_i64().unwrap())));
        end = page.next.unwrap();
    }
    assert_eq!((seen.len(), seen.values().all(|number| *number == 1)), (41, true), "{seen:?}");
    let end = kit.port.end_of_changes("a").await.unwrap();
    let rest = kit.port.changes("a", Some(end), 10).await.unwrap();
    // A store of several machines may tell of the last writes once more.
    assert!(kit.is_remote || rest.documents.is_empty(), "{rest:?}");
}
