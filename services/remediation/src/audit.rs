//! The audit record in the store: append-only, one document an entry, each bound to the one before.

use std::sync::Arc;

use futures::{StreamExt, TryStreamExt};
use llm_sre_domain::Timestamp;
use llm_sre_domain::incident::Actor;
use llm_sre_domain::remedy::{AuditEntry, AuditRecord, AuditSubject};
use llm_sre_mesh::records::{Records, Stored, Write};
use llm_sre_mesh::status;
use llm_sre_ports::documents::{Documents, Filter};
use llm_sre_proto::ConvertError;
use llm_sre_proto::convert::action::incident_of;
use llm_sre_proto::convert::common::{required_time, to_proto_time};
use llm_sre_proto::convert::incident::{action_id, action_name};
use llm_sre_proto::remediation::v1;
use tonic::{Code, Status};

use crate::hold::{FREEZES, KILL_SWITCH};
use crate::kept::Step;

/// How often an entry looks for its place while others append too.
const ATTEMPTS_MAX: usize = 64;
/// Entries asked for at the same time.
const AT_ONCE: usize = 16;
/// Entries in one list.
const PAGE: usize = 200;

/// The audit record.
#[derive(Clone)]
pub(crate) struct Audit {
    records: Records<v1::AuditRecord>,
}

impl Audit {
    pub(crate) fn new(documents: Arc<dyn Documents>) -> Self {
        Self { records: Records::new(documents, "audit") }
    }

    /// Appends a step of an action, or of a hold. A step that is there already is not appended again.
    pub(crate) async fn append(&self, about: &str, step: &Step) -> Result<(), Status> {
        let key = Filter::default().with("key", &step.key);
        let entry = entry(about, step)?;
        let mut taken = None;
        for _ in 0..ATTEMPTS_MAX {
            let last = match taken.take() {
                Some(taken) => Some(taken),
                None => self.records.list(Filter::default(), None, 1).await?.0.into_iter().next(),
            };
            // After the place was found: who appends the same meanwhile takes that place, and who did so before is seen.
            if !self.records.list(key.clone(), None, 1).await?.0.is_empty() {
                return Ok(());
            }
            let last = last.map(|stored| from_wire(&stored.message)).transpose()?;
            let next = AuditRecord::next(last.as_ref(), entry.clone());
            let attributes = [("key", step.key.clone()), ("action", about.to_owned())];
            let attributes = attributes.map(|(key, value)| (key.to_owned(), value)).into();
            match self.records.create(&id(next.sequence), &to_wire(&next), attributes).await? {
                Write::Done(_) => return Ok(()),
                // Another instance took the place: the entry follows that one instead. It is asked for by its place, since
                // lists go by the clocks of those who wrote, which differ.
                Write::Conflict => {
                    taken = match self.records.get(&id(next.sequence)).await? {
                        Some(there) => Some(self.newest_from(there).await?),
                        None => None,
                    };
                }
            }
        }
        Err(status::etag_mismatch("the audit record"))
    }

    /// The newest entry, by way of one that is there. Places are taken one after the other: steps are doubled until one
    /// leads too far, and then halved.
    async fn newest_from(&self, there: Stored<v1::AuditRecord>) -> Result<Stored<v1::AuditRecord>, Status> {
        let (mut newest, mut step, mut is_passed) = (there, 1, false);
        while step > 0 {
            match self.records.get(&id(newest.message.sequence.saturating_add(step))).await? {
                Some(found) => newest = found,
                None => is_passed = true,
            }
            step = if is_passed { step / 2 } else { step * 2 };
        }
        Ok(newest)
    }

    /// Entries from a place on, oldest first, at most `size`, and the place to go on from.
    pub(crate) async fn list(
        &self,
        action: &str,
        from: u64,
        size: usize,
    ) -> Result<(Vec<v1::AuditRecord>, Option<u64>), Status> {
        let mut found =
            if action.is_empty() { self.from(from, size + 1).await? } else { self.of(action, from).await? };
        if action.is_empty() && found.len() <= size {
            self.check_end(from.saturating_add(found.len() as u64)).await?;
        }
        let next = found.get(size).map(|entry| entry.sequence);
        found.truncate(size);
        Ok((found, next))
    }

    /// Entries from a place back, newest first, at most `size`, and the place to go on from. Without a place from the newest.
    pub(crate) async fn list_back(
        &self,
        action: &str,
        from: Option<u64>,
        size: usize,
    ) -> Result<(Vec<v1::AuditRecord>, Option<u64>), Status> {
        let newest = self.newest().await?;
        let from = from.unwrap_or(newest);
        if from > newest {
            return Err(status::invalid_argument("page_token", "is not one of this call's"));
        }
        let mut found =
            if action.is_empty() { self.back_from(from, size + 1).await? } else { self.of(action, 0).await? };
        if !action.is_empty() {
            found.retain(|entry| entry.sequence <= from);
            found.reverse();
        }
        let next = found.get(size).map(|entry| entry.sequence);
        found.truncate(size);
        Ok((found, next))
    }

