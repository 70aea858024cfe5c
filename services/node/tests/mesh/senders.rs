//! Telemetry from senders that are not ours: what they send is accepted, kept, and found again.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use llm_sre_proto::telemetry::v1::{ListServiceCallsRequest, Point, SearchLogsRequest, ServiceIdentity};

use crate::client::{Client, lately, named};
use crate::parts::{self, Collector};
use crate::process::{Process, port};

const SOON: Duration = Duration::from_secs(30);
/// What telemetry has that does not say whom it is from, as OpenTelemetry's conventions name it.
const NOBODY: &str = "unknown_service";
const ALL: [&str; 3] = ["metrics", "logs", "traces"];

struct Generator {
    program: PathBuf,
    endpoint: String,
}

impl Generator {
    /// Sends as a service, and fails where one export fails.
    fn send(&self, signal: &str, service: &str, arguments: &[&str]) {
        let mut command = Command::new(&self.program);
        command.args([signal, "--otlp-insecure", "--otlp-endpoint", &self.endpoint, "--service", service]);
        let output = command.args(arguments).output().unwrap();
        assert!(output.status.success(), "telemetrygen {signal}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

/// How many log records a search finds, over all its pages.
pub(crate) fn found(client: &Client, query: &str, service: &str) -> usize {
    let mut request = SearchLogsRequest {
        range: Some(lately()),
        query: query.to_owned(),
        service: Some(named(service)),
        page_size: 500,
        ..SearchLogsRequest::default()
    };
    let mut count = 0;
    loop {
        let page = client.ask(client.telemetry().search_logs(request.clone())).unwrap();
        count += page.records.len();
        request.page_token = page.next_page_token;
        if request.page_token.is_empty() {
            return count;
        }
    }
}

/// The points of a metric of a service, over all its series.
fn points(client: &Client, service: &ServiceIdentity, metric: &str) -> Vec<Point> {
    client.series(service, metric).series.into_iter().flat_map(|series| series.points).collect()
}

/// How many calls from the first to the second were seen.
fn calls(client: &Client, from: &str, to: &str) -> f64 {
    let request = ListServiceCallsRequest { range: Some(lately()), page_size: 1_000 };
    let seen = client.ask(client.telemetry().list_service_calls(request)).unwrap().calls;
    let is_it = |service: &Option<ServiceIdentity>, name: &str| service.as_ref().is_some_and(|it| it.name == name);
    seen.iter().filter(|call| is_it(&call.client, from) && is_it(&call.server, to)).map(|call| call.call_count).sum()
}

#[test]
fn a_collector_with_host_metrics_is_understood() {
    const TEST: &str = "a_collector_with_host_metrics_is_understood";
    let mut node = Process::run("");
    let sinks = (port(&node.otlp_grpc()), port(&node.otlp_http()));
    let (Some(program), Some(over_grpc), Some(protobuf), Some(json)) = (
        parts::find(TEST, "telemetrygen"),
        Collector::start(TEST, sinks.0, &ALL),
        Collector::start_over_http(TEST, sinks.1, "proto", &ALL),
        Collector::start_over_http(TEST, sinks.1, "json", &ALL),
    ) else {
        return;
    };
    let client = Client::new(&node.control());
    let host = named(NOBODY);
    // Each Collector reads the machine every second; more than one reading is more than what one sent.
    node.wait_until("host metrics", SOON, |_| points(&client, &host, "system.cpu.load_average.1m").len() > 3);
    let service = client.services().into_iter().find(|seen| seen.identity.as_ref() == Some(&host)).unwrap();
    for metric in ["system.cpu.time", "system.memory.usage", "system.network.io"] {
        assert!(service.metrics.iter().any(|seen| seen == metric), "{metric} in {:?}", service.metrics);
    }
    let memory = client.series(&host, "system.memory.usage").series;
    let used =
        memory.iter().find(|series| series.attributes.get("state").is_some_and(|state| state == "used")).unwrap();
    assert!(used.unit == "By" && used.points.iter().all(|point| point.value > 0.0), "{used:?}");

    for (collector, name) in [(&over_grpc, "by-grpc"), (&protobuf, "by-protobuf"), (&json, "by-json")] {
        let generator =
            Generator { program: program.clone(), endpoint: format!("127.0.0.1:{}", collector.otlp_grpc_port) };
        generator.send("logs", name, &["--logs=120", "--rate=0", "--body=the till is jammed"]);
        generator.send("metrics", name, &["--metrics=7", "--rate=0", "--otlp-metric-name=made"]);
        generator.send("traces", name, &["--traces=9", "--rate=0"]);
        node.wait_until(name, SOON, |_| {
            found(&client, "jammed", name) == 120
                && points(&client, &named(name), "made").len() == 7
                && calls(&client, name, "telemetrygen-server") == 9.0
        });
    }
    assert!(client.all_incidents().is_empty(), "a calm machine has no incident: {:#?}", client.all_incidents());
    assert!(node.terminate().success(), "{}", node.err());
    assert!(!node.err().contains("ERROR"), "{}", node.err());
}

#[test]
fn generators_at_several_rates_lose_nothing() {
    const TEST: &str = "generators_at_several_rates_lose_nothing";
    let Some(program) = parts::find(TEST, "telemetrygen") else { return };
    let mut node = Process::run("");
    let client = Client::new(&node.control());
    let over_grpc = Generator { program: program.clone(), endpoint: node.otlp_grpc() };
    let over_http = Generator { program, endpoint: node.otlp_http() };
    // Records a second, and how many: a trickle, a stream, and as fast as it goes.
    for (rate, count) in [(20, 20), (500, 500), (0, 5_000)] {
        let (name, count_text) = (format!("logs-at-{rate}"), format!("--logs={count}"));
        over_grpc.send("logs", &name, &[&count_text, &format!("--rate={rate}")]);
        node.wait_until(&name, SOON, |_| found(&client, "", &name) == count);
        let (name, traces) = (format!("traces-at-{rate}"), count / 5);
        let (count_text, rate) = (format!("--traces={traces}"), format!("--rate={rate}"));
        over_http.send("traces", &name, &["--otlp-http", &count_text, &rate]);
        let expected = f64::from(u32::try_from(traces).unwrap());
        node.wait_until(&name, SOON, |_| (calls(&client, &name, "telemetrygen-server") - expected).abs() < 0.5);
    }
    for kind in ["Gauge", "Sum", "Histogram", "ExponentialHistogram"] {
        for temporality in ["cumulative", "delta"] {
            let name = format!("{kind}-{temporality}");
            let kind = format!("--metric-type={kind}");
            let temporality = format!("--aggregation-temporality={temporality}");
            let arguments = ["--metrics=50", "--rate=0", "--otlp-metric-name=made", &kind, &temporality];
            over_grpc.send("metrics", &name, &arguments);
            // The first of a counter that goes on counting is only where it begins.
            node.wait_until(&name, SOON, |_| points(&client, &named(&name), "made").len() >= 49);
        }
    }
    assert!(node.terminate().success(), "{}", node.err());
    assert!(!node.err().contains("ERROR"), "{}", node.err());
}
