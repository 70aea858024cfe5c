//! Each message's one conversion to and from the domain.
//!
//! From the domain is total (`From`); to the domain is a parse (`TryFrom` with [`ConvertError`]): an absent required
//! field or an unknown enum value is an error that names the field, never a default.

pub mod action;
pub mod anomaly;
mod attempt;
pub mod common;
pub mod event;
pub mod evidence;
mod fleet;
pub mod hypothesis;
pub mod incident;
pub mod judgement;
pub mod otlp;
pub mod telemetry;

/// A message that the domain cannot take, with the field that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConvertError {
    /// A required field is absent.
    #[error("{0} is required")]
    Missing(&'static str),
    /// A field holds what it may not.
    #[error("{field} is invalid: {reason}")]
    Invalid {
        /// The field's name in the contract.
        field: &'static str,
        /// What is wrong with it.
        reason: String,
    },
}

impl ConvertError {
    /// The field that is wrong.
    pub fn field(&self) -> &'static str {
        match self {
            Self::Missing(field) | Self::Invalid { field, .. } => field,
        }
    }
}
