//! How a process reaches the others.

use std::sync::Arc;

use anyhow::Context;
use llm_sre_mesh::{Peer, peer};

/// The peer at an address; `None` where nobody can be.
pub(crate) type Way = dyn Fn(&str) -> Option<Peer> + Send + Sync;

/// See the module.
#[derive(Clone, Default)]
pub(crate) enum Ways {
    /// Across the network.
    #[default]
    Network,
    /// By whoever plays several processes in this one.
    Within(Arc<Way>),
}

impl Ways {
    /// Services at an address.
    pub(super) fn to(&self, address: &str) -> anyhow::Result<Peer> {
        match self {
            Self::Network => Ok(peer::remote(address)?),
            Self::Within(way) => way(address).with_context(|| format!("nobody can be at {address}")),
        }
    }

    /// Instances of the same services, which share the calls.
    pub(super) fn any(&self, addresses: &[String]) -> anyhow::Result<Peer> {
        Ok(peer::any(self.all(addresses)?))
    }

    /// Services that run in this process, and instances of them elsewhere for when they are not available.
    pub(super) fn local_or_any(&self, local: Peer, addresses: &[String]) -> anyhow::Result<Peer> {
        let mut peers = self.all(addresses)?;
        peers.insert(0, local);
        Ok(peer::in_order(peers))
    }

    fn all(&self, addresses: &[String]) -> anyhow::Result<Vec<Peer>> {
        addresses.iter().map(|address| self.to(address)).collect()
    }
}
