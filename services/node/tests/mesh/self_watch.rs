//! What the product tells of itself: to a receiver of OTLP, and by the health of its services.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use llm_sre_mesh::metrics::DECLARED;
use opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_server::{
    MetricsService, MetricsServiceServer,
};
use opentelemetry_proto::tonic::collector::metrics::v1::{ExportMetricsServiceRequest, ExportMetricsServiceResponse};
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value::Value};
use opentelemetry_proto::tonic::metrics::v1::{Metric, metric::Data, number_data_point::Value as Number};
use tokio::runtime::Runtime;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, Status};

use crate::process::{self, Process, run};

/// What is measured only of a language model, and here is none.
const OF_A_MODEL: &str = "gen_ai.";
const SOON: Duration = Duration::from_secs(40);
/// What only comes with trouble that this test does not make.
const ONLY_IN_TROUBLE: [&str; 4] =
    ["llm_sre.consumer.missed", "llm_sre.store.append.failures", "llm_sre.detector.findings", "llm_sre.actions"];

type Attributes = BTreeMap<String, String>;

/// What came in the newest export of each process, by its services.
#[derive(Clone, Debug, Default)]
struct Received(Arc<Mutex<BTreeMap<String, Vec<Metric>>>>);

#[tonic::async_trait]
impl MetricsService for Received {
    async fn export(
        &self,
        request: Request<ExportMetricsServiceRequest>,
    ) -> Result<Response<ExportMetricsServiceResponse>, Status> {
        for resource in request.into_inner().resource_metrics {
            let from = attributes(&resource.resource.unwrap_or_default().attributes);
            let metrics = resource.scope_metrics.into_iter().flat_map(|scope| scope.metrics).collect();
            self.0.lock().unwrap().insert(from["service.name"].clone(), metrics);
        }
        Ok(Response::new(ExportMetricsServiceResponse::default()))
    }
}

fn attributes(pairs: &[KeyValue]) -> Attributes {
    let text = |pair: &KeyValue| match pair.value.as_ref().and_then(|value| value.value.as_ref()) {
        Some(Value::StringValue(text)) => text.clone(),
        other => format!("{other:?}"),
    };
    pairs.iter().map(|pair| (pair.key.clone(), text(pair))).collect()
}

/// Attributes and values; of a histogram, how often it was measured.
fn points(metric: &Metric) -> Vec<(Attributes, f64)> {
    let number = |value: &Option<Number>| match value {
        Some(Number::AsDouble(value)) => *value,
        Some(Number::AsInt(value)) => *value as f64,
        None => f64::NAN,
    };
    let numbers = match &metric.data {
        Some(Data::Gauge(gauge)) => &gauge.data_points,
        Some(Data::Sum(sum)) => &sum.data_points,
        Some(Data::Histogram(histogram)) => {
            let point = |point: &opentelemetry_proto::tonic::metrics::v1::HistogramDataPoint| {
                (attributes(&point.attributes), point.count as f64)
            };
            return histogram.data_points.iter().map(point).collect();
        }
        other => panic!("{} is {other:?}", metric.name),
    };
    numbers.iter().map(|point| (attributes(&point.attributes), number(&point.value))).collect()
}

impl Received {
    /// Serves on a port of its own, for as long as the runtime lives.
    fn serve(&self, runtime: &Runtime) -> u16 {
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = tonic::transport::Server::builder().add_service(MetricsServiceServer::new(self.clone()));
        runtime.spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
        port
    }

    /// The points of a metric of some services' process that have these attributes.
    fn values(&self, services: &str, name: &str, wanted: &[(&str, &str)]) -> Vec<f64> {
        let received = self.0.lock().unwrap();
        let metrics = received.get(&format!("llm-sre-{services}")).into_iter().flatten();
        let found = metrics.filter(|metric| metric.name == name).flat_map(points);
        let is_wanted = |of: &Attributes| wanted.iter().all(|(key, value)| of.get(*key).is_some_and(|it| it == value));
        found.filter(|(attributes, _)| is_wanted(attributes)).map(|(_, value)| value).collect()
    }

    fn sum(&self, services: &str, name: &str, wanted: &[(&str, &str)]) -> f64 {
        self.values(services, name, wanted).into_iter().sum()
    }

    fn names(&self) -> BTreeSet<String> {
        self.0.lock().unwrap().values().flatten().map(|metric| metric.name.clone()).collect()
    }

    /// Every instrument that was told is as it was declared.
    fn check(&self) {
        for metric in self.0.lock().unwrap().values().flatten() {
            let declared = DECLARED.iter().find(|declared| declared.name == metric.name);
            let declared = declared.unwrap_or_else(|| panic!("{} is not declared", metric.name));
            assert_eq!(metric.unit, declared.unit, "{}", metric.name);
            for (attributes, _) in points(metric) {
                let is_known = |name: &String| declared.attributes.contains(&name.as_str());
                assert!(attributes.keys().all(is_known), "{}: {attributes:?}", metric.name);
            }
        }
    }
}

