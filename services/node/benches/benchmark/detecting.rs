//! Kafka to detector: points a second against a bare loop that consumes the same topic and decodes each message, and the
//! processor's time for a million points against a Collector that counts them.

use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use llm_sre_detector::{Dependencies, GROUP, Options, Service};
use llm_sre_domain::Timestamp;
use llm_sre_kafka::KafkaBus;
use llm_sre_mesh::late::Slot;
use llm_sre_mesh::stages::{SpanTime, StageLog};
use llm_sre_ports::bus::{EventBus, Record};
use llm_sre_ports::clock::ScaledClock;
use llm_sre_ports::ids::RandomIds;
use llm_sre_ports::memory::{MemoryDocuments, MemoryLeases};
use llm_sre_proto::otlp::Export;
use llm_sre_proto::topics;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use prost::Message;
use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::{ClientConfig, Message as _, Offset, TopicPartitionList};
use tokio_util::sync::CancellationToken;

use crate::machine;
use crate::parts::kafka::Kafka;
use crate::parts::{self, Server};
use crate::payload::Sender;
use crate::table::{Goal, Table, median};

const SEED: u64 = 20_261_125;
const SERVICES: u64 = 40;
const INSTANCES: u64 = 5;
/// Requests of each instance: 25 minutes of the senders' time.
const STEPS: i64 = 150;
pub(crate) const PARTITIONS: u32 = 4;
const ROUNDS: usize = 5;
/// A run that takes longer is a failure.
const WITHIN: Duration = Duration::from_secs(300);
const LOOK_EVERY: Duration = Duration::from_millis(20);
const PREFIX: &str = "bench-";
const DAY: Duration = Duration::from_secs(24 * 3_600);

/// How a run went.
struct Run {
    points_a_second: f64,
    cpu_s_a_million: f64,
}

/// A topic full of metrics.
pub(crate) struct Filled {
    pub(crate) kafka: Kafka,
    pub(crate) bus: Arc<KafkaBus>,
    messages: u64,
    points: u64,
    bytes: u64,
}

impl Filled {
    /// Starts Kafka and fills its topic of metrics.
    pub(crate) async fn new(services: u64, instances: u64, steps: i64) -> Option<Self> {
        let kafka = Kafka::start("benchmark")?;
        let mut options = llm_sre_kafka::Options::new(vec![kafka.address()]);
        options.prefix = PREFIX.to_owned();
        let bus = Arc::new(KafkaBus::new(options).unwrap());
        for spec in llm_sre_gateway::topic_specs(PARTITIONS, DAY) {
            bus.create_topic(spec).await.unwrap();
        }
        let (mut messages, mut points, mut bytes) = (0, 0, 0);
        let senders = Sender::all(SEED, services, instances);
        let start = start(steps);
        for step in 0..steps {
            let requests = senders.iter().map(|sender| (sender.name(), sender.request(start, step, 0.0)));
            let records: Vec<Record> = requests
                .map(|(name, request)| {
                    points += request.count() as u64;
                    record(&name, &request)
                })
                .collect();
            messages += records.len() as u64;
            bytes += records.iter().map(|record| record.value.len() as u64).sum::<u64>();
            bus.publish(topics::METRICS, records).await.unwrap();
        }
        Some(Self { kafka, bus, messages, points, bytes })
    }

    pub(crate) fn about(&self) -> String {
        format!(
            "seed {SEED}: {} messages of {} points and {} bytes, {PARTITIONS} partitions; load of the machine {}",
            self.messages,
            self.points / self.messages,
            self.bytes / self.messages,
            machine::load(),
        )
    }

    pub(crate) fn points(&self) -> u64 {
        self.points
    }

    async fn committed(&self, group: &str) -> u64 {
        let rows = self.bus.committed(group, topics::METRICS).await.unwrap();
        rows.iter().map(|row| row.next_offset).sum()
    }

