//! What was acknowledged is there once, whatever happens to the node.

use std::collections::BTreeMap;
use std::time::Duration;

use llm_sre_adapters::opensearch::{Options, Store};
use llm_sre_domain::telemetry::{Attributes, LogRecord, LogSeverity, Origin};
use llm_sre_domain::{ServiceId, Timestamp};
use llm_sre_ports::documents::{Documents, Filter, NewDocument, PAGE_MAX, Precondition};
use llm_sre_ports::telemetry::{self, Batch, LogQuery, Range, RecordId, TelemetryStore};

use crate::parts::OpenSearch;
use crate::{prefix, test};

const WRITERS: u32 = 4;
/// Batches that each writer stores; the node is killed in the midst of them.
const BATCHES: u64 = 30;
const BATCH: u32 = 50;
const KILLED_AFTER: u64 = 10;

fn log(writer: u32, offset: u64, index: u32) -> (RecordId, LogRecord) {
    let log = LogRecord {
        service: ServiceId::named("a"),
        origin: Origin::default(),
        // Of two days, so that a batch goes to two indices.
        time: Timestamp::from_secs(1_700_006_000 + i64::from(index) * 20),
        severity: LogSeverity::Info,
        body: format!("{writer}/{offset}/{index}"),
        event_name: "".into(),
        attributes: Attributes::new(),
        trace_id: None,
        span_id: None,
    };
    (RecordId { topic: 2, partition: writer, offset, index }, log)
}

/// Stores batch after batch as the indexer does: again and again until it is stored. Documents beside it are not written
/// again: what was acknowledged is counted.
async fn write(store: Store, writer: u32, progress: tokio::sync::mpsc::UnboundedSender<u64>) -> Vec<String> {
    let mut acknowledged = Vec::new();
    for offset in 0..BATCHES {
        loop {
            let logs = (0..BATCH).map(|index| log(writer, offset, index)).collect();
            match store.telemetry().append(Batch { logs, ..Batch::default() }).await {
                Ok(()) => break,
                Err(telemetry::Error::Unavailable(_)) => tokio::task::yield_now().await,
                Err(error) => panic!("{error}"),
            }
        }
        let id = format!("{writer}/{offset}");
        let document = NewDocument {
            collection: "a".to_owned(),
            id: id.clone(),
            body: offset.into(),
            attributes: BTreeMap::new(),
            schema_version: 1,
        };
        if store.documents().put(document, Precondition::Absent).await.is_ok() {
            acknowledged.push(id);
        }
        progress.send(offset).unwrap();
    }
    acknowledged
}

async fn all_logs(store: &Store) -> BTreeMap<String, usize> {
    let time = Timestamp::from_secs(1_700_000_000);
    let mut query = LogQuery {
        range: Range { start: time, end: time + Duration::from_secs(86_400) },
        text: String::new(),
        service: None,
        min_severity: LogSeverity::Unspecified,
        trace_id: None,
        limit: 5_000,
        cursor: None,
    };
    let mut found = BTreeMap::new();
    loop {
        let page = store.telemetry().search_logs(query.clone()).await.unwrap();
        for record in page.records {
            *found.entry(record.body).or_default() += 1;
        }
        query.cursor = page.next;
        if query.cursor.is_none() {
            return found;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_node_loses_and_doubles_nothing() {
    let Some(mut node) = OpenSearch::start(&test()) else { return };
    let store = Store::open(Options::new(&node.url(), &prefix())).await.unwrap();
    let (progress, mut steps) = tokio::sync::mpsc::unbounded_channel();
    let writing: Vec<_> =
        (0..WRITERS).map(|writer| tokio::spawn(write(store.clone(), writer, progress.clone()))).collect();
    while steps.recv().await.is_some_and(|offset| offset < KILLED_AFTER) {}
    let node = tokio::task::spawn_blocking(move || {
        node.kill();
        node.start_again();
        node
    });
    let node = node.await.unwrap();
    let mut acknowledged = Vec::new();
    for writer in writing {
        acknowledged.extend(writer.await.unwrap());
    }

    let found = all_logs(&store).await;
    assert_eq!(found.len() as u64, u64::from(WRITERS) * BATCHES * u64::from(BATCH), "records are lost");
    assert!(found.values().all(|times| *times == 1), "records are there twice");
    let listed = store.documents().list("a", Filter::default(), None, PAGE_MAX).await.unwrap().documents;
    let count = |id: &String| listed.iter().filter(|document| document.id == *id).count();
    assert!(acknowledged.iter().all(|id| count(id) == 1), "an acknowledged document is lost");
    assert!(acknowledged.len() as u64 > KILLED_AFTER, "{} documents were acknowledged", acknowledged.len());
    drop(node);
}
