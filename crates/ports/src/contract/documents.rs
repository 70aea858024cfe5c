//! The contract of [`Documents`].

mod changes;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use llm_sre_domain::Timestamp;
use serde_json::json;

use super::{Kit, Random, SEEDS};
use crate::documents::{
    DOCUMENT_BYTES_MAX, Document, Documents, Error, Filter, NewDocument, PAGE_MAX, Page, Precondition,
};
use crate::memory::MemoryDocuments;

pub use changes::{
    changes_come_in_order_of_writing, changes_miss_nothing, cursors_beyond_what_was_written_are_refused,
    the_end_of_changes_is_behind_what_was_written_and_before_the_rest,
};

/// Makes the suite's tests for a kit: `documents_contract!([#[tokio::test]] kit())`.
#[macro_export]
macro_rules! documents_contract {
    ([$($test:tt)*] $kit:expr) => {
        $crate::contract_tests!([$($test)*] $kit, documents:
            a_document_comes_back_as_it_was what_is_not_there_is_none a_document_is_created_once
            a_document_is_replaced_at_its_version_only one_of_many_creators_wins no_update_is_lost
            documents_have_a_largest_size lists_are_newest_first_by_creation filters_ask_for_every_attribute
            pages_leave_nothing_out cursors_of_others_are_refused cursors_beyond_what_was_written_are_refused
            changes_come_in_order_of_writing changes_miss_nothing
            the_end_of_changes_is_behind_what_was_written_and_before_the_rest
            old_documents_are_pruned_by_their_time documents_agree_with_the_twin);
    };
}

type Store = Kit<dyn Documents>;

fn document(collection: &str, id: &str, number: i64) -> NewDocument {
    NewDocument {
        collection: collection.to_owned(),
        id: id.to_owned(),
        body: json!({ "number": number }),
        attributes: BTreeMap::new(),
        schema_version: 1,
    }
}

fn with(mut document: NewDocument, attributes: &[(&str, &str)]) -> NewDocument {
    document.attributes = attributes.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    document
}

async fn create(store: &dyn Documents, document: NewDocument) {
    store.put(document, Precondition::Absent).await.unwrap();
}

fn ids(documents: &[Document]) -> Vec<&str> {
    documents.iter().map(|document| document.id.as_str()).collect()
}

/// Body, attributes and version of its shape; numbers to the last bit, text of any kind.
pub async fn a_document_comes_back_as_it_was(kit: Store) {
    let body = json!({
        "float": 0.1 + 0.2, "tiny": 5e-324, "long": 1.797_693_134_862_315_7e308, "whole": i64::MIN, "large": u64::MAX,
        "text": "é \u{0} \" ' \\ \u{1f525}", "list": [null, true, [], {}], "empty": "",
    });
    let new = NewDocument { body: body.clone(), schema_version: 7, ..document("a", "weird/'id\"", 0) };
    let new = with(new, &[("state", "OPEN"), ("empty", ""), ("quote'", "\"; --")]);
    let version = kit.port.put(new.clone(), Precondition::Absent).await.unwrap();
    let found = kit.port.get("a", "weird/'id\"").await.unwrap().unwrap();
    let NewDocument { id, attributes, schema_version, .. } = new;
    assert_eq!(found, Document { id, body, attributes, schema_version, version });
}

/// Absent documents and collections are no error.
pub async fn what_is_not_there_is_none(kit: Store) {
    create(&*kit.port, document("a", "1", 1)).await;
    assert_eq!(kit.port.get("a", "2").await.unwrap(), None);
    assert_eq!(kit.port.get("b", "1").await.unwrap(), None, "collections are apart");
    assert_eq!(kit.port.list("b", Filter::default(), None, 10).await.unwrap(), Page::default());
}

