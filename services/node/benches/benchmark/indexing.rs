//! Kafka to OpenSearch: documents a second of the shipped indexer against raw bulk requests with the very bodies that it
//! sends, which are taken down first; and documents for a second of the node's processor.

use std::sync::{Arc, Mutex};
use std::time::Instant;

use axum::body::to_bytes;
use axum::extract::{Request, State};
use bytes::Bytes;
use llm_sre_adapters::opensearch::{Options as StoreOptions, Store};
use llm_sre_indexer::{Dependencies, GROUP, Options};
use llm_sre_ports::clock::ScaledClock;
use opensearch::OpenSearch as Client;
use opensearch::http::headers::HeaderMap;
use opensearch::http::{Method, transport::Transport};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::detecting::Filled;
use crate::parts::OpenSearch;
use crate::table::{Goal, Table, median};

const SERVICES: u64 = 40;
const INSTANCES: u64 = 5;
const STEPS: i64 = 12;
const ROUNDS: usize = 4;
/// The longest bulk request, as the adapter cuts them, and some room.
const BODY_BYTES_MAX: usize = 16 * 1024 * 1024;
/// What indices begin with while bodies are taken down; those that are measured have names as long.
const TAKEN_DOWN: &str = "seen0";

type Bodies = Arc<Mutex<Vec<Bytes>>>;

/// How a run went.
struct Run {
    documents_a_second: f64,
    documents_a_cpu_s: f64,
}

struct Node {
    client: Client,
    url: String,
}

impl Node {
    async fn ask(&self, method: Method, path: &str, body: Bytes) -> Value {
        let answer = self.client.send(method, path, HeaderMap::new(), None::<&()>, Some(body), None).await.unwrap();
        answer.json().await.unwrap()
    }

    /// Seconds of processor that the node has had.
    async fn cpu_s(&self) -> f64 {
        let stats = self.ask(Method::Get, "_nodes/stats/process", Bytes::new()).await;
        let nodes = stats["nodes"].as_object().into_iter().flatten();
        nodes.filter_map(|(_, node)| node["process"]["cpu"]["total_in_millis"].as_f64()).sum::<f64>() / 1_000.0
    }

    async fn count(&self, prefix: &str) -> u64 {
        self.ask(Method::Post, &format!("{prefix}-points-*/_refresh"), Bytes::new()).await;
        let counted = self.ask(Method::Get, &format!("{prefix}-points-*/_count"), Bytes::new()).await;
        counted["count"].as_u64().unwrap_or_default()
    }

    /// Runs the indexer over the whole topic into indices of this prefix.
    async fn indexer(&self, filled: &Filled, prefix: &str) -> Run {
        let store = Store::open(StoreOptions::new(&self.url, prefix)).await.unwrap();
        filled.forget(GROUP).await;
        let (began, cpu_before) = (Instant::now(), self.cpu_s().await);
        index(filled, &store).await;
        let elapsed = began.elapsed().as_secs_f64();
        self.run(filled, prefix, elapsed, cpu_before).await
    }

    async fn raw(&self, filled: &Filled, prefix: &str, bodies: &[Bytes]) -> Run {
        Store::open(StoreOptions::new(&self.url, prefix)).await.unwrap();
        let bodies: Vec<Bytes> = bodies.iter().map(|body| renamed(body, prefix)).collect();
        let (began, cpu_before) = (Instant::now(), self.cpu_s().await);
        for body in bodies {
            let answer = self.ask(Method::Post, "_bulk?filter_path=errors", body).await;
            assert_eq!(answer["errors"], false, "{answer}");
        }
        let elapsed = began.elapsed().as_secs_f64();
        self.run(filled, prefix, elapsed, cpu_before).await
    }

    async fn run(&self, filled: &Filled, prefix: &str, elapsed: f64, cpu_before: f64) -> Run {
        let cpu = self.cpu_s().await - cpu_before;
        assert_eq!(self.count(prefix).await, filled.points(), "all of it is there, once");
        self.ask(Method::Delete, &format!("{prefix}-points-*"), Bytes::new()).await;
        let documents = filled.points() as f64;
        Run { documents_a_second: documents / elapsed, documents_a_cpu_s: documents / cpu }
    }
}

