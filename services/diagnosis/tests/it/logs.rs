//! What services logged around an onset, where nobody but the store knows.

use llm_sre_domain::ServiceId;
use llm_sre_domain::telemetry::{LogRecord, LogSeverity};
use llm_sre_ports::telemetry::{Batch, RecordId, TelemetryStore};
use llm_sre_proto::diagnosis::v1::evidence::Fact;

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
