//! Documents, each write of which is witnessed.

use std::sync::Arc;

use llm_sre_domain::Timestamp;
use llm_sre_ports::documents::{Document, Documents, Error, Filter, NewDocument, Page, Precondition};

use super::super::log::short_hash;
use super::super::weather::Gate;
use super::passed;

/// See the module.
pub(super) struct Store {
    gate: Arc<Gate>,
    inner: Arc<dyn Documents>,
}

impl Store {
    pub(super) fn new(gate: Arc<Gate>, inner: Arc<dyn Documents>) -> Self {
        Self { gate, inner }
    }

    /// A write took effect.
    fn wrote(&self, document: &NewDocument, version: u64) {
        let Gate { ground, life, .. } = self.gate.as_ref();
        let NewDocument { collection, id, body, .. } = document;
        let hash = short_hash(body.to_string().as_bytes());
        ground.log.say(life, &format!("writes {collection}/{id} {version} {hash}"));
        ground.witness.look(|seen| seen.put(document, version, ground.now()));
        life.met(collection);
    }
}

fn away() -> Error {
    Error::Unavailable(Gate::away())
}

#[tonic::async_trait]
impl Documents for Store {
    async fn get(&self, collection: &str, id: &str) -> Result<Option<Document>, Error> {
        passed!(self.gate, away(), self.inner.get(collection, id))
    }

    async fn put(&self, document: NewDocument, precondition: Precondition) -> Result<u64, Error> {
        let fate = self.gate.enter().await;
        if fate.is_refused {
            return Err(if fate.before.is_zero() { Error::Full } else { away() });
        }
        let done = self.inner.put(document.clone(), precondition).await;
        if let Ok(version) = done {
            self.wrote(&document, version);
        }
        self.gate.leave(fate).await;
        if fate.is_lost { Err(away()) } else { done }
    }

    async fn list(
        &self,
        collection: &str,
        filter: Filter,
        cursor: Option<String>,
        limit: usize,
    ) -> Result<Page, Error> {
        passed!(self.gate, away(), self.inner.list(collection, filter, cursor, limit))
    }

    async fn changes(&self, collection: &str, cursor: Option<String>, limit: usize) -> Result<Page, Error> {
        passed!(self.gate, away(), self.inner.changes(collection, cursor, limit))
    }

    async fn end_of_changes(&self, collection: &str) -> Result<String, Error> {
        passed!(self.gate, away(), self.inner.end_of_changes(collection))
    }

    async fn prune(&self, collection: &str, before: Timestamp) -> Result<u64, Error> {
        passed!(self.gate, away(), self.inner.prune(collection, before))
    }
}
