//! Search over log records.

use std::time::Duration;

use llm_sre_domain::ServiceId;
use llm_sre_domain::telemetry::{LogRecord, LogSeverity, Origin};

use super::{Store, any_log, at, attributes, bodies, log, log_records, range};
use crate::telemetry::{Batch, Error, LogQuery, Parts, Range, WORDS_MAX};

/// All words, in any order and case; punctuation separates them and means nothing else.
pub async fn words_are_searched(kit: Store) {
    let texts = [
        "Connection to db-1 timed out",
        "connection_pool exhausted: 10/10",
        "Verbindung zur Küche GESTÖRT",
        "kuche",
        "NOT AND OR NEAR(\"x\")",
        "日本語 ログ",
        "İstanbul",
        "",
    ];
    kit.port.append(log_records((1..).zip(texts).map(|(secs, text)| log("a", secs, text)))).await.unwrap();
    let store = &kit.port;
    let found = |text: &str| {
        let query = LogQuery { text: text.to_owned(), ..any_log() };
        async move { bodies(&**store, query).await }
    };
    assert_eq!(found("connection").await, [texts[1], texts[0]]);
    assert_eq!(found("CONNECTION, out!").await, [texts[0]]);
    assert_eq!(found("out connection DB 1").await, [texts[0]]);
    assert_eq!(found("connect").await, [""; 0], "words are whole");
    assert_eq!(found("pool").await, [texts[1]], "an underscore separates");
    assert_eq!(found("10").await, [texts[1]]);
    assert_eq!(found("küche gestört").await, [texts[2]]);
    assert_eq!(found("KUCHE").await, [texts[3]], "accents matter");
    assert_eq!(found("not or and near").await, [texts[4]], "no word is an operator");
    assert_eq!(found("NEAR(\"x\") -").await, [texts[4]]);
    assert_eq!(found("日本語").await, [texts[5]]);
    assert_eq!(found("İSTANBUL").await, [texts[6]], "a small letter may be two characters");
    for everything in ["", " ", "\"*(^:-.,'"] {
        assert_eq!(found(everything).await.len(), texts.len(), "{everything:?} asks for no word");
    }
    let words = |count: usize| (0..count).map(|word| format!("w{word}")).collect::<Vec<_>>().join(" ");
    assert_eq!(found(&words(WORDS_MAX)).await, [""; 0]);
    let many = store.search_logs(LogQuery { text: words(WORDS_MAX + 1), ..any_log() }).await;
    assert!(matches!(many, Err(Error::InvalidArgument { what: "text", .. })), "{many:?}");
}

/// By service, severity, trace and range, alone and together with words.
pub async fn logs_are_filtered(kit: Store) {
    let trace = [7; 16];
    let severe = |severity, record: LogRecord| LogRecord { severity, ..record };
    kit.port
        .append(log_records([
            severe(LogSeverity::Unspecified, log("a", 1, "word 1")),
            severe(LogSeverity::Error, log("a", 2, "word 2")),
            severe(LogSeverity::Fatal, log("b", 3, "word 3")),
            LogRecord { trace_id: Some(trace), ..severe(LogSeverity::Warn, log("b", 4, "word 4")) },
            LogRecord { trace_id: Some([8; 16]), ..severe(LogSeverity::Warn, log("a", 5, "other 5")) },
        ]))
        .await
        .unwrap();
    let store = &*kit.port;
    for (text, expected_of_a) in [("", vec!["other 5", "word 2", "word 1"]), ("word", vec!["word 2", "word 1"])] {
        let query = || LogQuery { text: text.to_owned(), ..any_log() };
        let of = |service: &str| LogQuery { service: Some(ServiceId::named(service)), ..query() };
        assert_eq!(bodies(store, of("a")).await, expected_of_a);
        assert_eq!(bodies(store, of("c")).await, [""; 0]);
        let severe = LogQuery { min_severity: LogSeverity::Error, ..query() };
        assert_eq!(bodies(store, severe).await, ["word 3", "word 2"]);
        assert_eq!(bodies(store, LogQuery { trace_id: Some(trace), ..query() }).await, ["word 4"]);
        assert_eq!(bodies(store, LogQuery { range: range(2, 4), ..query() }).await, ["word 3", "word 2"]);
        let both = LogQuery { range: range(0, 4), min_severity: LogSeverity::Error, ..of("a") };
        assert_eq!(bodies(store, both).await, ["word 2"]);
    }
}

