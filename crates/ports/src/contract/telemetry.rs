//! The contract of [`TelemetryStore`].

mod agreement;
mod logs;
mod series;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use llm_sre_domain::telemetry::{
    Attributes, Calls, Change, ChangeKind, LogRecord, LogSeverity, MetricPoint, Origin, PointValue,
};
use llm_sre_domain::{ServiceId, Timestamp};

use super::Kit;
use crate::telemetry::{
    BATCH_MAX, Batch, CallSum, Error, LogQuery, RANGE_MAX, Range, RecordId, SeriesQuery, TelemetryStore,
};

pub use agreement::telemetry_agrees_with_the_twin;
pub use logs::{
    log_records_are_counted, log_records_come_back_as_they_were, log_search_is_paged_newest_first, logs_are_filtered,
    words_are_searched,
};
pub use series::{series_are_filtered, series_are_in_order_and_limited, values_are_charted_by_their_kind};

/// Makes the suite's tests for a kit: `telemetry_contract!([#[tokio::test]] kit())`.
#[macro_export]
macro_rules! telemetry_contract {
    ([$($test:tt)*] $kit:expr) => {
        $crate::contract_tests!([$($test)*] $kit, telemetry:
            a_repeat_changes_nothing batches_have_a_largest_size ranges_are_half_open_and_bounded
            values_are_charted_by_their_kind series_are_filtered series_are_in_order_and_limited
            words_are_searched logs_are_filtered log_search_is_paged_newest_first log_records_are_counted
            log_records_come_back_as_they_were changes_are_newest_first calls_are_summed services_are_seen
            what_is_too_old_is_pruned what_is_too_much_is_pruned telemetry_agrees_with_the_twin);
    };
}

type Store = Kit<dyn TelemetryStore>;

/// A time so many seconds after the beginning of the tests' telemetry.
fn at(secs: i64) -> Timestamp {
    Timestamp::from_secs(1_700_000_000 + secs)
}

fn range(from: i64, to: i64) -> Range {
    Range { start: at(from), end: at(to) }
}

fn all() -> Range {
    range(-100_000, 100_000)
}

fn id(offset: u64) -> RecordId {
    RecordId { topic: 1, partition: 2, offset, index: 3 }
}

fn attributes(pairs: &[(&str, &str)]) -> Attributes {
    pairs.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect()
}

fn point(service: &str, metric: &str, secs: i64, value: f64) -> MetricPoint {
    MetricPoint {
        service: ServiceId::named(service),
        origin: Origin::default(),
        metric: metric.into(),
        unit: "s".into(),
        attributes: Attributes::new(),
        time: at(secs),
        start: None,
        value: PointValue::Gauge(value),
    }
}

fn log(service: &str, secs: i64, body: &str) -> LogRecord {
    LogRecord {
        service: ServiceId::named(service),
        origin: Origin::default(),
        time: at(secs),
        severity: LogSeverity::Info,
        body: body.to_owned(),
        event_name: "".into(),
        attributes: Attributes::new(),
        trace_id: None,
        span_id: None,
    }
}

fn change(service: &str, secs: i64, subject: &str) -> Change {
    Change {
        service: ServiceId::named(service),
        time: at(secs),
        kind: ChangeKind::Deployment,
        subject: subject.to_owned(),
        before: "1".to_owned(),
        after: String::new(),
        description: "é \"quoted\"".to_owned(),
    }
}

fn calls(client: &str, server: &str, secs: i64, count: f64) -> Calls {
    Calls { client: ServiceId::named(client), server: ServiceId::named(server), time: at(secs), count }
}

fn numbered<T>(records: impl IntoIterator<Item = T>) -> Vec<(RecordId, T)> {
    (0..).map(id).zip(records).collect()
}

fn points(points: impl IntoIterator<Item = MetricPoint>) -> Batch {
    Batch { points: numbered(points), ..Batch::default() }
}

fn log_records(logs: impl IntoIterator<Item = LogRecord>) -> Batch {
    Batch { logs: numbered(logs), ..Batch::default() }
}

fn of_metric(service: &str, metric: &str) -> SeriesQuery {
    SeriesQuery {
        service: ServiceId::named(service),
        metric: metric.to_owned(),
        attributes: BTreeMap::new(),
        instance: String::new(),
        range: all(),
        series_max: 100,
        points_max: 1_000,
    }
}

