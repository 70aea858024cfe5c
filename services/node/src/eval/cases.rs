//! What models are asked about: a shop that broke, and what the services said of it first.

use anyhow::Context;
use llm_sre_domain::Timestamp;
use llm_sre_ports::clock::Clock;
use llm_sre_proto::diagnosis::v1::{Diagnosis, DiagnosisState, ListDiagnosesRequest};
use llm_sre_proto::simulator::v1::Fault;
use serde::Serialize;

use crate::client::{Services, kind_text, service_text};
use crate::drill::{
    DIAGNOSES_MAX, EPISODE_MAX, Episode, LOOK_EVERY, Stated, detected, first_start, incidents, is_over, stated,
};

/// A fault, and what was said of it before anybody asked a model.
#[derive(Clone, Debug)]
pub(super) struct Case {
    pub(super) seed: u64,
    /// The first diagnosis of the fault's first incident, with at least one hypothesis.
    pub(super) diagnosis: Diagnosis,
    /// What each of its hypotheses is worth, in their order.
    pub(super) stated: Vec<Stated>,
}

/// A fault that nobody can be asked about.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Left {
    pub(super) fault: String,
    pub(super) service: String,
    pub(super) seed: u64,
    pub(super) why: Why,
}

/// What there is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Why {
    /// No incident was opened.
    NoIncident,
    /// An incident was opened, and no hypothesis came of it.
    NoHypothesis,
}

/// What a shop came to.
pub(super) enum Found {
    /// There is something to ask about.
    Case(Box<Case>),
    /// There is not.
    Left(Left),
}

/// Breaks a shop on this thread, in virtual time, and waits for what is said of it first.
pub(super) fn find(episode: &Episode) -> anyhow::Result<Found> {
    episode.live(async |services, clock, _| look(episode, services, clock).await)
}

async fn look(episode: &Episode, services: &Services, clock: &dyn Clock) -> anyhow::Result<Found> {
    episode.warm_up(clock).await;
    let fault = services.simulator().inject_fault(episode.first_request()).await?.into_inner();
    let started = first_start(std::slice::from_ref(&fault));
    let deadline = started + EPISODE_MAX;
    let names = [fault.name.clone()];
    loop {
        if let Some(diagnosis) = first_diagnosis(services, started).await? {
            return Ok(found(episode.seed, &fault, Some(diagnosis), Why::NoHypothesis));
        }
        if clock.now() >= deadline || is_over(services, &names, started).await? {
            break;
        }
        clock.sleep(LOOK_EVERY).await;
    }
    let is_seen = incidents(services).await?.iter().any(|incident| detected(incident) >= started);
    Ok(found(episode.seed, &fault, None, if is_seen { Why::NoHypothesis } else { Why::NoIncident }))
}

/// The first diagnosis of the first incident since a time, once it has ended.
async fn first_diagnosis(services: &Services, since: Timestamp) -> anyhow::Result<Option<Diagnosis>> {
    let opened = incidents(services).await?;
    let opened = opened.into_iter().filter(|incident| detected(incident) >= since);
    let Some(incident) = opened.min_by_key(detected) else { return Ok(None) };
    let request =
        ListDiagnosesRequest { parent: incident.name, page_size: DIAGNOSES_MAX, ..ListDiagnosesRequest::default() };
    let listed = services.diagnoses().list_diagnoses(request).await.context("failed to list diagnoses")?;
    let first = listed.into_inner().diagnoses.into_iter().min_by_key(|diagnosis| diagnosis.ordinal);
    Ok(first.filter(|diagnosis| diagnosis.state() != DiagnosisState::Running))
}

fn found(seed: u64, fault: &Fault, diagnosis: Option<Diagnosis>, why: Why) -> Found {
    match diagnosis.filter(|diagnosis| !diagnosis.hypotheses.is_empty()) {
        Some(diagnosis) => {
            let stated = stated(&diagnosis, Some(fault));
            Found::Case(Box::new(Case { seed, diagnosis, stated }))
        }
        None => {
            let service = service_text(fault.service.as_ref());
            Found::Left(Left { fault: kind_text(fault), service, seed, why })
        }
    }
}
