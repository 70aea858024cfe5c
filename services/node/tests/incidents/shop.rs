//! Two services, `web` calling `cart`, as OTLP export requests; and the services of the product around a detector.

use std::sync::Arc;
use std::time::Duration;

use llm_sre_detector::{Dependencies, GROUP, Options, Service, topic_spec};
use llm_sre_diagnosis as diagnosis;
use llm_sre_domain::Timestamp;
use llm_sre_domain::remedy::{Catalogue, Policy, ServicePattern};
use llm_sre_indexer as indexer;
use llm_sre_mesh::late::Slot;
use llm_sre_mesh::peer;
use llm_sre_mesh::stages::{SpanTime, StageLog};
use llm_sre_ports::bus::{EventBus, Progress, Record, Start, TopicPartition, TopicSpec, partition_of};
use llm_sre_ports::clock::ManualClock;
use llm_sre_ports::documents::{Documents, Filter};
use llm_sre_ports::ids::RandomIds;
use llm_sre_ports::memory::{MemoryBus, MemoryDocuments, MemoryLeases, MemoryTelemetry};
use llm_sre_proto::action::v1::action_service_server::ActionServiceServer;
use llm_sre_proto::incident::v1;
use llm_sre_proto::incident::v1::incident_service_server::IncidentService;
use llm_sre_proto::topics;
use llm_sre_remediation as remediation;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use prost::Message;
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio_stream::StreamExt;
use tokio_util::sync::CancellationToken;
use tonic::Request;
use tonic::service::Routes;

use crate::slow::SlowBus;
use crate::target::Target;

/// The services' telemetry is in partitions of its own.
const PARTITIONS: u32 = 4;
const STEP_S: i64 = 10;
pub(crate) const START_S: i64 = 1_700_000_000;

/// What outlives a detector: bus, store, clock, leases.
pub(crate) struct Shop {
    pub(crate) bus: Arc<MemoryBus>,
    /// What detectors see of it, where that is not the bus itself.
    pub(crate) slow: Option<SlowBus>,
    pub(crate) documents: Arc<MemoryDocuments>,
    pub(crate) leases: Arc<MemoryLeases>,
    pub(crate) clock: Arc<ManualClock>,
    telemetry: Arc<MemoryTelemetry>,
    /// Where `cart` can be acted on, and what the product may do there.
    pub(crate) target: Target,
    policy: Option<Policy>,
    pub(crate) advising: Option<diagnosis::Advising>,
    /// The steps at which `cart` sends.
    pub(crate) cart_speaks_every: i64,
    seed: u64,
    step: i64,
    /// Of a hundred requests to `cart`, so many take half a second more.
    pub(crate) dragging: f64,
    requests: u64,
    failed: u64,
    dragged: u64,
}

/// A detector that runs.
pub(crate) struct Running {
    pub(crate) service: Service,
    stop: CancellationToken,
    task: JoinHandle<()>,
    /// How the services know each other, for as long as they run.
    _slots: [Slot; 3],
}

impl Shop {
    pub(crate) async fn new(seed: u64) -> Self {
        let bus = Arc::new(MemoryBus::default());
        for topic in topics::TELEMETRY {
            for (name, partitions) in [(topic.to_owned(), PARTITIONS), (topics::dead_letters(topic), 1)] {
                bus.create_topic(TopicSpec { name, partitions, retention: None }).await.unwrap();
            }
        }
        bus.create_topic(topic_spec()).await.unwrap();
        assert_ne!(partition_of(b"web", PARTITIONS), partition_of(b"cart", PARTITIONS));
        let clock = Arc::new(ManualClock::new(Timestamp::from_secs(START_S)));
        let (documents, leases, telemetry, target) = Default::default();
        let (policy, cart_speaks_every, step, dragging) = (None, 1, 0, 0.0);
        let (requests, failed, dragged) = (0, 0, 0);
        Self {
            bus,
            slow: None,
            documents,
            leases,
            clock,
            telemetry,
            target,
            policy,
            advising: None,
            cart_speaks_every,
            seed,
            step,
            dragging,
            requests,
            failed,
            dragged,
        }
    }

