//! From evidence to ranked hypotheses.

mod calls;
mod causes;
#[cfg(test)]
mod facts;
mod harm;
mod precedents;
mod rank;
mod words;

use std::fmt;
use std::sync::Arc;

use crate::ServiceId;
use crate::evidence::EvidenceId;
use crate::telemetry::{Change, Origin};

pub use rank::rank;

/// Kinds of cause.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CauseKind {
    /// A new version misbehaves.
    BadDeployment,
    /// All connections of a pool are in use.
    ConnectionPoolExhaustion,
    /// Memory grows without bound.
    MemoryLeak,
    /// The CPU is the bottleneck.
    CpuSaturation,
    /// A disk has no room left, or soon will have none.
    DiskFull,
    /// Something that it calls, and that nobody watches, does not answer.
    DependencyOutage,
    /// The certificate of its endpoint has expired, and nobody calls it anew.
    ExpiredCertificate,
    /// A cache lost its content, and everybody asks what is behind it.
    CacheStampede,
    /// What it calls answers, and later than usual: the way there is slow, or who is there.
    SlowNetwork,
    /// Another resource is the bottleneck.
    ResourceSaturation,
    /// More load than the service can carry.
    TrafficSurge,
    /// A setting or flag was changed for the worse.
    BadConfiguration,
    /// The service fails or is slow by itself, and the evidence does not say why.
    ServiceDegradation,
}

/// Where a cause sits, and of what kind it is. Two hypotheses that share it are the same one to people.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cause {
    /// The service.
    pub service: ServiceId,
    /// The kind.
    pub kind: CauseKind,
}

impl From<&Hypothesis> for Cause {
    fn from(hypothesis: &Hypothesis) -> Self {
        Self { service: hypothesis.service.clone(), kind: hypothesis.cause }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} in {}", self.kind, self.service)
    }
}

impl fmt::Display for CauseKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::BadDeployment => "a bad deployment",
            Self::ConnectionPoolExhaustion => "an exhausted connection pool",
            Self::MemoryLeak => "a memory leak",
            Self::CpuSaturation => "a busy CPU",
            Self::DiskFull => "a full disk",
            Self::DependencyOutage => "a dependency that does not answer",
            Self::ExpiredCertificate => "an expired certificate",
            Self::CacheStampede => "an empty cache",
            Self::SlowNetwork => "a slow network",
            Self::ResourceSaturation => "a full resource",
            Self::TrafficSurge => "a surge of traffic",
            Self::BadConfiguration => "a bad setting",
            Self::ServiceDegradation => "a degradation of its own",
        })
    }
}

/// What the cause of an incident can be.
#[derive(Clone, Debug, PartialEq)]
pub struct Hypothesis {
    /// `h1` for the most likely one of its diagnosis, `h2`, and so on.
    pub id: String,
    /// The service where the cause sits.
    pub service: ServiceId,
    /// The instance or version where it sits; both parts empty where it is the whole service.
    pub origin: Origin,
    /// The metric that tells it most clearly; empty where none does.
    pub metric: Arc<str>,
    /// What kind of cause.
    pub cause: CauseKind,
    /// The change that is blamed; `None` where the cause is none.
    pub change: Option<Change>,
    /// The address of the dependency that is blamed; empty where the cause is none.
    pub dependency: String,
    /// The claim, in a sentence.
    pub statement: String,
    /// What to do now.
    pub immediate_fix: String,
    /// What to change so that it does not come back.
    pub long_term_fix: String,
    /// How sure, from 0 to 1, bounded by what the evidence supports.
    pub confidence: f64,
    /// The evidence for it; never empty.
    pub supports: Vec<EvidenceId>,
    /// The evidence against it.
    pub contradicts: Vec<EvidenceId>,
}

/// What the evidence says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Argument {
    /// What the cause can be, most likely first.
    pub hypotheses: Vec<Hypothesis>,
    /// Why no hypothesis is good enough to act on; `None` where the first one is.
    pub unresolved: Option<String>,
}