/// Runs the shipped indexer until it has committed everything.
async fn index(filled: &Filled, store: &Store) {
    let dependencies = Dependencies {
        bus: filled.bus.clone(),
        store: Arc::new(store.telemetry()),
        clock: Arc::new(ScaledClock::real()),
    };
    let indexer = llm_sre_indexer::build(Options::default(), dependencies);
    let stop = CancellationToken::new();
    let token = stop.clone();
    let running = tokio::spawn(async move { Box::pin(indexer.run(token)).await });
    filled.until_committed(GROUP).await;
    stop.cancel();
    running.await.unwrap().unwrap();
}

/// The bodies of the bulk requests that the indexer sends for the topic: to a server that agrees to everything.
async fn bodies(filled: &Filled) -> Vec<Bytes> {
    let bodies = Bodies::default();
    let take = |State(bodies): State<Bodies>, request: Request| async move {
        let is_bulk = request.uri().path() == "/_bulk";
        let body = to_bytes(request.into_body(), BODY_BYTES_MAX).await.unwrap();
        if is_bulk {
            bodies.lock().unwrap().push(body);
        }
        axum::Json(serde_json::json!({"errors": false}))
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let router = axum::Router::new().fallback(take).with_state(bodies.clone());
    let router = router.layer(axum::extract::DefaultBodyLimit::disable());
    let serving = tokio::spawn(async move { axum::serve(listener, router).await });
    let store = Store::open(StoreOptions::new(&url, TAKEN_DOWN)).await.unwrap();
    filled.forget(GROUP).await;
    index(filled, &store).await;
    serving.abort();
    let taken = std::mem::take(&mut *bodies.lock().unwrap());
    assert!(!taken.is_empty());
    taken
}

/// The same body for indices of another prefix.
fn renamed(body: &Bytes, prefix: &str) -> Bytes {
    assert_eq!(prefix.len(), TAKEN_DOWN.len());
    let (from, to) = (format!("\"_index\":\"{TAKEN_DOWN}-"), format!("\"_index\":\"{prefix}-"));
    let text = std::str::from_utf8(body).unwrap().replace(&from, &to);
    Bytes::from(text)
}

pub(crate) async fn measure(table: &mut Table) {
    let Some(opensearch) = OpenSearch::start("benchmark") else { return };
    let Some(filled) = Filled::new(SERVICES, INSTANCES, STEPS).await else { return };
    let bodies = bodies(&filled).await;
    let url = opensearch.url();
    let node = Node { client: Client::new(Transport::single_node(&url).unwrap()), url };
    let (mut shipped, mut raw) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        shipped.push(node.indexer(&filled, &format!("ship{round}")).await);
        raw.push(node.raw(&filled, &format!("bulk{round}"), &bodies).await);
    }
    table.note(format!(
        "indexing: {}; {} bulk bodies; the first of {ROUNDS} rounds left out",
        filled.about(),
        bodies.len()
    ));
    // In the first round the node compiles its code.
    let of = |runs: &[Run], figure: fn(&Run) -> f64| runs.iter().skip(1).map(figure).collect::<Vec<f64>>();
    let (ours, theirs) = (of(&shipped, |run| run.documents_a_second), of(&raw, |run| run.documents_a_second));
    let ratios: Vec<f64> = ours.iter().zip(&theirs).map(|(ours, theirs)| ours / theirs).collect();
    let beside = format!("raw bulk {:.0}", median(&theirs));
    table.add("Kafka to OpenSearch, documents/s", median(&ours), &beside, Goal::None);
    table.add("  of raw bulk", median(&ratios), "median of pairs", Goal::AtLeast(0.85));
    let (ours, theirs) = (of(&shipped, |run| run.documents_a_cpu_s), of(&raw, |run| run.documents_a_cpu_s));
    let beside = format!("raw bulk {:.0}", median(&theirs));
    table.add("documents for a CPU s of the node", median(&ours), &beside, Goal::AtLeast(50_000.0));
}