    /// Also with a remediation service under this policy.
    pub(crate) fn with_repairs(mut self, policy: Policy) -> Self {
        self.policy = Some(policy);
        self
    }

    pub(crate) fn start(&self) -> Running {
        self.start_as("test")
    }

    /// As one of several instances.
    pub(crate) fn start_as(&self, holder: &str) -> Running {
        let (incidents, diagnoses, actions) = (Slot::default(), Slot::default(), Slot::default());
        let stop = CancellationToken::new();
        let explains = diagnosis::Service::build(diagnosis::Dependencies {
            documents: self.documents.clone(),
            telemetry: self.telemetry.clone(),
            clock: self.clock.clone(),
            ids: Arc::new(RandomIds),
            incidents: incidents.peer(),
            remediation: self.policy.is_some().then(|| actions.peer()),
            stages: self.stages(),
            advising: self.advising.clone(),
        });
        diagnoses.fill(peer::local(Routes::new(explains.server())));
        let repairs = self.policy.clone().map(|policy| self.repairs(policy, &incidents, &diagnoses));
        if let Some(repairs) = &repairs {
            actions.fill(peer::local(Routes::new(repairs.server())));
        }
        let options = Options { tick: Duration::from_millis(20), ..Options::default() };
        let service = Service::build(
            options,
            Dependencies {
                documents: self.documents.clone(),
                leases: self.leases.clone(),
                bus: self.slow.clone().map_or_else(|| self.bus.clone() as Arc<dyn EventBus>, |slow| Arc::new(slow)),
                clock: self.clock.clone(),
                ids: Arc::new(RandomIds),
                diagnoses: diagnoses.peer(),
                remediation: repairs.as_ref().map(|repairs| peer::local(Routes::new(repairs.server()))),
                stages: self.stages(),
                holder: holder.to_owned(),
            },
        );
        incidents.fill(peer::local(Routes::new(service.server())));
        let (bus, clock, store) = (self.bus.clone(), self.clock.clone(), self.telemetry.clone());
        let stores = indexer::build(indexer::Options::default(), indexer::Dependencies { bus, store, clock });
        let task = tokio::spawn({
            let (service, stop) = (service.clone(), stop.clone());
            async move {
                let repairing = async {
                    if let Some(repairs) = repairs {
                        repairs.run(stop.clone()).await;
                    }
                };
                let detecting = Box::pin(service.run(stop.clone()));
                let storing = Box::pin(stores.run(stop.clone()));
                let explaining = Box::pin(explains.run(stop.clone()));
                let (detected, stored, (), ()) = tokio::join!(detecting, storing, repairing, explaining);
                detected.unwrap();
                stored.unwrap();
            }
        });
        Running { service, stop, task, _slots: [incidents, diagnoses, actions] }
    }

    fn repairs(&self, policy: Policy, incidents: &Slot, diagnoses: &Slot) -> remediation::Service {
        let everywhere = ServicePattern::parse("*@*").unwrap();
        remediation::Service::build(remediation::Dependencies {
            documents: self.documents.clone(),
            leases: self.leases.clone(),
            telemetry: self.telemetry.clone(),
            clock: self.clock.clone(),
            ids: Arc::new(RandomIds),
            incidents: incidents.peer(),
            diagnoses: diagnoses.peer(),
            targets: vec![(everywhere, peer::local(Routes::new(ActionServiceServer::new(self.target.clone()))))],
            policy,
            catalogue: Catalogue::default(),
            stages: self.stages(),
            holder: "test".to_owned(),
        })
    }

    fn stages(&self) -> Arc<StageLog> {
        StageLog::new(self.documents.clone(), "test", None, SpanTime::Real).unwrap()
    }

    /// The keys and names of the stages that were stored, by key.
    pub(crate) async fn stages_kept(&self) -> Vec<(String, String)> {
        let page = self.documents.list("stages", Filter::default(), None, 100).await.unwrap();
        let text = |body: &Value, field: &str| body[field].as_str().unwrap_or_default().to_owned();
        let kept = page.documents.iter().map(|kept| (text(&kept.body, "key"), text(&kept.body, "name")));
        let mut kept: Vec<_> = kept.collect();
        kept.sort();
        kept
    }