fn any_log() -> LogQuery {
    LogQuery {
        range: all(),
        text: String::new(),
        service: None,
        min_severity: LogSeverity::Unspecified,
        trace_id: None,
        limit: 100,
        cursor: None,
    }
}

async fn bodies(store: &dyn TelemetryStore, query: LogQuery) -> Vec<String> {
    store.search_logs(query).await.unwrap().records.into_iter().map(|record| record.body).collect()
}

async fn values(store: &dyn TelemetryStore, query: SeriesQuery) -> Vec<Vec<f64>> {
    let page = store.series(query).await.unwrap();
    page.series.iter().map(|series| series.points.iter().map(|point| point.value).collect()).collect()
}

/// A record whose id is stored already changes nothing, whatever it says, in this batch or a later one.
pub async fn a_repeat_changes_nothing(kit: Store) {
    let batch = Batch {
        points: vec![(id(1), point("a", "m", 1, 1.0)), (id(1), point("a", "m", 2, 2.0))],
        logs: vec![(id(1), log("a", 1, "one"))],
        changes: vec![(id(1), change("a", 1, "one"))],
        calls: vec![(id(1), calls("a", "b", 1, 1.0))],
    };
    let other = Batch {
        points: vec![(id(1), point("b", "n", 3, 3.0))],
        logs: vec![(id(1), log("a", 2, "two"))],
        changes: vec![(id(1), change("a", 2, "two"))],
        calls: vec![(id(1), calls("b", "c", 1, 1.0))],
    };
    for batch in [batch.clone(), batch, other] {
        kit.port.append(batch).await.unwrap();
    }
    assert_eq!(values(&*kit.port, of_metric("a", "m")).await, [[1.0]]);
    assert_eq!(values(&*kit.port, of_metric("b", "n")).await, [[0.0; 0]; 0]);
    assert_eq!(bodies(&*kit.port, any_log()).await, ["one"]);
    assert_eq!(kit.port.changes(all(), None, 10).await.unwrap(), [change("a", 1, "one")]);
    let calls = kit.port.calls(all(), 10).await.unwrap();
    assert_eq!(calls.iter().map(|sum| sum.count).collect::<Vec<_>>(), [1.0]);
}

/// At most [`BATCH_MAX`] records, counted over all kinds; of a larger batch nothing is stored.
pub async fn batches_have_a_largest_size(kit: Store) {
    let mut batch = points((0..BATCH_MAX as i64).map(|number| point("a", "m", number, 1.0)));
    batch.logs = vec![(id(1), log("a", 1, "one too many"))];
    let refused = kit.port.append(batch.clone()).await;
    assert!(matches!(refused, Err(Error::InvalidArgument { what: "batch", .. })), "{refused:?}");
    assert_eq!(values(&*kit.port, of_metric("a", "m")).await, [[0.0; 0]; 0]);
    batch.logs.clear();
    kit.port.append(batch).await.unwrap();
    let page = kit.port.series(SeriesQuery { points_max: BATCH_MAX, ..of_metric("a", "m") }).await.unwrap();
    assert_eq!(page.series[0].points.len(), BATCH_MAX);
    kit.port.append(Batch::default()).await.unwrap();
}

/// The start belongs to a range and the end does not; one that is empty or longer than [`RANGE_MAX`] is refused.
pub async fn ranges_are_half_open_and_bounded(kit: Store) {
    let mut batch = points([point("a", "m", 1, 1.0), point("a", "m", 2, 2.0)]);
    batch.logs = numbered([log("a", 1, "one"), log("a", 2, "two")]);
    batch.changes = numbered([change("a", 1, "one"), change("a", 2, "two")]);
    batch.calls = numbered([calls("a", "b", 1, 1.0), calls("a", "b", 2, 2.0)]);
    kit.port.append(batch).await.unwrap();
    let (store, one) = (&*kit.port, range(1, 2));
    assert_eq!(values(store, SeriesQuery { range: one, ..of_metric("a", "m") }).await, [[1.0]]);
    assert_eq!(bodies(store, LogQuery { range: one, ..any_log() }).await, ["one"]);
    assert_eq!(bodies(store, LogQuery { range: one, text: "two".to_owned(), ..any_log() }).await, [""; 0]);
    assert_eq!(store.changes(one, None, 10).await.unwrap(), [change("a", 1, "one")]);
    assert_eq!(store.calls(one, 10).await.unwrap()[0].count, 1.0);
    assert_eq!(store.services(one, None, 10).await.unwrap()[0].last_seen, at(1));

    let longest = Range { start: at(0), end: at(0) + RANGE_MAX };
    store.calls(longest, 10).await.unwrap();
    for wrong in [range(1, 1), range(2, 1), Range { end: longest.end + Duration::from_nanos(1), ..longest }] {
        let refusals = [
            store.series(SeriesQuery { range: wrong, ..of_metric("a", "m") }).await.err(),
            store.search_logs(LogQuery { range: wrong, ..any_log() }).await.err(),
            store.changes(wrong, None, 10).await.err(),
            store.calls(wrong, 10).await.err(),
            store.services(wrong, None, 10).await.err(),
        ];
        for refusal in refusals {
            assert!(matches!(refusal, Some(Error::InvalidArgument { what: "range", .. })), "{refusal:?} for {wrong:?}");
        }
    }
}

