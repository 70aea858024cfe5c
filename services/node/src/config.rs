//! The configuration of a process: flags over environment over file over defaults.
//!
//! A mistake is an error that names where it stands, the key and the reason; nothing falls back to a default.

mod access;
mod bus;
mod dashboard;
mod load;
mod model;
mod opensearch;
mod peers;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use llm_sre_domain::detect::{Objective, Objectives};
use llm_sre_domain::incident::Rules;
use llm_sre_domain::remedy::{Policy, ServicePattern};
use serde::{Deserialize, Serialize};

pub(crate) use access::{Access, token_of, token_said};
pub(crate) use load::{Overrides, load};
pub(crate) use model::{Mistake as ModelMistake, Model, Place};
pub(crate) use opensearch::OpenSearch;
pub(crate) use peers::{Endpoints, Peers};

/// What is wrong with the configuration.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// A file that cannot be read.
    #[error("failed to read {}", file.display())]
    Read {
        /// The file.
        file: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A key that is unknown, of the wrong type or out of its range.
    #[error("{place}: {key}: {reason}")]
    Key {
        /// The file, environment variable or flag.
        place: String,
        /// The key, with dots.
        key: String,
        /// What is wrong.
        reason: String,
    },
}

/// The effective configuration.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Config {
    /// The product's clock.
    pub(crate) clock: Clock,
    /// Where everything is kept.
    pub(crate) store: Store,
    /// The event bus.
    pub(crate) bus: bus::Bus,
    /// Where this process listens.
    pub(crate) listen: Listen,
    /// What the page leads to.
    pub(crate) dashboard: dashboard::Dashboard,
    /// Who is known at the ports, and how this process signs in at others.
    pub(crate) access: Access,
    /// Where services are that do not run in this process, as `http://host:port`, or a list of such instances.
    pub(crate) peers: Peers,
    /// Whose actions go where; the first that matches counts.
    pub(crate) targets: Vec<Target>,
    /// Export of the product's own traces.
    pub(crate) traces: Traces,
    /// Export of the product's metrics of itself.
    pub(crate) metrics: Metrics,
    /// The product's log.
    pub(crate) log: Log,
    /// What the product may do by itself.
    pub(crate) policy: PolicyFile,
    /// How long incidents wait for what.
    pub(crate) incidents: Rules,
    /// What is known about services; the first that matches counts.
    pub(crate) services: Vec<ServiceEntry>,
    /// The language model that advises on diagnoses; nobody is asked without one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) model: Option<Model>,
}

/// The product's clock, which a demonstration of several processes may speed up. The processes must agree.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Clock {
    /// Seconds of the product in one of real time.
    pub(crate) speed: f64,
    /// From when on it goes so fast, in RFC 3339 or Unix seconds; required where `speed` is not 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) epoch: Option<String>,
}

impl Default for Clock {
    fn default() -> Self {
        Self { speed: 1.0, epoch: None }
    }
}

/// The embedded store, and what keeps other things than it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Store {
    /// The SQLite file; processes on one machine may share it.
    pub(crate) path: PathBuf,
    /// How long telemetry is kept, in hours.
    pub(crate) keep_hours: u64,
    /// About how much telemetry is kept, in MiB.
    pub(crate) keep_mib: u64,
    /// How long the recorded signals of an incident are kept after its end, in hours. The incident itself stays.
    pub(crate) keep_recordings_hours: u64,
    /// How large the file may get, in MiB, with the event bus and all documents; as large as the disk allows where it
    /// is not said. A full store refuses telemetry, and senders try again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) file_mib_max: Option<u64>,
    /// What keeps documents, telemetry and leases instead of the file, which then holds the event bus only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) opensearch: Option<OpenSearch>,
}

impl Default for Store {
    fn default() -> Self {
        Self {
            path: PathBuf::from("llm-sre.sqlite"),
            keep_hours: 72,
            keep_mib: 2_048,
            // Ninety days, as what happened in a quarter is talked about. An incident's have at most some 200 KiB.
            keep_recordings_hours: 2_160,
            file_mib_max: None,
            opensearch: None,
        }
    }
}

const MIB: u64 = 1024 * 1024;

impl Store {
    pub(crate) fn keep_for(&self) -> Duration {
        Duration::from_secs(self.keep_hours.saturating_mul(3_600))
    }

    pub(crate) fn keep_recordings_for(&self) -> Duration {
        Duration::from_secs(self.keep_recordings_hours.saturating_mul(3_600))
    }

    pub(crate) fn keep_bytes(&self) -> u64 {
        self.keep_mib.saturating_mul(MIB)
    }

    pub(crate) fn file_bytes_max(&self) -> Option<u64> {
        self.file_mib_max.map(|mib| mib.saturating_mul(MIB))
    }
}

/// Addresses to listen on. Port 0 takes a free one.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Listen {
    /// gRPC of the control services.
    pub(crate) control: SocketAddr,
    /// OTLP over gRPC.
    pub(crate) otlp_grpc: SocketAddr,
    /// OTLP over HTTP.
    pub(crate) otlp_http: SocketAddr,
    /// The dashboard: the page, and gRPC-Web for what it shows.
    pub(crate) dashboard: SocketAddr,
    /// Whether addresses other than loopback are allowed. Without `access.tokens` whoever reaches a port may act; with
    /// them tokens travel readably, so that what ends TLS belongs in front of the ports.
    pub(crate) allow_remote: bool,
}