/// A second creation is a conflict and changes nothing.
pub async fn a_document_is_created_once(kit: Store) {
    create(&*kit.port, document("a", "1", 1)).await;
    create(&*kit.port, document("b", "1", 2)).await;
    let again = kit.port.put(document("a", "1", 3), Precondition::Absent).await;
    assert!(matches!(&again, Err(Error::Conflict { collection, id }) if collection == "a" && id == "1"), "{again:?}");
    assert_eq!(kit.port.get("a", "1").await.unwrap().unwrap().body["number"], 1);
    assert_eq!(kit.port.get("b", "1").await.unwrap().unwrap().body["number"], 2);
}

/// At another version, or where there is none, it is a conflict and changes nothing. Versions grow.
pub async fn a_document_is_replaced_at_its_version_only(kit: Store) {
    let first = kit.port.put(document("a", "1", 1), Precondition::Absent).await.unwrap();
    let replaced = with(document("a", "1", 2), &[("state", "CLOSED")]);
    let second = kit.port.put(replaced, Precondition::Version(first)).await.unwrap();
    assert!(second > first);
    for stale in [first, second + 1, 0] {
        let result = kit.port.put(document("a", "1", 3), Precondition::Version(stale)).await;
        assert!(matches!(result, Err(Error::Conflict { .. })), "{result:?} at {stale}");
    }
    let missing = kit.port.put(document("a", "2", 3), Precondition::Version(1)).await;
    assert!(matches!(missing, Err(Error::Conflict { .. })));
    assert_eq!(kit.port.get("a", "2").await.unwrap(), None);
    let found = kit.port.get("a", "1").await.unwrap().unwrap();
    assert_eq!((found.body["number"].as_i64(), found.version), (Some(2), second));
    let closed = kit.port.list("a", Filter::default().with("state", "CLOSED"), None, 10).await.unwrap();
    assert_eq!(ids(&closed.documents), ["1"], "attributes are replaced, too");
}

/// Of many who create at once, one succeeds and the others have a conflict.
pub async fn one_of_many_creators_wins(kit: Store) {
    let mut writing = Vec::new();
    for writer in 0..16 {
        let store = Arc::clone(&kit.port);
        writing.push(tokio::spawn(async move { store.put(document("a", "1", writer), Precondition::Absent).await }));
    }
    let mut winner = None;
    for (writer, written) in (0_i64..).zip(writing) {
        match written.await.unwrap() {
            Ok(_) => assert_eq!(winner.replace(writer), None, "two have created it"),
            Err(error) => assert!(matches!(error, Error::Conflict { .. }), "{error}"),
        }
    }
    let found = kit.port.get("a", "1").await.unwrap().unwrap();
    assert_eq!(found.body["number"].as_i64(), winner);
}

/// Writers that count in one document, each reading before it writes, count right.
pub async fn no_update_is_lost(kit: Store) {
    create(&*kit.port, document("a", "1", 0)).await;
    let mut writing = Vec::new();
    for _ in 0..8 {
        let store = Arc::clone(&kit.port);
        writing.push(tokio::spawn(async move {
            for _ in 0..5 {
                loop {
                    let found = store.get("a", "1").await.unwrap().unwrap();
                    let next = document("a", "1", found.body["number"].as_i64().unwrap() + 1);
                    match store.put(next, Precondition::Version(found.version)).await {
                        Ok(_) => break,
                        Err(Error::Conflict { .. }) => {}
                        Err(error) => panic!("{error}"),
                    }
                }
            }
        }));
    }
    for writer in writing {
        writer.await.unwrap();
    }
    assert_eq!(kit.port.get("a", "1").await.unwrap().unwrap().body["number"], 40);
}

