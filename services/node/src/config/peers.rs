//! Where services are that do not run in this process.

use serde::{Deserialize, Serialize};

/// Services in other processes.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Peers {
    /// OTLP over gRPC, for the simulated shop.
    #[serde(skip_serializing_if = "Endpoints::is_empty")]
    pub(crate) gateway: Endpoints,
    /// The owner of incidents.
    #[serde(skip_serializing_if = "Endpoints::is_empty")]
    pub(crate) detector: Endpoints,
    /// The owner of diagnoses.
    #[serde(skip_serializing_if = "Endpoints::is_empty")]
    pub(crate) diagnosis: Endpoints,
    /// The owner of actions.
    #[serde(skip_serializing_if = "Endpoints::is_empty")]
    pub(crate) remediation: Endpoints,
    /// Who has the stored telemetry.
    #[serde(skip_serializing_if = "Endpoints::is_empty")]
    pub(crate) indexer: Endpoints,
}

/// The instances of a service: one address, or a list of them; none where it is not configured.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "OneOrMore", into = "OneOrMore")]
pub(crate) struct Endpoints(Vec<String>);

impl Endpoints {
    /// At these addresses.
    pub(crate) fn at(addresses: Vec<String>) -> Self {
        Self(addresses)
    }

    /// Whether it is not configured.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All addresses, each as `http://host:port`.
    pub(crate) fn addresses(&self) -> &[String] {
        &self.0
    }
}

#[derive(Serialize, Deserialize)]
#[serde(untagged, expecting = "expected http://host:port, or a list of such addresses")]
enum OneOrMore {
    One(String),
    More(Vec<String>),
}

impl From<OneOrMore> for Endpoints {
    fn from(said: OneOrMore) -> Self {
        match said {
            OneOrMore::One(address) => Self(vec![address]),
            OneOrMore::More(addresses) => Self(addresses),
        }
    }
}

impl From<Endpoints> for OneOrMore {
    fn from(Endpoints(mut addresses): Endpoints) -> Self {
        match addresses.pop() {
            Some(address) if addresses.is_empty() => Self::One(address),
            last => {
                addresses.extend(last);
                Self::More(addresses)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_address_and_several_are_read_and_written() {
        let text = "detector = \"http://a:1\"\ndiagnosis = [\"http://b:2\", \"http://c:3\"]\n";
        let peers: Peers = toml::from_str(text).unwrap();
        assert_eq!(peers.detector.addresses(), ["http://a:1"]);
        assert_eq!(peers.diagnosis.addresses(), ["http://b:2", "http://c:3"]);
        assert!(peers.remediation.is_empty());
        assert_eq!(toml::to_string(&peers).unwrap(), text);
        let refused = toml::from_str::<Peers>("detector = 1").unwrap_err().to_string();
        assert!(refused.contains("expected http://host:port, or a list"), "{refused}");
    }
}