/// Of all services or of one, at most so many; those of one time by id, the greatest first.
pub async fn changes_are_newest_first(kit: Store) {
    let changes = [change("a", 1, "1"), change("b", 3, "2"), change("a", 2, "3"), change("a", 2, "4")];
    kit.port.append(Batch { changes: numbered(changes), ..Batch::default() }).await.unwrap();
    let store = &kit.port;
    let found = |service: Option<&'static str>, limit| async move {
        let service = service.map(ServiceId::named);
        let found = store.changes(all(), service.as_ref(), limit).await.unwrap();
        found.into_iter().map(|change| change.subject).collect::<Vec<_>>()
    };
    assert_eq!(found(None, 10).await, ["2", "4", "3", "1"]);
    assert_eq!(found(None, 2).await, ["2", "4"]);
    assert_eq!(found(Some("a"), 10).await, ["4", "3", "1"]);
    assert_eq!(found(Some("c"), 10).await, [""; 0]);
}

/// In order of client and server, each edge once; production and staging are apart.
pub async fn calls_are_summed(kit: Store) {
    let staging = |name: &str| ServiceId::new("shop", name, "staging");
    let mut batch = Batch {
        calls: numbered([
            calls("b", "c", 5, 2.0),
            calls("a", "c", 1, 1.0),
            calls("a", "b", 1, 4.0),
            calls("b", "c", 3, 1.5),
        ]),
        ..Batch::default()
    };
    batch.calls.push((id(99), Calls { client: staging("a"), server: staging("b"), time: at(1), count: 8.0 }));
    kit.port.append(batch).await.unwrap();
    let sum =
        |client: ServiceId, server: ServiceId, count, last| CallSum { client, server, count, last_seen: at(last) };
    let named = ServiceId::named;
    let expected = [
        sum(named("a"), named("b"), 4.0, 1),
        sum(named("a"), named("c"), 1.0, 1),
        sum(named("b"), named("c"), 3.5, 5),
        sum(staging("a"), staging("b"), 8.0, 1),
    ];
    assert_eq!(kit.port.calls(all(), 10).await.unwrap(), expected);
    assert_eq!(kit.port.calls(all(), 2).await.unwrap(), expected[..2]);
}

/// By points or log records, in order, after one, with the metrics of the range.
pub async fn services_are_seen(kit: Store) {
    let mut batch = points([point("b", "n", 5, 1.0), point("b", "m", 1, 1.0), point("c", "m", 9, 1.0)]);
    batch.logs = numbered([log("a", 7, "x"), log("b", 6, "x")]);
    batch.changes = numbered([change("d", 1, "x")]);
    batch.calls = numbered([calls("e", "f", 1, 1.0)]);
    kit.port.append(batch).await.unwrap();
    let store = &kit.port;
    let found = |range, after: Option<&'static str>, limit| async move {
        let seen = store.services(range, after.map(ServiceId::named).as_ref(), limit).await.unwrap();
        seen.into_iter().map(|seen| (seen.service.to_string(), seen.last_seen, seen.metrics)).collect::<Vec<_>>()
    };
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let a = ("a".to_owned(), at(7), names(&[]));
    let b = ("b".to_owned(), at(6), names(&["m", "n"]));
    let c = ("c".to_owned(), at(9), names(&["m"]));
    assert_eq!(found(all(), None, 10).await, [a.clone(), b.clone(), c.clone()]);
    assert_eq!(found(all(), None, 2).await, [a, b.clone()]);
    assert_eq!(found(all(), Some("a"), 1).await, [b]);
    assert_eq!(found(all(), Some("b"), 10).await, [c]);
    assert_eq!(found(range(0, 2), None, 10).await, [("b".to_owned(), at(1), names(&["m"]))]);
}