    /// The diagnoses that were stored, newest first.
    pub(crate) async fn diagnoses_kept(&self) -> Vec<Value> {
        let page = self.documents.list("diagnoses", Filter::default(), None, 100).await.unwrap();
        page.documents.into_iter().map(|kept| kept.body).collect()
    }

    /// What was published of incidents, oldest first.
    pub(crate) async fn published(&self) -> Vec<Record> {
        let of = TopicPartition { topic: topics::INCIDENTS.to_owned(), partition: 0 };
        let mut found = Vec::new();
        loop {
            let more = self.bus.read(&of, found.len() as u64, 100).await.unwrap();
            if more.is_empty() {
                return found;
            }
            found.extend(more.into_iter().map(|delivered| delivered.record));
        }
    }

    /// Tells that `cart` was deployed, as a pipeline does.
    pub(crate) async fn deploy(&self, before: &str, after: &str) {
        let attribute = |key: &str, value: &str| json!({"key": key, "value": {"stringValue": value}});
        let request = json!({"resourceLogs": [{
            "resource": {"attributes": [attribute("service.name", "cart")]},
            "scopeLogs": [{"logRecords": [{
                "timeUnixNano": self.time(), "eventName": "deployment.finished", "severityNumber": 9,
                "attributes": [attribute("service.version.previous", before), attribute("service.version", after)],
            }]}],
        }]});
        let request: ExportLogsServiceRequest = serde_json::from_value(request).unwrap();
        self.send(topics::LOGS, "cart", request.encode_to_vec()).await;
    }

    /// Lets the shop trade for so many steps; of a hundred requests to `cart`, `failing` fail.
    pub(crate) async fn trade(&mut self, steps: i64, failing: f64) {
        let end = self.step + steps;
        // Telemetry from the product's future would not move the watermark.
        self.clock.advance_to(Timestamp::from_secs(START_S + end * STEP_S));
        while self.step < end {
            self.step += 1;
            let noise = self.noise();
            let requests = 1_000.0 * noise;
            self.requests += requests as u64;
            self.failed += (requests * failing / 100.0 * noise) as u64;
            self.dragged += (requests * self.dragging / 100.0) as u64;
            self.publish("web", json!([self.gauge("process.cpu.utilization", 0.2 * noise)])).await;
            if self.step % self.cart_speaks_every != 0 {
                continue;
            }
            let cart = json!([self.gauge("process.cpu.utilization", 0.3 * noise), self.durations()]);
            self.publish("cart", cart).await;
        }
    }

    /// Lets so many steps pass in which nobody sends anything.
    pub(crate) fn stop_for(&mut self, steps: i64) {
        self.step += steps;
        self.clock.advance_to(Timestamp::from_secs(START_S + self.step * STEP_S));
    }

    /// How long it has traded.
    pub(crate) fn steps(&self) -> u64 {
        self.step.unsigned_abs()
    }

    /// Numbers around 1, by a hash: the same for the same step and seed.
    fn noise(&self) -> f64 {
        let mixed = (self.seed ^ self.step.unsigned_abs()).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        1.0 + ((mixed >> 40) as f64 / f64::from(1 << 24) - 0.5) * 0.1
    }

    /// The time of the step, in nanoseconds.
    pub(crate) fn time(&self) -> String {
        ((START_S + self.step * STEP_S) * 1_000_000_000).to_string()
    }

    fn gauge(&self, name: &str, value: f64) -> Value {
        json!({"name": name, "gauge": {"dataPoints": [{"timeUnixNano": self.time(), "asDouble": value}]}})
    }

    pub(crate) fn durations(&self) -> Value {
        let point = |status: i64, count: u64, dragged: u64| {
            json!({
                "attributes": [{"key": "http.response.status_code", "value": {"intValue": status.to_string()}}],
                "startTimeUnixNano": (START_S * 1_000_000_000).to_string(),
                "timeUnixNano": self.time(),
                "count": count.to_string(), "sum": count as f64 * 0.02 + dragged as f64 * 0.5,
                "explicitBounds": [0.01, 0.1, 1.0],
                "bucketCounts": ["0", (count - dragged).to_string(), dragged.to_string(), "0"],
            })
        };
        let points = json!([point(200, self.requests - self.failed, self.dragged), point(500, self.failed, 0)]);
        json!({"name": "http.server.request.duration", "unit": "s",
               "histogram": {"aggregationTemporality": 2, "dataPoints": points}})
    }

