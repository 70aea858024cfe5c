//! Actions: the domain's record and the contract's, which is also the stored one.

use llm_sre_domain::diagnose::CauseKind;
use llm_sre_domain::incident::{Actor, IncidentId};
use llm_sre_domain::remedy::{
    Action, ActionKind, ActionState, ActionType, Autonomy, BlastRadius, Block, BlockReason, Decision, ParameterKind,
    PersonReason, Proposed, Reversibility, Spec, Verification,
};

use super::ConvertError;
use super::common::{
    enum_table, from_proto_duration, from_proto_time, known, required_service, required_time, to_proto_duration,
    to_proto_time,
};
use super::incident::{action_id, action_name, diagnosis_id, diagnosis_name, incident_id};
use crate::action::v1 as target;
use crate::diagnosis::v1 as diagnosis;
use crate::remediation::v1;

enum_table!(ActionState, v1::ActionState, {
    Suggested <=> Suggested, AwaitingApproval <=> AwaitingApproval, Approved <=> Approved, Executing <=> Executing,
    Verifying <=> Verifying, Succeeded <=> Succeeded, Ineffective <=> Ineffective, RollingBack <=> RollingBack,
    RolledBack <=> RolledBack, Failed <=> Failed, Unknown <=> Unknown, Rejected <=> Rejected, Expired <=> Expired,
    Cancelled <=> Cancelled, Blocked <=> Blocked, RollbackFailed <=> RollbackFailed,
});
enum_table!(Autonomy, v1::Autonomy, { Observe <=> Observe, Suggest <=> Suggest, Approve <=> Approve, Auto <=> Auto });
enum_table!(BlastRadius, v1::BlastRadius, { Instance <=> Instance, Service <=> Service, System <=> System });
enum_table!(PersonReason, v1::PersonReason, {
    Policy <=> Policy, Irreversible <=> Irreversible, Confidence <=> Confidence,
    LikelierCauseUntreated <=> LikelierCauseUntreated,
});
enum_table!(Reversibility, v1::Reversibility, {
    Undo <=> Undo, NothingToUndo <=> NothingToUndo, Irreversible <=> Irreversible,
});

impl From<&Spec> for target::ActionSpec {
    fn from(spec: &Spec) -> Self {
        Self {
            r#type: spec.kind.name().to_owned(),
            target: Some((&spec.target).into()),
            parameters: spec.parameters.clone(),
        }
    }
}