/// The beginning of a day (UTC), so many days after that of the tests' telemetry.
fn midnight(days: i64) -> Timestamp {
    at(days * 86_400 - 80_000)
}

/// A range for telemetry of more than a day.
fn days() -> Range {
    Range { start: midnight(0), end: midnight(20) }
}

/// What is of the days before a time goes and is counted; what is later stays as it was, and what went can come again.
pub async fn what_is_too_old_is_pruned(kit: Store) {
    // An hour after each midnight.
    let secs = |day: i64| day * 86_400 - 80_000 + 3_600;
    let mut batch = points((0..10).map(|day| point("a", "m", secs(day), day as f64)));
    batch.points.push((id(50), point("a", "gone", secs(3), 1.0)));
    batch.logs = numbered((0..10).map(|day| log("a", secs(day), &format!("word {day}"))));
    batch.changes = numbered((0..10).map(|day| change("a", secs(day), &day.to_string())));
    batch.calls = numbered((0..10).map(|day| calls("a", "b", secs(day), 1.0)));
    kit.port.append(batch.clone()).await.unwrap();
    let store = &*kit.port;
    assert_eq!(store.prune(midnight(8), None).await.unwrap(), 33);
    assert_eq!(store.prune(midnight(8), None).await.unwrap(), 0);
    let of = |metric| SeriesQuery { range: days(), ..of_metric("a", metric) };
    let word = |text: &str| LogQuery { range: days(), text: text.to_owned(), ..any_log() };
    assert_eq!(values(store, of("m")).await, [[8.0, 9.0]]);
    assert_eq!(bodies(store, word("word")).await, ["word 9", "word 8"]);
    assert_eq!(store.changes(days(), None, 10).await.unwrap().len(), 2);
    assert_eq!(store.calls(days(), 10).await.unwrap()[0].count, 2.0);
    assert_eq!(store.services(days(), None, 10).await.unwrap()[0].metrics, ["m"]);
    // Within a day a store may be exact, or keep the day.
    let removed = store.prune(midnight(8) + Duration::from_secs(2 * 3_600), None).await.unwrap();
    assert!(removed == 4 || removed == 0, "{removed}");
    assert_eq!(values(store, of("m")).await[0].len(), if removed == 4 { 1 } else { 2 });
    store.append(batch).await.unwrap();
    assert_eq!(values(store, of("gone")).await, [[1.0]]);
    assert_eq!(bodies(store, word("word 3")).await, ["word 3"]);
}

/// The oldest go first. What size is, the store says itself: this asks for less until some have to go.
pub async fn what_is_too_much_is_pruned(kit: Store) {
    let store = Arc::clone(&kit.port);
    // An hour apart, and so of five days, of text that does not shrink to nothing when it is packed.
    let mut random = super::Random(1);
    let texts: Vec<String> = (0..100)
        .map(|number| (0..50).fold(format!("word {number}"), |text, _| format!("{text} {}", random.below(u64::MAX))))
        .collect();
    store.append(log_records((0..).zip(&texts).map(|(hour, text)| log("a", hour * 3_600, text)))).await.unwrap();
    let mut bytes_max = 1024 * 1024 * 1024;
    assert_eq!(store.prune(at(-1), Some(bytes_max)).await.unwrap(), 0, "there is room");
    let removed = loop {
        bytes_max /= 2;
        assert!(bytes_max > 0, "any size is enough");
        let removed = store.prune(at(-1), Some(bytes_max)).await.unwrap();
        if removed > 0 {
            break removed as usize;
        }
    };
    assert!(removed < 95, "{removed} of 100 were removed for want of less than half the room");
    let left = bodies(&*store, LogQuery { range: days(), ..any_log() }).await;
    assert_eq!(left, texts[removed..].iter().rev().cloned().collect::<Vec<_>>());
    store.prune(at(-1), Some(1)).await.unwrap();
    let left = bodies(&*store, LogQuery { range: days(), limit: 1, ..any_log() }).await;
    assert!(left.is_empty() || left == texts[99..], "the newest goes last");
}
