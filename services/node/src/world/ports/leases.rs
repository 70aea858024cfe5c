//! Leases.

use std::sync::Arc;
use std::time::Duration;

use llm_sre_ports::leases::{Error, Lease, Leases};

use super::super::weather::Gate;
use super::passed;

/// See the module.
pub(super) struct Rights {
    gate: Arc<Gate>,
    inner: Arc<dyn Leases>,
}

impl Rights {
    pub(super) fn new(gate: Arc<Gate>, inner: Arc<dyn Leases>) -> Self {
        Self { gate, inner }
    }
}

fn away() -> Error {
    Error::Unavailable(Gate::away())
}

#[tonic::async_trait]
impl Leases for Rights {
    async fn acquire(&self, name: &str, holder: &str, ttl: Duration) -> Result<Option<Lease>, Error> {
        passed!(self.gate, away(), self.inner.acquire(name, holder, ttl))
    }

    async fn renew(&self, lease: &Lease, ttl: Duration) -> Result<(), Error> {
        passed!(self.gate, away(), self.inner.renew(lease, ttl))
    }

    async fn release(&self, lease: Lease) -> Result<(), Error> {
        passed!(self.gate, away(), self.inner.release(lease))
    }
}
