//! Documents, leases and telemetry in memory, as far as this service asks for them.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use llm_sre_domain::telemetry::Change;
use llm_sre_domain::{ServiceId, Timestamp};
use llm_sre_ports::documents::{self, Document, Documents, Filter, NewDocument, Page, Precondition};
use llm_sre_ports::leases::{self, Lease, Leases};
use llm_sre_ports::telemetry::{self, *};

/// Documents in the order in which they were created, and all that was ever written.
#[derive(Default)]
pub(crate) struct Store {
    documents: Mutex<Vec<(String, Document)>>,
    written: Mutex<Vec<(String, String)>>,
    hidden: Mutex<Option<&'static str>>,
    takes_turns: AtomicBool,
}

impl Store {
    /// From now on this collection, or none, cannot be read.
    pub(crate) fn hide(&self, collection: Option<&'static str>) {
        *self.hidden.lock().unwrap() = collection;
    }

    /// Whether others get their turn between what somebody reads and what comes of it.
    pub(crate) fn take_turns(&self, takes_turns: bool) {
        self.takes_turns.store(takes_turns, Ordering::Relaxed);
    }

    /// How many documents of a collection have this attribute.
    pub(crate) fn found(&self, collection: &str, attribute: &str, value: &str) -> usize {
        let all = self.documents.lock().unwrap();
        let has = |document: &Document| document.attributes.get(attribute).is_some_and(|found| found == value);
        all.iter().filter(|(of, document)| of == collection && has(document)).count()
    }

    /// A document is gone.
    pub(crate) fn lose(&self, collection: &str, id: &str) {
        let mut all = self.documents.lock().unwrap();
        let before = all.len();
        all.retain(|(of, document)| of != collection || document.id != id);
        assert_eq!(all.len() + 1, before, "there is no {collection}/{id}");
    }

    /// The documents of a collection, with each of these words replaced by another in all of them: what the same life
    /// of another would have left.
    pub(crate) fn retold(&self, collection: &str, words: &[(&str, &str)]) -> Vec<NewDocument> {
        let replaced = |text: &str| words.iter().fold(text.to_owned(), |text, (from, to)| text.replace(from, to));
        let all = self.documents.lock().unwrap();
        let found = all.iter().filter(|(of, _)| of == collection);
        found
            .map(|(_, document)| NewDocument {
                collection: collection.to_owned(),
                id: replaced(&document.id),
                body: replaced(&document.body.to_string()).parse().unwrap(),
                attributes: document.attributes.iter().map(|(key, value)| (key.clone(), replaced(value))).collect(),
                schema_version: document.schema_version,
            })
            .collect()
    }

    fn check(&self, collection: &str) -> Result<(), documents::Error> {
        let is_hidden = *self.hidden.lock().unwrap() == Some(collection);
        if is_hidden { Err(documents::Error::Unavailable("it does not answer".to_owned())) } else { Ok(()) }
    }

    /// The bodies that were written to a collection, oldest first.
    pub(crate) fn written(&self, collection: &str) -> Vec<String> {
        let written = self.written.lock().unwrap();
        written.iter().filter(|(of, _)| of == collection).map(|(_, body)| body.clone()).collect()
    }
}

#[async_trait]
impl Documents for Store {
    async fn get(&self, collection: &str, id: &str) -> Result<Option<Document>, documents::Error> {
        self.check(collection)?;
        let found = {
            let all = self.documents.lock().unwrap();
            all.iter().find(|(of, document)| of == collection && document.id == id).map(|(_, found)| found.clone())
        };
        if self.takes_turns.load(Ordering::Relaxed) {
            tokio::task::yield_now().await;
        }
        Ok(found)
    }

    async fn put(&self, new: NewDocument, precondition: Precondition) -> Result<u64, documents::Error> {
        let mut all = self.documents.lock().unwrap();
        let place = all.iter().position(|(of, document)| *of == new.collection && document.id == new.id);
        let version = place.map_or(0, |place| all[place].1.version);
        let holds = match precondition {
            Precondition::Absent => place.is_none(),
            Precondition::Version(expected) => place.is_some() && version == expected,
        };
        if !holds {
            return Err(documents::Error::Conflict { collection: new.collection, id: new.id });
        }
        let NewDocument { collection, id, body, attributes, schema_version } = new;
        self.written.lock().unwrap().push((collection.clone(), body.to_string()));
        let document = Document { id, body, attributes, schema_version, version: version + 1 };
        match place {
            Some(place) => all[place].1 = document,
            None => all.push((collection, document)),
        }
        Ok(version + 1)
    }