/// A batch of one good point and one without a time, over HTTP.
fn send(address: &str, value: f64) {
    let nanos = crate::client::now().as_nanos().to_string();
    let body = serde_json::json!({"resourceMetrics": [{
        "resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "till"}}]},
        "scopeMetrics": [{"metrics": [{"name": "queue.size", "gauge": {"dataPoints": [
            {"timeUnixNano": nanos, "asDouble": value}, {"timeUnixNano": nanos}
        ]}}]}]
    }]});
    let headers = [("content-type", "application/json")];
    let answer = crate::by_grpc_web::post(address, "/v1/metrics", &headers, body.to_string().as_bytes());
    assert!(answer.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&answer));
}

/// What stands is told as soon as it is ordered.
fn holds_are_told(received: &Received, process: &mut Process, services: &str, control: &str) {
    let holds = |hold: &str| received.values(services, "llm_sre.holds", &[("llm_sre.hold", hold)]);
    assert_eq!((holds("kill_switch"), holds("freeze")), (vec![0.0], vec![0.0]));
    // Windows are ordered elsewhere, and told with the next of the others.
    let window = ["maintenance", "add", "vault@nowhere", "--for", "1h"];
    for order in [&window[..], &["kill-switch", "engage"], &["freeze", "add", "*@*", "--for", "1h"]] {
        let ordered = run(&[order, &["--address", control]].concat());
        assert!(ordered.status.success(), "{}", String::from_utf8_lossy(&ordered.stderr));
    }
    let all = ["kill_switch", "freeze", "maintenance"];
    process.wait_until("all holds", SOON, |_| all.into_iter().all(|hold| holds(hold) == [1.0]));
}

#[test]
fn metrics_tell_of_lag_of_losses_and_of_whatever_is_declared() {
    let runtime = Runtime::new().unwrap();
    let received = Received::default();
    let port = received.serve(&runtime);
    let folder = tempfile::Builder::new().prefix("self-watch-").tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let config = format!("[metrics]\notlp_endpoint = \"http://127.0.0.1:{port}\"\ninterval_s = 1\n");
    let config = process::write(folder.path(), "llm-sre.toml", &config);
    let config = config.to_str().unwrap();
    let start = |services: &str| Process::start(&["run", "--config", config, "--services", services]);

    let mut gateway = start("gateway");
    let otlp = gateway.otlp_http();
    for value in 1..=3 {
        send(&otlp, f64::from(value));
    }
    let lag = |group: &str| {
        let of = [("messaging.consumer.group.name", group), ("messaging.destination.name", "metrics")];
        received.sum("gateway", "llm_sre.consumer.lag", &of)
    };
    gateway.wait_until("lag without an indexer", SOON, |_| lag("indexer") == 3.0 && lag("detector") == 3.0);
    let items = |outcome: &str| {
        let of = [("llm_sre.source", "till"), ("llm_sre.signal", "metrics"), ("llm_sre.outcome", outcome)];
        received.sum("gateway", "llm_sre.gateway.items", &of)
    };
    assert_eq!((items("accepted"), items("rejected")), (3.0, 3.0));
    let dead = [("messaging.destination.name", "metrics.dlq")];
    assert_eq!(received.sum("gateway", "llm_sre.dead_letters", &dead), 3.0);
    let waiting = || received.sum("gateway", "llm_sre.dead_letters.waiting", &dead);
    gateway.wait_until("dead letters", SOON, |_| waiting() == 3.0);

    let mut rest = start("indexer,detector,diagnosis,remediation");
    let control = rest.control();
    rest.wait_until("the lag to go", SOON, |_| lag("indexer") == 0.0 && lag("detector") == 0.0);
    let reported = run(&["incidents", "open", "till", "it is jammed", "--address", &control]);
    assert!(reported.status.success(), "{}", String::from_utf8_lossy(&reported.stderr));
    let expected: BTreeSet<String> = DECLARED
        .iter()
        .map(|declared| declared.name.to_owned())
        .filter(|name| !ONLY_IN_TROUBLE.contains(&&**name) && !name.starts_with(OF_A_MODEL))
        .collect();
    rest.wait_until("every metric", SOON, |_| received.names().is_superset(&expected));
    received.check();
    let services = "indexer-detector-diagnosis-remediation";
    holds_are_told(&received, &mut rest, services, &control);
    assert_eq!(received.sum(services, "llm_sre.lease.held", &[("llm_sre.lease", "detector")]), 1.0);
    assert_eq!(received.sum(services, "llm_sre.indexer.items", &[("llm_sre.kind", "point")]), 3.0);
    let age = received.values(services, "llm_sre.source.age", &[("llm_sre.source", "till")]);
    assert!(matches!(age[..], [age] if (0.0..600.0).contains(&age)), "{age:?}");
    rest.wait_until("the incident", SOON, |_| received.sum(services, "llm_sre.incidents", &[]) == 1.0);

    let replayed = process::llm_sre(folder.path()).args(["--config", config, "dlq", "replay", "--limit", "2"]).output();
    assert!(replayed.unwrap().status.success());
    // What is replayed fails again, and so comes back once.
    let again = [dead[0], ("llm_sre.rejected_by", "indexer")];
    rest.wait_until("letters to come back", SOON, |_| received.sum(services, "llm_sre.dead_letters", &again) == 2.0);
    gateway.wait_until("them among those that wait", SOON, |_| waiting() == 3.0);
    assert!(rest.terminate().success(), "{}", rest.err());
    assert!(gateway.terminate().success(), "{}", gateway.err());
    drop(runtime);
}
