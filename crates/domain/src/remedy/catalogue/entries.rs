//! The entries of the catalogue.

use std::time::Duration;

use super::{
    ActionKind, ActionType, BlastRadius, DEPENDENCY, Fact, INSTANCE, KEY, Parameter, ParameterKind, Reversibility,
    TEXT_MAX, VALUE, Verification,
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

/// Connections to another address are made within seconds.
pub(super) const FAIL_OVER: ActionType = ActionType {
    kind: ActionKind::FailOver,
    summary: "Lets the service call the standby of a dependency in its place.",
    parameters: &[Parameter {
        name: DEPENDENCY,
        summary: "Which dependency, by the address that the service calls; the target refuses one that it does not call.",
        kind: ParameterKind::Text { length_max: TEXT_MAX },
    }],
    reversibility: Reversibility::Undo,
    compensation: "Lets the service call what it called before.",
    blast_radius: BlastRadius::Service,
    preconditions: &[Fact::Standby],
    verification: AFTER_RESTART,
};

/// Servers take a new certificate without a restart, and callers try again within seconds.
pub(super) const RENEW_CERTIFICATE: ActionType = ActionType {
    kind: ActionKind::RenewCertificate,
    summary: "Gets a new certificate for the endpoint of the service and puts it in place.",
    parameters: &[Parameter {
        name: "valid_days",
        summary: "For how many days it is valid.",
        // Public authorities issue none for longer than 398 days.
        kind: ParameterKind::Integer { min: 1, max: 398, default: 90 },
    }],
    reversibility: Reversibility::NothingToUndo,
    // One that has expired is worth nothing to anybody.
    compensation: "",
    blast_radius: BlastRadius::Service,
    preconditions: &[Fact::CertificateEnd],
    verification: AFTER_RESTART,
};

/// It lasts for minutes, whose requests say nothing of what comes after them.
pub(super) const SHED_LOAD: ActionType = ActionType {
    kind: ActionKind::ShedLoad,
    summary: "Turns a share of the service's requests away for a while, so that it can catch up.",
    parameters: &[
        Parameter {
            name: "duration_s",
            summary: "For how many seconds; the target lets all in again by itself.",
            // Less than the longest that a target's end is waited for.
            kind: ParameterKind::Integer { min: 60, max: 300, default: 120 },
        },
        Parameter {
            name: "percent",
            summary: "How many percent of requests are turned away.",
            // To turn most of them away is no repair.
            kind: ParameterKind::Integer { min: 5, max: 50, default: 30 },
        },
    ],
    // It ends by itself.
    reversibility: Reversibility::NothingToUndo,
    compensation: "",
    blast_radius: BlastRadius::Service,
    preconditions: &[Fact::AdmittedShare],
    verification: AFTER_ROLLOUT,
};

/// Processes take their time to start, and what waits has to be worked off.
pub(super) const SCALE_OUT: ActionType = ActionType {
    kind: ActionKind::ScaleOut,
    summary: "Starts more instances of the service.",
    parameters: &[Parameter {
        name: "add_percent",
        summary: "How many more, in percent of those that there are; rounded up.",
        // Who needs more than three times as many has another problem, and soon the databases behind have one.
        kind: ParameterKind::Integer { min: 10, max: 200, default: 100 },
    }],
    reversibility: Reversibility::Undo,
    compensation: "Ends the instances that were added.",
    blast_radius: BlastRadius::Service,
    preconditions: &[Fact::Instances],
    verification: AFTER_ROLLOUT,
};
