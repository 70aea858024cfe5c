//! A cluster that cannot do what it is asked.

use std::collections::BTreeMap;
use std::time::Duration;

use llm_sre_adapters::opensearch::{Options, Store};
use llm_sre_domain::telemetry::{Attributes, MetricPoint, Origin, PointValue};
use llm_sre_domain::{ServiceId, Timestamp};
use llm_sre_ports::documents::{self, Documents, NewDocument, Precondition};
use llm_sre_ports::leases::{self, Leases};
use llm_sre_ports::telemetry::{self, Batch, RecordId, TelemetryStore};
use opensearch::OpenSearch;
use opensearch::http::headers::HeaderMap;
use opensearch::http::{Method, transport::Transport};
use serde_json::{Value, json};

use crate::{parts, prefix, url};

/// Asks the shared node directly.
async fn ask(url: &str, method: Method, path: &str, body: &Value) -> Value {
    let opensearch = OpenSearch::new(Transport::single_node(url).unwrap());
    let answer = opensearch.send(method, path, HeaderMap::new(), None::<&()>, Some(body.to_string()), None).await;
    answer.unwrap().json().await.unwrap()
}

fn document(id: &str) -> NewDocument {
    NewDocument {
        collection: "a".to_owned(),
        id: id.to_owned(),
        body: 7.into(),
        attributes: BTreeMap::new(),
        schema_version: 1,
    }
}

fn points(points: &[(u64, &str)]) -> Batch {
    let point = |(offset, attribute): &(u64, &str)| {
        let point = MetricPoint {
            service: ServiceId::named("a"),
            origin: Origin::default(),
            metric: "m".into(),
            unit: "s".into(),
            attributes: Attributes::from([("k".into(), (*attribute).into())]),
            time: Timestamp::from_secs(1_700_000_000),
            start: None,
            value: PointValue::Gauge(1.0),
        };
        (RecordId { topic: 1, partition: 0, offset: *offset, index: 0 }, point)
    };
    Batch { points: points.iter().map(point).collect(), ..Batch::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_cluster_says_so_and_goes_on_when_there_is_room() {
    let Some(url) = url() else { return };
    let prefix = prefix();
    let store = Store::open(Options::new(&url, &prefix)).await.unwrap();
    store.telemetry().append(points(&[(1, "x")])).await.unwrap();
    // What the flood-stage watermark does to every index on a full disk.
    let block = |value: Value| json!({ "index.blocks.read_only_allow_delete": value });
    let settings = format!("{prefix}-*/_settings");
    ask(&url, Method::Put, &settings, &block(true.into())).await;
    let appended = store.telemetry().append(points(&[(2, "x")])).await;
    assert!(matches!(appended, Err(telemetry::Error::Full)), "{appended:?}");
    let put = store.documents().put(document("1"), Precondition::Absent).await;
    assert!(matches!(put, Err(documents::Error::Full)), "{put:?}");
    let leased = store.leases().acquire("a", "one", Duration::from_secs(1)).await;
    assert!(matches!(leased, Err(leases::Error::Unavailable(_))), "{leased:?}");
    // What is too old can still go.
    assert_eq!(store.telemetry().prune(Timestamp::from_secs(1_800_000_000), None).await.unwrap(), 1);
    ask(&url, Method::Put, &settings, &block(Value::Null)).await;
    store.telemetry().append(points(&[(2, "x")])).await.unwrap();
    store.documents().put(document("1"), Precondition::Absent).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_can_never_be_stored_is_named_and_the_others_are_stored() {
    let Some(url) = url() else { return };
    let store = Store::open(Options::new(&url, &prefix())).await.unwrap();
    let long = "x".repeat(40_000);
    let refused = store.telemetry().append(points(&[(1, "x"), (2, &long), (3, "y")])).await;
    assert!(matches!(refused, Err(telemetry::Error::InvalidArgument { what: "record", .. })), "{refused:?}");
    // The indexer's way: by halves.
    store.telemetry().append(points(&[(1, "x")])).await.unwrap();
    assert!(store.telemetry().append(points(&[(2, &long)])).await.is_err());
    assert_eq!(store.telemetry().prune(Timestamp::from_secs(1_800_000_000), None).await.unwrap(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_day_that_has_not_come_takes_no_other_days_place() {
    let Some(url) = url() else { return };
    let telemetry = Store::open(Options::new(&url, &prefix())).await.unwrap().telemetry();
    let today = Timestamp::from_secs(1_700_000_000);
    let tomorrow = today + Duration::from_secs(24 * 3_600);
    let mut batch = points(&[(1, "x"), (2, "x"), (3, "x")]);
    batch.points[1].1.time = tomorrow;
    batch.points[2].1.time = Timestamp::from_secs(3_629_000_000);
    telemetry.append(batch).await.unwrap();
    let wrong_clock = Timestamp::from_secs(1);
    assert_eq!(telemetry.prune_after(wrong_clock).await.unwrap(), 0);
    assert_eq!(telemetry.prune_after(tomorrow).await.unwrap(), 1);
    assert_eq!(telemetry.prune(wrong_clock, Some(1)).await.unwrap(), 1, "today is not the newest of two");
    assert_eq!(telemetry.prune(wrong_clock, Some(1)).await.unwrap(), 0, "the newest stays");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_document_is_named() {
    let Some(url) = url() else { return };
    let prefix = prefix();
    let store = Store::open(Options::new(&url, &prefix)).await.unwrap();
    store.documents().put(document("1"), Precondition::Absent).await.unwrap();
    ask(&url, Method::Post, &format!("{prefix}-documents/_refresh"), &json!({})).await;
    let script = json!({ "script": "ctx._source.remove('version')" });
    let path = format!("{prefix}-documents/_update_by_query?refresh=true");
    assert_eq!(ask(&url, Method::Post, &path, &script).await["updated"], 1);
    let found = store.documents().get("a", "1").await;
    assert!(matches!(&found, Err(documents::Error::Corrupt { id, .. }) if id == "1"), "{found:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_answer_is_unavailable_in_time() {
    let [port] = parts::free_ports();
    let nobody = format!("http://127.0.0.1:{port}");
    let refused = Store::open(Options { start_wait: Duration::ZERO, ..Options::new(&nobody, "a") }).await;
    assert!(refused.unwrap_err().to_string().contains(&nobody));
    // One that takes the connection and never says a word.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", silent.local_addr().unwrap());
    let options =
        Options { start_wait: Duration::ZERO, timeout: Duration::from_millis(200), ..Options::new(&address, "a") };
    assert!(Store::open(options).await.is_err());
    for prefix in ["", "Upper", "1a", "a_b", "a/b", &"a".repeat(65)] {
        let refused = Store::open(Options::new(&address, prefix)).await.unwrap_err().to_string();
        assert!(refused.starts_with("the prefix"), "{refused}");
    }
}
