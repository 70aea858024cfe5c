//! The actions that there are. The server derives everything here; what a model claims about an action is dropped.

mod entries;

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde::Deserialize;

use crate::diagnose::{CauseKind, Hypothesis};
use crate::telemetry::Change;
use entries::{
    CLEAR_DISK, FAIL_OVER, RAISE_POOL, RENEW_CERTIFICATE, RESTART, REVERT_CONFIGURATION, ROLLBACK_DEPLOYMENT,
    SCALE_OUT, SHED_LOAD,
};

/// A type of action. The snake-case name is the `type` on the wire and the key in policies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ActionKind {
    /// Starts processes of the target again.
    Restart,
    /// Puts the version before the newest deployment back.
    RollbackDeployment,
    /// Lets a connection pool hold more connections.
    RaisePool,
    /// Sets a setting or a feature flag back to what it was before its newest change.
    RevertConfiguration,
    /// Removes from disks what can be made again.
    ClearDisk,
    /// Calls the standby of a dependency in its place.
    FailOver,
    /// Gets a new certificate for the endpoint.
    RenewCertificate,
    /// Turns a share of requests away for a while.
    ShedLoad,
    /// Starts more instances.
    ScaleOut,
}

impl ActionKind {
    /// All there are, in order of name.
    pub const ALL: [Self; 9] = [
        Self::ClearDisk,
        Self::FailOver,
        Self::RaisePool,
        Self::RenewCertificate,
        Self::Restart,
        Self::RevertConfiguration,
        Self::RollbackDeployment,
        Self::ScaleOut,
        Self::ShedLoad,
    ];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Restart => "restart",
            Self::RollbackDeployment => "rollback_deployment",
            Self::RaisePool => "raise_pool",
            Self::RevertConfiguration => "revert_configuration",
            Self::ClearDisk => "clear_disk",
            Self::FailOver => "fail_over",
            Self::RenewCertificate => "renew_certificate",
            Self::ShedLoad => "shed_load",
            Self::ScaleOut => "scale_out",
        }
    }

    /// The kind of this name; `None` for a name that the catalogue does not have.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

impl fmt::Display for ActionKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Whether an action can be taken back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reversibility {
    /// The target's Undo takes it back, with what Execute captured; Validate must confirm that beforehand.
    Undo,
    /// It leaves nothing behind that could be taken back.
    NothingToUndo,
    /// It cannot be taken back: always needs a person.
    Irreversible,
}

/// What an action touches. Ordered from little to much.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BlastRadius {
    /// One instance.
    Instance,
    /// All instances of one service.
    Service,
    /// More than one service.
    System,
}

/// How it is found out whether an action helped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verification {
    /// Samples so soon after the action do not count: processes start, caches fill.
    pub settle: Duration,
    /// Recovery has to hold over so long a window.
    pub measure: Duration,
    /// Measured from the action's end: without a verdict by then the verdict is inconclusive.
    pub deadline: Duration,
}

/// What a target must say of itself in Validate before an action may run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fact {
    /// `previous_version`: there is a version to go back to.
    PreviousVersion,
    /// `pool_size`: there is a pool, and its size is known.
    PoolSize,
    /// `previous_value`: the setting was changed, and its value before that is known.
    PreviousValue,
    /// `reclaimable_bytes`: it is known how much can be removed.
    ReclaimableBytes,
    /// `standby`: there is another to call in a dependency's place.
    Standby,
    /// `certificate_not_after`: it is known until when the certificate in use is valid.
    CertificateEnd,
    /// `admitted_percent`: it is known which share of requests is let in, and that is all of them.
    AdmittedShare,
    /// `instances`: it is known how many there are.
    Instances,
}

