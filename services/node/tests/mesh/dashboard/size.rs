//! How soon the page is there, and how it stays, with as much behind it as a company has.

use std::ffi::OsStr;
use std::time::Duration;

use llm_sre_mesh::Peer;
use llm_sre_proto::incident::v1::{ReportIncidentRequest, ResolutionReason, ResolveIncidentRequest};
use llm_sre_proto::telemetry::v1::ServiceIdentity;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_client::MetricsServiceClient;

use super::Story;
use crate::client::{self, Client};
use crate::parts;
use crate::process::{self, Process};

const SERVICES: u32 = 50;
/// Seconds from point to point, as Collectors report.
const EVERY_S: u64 = 60;
/// The series whose points are a second apart, so that a day has 86,400 of them and 28 hours 100,000.
const DENSE: &str = "dense.gauge";
const DENSE_REQUEST: u64 = 2_000;
const READ_WITHIN: Duration = Duration::from_secs(300);

/// How much there is: a sample, or all with `LLM_SRE_DASHBOARD_SIZE=full`.
struct Size {
    hours: u64,
    incidents: u32,
    dense: u64,
    /// How soon the first view has to be there, where this machine has nothing else to do.
    first_view_ms: u64,
}

impl Size {
    fn asked() -> Self {
        // The sample runs beside other tests, in a debug build: it holds to what nobody could miss.
        match std::env::var_os("LLM_SRE_DASHBOARD_SIZE").as_deref().and_then(OsStr::to_str) {
            Some("full") => Self { hours: 24, incidents: 1_000, dense: 100_000, first_view_ms: 1_000 },
            _ => Self { hours: 1, incidents: 40, dense: 6_000, first_view_ms: 10_000 },
        }
    }
}

fn service_name(number: u32) -> String {
    format!("service-{number:02}")
}

fn identity(number: u32) -> ServiceIdentity {
    let (namespace, environment) = ("size".to_owned(), "test".to_owned());
    ServiceIdentity { namespace, name: service_name(number), environment }
}

/// Metrics of one service as a sender reports them. Numbers of 64 bits are text in OTLP's JSON.
fn request(service: &str, instance: u32, metrics: serde_json::Value) -> ExportMetricsServiceRequest {
    let text = |key: &str, value: &str| serde_json::json!({"key": key, "value": {"stringValue": value}});
    let attributes = [
        text("service.namespace", "size"),
        text("service.name", service),
        text("deployment.environment.name", "test"),
        text("service.instance.id", &format!("{service}-{instance}")),
    ];
    let request = serde_json::json!({"resourceMetrics": [{
        "resource": {"attributes": attributes},
        "scopeMetrics": [{"scope": {}, "metrics": metrics}],
    }]});
    serde_json::from_value(request).unwrap()
}

/// An hour of a process: how full two resources are, and how long its requests take.
fn hour(service: &str, instance: u32, start_s: u64, first_s: u64) -> ExportMetricsServiceRequest {
    let nanos = |seconds: u64| (seconds * 1_000_000_000).to_string();
    let times: Vec<u64> = (0..3_600 / EVERY_S).map(|step| start_s + step * EVERY_S).collect();
    let gauge = |name: &str, unit: &str, value: &dyn Fn(u64) -> f64| {
        let points: Vec<_> = times
            .iter()
            .map(|time| serde_json::json!({"timeUnixNano": nanos(*time), "asDouble": value(*time)}))
            .collect();
        serde_json::json!({"name": name, "unit": unit, "gauge": {"dataPoints": points}})
    };
    let buckets: Vec<_> = times
        .iter()
        .map(|time| {
            let count = (time - first_s) / EVERY_S * 1_200;
            serde_json::json!({
                "startTimeUnixNano": nanos(first_s), "timeUnixNano": nanos(*time),
                "count": count.to_string(), "sum": count as f64 * 0.05,
                "explicitBounds": [0.01, 0.1, 1.0],
                "bucketCounts": ["0", count.to_string(), "0", "0"],
                "attributes": [{"key": "http.response.status_code", "value": {"intValue": "200"}}],
            })
        })
        .collect();
    let wave = |time: u64| 0.5 + 0.2 * (time as f64 / 1_800.0).sin();
    let metrics = serde_json::json!([
        gauge("process.cpu.utilization", "1", &wave),
        gauge("system.memory.utilization", "1", &|time| wave(time) * 0.8),
        {"name": "http.server.request.duration", "unit": "s",
         "histogram": {"aggregationTemporality": 2, "dataPoints": buckets}},
    ]);
    request(service, instance, metrics)
}

