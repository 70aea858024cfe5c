//! The gateway in process: OTLP in over gRPC and HTTP, records on the bus out.

#![allow(clippy::unwrap_used, clippy::expect_used)] // Helpers of tests, which clippy.toml does not see as such.

mod bus;
mod over_grpc;
mod over_http;

use std::sync::Arc;

use bytes::Bytes;
use llm_sre_domain::Timestamp;
use llm_sre_gateway::{Dependencies, Gateway, Options, build, topic_specs};
use llm_sre_ports::bus::{Delivered, EventBus, TopicPartition};
use llm_sre_ports::clock::ManualClock;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message;
use serde_json::{Value, json};

const PARTITIONS: u32 = 4;
const NOW: Timestamp = Timestamp::from_secs(1_700_000_000);

struct Fixture {
    bus: Arc<bus::MoodyBus>,
    gateway: Gateway,
}

impl Fixture {
    async fn new(options: Options) -> Self {
        let bus = Arc::new(bus::MoodyBus::default());
        for spec in topic_specs(PARTITIONS, std::time::Duration::from_secs(3600)) {
            bus.create_topic(spec).await.unwrap();
        }
        let clock = Arc::new(ManualClock::new(NOW));
        let gateway = build(options, Dependencies { bus: bus.clone(), clock });
        Self { bus, gateway }
    }

    /// All records of a topic, by partition and offset.
    async fn records(&self, topic: &str) -> Vec<Delivered> {
        let mut records = Vec::new();
        for progress in self.bus.end_offsets(topic).await.unwrap() {
            let of = TopicPartition { topic: topic.to_owned(), partition: progress.of.partition };
            records.extend(self.bus.read(&of, 0, 10_000).await.unwrap());
        }
        records
    }
}

fn resource(service: &str) -> Value {
    json!({"attributes": [{"key": "service.name", "value": {"stringValue": service}}]})
}

/// A gauge of each service; one of them has a second point that has no time.
fn metrics() -> Value {
    let point = json!({"timeUnixNano": "1700000000000000000", "asDouble": 1.5});
    let metric = |points: Value| json!([{"metrics": [{"name": "m", "gauge": {"dataPoints": points}}]}]);
    json!({"resourceMetrics": [
        {"resource": resource("cart"), "scopeMetrics": metric(json!([point, {"asDouble": 2.5}]))},
        {"resource": resource("web"), "scopeMetrics": metric(json!([point]))},
        {"resource": resource("cart"), "scopeMetrics": metric(json!([point]))}]})
}

fn logs(count: usize) -> ExportLogsServiceRequest {
    let records: Vec<Value> =
        (0..count).map(|index| json!({"body": {"stringValue": format!("line {index}")}})).collect();
    parse(json!({"resourceLogs": [{"resource": resource("cart"), "scopeLogs": [{"logRecords": records}]}]}))
}

fn traces() -> ExportTraceServiceRequest {
    let span = json!({"traceId": "0102030405060708090a0b0c0d0e0f10", "spanId": "0102030405060708",
        "startTimeUnixNano": "1", "endTimeUnixNano": "2"});
    parse(json!({"resourceSpans": [{"resource": resource("cart"), "scopeSpans": [{"spans": [span]}]}]}))
}

fn parse<T: serde::de::DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).unwrap()
}

/// What both ways in must leave on the bus for [`metrics`].
async fn assert_metrics_arrived(fixture: &Fixture) {
    let mut points = Vec::new();
    for Delivered { record, .. } in fixture.records("metrics").await {
        let request = ExportMetricsServiceRequest::decode(record.value.clone()).unwrap();
        let converted = llm_sre_proto::otlp::metrics(&request);
        assert!(converted.rejected.is_empty());
        let name = &converted.items[0].service.name;
        assert_eq!(record.key, Some(Bytes::from(format!("\0{name}\0"))));
        points.push((name.to_string(), converted.items.len()));
    }
    points.sort();
    assert_eq!(points, [("cart".to_owned(), 2), ("web".to_owned(), 1)]);

    let dead = fixture.records("metrics.dlq").await;
    let [dead] = dead.as_slice() else { panic!("not one dead letter: {dead:?}") };
    assert_eq!(dead.record.header("llmsre-reason"), Some("time is missing"));
    assert_eq!(dead.record.header("llmsre-source-topic"), Some("metrics"));
    let request = ExportMetricsServiceRequest::decode(dead.record.value.clone()).unwrap();
    assert_eq!(llm_sre_proto::otlp::check_metrics(&request).len(), 1);
}
