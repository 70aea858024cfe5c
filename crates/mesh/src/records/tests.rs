use serde_json::json;

use super::*;

#[tokio::test]
async fn what_cannot_be_read_is_left_out_where_that_is_asked_for() {
    let store = Arc::new(llm_sre_ports::memory::MemoryDocuments::default());
    for (id, body) in [("a", json!({"name": "a"})), ("b", json!(7)), ("c", json!({"name": "c"}))] {
        let (collection, id, attributes) = ("things".to_owned(), id.to_owned(), Attributes::new());
        let document = NewDocument { collection, id, body, attributes, schema_version: SCHEMA_VERSION };
        store.put(document, Precondition::Absent).await.unwrap();
    }
    let records: Records<BTreeMap<String, String>> = Records::new(store, "things");
    let ids = |records: Vec<Stored<_>>| records.into_iter().map(|stored| stored.id).collect::<Vec<_>>();
    assert_eq!(ids(records.list_readable(Filter::default(), None, 10).await.unwrap().0), ["c", "a"]);
    let listed = records.list_all(Filter::default(), None, 10).await.unwrap();
    assert_eq!((ids(listed.records), listed.unreadable), (vec!["c".to_owned(), "a".to_owned()], vec!["b".to_owned()]));
    assert_eq!(records.list(Filter::default(), None, 10).await.unwrap_err().code(), tonic::Code::Internal);
    assert_eq!(ids(records.changes(None, 10).await.unwrap().0), ["a", "c"]);
    assert_eq!(records.get("b").await.unwrap_err().code(), tonic::Code::Internal);
}

#[tokio::test]
async fn a_record_of_a_later_shape_is_not_guessed_at() {
    let store = Arc::new(llm_sre_ports::memory::MemoryDocuments::default());
    for (id, schema_version) in [("now", SCHEMA_VERSION), ("later", SCHEMA_VERSION + 1)] {
        let (collection, id, attributes) = ("things".to_owned(), id.to_owned(), Attributes::new());
        let document = NewDocument { collection, id, body: json!({"name": "a"}), attributes, schema_version };
        store.put(document, Precondition::Absent).await.unwrap();
    }
    let records: Records<BTreeMap<String, String>> = Records::new(store, "things");
    assert!(records.get("now").await.unwrap().is_some());
    let refused = records.get("later").await.unwrap_err();
    assert!(refused.message().contains("things/later has version 2"), "{}", refused.message());
    let (readable, _) = records.list_readable(Filter::default(), None, 10).await.unwrap();
    assert_eq!(readable.into_iter().map(|stored| stored.id).collect::<Vec<_>>(), ["now"]);
}

#[tokio::test]
async fn what_cannot_be_read_is_marked_and_stays_as_it_is() {
    let store = Arc::new(llm_sre_ports::memory::MemoryDocuments::default());
    let records: Records<BTreeMap<String, String>> = Records::new(store.clone(), "things");
    let bodies = [json!({"name": "a"}), json!(7), json!({"name": "c"})];
    for (id, body, schema_version) in [("a", &bodies[0], 1), ("b", &bodies[1], 1), ("c", &bodies[2], 2)] {
        let attributes = [("open", "yes"), ("of", id)].map(|(key, value)| (key.to_owned(), value.to_owned()));
        let document = NewDocument { schema_version, ..records.document(id, body.clone(), attributes.into()) };
        store.put(document, Precondition::Absent).await.unwrap();
        let closed = || Attributes::from([("open".to_owned(), "no".to_owned())]);
        let unreadable = records.unreadable(id).await.unwrap();
        assert_eq!(unreadable.is_none(), id == "a");
        if let Some(unreadable) = unreadable {
            assert!(matches!(records.mark(unreadable.clone(), closed()).await.unwrap(), Write::Done(_)));
            assert!(matches!(records.mark(unreadable, closed()).await.unwrap(), Write::Conflict), "{id}");
        }
        let kept = store.get("things", id).await.unwrap().unwrap();
        let (is_open, of) = (kept.attributes["open"] == "yes", kept.attributes["of"].as_str());
        assert_eq!((is_open, of), (id == "a", id));
        assert_eq!((&kept.body, kept.schema_version), (body, schema_version), "{id}");
    }
    assert!(records.unreadable("d").await.unwrap().is_none());
}

#[test]
fn what_comes_to_the_same_every_time_is_not_unavailable() {
    let (collection, id) = ("things".to_owned(), "a".to_owned());
    let large = StoreError::TooLarge { collection, id, bytes: 9 };
    assert_eq!(store_status("write things/a", large).code(), tonic::Code::Internal);
    assert_eq!(store_status("write things/a", StoreError::Full).code(), tonic::Code::Unavailable);
}

#[test]
fn fields_of_a_newer_version_survive() {
    let raw = json!({"name": "a", "gone": "x", "new": 7, "inner": {"old": 1, "newer": [1]}});
    let known = json!({"name": "a", "gone": "x", "inner": {"old": 1}});
    let mut body = json!({"name": "b", "inner": {"old": 2}});
    keep_unknown(&raw, &known, &mut body);
    assert_eq!(body, json!({"name": "b", "new": 7, "inner": {"old": 2, "newer": [1]}}));
}
