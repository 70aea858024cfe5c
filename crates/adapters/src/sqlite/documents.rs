//! Documents in a table, and their attributes in another.

use std::collections::BTreeMap;

use async_trait::async_trait;
use llm_sre_domain::Timestamp;
use llm_sre_ports::documents::{
    DOCUMENT_BYTES_MAX, Document, Documents, Error, Filter, NewDocument, PAGE_MAX, Page, Precondition,
};
use rusqlite::{Connection, OptionalExtension, Params, Row, params, params_from_iter, types::Value};

use super::Store;
use super::failure::{Answer, Fault};

/// Documents that one transaction looks at for pruning.
const PRUNED_MAX: usize = 500;
const COLUMNS: &str = "d.id, d.written, d.name, d.version, d.schema_version, d.attributes, d.body";

/// The documents of a file.
#[derive(Clone, Debug)]
pub struct SqliteDocuments {
    store: Store,
}

impl SqliteDocuments {
    pub(super) fn new(store: Store) -> Self {
        Self { store }
    }
}

#[async_trait]
impl Documents for SqliteDocuments {
    async fn get(&self, collection: &str, id: &str) -> Result<Option<Document>, Error> {
        let (collection, id) = (collection.to_owned(), id.to_owned());
        self.store
            .read(move |connection| {
                let sql = format!("SELECT {COLUMNS} FROM documents d WHERE d.collection = ?1 AND d.name = ?2");
                Ok(find(connection, &collection, &sql, params![collection, id])?.pop().map(|kept| kept.document))
            })
            .await
    }

    async fn put(&self, document: NewDocument, precondition: Precondition) -> Result<u64, Error> {
        let texts = Texts { body: document.body.to_string(), attributes: text_of(&document.attributes) };
        let bytes = texts.body.len();
        if bytes > DOCUMENT_BYTES_MAX {
            return Err(Error::TooLarge { collection: document.collection, id: document.id, bytes });
        }
        self.store.write(move |connection| put(connection, &document, &texts, precondition)).await
    }

    async fn list(
        &self,
        collection: &str,
        filter: Filter,
        cursor: Option<String>,
        limit: usize,
    ) -> Result<Page, Error> {
        let before = cursor.map(number).transpose()?.unwrap_or(i64::MAX);
        let (collection, limit) = (collection.to_owned(), limit.clamp(1, PAGE_MAX));
        self.store
            .read(move |connection| {
                let mut sql = format!("SELECT {COLUMNS} FROM documents d WHERE d.collection = ?1 AND d.id < ?2");
                let mut values = vec![Value::from(collection.clone()), Value::from(before)];
                for (name, allowed) in filter.attributes {
                    values.push(name.into());
                    values.push(serde_json::Value::from(allowed).to_string().into());
                    let (name, allowed) = (values.len() - 1, values.len());
                    sql += &format!(
                        " AND d.id IN (SELECT a.document FROM attributes a WHERE a.collection = ?1
                         AND a.name = ?{name} AND a.value IN (SELECT value FROM json_each(?{allowed})))"
                    );
                }
                sql += &format!(" ORDER BY d.id DESC LIMIT {}", limit + 1);
                let mut found = find(connection, &collection, &sql, params_from_iter(values))?;
                let more = found.len() > limit;
                found.truncate(limit);
                let next = found.last().filter(|_| more).map(|last| last.created.to_string());
                Ok(Page { documents: found.into_iter().map(|kept| kept.document).collect(), next })
            })
            .await
    }

    async fn changes(&self, collection: &str, cursor: Option<String>, limit: usize) -> Result<Page, Error> {
        let after = cursor.map(number).transpose()?.unwrap_or(0);
        let (collection, limit) = (collection.to_owned(), limit.clamp(1, PAGE_MAX));
        self.store
            .read(move |connection| {
                let sql = format!(
                    "SELECT {COLUMNS} FROM documents d WHERE d.collection = ?1 AND d.written > ?2
                     ORDER BY d.written LIMIT {limit}"
                );
                let found = find(connection, &collection, &sql, params![collection, after])?;
                if found.is_empty() && after > last_written(connection)? {
                    return Err(Fault::Refused(Error::InvalidCursor { cursor: after.to_string() }));
                }
                let next = found.last().map_or(after, |last| last.written).to_string();
                Ok(Page { documents: found.into_iter().map(|kept| kept.document).collect(), next: Some(next) })
            })
            .await
    }

    async fn end_of_changes(&self, _: &str) -> Result<String, Error> {
        self.store.read(|connection| Ok(last_written(connection)?.to_string())).await
    }

    async fn prune(&self, collection: &str, before: Timestamp) -> Result<u64, Error> {
        let (mut removed, mut after) = (0, 0);
        loop {
            let collection = collection.to_owned();
            let (next, count) =
                self.store.write(move |connection| prune(connection, &collection, after, before)).await?;
            removed += count;
            match next {
                Some(next) => after = next,
                None => return Ok(removed),
            }
        }
    }
}

/// What of a document is stored as JSON.
struct Texts {
    body: String,
    attributes: String,
}

