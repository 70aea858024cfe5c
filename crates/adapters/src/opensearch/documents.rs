//! Documents in one index of one shard.
//!
//! A write names the sequence number of the version that it replaces, so that of two only one is made. The feed of
//! changes goes by those numbers, too: the shard's checkpoint says up to which of them every write is carried out.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use llm_sre_domain::Timestamp;
use llm_sre_ports::documents::{
    DOCUMENT_BYTES_MAX, Document, Documents, Error, Filter, NewDocument, PAGE_MAX, Page, Precondition,
};
use opensearch::http::Method;
use serde_json::{Value, json};

use super::client::{Client, Repeat};
use super::failure::Failure;
use super::{Store, keys, mappings};

/// Documents that one request removes.
const PRUNED_MAX: u64 = 1_000;
/// A term may have 32 KiB; what is longer than this is found by its digest.
const TAG_BYTES_MAX: usize = 512;
/// Versions remembered by a process; past it, all are asked for again.
const SEEN_MAX: usize = 4_096;

/// The documents of a cluster.
#[derive(Clone, Debug)]
pub struct OpenSearchDocuments {
    client: Arc<Client>,
    index: String,
    /// When this process last created a document, in nanoseconds: no two have the same time.
    created: Arc<AtomicU64>,
    /// What a write names of the version that it replaces, by key: who changes a document has just read or written it.
    seen: Arc<Mutex<HashMap<String, Seen>>>,
}

/// A version of a document as the index counts it.
#[derive(Clone, Copy, Debug)]
struct Seen {
    version: u64,
    sequence_number: u64,
    primary_term: u64,
    created: u64,
}

impl Seen {
    /// Of a document that was got or found. `None` where it does not say.
    fn of(found: &Value) -> Option<Self> {
        let row = &found["_source"];
        Some(Self {
            version: row["version"].as_u64()?,
            sequence_number: found["_seq_no"].as_u64()?,
            primary_term: found["_primary_term"].as_u64()?,
            created: row["created"].as_u64()?,
        })
    }
}

impl OpenSearchDocuments {
    pub(super) fn new(store: &Store) -> Self {
        let index = mappings::documents(&store.prefix);
        Self { client: Arc::clone(&store.client), index, created: Arc::default(), seen: Arc::default() }
    }

    /// What is stored under a document's id, with the numbers that a write of it names.
    async fn stored(&self, collection: &str, id: &str) -> Result<Option<Value>, Failure> {
        let path = format!("{}/_doc/{}", self.index, keys::digest([collection, id]));
        match self.client.request(Repeat::Harmless, Method::Get, &path, None).await {
            Err(Failure::Missing) => Ok(None),
            result => result.map(Some),
        }
    }

    /// Remembers a version, unless a newer one is known.
    fn remember(&self, key: &str, new: Seen) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.get(key).is_some_and(|known| known.version > new.version) {
            return;
        }
        if seen.len() >= SEEN_MAX {
            seen.clear();
        }
        seen.insert(key.to_owned(), new);
    }

    /// What a write that replaces this version names. `None` where the document is at another one, or not there.
    async fn place_of(&self, collection: &str, id: &str, key: &str, version: u64) -> Result<Option<Seen>, Error> {
        let known = self.seen.lock().unwrap_or_else(PoisonError::into_inner).get(key).copied();
        if let Some(known) = known.filter(|known| known.version == version) {
            return Ok(Some(known));
        }
        let Some(found) = self.stored(collection, id).await? else { return Ok(None) };
        let seen = Seen::of(&found).ok_or_else(|| corrupt(collection, id, &Failure::corrupt("numbers", &found)))?;
        self.remember(key, seen);
        Ok(Some(seen).filter(|seen| seen.version == version))
    }

    /// Documents as a search finds them. It finds what was written before.
    async fn search(&self, body: &Value) -> Result<Vec<Value>, Failure> {
        let mut answer = self.client.search(&self.index, body).await?;
        match answer["hits"]["hits"].take() {
            Value::Array(hits) => Ok(hits),
            other => Err(Failure::corrupt("hits", &other)),
        }
    }

    /// The time of a creation: the wall clock, made to grow with each document of this process.
    fn next_creation(&self) -> u64 {
        #[allow(clippy::disallowed_methods)] // The order of creation is kept across processes, which share no clock.
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let now = u64::try_from(now.as_nanos()).unwrap_or(u64::MAX - 1);
        let later = |last: u64| Some(now.max(last.saturating_add(1)));
        let last = self.created.fetch_update(Ordering::AcqRel, Ordering::Acquire, later).unwrap_or_default();
        now.max(last.saturating_add(1))
    }
}

