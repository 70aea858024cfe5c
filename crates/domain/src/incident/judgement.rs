//! What people say that an incident was.

use std::fmt;

use super::{Actor, DiagnosisId, Incident};
use crate::Timestamp;
use crate::diagnose::Cause;

/// What a person says that an incident was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ruling {
    /// There was nothing.
    FalseAlarm,
    /// Its diagnosis is right.
    Confirmed,
    /// The cause was this one, whatever its diagnosis says.
    OtherCause(Cause),
}

/// A person's verdict on an incident. What a measurement says is a [`super::Verdict`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judgement {
    /// What they say.
    pub ruling: Ruling,
    /// The newest diagnosis when they said it; `None` only where there was none to confirm.
    pub diagnosis: Option<DiagnosisId>,
    /// Who said it.
    pub actor: Actor,
    /// What that person wrote; people read it, and nothing is decided by it.
    pub note: String,
    /// When.
    pub time: Timestamp,
}

impl Incident {
    /// Whether a person said that its diagnosis is right.
    pub(super) fn is_confirmed(&self) -> bool {
        self.judgement.as_ref().is_some_and(|judgement| judgement.ruling == Ruling::Confirmed)
    }
}

impl fmt::Display for Ruling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::FalseAlarm => f.write_str("it was a false alarm"),
            Self::Confirmed => f.write_str("its diagnosis is right"),
            Self::OtherCause(cause) => write!(f, "its cause was {cause}"),
        }
    }
}
