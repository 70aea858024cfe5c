//! Incidents, diagnoses, actions, audit: small documents with an owner, guarded writes, and a few attributes to find
//! them by.

use std::collections::BTreeMap;

use async_trait::async_trait;
use serde_json::Value;

/// The largest document in bytes of JSON. An incident with every list at its bound has about a fifth of it.
pub const DOCUMENT_BYTES_MAX: usize = 2 * 1024 * 1024;
/// The most documents in one answer.
pub const PAGE_MAX: usize = 1_000;

/// What can go wrong with documents.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The precondition of a write does not hold: somebody else wrote first.
    #[error("{collection}/{id} was written by somebody else")]
    Conflict {
        /// The collection.
        collection: String,
        /// The document.
        id: String,
    },
    /// A cursor that this store did not give.
    #[error("the cursor '{cursor}' is not one of this store's")]
    InvalidCursor {
        /// The cursor.
        cursor: String,
    },
    /// A document over [`DOCUMENT_BYTES_MAX`].
    #[error("{collection}/{id} has {bytes} bytes, more than {DOCUMENT_BYTES_MAX}")]
    TooLarge {
        /// The collection.
        collection: String,
        /// The document.
        id: String,
        /// Its size.
        bytes: usize,
    },
    /// The store has no room left. Nothing was written.
    #[error("the store is full")]
    Full,
    /// What is stored cannot be read.
    #[error("{collection}/{id} is corrupt: {reason}")]
    Corrupt {
        /// The collection.
        collection: String,
        /// The document.
        id: String,
        /// What is wrong.
        reason: String,
    },
    /// The store does not answer; the same call may succeed later. A write may have been made.
    #[error("the store is not available: {0}")]
    Unavailable(String),
}

/// A document to write.
#[derive(Clone, Debug, PartialEq)]
pub struct NewDocument {
    /// What kind of document, such as `incidents`.
    pub collection: String,
    /// Its id within the collection.
    pub id: String,
    /// The proto3 JSON of its message.
    pub body: Value,
    /// What it is found by. They are not part of the body.
    pub attributes: BTreeMap<String, String>,
    /// Version of the body's shape.
    pub schema_version: u32,
}

/// A document as it is stored.
#[derive(Clone, Debug, PartialEq)]
pub struct Document {
    /// Its id within the collection.
    pub id: String,
    /// The proto3 JSON of its message.
    pub body: Value,
    /// What it is found by.
    pub attributes: BTreeMap<String, String>,
    /// Version of the body's shape.
    pub schema_version: u32,
    /// Grows with each write of this document.
    pub version: u64,
}

/// What must hold for a write to be made. There is no unguarded write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precondition {
    /// The document does not exist.
    Absent,
    /// The document has this version.
    Version(u64),
}

/// Which documents match: those that have every attribute with one of its values. Empty matches all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Attribute to allowed values.
    pub attributes: BTreeMap<String, Vec<String>>,
}

impl Filter {
    /// Also asks for this value of this attribute; twice the same attribute allows either value.
    #[must_use]
    pub fn with(mut self, attribute: &str, value: &str) -> Self {
        self.attributes.entry(attribute.to_owned()).or_default().push(value.to_owned());
        self
    }
}

/// Some documents, and where to go on.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Page {
    /// The documents.
    pub documents: Vec<Document>,
    /// Cursor of the next page; `None` at the end.
    pub next: Option<String>,
}

/// Documents with guarded writes.
#[async_trait]
pub trait Documents: Send + Sync {
    /// A document, or `None` where there is none. Reads what was written before by anyone.
    async fn get(&self, collection: &str, id: &str) -> Result<Option<Document>, Error>;

    /// Writes a document if the precondition holds, and gives its new version. Durable when it returns.
    ///
    /// # Errors
    /// [`Error::Conflict`] where the precondition does not hold; the store is then unchanged.
    async fn put(&self, document: NewDocument, precondition: Precondition) -> Result<u64, Error>;

    /// The documents of a collection that match, newest first by when they were created (by their creators' clocks,
    /// where several processes create), at most `limit` (itself at most [`PAGE_MAX`]). A document created while paging
    /// may be missed, one that existed is not.
    ///
    /// # Errors
    /// [`Error::InvalidCursor`] for a cursor that this store did not give.
    async fn list(&self, collection: &str, filter: Filter, cursor: Option<String>, limit: usize)
    -> Result<Page, Error>;

    /// The documents of a collection that were written after `cursor`, oldest write first, at most `limit`, and the
    /// cursor for the next call, which is always `Some`. `None` begins at the beginning. A document that was written
    /// twice appears once, as it is now. A write may appear twice, none is missed.
    ///
    /// # Errors
    /// [`Error::InvalidCursor`] for a cursor that this store did not give, such as one beyond all that was written: whoever
    /// has it read a store that was restored since, and would miss what is written up to there.
    async fn changes(&self, collection: &str, cursor: Option<String>, limit: usize) -> Result<Page, Error>;

    /// The cursor of changes behind all that was written before this was asked, without reading it. What is written from
    /// then on comes after it, and perhaps a little of what was written before.
    async fn end_of_changes(&self, collection: &str) -> Result<String, Error>;

    /// Removes documents of a collection whose attribute `time` (Unix nanoseconds as text) is before `before`, for
    /// retention. Documents without that attribute stay. Gives how many were removed.
    async fn prune(&self, collection: &str, before: llm_sre_domain::Timestamp) -> Result<u64, Error>;
}
