//! What services logged around an onset, where nobody but the store knows.

use llm_sre_domain::telemetry::{Change, LogRecord, LogSeverity};
use llm_sre_domain::{ServiceId, Timestamp};
use llm_sre_ports::telemetry::{
    Batch, CallSum, Error, LogCounts, LogPage, LogQuery, Parts, Range, RecordId, SeenService, SeriesPage, SeriesQuery,
    TelemetryStore,
};
use llm_sre_proto::convert::common::to_proto_time;
use llm_sre_proto::diagnosis::v1::evidence::Fact;
use llm_sre_proto::telemetry::v1::ServiceIdentity;

use super::*;

fn line(service: &str, before_s: u64, severity: LogSeverity, body: &str) -> LogRecord {
    LogRecord {
        service: ServiceId::named(service),
        origin: Default::default(),
        time: owner::now() - Duration::from_secs(before_s),
        severity,
        body: body.to_owned(),
        event_name: "".into(),
        attributes: Default::default(),
        trace_id: None,
        span_id: None,
    }
}

/// Stores lines, which are the `topic`th that are.
async fn log(world: &World, topic: u8, lines: impl IntoIterator<Item = LogRecord>) {
    let id = |offset| RecordId { topic, partition: 0, offset, index: 0 };
    let logs = (0..).zip(lines).map(|(offset, line)| (id(offset), line)).collect();
    world.telemetry.append(Batch { logs, ..Batch::default() }).await.unwrap();
}

/// The kinds of lines that a diagnosis cites, with how many there were and whether they are new.
fn cited(diagnosis: &v1::Diagnosis) -> Vec<(String, u64, bool)> {
    let observed = diagnosis.evidence.iter().filter_map(|fact| fact.fact.as_ref());
    let templates = observed.filter_map(|fact| match fact {
        Fact::LogTemplate(template) => Some((template.template.clone(), template.count, template.is_new)),
        _ => None,
    });
    templates.collect()
}

#[tokio::test]
async fn lines_of_the_incidents_services_are_read_by_time_and_the_rare_ones_are_new() {
    let world = world();
    let usual = (0..1_200).step_by(20).map(|before_s| line("checkout", before_s, LogSeverity::Warn, "a cart is slow"));
    log(&world, 1, usual).await;
    log(&world, 2, [line("checkout", 0, LogSeverity::Error, "card network is gone")]).await;
    log(&world, 3, [line("checkout", 0, LogSeverity::Info, "all is well")]).await;
    log(&world, 4, [line("checkout", 7_200, LogSeverity::Error, "long ago")]).await;
    log(&world, 5, [line("search", 0, LogSeverity::Error, "of somebody else")]).await;
    let name = world.owner.add(incident(1, State::Open));
    let made = world.diagnose(&name, "").await.unwrap();
    let mut cited = cited(&made);
    cited.sort();
    assert_eq!(cited, [("a cart is slow".to_owned(), 1, false), ("card network is gone".to_owned(), 1, true)]);
    assert!(made.gaps.iter().all(|gap| !gap.subject.contains("log")), "{:?}", made.gaps);

    // With the detector's snapshot, which knows more of them, nobody reads them again.
    let name = world.owner.add(incident(2, State::Open));
    let snapshot = v1::EvidenceSnapshot::from(&Evidence { as_of: owner::now(), ..Evidence::default() });
    let request = v1::DiagnoseIncidentRequest {
        parent: name,
        snapshot: Some(snapshot),
        ..v1::DiagnoseIncidentRequest::default()
    };
    let told = world.service.diagnose_incident(Request::new(request)).await.unwrap().into_inner();
    assert_eq!(self::cited(&told), []);
}

#[tokio::test]
async fn of_too_many_lines_nothing_is_called_new_and_a_gap_says_so() {
    let world = world();
    let many = (0..1_500).map(|before_s| line("checkout", before_s, LogSeverity::Error, "connection refused"));
    log(&world, 1, many).await;
    log(&world, 2, [line("checkout", 0, LogSeverity::Error, "card network is gone")]).await;
    let name = world.owner.add(incident(1, State::Open));
    let made = world.diagnose(&name, "").await.unwrap();
    let cited = cited(&made);
    assert!(cited.len() == 2 && cited.iter().all(|(_, _, is_new)| !is_new), "{cited:?}");
    assert!(made.gaps.iter().any(|gap| gap.subject == "logs of checkout"), "{:?}", made.gaps);
}

/// An incident that a person reported about a service, if about any.
fn reported(number: u128, service: Option<&str>) -> Incident {
    let service = service.map(|service| ServiceIdentity::from(&ServiceId::named(service)));
    Incident { anomalies: Vec::new(), service, ..incident(number, State::Open) }
}

#[tokio::test]
async fn an_incident_without_anomalies_is_about_its_own_service() {
    let world = world();
    log(&world, 1, [line("search", 0, LogSeverity::Error, "index is gone")]).await;
    let name = world.owner.add(reported(1, Some("search")));
    assert_eq!(cited(&world.diagnose(&name, "").await.unwrap()), [("index is gone".to_owned(), 1, false)]);

    let name = world.owner.add(reported(2, None));
    let made = world.diagnose(&name, "").await.unwrap();
    assert_eq!(gaps(&made), [("logs", "the incident names no service")]);
    assert_eq!(cited(&made), []);
}

