//! Random telemetry is found as it is in memory.

use llm_sre_domain::ServiceId;
use llm_sre_domain::telemetry::{LogRecord, LogSeverity, MetricPoint, Origin, PointValue};

use super::{Store, at, attributes, calls, change, id, log, of_metric, point, range};
use crate::contract::{Random, SEEDS};
use crate::memory::MemoryTelemetry;
use crate::telemetry::{Batch, LogQuery, Parts, SeriesQuery, TelemetryStore};

const SERVICES: [&str; 3] = ["a", "b", "c"];
const WORDS: [&str; 5] = ["time", "out", "Küche", "db_1", "OUT"];

/// Random operations have the results that they have in memory.
pub async fn telemetry_agrees_with_the_twin(kit: Store) {
    let twin = MemoryTelemetry::default();
    for seed in SEEDS {
        let mut random = Random(seed);
        // Each seed has days of its own, so that the store need not be a new one, and a midnight in its middle.
        let hours = 6_400 - 500 + seed as i64 * 2 * 86_400;
        for step in 0..40 {
            let context = format!("seed {seed}, step {step}");
            match random.below(6) {
                0..3 => {
                    let batch = batch(&mut random, hours, seed * 1_000);
                    twin.append(batch.clone()).await.unwrap();
                    kit.port.append(batch).await.unwrap();
                }
                3 => agree_on_series(&*kit.port, &twin, &mut random, hours, &context).await,
                4 => agree_on_logs(&*kit.port, &twin, &mut random, hours, &context).await,
                _ => agree_on_the_rest(&*kit.port, &twin, &mut random, hours, &context).await,
            }
        }
        let before = at(hours + 500);
        let removed = kit.port.prune(before, None).await.unwrap();
        assert_eq!(removed, twin.prune(before, None).await.unwrap(), "seed {seed}: prune");
    }
}

fn batch(random: &mut Random, hours: i64, offsets: u64) -> Batch {
    let mut batch = Batch::default();
    for _ in 0..random.below(30) {
        // Few offsets, so that some repeat; what an id says follows from it, as it does on the bus.
        let offset = random.below(200);
        let id = id(offsets + offset);
        let mut random = Random(offset);
        let secs = hours + random.below(1_000) as i64;
        let service = random.of(&SERVICES);
        let origin = Origin { instance: (random.of(&["", "x", "y"])).into(), version: "1".into() };
        match offset % 4 {
            0 | 1 => {
                let count = random.below(9);
                let value = PointValue::Summary { count, sum: count as f64 * 1.1, quantiles: vec![(0.5, 0.1)] };
                let pairs = attributes(&[("k", random.of(&["1", "2"]))]);
                let metric = random.of(&["m", "n"]);
                let sent = MetricPoint { origin, attributes: pairs, value, ..point(service, metric, secs, 0.0) };
                batch.points.push((id, sent));
            }
            2 => {
                let body = format!("{} {}", random.of(&WORDS), random.of(&WORDS));
                let severity = random.of(&[LogSeverity::Info, LogSeverity::Error]);
                let trace_id = random.of(&[None, Some([1; 16])]);
                let sent = LogRecord { origin, severity, trace_id, ..log(service, secs, &body) };
                batch.logs.push((id, sent));
            }
            _ => {
                batch.changes.push((id, change(service, secs, &offset.to_string())));
                batch.calls.push((id, calls(service, random.of(&SERVICES), secs, offset as f64)));
            }
        }
    }
    batch
}

fn some_range(random: &mut Random, hours: i64) -> crate::telemetry::Range {
    let start = hours + random.below(900) as i64;
    range(start, start + 1 + random.below(900) as i64)
}

async fn agree_on_series(
    ours: &dyn TelemetryStore,
    theirs: &dyn TelemetryStore,
    random: &mut Random,
    hours: i64,
    context: &str,
) {
    let mut query = SeriesQuery {
        range: some_range(random, hours),
        series_max: 1 + random.below(8) as usize,
        points_max: random.below(6) as usize,
        instance: (random.of(&["", "", "x"])).to_owned(),
        ..of_metric(random.of(&SERVICES), random.of(&["m", "n"]))
    };
    if random.below(2) == 0 {
        query.attributes.insert("k".to_owned(), "1".to_owned());
    }
    let (found, expected) = (ours.series(query.clone()).await, theirs.series(query.clone()).await);
    assert_eq!(found.unwrap(), expected.unwrap(), "{context}: {query:?}");
}

async fn agree_on_logs(
    ours: &dyn TelemetryStore,
    theirs: &dyn TelemetryStore,
    random: &mut Random,
    hours: i64,
    context: &str,
) {
    let mut query = LogQuery {
        range: some_range(random, hours),
        text: if random.below(2) == 0 { String::new() } else { format!("{}!", random.of(&WORDS)) },
        service: (random.below(2) == 0).then(|| ServiceId::named(random.of(&SERVICES))),
        min_severity: random.of(&[LogSeverity::Unspecified, LogSeverity::Error]),
        trace_id: random.of(&[None, None, Some([1; 16])]),
        limit: 1 + random.below(5) as usize,
        cursor: None,
    };
    let parts = Parts::of(query.range, 1 + random.below(20) as usize);
    let counts = ours.count_logs(query.clone(), parts).await.unwrap();
    assert_eq!(counts, theirs.count_logs(query.clone(), parts).await.unwrap(), "{context}: {query:?} {parts:?}");
    loop {
        let found = ours.search_logs(query.clone()).await.unwrap();
        assert_eq!(found, theirs.search_logs(query.clone()).await.unwrap(), "{context}: {query:?}");
        query.cursor = found.next;
        if query.cursor.is_none() {
            break;
        }
    }
}

async fn agree_on_the_rest(
    ours: &dyn TelemetryStore,
    theirs: &dyn TelemetryStore,
    random: &mut Random,
    hours: i64,
    context: &str,
) {
    let (range, limit) = (some_range(random, hours), random.below(6) as usize);
    let service = (random.below(2) == 0).then(|| ServiceId::named(random.of(&SERVICES)));
    let service = service.as_ref();
    assert_eq!(
        ours.changes(range, service, limit).await.unwrap(),
        theirs.changes(range, service, limit).await.unwrap(),
        "{context}: changes of {service:?} in {range:?}"
    );
    assert_eq!(
        ours.calls(range, limit).await.unwrap(),
        theirs.calls(range, limit).await.unwrap(),
        "{context}: calls in {range:?}"
    );
    assert_eq!(
        ours.services(range, service, limit).await.unwrap(),
        theirs.services(range, service, limit).await.unwrap(),
        "{context}: services after {service:?} in {range:?}"
    );
}