    /// The place of the newest entry; zero where there is none.
    async fn newest(&self) -> Result<u64, Status> {
        match self.records.list(Filter::default(), None, 1).await?.0.into_iter().next() {
            Some(there) => Ok(self.newest_from(there).await?.message.sequence),
            None => Ok(0),
        }
    }

    /// At most `count` entries from a place back, all of which there must be.
    async fn back_from(&self, from: u64, count: usize) -> Result<Vec<v1::AuditRecord>, Status> {
        let places = futures::stream::iter((1..=from).rev().take(count));
        let asked = places.map(|place| async move {
            let found = self.records.get(&id(place)).await?;
            found.map(|stored| stored.message).ok_or_else(|| missing(place))
        });
        asked.buffered(AT_ONCE).try_collect().await
    }

    /// Whether the record ends right before a place, or went on meanwhile. A hole in it is no end.
    async fn check_end(&self, place: u64) -> Result<(), Status> {
        let (newest, _) = self.records.list(Filter::default(), None, 1).await?;
        let is_beyond = newest.first().is_some_and(|newest| newest.message.sequence > place);
        if is_beyond && self.records.get(&id(place)).await?.is_none() {
            return Err(missing(place));
        }
        Ok(())
    }

    /// At most `count` entries from a place on. They are asked for by their places, since lists go by the clocks of those
    /// who wrote.
    async fn from(&self, from: u64, count: usize) -> Result<Vec<v1::AuditRecord>, Status> {
        let asked = futures::stream::iter(from..).map(|sequence| async move { self.records.get(&id(sequence)).await });
        let there = asked.buffered(AT_ONCE).take(count).try_take_while(|found| {
            let is_there = found.is_some();
            async move { Ok(is_there) }
        });
        there
            .map_ok(|found| found.map(|stored| stored.message))
            .try_filter_map(|found| async { Ok(found) })
            .try_collect()
            .await
    }

    /// What there is of an action from a place on: a handful, whatever else the record holds.
    async fn of(&self, action: &str, from: u64) -> Result<Vec<v1::AuditRecord>, Status> {
        let (mut found, mut cursor) = (Vec::new(), None);
        loop {
            let (page, next) = self.records.list(Filter::default().with("action", action), cursor, PAGE).await?;
            found.extend(page.into_iter().map(|stored| stored.message).filter(|entry| entry.sequence >= from));
            cursor = next;
            if cursor.is_none() {
                found.sort_by_key(|entry: &v1::AuditRecord| entry.sequence);
                return Ok(found);
            }
        }
    }
}

fn missing(place: u64) -> Status {
    let problem = format!("entry {place} of the audit record is missing");
    status::error(Code::DataLoss, "AUDIT_RECORD_BROKEN", problem, &[])
}

/// Of fixed width, so that the order of ids is the order of entries.
fn id(sequence: u64) -> String {
    format!("{sequence:020}")
}

fn entry(about: &str, step: &Step) -> Result<AuditEntry, Status> {
    let wrong = |error: &dyn std::fmt::Display| status::internal(format!("audit of {about}: {error}"));
    Ok(AuditEntry {
        time: Timestamp::from_nanos(step.time_unix_nano),
        actor: Actor::new(&step.actor).map_err(|error| wrong(&error))?,
        subject: subject(about).map_err(|error| wrong(&error))?,
        step: step.step.clone(),
        detail: step.detail.clone(),
    })
}

fn subject(about: &str) -> Result<AuditSubject, ConvertError> {
    if is_hold(about) {
        return Ok(AuditSubject::Hold(about.to_owned()));
    }
    let action = action_id("action", about)?.ok_or(ConvertError::Missing("action"))?;
    Ok(AuditSubject::Action { incident: incident_of("action", about)?, action })
}

fn is_hold(about: &str) -> bool {
    about == KILL_SWITCH || about.starts_with(FREEZES)
}

fn to_wire(record: &AuditRecord) -> v1::AuditRecord {
    let AuditRecord { sequence, entry, previous, hash } = record;
    let (action, hold) = match &entry.subject {
        AuditSubject::Action { incident, action } => (action_name(*incident, *action), String::new()),
        AuditSubject::Hold(name) => (String::new(), name.clone()),
    };
    v1::AuditRecord {
        sequence: *sequence,
        time: Some(to_proto_time(entry.time)),
        actor: entry.actor.to_string(),
        action,
        step: entry.step.clone(),
        detail: entry.detail.clone(),
        previous_hash: previous.to_string(),
        hash: hash.to_string(),
        hold,
    }
}

