//! Leases as documents that only scripts write, so that one clock judges them all: that of the node with the primary.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use llm_sre_ports::leases::{Error, Lease, Leases, TTL_MAX};
use opensearch::http::Method;
use serde_json::{Value, json};

use super::client::Client;
use super::failure::Failure;
use super::{Store, keys, mappings};

/// A node's clock, as scripts see it, stands still for so long at most (`thread_pool.estimated_time_interval`). Added,
/// so that no lease ends before the time that was asked for.
const CLOCK_STEP_MS: u64 = 200;
/// How often the node itself repeats an update that somebody else came before.
const REPEATS: u32 = 20;

const ACQUIRE: &str = "long now = ctx['_now'];
if (ctx._source.token != null && ctx._source.holder != params.holder && ctx._source.until_ms > now) { ctx.op = 'none' }
else {
  ctx._source.token = ctx._source.token == null ? 1L : ctx._source.token + 1;
  ctx._source.name = params.name;
  ctx._source.holder = params.holder;
  ctx._source.until_ms = now + params.ttl_ms;
}";
const RENEW: &str = "long now = ctx['_now'];
if (ctx._source.token == params.token && ctx._source.until_ms > now) { ctx._source.until_ms = now + params.ttl_ms }
else { ctx.op = 'none' }";
const RELEASE: &str = "if (ctx._source.token == params.token) { ctx._source.until_ms = 0L } else { ctx.op = 'none' }";

/// The leases of a cluster.
#[derive(Clone, Debug)]
pub struct OpenSearchLeases {
    client: Arc<Client>,
    index: String,
}

impl OpenSearchLeases {
    pub(super) fn new(store: &Store) -> Self {
        Self { client: Arc::clone(&store.client), index: mappings::leases(&store.prefix) }
    }

    /// Runs a script on a lease and gives the lease as it then is; `None` where the script left it alone.
    async fn update(&self, name: &str, body: &Value) -> Result<Option<Value>, Failure> {
        let path = format!(
            "{}/_update/{}?retry_on_conflict={REPEATS}&filter_path=result,get._source",
            self.index,
            keys::digest([name])
        );
        // Twice is harmless: a holder takes its own lease again, and prolongs it no more than once more.
        let mut answer = self.client.ask(Method::Post, &path, body).await?;
        Ok((answer["result"] != "noop").then(|| answer["get"]["_source"].take()))
    }
}

#[async_trait]
impl Leases for OpenSearchLeases {
    async fn acquire(&self, name: &str, holder: &str, ttl: Duration) -> Result<Option<Lease>, Error> {
        let params = json!({ "name": name, "holder": holder, "ttl_ms": checked(ttl)? });
        let body = json!({
            "script": { "source": ACQUIRE, "params": params },
            "scripted_upsert": true, "upsert": {}, "_source": ["token"],
        });
        let Some(lease) = self.update(name, &body).await? else { return Ok(None) };
        let token = lease["token"].as_u64().ok_or_else(|| Failure::corrupt("token", &lease))?;
        Ok(Some(Lease { name: name.to_owned(), token }))
    }

    async fn renew(&self, lease: &Lease, ttl: Duration) -> Result<(), Error> {
        let params = json!({ "token": lease.token, "ttl_ms": checked(ttl)? });
        let lost = || Error::Lost { name: lease.name.clone(), token: lease.token };
        match self.update(&lease.name, &json!({ "script": { "source": RENEW, "params": params } })).await {
            Ok(Some(_)) => Ok(()),
            Ok(None) | Err(Failure::Missing) => Err(lost()),
            Err(failure) => Err(failure.into()),
        }
    }

    async fn release(&self, lease: Lease) -> Result<(), Error> {
        let params = json!({ "token": lease.token });
        match self.update(&lease.name, &json!({ "script": { "source": RELEASE, "params": params } })).await {
            Ok(_) | Err(Failure::Missing) => Ok(()),
            Err(failure) => Err(failure.into()),
        }
    }
}

/// The time to live as the index holds it: never less than was asked for.
fn checked(ttl: Duration) -> Result<u64, Error> {
    if ttl.is_zero() || ttl > TTL_MAX {
        return Err(Error::InvalidTtl { ttl_ms: ttl.as_millis() });
    }
    Ok(u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX).saturating_add(1 + CLOCK_STEP_MS))
}