/// Sends what there is.
fn send(client: &Client, otlp: &MetricsServiceClient<Peer>, size: &Size, now_s: u64) {
    let first_s = now_s - size.hours * 3_600;
    for hour_of in 0..size.hours {
        for number in 0..SERVICES {
            let request = hour(&service_name(number), 1, first_s + hour_of * 3_600, first_s);
            client.ask(otlp.clone().export(request)).unwrap();
        }
    }
    let (mut sent, dense_s) = (0, now_s - size.dense);
    while sent < size.dense {
        let points: Vec<_> = (sent..(sent + DENSE_REQUEST).min(size.dense))
            .map(|at| {
                let time = ((dense_s + at) * 1_000_000_000).to_string();
                serde_json::json!({"timeUnixNano": time, "asDouble": (at % 600) as f64})
            })
            .collect();
        sent += points.len() as u64;
        let metrics = serde_json::json!([{"name": DENSE, "unit": "1", "gauge": {"dataPoints": points}}]);
        client.ask(otlp.clone().export(request(&service_name(0), 1, metrics))).unwrap();
    }
}

/// Incidents that people reported and resolved, over all services.
fn report(client: &Client, size: &Size) {
    for number in 0..size.incidents {
        let report = ReportIncidentRequest {
            service: Some(identity(number % SERVICES)),
            title: format!("somebody saw trouble, the {number}th time"),
            ..ReportIncidentRequest::default()
        };
        let mut opened = None;
        // Detection may not have come to this service yet.
        parts::wait_until("an incident that can be reported", READ_WITHIN, || {
            opened = client.ask(client.incidents().report_incident(report.clone())).ok();
            opened.is_some()
        });
        let name = opened.map(|incident| incident.name).unwrap_or_default();
        let reason = ResolutionReason::Manual.into();
        let resolve = ResolveIncidentRequest { name, reason, ..ResolveIncidentRequest::default() };
        client.ask(client.incidents().resolve_incident(resolve)).unwrap();
    }
}

#[test]
fn the_first_view_is_there_at_once_whatever_lies_behind_it() {
    const TEST: &str = "the_first_view_is_there_at_once_whatever_lies_behind_it";
    let size = Size::asked();
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("store.sqlite");
    let mut product = Process::start(&["run", "--store", &store.display().to_string()]);
    let (control, otlp) = (Client::new(&product.control()), Client::new(&product.otlp_grpc()));
    let now_s = client::now().as_secs();
    let exporter = MetricsServiceClient::new(otlp.peer());
    send(&otlp, &exporter, &size, now_s);
    report(&control, &size);
    // The newest of what was sent last, in the store: a chart of half of it would be no measure.
    parts::wait_until("the last point in the store", READ_WITHIN, || {
        let series = control.series(&identity(0), DENSE).series;
        let newest = series.first().and_then(|series| series.points.last()?.time.as_ref());
        newest.is_some_and(|newest| newest.seconds.unsigned_abs() + 1 >= now_s)
    });

    let (services, incidents) = (SERVICES.to_string(), size.incidents.to_string());
    let (dense, most) = (size.dense.to_string(), size.first_view_ms.to_string());
    let wanted = [("SERVICES", &*services), ("INCIDENTS", &*incidents), ("POINTS", &*dense), ("FIRST_VIEW_MS", &*most)];
    let Some(mut story) = Story::begin(TEST, "size", &mut product, &wanted) else { return };
    story.until("DRAWN");
    let first_s = now_s - 3_600;
    otlp.ask(exporter.clone().export(hour(&service_name(1), 2, first_s, first_s))).unwrap();
    story.go_on();
    story.end();
    product.assert_alive();
}

/// How long a page is left open, in minutes, is said by `LLM_SRE_DASHBOARD_MINUTES`.
#[test]
fn a_page_that_is_left_open_does_not_grow() {
    const TEST: &str = "a_page_that_is_left_open_does_not_grow";
    let _alone = process::one_shop_at_a_time();
    let minutes = std::env::var_os("LLM_SRE_DASHBOARD_MINUTES");
    let minutes = minutes.map_or("1".to_owned(), |minutes| minutes.to_string_lossy().into_owned());
    let mut demo = super::demo(&["--seed", "1"], super::BY_ITSELF);
    let Some(story) = Story::begin(TEST, "open", &mut demo, &[("MINUTES", &minutes)]) else { return };
    story.end_within(Duration::from_secs(60 * minutes.parse::<u64>().unwrap() + 120));
}
