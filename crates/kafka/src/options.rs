//! How a cluster is reached.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use llm_sre_ports::bus::MEMBER_LEASE;

/// How long a call waits for an answer. Longer than the restart of a broker or the election of another leader takes.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);

/// How a cluster is reached, and by which names.
#[derive(Clone, Debug)]
pub struct Options {
    /// `host:port` of some brokers; the others are learnt from them.
    pub brokers: Vec<String>,
    /// Stands before the names of topics and groups, where a cluster serves others too. Empty for none.
    pub prefix: String,
    /// Encryption; `None` sends everything in the clear.
    pub tls: Option<Tls>,
    /// Who this is; `None` does not say.
    pub sasl: Option<Sasl>,
    /// How long a member of a group may be silent. The broker's `group.min.session.timeout.ms` bounds it from below.
    pub member_lease: Duration,
    /// How long a call waits for an answer until it gives up.
    pub answer_within: Duration,
}

impl Options {
    /// The usual, with a cluster that asks neither for encryption nor for a password.
    pub fn new(brokers: Vec<String>) -> Self {
        Self {
            brokers,
            prefix: String::new(),
            tls: None,
            sasl: None,
            member_lease: MEMBER_LEASE,
            answer_within: ANSWER_WITHIN,
        }
    }
}

/// Encryption. Brokers must show a certificate for the name or address by which they are reached.
#[derive(Clone, Debug, Default)]
pub struct Tls {
    /// Certificates, in PEM, of whom to trust; the system's where there is none.
    pub ca_file: Option<PathBuf>,
}

/// A user and a password, proved by SCRAM: the password itself never travels.
#[derive(Clone, Debug)]
pub struct Sasl {
    /// By which hash.
    pub mechanism: Mechanism,
    /// The user.
    pub user: String,
    /// The password.
    pub password: Password,
}

/// A SCRAM mechanism.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mechanism {
    /// SCRAM-SHA-256.
    ScramSha256,
    /// SCRAM-SHA-512.
    ScramSha512,
}

impl Mechanism {
    /// Its name in the protocol.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ScramSha256 => "SCRAM-SHA-256",
            Self::ScramSha512 => "SCRAM-SHA-512",
        }
    }
}

/// A password, which shows itself to nobody but the client that sends its proof.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(String);

impl Password {
    /// This password.
    pub fn new(password: String) -> Self {
        Self(password)
    }

    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("***")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_not_shown() {
        let mut options = Options::new(vec!["h:1".to_owned()]);
        let password = Password::new("hunter2".to_owned());
        options.sasl = Some(Sasl { mechanism: Mechanism::ScramSha512, user: "u".to_owned(), password });
        let shown = format!("{options:?} {options:#?}");
        assert!(shown.contains("***") && !shown.contains("hunter2"), "{shown}");
    }
}
