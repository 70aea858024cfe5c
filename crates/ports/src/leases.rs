//! The right to work on something, held by one at a time for a bounded while of real time.

use std::time::Duration;

use async_trait::async_trait;

/// The longest a lease may be asked for. A holder that needs longer renews.
pub const TTL_MAX: Duration = Duration::from_secs(300);

/// What can go wrong with leases.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The lease ran out or was taken over: its holder must stop.
    #[error("the lease '{name}' with token {token} is lost")]
    Lost {
        /// The lease.
        name: String,
        /// The token that it was held with.
        token: u64,
    },
    /// A time to live of zero or over [`TTL_MAX`].
    #[error("a lease cannot be held for {ttl_ms} ms")]
    InvalidTtl {
        /// What was asked for.
        ttl_ms: u128,
    },
    /// The store does not answer. Whether the lease is held is not known, so the holder must stop when it runs out.
    #[error("the store of leases is not available: {0}")]
    Unavailable(String),
}

/// A lease that is held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// What it is the right to.
    pub name: String,
    /// Grows with each new holder of the name, so that a target can refuse an older one. From 1.
    pub token: u64,
}

/// Leases with fencing tokens.
#[async_trait]
pub trait Leases: Send + Sync {
    /// Takes the lease if it is free or has run out; `None` where somebody else holds it. The same holder takes its
    /// own lease again with a new token.
    async fn acquire(&self, name: &str, holder: &str, ttl: Duration) -> Result<Option<Lease>, Error>;

    /// Holds the lease for another `ttl` from now.
    ///
    /// # Errors
    /// [`Error::Lost`] where it ran out or was taken over, even if it is free now.
    async fn renew(&self, lease: &Lease, ttl: Duration) -> Result<(), Error>;

    /// Gives the lease back. A lease that was lost already is nothing to give back, and no error.
    async fn release(&self, lease: Lease) -> Result<(), Error>;
}
