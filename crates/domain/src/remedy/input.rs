//! What diagnosis hands over, as far as a plan follows from it.

use crate::ServiceId;
use crate::telemetry::Origin;

/// Kinds of cause.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CauseKind {
    /// A new version misbehaves.
    BadDeployment,
    /// All connections of a pool are in use.
    ConnectionPoolExhaustion,
    /// Memory grows without bound.
    MemoryLeak,
    /// More load than the service can carry.
    TrafficSurge,
}

/// What the cause of an incident can be.
#[derive(Clone, Debug, PartialEq)]
pub struct Hypothesis {
    /// The service where the cause sits.
    pub service: ServiceId,
    /// The process where it sits.
    pub origin: Origin,
    /// What kind of cause.
    pub cause: CauseKind,
    /// How sure, from 0 to 1.
    pub confidence: f64,
}
