//! What the others report to an incident's owner.

use llm_sre_domain::incident::{ActionId, Actor, DiagnosisId, Event, EventId, EventKind, Proposal, Verdict};

use super::ConvertError;
use super::common::{enum_table, known, required_time};
use super::incident::{action_id, diagnosis_id};
use crate::incident::v1;

enum_table!(Verdict, v1::RecoveryVerdict, {
    Recovered <=> Recovered, NotRecovered <=> NotRecovered, Inconclusive <=> Inconclusive,
});

impl TryFrom<&v1::RecordEventRequest> for Event {
    type Error = ConvertError;
    fn try_from(request: &v1::RecordEventRequest) -> Result<Self, ConvertError> {
        let event = request.event.as_ref().ok_or(ConvertError::Missing("event"))?;
        let invalid = |field| {
            move |error: llm_sre_domain::incident::IdError| ConvertError::Invalid { field, reason: error.to_string() }
        };
        Ok(Self {
            id: EventId::new(&request.request_id).map_err(invalid("request_id"))?,
            actor: Actor::new(&event.actor).map_err(invalid("event.actor"))?,
            kind: kind(event)?,
        })
    }
}

fn kind(event: &v1::IncidentEvent) -> Result<EventKind, ConvertError> {
    use v1::IncidentEventKind as Kind;
    let reason = event.message.clone();
    Ok(match known("event.kind", event.kind, Some::<Kind>)? {
        Kind::Unspecified => {
            return Err(ConvertError::Invalid { field: "event.kind", reason: "it is not stated".to_owned() });
        }
        Kind::DiagnosisStarted => EventKind::DiagnosisStarted { diagnosis: diagnosis(event)? },
        Kind::DiagnosisFinished => EventKind::DiagnosisFinished { diagnosis: diagnosis(event)? },
        Kind::DiagnosisUnresolved => EventKind::DiagnosisUnresolved { diagnosis: diagnosis(event)? },
        Kind::DiagnosisFailed => EventKind::DiagnosisFailed { diagnosis: diagnosis(event)?, reason },
        Kind::ActionProposed => EventKind::ActionProposed {
            action: action(event)?,
            proposal: proposal(event)?,
            summary: event.message.clone(),
        },
        Kind::PlanBlocked => EventKind::PlanBlocked { reason },
        Kind::PlanWaits => EventKind::PlanWaits { action: action(event)?, reason },
        Kind::PlanDropped => EventKind::PlanDropped { action: action(event)?, reason },
        Kind::NothingToDo => EventKind::NothingToDo { reason },
        Kind::AttemptsExhausted => EventKind::AttemptsExhausted,
        Kind::ActionApproved => EventKind::ActionApproved { action: action(event)? },
        Kind::ActionRejected => EventKind::ActionRejected { action: action(event)? },
        Kind::ApprovalExpired => EventKind::ApprovalExpired { action: action(event)? },
        Kind::ActionStarted => EventKind::ActionStarted { action: action(event)? },
        Kind::ActionSucceeded => EventKind::ActionSucceeded { action: action(event)? },
        Kind::ActionFailed => EventKind::ActionFailed { action: action(event)?, reason },
        Kind::ActionUnknown => EventKind::ActionUnknown { action: action(event)? },
        Kind::Verified => EventKind::Verified {
            action: action(event)?,
            verdict: known("event.verdict", event.verdict, |value: v1::RecoveryVerdict| value.into())?,
            reason,
        },
        Kind::RollbackStarted => EventKind::RollbackStarted { action: action(event)? },
        Kind::RolledBack => EventKind::RolledBack { action: action(event)? },
        Kind::RollbackFailed => EventKind::RollbackFailed { action: action(event)?, reason },
    })
}

fn diagnosis(event: &v1::IncidentEvent) -> Result<DiagnosisId, ConvertError> {
    diagnosis_id("event.resource", &event.resource)?.ok_or(ConvertError::Missing("event.resource"))
}

fn action(event: &v1::IncidentEvent) -> Result<ActionId, ConvertError> {
    action_id("event.resource", &event.resource)?.ok_or(ConvertError::Missing("event.resource"))
}

fn proposal(event: &v1::IncidentEvent) -> Result<Proposal, ConvertError> {
    use v1::ProposalMode as Mode;
    match known("event.proposal", event.proposal, Some::<Mode>)? {
        Mode::Unspecified => Err(ConvertError::Missing("event.proposal")),
        Mode::Automatic => Ok(Proposal::Automatic),
        Mode::NeedsApproval => {
            let expires_at = required_time("event.expire_time", event.expire_time.as_ref())?;
            Ok(Proposal::NeedsApproval { expires_at })
        }
        Mode::Suggested => Ok(Proposal::Suggested),
    }
}
