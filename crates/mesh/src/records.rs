//! Documents of the store as messages of the contract.
//!
//! A record is the proto3 JSON of one message, with its etag and a few attributes to find it by. Who reads keeps what
//! it does not know: fields that a newer version wrote survive a write of an older one.

use std::collections::{BTreeMap, BTreeSet};
use std::marker::PhantomData;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use llm_sre_domain::Timestamp;
use llm_sre_ports::documents::{Document, Documents, Error as StoreError, Filter, NewDocument, Page, Precondition};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tonic::Status;

use crate::status;

/// How long a caller waits before it asks an absent store again.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// The most records that it is remembered of that they cannot be read.
const SAID_MAX: usize = 1_000;

/// Version of the stored shape, for a reader that must know.
pub const SCHEMA_VERSION: u32 = 1;

/// One collection of messages.
pub struct Records<M> {
    store: Arc<dyn Documents>,
    collection: &'static str,
    /// Which records, by id and version, it was said of that they cannot be read.
    said: Arc<Mutex<BTreeSet<(String, u64)>>>,
    message: PhantomData<fn() -> M>,
}

impl<M> Clone for Records<M> {
    fn clone(&self) -> Self {
        Self {
            store: self.store.clone(),
            collection: self.collection,
            said: Arc::clone(&self.said),
            message: PhantomData,
        }
    }
}

/// A message as it was read, with what a guarded write needs.
#[derive(Clone, Debug)]
pub struct Stored<M> {
    /// The message.
    pub message: M,
    /// Its id within the collection.
    pub id: String,
    /// Its version; the etag on the wire.
    pub version: u64,
    raw: Value,
}

impl<M> Stored<M> {
    /// The version as callers see it.
    pub fn etag(&self) -> String {
        self.version.to_string()
    }

    /// Whether a caller's etag allows a write: empty does not check.
    pub fn check_etag(&self, resource: &str, etag: &str) -> Result<(), Status> {
        if etag.is_empty() || etag == self.etag() { Ok(()) } else { Err(status::etag_mismatch(resource)) }
    }
}

/// What became of a guarded write.
#[derive(Debug)]
pub enum Write<T> {
    /// It was made; the new version.
    Done(T),
    /// Somebody else wrote first; read again.
    Conflict,
}

/// A page of records, of which some may not be readable.
#[derive(Debug)]
pub struct Listed<M> {
    /// Those that can be read.
    pub records: Vec<Stored<M>>,
    /// The ids of the others.
    pub unreadable: Vec<String>,
    /// Where the next page begins; `None` at the end.
    pub next: Option<String>,
}

/// Attributes that a record is found by.
pub type Attributes = BTreeMap<String, String>;

impl<M: Serialize + DeserializeOwned> Records<M> {
    /// A collection by its name.
    pub fn new(store: Arc<dyn Documents>, collection: &'static str) -> Self {
        Self { store, collection, said: Arc::default(), message: PhantomData }
    }

    /// One record.
    pub async fn get(&self, id: &str) -> Result<Option<Stored<M>>, Status> {
        let document = self.store.get(self.collection, id).await.map_err(|error| self.failed("read", id, error))?;
        document.map(|document| self.parse(document)).transpose()
    }

    /// Writes a record that must not exist yet. The record as it is then.
    pub async fn create(&self, id: &str, message: &M, attributes: Attributes) -> Result<Write<Stored<M>>, Status> {
        let body = self.to_json(id, message)?;
        let document = self.document(id, body.clone(), attributes);
        let put = self.put(document, Precondition::Absent).await?;
        let Write::Done(version) = put else { return Ok(Write::Conflict) };
        self.read_back(id, body, version).map(Write::Done)
    }

    /// Replaces a record at the version that was read, and keeps fields that this program does not know. The record as
    /// it is then, without asking for it again.
    pub async fn replace(
        &self,
        stored: &Stored<M>,
        message: &M,
        attributes: Attributes,
    ) -> Result<Write<Stored<M>>, Status> {
        let known = self.to_json(&stored.id, &stored.message)?;
        let mut body = self.to_json(&stored.id, message)?;
        keep_unknown(&stored.raw, &known, &mut body);
        let document = self.document(&stored.id, body.clone(), attributes);
        let put = self.put(document, Precondition::Version(stored.version)).await?;
        let Write::Done(version) = put else { return Ok(Write::Conflict) };
        self.read_back(&stored.id, body, version).map(Write::Done)
    }

