//! The append-only record of every step of every action, each entry bound to the one before by its hash.

use std::fmt;
use std::str::FromStr;

use super::digest::{Writer, parse_hex};
use crate::Timestamp;
use crate::incident::{ActionId, Actor, IdError, IncidentId};

/// The SHA-256 of a record; all zero before the first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AuditHash([u8; 32]);

impl fmt::Display for AuditHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl FromStr for AuditHash {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        parse_hex(text).map(Self).ok_or_else(|| IdError::NotSha256 { text: text.to_owned() })
    }
}

/// What a step is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AuditSubject {
    /// An action for an incident.
    Action {
        /// The incident.
        incident: IncidentId,
        /// The action.
        action: ActionId,
    },
    /// A hold, by its resource name: the kill switch, or a freeze.
    Hold(String),
}

/// One step, before it has its place in the record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditEntry {
    /// When.
    pub time: Timestamp,
    /// Who did it.
    pub actor: Actor,
    /// What it is about.
    pub subject: AuditSubject,
    /// What was done, such as `approved` or `execute`.
    pub step: String,
    /// The facts of the step, in one line.
    pub detail: String,
}

/// One entry of the record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditRecord {
    /// Its place, from 1, without gaps.
    pub sequence: u64,
    /// What was done.
    pub entry: AuditEntry,
    /// The hash of the record before.
    pub previous: AuditHash,
    /// The hash over all of the above.
    pub hash: AuditHash,
}

/// Where and how a record is broken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    /// A record is missing, doubled or out of order.
    #[error("audit record {found} stands where {expected} should")]
    Sequence {
        /// The place that should come next.
        expected: u64,
        /// The place that comes.
        found: u64,
    },
    /// A record does not follow from the one before.
    #[error("audit record {sequence} does not follow from the one before")]
    Chain {
        /// Which record.
        sequence: u64,
    },
    /// A record was changed.
    #[error("audit record {sequence} was changed after it was written")]
    Changed {
        /// Which record.
        sequence: u64,
    },
}

impl AuditRecord {
    /// The record that follows `last`; the first where there is none.
    pub fn next(last: Option<&Self>, entry: AuditEntry) -> Self {
        let sequence = last.map_or(1, |last| last.sequence.saturating_add(1));
        let previous = last.map_or_else(AuditHash::default, |last| last.hash);
        let hash = hash(sequence, &entry, previous);
        Self { sequence, entry, previous, hash }
    }
}

fn hash(sequence: u64, entry: &AuditEntry, previous: AuditHash) -> AuditHash {
    let AuditEntry { time, actor, subject, step, detail } = entry;
    let mut writer = Writer::new("llm-sre audit 1");
    writer.number(sequence);
    writer.bytes(&time.as_nanos().to_be_bytes());
    writer.shown(actor);
    match subject {
        AuditSubject::Action { incident, action } => {
            writer.shown(incident);
            writer.shown(action);
        }
        // No incident has that id.
        AuditSubject::Hold(name) => {
            writer.text("hold");
            writer.text(name);
        }
    }
    writer.text(step);
    writer.text(detail);
    writer.bytes(&previous.0);
    AuditHash(writer.finish())
}

/// Verifies a record entry by entry, oldest first.
#[derive(Clone, Debug)]
pub struct AuditChain {
    expected: u64,
    head: AuditHash,
}

impl Default for AuditChain {
    fn default() -> Self {
        Self { expected: 1, head: AuditHash::default() }
    }
}

impl AuditChain {
    /// Takes the next entry.
    ///
    /// # Errors
    /// When it is out of place, cut off from the one before, or changed.
    pub fn add(&mut self, record: &AuditRecord) -> Result<(), Broken> {
        let sequence = record.sequence;
        if sequence != self.expected {
            return Err(Broken::Sequence { expected: self.expected, found: sequence });
        }
        if record.previous != self.head {
            return Err(Broken::Chain { sequence });
        }
        if record.hash != hash(sequence, &record.entry, self.head) {
            return Err(Broken::Changed { sequence });
        }
        (self.expected, self.head) = (sequence.saturating_add(1), record.hash);
        Ok(())
    }

    /// How many entries it took.
    pub fn len(&self) -> u64 {
        self.expected - 1
    }

    /// Whether it took none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The hash of the newest of them. A record cut off at its end verifies; compare this with one noted elsewhere to see
    /// that.
    pub fn head(&self) -> AuditHash {
        self.head
    }
}

/// Verifies a whole record, oldest first, and returns the hash of its newest entry. See [`AuditChain`].
///
/// # Errors
/// Names the first entry that is out of place, cut off from the one before, or changed.
pub fn verify<'a>(records: impl IntoIterator<Item = &'a AuditRecord>) -> Result<AuditHash, Broken> {
    let mut chain = AuditChain::default();
    for record in records {
        chain.add(record)?;
    }
    Ok(chain.head())
}
