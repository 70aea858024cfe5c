//! The records of partitions.

use bytes::Bytes;
use llm_sre_domain::Timestamp;
use llm_sre_ports::bus::{Delivered, Error, Position, Record, TopicPartition, partition_of};
use rusqlite::{Connection, Row, params};

use crate::sqlite::failure::{Answer, Failure, Fault};
use crate::sqlite::time::now_ms;

/// Bits of a record's id that are its offset; the rest is its partition. Ten thousand records a second would take 55
/// years to use the offsets of one partition up.
const OFFSET_BITS: u32 = 44;
const OFFSETS: u64 = 1 << OFFSET_BITS;
/// The partitions that a file has ids for.
pub(super) const PARTITION_IDS_MAX: i64 = (1 << (63 - OFFSET_BITS)) - 1;
/// What one read without a group brings at most, whatever was asked for.
pub(super) const READ_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Records that one transaction removes: few, since each may be large.
pub(super) const REMOVED_MAX: u64 = 500;

/// A partition as it is in the file.
#[derive(Clone, Debug)]
pub(super) struct Partition {
    pub(super) id: i64,
    pub(super) number: u32,
    pub(super) next_offset: u64,
}

impl Partition {
    fn record_id(&self, offset: u64) -> i64 {
        (self.id << OFFSET_BITS) | i64::try_from(offset.min(OFFSETS - 1)).unwrap_or(0)
    }
}

/// How much a read may still bring.
#[derive(Clone, Copy)]
pub(super) struct Budget {
    pub(super) records: usize,
    pub(super) bytes: usize,
}

/// The partitions of a topic, in order.
pub(super) fn partitions(connection: &Connection, topic: &str) -> Answer<Vec<Partition>, Error> {
    let mut statement = connection.prepare_cached(
        "SELECT p.id, p.number, p.next_offset FROM topics t JOIN partitions p ON p.topic = t.id
         WHERE t.name = ?1 ORDER BY p.number",
    )?;
    let partition = |row: &Row<'_>| Ok(Partition { id: row.get(0)?, number: row.get(1)?, next_offset: row.get(2)? });
    let found = statement.query_map([topic], partition)?.collect::<Result<Vec<_>, _>>()?;
    if found.is_empty() {
        return Err(Fault::Refused(Error::UnknownTopic { topic: topic.to_owned() }));
    }
    Ok(found)
}

