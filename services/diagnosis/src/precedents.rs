//! What people said of past incidents: asked of the incidents' owner, beside what was diagnosed then.

use std::time::Duration;

use llm_sre_domain::diagnose::{Cause, Hypothesis};
use llm_sre_domain::evidence::{Evidence, EvidenceId, Fact, Gap, Observation, Precedent};
use llm_sre_domain::incident::Ruling;
use llm_sre_mesh::{names, status};
use llm_sre_proto::convert::ConvertError;
use llm_sre_proto::convert::common::{required_service, required_time};
use llm_sre_proto::convert::incident::incident_id;
use llm_sre_proto::convert::judgement::ruling;
use llm_sre_proto::incident::v1 as incident;
use tonic::Status;

use crate::Service;
use crate::work::record_id;

/// The most incidents that are looked at, of the same fingerprint and of the same service each; the newest are. Who
/// judged so many has said what they think.
const JUDGED_MAX: usize = 16;
/// How many are asked for at a time: so many with every list at its bound fit in one answer.
const PAGE: i32 = 8;
/// How many answers are read at most; what comes later is older.
const PAGES_MAX: usize = 8;
/// What was said, or done, longer ago was said of another system.
pub(crate) const AGE_MAX: Duration = Duration::from_secs(90 * 24 * 3_600);
/// How long a diagnosis waits for what was said and done before, in real time. It can do without.
pub(crate) const ASK_WITHIN: Duration = Duration::from_secs(2);

/// What a gap is about where nothing of what people said could be had.
const VERDICTS: &str = "verdicts on past incidents";

/// What people said of incidents before one and what repairs came to, and what of it could not be had.
#[derive(Debug, Default)]
pub(crate) struct Past {
    pub(crate) facts: Vec<Fact>,
    pub(crate) gaps: Vec<Gap>,
}

impl Past {
    /// Nothing could be had.
    pub(crate) fn unknown(subject: &str, reason: &str) -> Self {
        let gap = Gap { subject: subject.to_owned(), reason: reason.to_owned() };
        Self { facts: Vec::new(), gaps: vec![gap] }
    }

    /// Takes it into the evidence, in the place of what anybody else says that was said and done.
    pub(crate) fn add_to(self, evidence: &mut Evidence) {
        let is_past = |fact: &Fact| matches!(fact.observation, Observation::Precedent(_) | Observation::Attempt(_));
        evidence.facts.retain(|fact| !is_past(fact));
        evidence.facts.extend(self.facts);
        evidence.gaps.extend(self.gaps);
    }
}

impl Service {
    /// What was said and done before about what an incident is about. Whatever cannot be had is a gap.
    pub(crate) async fn past(&self, about: &incident::Incident) -> Past {
        let (mut past, repaired) = tokio::join!(self.said(about), self.repaired(about));
        past.facts.extend(repaired.facts);
        past.gaps.extend(repaired.gaps);
        past
    }

    /// What people said of incidents with the fingerprint of this one, and of others about its service.
    async fn said(&self, about: &incident::Incident) -> Past {
        let judged = match tokio::time::timeout(ASK_WITHIN, self.judged_like(about)).await {
            Ok(Ok(judged)) => judged,
            Ok(Err(error)) => return Past::unknown(VERDICTS, error.message()),
            Err(_) => {
                let reason = format!("the incidents' owner did not answer in {} s", ASK_WITHIN.as_secs());
                return Past::unknown(VERDICTS, &reason);
            }
        };
        let mut past = Past::default();
        for judged in &judged {
            match self.precedent(about, judged).await {
                Ok(found) => past.facts.extend(found),
                Err(error) => {
                    let subject = format!("the verdict on {}", judged.name);
                    past.gaps.push(Gap { subject, reason: error.message().to_owned() });
                }
            }
        }
        past
    }

