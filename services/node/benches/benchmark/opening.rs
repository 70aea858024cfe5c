//! From the append of the record that opens an incident to the receipt of the proposal that is asked for it.
//!
//! Services break one after the other, each in a namespace of its own. What a case is held back for is event time, and
//! the record that ends it is the one that opens the incident, so that none of the hold is in the figures.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use llm_sre_adapters::opensearch::{Options as StoreOptions, Store};
use llm_sre_detector::{Dependencies, GROUP, Options, Service};
use llm_sre_diagnosis as diagnosis;
use llm_sre_domain::Timestamp;
use llm_sre_domain::remedy::{Catalogue, Policy};
use llm_sre_kafka::KafkaBus;
use llm_sre_mesh::late::Slot;
use llm_sre_mesh::stages::{SpanTime, StageLog};
use llm_sre_mesh::{Peer, peer};
use llm_sre_ports::bus::{EventBus, Record};
use llm_sre_ports::clock::ScaledClock;
use llm_sre_ports::ids::RandomIds;
use llm_sre_proto::topics;
use llm_sre_remediation as remediation;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use prost::Message;
use serde_json::json;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;
use tower::ServiceExt;

use crate::detecting::{PARTITIONS, start};
use crate::machine;
use crate::parts::OpenSearch;
use crate::parts::kafka::Kafka;
use crate::payload::{STEP_S, hash};
use crate::table::{Goal, Table, quantile};

const SEED: u64 = 404;
const SERVICES: u64 = 100;
/// Steps until what is usual is known.
const WARM: i64 = 40;
/// Steps that a service is slow for: three to be sure, and as long as it takes to be told of.
const SICK: i64 = 7;
/// The step of these whose first record opens the incident: the third is sure, 20 s of hold and 10 s of lateness later.
const OPENS: i64 = 5;
const DAY: Duration = Duration::from_secs(24 * 3_600);
const WITHIN: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// The longest wait before the record that opens, so that it meets the detector at any moment.
const APART_MS: u64 = 150;

/// Everything that runs.
struct Mesh {
    kafka: KafkaBus,
    proposed: UnboundedReceiver<Instant>,
    stop: CancellationToken,
    jobs: tokio::task::JoinSet<()>,
    _slots: [Slot; 3],
    _servers: (Kafka, OpenSearch),
}

impl Mesh {
    async fn start() -> Option<Self> {
        let (kafka, opensearch) = (Kafka::start("benchmark")?, OpenSearch::start("benchmark")?);
        let bus = KafkaBus::new(llm_sre_kafka::Options::new(vec![kafka.address()])).unwrap();
        for spec in llm_sre_gateway::topic_specs(PARTITIONS, DAY) {
            bus.create_topic(spec).await.unwrap();
        }
        let store = Store::open(StoreOptions::new(&opensearch.url(), "opening")).await.unwrap();
        let (documents, leases) = (Arc::new(store.documents()), Arc::new(store.leases()));
        let telemetry = Arc::new(store.telemetry());
        let clock = Arc::new(ScaledClock::real());
        let stages = || StageLog::new(documents.clone(), "benchmark", None, SpanTime::Real).unwrap();
        let (incidents, diagnoses, actions) = (Slot::default(), Slot::default(), Slot::default());
        let explains = diagnosis::Service::build(diagnosis::Dependencies {
            documents: documents.clone(),
            telemetry: telemetry.clone(),
            clock: clock.clone(),
            ids: Arc::new(RandomIds),
            incidents: incidents.peer(),
            remediation: Some(actions.peer()),
            stages: stages(),
            advising: None,
        });
        diagnoses.fill(peer::local(Routes::new(explains.server())));
        let repairs = remediation::Service::build(remediation::Dependencies {
            documents: documents.clone(),
            leases: leases.clone(),
            telemetry,
            clock: clock.clone(),
            ids: Arc::new(RandomIds),
            incidents: incidents.peer(),
            diagnoses: diagnoses.peer(),
            targets: Vec::new(),
            policy: Policy::default(),
            catalogue: Catalogue::default(),
            stages: stages(),
            holder: "benchmark".to_owned(),
        });
        actions.fill(peer::local(Routes::new(repairs.server())));
        let (tell, proposed) = unbounded_channel();
        let dependencies = Dependencies {
            documents: documents.clone(),
            leases,
            bus: Arc::new(bus.clone()),
            clock,
            ids: Arc::new(RandomIds),
            diagnoses: diagnoses.peer(),
            remediation: Some(told(peer::local(Routes::new(repairs.server())), tell)),
            stages: stages(),
            holder: "benchmark".to_owned(),
        };
        let service = Service::build(Options::default(), dependencies);
        incidents.fill(peer::local(Routes::new(service.server())));
        let (stop, mut jobs) = (CancellationToken::new(), tokio::task::JoinSet::new());
        let token = stop.clone();
        jobs.spawn(async move { Box::pin(service.run(token)).await.unwrap() });
        let token = stop.clone();
        jobs.spawn(async move { Box::pin(explains.run(token)).await });
        let token = stop.clone();
        jobs.spawn(async move { Box::pin(repairs.run(token)).await });
        let (slots, servers) = ([incidents, diagnoses, actions], (kafka, opensearch));
        Some(Self { kafka: bus, proposed, stop, jobs, _slots: slots, _servers: servers })
    }

