//! Removes what is too old or too much, in short transactions, so that nothing else waits for long.

use llm_sre_domain::Timestamp;
use llm_sre_ports::telemetry::Error;
use rusqlite::{Connection, params};

use super::append::MINUTE;
use crate::sqlite::Store;
use crate::sqlite::failure::Answer;

/// Rows that one transaction removes.
const ROWS_MAX: usize = 5_000;
/// Log records that one transaction removes: each also leaves the text index.
const LOGS_MAX: usize = 1_000;
/// Series that one transaction looks at.
const SERIES_MAX: usize = 500;
/// Pages that one transaction gives back to the disk, and how many such transactions one call makes.
const PAGES_MAX: i64 = 1_024;
const GIVING_BACK_MAX: usize = 64;

pub(super) async fn prune(store: &Store, before: Timestamp, bytes_max: Option<u64>) -> Result<u64, Error> {
    let within = store.read(move |connection| oldest_within(connection, bytes_max)).await?;
    let before = before.as_nanos().max(within);
    let mut removed = points(store, before).await?;
    removed += until_done(store, LOGS_MAX, move |connection| logs(connection, before)).await?;
    for table in ["changes", "calls"] {
        removed += until_done(store, ROWS_MAX, move |connection| rows(connection, table, before)).await?;
    }
    store
        .write::<_, Error>(move |connection| {
            // The minute that `before` lies in still holds something.
            let mut forget = connection.prepare_cached("DELETE FROM volumes WHERE minute < ?1")?;
            Ok(forget.execute([before.div_euclid(MINUTE)])?)
        })
        .await?;
    give_back(store).await?;
    Ok(removed)
}

/// Where the newest minutes begin that have about so many bytes. The newest of all always stays.
fn oldest_within(connection: &Connection, bytes_max: Option<u64>) -> Answer<i64, Error> {
    let Some(bytes_max) = bytes_max else { return Ok(i64::MIN) };
    let mut statement = connection.prepare_cached("SELECT minute, bytes FROM volumes ORDER BY minute DESC")?;
    let mut rows = statement.query([])?;
    let (mut bytes, mut is_newest) = (0_u64, true);
    while let Some(row) = rows.next()? {
        bytes = bytes.saturating_add(row.get(1)?);
        if bytes > bytes_max && !is_newest {
            return Ok((row.get::<_, i64>(0)?.saturating_add(1)).saturating_mul(MINUTE));
        }
        is_newest = false;
    }
    Ok(i64::MIN)
}

/// Repeats a removal until it removes less than it could.
async fn until_done(
    store: &Store,
    most: usize,
    remove: impl Fn(&Connection) -> Answer<usize, Error> + Clone + Send + 'static,
) -> Result<u64, Error> {
    let mut removed = 0;
    loop {
        let remove = remove.clone();
        let batch = store.write(move |connection| remove(connection)).await?;
        removed += batch as u64;
        if batch < most {
            return Ok(removed);
        }
    }
}

fn logs(connection: &Connection, before: i64) -> Answer<usize, Error> {
    let mut find = connection.prepare_cached("SELECT id FROM logs WHERE time < ?1 ORDER BY time LIMIT ?2")?;
    let found: Vec<i64> = find.query_map(params![before, LOGS_MAX], |row| row.get(0))?.collect::<Result<_, _>>()?;
    let mut forget = connection.prepare_cached("DELETE FROM log_words WHERE rowid = ?1")?;
    let mut remove = connection.prepare_cached("DELETE FROM logs WHERE id = ?1")?;
    for row in &found {
        forget.execute([row])?;
        remove.execute([row])?;
    }
    Ok(found.len())
}

fn rows(connection: &Connection, table: &str, before: i64) -> Answer<usize, Error> {
    let mut remove = connection.prepare_cached(&format!(
        "DELETE FROM {table} WHERE (time, record) IN
         (SELECT time, record FROM {table} WHERE time < ?1 ORDER BY time LIMIT ?2)"
    ))?;
    Ok(remove.execute(params![before, ROWS_MAX])?)
}

/// Points lie by series, so the series are gone through; one that has no point left is forgotten.
async fn points(store: &Store, before: i64) -> Result<u64, Error> {
    let (mut removed, mut next) = (0, Some(0));
    while let Some(from) = next {
        let batch: (u64, Option<i64>) = store.write(move |connection| points_of_some(connection, from, before)).await?;
        removed += batch.0;
        next = batch.1;
    }
    Ok(removed)
}

/// Gives how many points went, and the series to go on with.
fn points_of_some(connection: &Connection, from: i64, before: i64) -> Answer<(u64, Option<i64>), Error> {
    let mut find = connection.prepare_cached("SELECT id FROM series WHERE id >= ?1 ORDER BY id LIMIT ?2")?;
    let found: Vec<i64> = find.query_map(params![from, SERIES_MAX], |row| row.get(0))?.collect::<Result<_, _>>()?;
    let mut remove = connection.prepare_cached(
        "DELETE FROM points WHERE (series, time, record) IN
         (SELECT series, time, record FROM points WHERE series = ?1 AND time < ?2 ORDER BY time LIMIT ?3)",
    )?;
    let mut forget = connection
        .prepare_cached("DELETE FROM series WHERE id = ?1 AND NOT EXISTS (SELECT 1 FROM points WHERE series = ?1)")?;
    let mut room = ROWS_MAX;
    for series in &found {
        room -= remove.execute(params![series, before, room])?;
        if room == 0 {
            return Ok((ROWS_MAX as u64, Some(*series)));
        }
        forget.execute([series])?;
    }
    let next = found.last().filter(|_| found.len() == SERIES_MAX).map(|last| last + 1);
    Ok(((ROWS_MAX - room) as u64, next))
}

/// Gives pages back to the disk where more than a quarter of the file is empty. Less is kept for what comes next.
async fn give_back(store: &Store) -> Result<(), Error> {
    for _ in 0..GIVING_BACK_MAX {
        let is_done = store
            .write::<_, Error>(|connection| {
                let number = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, i64>(0));
                let (pages, empty) = (number("PRAGMA page_count")?, number("PRAGMA freelist_count")?);
                if empty < PAGES_MAX || empty < pages / 4 {
                    return Ok(true);
                }
                // Each step gives one page back.
                let mut giving = connection.prepare_cached(&format!("PRAGMA incremental_vacuum({PAGES_MAX})"))?;
                let mut pages = giving.query([])?;
                while pages.next()?.is_some() {}
                Ok(false)
            })
            .await?;
        if is_done {
            break;
        }
    }
    Ok(())
}