    /// A record that cannot be read, as it is stored; `None` where it can be read, or is not there.
    pub async fn unreadable(&self, id: &str) -> Result<Option<Document>, Status> {
        let found = self.store.get(self.collection, id).await.map_err(|error| self.failed("read", id, error))?;
        Ok(found.filter(|document| self.parse(document.clone()).is_err()))
    }

    /// Adds attributes to a record that cannot be read, and leaves it as it is otherwise, for who can read it. The
    /// version then.
    pub async fn mark(&self, unreadable: Document, attributes: Attributes) -> Result<Write<u64>, Status> {
        let Document { id, body, attributes: mut marked, schema_version, version } = unreadable;
        marked.extend(attributes);
        let document =
            NewDocument { collection: self.collection.to_owned(), id, body, attributes: marked, schema_version };
        self.put(document, Precondition::Version(version)).await
    }

    /// A page of records that match, each of which can be read.
    pub async fn list(
        &self,
        filter: Filter,
        cursor: Option<String>,
        limit: usize,
    ) -> Result<(Vec<Stored<M>>, Option<String>), Status> {
        let page = self.page(filter, cursor, limit).await?;
        let records = page.documents.into_iter().map(|document| self.parse(document)).collect::<Result<_, _>>()?;
        Ok((records, page.next))
    }

    /// As [`Records::list`], where a record that cannot be read is left out, and said: it stops nobody's work on others.
    /// Not for who draws conclusions from what is not there.
    pub async fn list_readable(
        &self,
        filter: Filter,
        cursor: Option<String>,
        limit: usize,
    ) -> Result<(Vec<Stored<M>>, Option<String>), Status> {
        self.list_all(filter, cursor, limit).await.map(|listed| (listed.records, listed.next))
    }

    /// As [`Records::list_readable`], for who must not take what cannot be read for absent.
    pub async fn list_all(&self, filter: Filter, cursor: Option<String>, limit: usize) -> Result<Listed<M>, Status> {
        let page = self.page(filter, cursor, limit).await?;
        let (records, unreadable) = self.readable(page.documents);
        Ok(Listed { records, unreadable, next: page.next })
    }

    async fn page(&self, filter: Filter, cursor: Option<String>, limit: usize) -> Result<Page, Status> {
        let page = self.store.list(self.collection, filter, cursor, limit).await;
        page.map_err(|error| self.failed("list", "", error))
    }

    /// Records that were written after `cursor`, oldest write first, each as it is now, and the cursor to go on from. One
    /// that cannot be read is left out, and said.
    pub async fn changes(
        &self,
        cursor: Option<String>,
        limit: usize,
    ) -> Result<(Vec<Stored<M>>, Option<String>), Status> {
        let page = self.store.changes(self.collection, cursor, limit).await;
        let page = page.map_err(|error| self.failed("follow", "", error))?;
        Ok((self.readable(page.documents).0, page.next))
    }

    /// The cursor behind all that was written so far: whoever lists after this and goes on from it misses nothing.
    pub async fn end_of_changes(&self) -> Result<String, Status> {
        self.store.end_of_changes(self.collection).await.map_err(|error| self.failed("follow", "", error))
    }

    /// Removes records whose attribute `time` (Unix nanoseconds) is before `before`. How many were removed.
    pub async fn prune(&self, before: Timestamp) -> Result<u64, Status> {
        self.store.prune(self.collection, before).await.map_err(|error| self.failed("prune", "", error))
    }

    fn document(&self, id: &str, body: Value, attributes: Attributes) -> NewDocument {
        let (collection, id) = (self.collection.to_owned(), id.to_owned());
        NewDocument { collection, id, body, attributes, schema_version: SCHEMA_VERSION }
    }

