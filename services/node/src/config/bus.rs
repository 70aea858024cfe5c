//! Which event bus telemetry goes over.

use std::path::{Path, PathBuf};
use std::time::Duration;

use llm_sre_kafka::{Mechanism, Options, Password, Sasl, Tls};
use serde::{Deserialize, Serialize};

/// The most partitions of a topic: one detector reads those of three topics at once, each read ahead by some MiB.
const PARTITIONS_MAX: u32 = 80;

/// The event bus of `run`: that of the store, unless one is named here.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Bus {
    /// Partitions of each topic of telemetry: as many members of a group can share the work. Topics that exist keep
    /// their number, and this has to say the same.
    pub(crate) partitions: u32,
    /// How long topics keep telemetry, in hours: at least as long as detection needs to know what is usual after a
    /// start, and as long as a service may be away.
    pub(crate) keep_hours: u64,
    /// A cluster of Apache Kafka.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) kafka: Option<Kafka>,
}

impl Default for Bus {
    fn default() -> Self {
        // More than one machine has use for; and long enough for a detector that was away for a night.
        Self { partitions: 4, keep_hours: 24, kafka: None }
    }
}

impl Bus {
    pub(crate) fn keep_for(&self) -> Duration {
        Duration::from_secs(self.keep_hours.saturating_mul(3_600))
    }

    /// What is wrong, as a key below `bus` and a reason.
    pub(super) fn check(&self) -> Result<(), (String, String)> {
        if !(1..=PARTITIONS_MAX).contains(&self.partitions) {
            return Err(("partitions".to_owned(), format!("{} is not from 1 to {PARTITIONS_MAX}", self.partitions)));
        }
        if self.keep_hours == 0 {
            return Err(("keep_hours".to_owned(), "is 0, so that nothing would be kept".to_owned()));
        }
        let kafka = self.kafka.as_ref().map_or(Ok(()), Kafka::check);
        kafka.map_err(|(key, reason)| (format!("kafka.{key}"), reason))
    }
}

/// A cluster of Apache Kafka. The password itself is never part of the configuration.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Kafka {
    /// `host:port` of some brokers.
    pub(crate) brokers: Vec<String>,
    /// Stands before the names of topics and groups.
    #[serde(default)]
    pub(crate) prefix: String,
    /// Whether connections are encrypted.
    #[serde(default)]
    pub(crate) tls: bool,
    /// Certificates, in PEM, of whom to trust; the system's without it. Beside the configuration where it is relative.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) ca_file: Option<PathBuf>,
    /// Who this is; without one, no password is asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) user: Option<String>,
    /// How the password is proved: `scram_sha_512`, or `scram_sha_256`.
    #[serde(default)]
    pub(crate) mechanism: Scram,
    /// The file with the password, without the line's end. Beside the configuration where it is relative.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) password_file: Option<PathBuf>,
    /// The environment variable with the password, where there is no file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) password_variable: Option<String>,
}

/// A SCRAM mechanism.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Scram {
    /// SCRAM-SHA-256.
    #[serde(rename = "scram_sha_256")]
    Sha256,
    /// SCRAM-SHA-512.
    #[default]
    #[serde(rename = "scram_sha_512")]
    Sha512,
}

/// A key below `bus.kafka`, and what is wrong with it.
pub(crate) type Mistake = (&'static str, String);

impl Kafka {
    /// Takes relative paths for paths in this folder.
    pub(super) fn beside(&mut self, folder: &Path) {
        for path in [&mut self.ca_file, &mut self.password_file].into_iter().flatten() {
            *path = folder.join(&*path);
        }
    }

    /// What is wrong across the keys.
    fn check(&self) -> Result<(), Mistake> {
        let is_address = |broker: &String| {
            broker
                .rsplit_once(':')
                .is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok_and(|port| port > 0))
        };
        if self.brokers.is_empty() {
            return Err(("brokers", "names none".to_owned()));
        }
        if let Some(bad) = self.brokers.iter().find(|broker| !is_address(broker) || broker.contains(['/', ','])) {
            return Err(("brokers", format!("'{bad}' does not have the form host:port")));
        }
        if self.ca_file.is_some() && !self.tls {
            return Err(("ca_file", "is of no use without bus.kafka.tls".to_owned()));
        }
        match (&self.user, &self.password_file, &self.password_variable) {
            (None, None, None) | (Some(_), Some(_), None) | (Some(_), None, Some(_)) => Ok(()),
            (Some(_), Some(_), Some(_)) => {
                Err(("password_variable", "is given beside bus.kafka.password_file".to_owned()))
            }
            (Some(_), None, None) => {
                Err(("user", "needs bus.kafka.password_file or bus.kafka.password_variable".to_owned()))
            }
            (None, _, _) => Err(("user", "is required where a password is given".to_owned())),
        }
    }

    /// How the cluster is reached, with the password.
    pub(crate) fn options(&self) -> Result<Options, Mistake> {
        let mut options = Options::new(self.brokers.clone());
        options.prefix.clone_from(&self.prefix);
        options.tls = self.tls.then(|| Tls { ca_file: self.ca_file.clone() });
        if let Some(user) = &self.user {
            let mechanism = match self.mechanism {
                Scram::Sha256 => Mechanism::ScramSha256,
                Scram::Sha512 => Mechanism::ScramSha512,
            };
            options.sasl = Some(Sasl { mechanism, user: user.clone(), password: Password::new(self.password()?) });
        }
        Ok(options)
    }

    fn password(&self) -> Result<String, Mistake> {
        if let Some(file) = &self.password_file {
            let read = std::fs::read_to_string(file);
            let text =
                read.map_err(|error| ("password_file", format!("failed to read {}: {error}", file.display())))?;
            return Ok(text.trim_end_matches(['\r', '\n']).to_owned());
        }
        let name = self.password_variable.clone().unwrap_or_default();
        let value = std::env::var_os(&name).and_then(|value| value.into_string().ok());
        value.ok_or_else(|| ("password_variable", format!("the environment has no text named {name}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Kafka {
        toml::from_str(text).unwrap()
    }

    #[test]
    fn mistakes_name_their_key() {
        for (text, key) in [
            ("brokers = []", "brokers"),
            ("brokers = [\"h\"]", "brokers"),
            ("brokers = [\"http://h:1\"]", "brokers"),
            ("brokers = [\"h:1\"]\nca_file = \"c\"", "ca_file"),
            ("brokers = [\"h:1\"]\nuser = \"u\"", "user"),
            ("brokers = [\"h:1\"]\npassword_file = \"p\"", "user"),
            (
                "brokers = [\"h:1\"]\nuser = \"u\"\npassword_file = \"p\"\npassword_variable = \"P\"",
                "password_variable",
            ),
        ] {
            assert_eq!(parse(text).check().unwrap_err().0, key, "{text}");
        }
        assert_eq!(parse("brokers = [\"h:1\", \"[::1]:2\"]").check(), Ok(()));
    }

    #[test]
    fn the_password_comes_from_elsewhere() {
        let folder = tempfile::tempdir().unwrap();
        let mut kafka = parse("brokers = [\"h:1\"]\ntls = true\nuser = \"u\"\npassword_file = \"p\"");
        kafka.beside(folder.path());
        assert_eq!(kafka.options().unwrap_err().0, "password_file");
        std::fs::write(folder.path().join("p"), "hunter2\n").unwrap();
        let options = kafka.options().unwrap();
        assert_eq!(options.sasl.clone().unwrap().password, Password::new("hunter2".to_owned()));
        assert!(!format!("{options:?} {kafka:?} {}", toml::to_string(&kafka).unwrap()).contains("hunter2"));
    }
}