#[async_trait]
impl Documents for OpenSearchDocuments {
    async fn get(&self, collection: &str, id: &str) -> Result<Option<Document>, Error> {
        let Some(found) = self.stored(collection, id).await? else { return Ok(None) };
        if let Some(seen) = Seen::of(&found) {
            self.remember(&keys::digest([collection, id]), seen);
        }
        document(collection, found).map(Some)
    }

    async fn put(&self, document: NewDocument, precondition: Precondition) -> Result<u64, Error> {
        let NewDocument { collection, id, .. } = &document;
        let bytes = document.body.to_string().len();
        if bytes > DOCUMENT_BYTES_MAX {
            return Err(Error::TooLarge { collection: document.collection, id: document.id, bytes });
        }
        let conflict = || Error::Conflict { collection: collection.clone(), id: id.clone() };
        let key = keys::digest([collection.as_str(), id.as_str()]);
        let (path, version, created) = match precondition {
            Precondition::Absent => (format!("{}/_create/{key}", self.index), 1, self.next_creation()),
            Precondition::Version(asked) => {
                let seen = self.place_of(collection, id, &key, asked).await?.ok_or_else(conflict)?;
                let Seen { sequence_number, primary_term, created, .. } = seen;
                let guard = format!("if_seq_no={sequence_number}&if_primary_term={primary_term}");
                (format!("{}/_doc/{key}?{guard}", self.index), asked + 1, created)
            }
        };
        let row = row(&document, &key, version, created).to_string();
        match self.client.request(Repeat::Harmful, Method::Put, &path, Some(row.into())).await {
            Ok(answer) => {
                if let (Some(sequence_number), Some(primary_term)) =
                    (answer["_seq_no"].as_u64(), answer["_primary_term"].as_u64())
                {
                    self.remember(&key, Seen { version, sequence_number, primary_term, created });
                }
                Ok(version)
            }
            Err(Failure::Conflict) => Err(conflict()),
            Err(failure) => Err(failure.into()),
        }
    }

    async fn list(
        &self,
        collection: &str,
        filter: Filter,
        cursor: Option<String>,
        limit: usize,
    ) -> Result<Page, Error> {
        let after = cursor.map(place).transpose()?;
        let limit = limit.clamp(1, PAGE_MAX);
        let mut filters = vec![json!({ "term": { "collection": keys::digest([collection]) } })];
        for (name, allowed) in &filter.attributes {
            let tags: Vec<String> = allowed.iter().map(|value| tag(name, value)).collect();
            filters.push(json!({ "terms": { "tags": tags } }));
        }
        let mut body = json!({
            "size": limit + 1, "track_total_hits": false, "seq_no_primary_term": true,
            "query": { "bool": { "filter": filters } },
            "sort": [{ "created": "desc" }, { "key": "desc" }],
        });
        if let Some((created, key)) = after {
            body["search_after"] = json!([created, key]);
        }
        self.client.refresh(&self.index).await?;
        let mut hits = self.search(&body).await?;
        let more = hits.len() > limit;
        hits.truncate(limit);
        let next = hits.last().filter(|_| more).map(|last| {
            let sort = &last["sort"];
            format!("{}/{}", sort[0], sort[1].as_str().unwrap_or_default())
        });
        for hit in &hits {
            if let (Some(key), Some(seen)) = (hit["_source"]["key"].as_str(), Seen::of(hit)) {
                self.remember(key, seen);
            }
        }
        let documents = hits.into_iter().map(|hit| document(collection, hit)).collect::<Result<_, _>>()?;
        Ok(Page { documents, next })
    }

    async fn changes(&self, collection: &str, cursor: Option<String>, limit: usize) -> Result<Page, Error> {
        let from = match &cursor {
            None => 0,
            Some(cursor) => cursor.parse().map_err(|_| Error::InvalidCursor { cursor: cursor.clone() })?,
        };
        let (done, given) = checkpoint(&self.client, &self.index).await?;
        if let Some(cursor) = cursor.filter(|_| from > given) {
            return Err(Error::InvalidCursor { cursor });
        }
        if from >= done {
            return Ok(Page { documents: Vec::new(), next: Some(from.to_string()) });
        }
        // In this order: what is below the checkpoint was carried out before the refresh, which makes it searchable.
        self.client.refresh(&self.index).await?;
        let limit = limit.clamp(1, PAGE_MAX);
        let body = json!({
            "size": limit, "track_total_hits": false, "sort": [{ "_seq_no": "asc" }],
            "query": { "bool": { "filter": [
                { "term": { "collection": keys::digest([collection]) } },
                { "range": { "_seq_no": { "gte": from, "lt": done } } },
            ] } },
        });
        let hits = self.search(&body).await?;
        let last = hits.last().filter(|_| hits.len() == limit).and_then(|last| last["sort"][0].as_u64());
        let next = last.map_or(done, |last| last + 1);
        let documents = hits.into_iter().map(|hit| document(collection, hit)).collect::<Result<_, _>>()?;
        Ok(Page { documents, next: Some(next.to_string()) })
    }