    /// Other incidents that people judged, of the same fingerprint or service, each once.
    async fn judged_like(&self, about: &incident::Incident) -> Result<Vec<incident::Incident>, Status> {
        let service = about.service.as_ref().map(|service| service.name.clone()).unwrap_or_default();
        // A name is the same in every environment: what is not of this service takes no place among the newest.
        let is_same = |judged: &incident::Incident| judged.fingerprint == about.fingerprint;
        let is_of_service = |judged: &incident::Incident| judged.service == about.service;
        let same = self.judged(about.fingerprint.clone(), String::new(), is_same);
        let of_service = self.judged(String::new(), service, is_of_service);
        let (same, of_service) = tokio::try_join!(same, of_service)?;
        let mut found: Vec<incident::Incident> = Vec::with_capacity(same.len() + of_service.len());
        for judged in same.into_iter().chain(of_service) {
            if judged.name != about.name && found.iter().all(|known| known.name != judged.name) {
                found.push(judged);
            }
        }
        Ok(found)
    }

    /// The newest that were judged, by one or the other. Nothing where neither is known: an empty one matches all.
    async fn judged(
        &self,
        fingerprint: String,
        service_name: String,
        is_meant: impl Fn(&incident::Incident) -> bool,
    ) -> Result<Vec<incident::Incident>, Status> {
        let mut found = Vec::new();
        if fingerprint.is_empty() && service_name.is_empty() {
            return Ok(found);
        }
        let mut request = incident::ListIncidentsRequest {
            page_size: PAGE,
            fingerprint,
            service_name,
            judged: true,
            ..incident::ListIncidentsRequest::default()
        };
        for _ in 0..PAGES_MAX {
            let page = self.incidents.list_incidents(request.clone()).await?;
            found.extend(page.incidents.into_iter().filter(&is_meant));
            request.page_token = page.next_page_token;
            if request.page_token.is_empty() || found.len() >= JUDGED_MAX {
                break;
            }
        }
        found.truncate(JUDGED_MAX);
        Ok(found)
    }

    /// What was said of one; nothing where it is too long ago, or where it is not one of those that were asked for: an
    /// owner of an older version does not know what to leave out.
    async fn precedent(&self, about: &incident::Incident, judged: &incident::Incident) -> Result<Option<Fact>, Status> {
        let Some(said) = &judged.judgement else { return Ok(None) };
        let is_same = !about.fingerprint.is_empty() && judged.fingerprint == about.fingerprint;
        if !is_same && judged.service != about.service {
            return Ok(None);
        }
        let judged_at = required_time("judgement.time", said.time.as_ref()).map_err(unreadable)?;
        if self.clock.now().since(judged_at) > AGE_MAX {
            return Ok(None);
        }
        let ruling = ruling(said.kind, said.cause.as_ref()).map_err(unreadable)?;
        let diagnosed = match ruling {
            Ruling::FalseAlarm => None,
            Ruling::Confirmed | Ruling::OtherCause(_) => self.diagnosed(&said.diagnosis).await?,
        };
        let incident = incident_id("name", &judged.name).map_err(unreadable)?;
        let service = required_service("service", judged.service.as_ref()).map_err(unreadable)?;
        // A later verdict on the same incident is another fact.
        let id = EvidenceId(format!("verdict-{incident}-{}", judged_at.as_nanos()));
        let precedent = Precedent { incident, service, is_same, judged_at, ruling, diagnosed };
        Ok(Some(Fact { id, observation: Observation::Precedent(precedent) }))
    }

    /// What a diagnosis had named first; nothing where it named nothing or is gone.
    async fn diagnosed(&self, name: &str) -> Result<Option<Cause>, Status> {
        if name.is_empty() {
            return Ok(None);
        }
        let (parent, id) = names::parse_child("diagnosis", name, "diagnoses")?;
        let Some(stored) = self.records.get(&record_id(parent, &id)).await? else { return Ok(None) };
        let first = stored.message.hypotheses.first().map(Hypothesis::try_from).transpose().map_err(unreadable)?;
        Ok(first.as_ref().map(Cause::from))
    }
}

fn unreadable(error: ConvertError) -> Status {
    status::internal(error.to_string())
}