impl Fact {
    /// The key in the target's state. Not empty is enough.
    pub fn key(self) -> &'static str {
        match self {
            Self::PreviousVersion => "previous_version",
            Self::PoolSize => "pool_size",
            Self::PreviousValue => "previous_value",
            Self::ReclaimableBytes => "reclaimable_bytes",
            Self::Standby => "standby",
            Self::CertificateEnd => "certificate_not_after",
            Self::AdmittedShare => "admitted_percent",
            Self::Instances => "instances",
        }
    }
}

/// What values a parameter takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParameterKind {
    /// A whole number in decimal digits.
    Integer {
        /// The least.
        min: i64,
        /// The greatest.
        max: i64,
        /// What stands where none is given.
        default: i64,
    },
    /// A text; empty where none is given.
    Text {
        /// At most so many bytes.
        length_max: usize,
    },
}

/// One parameter of an action type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parameter {
    /// Its name; units last.
    pub name: &'static str,
    /// What it means.
    pub summary: &'static str,
    /// What values it takes.
    pub kind: ParameterKind,
}

impl Parameter {
    /// What stands where none is given.
    pub fn fallback(&self) -> String {
        match self.kind {
            ParameterKind::Integer { default, .. } => default.to_string(),
            ParameterKind::Text { .. } => String::new(),
        }
    }
}

/// Checked parameters: every one that the type declares, and no other.
pub type Parameters = BTreeMap<String, String>;

/// Everything that is known of a type of action.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ActionType {
    /// Which one.
    pub kind: ActionKind,
    /// What it does, in a sentence.
    pub summary: &'static str,
    /// Its parameters, in order of name.
    pub parameters: &'static [Parameter],
    /// Whether it can be taken back.
    pub reversibility: Reversibility,
    /// What takes it back, in words; empty where nothing has to.
    pub compensation: &'static str,
    /// What it touches.
    pub blast_radius: BlastRadius,
    /// What the target must say of itself.
    pub preconditions: &'static [Fact],
    /// How it is found out whether it helped.
    pub verification: Verification,
}

/// Why parameters are refused.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum ParameterError {
    /// The type declares no such parameter.
    #[error("action {action} has no parameter `{name}`")]
    Unknown {
        /// Of which action.
        action: ActionKind,
        /// The name given.
        name: String,
    },
    /// The value is no whole number or out of bounds.
    #[error("parameter `{name}` of action {action} is `{value}`, not a whole number from {min} to {max}")]
    OutOfBounds {
        /// Of which action.
        action: ActionKind,
        /// Which parameter.
        name: &'static str,
        /// The value given.
        value: String,
        /// The least.
        min: i64,
        /// The greatest.
        max: i64,
    },
    /// The text is too long.
    #[error("parameter `{name}` of action {action} is longer than {length_max} bytes")]
    TooLong {
        /// Of which action.
        action: ActionKind,
        /// Which parameter.
        name: &'static str,
        /// At most so many bytes.
        length_max: usize,
    },
}

impl ActionType {
    /// Checks what was given and fills in what was not.
    ///
    /// # Errors
    /// Names the first parameter that is unknown or out of bounds.
    pub fn check_parameters(&self, given: &Parameters) -> Result<Parameters, ParameterError> {
        let action = self.kind;
        if let Some(name) = given.keys().find(|name| self.parameters.iter().all(|known| known.name != **name)) {
            return Err(ParameterError::Unknown { action, name: name.clone() });
        }
        let mut checked = Parameters::new();
        for parameter in self.parameters {
            let name = parameter.name;
            let value = match (parameter.kind, given.get(name)) {
                (_, None) => parameter.fallback(),
                (ParameterKind::Integer { min, max, .. }, Some(value)) => {
                    let out = || ParameterError::OutOfBounds { action, name, value: value.clone(), min, max };
                    let number: i64 = value.parse().map_err(|_| out())?;
                    if !(min..=max).contains(&number) {
                        return Err(out());
                    }
                    number.to_string()
                }
                (ParameterKind::Text { length_max }, Some(value)) if value.len() > length_max => {
                    return Err(ParameterError::TooLong { action, name, length_max });
                }
                (ParameterKind::Text { .. }, Some(value)) => value.clone(),
            };
            checked.insert(name.to_owned(), value);
        }
        Ok(checked)
    }

