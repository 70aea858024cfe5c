//! How a process reaches the others.

use std::sync::Arc;

use anyhow::Context;
use llm_sre_mesh::access::Bearer;
use llm_sre_mesh::{Peer, peer};

/// The peer at an address; `None` where nobody can be.
pub(crate) type Way = dyn Fn(&str) -> Option<Peer> + Send + Sync;

/// See the module.
#[derive(Clone)]
pub(crate) enum Ways {
    /// Across the network, with the token that the other processes of the product ask for.
    Network(Option<Bearer>),
    /// By whoever plays several processes in this one.
    Within(Arc<Way>),
}

impl Default for Ways {
    /// Across the network, to whoever asks for no token.
    fn default() -> Self {
        Self::Network(None)
    }
}

impl Ways {
    /// Services of the product at an address.
    fn to(&self, address: &str) -> anyhow::Result<Peer> {
        match self {
            Self::Network(token) => Ok(peer::signed_in(peer::remote(address)?, token.as_ref())),
            Self::Within(way) => way(address).with_context(|| format!("nobody can be at {address}")),
        }
    }

    /// A target at an address, which may be somebody else's: it is shown its own token, and never that of the product.
    pub(super) fn to_target(&self, address: &str, token: Option<&Bearer>) -> anyhow::Result<Peer> {
        match self {
            Self::Network(_) => Ok(peer::signed_in(peer::remote(address)?, token)),
            Self::Within(_) => self.to(address),
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