/// Appends records and gives their positions.
pub(super) fn append(connection: &Connection, topic: &str, records: &[Record]) -> Answer<Vec<Position>, Error> {
    let mut partitions = partitions(connection, topic)?;
    let count = u32::try_from(partitions.len()).unwrap_or(u32::MAX);
    // What has no key goes where least was published, so that all partitions get their share; of one call, together.
    let emptiest = partitions.iter().min_by_key(|partition| partition.next_offset).map_or(0, |found| found.number);
    let published_ms = now_ms();
    let mut insert = connection.prepare_cached(
        "INSERT INTO records (id, published_ms, time, key, headers, value) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?;
    let mut positions = Vec::with_capacity(records.len());
    let mut touched = vec![false; partitions.len()];
    for record in records {
        let number = record.key.as_ref().map_or(emptiest, |key| partition_of(key, count));
        let Some(partition) = partitions.get_mut(number as usize).filter(|partition| partition.number == number) else {
            return Err(Failure::corrupt(topic, format!("partition {number} is missing")).into());
        };
        let offset = partition.next_offset;
        if offset >= OFFSETS {
            return Err(Fault::Refused(Error::Full));
        }
        insert.execute(params![
            partition.record_id(offset),
            published_ms,
            record.timestamp.as_nanos(),
            record.key.as_deref(),
            encode_headers(&record.headers),
            &*record.value,
        ])?;
        partition.next_offset += 1;
        touched[number as usize] = true;
        positions.push(Position { partition: number, offset });
    }
    let mut update = connection.prepare_cached("UPDATE partitions SET next_offset = ?2 WHERE id = ?1")?;
    for (partition, _) in partitions.iter().zip(touched).filter(|(_, is_touched)| *is_touched) {
        update.execute(params![partition.id, partition.next_offset])?;
    }
    Ok(positions)
}

/// Adds the records of a partition from an offset on, and gives how many bytes they have. The first is taken whatever
/// its size where `found` is empty.
pub(super) fn read<E>(
    connection: &Connection,
    topic: &str,
    partition: &Partition,
    from_offset: u64,
    budget: Budget,
    found: &mut Vec<Delivered>,
) -> Answer<usize, E> {
    if from_offset >= partition.next_offset {
        return Ok(0);
    }
    let mut statement = connection.prepare_cached(
        "SELECT id, time, key, headers, value FROM records WHERE id BETWEEN ?1 AND ?2 ORDER BY id LIMIT ?3",
    )?;
    let limit = i64::try_from(budget.records).unwrap_or(i64::MAX);
    let mut rows =
        statement.query(params![partition.record_id(from_offset), partition.record_id(OFFSETS - 1), limit])?;
    let mut bytes = 0;
    while let Some(row) = rows.next()? {
        if bytes >= budget.bytes && !found.is_empty() {
            break;
        }
        let offset = row.get::<_, u64>(0)? & (OFFSETS - 1);
        let record = record(row).map_err(|failure| match failure {
            Failure::Corrupt(reason) => Failure::corrupt(&format!("{topic}/{}/{offset}", partition.number), reason),
            other => other,
        })?;
        bytes += record.bytes();
        let position = Position { partition: partition.number, offset };
        found.push(Delivered { topic: topic.to_owned(), position, record });
    }
    Ok(bytes)
}

fn record(row: &Row<'_>) -> Result<Record, Failure> {
    let bytes = |at: usize| row.get::<_, Option<Vec<u8>>>(at).map(|found| found.map(Bytes::from));
    let headers = match bytes(3)? {
        None => Vec::new(),
        Some(encoded) => decode_headers(encoded).ok_or_else(|| Failure::Corrupt("its headers are cut".to_owned()))?,
    };
    Ok(Record {
        key: bytes(2)?,
        headers,
        value: bytes(4)?.unwrap_or_default(),
        timestamp: Timestamp::from_nanos(row.get(1)?),
    })
}

/// Names and values, each with its length as four bytes before it; nothing where there are none.
fn encode_headers(headers: &[(String, Bytes)]) -> Option<Vec<u8>> {
    if headers.is_empty() {
        return None;
    }
    let mut encoded = Vec::new();
    for part in headers.iter().flat_map(|(name, value)| [name.as_bytes(), value]) {
        // A record is far smaller than what four bytes can count.
        encoded.extend_from_slice(&u32::try_from(part.len()).unwrap_or(u32::MAX).to_le_bytes());
        encoded.extend_from_slice(part);
    }
    Some(encoded)
}

fn decode_headers(mut encoded: Bytes) -> Option<Vec<(String, Bytes)>> {
    let mut headers = Vec::new();
    while !encoded.is_empty() {
        let name = take_part(&mut encoded)?;
        let value = take_part(&mut encoded)?;
        headers.push((String::from_utf8(name.to_vec()).ok()?, value));
    }
    Some(headers)
}

fn take_part(encoded: &mut Bytes) -> Option<Bytes> {
    let length = u32::from_le_bytes(*encoded.first_chunk()?) as usize;
    let end = length.checked_add(4).filter(|end| *end <= encoded.len())?;
    Some(encoded.split_to(end).slice(4..))
}

/// Partitions of topics that do not keep records for ever, and how long they do, in milliseconds.
pub(super) fn expiring(connection: &Connection) -> Answer<Vec<(i64, i64)>, Error> {
    let mut statement = connection.prepare_cached(
        "SELECT p.id, t.retention_ms FROM topics t JOIN partitions p ON p.topic = t.id
         WHERE t.retention_ms IS NOT NULL",
    )?;
    let found = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(found.collect::<Result<_, _>>()?)
}

/// Removes the oldest records of a partition that were published before a time, at most [`REMOVED_MAX`].
pub(super) fn remove(connection: &Connection, partition: i64, before_ms: i64) -> Answer<u64, Error> {
    let mut statement = connection.prepare_cached(
        "DELETE FROM records WHERE published_ms < ?3
         AND id IN (SELECT id FROM records WHERE id BETWEEN ?1 AND ?2 ORDER BY id LIMIT ?4)",
    )?;
    let first = partition << OFFSET_BITS;
    let last = first | i64::try_from(OFFSETS - 1).unwrap_or(0);
    let removed = statement.execute(params![first, last, before_ms, REMOVED_MAX])?;
    Ok(removed as u64)
}

/// The partition as a consumer names it.
pub(super) fn named(topic: &str, number: u32) -> TopicPartition {
    TopicPartition { topic: topic.to_owned(), partition: number }
}
