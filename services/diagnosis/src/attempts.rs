//! What repairs came to before: asked of the actions' owner.

use llm_sre_domain::Timestamp;
use llm_sre_domain::evidence::{Attempt, EvidenceId, Fact, Gap, Observation};
use llm_sre_domain::incident::IncidentId;
use llm_sre_domain::remedy::Action;
use llm_sre_mesh::{names, status};
use llm_sre_proto::convert::ConvertError;
use llm_sre_proto::convert::common::required_time;
use llm_sre_proto::convert::incident::incident_id;
use llm_sre_proto::incident::v1 as incident;
use llm_sre_proto::remediation::v1 as remediation;
use tonic::Status;

use crate::Service;
use crate::precedents::{AGE_MAX, ASK_WITHIN, Past};

/// The most actions that are looked at, the newest. An incident has a few; who repaired the same so often has learnt
/// it.
const LOOKED_AT: i32 = 16;
/// What a gap is about where nothing could be had.
const REPAIRS: &str = "repairs that were made before";

impl Service {
    /// What repairs came to that were made for an incident, or for others with its fingerprint. Whatever cannot be had
    /// is a gap.
    pub(crate) async fn repaired(&self, about: &incident::Incident) -> Past {
        let Some(owner) = &self.remediation else {
            return Past::unknown(REPAIRS, "no remediation service is configured");
        };
        // An empty one would match all.
        if about.fingerprint.is_empty() {
            return Past::unknown(REPAIRS, "the incident has no fingerprint");
        }
        let request = remediation::ListActionsRequest {
            parent: names::ANY_INCIDENT.to_owned(),
            page_size: LOOKED_AT,
            fingerprint: about.fingerprint.clone(),
            ..remediation::ListActionsRequest::default()
        };
        let listed = match tokio::time::timeout(ASK_WITHIN, owner.list_actions(request)).await {
            Ok(Ok(listed)) => listed,
            Ok(Err(error)) => return Past::unknown(REPAIRS, said(&error)),
            Err(_) => {
                let reason = format!("the actions' owner did not answer in {} s", ASK_WITHIN.as_secs());
                return Past::unknown(REPAIRS, &reason);
            }
        };
        let mut past = Past::default();
        for action in &listed.actions {
            match self.attempt(about, action) {
                Ok(found) => past.facts.extend(found),
                Err(error) => {
                    let subject = format!("what came of {}", action.name);
                    past.gaps.push(Gap { subject, reason: error.message().to_owned() });
                }
            }
        }
        if !listed.next_page_token.is_empty() {
            let reason = format!("only the newest {LOOKED_AT} of the fingerprint were looked at");
            past.gaps.push(Gap { subject: REPAIRS.to_owned(), reason });
        }
        past
    }

    /// What came of one; nothing where that is not known yet or too long ago, or where it is not one of those that were
    /// asked for: an owner of an older version does not know what to leave out.
    fn attempt(&self, about: &incident::Incident, action: &remediation::Action) -> Result<Option<Fact>, Status> {
        if action.fingerprint != about.fingerprint {
            return Ok(None);
        }
        let (incident, life_began) = life(about).map_err(unreadable)?;
        let action = Action::try_from(action).map_err(unreadable)?;
        let found = Attempt::of(&action, incident, life_began);
        let recent = found.filter(|attempt| self.clock.now().since(attempt.ended_at) <= AGE_MAX);
        Ok(recent.map(|attempt| Fact {
            id: EvidenceId(format!("repair-{}", attempt.action)),
            observation: Observation::Attempt(attempt),
        }))
    }
}

/// What went wrong, of one that does not say it either.
fn said(error: &Status) -> &str {
    if error.message().is_empty() { error.code().description() } else { error.message() }
}

/// Which incident it is, and when its present life began.
fn life(about: &incident::Incident) -> Result<(IncidentId, Timestamp), ConvertError> {
    let began = about.reopen_time.as_ref().or(about.create_time.as_ref());
    Ok((incident_id("name", &about.name)?, required_time("create_time", began)?))
}

fn unreadable(error: ConvertError) -> Status {
    status::internal(error.to_string())
}
