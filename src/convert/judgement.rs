//! What people say that an incident was, and what they said of others before.

use llm_sre_domain::diagnose::{Cause, CauseKind};
use llm_sre_domain::evidence::Precedent;
use llm_sre_domain::incident::{Actor, IncidentId, Judgement, Ruling};

use super::ConvertError;
use super::common::{enum_table, known, required_service, required_time, to_proto_time};
use super::incident::{diagnosis_id, diagnosis_name, incident_id};
use crate::diagnosis::v1 as diagnosis;
use crate::incident::v1;

enum_table!(CauseKind, v1::CauseKind, {
    BadDeployment <=> BadDeployment, ConnectionPoolExhaustion <=> ConnectionPoolExhaustion, MemoryLeak <=> MemoryLeak,
    CpuSaturation <=> CpuSaturation, DiskFull <=> DiskFull, DependencyOutage <=> DependencyOutage,
    ExpiredCertificate <=> ExpiredCertificate, CacheStampede <=> CacheStampede, SlowNetwork <=> SlowNetwork,
    ResourceSaturation <=> ResourceSaturation, TrafficSurge <=> TrafficSurge, BadConfiguration <=> BadConfiguration,
    ServiceDegradation <=> ServiceDegradation,
});

impl From<&Cause> for v1::Cause {
    fn from(cause: &Cause) -> Self {
        Self { service: Some((&cause.service).into()), kind: v1::CauseKind::from(cause.kind).into() }
    }
}

impl TryFrom<&v1::Cause> for Cause {
    type Error = ConvertError;
    fn try_from(cause: &v1::Cause) -> Result<Self, ConvertError> {
        Ok(Self {
            service: required_service("cause.service", cause.service.as_ref())?,
            kind: known("cause.kind", cause.kind, |value: v1::CauseKind| value.into())?,
        })
    }
}

/// What a person says, from a message's `kind` and `cause`.
///
/// # Errors
/// Where the kind is not stated or not known, or the cause is not there exactly with OTHER_CAUSE.
pub fn ruling(kind: i32, cause: Option<&v1::Cause>) -> Result<Ruling, ConvertError> {
    use v1::JudgementKind as Kind;
    let invalid = |field, reason: &str| Err(ConvertError::Invalid { field, reason: reason.to_owned() });
    match (known("kind", kind, Some::<Kind>)?, cause) {
        (Kind::Unspecified, _) => invalid("kind", "it is not stated"),
        (Kind::FalseAlarm, None) => Ok(Ruling::FalseAlarm),
        (Kind::Confirmed, None) => Ok(Ruling::Confirmed),
        (Kind::FalseAlarm | Kind::Confirmed, Some(_)) => invalid("cause", "it goes with OTHER_CAUSE only"),
        (Kind::OtherCause, Some(cause)) => Ok(Ruling::OtherCause(cause.try_into()?)),
        (Kind::OtherCause, None) => Err(ConvertError::Missing("cause")),
    }
}

fn kind_and_cause(ruling: &Ruling) -> (v1::JudgementKind, Option<v1::Cause>) {
    match ruling {
        Ruling::FalseAlarm => (v1::JudgementKind::FalseAlarm, None),
        Ruling::Confirmed => (v1::JudgementKind::Confirmed, None),
        Ruling::OtherCause(cause) => (v1::JudgementKind::OtherCause, Some(cause.into())),
    }
}

/// A verdict on this incident as the contract shows it.
pub(crate) fn judgement(incident: IncidentId, judgement: &Judgement) -> v1::Judgement {
    let (kind, cause) = kind_and_cause(&judgement.ruling);
    v1::Judgement {
        kind: kind.into(),
        cause,
        diagnosis: judgement.diagnosis.as_ref().map(|id| diagnosis_name(incident, id)).unwrap_or_default(),
        actor: judgement.actor.to_string(),
        note: judgement.note.clone(),
        time: Some(to_proto_time(judgement.time)),
    }
}

impl TryFrom<&v1::Judgement> for Judgement {
    type Error = ConvertError;
    fn try_from(judgement: &v1::Judgement) -> Result<Self, ConvertError> {
        let no_actor = |error: llm_sre_domain::incident::IdError| ConvertError::Invalid {
            field: "judgement.actor",
            reason: error.to_string(),
        };
        Ok(Self {
            ruling: ruling(judgement.kind, judgement.cause.as_ref())?,
            diagnosis: diagnosis_id("judgement.diagnosis", &judgement.diagnosis)?,
            actor: Actor::new(&judgement.actor).map_err(no_actor)?,
            note: judgement.note.clone(),
            time: required_time("judgement.time", judgement.time.as_ref())?,
        })
    }
}

impl From<&Precedent> for diagnosis::Precedent {
    fn from(precedent: &Precedent) -> Self {
        let (kind, cause) = kind_and_cause(&precedent.ruling);
        Self {
            incident: format!("incidents/{}", precedent.incident),
            service: Some((&precedent.service).into()),
            same_fingerprint: precedent.is_same,
            judge_time: Some(to_proto_time(precedent.judged_at)),
            kind: kind.into(),
            cause,
            diagnosed_cause: precedent.diagnosed.as_ref().map(Into::into),
        }
    }
}

impl TryFrom<&diagnosis::Precedent> for Precedent {
    type Error = ConvertError;
    fn try_from(precedent: &diagnosis::Precedent) -> Result<Self, ConvertError> {
        Ok(Self {
            incident: incident_id("precedent.incident", &precedent.incident)?,
            service: required_service("precedent.service", precedent.service.as_ref())?,
            is_same: precedent.same_fingerprint,
            judged_at: required_time("precedent.judge_time", precedent.judge_time.as_ref())?,
            ruling: ruling(precedent.kind, precedent.cause.as_ref())?,
            diagnosed: precedent.diagnosed_cause.as_ref().map(TryInto::try_into).transpose()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_packages_have_the_same_kinds_of_cause() {
        let mut count = 0;
        for number in 0..100_i32 {
            let here = v1::CauseKind::try_from(number).ok().map(|kind| kind.as_str_name());
            let there = diagnosis::CauseKind::try_from(number).ok().map(|kind| kind.as_str_name());
            assert_eq!(here, there, "{number}");
            count += usize::from(here.is_some());
        }
        assert!(count > 1);
    }

    #[test]
    fn what_people_say_survives_and_contradictions_are_refused() {
        use v1::JudgementKind as Kind;
        let cause = Cause { service: llm_sre_domain::ServiceId::named("cart"), kind: CauseKind::DiskFull };
        for said in [Ruling::FalseAlarm, Ruling::Confirmed, Ruling::OtherCause(cause.clone())] {
            let (kind, cause) = kind_and_cause(&said);
            assert_eq!(ruling(kind.into(), cause.as_ref()), Ok(said));
        }
        let cause = v1::Cause::from(&cause);
        let nowhere = v1::Cause { service: None, ..cause.clone() };
        let unkind = v1::Cause { kind: 0, ..cause.clone() };
        for (kind, cause, field) in [
            (Kind::Unspecified, None, "kind"),
            (Kind::Confirmed, Some(&cause), "cause"),
            (Kind::FalseAlarm, Some(&cause), "cause"),
            (Kind::OtherCause, None, "cause"),
            (Kind::OtherCause, Some(&nowhere), "cause.service"),
            (Kind::OtherCause, Some(&unkind), "cause.kind"),
        ] {
            assert_eq!(ruling(kind.into(), cause).unwrap_err().field(), field, "{kind:?}");
        }
        assert_eq!(ruling(99, None).unwrap_err().field(), "kind");
    }
}
