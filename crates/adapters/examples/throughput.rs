//! How much the embedded store takes: `cargo run --release -p llm-sre-adapters --example throughput`.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use llm_sre_adapters::sqlite::{Options, Store};
use llm_sre_domain::telemetry::{Attributes, LogRecord, LogSeverity, MetricPoint, Origin, PointValue};
use llm_sre_domain::{ServiceId, Timestamp};
use llm_sre_ports::bus::{EventBus, Record, TopicSpec};
use llm_sre_ports::telemetry::{Batch, LogQuery, Range, RecordId, TelemetryStore};

const BATCHES: u64 = 40;
const BATCH: u64 = 5_000;
const SERIES: u64 = 2_000;
const PUBLISHERS: u64 = 32;
const PUBLISHED: u64 = 50;

/// The processor time of this process, in seconds: user and system, in ticks of a hundredth.
fn cpu_s() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    fields.skip(11).take(2).filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() / 100.0
}

fn say(what: &str, count: u64, started: Instant, cpu: f64) {
    let (wall, cpu) = (started.elapsed().as_secs_f64(), cpu_s() - cpu);
    let (rate, per_cpu) = (count as f64 / wall, count as f64 / cpu.max(0.01));
    println!("{what:<24} {count:>8} in {wall:>6.2} s, {rate:>8.0} /s, {per_cpu:>8.0} /CPU s");
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("store.sqlite");
    let store = Store::open(&path, Options::default())?;
    points(&store).await?;
    println!("{:<24} {:>8} bytes of a point", "", std::fs::metadata(&path)?.len() / (BATCHES * BATCH));
    logs(&store).await?;
    published(&store).await?;
    let (started, cpu) = (Instant::now(), cpu_s());
    let removed = store.telemetry().prune(at(i64::MAX / 2_000_000_000), None).await?;
    say("pruned", removed, started, cpu);
    Ok(())
}

fn at(secs: i64) -> Timestamp {
    Timestamp::from_secs(secs)
}

fn id(offset: u64, index: u64) -> RecordId {
    RecordId { topic: 1, partition: 0, offset, index: index as u32 }
}

async fn points(store: &Store) -> Result<(), Box<dyn std::error::Error>> {
    let telemetry = store.telemetry();
    let batches: Vec<Batch> = (0..BATCHES)
        .map(|offset| {
            let point = |index: u64| {
                let series = index % SERIES;
                let attributes: Attributes =
                    [("http.route".into(), format!("/route/{series}").into()), ("method".into(), "GET".into())].into();
                MetricPoint {
                    service: ServiceId::new("shop", &format!("service-{}", series % 20), "production"),
                    origin: Origin { instance: "pod-1".into(), version: "1.2.3".into() },
                    metric: "http.server.request.duration".into(),
                    unit: "s".into(),
                    attributes,
                    time: at((offset * 10 + index / SERIES) as i64),
                    start: None,
                    value: PointValue::Gauge(index as f64 * 0.1),
                }
            };
            Batch { points: (0..BATCH).map(|index| (id(offset, index), point(index))).collect(), ..Batch::default() }
        })
        .collect();
    let (started, cpu) = (Instant::now(), cpu_s());
    for batch in batches.clone() {
        telemetry.append(batch).await?;
    }
    say("points", BATCHES * BATCH, started, cpu);
    let (started, cpu) = (Instant::now(), cpu_s());
    for batch in batches {
        telemetry.append(batch).await?;
    }
    say("points, a second time", BATCHES * BATCH, started, cpu);
    Ok(())
}

async fn logs(store: &Store) -> Result<(), Box<dyn std::error::Error>> {
    let telemetry = store.telemetry();
    let batches: Vec<Batch> = (0..BATCHES / 4)
        .map(|offset| {
            let log = |index: u64| LogRecord {
                service: ServiceId::new("shop", &format!("service-{}", index % 20), "production"),
                origin: Origin { instance: "pod-1".into(), version: "1.2.3".into() },
                time: at((offset * BATCH + index) as i64),
                severity: LogSeverity::Info,
                body: format!(
                    "GET /route/{index} for user {offset}{index} took {} ms, status 200, cache miss",
                    index % 90
                ),
                event_name: "".into(),
                attributes: [("thread".into(), "worker-1".into())].into(),
                trace_id: Some(u128::from(index).to_be_bytes()),
                span_id: None,
            };
            Batch { logs: (0..BATCH).map(|index| (id(offset, index), log(index))).collect(), ..Batch::default() }
        })
        .collect();
    let (started, cpu) = (Instant::now(), cpu_s());
    for batch in batches {
        telemetry.append(batch).await?;
    }
    say("log records", BATCHES / 4 * BATCH, started, cpu);
    for (text, from, to) in [("cache miss 200", 0, 900), ("cache miss 200", 0, 100_000), ("route 4711", 0, 100_000)] {
        let query = LogQuery {
            range: Range { start: at(from), end: at(to) },
            text: text.to_owned(),
            service: None,
            min_severity: LogSeverity::Unspecified,
            trace_id: None,
            limit: 100,
            cursor: None,
        };
        let started = Instant::now();
        let found = telemetry.search_logs(query).await?.records.len();
        println!("  '{text}' in {} s: {found} in {:?}", to - from, started.elapsed());
    }
    Ok(())
}

async fn published(store: &Store) -> Result<(), Box<dyn std::error::Error>> {
    let bus = Arc::new(store.bus());
    let retention = Some(Duration::from_secs(3_600));
    bus.create_topic(TopicSpec { name: "t".to_owned(), partitions: 4, retention }).await?;
    let record = |publisher: u64| Record {
        key: Some(Bytes::from(publisher.to_string())),
        value: Bytes::from(vec![7; 2_000]),
        ..Record::default()
    };
    for publishers in [1, PUBLISHERS] {
        let (started, cpu) = (Instant::now(), cpu_s());
        let mut publishing = tokio::task::JoinSet::new();
        for publisher in 0..publishers {
            let (bus, record) = (Arc::clone(&bus), record(publisher));
            publishing.spawn(async move {
                for _ in 0..PUBLISHED {
                    bus.publish("t", vec![record.clone()]).await?;
                }
                Ok::<(), llm_sre_ports::bus::Error>(())
            });
        }
        for result in publishing.join_all().await {
            result?;
        }
        say(&format!("published by {publishers}"), publishers * PUBLISHED, started, cpu);
    }
    Ok(())
}
