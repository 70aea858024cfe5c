//! The indexer in process: export requests on the bus in, `TelemetryService` out, on the twins in memory.

#![allow(clippy::unwrap_used, clippy::expect_used)] // Helpers of tests, which clippy.toml does not see as such.

mod bus;
mod faults;
mod flow;
mod membership;
mod queries;
mod store;

use std::sync::Arc;
use std::time::Duration;

use bus::MoodyBus;
use llm_sre_domain::Timestamp;
use llm_sre_indexer::{Dependencies, Error, Indexer, Options, build};
use llm_sre_mesh::{Peer, peer};
use llm_sre_ports::bus::{Delivered, EventBus, Progress, Record, TopicPartition, TopicSpec};
use llm_sre_ports::clock::ManualClock;
use llm_sre_proto::otlp::Export;
use llm_sre_proto::telemetry::v1;
use llm_sre_proto::telemetry::v1::telemetry_service_client::TelemetryServiceClient;
use llm_sre_proto::topics;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use serde_json::{Value, json};
use store::MoodyStore;
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};

const PARTITIONS: u32 = 3;
const NOW_SECS: i64 = 1_700_000_000;

/// A world: bus, store, and any number of indexers that come and go.
struct World {
    bus: Arc<MoodyBus>,
    store: Arc<MoodyStore>,
    clock: Arc<ManualClock>,
}

/// An indexer that runs until it is stopped, or killed by dropping.
struct Running {
    stop: CancellationToken,
    task: JoinHandle<Result<(), Error>>,
    _guard: DropGuard,
}

impl Running {
    async fn stop(self) {
        self.stop.cancel();
        self.task.await.unwrap().unwrap();
    }

    /// Ends it at its next await, without a commit or a farewell.
    async fn kill(self) {
        self.task.abort();
        assert!(self.task.await.unwrap_err().is_cancelled());
    }
}

impl World {
    async fn new() -> Self {
        let bus = Arc::new(MoodyBus::default());
        for topic in topics::TELEMETRY {
            for (name, partitions) in [(topic.to_owned(), PARTITIONS), (topics::dead_letters(topic), 1)] {
                bus.create_topic(TopicSpec { name, partitions, retention: None }).await.unwrap();
            }
        }
        let clock = Arc::new(ManualClock::new(Timestamp::from_secs(NOW_SECS)));
        Self { bus, store: Arc::default(), clock }
    }

    fn indexer(&self, max_batch_records: usize) -> Indexer {
        let dependencies = Dependencies { bus: self.bus.clone(), store: self.store.clone(), clock: self.clock.clone() };
        let options = Options {
            max_batch_records,
            poll_wait: Duration::from_millis(20),
            min_backoff: Duration::from_millis(1),
            max_backoff: Duration::from_millis(10),
            ..Options::default()
        };
        build(options, dependencies)
    }

    fn start(&self) -> Running {
        self.start_with(Options::default().max_batch_records)
    }

    /// Starts an indexer whose polls bring at most so many records.
    fn start_with(&self, max_batch_records: usize) -> Running {
        let (indexer, stop) = (self.indexer(max_batch_records), CancellationToken::new());
        let task = tokio::spawn({
            let stop = stop.clone();
            async move { indexer.run(stop).await }
        });
        Running { task, _guard: stop.clone().drop_guard(), stop }
    }

    fn queries(&self) -> TelemetryServiceClient<Peer> {
        TelemetryServiceClient::new(peer::local(self.indexer(1).routes()))
    }

    async fn send_metrics(&self, request: Value) {
        self.send::<ExportMetricsServiceRequest>(request).await;
    }

    async fn send_logs(&self, request: Value) {
        self.send::<ExportLogsServiceRequest>(request).await;
    }

    async fn send_traces(&self, request: Value) {
        self.send::<ExportTraceServiceRequest>(request).await;
    }

    /// Publishes a request by service, as the gateway does.
    async fn send<E: Export + serde::de::DeserializeOwned>(&self, request: Value) {
        let request: E = serde_json::from_value(request).unwrap();
        for (service, part) in request.by_service() {
            self.publish(E::TOPIC, &service.to_string(), part.encode_to_vec()).await;
        }
    }

    /// Publishes as a Collector that writes to the bus itself.
    async fn publish(&self, topic: &str, key: &str, value: impl Into<bytes::Bytes>) {
        let key = Some(bytes::Bytes::copy_from_slice(key.as_bytes()));
        let record = Record { key, value: value.into(), ..Record::default() };
        self.bus.publish(topic, vec![record]).await.unwrap();
    }

    /// Waits until the group committed everything that was published.
    async fn until_caught_up(&self) {
        let caught_up = async {
            for topic in topics::TELEMETRY {
                for end in self.bus.end_offsets(topic).await.unwrap() {
                    while end.next_offset > 0 && !self.is_committed(&end).await {
                        tokio::task::yield_now().await;
                    }
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(20), caught_up).await.expect("the indexer catches up");
    }

    async fn is_committed(&self, end: &Progress) -> bool {
        let committed = self.bus.committed(llm_sre_indexer::GROUP, &end.of.topic).await.unwrap();
        committed.iter().any(|progress| progress.of == end.of && progress.next_offset >= end.next_offset)
    }

    async fn dead_letters(&self, topic: &str) -> Vec<Delivered> {
        let of = TopicPartition { topic: format!("{topic}.dlq"), partition: 0 };
        self.bus.read(&of, 0, 100).await.unwrap()
    }

    /// All lines of the log, newest first.
    async fn lines(&self) -> Vec<String> {
        let request = v1::SearchLogsRequest { range: Some(around_now()), page_size: 1000, ..Default::default() };
        let answer = self.queries().search_logs(request).await.unwrap().into_inner();
        answer.records.into_iter().map(|record| record.body).collect()
    }
}

/// Lets time pass that a test has paused.
async fn pass(duration: Duration) {
    drop(tokio::time::timeout(duration, std::future::pending::<()>()).await);
}

fn around_now() -> v1::TimeRange {
    let at = |seconds| Some(pbjson_types::Timestamp { seconds, nanos: 0 });
    v1::TimeRange { start_time: at(NOW_SECS - 3600), end_time: at(NOW_SECS + 3600) }
}

fn identity(name: &str) -> v1::ServiceIdentity {
    v1::ServiceIdentity { namespace: "shop".to_owned(), name: name.to_owned(), environment: String::new() }
}

fn resource(service: &str) -> Value {
    let attribute = |key: &str, value: &str| json!({"key": key, "value": {"stringValue": value}});
    json!({"attributes": [attribute("service.namespace", "shop"), attribute("service.name", service)]})
}

fn nanos(seconds_after_now: i64) -> String {
    format!("{}000000000", NOW_SECS + seconds_after_now)
}

fn logs(service: &str, lines: &[&str]) -> Value {
    let records: Vec<Value> = lines
        .iter()
        .enumerate()
        .map(|(index, line)| {
            json!({"timeUnixNano": nanos(index as i64), "severityNumber": 9, "body": {"stringValue": line}})
        })
        .collect();
    json!({"resourceLogs": [{"resource": resource(service), "scopeLogs": [{"logRecords": records}]}]})
}