    /// What the action touches with these parameters: an action on one named instance touches that one.
    pub fn blast_radius(&self, parameters: &Parameters) -> BlastRadius {
        match parameters.get(INSTANCE) {
            Some(instance) if !instance.is_empty() => BlastRadius::Instance,
            _ => self.blast_radius,
        }
    }
}

/// The parameter that narrows an action to one instance.
pub const INSTANCE: &str = "instance";
/// The parameter that names what was changed.
pub(super) const KEY: &str = "key";
/// The parameter that says what it was before.
pub(super) const VALUE: &str = "value";
/// The parameter that names what is called.
pub(super) const DEPENDENCY: &str = "dependency";
/// The longest text of a parameter that is a name or a value, in bytes.
const TEXT_MAX: usize = 253;

/// The actions that there are, and what each is good for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Catalogue {
    types: BTreeMap<ActionKind, ActionType>,
}

impl Default for Catalogue {
    fn default() -> Self {
        let types = [
            RESTART,
            ROLLBACK_DEPLOYMENT,
            RAISE_POOL,
            REVERT_CONFIGURATION,
            CLEAR_DISK,
            FAIL_OVER,
            RENEW_CERTIFICATE,
            SHED_LOAD,
            SCALE_OUT,
        ];
        Self { types: types.into_iter().map(|entry| (entry.kind, entry)).collect() }
    }
}

impl Catalogue {
    /// The type of a kind. `None` where this catalogue leaves it out.
    pub fn get(&self, kind: ActionKind) -> Option<&ActionType> {
        self.types.get(&kind)
    }

    /// All types, in order of kind.
    pub fn types(&self) -> impl Iterator<Item = &ActionType> {
        self.types.values()
    }

    /// The same catalogue with one type replaced or added.
    #[must_use]
    pub fn with(mut self, entry: ActionType) -> Self {
        self.types.insert(entry.kind, entry);
        self
    }

    /// What treats a cause, best first. Empty where the catalogue has nothing for it.
    pub fn treatments(&self, hypothesis: &Hypothesis) -> impl Iterator<Item = &ActionType> {
        let kinds: &[ActionKind] = match hypothesis.cause {
            CauseKind::BadDeployment => &[ActionKind::RollbackDeployment],
            CauseKind::ConnectionPoolExhaustion => &[ActionKind::RaisePool, ActionKind::Restart],
            CauseKind::MemoryLeak => &[ActionKind::Restart],
            CauseKind::CpuSaturation if !hypothesis.origin.instance.is_empty() => &[ActionKind::Restart],
            // Where every instance is busy it is the load, which comes back after a restart.
            CauseKind::CpuSaturation => &[ActionKind::ScaleOut],
            CauseKind::BadConfiguration if hypothesis.change.as_ref().is_some_and(can_be_reverted) => {
                &[ActionKind::RevertConfiguration]
            }
            CauseKind::DiskFull => &[ActionKind::ClearDisk],
            CauseKind::CacheStampede => &[ActionKind::ShedLoad],
            CauseKind::ExpiredCertificate => &[ActionKind::RenewCertificate],
            CauseKind::DependencyOutage if (1..=TEXT_MAX).contains(&hypothesis.dependency.len()) => {
                &[ActionKind::FailOver]
            }
            // To call a standby is no cure for a way that is slow, and costs what it costs.
            _ => &[],
        };
        kinds.iter().filter_map(|kind| self.types.get(kind))
    }
}

/// Whether a change says which setting it is of and what that was before, in words that fit.
fn can_be_reverted(change: &Change) -> bool {
    let fits = |text: &String| (1..=TEXT_MAX).contains(&text.len());
    fits(&change.subject) && fits(&change.before)
}