    async fn end_of_changes(&self, _: &str) -> Result<String, Error> {
        let (done, _) = checkpoint(&self.client, &self.index).await?;
        Ok(done.to_string())
    }

    async fn prune(&self, collection: &str, before: Timestamp) -> Result<u64, Error> {
        let body = json!({ "query": { "bool": { "filter": [
            { "term": { "collection": keys::digest([collection]) } },
            { "range": { "time": { "lt": before.as_nanos() } } },
        ] } } });
        // What is written meanwhile is left, and judged by its new time when this is called again.
        let path = format!("{}/_delete_by_query?conflicts=proceed&max_docs={PRUNED_MAX}", self.index);
        let mut removed = 0;
        loop {
            self.client.refresh(&self.index).await?;
            let answer = self.client.ask(Method::Post, &path, &body).await?;
            let deleted = answer["deleted"].as_u64().ok_or_else(|| Failure::corrupt("deleted", &answer))?;
            removed += deleted;
            if deleted < PRUNED_MAX {
                return Ok(removed);
            }
        }
    }
}

/// The first sequence number that may still be in the making, and the first that is not given yet.
async fn checkpoint(client: &Client, index: &str) -> Result<(u64, u64), Failure> {
    let path = format!("{index}/_stats/docs?level=shards&filter_path=indices.*.shards");
    let answer = client.request(Repeat::Harmless, Method::Get, &path, None).await?;
    let copies = answer["indices"][index]["shards"]["0"].as_array().cloned().unwrap_or_default();
    // A copy knows the checkpoint that the primary told it last, so any of them is safe and the primary's the newest.
    let primary = copies.iter().find(|copy| copy["routing"]["primary"] == true);
    let numbers = primary.map(|primary| &primary["seq_no"]);
    let number = |name: &str| numbers.and_then(|numbers| numbers[name].as_i64());
    let after = |number: i64| u64::try_from(number.saturating_add(1)).unwrap_or_default();
    match (number("global_checkpoint"), number("max_seq_no")) {
        (Some(checkpoint), Some(last)) => Ok((after(checkpoint), after(last))),
        _ => Err(Failure::Unavailable(format!("the primary of {index} does not say how far it is"))),
    }
}

fn row(document: &NewDocument, key: &str, version: u64, created: u64) -> Value {
    let NewDocument { collection, id, body, attributes, schema_version } = document;
    let tags: Vec<String> = attributes.iter().map(|(name, value)| tag(name, value)).collect();
    let mut row = json!({
        "collection": keys::digest([collection.as_str()]), "name": [collection, id], "key": key, "version": version,
        "schema_version": schema_version, "created": created, "tags": tags, "attributes": attributes, "body": body,
    });
    if let Some(time) = attributes.get("time").and_then(|time| time.parse::<i64>().ok()) {
        row["time"] = time.into();
    }
    row
}

/// The term that a document with this attribute is found by.
fn tag(name: &str, value: &str) -> String {
    let tag = keys::join([name, value]);
    if tag.len() > TAG_BYTES_MAX { keys::digest([tag.as_str()]) } else { tag }
}

fn document(collection: &str, mut found: Value) -> Result<Document, Error> {
    let row = found["_source"].take();
    let id = row["name"][1].as_str().unwrap_or_default().to_owned();
    let read = || {
        let attributes = row["attributes"].as_object()?.iter();
        let attributes = attributes.map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned())));
        Some(Document {
            id: row["name"][1].as_str()?.to_owned(),
            body: row.get("body")?.clone(),
            attributes: attributes.collect::<Option<BTreeMap<_, _>>>()?,
            schema_version: row["schema_version"].as_u64()?.try_into().ok()?,
            version: row["version"].as_u64()?,
        })
    };
    read().ok_or_else(|| corrupt(collection, &id, &Failure::corrupt("a field", &row)))
}

fn corrupt(collection: &str, id: &str, failure: &Failure) -> Error {
    Error::Corrupt { collection: collection.to_owned(), id: id.to_owned(), reason: failure.to_string() }
}

/// The place in a list that a cursor names.
fn place(cursor: String) -> Result<(u64, String), Error> {
    let parsed = cursor.split_once('/').and_then(|(created, key)| {
        let is_key = key.len() == 64 && key.bytes().all(|digit| digit.is_ascii_hexdigit());
        is_key.then_some((created.parse().ok()?, key.to_owned()))
    });
    parsed.ok_or(Error::InvalidCursor { cursor })
}
