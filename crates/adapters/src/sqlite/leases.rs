//! Leases in a table.

use std::time::Duration;

use async_trait::async_trait;
use llm_sre_ports::leases::{Error, Lease, Leases, TTL_MAX};
use rusqlite::{OptionalExtension, params};

use super::Store;
use super::failure::Fault;
use super::time::{in_ms, now_ms};

/// The leases of a file.
#[derive(Clone, Debug)]
pub struct SqliteLeases {
    store: Store,
}

impl SqliteLeases {
    pub(super) fn new(store: Store) -> Self {
        Self { store }
    }
}

#[async_trait]
impl Leases for SqliteLeases {
    async fn acquire(&self, name: &str, holder: &str, ttl: Duration) -> Result<Option<Lease>, Error> {
        let ttl_ms = checked(ttl)?;
        let (name, holder) = (name.to_owned(), holder.to_owned());
        self.store
            .write(move |connection| {
                let now = now_ms();
                let mut statement = connection.prepare_cached(
                    "INSERT INTO leases (name, holder, token, until_ms) VALUES (?1, ?2, 1, ?3)
                     ON CONFLICT DO UPDATE SET holder = ?2, token = token + 1, until_ms = ?3
                     WHERE holder = ?2 OR until_ms <= ?4 RETURNING token",
                )?;
                let token =
                    statement.query_row(params![name, holder, now + ttl_ms, now], |row| row.get(0)).optional()?;
                Ok(token.map(|token| Lease { name: name.clone(), token }))
            })
            .await
    }

    async fn renew(&self, lease: &Lease, ttl: Duration) -> Result<(), Error> {
        let ttl_ms = checked(ttl)?;
        let Lease { name, token } = lease.clone();
        self.store
            .write(move |connection| {
                let now = now_ms();
                let mut statement = connection.prepare_cached(
                    "UPDATE leases SET until_ms = ?3 WHERE name = ?1 AND token = ?2 AND until_ms > ?4",
                )?;
                match statement.execute(params![name, token, now + ttl_ms, now])? {
                    0 => Err(Fault::Refused(Error::Lost { name: name.clone(), token })),
                    _ => Ok(()),
                }
            })
            .await
    }

    async fn release(&self, lease: Lease) -> Result<(), Error> {
        self.store
            .write(move |connection| {
                let mut statement =
                    connection.prepare_cached("UPDATE leases SET until_ms = 0 WHERE name = ?1 AND token = ?2")?;
                statement.execute(params![lease.name, lease.token])?;
                Ok(())
            })
            .await
    }
}

/// The time to live as the file holds it: never less than was asked for.
fn checked(ttl: Duration) -> Result<i64, Error> {
    if ttl.is_zero() || ttl > TTL_MAX {
        return Err(Error::InvalidTtl { ttl_ms: ttl.as_millis() });
    }
    Ok(in_ms(ttl).saturating_add(i64::from(!ttl.subsec_nanos().is_multiple_of(1_000_000))))
}
