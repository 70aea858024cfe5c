//! Who is a member of a group, and whose each partition is.
//!
//! A membership is a lease in the file. Whoever comes, goes, or sees that a lease has ended deals the partitions out
//! again, in one transaction. A partition that changes hands takes the group's new generation with it: a commit names
//! the generation that it was read under, so that an owner of before cannot commit what another has gone past.

use std::collections::BTreeMap;

use llm_sre_ports::bus::Error;
use rusqlite::{Connection, OptionalExtension, params};

use super::log::{self, Partition, named};
use crate::sqlite::failure::{Answer, Fault};
use llm_sre_ports::bus::TopicPartition;

/// What a partition is to the member that owns it.
#[derive(Clone, Debug)]
pub(super) struct Owned {
    pub(super) partition: Partition,
    /// When it came to the member.
    pub(super) generation: i64,
    /// What the group committed, if it ever did.
    pub(super) committed: Option<u64>,
}

/// A new membership.
pub(super) struct Joined {
    pub(super) member: i64,
    /// The offsets after the newest record, as of now.
    pub(super) ends: BTreeMap<TopicPartition, u64>,
}

/// Whether a member's lease and those of its group are in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// It has its lease for some while.
    Good,
    /// Its own lease should be renewed, or another's has ended.
    Stale,
    /// Its lease has ended.
    Gone,
}

/// Adds a member to a group, and deals the partitions out again.
pub(super) fn join(
    connection: &Connection,
    group: &str,
    topics: &[String],
    until_ms: i64,
    now_ms: i64,
) -> Answer<Joined, Error> {
    let mut ends = BTreeMap::new();
    for topic in topics {
        let found = log::partitions(connection, topic)?;
        ends.extend(found.iter().map(|partition| (named(topic, partition.number), partition.next_offset)));
    }
    connection.execute("INSERT INTO groups (name, generation) VALUES (?1, 0) ON CONFLICT DO NOTHING", [group])?;
    let group: i64 = connection.query_row("SELECT id FROM groups WHERE name = ?1", [group], |row| row.get(0))?;
    connection.execute("INSERT INTO members (member_of, until_ms) VALUES (?1, ?2)", params![group, until_ms])?;
    let member = connection.last_insert_rowid();
    for topic in topics {
        let subscribe = "INSERT INTO subscriptions (member, topic) SELECT ?1, id FROM topics WHERE name = ?2
                         ON CONFLICT DO NOTHING";
        connection.execute(subscribe, params![member, topic])?;
    }
    remove_expired(connection, group, now_ms)?;
    deal(connection, group)?;
    Ok(Joined { member, ends })
}

/// How it stands with a member.
pub(super) fn standing<E>(connection: &Connection, member: i64, lease_ms: i64, now_ms: i64) -> Answer<Standing, E> {
    let mut statement = connection.prepare_cached(
        "SELECT mine.until_ms, EXISTS (SELECT 1 FROM members other
             WHERE other.member_of = mine.member_of AND other.until_ms <= ?2)
         FROM members mine WHERE mine.id = ?1",
    )?;
    let found: Option<(i64, bool)> =
        statement.query_row(params![member, now_ms], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
    Ok(match found {
        None => Standing::Gone,
        Some((until_ms, _)) if until_ms <= now_ms => Standing::Gone,
        Some((until_ms, is_another_gone)) if is_another_gone || until_ms - now_ms < lease_ms => Standing::Stale,
        Some(_) => Standing::Good,
    })
}

/// Renews a member's lease and removes members whose lease has ended. False where its own has ended.
pub(super) fn renew(connection: &Connection, member: i64, until_ms: i64, now_ms: i64) -> Answer<bool, Error> {
    let mut statement = connection
        .prepare_cached("UPDATE members SET until_ms = ?2 WHERE id = ?1 AND until_ms > ?3 RETURNING member_of")?;
    let group: Option<i64> = statement.query_row(params![member, until_ms, now_ms], |row| row.get(0)).optional()?;
    let Some(group) = group else { return Ok(false) };
    if remove_expired(connection, group, now_ms)? > 0 {
        deal(connection, group)?;
    }
    Ok(true)
}

/// Takes a member out of its group at once.
pub(super) fn leave(connection: &Connection, member: i64) -> Answer<(), Error> {
    let group: Option<i64> = connection
        .query_row("DELETE FROM members WHERE id = ?1 RETURNING member_of", [member], |row| row.get(0))
        .optional()?;
    let Some(group) = group else { return Ok(()) };
    connection.execute("DELETE FROM subscriptions WHERE member = ?1", [member])?;
    deal(connection, group)
}