    /// Publishes metrics of a service.
    pub(crate) async fn publish(&self, service: &str, metrics: Value) {
        let request = json!({"resourceMetrics": [{
            "resource": {"attributes": [{"key": "service.name", "value": {"stringValue": service}}]},
            "scopeMetrics": [{"metrics": metrics}],
        }]});
        let request: ExportMetricsServiceRequest = serde_json::from_value(request).unwrap();
        self.send(topics::METRICS, service, request.encode_to_vec()).await;
    }

    /// Publishes as the gateway does: by service, at the time of its taking.
    pub(crate) async fn send(&self, topic: &str, service: &str, value: Vec<u8>) {
        let key = Some(bytes::Bytes::copy_from_slice(service.as_bytes()));
        let timestamp = Timestamp::from_secs(START_S + self.step * STEP_S);
        let record = Record { key, value: value.into(), timestamp, ..Record::default() };
        self.bus.publish(topic, vec![record]).await.unwrap();
    }

    /// Lets the topics keep nothing of what they have: only who has read it knows it.
    pub(crate) async fn forget_telemetry(&self) {
        for retention in [Some(Duration::ZERO), None] {
            for topic in topics::TELEMETRY {
                let name = topic.to_owned();
                self.bus.create_topic(TopicSpec { name, partitions: PARTITIONS, retention }).await.unwrap();
            }
            self.bus.prune().await.unwrap();
        }
    }

    /// Lets the group have handled records of a partition that the topic no longer keeps.
    pub(crate) async fn forget_handled_traces(&self) {
        let mut consumer = self.bus.subscribe(GROUP, &[topics::TRACES], Start::Earliest).await.unwrap();
        assert!(consumer.poll(1, 1, Duration::ZERO).await.unwrap().records.is_empty());
        let of = TopicPartition { topic: topics::TRACES.to_owned(), partition: 0 };
        consumer.commit(&[Progress { of, next_offset: 7 }]).await.unwrap();
        consumer.close().await.unwrap();
    }

    /// Waits until the group committed everything that was published.
    pub(crate) async fn until_read(&self) {
        let read = async {
            for end in self.bus.end_offsets(topics::METRICS).await.unwrap() {
                loop {
                    let committed = self.bus.committed(GROUP, topics::METRICS).await.unwrap();
                    let found = committed.iter().find(|progress| progress.of == end.of);
                    if found.map_or(0, |progress| progress.next_offset) >= end.next_offset {
                        break;
                    }
                    tokio::task::yield_now().await;
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(30), read).await.unwrap();
    }
}

impl Running {
    /// Waits for the state of one incident.
    pub(crate) async fn until(&self, state: v1::State) -> v1::Incident {
        match self.within(Duration::from_secs(30), state).await {
            Some(incident) => incident,
            None => panic!("no incident comes to {state:?}: {:#?}", self.list().await),
        }
    }

    /// An incident that is in this state, or comes to it within so long, as the watch tells.
    pub(crate) async fn within(&self, longest: Duration, state: v1::State) -> Option<v1::Incident> {
        let wait = async {
            let request = Request::new(v1::WatchIncidentsRequest::default());
            let mut watch = self.service.watch_incidents(request).await.unwrap().into_inner();
            while let Some(response) = watch.next().await {
                let incident = response.unwrap().incident.unwrap();
                if incident.state() == state {
                    return incident;
                }
            }
            panic!("the watch ended");
        };
        tokio::time::timeout(longest, wait).await.ok()
    }

    pub(crate) async fn list(&self) -> Vec<v1::Incident> {
        let request = Request::new(v1::ListIncidentsRequest::default());
        self.service.list_incidents(request).await.unwrap().into_inner().incidents
    }

    /// Ends it at its next await, without a farewell.
    pub(crate) async fn kill(self) {
        self.task.abort();
        assert!(self.task.await.unwrap_err().is_cancelled());
    }

    pub(crate) async fn stop(self) {
        self.stop.cancel();
        self.task.await.unwrap();
    }
}