impl TryFrom<&target::ActionSpec> for Spec {
    type Error = ConvertError;
    fn try_from(spec: &target::ActionSpec) -> Result<Self, ConvertError> {
        let unknown = || ConvertError::Invalid { field: "spec.type", reason: format!("'{}' is no type", spec.r#type) };
        Ok(Self {
            kind: ActionKind::from_name(&spec.r#type).ok_or_else(unknown)?,
            target: required_service("spec.target", spec.target.as_ref())?,
            parameters: spec.parameters.clone(),
        })
    }
}

/// The action as the contract shows it, without etag and measurement: those are the store's and the service's to give.
impl From<&Action> for v1::Action {
    fn from(action: &Action) -> Self {
        let plan = &action.plan;
        Self {
            name: action_name(plan.incident, plan.id),
            state: v1::ActionState::from(action.state).into(),
            spec: Some((&plan.spec).into()),
            diagnosis: plan.diagnosis.as_ref().map(|id| diagnosis_name(plan.incident, id)).unwrap_or_default(),
            hypothesis: plan.hypothesis.clone(),
            rationale: plan.rationale.clone(),
            autonomy: v1::Autonomy::from(plan.autonomy).into(),
            reversibility: v1::Reversibility::from(plan.reversibility).into(),
            blast_radius: v1::BlastRadius::from(plan.blast_radius).into(),
            digest: plan.digest.to_string(),
            target_state: plan.target_state.clone(),
            decision: action.decision.as_ref().map(Into::into),
            blocks: action.blocks.iter().map(Into::into).collect(),
            outcome: action.outcome.clone(),
            recovery: None,
            create_time: Some(to_proto_time(action.created_at)),
            update_time: Some(to_proto_time(action.updated_at)),
            execute_time: action.executed_at.map(to_proto_time),
            end_time: action.ended_at.map(to_proto_time),
            deadline_time: action.deadline.map(to_proto_time),
            attempt: plan.attempt,
            fencing_token: action.fencing_token,
            etag: String::new(),
            fingerprint: plan.fingerprint.to_string(),
            cause: diagnosis::CauseKind::from(plan.cause).into(),
            confidence: plan.confidence,
            verification: Some((&plan.verification).into()),
            policy_rule: plan.policy_rule.clone(),
            person_reasons: action.person_reasons.iter().map(|why| v1::PersonReason::from(*why).into()).collect(),
        }
    }
}

impl TryFrom<&v1::Action> for Action {
    type Error = ConvertError;
    fn try_from(action: &v1::Action) -> Result<Self, ConvertError> {
        let optional_time = |time: &Option<pbjson_types::Timestamp>| time.as_ref().map(from_proto_time);
        Ok(Self {
            plan: proposed(action)?,
            state: known("state", action.state, |value: v1::ActionState| value.into())?,
            decision: action.decision.as_ref().map(TryInto::try_into).transpose()?,
            blocks: action.blocks.iter().map(TryInto::try_into).collect::<Result<_, _>>()?,
            person_reasons: (action.person_reasons.iter())
                .map(|why| known("person_reasons", *why, |value: v1::PersonReason| value.into()))
                .collect::<Result<_, _>>()?,
            outcome: action.outcome.clone(),
            created_at: required_time("create_time", action.create_time.as_ref())?,
            updated_at: required_time("update_time", action.update_time.as_ref())?,
            executed_at: optional_time(&action.execute_time),
            ended_at: optional_time(&action.end_time),
            deadline: optional_time(&action.deadline_time),
            fencing_token: action.fencing_token,
        })
    }
}

fn proposed(action: &v1::Action) -> Result<Proposed, ConvertError> {
    let spec = action.spec.as_ref().ok_or(ConvertError::Missing("spec"))?;
    let verification = action.verification.as_ref().ok_or(ConvertError::Missing("verification"))?;
    Ok(Proposed {
        id: action_id("name", &action.name)?.ok_or(ConvertError::Missing("name"))?,
        incident: incident_of("name", &action.name)?,
        fingerprint: action.fingerprint.parse().map_err(invalid("fingerprint"))?,
        diagnosis: diagnosis_id("diagnosis", &action.diagnosis)?,
        spec: spec.try_into()?,
        hypothesis: action.hypothesis.clone(),
        cause: known("cause", action.cause, |value: diagnosis::CauseKind| <Option<CauseKind>>::from(value))?,
        confidence: action.confidence,
        rationale: action.rationale.clone(),
        autonomy: known("autonomy", action.autonomy, |value: v1::Autonomy| value.into())?,
        policy_rule: action.policy_rule.clone(),
        reversibility: known("reversibility", action.reversibility, |value: v1::Reversibility| value.into())?,
        blast_radius: known("blast_radius", action.blast_radius, |value: v1::BlastRadius| value.into())?,
        verification: verification.into(),
        target_state: action.target_state.clone(),
        attempt: action.attempt,
        digest: action.digest.parse().map_err(invalid("digest"))?,
    })
}

/// The incident in `incidents/{uuid}/…`.
pub fn incident_of(field: &'static str, name: &str) -> Result<IncidentId, ConvertError> {
    let parent: Vec<&str> = name.splitn(3, '/').take(2).collect();
    incident_id(field, &parent.join("/"))
}

fn invalid<E: std::fmt::Display>(field: &'static str) -> impl Fn(E) -> ConvertError {
    move |error| ConvertError::Invalid { field, reason: error.to_string() }
}

impl From<&Decision> for v1::Decision {
    fn from(decision: &Decision) -> Self {
        Self {
            approved: decision.approved,
            actor: decision.actor.to_string(),
            note: decision.note.clone(),
            time: Some(to_proto_time(decision.time)),
            digest: decision.digest.to_string(),
        }
    }
}

impl TryFrom<&v1::Decision> for Decision {
    type Error = ConvertError;
    fn try_from(decision: &v1::Decision) -> Result<Self, ConvertError> {
        Ok(Self {
            approved: decision.approved,
            actor: Actor::new(&decision.actor).map_err(invalid("decision.actor"))?,
            note: decision.note.clone(),
            time: required_time("decision.time", decision.time.as_ref())?,
            digest: decision.digest.parse().map_err(invalid("decision.digest"))?,
        })
    }
}

enum_table!(BlockReason, v1::BlockReason, {
    NotEnrolled <=> NotEnrolled, Protected <=> Protected, NotSeen <=> NotSeen, Autonomy <=> Autonomy,
    BlastRadius <=> BlastRadius, RateLimit <=> RateLimit, TargetBusy <=> TargetBusy, FleetLimit <=> FleetLimit,
    Ineffective <=> Ineffective, OutcomeUnknown <=> OutcomeUnknown, Refused <=> Refused, Precondition <=> Precondition,
    DigestMismatch <=> DigestMismatch, AttemptsExhausted <=> AttemptsExhausted, Cooldown <=> Cooldown,
    KillSwitch <=> KillSwitch, Freeze <=> Freeze, Maintenance <=> Maintenance, Catalogue <=> Catalogue,
    Relapse <=> Relapse,
});

impl From<&Block> for v1::Block {
    fn from(block: &Block) -> Self {
        Self { reason: v1::BlockReason::from(block.reason).into(), detail: block.detail.clone() }
    }
}

impl TryFrom<&v1::Block> for Block {
    type Error = ConvertError;
    fn try_from(block: &v1::Block) -> Result<Self, ConvertError> {
        let reason = known("blocks.reason", block.reason, |value: v1::BlockReason| value.into())?;
        Ok(Self { reason, detail: block.detail.clone() })
    }
}

impl From<&Verification> for v1::Verification {
    fn from(verification: &Verification) -> Self {
        Self {
            settle_duration: Some(to_proto_duration(verification.settle)),
            measure_duration: Some(to_proto_duration(verification.measure)),
            deadline_duration: Some(to_proto_duration(verification.deadline)),
        }
    }
}

impl From<&v1::Verification> for Verification {
    fn from(verification: &v1::Verification) -> Self {
        Self {
            settle: from_proto_duration(verification.settle_duration.as_ref()),
            measure: from_proto_duration(verification.measure_duration.as_ref()),
            deadline: from_proto_duration(verification.deadline_duration.as_ref()),
        }
    }
}

impl From<&ActionType> for v1::ActionType {
    fn from(entry: &ActionType) -> Self {
        let parameter = |parameter: &llm_sre_domain::remedy::Parameter| v1::ActionParameter {
            name: parameter.name.to_owned(),
            summary: parameter.summary.to_owned(),
            default_value: parameter.fallback(),
            range: match parameter.kind {
                ParameterKind::Integer { min, max, .. } => format!("whole numbers from {min} to {max}"),
                ParameterKind::Text { length_max } => format!("text of at most {length_max} bytes"),
            },
        };
        Self {
            name: entry.kind.name().to_owned(),
            summary: entry.summary.to_owned(),
            reversibility: v1::Reversibility::from(entry.reversibility).into(),
            compensation: entry.compensation.to_owned(),
            blast_radius: v1::BlastRadius::from(entry.blast_radius).into(),
            parameters: entry.parameters.iter().map(parameter).collect(),
            preconditions: entry.preconditions.iter().map(|fact| fact.key().to_owned()).collect(),
            verification: Some((&entry.verification).into()),
        }
    }
}