    /// Has a group begin at the oldest message again.
    pub(crate) async fn forget(&self, group: &str) {
        let admin: AdminClient<DefaultClientContext> =
            ClientConfig::new().set("bootstrap.servers", self.kafka.address()).create().unwrap();
        // The first time there is none.
        drop(admin.delete_groups(&[&format!("{PREFIX}{group}")], &AdminOptions::new()).await.unwrap());
    }

    /// Waits until a group has committed everything.
    pub(crate) async fn until_committed(&self, group: &str) {
        let deadline = Instant::now() + WITHIN;
        while self.committed(group).await < self.messages {
            assert!(Instant::now() < deadline, "{group} has not read {} messages within {WITHIN:?}", self.messages);
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Measures from the first messages that a group committed to the last.
    async fn run_of(&self, group: &str, cpu_s: impl Fn() -> f64) -> Run {
        let deadline = Instant::now() + WITHIN;
        let mut first = None;
        loop {
            let done = self.committed(group).await;
            let now = (Instant::now(), cpu_s());
            assert!(now.0 < deadline, "{group} has read {done} of {} messages within {WITHIN:?}", self.messages);
            match first {
                None if done > 0 => first = Some((now, done)),
                Some(((began, cpu_before), before)) if done >= self.messages => {
                    let points = (done - before) as f64 / self.messages as f64 * self.points as f64;
                    return Run {
                        points_a_second: points / (now.0 - began).as_secs_f64(),
                        cpu_s_a_million: (now.1 - cpu_before) / points * 1e6,
                    };
                }
                _ => {}
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// The shipped detector, in this process, from the oldest message to the newest.
    async fn detector(&self) -> Run {
        self.forget(GROUP).await;
        let documents = Arc::new(MemoryDocuments::default());
        let nobody = Slot::default();
        let dependencies = Dependencies {
            documents: documents.clone(),
            leases: Arc::new(MemoryLeases::default()),
            bus: self.bus.clone(),
            clock: Arc::new(ScaledClock::real()),
            ids: Arc::new(RandomIds),
            diagnoses: nobody.peer(),
            remediation: None,
            stages: StageLog::new(documents, "detector", None, SpanTime::Real).unwrap(),
            holder: "benchmark".to_owned(),
        };
        let service = Service::build(Options::default(), dependencies);
        let stop = CancellationToken::new();
        let running = tokio::spawn({
            let stop = stop.clone();
            async move { Box::pin(service.run(stop)).await }
        });
        let run = self.run_of(GROUP, machine::own_cpu_s).await;
        stop.cancel();
        running.await.unwrap().unwrap();
        run
    }

    /// Consumes and decodes, and nothing else.
    fn bare(&self) -> Run {
        let consumer: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", self.kafka.address())
            .set("group.id", "bare")
            .set("enable.auto.commit", "false")
            .set("enable.partition.eof", "true")
            .set("fetch.queue.backoff.ms", "10")
            .create()
            .unwrap();
        let mut list = TopicPartitionList::new();
        for partition in 0..PARTITIONS as i32 {
            let topic = format!("{PREFIX}{}", topics::METRICS);
            list.add_partition_offset(&topic, partition, Offset::Beginning).unwrap();
        }
        consumer.assign(&list).unwrap();
        let (mut began, mut points, mut open) = (None, 0, PARTITIONS);
        while open > 0 {
            match consumer.poll(WITHIN) {
                Some(Ok(message)) => {
                    began.get_or_insert_with(|| (Instant::now(), machine::own_cpu_s()));
                    let request = ExportMetricsServiceRequest::decode(message.payload().unwrap()).unwrap();
                    points += request.count();
                }
                Some(Err(KafkaError::PartitionEOF(_))) => open -= 1,
                other => panic!("the bare loop met {other:?}"),
            }
        }
        let (began, cpu_before) = began.unwrap();
        assert_eq!(points as u64, self.points);
        Run {
            points_a_second: points as f64 / began.elapsed().as_secs_f64(),
            cpu_s_a_million: (machine::own_cpu_s() - cpu_before) / points as f64 * 1e6,
        }
    }

    /// A Collector that receives and counts, as a process.
    async fn collector(&self, number: usize) -> Option<Run> {
        let program = parts::find("benchmark", "otelcol-kafka")?;
        let group = format!("collector-{number}");
        let config =
            std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{group}-{}.yaml", std::process::id()));
        let text = format!(
            "receivers:\n  kafka:\n    brokers: ['{}']\n    group_id: '{PREFIX}{group}'\n    initial_offset: earliest\n    \
             autocommit: {{enable: true, interval: 100ms}}\n    \
             metrics: {{topics: ['{PREFIX}{}'], encoding: otlp_proto}}\n\
             exporters:\n  debug: {{verbosity: basic}}\n\
             service:\n  telemetry: {{metrics: {{level: none}}}}\n  \
             pipelines:\n    metrics: {{receivers: [kafka], exporters: [debug]}}\n",
            self.kafka.address(),
            topics::METRICS,
        );
        std::fs::write(&config, text).unwrap();
        let mut command = Command::new(program);
        command.arg("--config").arg(&config);
        let server = Server::start("otelcol-kafka", &mut command, || true);
        let run = self.run_of(&group, || machine::cpu_s(server.id())).await;
        drop(std::fs::remove_file(config));
        Some(run)
    }
}

/// Steps end a moment ago.
pub(crate) fn start(steps: i64) -> Timestamp {
    let now = llm_sre_ports::clock::Clock::now(&ScaledClock::real());
    now - Duration::from_secs((steps * crate::payload::STEP_S).unsigned_abs())
}

/// A record as the gateway writes it.
pub(crate) fn record(service: &str, request: &ExportMetricsServiceRequest) -> Record {
    let value = Bytes::from(request.encode_to_vec());
    Record { key: Some(Bytes::from(service.to_owned())), value, timestamp: time(request), ..Record::default() }
}

/// When a request's points were taken.
fn time(request: &ExportMetricsServiceRequest) -> Timestamp {
    let points = llm_sre_proto::otlp::metrics(request).items;
    points.first().map_or(Timestamp::EPOCH, |point| point.time)
}

pub(crate) async fn measure(table: &mut Table) {
    let Some(filled) = Filled::new(SERVICES, INSTANCES, STEPS).await else { return };
    table.note(format!("detecting: {}", filled.about()));
    let (mut bare, mut detector, mut collector) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        bare.push(tokio::task::block_in_place(|| filled.bare()));
        detector.push(filled.detector().await);
        collector.extend(filled.collector(round).await);
    }
    let rates = |runs: &[Run]| runs.iter().map(|run| run.points_a_second).collect::<Vec<_>>();
    let costs = |runs: &[Run]| runs.iter().map(|run| run.cpu_s_a_million).collect::<Vec<_>>();
    let pairs = |ours: &[f64], theirs: &[f64]| ours.iter().zip(theirs).map(|(a, b)| a / b).collect::<Vec<f64>>();
    let (ours, theirs) = (median(&rates(&detector)), median(&rates(&bare)));
    let ratio = median(&pairs(&rates(&detector), &rates(&bare)));
    table.add("Kafka to detector, points/s", ours, &format!("bare loop {theirs:.0}"), Goal::None);
    table.add("  of the bare loop", ratio, "median of pairs", Goal::AtLeast(0.8));
    let beside = format!("bare loop {:.2}", median(&costs(&bare)));
    table.add("detection, CPU s a million points", median(&costs(&detector)), &beside, Goal::None);
    if collector.len() == ROUNDS {
        let ratio = median(&pairs(&costs(&detector), &costs(&collector)));
        let beside = format!("Collector {:.2}", median(&costs(&collector)));
        table.add("  of the Collector's that counts", ratio, &beside, Goal::AtMost(2.0));
    }
}
