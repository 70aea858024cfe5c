//! The entries of the catalogue.

use std::time::Duration;

use super::{
    ActionKind, ActionType, BlastRadius, Fact, INSTANCE, KEY, Parameter, ParameterKind, Reversibility, TEXT_MAX, VALUE,
    Verification,
};

/// A process takes seconds to start and its load balancer half a minute to trust it; two minutes of good samples are
/// more than one scrape interval of any common exporter.
const AFTER_RESTART: Verification = Verification {
    settle: Duration::from_secs(30),
    measure: Duration::from_secs(120),
    deadline: Duration::from_secs(600),
};

/// A rollout starts every process anew, one after the other.
const AFTER_ROLLOUT: Verification = Verification {
    settle: Duration::from_secs(60),
    measure: Duration::from_secs(120),
    deadline: Duration::from_secs(900),
};

pub(super) const RESTART: ActionType = ActionType {
    kind: ActionKind::Restart,
    summary: "Starts one instance, or one after the other all instances, of the service again.",
    parameters: &[Parameter {
        name: INSTANCE,
        summary: "The instance to start again; empty means all, one after the other.",
        kind: ParameterKind::Text { length_max: TEXT_MAX },
    }],
    reversibility: Reversibility::NothingToUndo,
    compensation: "",
    blast_radius: BlastRadius::Service,
    preconditions: &[],
    verification: AFTER_RESTART,
};

pub(super) const ROLLBACK_DEPLOYMENT: ActionType = ActionType {
    kind: ActionKind::RollbackDeployment,
    summary: "Puts the version before the newest deployment of the service back.",
    parameters: &[],
    reversibility: Reversibility::Undo,
    compensation: "Rolls the version that was taken back out again.",
    blast_radius: BlastRadius::Service,
    preconditions: &[Fact::PreviousVersion],
    verification: AFTER_ROLLOUT,
};

pub(super) const RAISE_POOL: ActionType = ActionType {
    kind: ActionKind::RaisePool,
    summary: "Lets the connection pool of the service hold more connections.",
    parameters: &[Parameter {
        name: "raise_percent",
        summary: "By how much the pool grows, in percent of its size.",
        // Beyond four times its size the pool is not the problem, and the database becomes one.
        kind: ParameterKind::Integer { min: 10, max: 300, default: 100 },
    }],
    reversibility: Reversibility::Undo,
    compensation: "Sets the pool to the size that it had.",
    blast_radius: BlastRadius::Service,
    preconditions: &[Fact::PoolSize],
    verification: AFTER_RESTART,
};

/// Flags are read again within seconds, and settings with the next start of a process.
pub(super) const REVERT_CONFIGURATION: ActionType = ActionType {
    kind: ActionKind::RevertConfiguration,
    summary: "Sets a setting or feature flag of the service back to what it was before its newest change.",
    parameters: &[
        Parameter { name: KEY, summary: "Which setting or flag.", kind: ParameterKind::Text { length_max: TEXT_MAX } },
        Parameter {
            name: VALUE,
            summary: "What it was before; the target refuses where its newest change was from another value.",
            kind: ParameterKind::Text { length_max: TEXT_MAX },
        },
    ],
    reversibility: Reversibility::Undo,
    compensation: "Sets it to the value that was taken back again.",
    blast_radius: BlastRadius::Service,
    preconditions: &[Fact::PreviousValue],
    verification: AFTER_ROLLOUT,
};

pub(super) const CLEAR_DISK: ActionType = ActionType {
    kind: ActionKind::ClearDisk,
    summary: "Removes from the disk of one instance, or of all, what can be made again: caches and temporary files.",
    parameters: &[Parameter {
        name: INSTANCE,
        summary: "The instance whose disk to clear; empty means all.",
        kind: ParameterKind::Text { length_max: TEXT_MAX },
    }],
    reversibility: Reversibility::NothingToUndo,
    compensation: "",
    blast_radius: BlastRadius::Service,
    preconditions: &[Fact::ReclaimableBytes],
    verification: AFTER_RESTART,
};