/// A document of [`DOCUMENT_BYTES_MAX`] fits, one byte more does not.
pub async fn documents_have_a_largest_size(kit: Store) {
    let text = |bytes: usize| NewDocument { body: json!("x".repeat(bytes - 2)), ..document("a", "1", 0) };
    let large = kit.port.put(text(DOCUMENT_BYTES_MAX + 1), Precondition::Absent).await;
    assert!(matches!(large, Err(Error::TooLarge { bytes, .. }) if bytes == DOCUMENT_BYTES_MAX + 1));
    assert_eq!(kit.port.get("a", "1").await.unwrap(), None);
    create(&*kit.port, text(DOCUMENT_BYTES_MAX)).await;
    assert_eq!(kit.port.get("a", "1").await.unwrap().unwrap().body, text(DOCUMENT_BYTES_MAX).body);
}

/// A later write of an older document does not move it.
pub async fn lists_are_newest_first_by_creation(kit: Store) {
    for id in ["b", "a", "c"] {
        create(&*kit.port, document("a", id, 1)).await;
    }
    create(&*kit.port, document("other", "x", 1)).await;
    kit.port.put(document("a", "b", 2), Precondition::Version(1)).await.unwrap();
    let page = kit.port.list("a", Filter::default(), None, 10).await.unwrap();
    assert_eq!(ids(&page.documents), ["c", "a", "b"]);
    assert_eq!((page.next, page.documents[2].body["number"].as_i64()), (None, Some(2)));
}

/// Every attribute, with one of its values.
pub async fn filters_ask_for_every_attribute(kit: Store) {
    for (id, state, service) in [("1", "OPEN", "a"), ("2", "CLOSED", "a"), ("3", "OPEN", "b"), ("4", "NEW", "a")] {
        create(&*kit.port, with(document("a", id, 1), &[("state", state), ("service", service)])).await;
    }
    create(&*kit.port, document("a", "5", 1)).await;
    let store = &kit.port;
    let found = |filter: Filter| async move {
        let page = store.list("a", filter, None, 10).await.unwrap();
        page.documents.into_iter().map(|document| document.id).collect::<Vec<_>>()
    };
    let open = Filter::default().with("state", "OPEN");
    assert_eq!(found(open.clone()).await, ["3", "1"]);
    assert_eq!(found(open.clone().with("state", "NEW")).await, ["4", "3", "1"]);
    assert_eq!(found(open.clone().with("state", "NEW").with("service", "a")).await, ["4", "1"]);
    assert_eq!(found(open.with("region", "x")).await, [""; 0]);
    assert_eq!(found(Filter { attributes: [("state".to_owned(), Vec::new())].into() }).await, [""; 0]);
}

/// A document that existed when paging began is on one page, whatever is created meanwhile.
pub async fn pages_leave_nothing_out(kit: Store) {
    for number in 0..25 {
        let state = if number % 5 == 0 { "RARE" } else { "USUAL" };
        create(&*kit.port, with(document("a", &number.to_string(), number), &[("state", state)])).await;
    }
    for (filter, expected) in [(Filter::default(), 25), (Filter::default().with("state", "RARE"), 5)] {
        let (mut seen, mut cursor) = (BTreeSet::new(), None);
        for turn in 0.. {
            let page = kit.port.list("a", filter.clone(), cursor, 2).await.unwrap();
            assert!(page.documents.len() <= 2);
            for found in page.documents {
                assert!(seen.insert(found.id.clone()), "{} came twice", found.id);
            }
            create(&*kit.port, document("a", &format!("new {expected} {turn}"), 0)).await;
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
        }
        let old = seen.iter().filter(|id| !id.starts_with("new")).count();
        assert_eq!(old, expected);
    }
    let page = kit.port.list("a", Filter::default(), None, PAGE_MAX + 1).await.unwrap();
    assert!(page.documents.len() <= PAGE_MAX && page.next.is_none());
}

/// And so are they by the feed of changes.
pub async fn cursors_of_others_are_refused(kit: Store) {
    for cursor in ["", "x", "-1", "1.5", "99999999999999999999999"] {
        let listed = kit.port.list("a", Filter::default(), Some(cursor.to_owned()), 1).await;
        assert!(matches!(&listed, Err(Error::InvalidCursor { cursor: named }) if named == cursor), "{listed:?}");
        let changed = kit.port.changes("a", Some(cursor.to_owned()), 1).await;
        assert!(matches!(changed, Err(Error::InvalidCursor { .. })));
    }
}