    async fn put(&self, document: NewDocument, precondition: Precondition) -> Result<Write<u64>, Status> {
        let id = document.id.clone();
        match self.store.put(document, precondition).await {
            Ok(version) => Ok(Write::Done(version)),
            Err(StoreError::Conflict { .. }) => Ok(Write::Conflict),
            Err(error) => Err(self.failed("write", &id, error)),
        }
    }

    /// The records that can be read, and the ids of the others.
    fn readable(&self, documents: Vec<Document>) -> (Vec<Stored<M>>, Vec<String>) {
        let (mut records, mut unreadable) = (Vec::with_capacity(documents.len()), Vec::new());
        for document in documents {
            let (id, version) = (document.id.clone(), document.version);
            match self.parse(document) {
                Ok(stored) => records.push(stored),
                Err(error) => {
                    self.say_unreadable((id.clone(), version), &error);
                    unreadable.push(id);
                }
            }
        }
        (records, unreadable)
    }

    /// Says that a record which could be read makes no sense, and is left out as if it could not be.
    pub fn leave_out(&self, stored: &Stored<M>, error: &Status) {
        self.say_unreadable((stored.id.clone(), stored.version), error);
    }

    /// Says it once, since lists are asked for every second.
    fn say_unreadable(&self, written: (String, u64), error: &Status) {
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        if said.len() >= SAID_MAX {
            said.clear();
        }
        if said.insert(written) {
            tracing::error!(error = error.message(), "a stored record is left out");
        }
    }

    /// A document of a later shape is not guessed at: what it means by fields that this program knows may be another.
    fn parse(&self, document: Document) -> Result<Stored<M>, Status> {
        let Document { id, schema_version, .. } = &document;
        if *schema_version > SCHEMA_VERSION {
            let found = format!("stored {}/{id} has version {schema_version} of its shape", self.collection);
            return Err(status::internal(format!("{found}, and this build knows up to {SCHEMA_VERSION}")));
        }
        self.read_back(&document.id, document.body, document.version)
    }

    fn read_back(&self, id: &str, body: Value, version: u64) -> Result<Stored<M>, Status> {
        let message = serde_json::from_value(body.clone())
            .map_err(|error| status::internal(format!("failed to read stored {}/{id}: {error}", self.collection)))?;
        Ok(Stored { message, id: id.to_owned(), version, raw: body })
    }

    fn to_json(&self, id: &str, message: &M) -> Result<Value, Status> {
        serde_json::to_value(message)
            .map_err(|error| status::internal(format!("failed to encode {}/{id}: {error}", self.collection)))
    }

    fn failed(&self, operation: &str, id: &str, error: StoreError) -> Status {
        store_status(&format!("{operation} {}/{id}", self.collection), error)
    }
}

/// The one mapping of the store's errors to the wire.
pub fn store_status(operation: &str, error: StoreError) -> Status {
    match error {
        StoreError::InvalidCursor { .. } => status::invalid_argument("page_token", "is not one of this call's"),
        // The same write fails for ever: who waits for it to pass would stop everything behind it.
        StoreError::TooLarge { .. } => status::internal(format!("failed to {operation}: {error}")),
        other => status::unavailable("the store", format!("failed to {operation}: {other}"), RETRY_AFTER),
    }
}

/// Copies into `body` what `raw` has and this program's own reading of it (`known`) has not: fields of a newer
/// version. Only objects are merged; an array is this program's to replace.
fn keep_unknown(raw: &Value, known: &Value, body: &mut Value) {
    let (Value::Object(raw), Value::Object(known), Value::Object(body)) = (raw, known, body) else { return };
    for (key, value) in raw {
        match known.get(key) {
            None if !body.contains_key(key) && !is_default(value) => {
                body.insert(key.clone(), value.clone());
            }
            Some(known) => {
                if let Some(body) = body.get_mut(key) {
                    keep_unknown(value, known, body);
                }
            }
            None => {}
        }
    }
}

/// Proto3 JSON leaves defaults out, so an explicit one is not something unknown.
fn is_default(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(flag) => !flag,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
    }
}

#[cfg(test)]
mod tests;