/// By part and severity, of all that match and however many there are.
pub async fn log_records_are_counted(kit: Store) {
    let severe = |severity, record: LogRecord| LogRecord { severity, ..record };
    let of_a = (0..150).map(|secs| severe(LogSeverity::Error, log("a", secs, "word")));
    let of_b = (0..10).map(|secs| severe(LogSeverity::Unspecified, log("b", secs * 15, "other word")));
    kit.port.append(log_records(of_a.chain(of_b))).await.unwrap();
    let count = |query: LogQuery, most: usize| {
        let store = &kit.port;
        async move {
            let parts = Parts::of(query.range, most);
            let counts = store.count_logs(LogQuery { limit: 1, ..query }, parts).await.unwrap();
            counts.into_iter().map(|((part, severity), count)| (part, severity, count)).collect::<Vec<_>>()
        }
    };
    let whole = LogQuery { range: range(0, 150), ..any_log() };
    let (none, error) = (LogSeverity::Unspecified, LogSeverity::Error);
    let expected = [(0, none, 4), (0, error, 50), (1, none, 3), (1, error, 50), (2, none, 3), (2, error, 50)];
    assert_eq!(count(whole.clone(), 3).await, expected);
    assert_eq!(count(LogQuery { min_severity: error, ..whole.clone() }, 2).await, [(0, error, 75), (1, error, 75)]);
    assert_eq!(count(LogQuery { text: "other".to_owned(), ..whole.clone() }, 1).await, [(0, none, 10)]);
    assert_eq!(count(LogQuery { service: Some(ServiceId::named("c")), ..whole.clone() }, 3).await, []);
    // The range begins within the first part and ends within the last, and counts only what lies in it.
    let start = at(9) + Duration::from_millis(500);
    let within = LogQuery { range: Range { start, end: at(20) + Duration::from_millis(500) }, ..whole };
    assert_eq!(
        count(LogQuery { service: Some(ServiceId::named("a")), ..within }, 4).await,
        [(0, error, 2), (1, error, 3), (2, error, 3), (3, error, 3),]
    );
    let many = (0..=WORDS_MAX).map(|word| format!("w{word}")).collect::<Vec<_>>().join(" ");
    let refused = kit.port.count_logs(LogQuery { text: many, ..any_log() }, Parts::of(any_log().range, 1)).await;
    assert!(matches!(refused, Err(Error::InvalidArgument { what: "text", .. })), "{refused:?}");
}

/// Those of one time by id, the greatest first. What is stored meanwhile moves no page, and a cursor of others is refused.
pub async fn log_search_is_paged_newest_first(kit: Store) {
    let texts: Vec<String> = (0..20).map(|number| format!("word {number}")).collect();
    // Four at a time.
    let sent = (0..).zip(&texts).map(|(number, text)| log("a", number / 4, text));
    kit.port.append(log_records(sent)).await.unwrap();
    for text in ["", "word"] {
        let (mut seen, mut cursor) = (Vec::new(), None);
        loop {
            let query = LogQuery { text: text.to_owned(), limit: 3, cursor, ..any_log() };
            let page = kit.port.search_logs(query).await.unwrap();
            assert!(page.records.len() <= 3);
            seen.extend(page.records.into_iter().map(|record| record.body));
            let newer = (super::id(1_000 + seen.len() as u64), log("a", 900, "newer"));
            kit.port.append(Batch { logs: vec![newer], ..Batch::default() }).await.unwrap();
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
        }
        seen.retain(|text| text != "newer");
        assert_eq!(seen, texts.iter().rev().cloned().collect::<Vec<_>>());
    }
    for cursor in ["", "x", "1.00", "1", "é.00"] {
        let refused = kit.port.search_logs(LogQuery { cursor: Some(cursor.to_owned()), ..any_log() }).await;
        assert!(matches!(refused, Err(Error::InvalidArgument { what: "cursor", .. })), "{refused:?} for {cursor:?}");
    }
}

/// With everything that they carry.
pub async fn log_records_come_back_as_they_were(kit: Store) {
    let full = LogRecord {
        service: ServiceId::new("shop", "a", "production"),
        origin: Origin { instance: "pod-1".into(), version: "1.2".into() },
        time: at(1),
        severity: LogSeverity::Fatal,
        body: "é \u{0} \" ' \\ \u{1f525}\n".to_owned(),
        event_name: "deployment.finished".into(),
        attributes: attributes(&[("k\"", "v'"), ("", ""), ("é", "\u{0}")]),
        trace_id: Some([0xfe; 16]),
        span_id: Some([0x01; 8]),
    };
    let plain = log("b", 0, "");
    kit.port.append(log_records([full.clone(), plain.clone()])).await.unwrap();
    assert_eq!(kit.port.search_logs(any_log()).await.unwrap().records, [full, plain]);
}
