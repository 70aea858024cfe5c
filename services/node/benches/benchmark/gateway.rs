//! OTLP over gRPC in, acknowledged by Kafka: points a second of the shipped gateway.

use std::sync::Arc;
use std::time::{Duration, Instant};

use llm_sre_gateway::{Dependencies, Options, SERVICE_NAMES};
use llm_sre_kafka::KafkaBus;
use llm_sre_mesh::access::Access;
use llm_sre_mesh::server::Server;
use llm_sre_ports::bus::EventBus;
use llm_sre_ports::clock::ScaledClock;
use llm_sre_proto::otlp::Export;
use opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_client::MetricsServiceClient;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::detecting::{PARTITIONS, start};
use crate::machine;
use crate::parts::kafka::Kafka;
use crate::payload::Sender;
use crate::table::{Goal, Table};

const SEED: u64 = 31;
/// Senders that wait for each answer before they send again.
const SENDERS: u64 = 32;
const WARM_UP: Duration = Duration::from_secs(2);
const MEASURED_FOR: Duration = Duration::from_secs(10);
const DAY: Duration = Duration::from_secs(24 * 3_600);

pub(crate) async fn measure(table: &mut Table) {
    let Some(kafka) = Kafka::start("benchmark") else { return };
    let bus = KafkaBus::new(llm_sre_kafka::Options::new(vec![kafka.address()])).unwrap();
    for spec in llm_sre_gateway::topic_specs(PARTITIONS, DAY) {
        bus.create_topic(spec).await.unwrap();
    }
    let dependencies = Dependencies { bus: Arc::new(bus), clock: Arc::new(ScaledClock::real()) };
    let gateway = llm_sre_gateway::build(Options::default(), dependencies);
    let any = "127.0.0.1:0".parse().unwrap();
    let server = Server::bind(any, gateway.routes(), &SERVICE_NAMES, Access::default()).await.unwrap();
    let url = format!("http://{}", server.address());
    let stop = CancellationToken::new();
    let serving = tokio::spawn(server.run(stop.clone()));
    let (from, began) = (start(1), Instant::now());
    let mut senders = JoinSet::new();
    for sender in Sender::all(SEED, SENDERS, 1) {
        let mut client = MetricsServiceClient::connect(url.clone()).await.unwrap();
        // What senders spend on making requests is not the gateway's.
        let request = sender.request(from, 0, 0.0);
        senders.spawn(async move {
            let (mut points, mut slowest) = (0, Duration::ZERO);
            while began.elapsed() < WARM_UP + MEASURED_FOR {
                let sent = Instant::now();
                let answer = client.export(request.clone()).await.unwrap().into_inner();
                assert!(answer.partial_success.is_none(), "{answer:?}");
                if began.elapsed() > WARM_UP {
                    points += request.count();
                    slowest = slowest.max(sent.elapsed());
                }
            }
            (points, slowest)
        });
    }
    tokio::time::sleep(WARM_UP.saturating_sub(began.elapsed())).await;
    let cpu_before = machine::own_cpu_s();
    let (mut points, mut slowest) = (0, Duration::ZERO);
    while let Some(sent) = senders.join_next().await {
        let (sent, longest) = sent.unwrap();
        points += sent;
        slowest = slowest.max(longest);
    }
    let cpu = machine::own_cpu_s() - cpu_before;
    stop.cancel();
    serving.await.unwrap().unwrap();
    table.note(format!("gateway: seed {SEED}, {SENDERS} senders in the same process; load {}", machine::load()));
    let rate = points as f64 / MEASURED_FOR.as_secs_f64();
    let beside = format!("slowest answer {} ms", slowest.as_millis());
    table.add("gateway, OTLP/gRPC to Kafka, points/s", rate, &beside, Goal::None);
    let beside = "senders included";
    table.add("  CPU s a million points", cpu / points as f64 * 1e6, beside, Goal::None);
}