fn text_of(attributes: &BTreeMap<String, String>) -> String {
    let pairs = attributes.iter().map(|(name, value)| (name.clone(), value.as_str().into()));
    serde_json::Value::Object(pairs.collect()).to_string()
}

fn put(
    connection: &Connection,
    document: &NewDocument,
    texts: &Texts,
    precondition: Precondition,
) -> Answer<u64, Error> {
    let NewDocument { collection, id, attributes, schema_version, .. } = document;
    let mut find =
        connection.prepare_cached("SELECT id, version FROM documents WHERE collection = ?1 AND name = ?2")?;
    let before: Option<(i64, u64)> =
        find.query_row(params![collection, id], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
    let replaced = match (precondition, before) {
        (Precondition::Absent, None) => None,
        (Precondition::Version(asked), Some((key, version))) if asked == version => Some((key, version)),
        _ => return Err(Fault::Refused(Error::Conflict { collection: collection.clone(), id: id.clone() })),
    };
    // Writes are made one after the other, so whoever has seen this number has seen all before it.
    let mut count = connection.prepare_cached("UPDATE writes SET last = last + 1 RETURNING last")?;
    let written: i64 = count.query_row([], |row| row.get(0))?;
    let (key, version) = match replaced {
        None => {
            let mut insert = connection.prepare_cached(
                "INSERT INTO documents (collection, name, version, written, schema_version, attributes, body)
                 VALUES (?1, ?2, 1, ?3, ?4, ?5, ?6)",
            )?;
            insert.execute(params![collection, id, written, schema_version, texts.attributes, texts.body])?;
            (connection.last_insert_rowid(), 1)
        }
        Some((key, version)) => {
            let version = version + 1;
            let mut update = connection.prepare_cached(
                "UPDATE documents SET version = ?2, written = ?3, schema_version = ?4, attributes = ?5, body = ?6
                 WHERE id = ?1",
            )?;
            update.execute(params![key, version, written, schema_version, texts.attributes, texts.body])?;
            connection.prepare_cached("DELETE FROM attributes WHERE document = ?1")?.execute([key])?;
            (key, version)
        }
    };
    let mut add = connection
        .prepare_cached("INSERT INTO attributes (collection, name, value, document) VALUES (?1, ?2, ?3, ?4)")?;
    for (name, value) in attributes {
        add.execute(params![collection, name, value, key])?;
    }
    Ok(version)
}

/// Removes what is too old among the next documents that have a time. Gives where to go on, and how many went.
fn prune(
    connection: &Connection,
    collection: &str,
    after: i64,
    before: Timestamp,
) -> Answer<(Option<i64>, u64), Error> {
    let mut find = connection.prepare_cached(
        "SELECT d.id, a.value FROM documents d
         JOIN attributes a ON a.document = d.id AND a.collection = d.collection AND a.name = 'time'
         WHERE d.collection = ?1 AND d.id > ?2 ORDER BY d.id LIMIT ?3",
    )?;
    let found = find.query_map(params![collection, after, PRUNED_MAX], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let found: Vec<(i64, String)> = found.collect::<Result<_, _>>()?;
    let next = found.last().filter(|_| found.len() == PRUNED_MAX).map(|(key, _)| *key);
    let mut removed = 0;
    for (key, time) in &found {
        if time.parse().is_ok_and(|time: i64| time < before.as_nanos()) {
            connection.prepare_cached("DELETE FROM attributes WHERE document = ?1")?.execute([key])?;
            connection.prepare_cached("DELETE FROM documents WHERE id = ?1")?.execute([key])?;
            removed += 1;
        }
    }
    Ok((next, removed))
}

/// The number of the newest write of all. A file that was restored may be behind a cursor that it gave before.
fn last_written(connection: &Connection) -> Answer<i64, Error> {
    let mut find = connection.prepare_cached("SELECT last FROM writes")?;
    Ok(find.query_row([], |row| row.get(0))?)
}

/// A document with its places in the two orders.
struct Kept {
    document: Document,
    created: i64,
    written: i64,
}

fn find(connection: &Connection, collection: &str, sql: &str, values: impl Params) -> Answer<Vec<Kept>, Error> {
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query(values)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(kept(collection, row)?);
    }
    Ok(found)
}

fn kept(collection: &str, row: &Row<'_>) -> Answer<Kept, Error> {
    let id: String = row.get(2)?;
    let corrupt = |error: &dyn std::fmt::Display| Error::Corrupt {
        collection: collection.to_owned(),
        id: id.clone(),
        reason: error.to_string(),
    };
    let (attributes, body): (String, String) = (row.get(5)?, row.get(6)?);
    let attributes = serde_json::from_str(&attributes).map_err(|error| Fault::Refused(corrupt(&error)))?;
    let body = serde_json::from_str(&body).map_err(|error| Fault::Refused(corrupt(&error)))?;
    let document = Document { id: id.clone(), body, attributes, schema_version: row.get(4)?, version: row.get(3)? };
    Ok(Kept { document, created: row.get(0)?, written: row.get(1)? })
}

fn number(cursor: String) -> Result<i64, Error> {
    let parsed = cursor.parse().ok().filter(|number: &i64| *number >= 0);
    parsed.ok_or(Error::InvalidCursor { cursor })
}
