//! What is done to a service, and what its platform tells of it.

use std::collections::VecDeque;
use std::time::Duration;

use llm_sre_domain::Timestamp;

use super::release::Release;

/// Something that is done instance by instance.
#[derive(Clone, Debug)]
pub(crate) struct Rollout {
    pub(crate) change: Change,
    /// Instances still to come, and when the next one's turn is.
    pub(crate) slots: VecDeque<usize>,
    pub(crate) next_at: Timestamp,
    pub(crate) every: Duration,
    /// The call that asked for it; `None` where the shop's own people did.
    pub(crate) request: Option<String>,
}

#[derive(Clone, Debug)]
pub(crate) enum Change {
    Deploy { before: String, release: Release },
    Restart,
    Resize { before: u32, pool: u32 },
    Switch { is_on: bool },
    Clear,
    Call { is_on_standby: bool },
    Renew { valid_days: u32 },
    Admit,
    Scale { instances: usize },
}

/// Something that happened, as the shop's platform tells it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Event {
    pub(crate) service: &'static str,
    pub(crate) instance: String,
    pub(crate) time: Timestamp,
    pub(crate) what: Happening,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Happening {
    DeploymentStarted { before: String, after: String },
    DeploymentFinished { before: String, after: String },
    Restarted,
    Killed { used_mib: f64 },
    PoolResized { before: u32, after: u32 },
    FlagSwitched { before: bool, after: bool },
    DiskCleared { freed_mib: f64 },
    FailedOver { before: String, after: String },
    CertificateRenewed { valid_days: u32 },
    Admitted { before: u32, after: u32 },
    Scaled { before: usize, after: usize },
}