/// Documents without that attribute, or of another collection, stay.
pub async fn old_documents_are_pruned_by_their_time(kit: Store) {
    for (id, time) in [("old", "99"), ("negative", "-5"), ("exact", "100"), ("new", "101"), ("odd", "yesterday")] {
        create(&*kit.port, with(document("a", id, 1), &[("time", time)])).await;
        create(&*kit.port, with(document("b", id, 1), &[("time", time)])).await;
    }
    create(&*kit.port, document("a", "timeless", 1)).await;
    assert_eq!(kit.port.prune("a", Timestamp::from_nanos(100)).await.unwrap(), 2);
    assert_eq!(kit.port.prune("a", Timestamp::from_nanos(100)).await.unwrap(), 0);
    let left = kit.port.list("a", Filter::default(), None, 10).await.unwrap();
    assert_eq!(ids(&left.documents), ["timeless", "odd", "new", "exact"]);
    assert_eq!(kit.port.list("b", Filter::default(), None, 10).await.unwrap().documents.len(), 5);
    create(&*kit.port, document("a", "old", 2)).await;
}

/// Random operations have the results that they have in memory.
pub async fn documents_agree_with_the_twin(kit: Store) {
    for seed in SEEDS {
        let (mut random, twin) = (Random(seed), MemoryDocuments::default());
        let collection = format!("seed {seed}");
        let mut cursors: [Option<String>; 2] = [None, None];
        for step in 0..80 {
            let at = format!("seed {seed}, step {step}");
            match random.below(8) {
                0..4 => {
                    let attributes = [("state", random.of(&["x", "y", "z"])), ("time", random.of(&["1", "50"]))];
                    let id = random.below(12).to_string();
                    let new = with(document(&collection, &id, step), &attributes);
                    let precondition = if random.below(2) == 0 {
                        Precondition::Absent
                    } else {
                        Precondition::Version(random.below(4))
                    };
                    let ours = kit.port.put(new.clone(), precondition).await;
                    let theirs = twin.put(new, precondition).await;
                    assert_eq!(ours.ok(), theirs.ok(), "{at}: put {id} if {precondition:?}");
                }
                4 => {
                    let filter = Filter::default().with("state", "x").with("state", "y");
                    let ours = whole_list(&*kit.port, &collection, filter.clone()).await;
                    assert_eq!(ours, whole_list(&twin, &collection, filter).await, "{at}: list");
                }
                5 => {
                    let ours = kit.port.changes(&collection, cursors[0].take(), 3).await.unwrap();
                    let theirs = twin.changes(&collection, cursors[1].take(), 3).await.unwrap();
                    assert_eq!(ours.documents, theirs.documents, "{at}: changes");
                    cursors = [ours.next, theirs.next];
                }
                6 if random.below(4) == 0 => {
                    let before = Timestamp::from_nanos(20);
                    let ours = kit.port.prune(&collection, before).await.unwrap();
                    assert_eq!(ours, twin.prune(&collection, before).await.unwrap(), "{at}: prune");
                }
                _ => {
                    let id = random.below(12).to_string();
                    let ours = kit.port.get(&collection, &id).await.unwrap();
                    assert_eq!(ours, twin.get(&collection, &id).await.unwrap(), "{at}: get {id}");
                }
            }
        }
    }
}

async fn whole_list(store: &dyn Documents, collection: &str, filter: Filter) -> Vec<Document> {
    let (mut documents, mut cursor) = (Vec::new(), None);
    loop {
        let page = store.list(collection, filter.clone(), cursor, 3).await.unwrap();
        documents.extend(page.documents);
        cursor = page.next;
        if cursor.is_none() {
            return documents;
        }
    }
}
