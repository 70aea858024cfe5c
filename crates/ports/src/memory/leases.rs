//! Leases in a map, by real time.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::Instant;

use super::lock;
use crate::leases::{Error, Lease, Leases, TTL_MAX};

#[derive(Debug)]
struct Held {
    holder: String,
    token: u64,
    until: Option<Instant>,
}

/// Leases of this process.
#[derive(Debug, Default)]
pub struct MemoryLeases {
    held: Mutex<BTreeMap<String, Held>>,
}

#[async_trait]
impl Leases for MemoryLeases {
    async fn acquire(&self, name: &str, holder: &str, ttl: Duration) -> Result<Option<Lease>, Error> {
        check(ttl)?;
        let now = Instant::now();
        let mut held = lock(&self.held);
        let before = held.get(name);
        if before.is_some_and(|lease| lease.holder != holder && lease.until.is_some_and(|until| until > now)) {
            return Ok(None);
        }
        let token = before.map_or(1, |lease| lease.token + 1);
        held.insert(name.to_owned(), Held { holder: holder.to_owned(), token, until: Some(now + ttl) });
        Ok(Some(Lease { name: name.to_owned(), token }))
    }

    async fn renew(&self, lease: &Lease, ttl: Duration) -> Result<(), Error> {
        check(ttl)?;
        let now = Instant::now();
        match lock(&self.held).get_mut(&lease.name) {
            Some(held) if held.token == lease.token && held.until.is_some_and(|until| until > now) => {
                held.until = Some(now + ttl);
                Ok(())
            }
            _ => Err(Error::Lost { name: lease.name.clone(), token: lease.token }),
        }
    }

    async fn release(&self, lease: Lease) -> Result<(), Error> {
        if let Some(held) = lock(&self.held).get_mut(&lease.name)
            && held.token == lease.token
        {
            // The token stays, so that the next holder's is greater.
            held.until = None;
        }
        Ok(())
    }
}

fn check(ttl: Duration) -> Result<(), Error> {
    if ttl.is_zero() || ttl > TTL_MAX { Err(Error::InvalidTtl { ttl_ms: ttl.as_millis() }) } else { Ok(()) }
}