/// An entry as the domain reads it, to verify the record or to append to it.
///
/// # Errors
/// INTERNAL for an entry that this service did not write.
pub fn from_wire(record: &v1::AuditRecord) -> Result<AuditRecord, Status> {
    let wrong =
        |error: &dyn std::fmt::Display| status::internal(format!("stored audit record {}: {error}", record.sequence));
    let time = required_time("time", record.time.as_ref()).map_err(|error| wrong(&error))?;
    // The hash is over one of them: with the other beside it, or in its place, the record would say what was not written.
    let about = match (record.action.as_str(), record.hold.as_str()) {
        (action, "") if !is_hold(action) => action,
        ("", hold) if is_hold(hold) => hold,
        _ => return Err(wrong(&"it is about neither an action nor a hold, or about both")),
    };
    let step = Step {
        key: String::new(),
        time_unix_nano: time.as_nanos(),
        actor: record.actor.clone(),
        step: record.step.clone(),
        detail: record.detail.clone(),
    };
    Ok(AuditRecord {
        sequence: record.sequence,
        entry: entry(about, &step)?,
        previous: record.previous_hash.parse().map_err(|error| wrong(&error))?,
        hash: record.hash.parse().map_err(|error| wrong(&error))?,
    })
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use llm_sre_domain::remedy::verify;
    use llm_sre_ports::documents::{Document, Error, NewDocument, Page, Precondition};
    use llm_sre_ports::memory::MemoryDocuments;

    use super::*;

    const ACTION: &str = "incidents/00000000-0000-5000-8000-000000000001/actions/00000000-0000-5000-8000-000000000002";

    fn step(key: &str) -> Step {
        let (actor, step, detail) = ("product".to_owned(), key.to_owned(), String::new());
        Step { key: key.to_owned(), time_unix_nano: 1, actor, step, detail }
    }

    /// A store in which somebody else appends a step, whole, right after one of the calls.
    struct Between {
        store: Arc<MemoryDocuments>,
        calls_before: AtomicUsize,
        step: Step,
    }

    impl Between {
        async fn pass<T>(&self, answer: T) -> T {
            if self.calls_before.fetch_sub(1, Ordering::Relaxed) == 1 {
                Audit::new(self.store.clone()).append(ACTION, &self.step).await.unwrap();
            }
            answer
        }
    }

    #[async_trait::async_trait]
    impl Documents for Between {
        async fn get(&self, collection: &str, id: &str) -> Result<Option<Document>, Error> {
            self.pass(self.store.get(collection, id).await).await
        }
        async fn put(&self, document: NewDocument, precondition: Precondition) -> Result<u64, Error> {
            self.pass(self.store.put(document, precondition).await).await
        }
        async fn list(
            &self,
            collection: &str,
            filter: Filter,
            cursor: Option<String>,
            limit: usize,
        ) -> Result<Page, Error> {
            self.pass(self.store.list(collection, filter, cursor, limit).await).await
        }
        async fn changes(&self, collection: &str, cursor: Option<String>, limit: usize) -> Result<Page, Error> {
            self.pass(self.store.changes(collection, cursor, limit).await).await
        }
        async fn end_of_changes(&self, collection: &str) -> Result<String, Error> {
            self.pass(self.store.end_of_changes(collection).await).await
        }
        async fn prune(&self, collection: &str, before: Timestamp) -> Result<u64, Error> {
            self.pass(self.store.prune(collection, before).await).await
        }
    }

    /// Who is told by two what is owed, as an order is by who gave it and by who looks after it.
    #[tokio::test]
    async fn a_step_is_one_entry_whenever_another_appends_it_too() {
        for (calls_before, entries_before) in (1..8).flat_map(|calls| [(calls, 0), (calls, 1), (calls, 5)]) {
            let store = Arc::new(MemoryDocuments::default());
            let audit = Audit::new(store.clone());
            let keys = (0..entries_before).map(|number| format!("before-{number}"));
            for key in keys {
                audit.append(ACTION, &step(&key)).await.unwrap();
            }
            let calls_before = AtomicUsize::new(calls_before);
            let between = Between { store, calls_before, step: step("same") };
            Audit::new(Arc::new(between)).append(ACTION, &step("same")).await.unwrap();
            let (entries, _) = audit.list("", 1, 10).await.unwrap();
            let count = entries.iter().filter(|entry| entry.step == "same").count();
            assert_eq!((count, entries.len()), (1, entries_before + 1), "{entries:?}");
        }
    }

    /// Two instances whose clocks differ: what came second is older to the store.
    #[tokio::test]
    async fn entries_follow_each_other_whatever_the_clocks_say() {
        let audit = Audit::new(Arc::new(MemoryDocuments::default()));
        for key in ["a", "b", "c"] {
            audit.append(ACTION, &step(key)).await.unwrap();
        }
        let (entries, _) = audit.list("", 1, 10).await.unwrap();
        // The same entries, of which the store lists the first as the newest.
        let skewed = Audit::new(Arc::new(MemoryDocuments::default()));
        for entry in entries.iter().rev() {
            let attributes = [("key".to_owned(), entry.step.clone())].into();
            skewed.records.create(&id(entry.sequence), entry, attributes).await.unwrap();
        }
        skewed.append(ACTION, &step("d")).await.unwrap();
        let (entries, _) = skewed.list("", 1, 10).await.unwrap();
        let records: Vec<AuditRecord> = entries.iter().map(|entry| from_wire(entry).unwrap()).collect();
        assert_eq!(records.len(), 4);
        verify(&records).unwrap();
    }
}
