//! Which services run in which processes, and where they find each other.

use std::collections::BTreeSet;

use llm_sre_domain::remedy::ServicePattern;
use serde::Serialize;

use super::processes::SHOP;
use crate::cli::ServiceName;
use crate::config::{Config, Endpoints, Target};
use crate::wiring;

/// Partitions of each topic: more than one, so that order holds within each only.
const PARTITIONS: u32 = 2;

/// How the product is spread. The shop is a process of its own in each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Layout {
    /// All of it in one process.
    Together,
    /// A process each.
    Apart,
    /// Two processes each, but for the gateway.
    Doubled,
}

/// Every layout.
pub(super) const LAYOUTS: [Layout; 3] = [Layout::Together, Layout::Apart, Layout::Doubled];

impl Layout {
    /// The processes of the product, and what runs in each.
    pub(super) fn processes(self) -> Vec<(String, BTreeSet<ServiceName>)> {
        if self == Self::Together {
            return vec![("product-0".to_owned(), wiring::PRODUCT.into())];
        }
        let of = |name: ServiceName| {
            let count = if self == Self::Doubled && name != ServiceName::Gateway { 2 } else { 1 };
            let text = format!("{name:?}").to_lowercase();
            (0..count).map(move |number| (format!("{text}-{number}"), BTreeSet::from([name])))
        };
        wiring::PRODUCT.into_iter().flat_map(of).collect()
    }

    /// The processes that run a service.
    pub(super) fn running(self, service: ServiceName) -> Vec<String> {
        let all = self.processes().into_iter();
        all.filter(|(_, services)| services.contains(&service)).map(|(name, _)| name).collect()
    }

    /// The configuration of a process.
    pub(super) fn config(self, process: &str) -> anyhow::Result<Config> {
        let mut config = Config::default();
        config.store.path = wiring::IN_MEMORY.into();
        config.bus.partitions = PARTITIONS;
        let at = |service| Endpoints::at(self.running(service).iter().map(|name| address(name)).collect());
        // A process that is all of the product has no peers but itself.
        if process == SHOP || self != Self::Together {
            config.peers.gateway = at(ServiceName::Gateway);
            config.peers.detector = at(ServiceName::Detector);
            config.peers.diagnosis = at(ServiceName::Diagnosis);
            config.peers.remediation = at(ServiceName::Remediation);
        }
        let service = ServicePattern::parse(llm_sre_simulator::SERVICES)?;
        config.targets = vec![Target { service, endpoint: address(SHOP), token_file: None }];
        Ok(config)
    }
}

/// Where a process is.
fn address(process: &str) -> String {
    format!("http://{process}")
}

/// Which process is there.
pub(super) fn process_at(address: &str) -> Option<&str> {
    address.strip_prefix("http://")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_service_runs_somewhere_and_is_found_there() {
        for layout in LAYOUTS {
            for service in wiring::PRODUCT {
                assert!(!layout.running(service).is_empty(), "{layout:?} {service:?}");
            }
            let config = layout.config(SHOP).unwrap();
            let gateways: Vec<_> = config.peers.gateway.addresses().iter().map(|at| process_at(at).unwrap()).collect();
            assert_eq!(gateways, layout.running(ServiceName::Gateway));
        }
        assert!(Layout::Together.config("product-0").unwrap().peers.detector.is_empty());
    }
}
