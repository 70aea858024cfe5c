//! What happened to an action, as the incident's owner is told.

use llm_sre_domain::incident::{Actor, EventKind, Proposal, Verdict};
use llm_sre_proto::convert::common::to_proto_time;
use llm_sre_proto::incident::v1;
use llm_sre_proto::incident::v1::IncidentEventKind as Kind;

/// Who reports.
const REPORTER: &str = "remediation";

/// The short name of a kind, for ids: the full one would not fit beside a name.
pub(crate) fn kind(event: &EventKind) -> &'static str {
    wire_kind(event).as_str_name().trim_start_matches("INCIDENT_EVENT_KIND_")
}

/// The call that reports an event. `None` for events that are not this service's to report.
pub(crate) fn request(
    incident: &str,
    resource: &str,
    event: &EventKind,
    actor: &Actor,
    request_id: String,
) -> Option<v1::RecordEventRequest> {
    let kind = wire_kind(event);
    if kind == Kind::Unspecified {
        tracing::error!(incident, event = event.name(), "this is not the remediation service's to report");
        return None;
    }
    let mut message = v1::IncidentEvent {
        actor: if actor.is_product() { REPORTER.to_owned() } else { actor.to_string() },
        kind: kind.into(),
        resource: resource.to_owned(),
        ..v1::IncidentEvent::default()
    };
    match event {
        EventKind::ActionProposed { proposal, summary, .. } => {
            message.message.clone_from(summary);
            let mode = match proposal {
                Proposal::Automatic => v1::ProposalMode::Automatic,
                Proposal::NeedsApproval { expires_at } => {
                    message.expire_time = Some(to_proto_time(*expires_at));
                    v1::ProposalMode::NeedsApproval
                }
                Proposal::Suggested => v1::ProposalMode::Suggested,
            };
            message.proposal = mode.into();
        }
        EventKind::PlanBlocked { reason }
        | EventKind::PlanWaits { reason, .. }
        | EventKind::PlanDropped { reason, .. }
        | EventKind::NothingToDo { reason }
        | EventKind::ActionFailed { reason, .. }
        | EventKind::RollbackFailed { reason, .. } => message.message.clone_from(reason),
        EventKind::Verified { verdict, reason, .. } => {
            message.verdict = wire_verdict(*verdict).into();
            message.message.clone_from(reason);
        }
        _ => {}
    }
    Some(v1::RecordEventRequest { name: incident.to_owned(), request_id, event: Some(message) })
}

fn wire_verdict(verdict: Verdict) -> v1::RecoveryVerdict {
    verdict.into()
}

fn wire_kind(event: &EventKind) -> Kind {
    match event {
        EventKind::ActionProposed { .. } => Kind::ActionProposed,
        EventKind::PlanBlocked { .. } => Kind::PlanBlocked,
        EventKind::PlanWaits { .. } => Kind::PlanWaits,
        EventKind::PlanDropped { .. } => Kind::PlanDropped,
        EventKind::NothingToDo { .. } => Kind::NothingToDo,
        EventKind::AttemptsExhausted => Kind::AttemptsExhausted,
        EventKind::ActionApproved { .. } => Kind::ActionApproved,
        EventKind::ActionRejected { .. } => Kind::ActionRejected,
        EventKind::ApprovalExpired { .. } => Kind::ApprovalExpired,
        EventKind::ActionStarted { .. } => Kind::ActionStarted,
        EventKind::ActionSucceeded { .. } => Kind::ActionSucceeded,
        EventKind::ActionFailed { .. } => Kind::ActionFailed,
        EventKind::ActionUnknown { .. } => Kind::ActionUnknown,
        EventKind::Verified { .. } => Kind::Verified,
        EventKind::RollbackStarted { .. } => Kind::RollbackStarted,
        EventKind::RolledBack { .. } => Kind::RolledBack,
        EventKind::RollbackFailed { .. } => Kind::RollbackFailed,
        _ => Kind::Unspecified,
    }
}