/// What is a member's.
pub(super) fn owned<E>(connection: &Connection, member: i64) -> Answer<BTreeMap<TopicPartition, Owned>, E> {
    let mut statement = connection.prepare_cached(
        "SELECT t.name, p.number, p.id, p.next_offset, a.generation, c.next_offset
         FROM members m JOIN assignments a ON a.member_of = m.member_of AND a.member = m.id
         JOIN partitions p ON p.id = a.partition JOIN topics t ON t.id = p.topic
         LEFT JOIN commits c ON c.member_of = a.member_of AND c.partition = a.partition
         WHERE m.id = ?1",
    )?;
    let mut rows = statement.query([member])?;
    let mut owned = BTreeMap::new();
    while let Some(row) = rows.next()? {
        let (topic, number): (String, u32) = (row.get(0)?, row.get(1)?);
        let partition = Partition { id: row.get(2)?, number, next_offset: row.get(3)? };
        let of = TopicPartition { topic, partition: number };
        owned.insert(of, Owned { partition, generation: row.get(4)?, committed: row.get(5)? });
    }
    Ok(owned)
}

/// What a member says of a partition that it read.
#[derive(Clone, Debug)]
pub(super) struct Claim {
    pub(super) of: TopicPartition,
    pub(super) partition: i64,
    pub(super) generation: i64,
    pub(super) next_offset: u64,
}

/// Commits all claims, or none where one of the partitions is no longer the member's.
pub(super) fn commit(
    connection: &Connection,
    group: &str,
    member: i64,
    claims: &[Claim],
    now_ms: i64,
) -> Answer<(), Error> {
    let mut commit = connection.prepare_cached(
        "INSERT INTO commits (member_of, partition, next_offset)
         SELECT m.member_of, a.partition, ?5 FROM members m JOIN assignments a ON a.member_of = m.member_of
         WHERE m.id = ?1 AND m.until_ms > ?2 AND a.member = m.id AND a.partition = ?3 AND a.generation = ?4
         ON CONFLICT DO UPDATE SET next_offset = excluded.next_offset",
    )?;
    for claim in claims {
        let made = commit.execute(params![member, now_ms, claim.partition, claim.generation, claim.next_offset])?;
        if made == 0 {
            return Err(Fault::Refused(fenced(group, &claim.of)));
        }
    }
    Ok(())
}

/// The refusal of a partition that is another's.
pub(super) fn fenced(group: &str, of: &TopicPartition) -> Error {
    Error::Fenced { group: group.to_owned(), topic: of.topic.clone(), partition: of.partition }
}

fn remove_expired(connection: &Connection, group: i64, now_ms: i64) -> Answer<usize, Error> {
    let expired = "SELECT id FROM members WHERE member_of = ?1 AND until_ms <= ?2";
    connection.execute(&format!("DELETE FROM subscriptions WHERE member IN ({expired})"), params![group, now_ms])?;
    let removed =
        connection.execute("DELETE FROM members WHERE member_of = ?1 AND until_ms <= ?2", params![group, now_ms])?;
    Ok(removed)
}

/// Deals the partitions of each topic to the members that read it, in turns. Who keeps a partition keeps it as it was.
fn deal(connection: &Connection, group: i64) -> Answer<(), Error> {
    let generation: i64 = connection.query_row(
        "UPDATE groups SET generation = generation + 1 WHERE id = ?1 RETURNING generation",
        [group],
        |row| row.get(0),
    )?;
    let mut readers: BTreeMap<i64, Vec<i64>> = BTreeMap::new();
    let mut statement = connection.prepare_cached(
        "SELECT s.topic, m.id FROM members m JOIN subscriptions s ON s.member = m.id
         WHERE m.member_of = ?1 ORDER BY m.id",
    )?;
    let mut rows = statement.query([group])?;
    while let Some(row) = rows.next()? {
        readers.entry(row.get(0)?).or_default().push(row.get(1)?);
    }
    let mut partitions = connection.prepare_cached("SELECT id, number FROM partitions WHERE topic = ?1")?;
    let mut assign = connection.prepare_cached(
        "INSERT INTO assignments (member_of, partition, member, generation) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT DO UPDATE SET member = excluded.member, generation = excluded.generation
         WHERE member <> excluded.member",
    )?;
    for (topic, readers) in readers {
        let mut rows = partitions.query([topic])?;
        while let Some(row) = rows.next()? {
            let (partition, number): (i64, usize) = (row.get(0)?, row.get(1)?);
            assign.execute(params![group, partition, readers[number % readers.len()], generation])?;
        }
    }
    // What nobody reads any more is nobody's.
    connection.execute(
        "DELETE FROM assignments WHERE member_of = ?1 AND NOT EXISTS (
             SELECT 1 FROM subscriptions s JOIN partitions p ON p.topic = s.topic
             WHERE s.member = assignments.member AND p.id = assignments.partition)",
        [group],
    )?;
    Ok(())
}
