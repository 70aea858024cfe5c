//! Hypotheses of a diagnosis.

use llm_sre_domain::diagnose::{CauseKind, Hypothesis};
use llm_sre_domain::evidence::EvidenceId;

use super::ConvertError;
use super::common::{enum_table, known, origin, required_service};
use crate::diagnosis::v1;

enum_table!(CauseKind, v1::CauseKind, {
    BadDeployment <=> BadDeployment, ConnectionPoolExhaustion <=> ConnectionPoolExhaustion, MemoryLeak <=> MemoryLeak,
    CpuSaturation <=> CpuSaturation, DiskFull <=> DiskFull, DependencyOutage <=> DependencyOutage,
    ExpiredCertificate <=> ExpiredCertificate, CacheStampede <=> CacheStampede, SlowNetwork <=> SlowNetwork,
    ResourceSaturation <=> ResourceSaturation, TrafficSurge <=> TrafficSurge, BadConfiguration <=> BadConfiguration,
    ServiceDegradation <=> ServiceDegradation,
});

impl From<&Hypothesis> for v1::Hypothesis {
    fn from(hypothesis: &Hypothesis) -> Self {
        let ids = |ids: &[EvidenceId]| ids.iter().map(|id| id.0.clone()).collect();
        Self {
            id: hypothesis.id.clone(),
            service: Some((&hypothesis.service).into()),
            origin: Some((&hypothesis.origin).into()),
            metric: hypothesis.metric.to_string(),
            cause: v1::CauseKind::from(hypothesis.cause).into(),
            statement: hypothesis.statement.clone(),
            immediate_fix: hypothesis.immediate_fix.clone(),
            long_term_fix: hypothesis.long_term_fix.clone(),
            confidence: hypothesis.confidence,
            supporting_evidence: ids(&hypothesis.supports),
            contradicting_evidence: ids(&hypothesis.contradicts),
            change: hypothesis.change.as_ref().map(Into::into),
            dependency: hypothesis.dependency.clone(),
        }
    }
}

impl TryFrom<&v1::Hypothesis> for Hypothesis {
    type Error = ConvertError;
    fn try_from(hypothesis: &v1::Hypothesis) -> Result<Self, ConvertError> {
        let ids = |ids: &[String]| ids.iter().cloned().map(EvidenceId).collect();
        Ok(Self {
            id: hypothesis.id.clone(),
            service: required_service("hypothesis.service", hypothesis.service.as_ref())?,
            origin: origin(hypothesis.origin.as_ref()),
            metric: hypothesis.metric.as_str().into(),
            cause: known("hypothesis.cause", hypothesis.cause, |value: v1::CauseKind| value.into())?,
            statement: hypothesis.statement.clone(),
            immediate_fix: hypothesis.immediate_fix.clone(),
            long_term_fix: hypothesis.long_term_fix.clone(),
            confidence: hypothesis.confidence,
            supports: ids(&hypothesis.supporting_evidence),
            contradicts: ids(&hypothesis.contradicting_evidence),
            change: hypothesis.change.as_ref().map(TryInto::try_into).transpose()?,
            dependency: hypothesis.dependency.clone(),
        })
    }
}
