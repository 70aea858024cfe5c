//! What people say that an incident was.

use llm_sre_proto::incident::v1;
use llm_sre_proto::incident::v1::JudgementKind as Kind;
use llm_sre_proto::incident::v1::incident_service_server::IncidentService;
use tonic::{Code, Request};

use crate::{WELL, with_incident};

#[tokio::test]
async fn a_verdict_is_taken_once_in_any_state_and_replaced_by_the_next() {
    let (mut shop, running, incident) = with_incident(31).await;
    let judge = async |kind: Kind, request_id: &str, validate_only: bool| {
        let disk = || v1::Cause { service: incident.service.clone(), kind: v1::CauseKind::DiskFull.into() };
        let request = v1::JudgeIncidentRequest {
            name: incident.name.clone(),
            kind: kind.into(),
            cause: (kind == Kind::OtherCause).then(disk),
            note: "looked at it".to_owned(),
            request_id: request_id.to_owned(),
            validate_only,
            ..v1::JudgeIncidentRequest::default()
        };
        running.service.judge_incident(Request::new(request)).await.map(tonic::Response::into_inner)
    };
    let told = |incident: &v1::Incident| {
        incident.timeline.iter().filter(|entry| entry.message.starts_with("judged: ")).count()
    };
    assert_eq!(judge(Kind::Unspecified, "", false).await.unwrap_err().code(), Code::InvalidArgument);
    let tried = judge(Kind::Confirmed, "v1", true).await.unwrap();
    assert_eq!(tried.judgement.unwrap().kind(), Kind::Confirmed);
    assert!(running.list().await[0].judgement.is_none(), "it was only checked");

    let first = judge(Kind::Confirmed, "v1", false).await.unwrap();
    let said = first.judgement.clone().unwrap();
    assert_eq!((first.state(), &said.diagnosis), (v1::State::Escalated, &first.diagnosis));
    assert_eq!((said.actor.as_str(), said.note.as_str()), ("unauthenticated:local", "looked at it"));
    let again = judge(Kind::Confirmed, "v1", false).await.unwrap();
    assert_eq!((again.judgement.as_ref(), told(&again)), (Some(&said), 1), "a repeat is the same answer");

    shop.trade(WELL, 0.0).await;
    let ended = running.until(v1::State::Resolved).await;
    let second = judge(Kind::OtherCause, "v2", false).await.unwrap();
    assert_eq!((second.state(), told(&second)), (v1::State::Resolved, 2));
    assert_eq!(second.end_time, ended.end_time, "it ended when it did");
    let said = second.judgement.unwrap();
    assert_eq!((said.kind(), said.cause.unwrap().kind()), (Kind::OtherCause, v1::CauseKind::DiskFull));

    let judged = async |fingerprint: &str| {
        let request = v1::ListIncidentsRequest {
            fingerprint: fingerprint.to_owned(),
            judged: true,
            ..v1::ListIncidentsRequest::default()
        };
        running.service.list_incidents(Request::new(request)).await.unwrap().into_inner().incidents.len()
    };
    assert_eq!((judged(&incident.fingerprint).await, judged("another").await), (1, 0));
    running.stop().await;
}

#[tokio::test]
async fn a_false_positive_is_a_false_alarm() {
    let (_shop, running, incident) = with_incident(32).await;
    let request = v1::ResolveIncidentRequest {
        name: incident.name.clone(),
        reason: v1::ResolutionReason::FalsePositive.into(),
        note: "a backup".to_owned(),
        ..v1::ResolveIncidentRequest::default()
    };
    let ended = running.service.resolve_incident(Request::new(request)).await.unwrap().into_inner();
    let said = ended.judgement.unwrap();
    assert_eq!((said.kind(), said.note.as_str()), (Kind::FalseAlarm, "a backup"));
    running.stop().await;
}
