//! Names of incidents and of what belongs to them.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use uuid::Uuid;

use super::Fingerprint;

/// The namespace of all name-based ids. A random constant; changing it would rename every incident.
const NAMESPACE: Uuid = Uuid::from_u128(0x6c1f_58b2_9a0e_4d47_8c55_2f6b_1e93_a7d4);

/// Identifies an incident: a name-based UUID (version 5) of fingerprint and ordinal. Its 16 bytes are the id of the
/// incident's trace, so it is never all zero, which OpenTelemetry reads as "no trace".
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IncidentId(Uuid);

/// Identifies an action: a name-based UUID (version 5) of its incident and of how many actions were planned for the
/// incident before. A replan after a crash meets the same id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ActionId(Uuid);

/// Identifies a diagnosis within its incident; the diagnosis service chooses it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DiagnosisId(Arc<str>);

/// Who did something: the product itself, or a person as the door named them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Actor(Arc<str>);

/// Why a text or a UUID is not an id.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// It is not a UUID at all.
    #[error("`{text}` is not a UUID")]
    NotUuid {
        /// What it was instead.
        text: String,
    },
    /// It is a UUID, but not one that names are made into.
    #[error("`{uuid}` is not a name-based UUID (version 5)")]
    NotNameBased {
        /// Which one.
        uuid: Uuid,
    },
    /// It is not the text of a SHA-256.
    #[error("`{text}` is not a SHA-256 of 64 lower-case hexadecimal digits")]
    NotSha256 {
        /// What it was instead.
        text: String,
    },
    /// An id that must say something is empty.
    #[error("the id of a {what} is empty")]
    Empty {
        /// Of what it is the id.
        what: &'static str,
    },
}

fn name_based(uuid: Uuid) -> Result<Uuid, IdError> {
    if uuid.get_version_num() == 5 { Ok(uuid) } else { Err(IdError::NotNameBased { uuid }) }
}

fn parse(text: &str) -> Result<Uuid, IdError> {
    name_based(Uuid::parse_str(text).map_err(|_| IdError::NotUuid { text: text.to_owned() })?)
}

impl IncidentId {
    /// The id of the incident with this fingerprint before which `ordinal` others came.
    pub fn of(fingerprint: &Fingerprint, ordinal: u32) -> Self {
        let name = format!("incident:{fingerprint}:{ordinal}");
        Self(Uuid::new_v5(&NAMESPACE, name.as_bytes()))
    }

    /// From the 16 bytes of a trace id.
    ///
    /// # Errors
    /// When the bytes are not a version 5 UUID, so that no incident has them as its id.
    pub fn from_bytes(bytes: [u8; 16]) -> Result<Self, IdError> {
        name_based(Uuid::from_bytes(bytes)).map(Self)
    }

    /// The 16 bytes, which are the id of the incident's trace.
    pub fn bytes(self) -> [u8; 16] {
        *self.0.as_bytes()
    }

    /// The trace id as W3C and Jaeger write it: 32 hexadecimal digits without hyphens.
    pub fn trace_id(self) -> String {
        self.0.simple().to_string()
    }
}

impl ActionId {
    /// The id of the action before which `sequence` others were planned for the incident.
    pub fn of(incident: IncidentId, sequence: u32) -> Self {
        let name = format!("action:{incident}:{sequence}");
        Self(Uuid::new_v5(&NAMESPACE, name.as_bytes()))
    }
}

impl DiagnosisId {
    /// A diagnosis by the last part of its resource name.
    ///
    /// # Errors
    /// When it is empty.
    pub fn new(id: &str) -> Result<Self, IdError> {
        if id.is_empty() { Err(IdError::Empty { what: "diagnosis" }) } else { Ok(Self(id.into())) }
    }

    /// The last part of its resource name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Actor {
    /// The product itself.
    pub fn product() -> Self {
        Self("llm-sre".into())
    }

    /// A person or another program, such as `unauthenticated:local`.
    ///
    /// # Errors
    /// When the name is empty: what was done by nobody cannot be answered for.
    pub fn new(name: &str) -> Result<Self, IdError> {
        if name.is_empty() { Err(IdError::Empty { what: "actor" }) } else { Ok(Self(name.into())) }
    }

    /// Whether it is the product itself.
    pub fn is_product(&self) -> bool {
        &*self.0 == "llm-sre"
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for IncidentId {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        parse(text).map(Self)
    }
}

impl FromStr for ActionId {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        parse(text).map(Self)
    }
}

impl fmt::Display for IncidentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for ActionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for DiagnosisId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