    async fn list(
        &self,
        collection: &str,
        filter: Filter,
        cursor: Option<String>,
        limit: usize,
    ) -> Result<Page, documents::Error> {
        self.check(collection)?;
        let matches = |document: &Document| {
            filter
                .attributes
                .iter()
                .all(|(key, values)| document.attributes.get(key).is_some_and(|value| values.contains(value)))
        };
        let skip: usize = cursor.map_or(0, |cursor| cursor.parse().unwrap());
        let all = self.documents.lock().unwrap();
        let found = all.iter().rev().filter(|(of, document)| of == collection && matches(document));
        let mut documents: Vec<Document> = found.skip(skip).take(limit + 1).map(|(_, found)| found.clone()).collect();
        let next = (documents.len() > limit).then(|| (skip + limit).to_string());
        documents.truncate(limit);
        Ok(Page { documents, next })
    }

    async fn changes(&self, _: &str, _: Option<String>, _: usize) -> Result<Page, documents::Error> {
        Err(documents::Error::Unavailable("nobody asks for changes here".to_owned()))
    }

    async fn end_of_changes(&self, _: &str) -> Result<String, documents::Error> {
        Err(documents::Error::Unavailable("nobody asks for changes here".to_owned()))
    }

    async fn prune(&self, _: &str, _: Timestamp) -> Result<u64, documents::Error> {
        Ok(0)
    }
}

/// Leases that do not run out, and are lost to whoever renews them where a test says so.
#[derive(Default)]
pub(crate) struct Rights(Mutex<(u64, Held)>, Mutex<Option<&'static str>>);

impl Rights {
    /// From now on the lease of this name, or none, is another's by the time that it is renewed.
    pub(crate) fn lose(&self, name: Option<&'static str>) {
        *self.1.lock().unwrap() = name;
    }

    /// How often any of them was given.
    pub(crate) fn given(&self) -> u64 {
        self.0.lock().unwrap().0
    }
}

/// Holder and token by the lease's name.
type Held = BTreeMap<String, (String, u64)>;

#[async_trait]
impl Leases for Rights {
    async fn acquire(&self, name: &str, holder: &str, _: Duration) -> Result<Option<Lease>, leases::Error> {
        let (token, held) = &mut *self.0.lock().unwrap();
        if held.get(name).is_some_and(|(other, _)| other != holder) {
            return Ok(None);
        }
        *token += 1;
        held.insert(name.to_owned(), (holder.to_owned(), *token));
        Ok(Some(Lease { name: name.to_owned(), token: *token }))
    }

    async fn renew(&self, lease: &Lease, _: Duration) -> Result<(), leases::Error> {
        let is_lost = *self.1.lock().unwrap() == Some(lease.name.as_str());
        let held = self.0.lock().unwrap().1.get(&lease.name).is_some_and(|(_, token)| *token == lease.token);
        let held = held && !is_lost;
        let lost = || leases::Error::Lost { name: lease.name.clone(), token: lease.token };
        if held { Ok(()) } else { Err(lost()) }
    }

    async fn release(&self, lease: Lease) -> Result<(), leases::Error> {
        let held = &mut self.0.lock().unwrap().1;
        if held.get(&lease.name).is_some_and(|(_, token)| *token == lease.token) {
            held.remove(&lease.name);
        }
        Ok(())
    }
}

/// A store that has seen these services, each at that time for the last time.
pub(crate) struct Seen(pub(crate) Vec<(ServiceId, Timestamp)>);

fn unasked<T>() -> Result<T, telemetry::Error> {
    Err(telemetry::Error::Unavailable("nobody asks for that here".to_owned()))
}

#[async_trait]
impl TelemetryStore for Seen {
    async fn append(&self, _: Batch) -> Result<(), telemetry::Error> {
        unasked()
    }
    async fn series(&self, _: SeriesQuery) -> Result<SeriesPage, telemetry::Error> {
        unasked()
    }
    async fn search_logs(&self, _: LogQuery) -> Result<LogPage, telemetry::Error> {
        unasked()
    }
    async fn count_logs(&self, _: LogQuery, _: Parts) -> Result<LogCounts, telemetry::Error> {
        unasked()
    }
    async fn changes(&self, _: Range, _: Option<&ServiceId>, _: usize) -> Result<Vec<Change>, telemetry::Error> {
        unasked()
    }
    async fn calls(&self, _: Range, _: usize) -> Result<Vec<CallSum>, telemetry::Error> {
        unasked()
    }
    async fn services(
        &self,
        range: Range,
        after: Option<&ServiceId>,
        limit: usize,
    ) -> Result<Vec<SeenService>, telemetry::Error> {
        let is_asked = |(service, last_seen): &&(ServiceId, Timestamp)| {
            (range.start..range.end).contains(last_seen) && after.is_none_or(|after| service > after)
        };
        let seen = self.0.iter().filter(is_asked).take(limit);
        let seen = seen.map(|(service, last_seen)| SeenService {
            service: service.clone(),
            last_seen: *last_seen,
            metrics: vec![],
        });
        Ok(seen.collect())
    }
    async fn prune(&self, _: Timestamp, _: Option<u64>) -> Result<u64, telemetry::Error> {
        unasked()
    }
}
