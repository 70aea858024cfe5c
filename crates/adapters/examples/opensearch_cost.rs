//! What telemetry costs in OpenSearch, and what points cost with the mapping that OpenSearch guesses:
//! `cargo run --release -p llm-sre-adapters --example opensearch_cost -- http://localhost:9200`.
//!
//! Prints bytes a document after a merge, and documents for each second of the node's processor. The indices begin with
//! `cost`, and stay.

use std::time::Instant;

use llm_sre_adapters::opensearch::{Options, Store};
use llm_sre_domain::telemetry::{LogRecord, LogSeverity, MetricPoint, Origin, PointValue};
use llm_sre_domain::{ServiceId, Timestamp};
use llm_sre_ports::telemetry::{Batch, RecordId, TelemetryStore};
use opensearch::OpenSearch;
use opensearch::http::headers::HeaderMap;
use opensearch::http::{Method, transport::Transport};
use serde_json::{Value, json};

type Failure = Box<dyn std::error::Error>;

const BATCHES: u64 = 60;
const BATCH: u64 = 5_000;
const ROUNDS: u64 = 3;
const SERIES: u64 = 2_000;
const DAY: &str = "2026.01.31";
const START_S: i64 = 1_769_817_600;

/// A node, asked directly.
struct Node(OpenSearch);

impl Node {
    async fn ask(&self, method: Method, path: &str, body: String) -> Result<Value, Failure> {
        let answer = self.0.send(method, path, HeaderMap::new(), None::<&()>, Some(body), None).await?;
        Ok(answer.json().await?)
    }

    /// Seconds of processor that the node has had.
    async fn cpu_s(&self) -> Result<f64, Failure> {
        let stats = self.ask(Method::Get, "_nodes/stats/process", String::new()).await?;
        let nodes = stats["nodes"].as_object().into_iter().flatten();
        Ok(nodes.filter_map(|(_, node)| node["process"]["cpu"]["total_in_millis"].as_f64()).sum::<f64>() / 1_000.0)
    }

    /// Bytes after all is merged. The statistics of indices would be ten seconds old.
    async fn bytes_of_a_document(&self, index: &str) -> Result<f64, Failure> {
        self.ask(Method::Post, &format!("{index}/_forcemerge?max_num_segments=1&flush=true"), String::new()).await?;
        self.ask(Method::Post, &format!("{index}/_refresh"), String::new()).await?;
        let segments =
            self.ask(Method::Get, &format!("_cat/segments/{index}?format=json&bytes=b"), String::new()).await?;
        let sum = |field: &str| {
            let numbers = segments.as_array().into_iter().flatten().filter_map(|segment| segment[field].as_str());
            numbers.filter_map(|number| number.parse::<f64>().ok()).sum::<f64>()
        };
        Ok(sum("size") / sum("docs.count"))
    }
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let url = std::env::args().nth(1).ok_or("the address of a node is missing")?;
    let node = Node(OpenSearch::new(Transport::single_node(&url)?));
    for index in ["cost-*", "costdynamic"] {
        node.ask(Method::Delete, index, String::new()).await?;
    }
    let store = Store::open(Options::new(&url, "cost")).await?;
    // In the first round the node compiles its code.
    for round in 0..ROUNDS {
        for kind in ["points", "logs", "dynamic"] {
            let (started, cpu) = (Instant::now(), node.cpu_s().await?);
            for batch in round * BATCHES..(round + 1) * BATCHES {
                match kind {
                    "points" => store.telemetry().append(points(batch)).await?,
                    "logs" => store.telemetry().append(logs(batch)).await?,
                    _ => drop(node.ask(Method::Post, "_bulk?filter_path=errors", dynamic(batch)).await?),
                }
            }
            let (elapsed, cpu) = (started.elapsed(), node.cpu_s().await? - cpu);
            let index = if kind == "dynamic" { "costdynamic".to_owned() } else { format!("cost-{kind}-{DAY}") };
            let bytes = node.bytes_of_a_document(&index).await?;
            let sent = (BATCHES * BATCH) as f64;
            println!(
                "round {round}, {kind:<8} {sent:>7} in {:>5.1} s, {:>6.0} for a CPU second of the node, {bytes:>5.1} bytes each",
                elapsed.as_secs_f64(),
                sent / cpu,
            );
        }
    }
    Ok(())
}

fn time(batch: u64, index: u64) -> Timestamp {
    // A point of each series every ten seconds.
    let number = (batch * BATCH + index) as i64;
    Timestamp::from_nanos((START_S + number / SERIES as i64 * 10) * 1_000_000_000 + number * 1_013 % 1_000_000_000)
}

fn value(batch: u64, index: u64) -> f64 {
    0.05 + ((batch * 7_919 + index * 104_729) % 100_003) as f64 / 1e6
}

fn point(batch: u64, index: u64) -> MetricPoint {
    let series = index % SERIES;
    MetricPoint {
        service: ServiceId::new("shop", &format!("service-{}", series % 20), "production"),
        origin: Origin { instance: format!("pod-{}", series % 7).into(), version: "1.2.3".into() },
        metric: "http.server.request.duration".into(),
        unit: "s".into(),
        attributes: [("http.route".into(), format!("/route/{series}").into()), ("method".into(), "GET".into())].into(),
        time: time(batch, index),
        start: None,
        value: PointValue::Gauge(value(batch, index)),
    }
}

fn id(batch: u64, index: u64) -> RecordId {
    RecordId { topic: 1, partition: 0, offset: batch, index: index as u32 }
}

fn points(batch: u64) -> Batch {
    Batch { points: (0..BATCH).map(|index| (id(batch, index), point(batch, index))).collect(), ..Batch::default() }
}

fn logs(batch: u64) -> Batch {
    let log = |index: u64| LogRecord {
        service: ServiceId::new("shop", &format!("service-{}", index % 20), "production"),
        origin: Origin { instance: "pod-1".into(), version: "1.2.3".into() },
        time: time(batch, index),
        severity: LogSeverity::Info,
        body: format!("GET /route/{index} for user {batch}{index} took {} ms, status 200, cache miss", index % 90),
        event_name: "".into(),
        attributes: [("thread".into(), "worker-1".into())].into(),
        trace_id: Some(u128::from(index).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835).to_be_bytes()),
        span_id: None,
    };
    Batch { logs: (0..BATCH).map(|index| (id(batch, index), log(index))).collect(), ..Batch::default() }
}

/// The same points with readable fields, for OpenSearch to guess what they are.
fn dynamic(batch: u64) -> String {
    let line = |index: u64| {
        let MetricPoint { service, origin, metric, unit, attributes, time, .. } = point(batch, index);
        let attributes: Value = attributes.iter().map(|(key, value)| (key.to_string(), json!(value))).collect();
        let row = json!({
            "@timestamp": time.as_nanos() / 1_000_000, "service": service, "instance": origin.instance,
            "version": origin.version, "metric": metric, "unit": unit, "attributes": attributes,
            "value": value(batch, index),
        });
        format!("{{\"create\":{{\"_index\":\"costdynamic\",\"_id\":\"{batch}-{index}\"}}}}\n{row}\n")
    };
    (0..BATCH).map(line).collect()
}
