//! What makes two incidents the same trouble.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use crate::{ServiceId, Signal};

/// What an incident is about. Prose, values and times take no part.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Subject {
    /// The service.
    pub service: ServiceId,
    /// The signal, or that a person reported it.
    pub trigger: Trigger,
    /// What sets the signal apart, such as `pool=primary`; empty for the whole service.
    pub dimension: Arc<str>,
}

/// What drew attention to an incident.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Trigger {
    /// A signal left its range.
    Signal(Signal),
    /// A person reported it.
    Reported,
}

impl Trigger {
    /// The name that goes into fingerprints. Stored ids depend on it: it never changes.
    fn name(self) -> &'static str {
        match self {
            Self::Signal(Signal::Latency) => "latency",
            Self::Signal(Signal::Errors) => "errors",
            Self::Signal(Signal::Traffic) => "traffic",
            Self::Signal(Signal::Saturation) => "saturation",
            Self::Signal(Signal::BudgetBurn) => "budget_burn",
            Self::Signal(Signal::LogBurst) => "log_burst",
            Self::Signal(Signal::NewLogTemplate) => "new_log_template",
            Self::Signal(Signal::Silence) => "silence",
            Self::Signal(Signal::Other) => "other",
            Self::Signal(Signal::FlatLine) => "flat_line",
            Self::Signal(Signal::Drift) => "drift",
            Self::Reported => "reported",
        }
    }
}

/// A digest of service, signal and dimension in 32 hexadecimal digits: the first half of a SHA-256. Never empty.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint(Arc<str>);

/// Why there is no fingerprint.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FingerprintError {
    /// The subject names no service, so every such incident would look the same.
    #[error("the incident's subject names no service")]
    NoService,
    /// The text is not a fingerprint.
    #[error("`{text}` is not a fingerprint of 32 hexadecimal digits")]
    Malformed {
        /// What it was instead.
        text: String,
    },
}

impl Fingerprint {
    /// The fingerprint of a subject.
    ///
    /// # Errors
    /// When the service has no name.
    pub fn of(subject: &Subject) -> Result<Self, FingerprintError> {
        let service = &subject.service;
        if service.name.is_empty() {
            return Err(FingerprintError::NoService);
        }
        let mut hash = Sha256::new();
        let parts =
            [&*service.namespace, &*service.name, &*service.environment, subject.trigger.name(), &*subject.dimension];
        for part in parts {
            // The length before each part keeps `ab` + `c` apart from `a` + `bc`.
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part.as_bytes());
        }
        Ok(Self(hex(&hash.finalize()[..16]).into()))
    }

    /// The 32 digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Fingerprint {
    type Err = FingerprintError;
    fn from_str(text: &str) -> Result<Self, FingerprintError> {
        let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        if text.len() == 32 && text.bytes().all(is_digit) {
            Ok(Self(text.into()))
        } else {
            Err(FingerprintError::Malformed { text: text.to_owned() })
        }
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ok = write!(text, "{byte:02x}").is_ok();
        text
    })
}
