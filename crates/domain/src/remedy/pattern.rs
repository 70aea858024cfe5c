//! Which services a line of the policy speaks of.

use std::fmt;

use serde::{Deserialize, Deserializer};

use crate::ServiceId;

/// `[namespace/]name@environment`, where `*` stands for any run of characters within a part.
///
/// The environment must be said, `*` included: nobody enrols production by leaving it out. A missing namespace means
/// any; `checkout@` is the service that names no environment.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServicePattern {
    text: String,
    namespace: String,
    name: String,
    environment: String,
}

/// Why a text is not a pattern.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// The environment is not said.
    #[error("service pattern `{text}` does not say the environment: write `{text}@*` for any")]
    NoEnvironment {
        /// The pattern.
        text: String,
    },
    /// The name is empty.
    #[error("service pattern `{text}` does not say the service's name")]
    NoName {
        /// The pattern.
        text: String,
    },
}

impl ServicePattern {
    /// # Errors
    /// When the environment or the name is missing.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        let (service, environment) =
            text.rsplit_once('@').ok_or_else(|| PatternError::NoEnvironment { text: text.to_owned() })?;
        let (namespace, name) = service.rsplit_once('/').unwrap_or(("*", service));
        if name.is_empty() {
            return Err(PatternError::NoName { text: text.to_owned() });
        }
        Ok(Self {
            text: text.to_owned(),
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            environment: environment.to_owned(),
        })
    }

    /// Whether it speaks of this service.
    pub fn matches(&self, service: &ServiceId) -> bool {
        glob(&self.namespace, &service.namespace)
            && glob(&self.name, &service.name)
            && glob(&self.environment, &service.environment)
    }

    /// The text that it was parsed from.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for ServicePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for ServicePattern {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

/// Whether the text is the pattern with each `*` replaced by some run of characters. Taking the first place where a
/// middle piece fits is right: a later place leaves less for the pieces after it.
fn glob(pattern: &str, text: &str) -> bool {
    let Some((head, rest)) = pattern.split_once('*') else { return pattern == text };
    let Some(mut text) = text.strip_prefix(head) else { return false };
    let (middle, tail) = rest.rsplit_once('*').unwrap_or(("", rest));
    for piece in middle.split('*') {
        let Some(at) = text.find(piece) else { return false };
        text = &text[at + piece.len()..];
    }
    text.ends_with(tail)
}
