//! Whether services say that they can do their work, while the engines that they need go and come back.

use std::time::Duration;

use opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_client::MetricsServiceClient;
use opentelemetry_proto::tonic::collector::metrics::v1::{ExportMetricsServiceRequest, ExportMetricsServiceResponse};
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value::Value};
use opentelemetry_proto::tonic::metrics::v1::{
    Gauge, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, metric::Data, number_data_point,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use tokio::runtime::Runtime;
use tonic::transport::Channel;
use tonic::{Code, Status};
use tonic_health::ServingStatus;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;
use tonic_types::StatusExt;

use crate::client::now;
use crate::parts::OpenSearch;
use crate::parts::kafka::Kafka;
use crate::process::{self, Process};

/// Five seconds without an answer, and what a busy machine adds.
const GONE_WITHIN: Duration = Duration::from_secs(40);
/// A question that was under way when the engine went may last for half a minute.
const BACK_WITHIN: Duration = Duration::from_secs(90);

const GATEWAY: &str = "opentelemetry.proto.collector.metrics.v1.MetricsService";
const INDEXER: &str = "llmsre.telemetry.v1.TelemetryService";
const DETECTOR: &str = "llmsre.incident.v1.IncidentService";
const DIAGNOSIS: &str = "llmsre.diagnosis.v1.DiagnosisService";
const REMEDIATION: &str = "llmsre.remediation.v1.RemediationService";

/// A connection to one port.
struct Port<'a> {
    runtime: &'a Runtime,
    channel: Channel,
}

impl<'a> Port<'a> {
    fn new(runtime: &'a Runtime, address: &str) -> Self {
        let endpoint = Channel::from_shared(format!("http://{address}")).unwrap();
        let channel = runtime.block_on(async { endpoint.connect_lazy() });
        Self { runtime, channel }
    }

    fn is_serving(&self, service: &str) -> bool {
        let request = HealthCheckRequest { service: service.to_owned() };
        let mut client = HealthClient::new(self.channel.clone());
        let answer = self.runtime.block_on(client.check(request)).unwrap();
        answer.into_inner().status == ServingStatus::Serving as i32
    }

    /// Sends one point.
    fn export(&self) -> Result<ExportMetricsServiceResponse, Status> {
        let name = Some(AnyValue { value: Some(Value::StringValue("till".to_owned())) });
        let name = KeyValue { key: "service.name".to_owned(), value: name, ..KeyValue::default() };
        let point = NumberDataPoint {
            time_unix_nano: u64::try_from(now().as_nanos()).unwrap(),
            value: Some(number_data_point::Value::AsDouble(3.0)),
            ..NumberDataPoint::default()
        };
        let data = Some(Data::Gauge(Gauge { data_points: vec![point] }));
        let metric = Metric { name: "queue.size".to_owned(), data, ..Metric::default() };
        let scope_metrics = vec![ScopeMetrics { metrics: vec![metric], ..ScopeMetrics::default() }];
        let resource = Some(Resource { attributes: vec![name], ..Resource::default() });
        let resource_metrics = vec![ResourceMetrics { resource, scope_metrics, ..ResourceMetrics::default() }];
        let request = ExportMetricsServiceRequest { resource_metrics };
        let mut client = MetricsServiceClient::new(self.channel.clone());
        self.runtime.block_on(client.export(request)).map(tonic::Response::into_inner)
    }
}

struct World<'a> {
    node: Process,
    gateway: Port<'a>,
    control: Port<'a>,
}

impl World<'_> {
    /// Waits until the services are as they should be: gateway, indexer, detector, diagnosis, remediation.
    fn until(&mut self, what: &str, within: Duration, expected: [bool; 5]) {
        let (gateway, control) = (&self.gateway, &self.control);
        let found = || {
            let others = [INDEXER, DETECTOR, DIAGNOSIS, REMEDIATION].map(|service| control.is_serving(service));
            [gateway.is_serving(GATEWAY), others[0], others[1], others[2], others[3]]
        };
        self.node.wait_until(what, within, |_| found() == expected);
        assert_eq!(gateway.is_serving(""), expected[0], "{what}: the gateway's port as a whole");
        assert_eq!(
            control.is_serving(""),
            expected[1..].iter().all(|is_serving| *is_serving),
            "{what}: the other port"
        );
        assert!(gateway.is_serving("liveness") && control.is_serving("liveness"), "{what}: the process lives");
    }
}

/// Kills it, looks, and starts it again.
#[test]
fn who_cannot_work_says_so_until_the_engine_is_back() {
    const TEST: &str = "who_cannot_work_says_so_until_the_engine_is_back";
    let _alone = process::one_shop_at_a_time();
    let (Some(mut opensearch), Some(mut kafka)) = (OpenSearch::start(TEST), Kafka::start(TEST)) else { return };
    let folder = tempfile::Builder::new().prefix("readiness-").tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let config = format!(
        "[store.opensearch]\nurl = \"{}\"\nprefix = \"ready\"\n[bus.kafka]\nbrokers = [\"{}\"]\nprefix = \"ready-\"\n",
        opensearch.url(),
        kafka.address(),
    );
    let config = process::write(folder.path(), "llm-sre.toml", &config);
    let mut node = Process::start(&["run", "--config", config.to_str().unwrap()]);
    let runtime = Runtime::new().unwrap();
    let gateway = Port::new(&runtime, &node.otlp_grpc());
    let control = Port::new(&runtime, &node.control());
    let mut world = World { node, gateway, control };
    world.until("a start", BACK_WITHIN, [true; 5]);
    world.gateway.export().unwrap();

    kafka.kill();
    world.until("no bus", GONE_WITHIN, [false, false, false, true, true]);
    let refusal = world.gateway.export().unwrap_err();
    assert_eq!(refusal.code(), Code::Unavailable, "{refusal:?}");
    let retry = refusal.get_details_retry_info().and_then(|info| info.retry_delay);
    assert!(retry.is_some_and(|retry| !retry.is_zero()), "the sender is told when to come again: {refusal:?}");
    kafka.start_again();
    world.until("the bus again", BACK_WITHIN, [true; 5]);
    let sent = || world.gateway.export().is_ok();
    crate::parts::wait_until("telemetry again", BACK_WITHIN, sent);

    opensearch.kill();
    world.until("no store", GONE_WITHIN, [true, false, false, false, false]);
    world.gateway.export().unwrap();
    opensearch.start_again();
    world.until("the store again", BACK_WITHIN, [true; 5]);
    assert!(world.node.terminate().success(), "{}", world.node.err());
}
