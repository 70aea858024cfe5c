use std::time::Duration;

use llm_sre_domain::Timestamp;
use llm_sre_ports::clock::ManualClock;
use llm_sre_ports::memory::{MemoryDocuments, MemoryLeases, Said, ScriptedModel};
use llm_sre_proto::telemetry::v1::{LogSeverity, ServiceIdentity};
use serde_json::json;

use super::*;
use crate::{Budget, Limits, Prices};

fn diagnosis() -> v1::Diagnosis {
    let service = || Some(ServiceIdentity { name: "cart".to_owned(), ..ServiceIdentity::default() });
    let time = || Some(to_proto_time(Timestamp::from_secs(1_000)));
    let lines = v1::LogTemplate {
        service: service(),
        template: "no room left on <*>".to_owned(),
        severity: LogSeverity::Error.into(),
        count: 7,
        first_seen_time: time(),
        is_new: true,
        ..v1::LogTemplate::default()
    };
    let evidence = v1::Evidence {
        id: "e1".to_owned(),
        service: service(),
        time: time(),
        summary: "new lines".to_owned(),
        fact: Some(v1::evidence::Fact::LogTemplate(lines)),
    };
    let hypothesis = |id: &str, cause: v1::CauseKind, confidence| v1::Hypothesis {
        id: id.to_owned(),
        service: service(),
        cause: cause.into(),
        confidence,
        supporting_evidence: vec!["e1".to_owned()],
        ..v1::Hypothesis::default()
    };
    v1::Diagnosis {
        name: format!("{}/diagnoses/d1", names::incident(Uuid::from_u128(1))),
        hypotheses: vec![
            hypothesis("h1", v1::CauseKind::DiskFull, 0.8),
            hypothesis("h2", v1::CauseKind::MemoryLeak, 0.4),
        ],
        evidence: vec![evidence],
        evidence_time: time(),
        ..v1::Diagnosis::default()
    }
}

fn answer(evidence: &str) -> Said {
    let text = json!({
        "evidence_ids": [evidence], "hypothesis_ids": ["h2", "h1"], "root_cause": "a", "immediate_fix": "b",
        "long_term_fix": "c", "proposed_action": "", "confidence": 0.9,
    });
    says(&text.to_string())
}

fn says(text: &str) -> Said {
    Said::Answer(Completion { text: text.to_owned(), ..Completion::default() })
}

async fn asked(script: Vec<Said>, diagnosis: &v1::Diagnosis) -> Result<Advised, Status> {
    let unlimited = Budget { tokens_max: u64::MAX, micros_max: u64::MAX };
    let limits = Limits {
        within: Duration::from_secs(60),
        attempts_max: 1,
        retry_after_max: Duration::ZERO,
        concurrency: 1,
        question_bytes_max: 16_000,
        answer_tokens_max: 500,
        incident: unlimited,
        day: unlimited,
        prices: Prices::default(),
    };
    let leases = Arc::new(MemoryLeases::default());
    let advising = Advising { model: Arc::new(ScriptedModel::new(script)), limits, leases, text_in_spans: false };
    let clock = ManualClock::new(Timestamp::from_secs(2_000));
    advise_once(&advising, Arc::new(MemoryDocuments::default()), &clock, diagnosis).await
}

#[tokio::test]
async fn a_repaired_answer_is_given_and_its_first_shape_is_remembered() {
    let advised = asked(vec![says("I would restart it."), answer("e1")], &diagnosis()).await.unwrap();
    assert_eq!(advised.advice.state(), v1::AdviceState::Given, "{:?}", advised.advice);
    assert_eq!(advised.advice.hypothesis_order, ["h2", "h1"]);
    assert_eq!(advised.shapes, [false, true]);
}

#[tokio::test]
async fn what_was_not_shown_has_the_shape_and_is_no_advice() {
    let advised = asked(vec![answer("e9"), answer("e8")], &diagnosis()).await.unwrap();
    assert_eq!(advised.advice.failure(), v1::AdviceFailure::Unfounded);
    assert_eq!((advised.shapes, advised.advice.rejected_claims.len()), (vec![true, true], 1));
}

#[tokio::test]
async fn half_an_answer_came_and_none_did_not() {
    let cut = Said::Failure(Error::CutOff("500 tokens".to_owned()));
    let refused = Said::Failure(Error::Refused("no".to_owned()));
    for (said, shapes) in [(cut, vec![false]), (refused, vec![])] {
        let advised = asked(vec![said], &diagnosis()).await.unwrap();
        assert_eq!((advised.advice.state(), advised.shapes), (v1::AdviceState::Withheld, shapes));
    }
}

#[tokio::test]
async fn there_is_nothing_to_ask_without_a_hypothesis() {
    let empty = v1::Diagnosis { hypotheses: Vec::new(), ..diagnosis() };
    assert_eq!(asked(vec![], &empty).await.unwrap_err().code(), tonic::Code::FailedPrecondition);
}
