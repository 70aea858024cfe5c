//! Documents in a map.

use std::collections::BTreeMap;
use std::sync::Mutex;

use async_trait::async_trait;
use llm_sre_domain::Timestamp;

use super::lock;
use crate::documents::{
    DOCUMENT_BYTES_MAX, Document, Documents, Error, Filter, NewDocument, PAGE_MAX, Page, Precondition,
};

#[derive(Debug)]
struct Kept {
    document: Document,
    created: u64,
    written: u64,
}

#[derive(Debug, Default)]
struct State {
    documents: BTreeMap<(String, String), Kept>,
    writes: u64,
}

/// Documents of this process.
#[derive(Debug, Default)]
pub struct MemoryDocuments {
    state: Mutex<State>,
}

#[async_trait]
impl Documents for MemoryDocuments {
    async fn get(&self, collection: &str, id: &str) -> Result<Option<Document>, Error> {
        let key = (collection.to_owned(), id.to_owned());
        Ok(lock(&self.state).documents.get(&key).map(|kept| kept.document.clone()))
    }

    async fn put(&self, document: NewDocument, precondition: Precondition) -> Result<u64, Error> {
        let NewDocument { collection, id, body, attributes, schema_version } = document;
        let bytes = body.to_string().len();
        if bytes > DOCUMENT_BYTES_MAX {
            return Err(Error::TooLarge { collection, id, bytes });
        }
        let mut state = lock(&self.state);
        let key = (collection, id);
        let before = state.documents.get(&key).map(|kept| (kept.document.version, kept.created));
        let holds = match (precondition, before) {
            (Precondition::Absent, None) => true,
            (Precondition::Version(asked), Some((version, _))) => asked == version,
            _ => false,
        };
        if !holds {
            return Err(Error::Conflict { collection: key.0, id: key.1 });
        }
        state.writes += 1;
        let written = state.writes;
        let version = before.map_or(1, |(version, _)| version + 1);
        let created = before.map_or(written, |(_, created)| created);
        let document = Document { id: key.1.clone(), body, attributes, schema_version, version };
        state.documents.insert(key, Kept { document, created, written });
        Ok(version)
    }

    async fn list(
        &self,
        collection: &str,
        filter: Filter,
        cursor: Option<String>,
        limit: usize,
    ) -> Result<Page, Error> {
        let before = cursor.map(number).transpose()?.unwrap_or(u64::MAX);
        let state = lock(&self.state);
        let mut found: Vec<&Kept> =
            of(&state, collection).filter(|kept| kept.created < before && matches(&filter, &kept.document)).collect();
        found.sort_by_key(|kept| std::cmp::Reverse(kept.created));
        let limit = limit.clamp(1, PAGE_MAX);
        let next = (found.len() > limit).then(|| found[limit - 1].created.to_string());
        Ok(Page { documents: found.iter().take(limit).map(|kept| kept.document.clone()).collect(), next })
    }

    async fn changes(&self, collection: &str, cursor: Option<String>, limit: usize) -> Result<Page, Error> {
        let after = cursor.map(number).transpose()?.unwrap_or(0);
        let state = lock(&self.state);
        if after > state.writes {
            return Err(Error::InvalidCursor { cursor: after.to_string() });
        }
        let mut found: Vec<&Kept> = of(&state, collection).filter(|kept| kept.written > after).collect();
        found.sort_by_key(|kept| kept.written);
        found.truncate(limit.clamp(1, PAGE_MAX));
        let next = found.last().map_or(after, |kept| kept.written);
        let documents = found.iter().map(|kept| kept.document.clone()).collect();
        Ok(Page { documents, next: Some(next.to_string()) })
    }

    async fn end_of_changes(&self, _: &str) -> Result<String, Error> {
        Ok(lock(&self.state).writes.to_string())
    }

    async fn prune(&self, collection: &str, before: Timestamp) -> Result<u64, Error> {
        let mut state = lock(&self.state);
        let count = state.documents.len();
        state.documents.retain(|(of, _), kept| {
            let time = kept.document.attributes.get("time").and_then(|time| time.parse::<i64>().ok());
            of != collection || time.is_none_or(|time| time >= before.as_nanos())
        });
        Ok((count - state.documents.len()) as u64)
    }
}

fn of<'a>(state: &'a State, collection: &'a str) -> impl Iterator<Item = &'a Kept> {
    state.documents.iter().filter(move |((found, _), _)| found == collection).map(|(_, kept)| kept)
}

fn matches(filter: &Filter, document: &Document) -> bool {
    filter
        .attributes
        .iter()
        .all(|(name, allowed)| document.attributes.get(name).is_some_and(|value| allowed.contains(value)))
}

fn number(cursor: String) -> Result<u64, Error> {
    cursor.parse().map_err(|_| Error::InvalidCursor { cursor })
}
