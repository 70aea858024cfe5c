//! What a drill writes, as one hash: two runs of one seed have the same, or something was left to chance.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use llm_sre_domain::Timestamp;
use llm_sre_mesh::context::hex;
use llm_sre_ports::documents::{Document, Documents, Error, Filter, NewDocument, Page, Precondition};
use sha2::{Digest, Sha256};

/// Documents, and a running hash over every write that was made, in the order in which they were made.
///
/// Where two runs differ, `--log llm_sre::drill::written=trace` tells of each write.
pub(crate) struct Written {
    documents: Arc<dyn Documents>,
    hash: Mutex<Sha256>,
}

impl Written {
    pub(super) fn to(documents: Arc<dyn Documents>) -> Self {
        Self { documents, hash: Mutex::new(Sha256::new()) }
    }

    /// The hash of what was written so far.
    pub(super) fn hash(&self) -> String {
        let hash: [u8; 32] = self.lock().clone().finalize().into();
        hex(&hash)
    }

    /// Each part with its length, so that what lies before and after does not run into it.
    fn take<'a>(&self, parts: impl IntoIterator<Item = &'a [u8]>) {
        let mut hash = self.lock();
        for part in parts {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Sha256> {
        self.hash.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[tonic::async_trait]
impl Documents for Written {
    async fn get(&self, collection: &str, id: &str) -> Result<Option<Document>, Error> {
        self.documents.get(collection, id).await
    }

    async fn put(&self, document: NewDocument, precondition: Precondition) -> Result<u64, Error> {
        let NewDocument { collection, id, body, attributes, schema_version } = document.clone();
        let version = self.documents.put(document, precondition).await?;
        tracing::trace!(collection, id, version, %body, ?attributes, "written");
        let (body, numbers) = (body.to_string(), [version, u64::from(schema_version)].map(u64::to_be_bytes));
        let attributes = attributes.iter().flat_map(|(name, value)| [name, value]);
        let texts = [&collection, &id, &body].into_iter().chain(attributes).map(|text| text.as_bytes());
        self.take(texts.chain(numbers.iter().map(|number| number.as_slice())));
        Ok(version)
    }

    async fn list(
        &self,
        collection: &str,
        filter: Filter,
        cursor: Option<String>,
        limit: usize,
    ) -> Result<Page, Error> {
        self.documents.list(collection, filter, cursor, limit).await
    }

    async fn changes(&self, collection: &str, cursor: Option<String>, limit: usize) -> Result<Page, Error> {
        self.documents.changes(collection, cursor, limit).await
    }

    async fn end_of_changes(&self, collection: &str) -> Result<String, Error> {
        self.documents.end_of_changes(collection).await
    }

    async fn prune(&self, collection: &str, before: Timestamp) -> Result<u64, Error> {
        let removed = self.documents.prune(collection, before).await?;
        tracing::trace!(collection, removed, "pruned");
        let numbers = [before.as_nanos().to_be_bytes(), removed.to_be_bytes()];
        self.take(["pruned".as_bytes(), collection.as_bytes(), numbers[0].as_slice(), numbers[1].as_slice()]);
        Ok(removed)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use llm_sre_ports::memory::MemoryDocuments;
    use serde_json::json;

    use super::*;

    async fn hash(writes: &[(&str, &str, u64)]) -> String {
        let written = Written::to(Arc::new(MemoryDocuments::default()));
        for (id, text, before) in writes {
            let (collection, body) = ("things".to_owned(), json!({ "text": text }));
            let attributes = BTreeMap::from([("text".to_owned(), (*text).to_owned())]);
            let document = NewDocument { collection, id: (*id).to_owned(), body, attributes, schema_version: 1 };
            let precondition = if *before == 0 { Precondition::Absent } else { Precondition::Version(*before) };
            // What is refused is not written.
            let _is_written = written.put(document, precondition).await.is_ok();
        }
        written.hash()
    }

    #[tokio::test]
    async fn every_write_and_its_place_count_and_nothing_else() {
        let one = hash(&[("a", "x", 0), ("b", "y", 0)]).await;
        assert_eq!(one.len(), 64);
        assert_eq!(one, hash(&[("a", "x", 0), ("a", "z", 7), ("b", "y", 0)]).await, "a refused write counts");
        for other in [
            &[("b", "y", 0), ("a", "x", 0)][..],
            &[("a", "x", 0), ("b", "z", 0)],
            &[("a", "x", 0)],
            &[("a", "x", 0), ("b", "y", 0), ("b", "y", 1)],
        ] {
            assert_ne!(one, hash(other).await, "{other:?}");
        }
    }
}