    async fn publish(&self, records: Vec<Record>) {
        self.kafka.publish(topics::METRICS, records).await.unwrap();
    }

    /// Waits until everything was read and what it meant was stored.
    async fn until_read(&self) {
        let sum = |rows: Vec<llm_sre_ports::bus::Progress>| rows.iter().map(|row| row.next_offset).sum::<u64>();
        let end = sum(self.kafka.end_offsets(topics::METRICS).await.unwrap());
        let deadline = Instant::now() + WITHIN;
        while sum(self.kafka.committed(GROUP, topics::METRICS).await.unwrap()) < end {
            assert!(Instant::now() < deadline, "the detector does not read on");
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
}

/// A peer that tells when it is asked to propose.
fn told(peer: Peer, tell: UnboundedSender<Instant>) -> Peer {
    let telling = peer.map_request(move |request: http::Request<tonic::body::Body>| {
        if request.uri().path().ends_with("/ProposeAction") {
            tell.send(Instant::now()).ok();
        }
        request
    });
    Peer::new(telling)
}

/// What a service sends at a time: how long its requests take, on the average.
fn record(service: u64, time: Timestamp, is_sick: bool) -> Record {
    let noise = hash(&[SEED, service, time.as_nanos().unsigned_abs()]) >> 44;
    let mean_s = (0.1 + noise as f64 / 1e8) * if is_sick { 20.0 } else { 1.0 };
    let attribute = |key: &str, value: String| json!({"key": key, "value": {"stringValue": value}});
    let request = json!({"resourceMetrics": [{
        "resource": {"attributes": [
            attribute("service.namespace", format!("space-{service}")),
            attribute("service.name", format!("service-{service}")),
        ]},
        "scopeMetrics": [{"metrics": [{"name": "http.server.request.duration.mean", "unit": "s", "gauge": {"dataPoints": [
            {"timeUnixNano": time.as_nanos().to_string(), "asDouble": mean_s},
        ]}}]}],
    }]});
    let request: ExportMetricsServiceRequest = serde_json::from_value(request).unwrap();
    let value = Bytes::from(request.encode_to_vec());
    Record { key: Some(Bytes::from(format!("service-{service}"))), value, timestamp: time, ..Record::default() }
}

pub(crate) async fn measure(table: &mut Table) {
    let Some(mut mesh) = Mesh::start().await else { return };
    let from = start(WARM + SICK * SERVICES.cast_signed());
    let at = |step: i64| from + Duration::from_secs((step * STEP_S).unsigned_abs());
    let all = |step: i64, sick: Option<u64>| {
        (0..SERVICES).map(move |service| record(service, at(step), sick == Some(service)))
    };
    for step in 0..WARM {
        mesh.publish(all(step, None).collect()).await;
    }
    mesh.until_read().await;
    let mut taken_ms = Vec::new();
    for service in 0..SERVICES {
        let first = WARM + SICK * service.cast_signed();
        let sick = |steps: std::ops::Range<i64>| steps.flat_map(|step| all(first + step, Some(service))).collect();
        mesh.publish(sick(0..OPENS)).await;
        mesh.until_read().await;
        assert!(mesh.proposed.try_recv().is_err(), "an incident was opened before its time");
        tokio::time::sleep(Duration::from_millis(hash(&[SEED, service]) % APART_MS)).await;
        let published = Instant::now();
        mesh.publish(sick(OPENS..OPENS + 1)).await;
        let proposed = tokio::time::timeout(WITHIN, mesh.proposed.recv()).await;
        let proposed = proposed.unwrap_or_else(|_| panic!("nothing was proposed for service {service}")).unwrap();
        taken_ms.push((proposed - published).as_secs_f64() * 1e3);
        mesh.publish(sick(OPENS + 1..SICK)).await;
    }
    mesh.stop.cancel();
    while mesh.jobs.join_next().await.is_some() {}
    table
        .note(format!("opening: seed {SEED}, {SERVICES} incidents, documents in OpenSearch; load {}", machine::load()));
    let beside = "from before the send; without the hold of 20 s";
    table.add("append to Propose, ms, p50", quantile(&taken_ms, 0.5), beside, Goal::None);
    table.add("append to Propose, ms, p99", quantile(&taken_ms, 0.99), beside, Goal::AtMost(250.0));
}