impl Default for Listen {
    fn default() -> Self {
        let loopback = |port| SocketAddr::from(([127, 0, 0, 1], port));
        Self {
            control: loopback(50_051),
            otlp_grpc: loopback(4_317),
            otlp_http: loopback(4_318),
            dashboard: loopback(8_080),
            allow_remote: false,
        }
    }
}

/// Where actions on some services go.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Target {
    /// `[namespace/]name@environment`, `*` for any run of characters.
    #[serde(serialize_with = "as_text")]
    pub(crate) service: ServicePattern,
    /// `http://host:port` of an `llmsre.action.v1.ActionService`.
    pub(crate) endpoint: String,
    /// The file with the token that this target asks for, beside the configuration's where it is relative; it is shown
    /// none without. The token of the product's own processes is for no target of somebody else's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) token_file: Option<PathBuf>,
}

/// Export of the product's own traces.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Traces {
    /// `http://host:port` of an OTLP/gRPC receiver; nothing is exported without it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) otlp_endpoint: Option<String>,
}

/// Export of the product's metrics of itself.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Metrics {
    /// `http://host:port` of an OTLP/gRPC receiver; nothing is exported without it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) otlp_endpoint: Option<String>,
    /// How often, in seconds, from 1 to 3600.
    pub(crate) interval_s: u64,
}

impl Default for Metrics {
    fn default() -> Self {
        Self { otlp_endpoint: None, interval_s: 30 }
    }
}

/// The product's log, on stderr.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Log {
    /// Directives as in `info,llm_sre=debug`. Where nobody says: `info`, and `warn` for commands that tell what happens
    /// on stdout.
    pub(crate) filter: String,
    /// One JSON object a line instead of text.
    pub(crate) json: bool,
}

/// The policy of remediation.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct PolicyFile {
    /// The file, beside the configuration's where it is relative. Without one nothing is enrolled and plans are
    /// suggestions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) file: Option<PathBuf>,
}

/// What is known about some services.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ServiceEntry {
    /// `[namespace/]name@environment`, `*` for any run of characters.
    #[serde(serialize_with = "as_text")]
    pub(crate) service: ServicePattern,
    /// The share of requests that must be good, above 0 and below 1: succeed, and within the latency threshold.
    #[serde(default = "availability")]
    pub(crate) availability: f64,
    /// How long a request may take, in milliseconds; latency has no objective without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) latency_threshold_ms: Option<f64>,
    /// The period that the objectives are for, in days.
    #[serde(default = "period_days")]
    pub(crate) period_days: u32,
    /// Whom to ask.
    #[serde(default)]
    pub(crate) owner: String,
    /// How much depends on it, in the words of its owners.
    #[serde(default)]
    pub(crate) criticality: String,
    /// Where its runbook is.
    #[serde(default)]
    pub(crate) runbook: String,
    /// Whether users meet it. Where no service says so, those are taken that nobody calls and that call others.
    #[serde(default)]
    pub(crate) user_facing: bool,
}

fn availability() -> f64 {
    0.999
}

fn period_days() -> u32 {
    30
}

fn as_text<S: serde::Serializer>(pattern: &ServicePattern, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(pattern.as_str())
}

impl Config {
    /// The configuration as TOML, every key said.
    pub(crate) fn to_toml(&self) -> Result<String, toml::ser::Error> {
        toml::to_string(self)
    }

    /// What detection holds services to.
    pub(crate) fn objectives(&self) -> Objectives {
        let objective = |entry: &ServiceEntry| Objective {
            availability: entry.availability,
            latency_threshold_s: entry.latency_threshold_ms.map(|threshold_ms| threshold_ms / 1e3),
            period_days: f64::from(entry.period_days),
        };
        let services = self.services.iter().map(|entry| (entry.service.clone(), objective(entry)));
        Objectives { services: services.collect() }
    }

    /// The services that users meet, as far as it says.
    pub(crate) fn user_facing(&self) -> Vec<ServicePattern> {
        self.services.iter().filter(|entry| entry.user_facing).map(|entry| entry.service.clone()).collect()
    }

    /// Reads the policy file; without one, the policy that enrols nobody.
    pub(crate) fn policy(&self) -> Result<Policy, Error> {
        self.policy.file.as_deref().map_or_else(|| Ok(Policy::default()), read_toml)
    }
}

/// Reads a TOML file, naming file, key and reason of a mistake.
pub(crate) fn read_toml<T: serde::de::DeserializeOwned>(file: &Path) -> Result<T, Error> {
    let text = std::fs::read_to_string(file).map_err(|source| Error::Read { file: file.to_owned(), source })?;
    parse_toml(&text, &file.display().to_string())
}

fn parse_toml<T: serde::de::DeserializeOwned>(text: &str, place: &str) -> Result<T, Error> {
    let key_error = |key: String, reason: &str| Error::Key {
        place: place.to_owned(),
        key,
        reason: reason.trim().replace('\n', "; "),
    };
    let deserializer = toml::Deserializer::parse(text)
        .map_err(|error| key_error(line_of(text, error.span().map(|span| span.start)), error.message()))?;
    serde_path_to_error::deserialize(deserializer)
        .map_err(|error| key_error(error.path().to_string(), error.inner().message()))
}

/// Where a text that is no TOML stops being it: such a place has no key yet.
fn line_of(text: &str, offset: Option<usize>) -> String {
    let before = text.get(..offset.unwrap_or(0)).unwrap_or(text);
    format!("line {}", before.matches('\n').count() + 1)
}

#[cfg(test)]
mod tests;