/// What could not be read of the logs, and why.
fn gaps(diagnosis: &v1::Diagnosis) -> Vec<(&str, &str)> {
    let gaps = diagnosis.gaps.iter().map(|gap| (gap.subject.as_str(), gap.reason.as_str()));
    gaps.filter(|(subject, _)| subject.starts_with("logs")).collect()
}

#[tokio::test]
async fn a_kind_is_new_where_the_service_wrote_anything_long_enough_before() {
    let world = world();
    let usual = (0..1_200).step_by(20).map(|before_s| line("checkout", before_s, LogSeverity::Info, "all is well"));
    log(&world, 1, usual).await;
    log(&world, 2, [line("checkout", 0, LogSeverity::Error, "card network is gone")]).await;
    // It began when the incident did.
    log(&world, 3, [line("search", 200, LogSeverity::Info, "hello")]).await;
    log(&world, 4, [line("search", 0, LogSeverity::Error, "index is gone")]).await;
    let name = world.owner.add(Incident { service: reported(1, Some("search")).service, ..incident(1, State::Open) });
    let mut cited = cited(&world.diagnose(&name, "").await.unwrap());
    cited.sort();
    assert_eq!(cited, [("card network is gone".to_owned(), 1, true), ("index is gone".to_owned(), 1, false)]);
}

#[tokio::test]
async fn what_was_written_since_is_read_for_half_an_hour() {
    let world = world();
    let later = |after_s, body| LogRecord {
        time: owner::now() + Duration::from_secs(after_s),
        ..line("checkout", 0, LogSeverity::Error, body)
    };
    log(&world, 1, [later(600, "card network is gone"), later(601, "not yet"), later(1_801, "too late")]).await;
    world.clock.advance_to(owner::now() + Duration::from_secs(600));
    let name = world.owner.add(incident(1, State::Open));
    let made = world.diagnose(&name, "").await.unwrap();
    assert_eq!(cited(&made), [("card network is gone".to_owned(), 1, false)]);
    assert_eq!(made.evidence_time, Some(to_proto_time(owner::now() + Duration::from_secs(600))));

    world.clock.advance_to(owner::now() + Duration::from_secs(7_200));
    let name = world.owner.add(incident(2, State::Open));
    let made = world.diagnose(&name, "").await.unwrap();
    let told: Vec<String> = cited(&made).into_iter().map(|(template, ..)| template).collect();
    assert_eq!(told, ["card network is gone", "not yet"]);
}

/// A store that does not tell of one service's lines.
struct Stuck(Arc<MemoryTelemetry>, ServiceId);

#[async_trait::async_trait]
impl TelemetryStore for Stuck {
    async fn append(&self, batch: Batch) -> Result<(), Error> {
        self.0.append(batch).await
    }
    async fn series(&self, query: SeriesQuery) -> Result<SeriesPage, Error> {
        self.0.series(query).await
    }
    async fn search_logs(&self, query: LogQuery) -> Result<LogPage, Error> {
        if query.service.as_ref() == Some(&self.1) {
            std::future::pending::<()>().await;
        }
        self.0.search_logs(query).await
    }
    async fn count_logs(&self, query: LogQuery, parts: Parts) -> Result<LogCounts, Error> {
        self.0.count_logs(query, parts).await
    }
    async fn changes(&self, range: Range, service: Option<&ServiceId>, limit: usize) -> Result<Vec<Change>, Error> {
        self.0.changes(range, service, limit).await
    }
    async fn calls(&self, range: Range, limit: usize) -> Result<Vec<CallSum>, Error> {
        self.0.calls(range, limit).await
    }
    async fn services(&self, range: Range, after: Option<&ServiceId>, limit: usize) -> Result<Vec<SeenService>, Error> {
        self.0.services(range, after, limit).await
    }
    async fn prune(&self, before: Timestamp, bytes_max: Option<u64>) -> Result<u64, Error> {
        self.0.prune(before, bytes_max).await
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_that_is_slow_to_tell_of_lines_does_not_hold_up_a_diagnosis() {
    let world = world();
    for (topic, service) in (1..).zip(["ads", "checkout", "search"]) {
        log(&world, topic, [line(service, 0, LogSeverity::Error, &format!("{service} is unwell"))]).await;
    }
    let stuck = Stuck(world.telemetry.clone(), ServiceId::named("checkout"));
    let service = Service::build(Dependencies {
        documents: world.documents.clone(),
        telemetry: Arc::new(stuck),
        clock: world.clock.clone(),
        ids: Arc::new(RandomIds),
        incidents: peer::local(world.owner.routes()),
        remediation: None,
        stages: StageLog::new(world.documents.clone(), "diagnosis", None, SpanTime::Real).unwrap(),
        advising: None,
    });
    let mut given = Incident { service: reported(1, Some("search")).service, ..incident(1, State::Open) };
    let less = Anomaly {
        id: "b".to_owned(),
        service: reported(1, Some("ads")).service,
        score: 10.0,
        ..given.anomalies[0].clone()
    };
    given.anomalies.insert(0, less);
    let parent = world.owner.add(given);
    let request = v1::DiagnoseIncidentRequest { parent, ..v1::DiagnoseIncidentRequest::default() };
    let made = service.diagnose_incident(Request::new(request)).await.unwrap().into_inner();
    // Its own service came first, and nobody asked about the last.
    assert_eq!(cited(&made), [("search is unwell".to_owned(), 1, false)]);
    let reason = "the store did not answer within 5 s";
    assert_eq!(gaps(&made), [("logs of checkout", reason), ("logs of ads", reason)]);
}
