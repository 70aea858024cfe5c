//! The event bus in tables.

mod groups;
mod log;
mod member;

use async_trait::async_trait;
use llm_sre_ports::bus::{
    Consumer, Delivered, Error, EventBus, PARTITIONS_MAX, Position, Progress, RECORD_BYTES_MAX, Record, Start,
    TopicPartition, TopicSpec,
};
use rusqlite::{Connection, OptionalExtension, params};

use super::Store;
use super::failure::{Answer, Fault};
use super::time::{in_ms, now_ms};

/// The event bus of a file.
#[derive(Clone, Debug)]
pub struct SqliteBus {
    store: Store,
}

impl SqliteBus {
    pub(super) fn new(store: Store) -> Self {
        Self { store }
    }
}

#[async_trait]
impl EventBus for SqliteBus {
    async fn create_topic(&self, spec: TopicSpec) -> Result<(), Error> {
        if spec.partitions == 0 || spec.partitions > PARTITIONS_MAX {
            let reason = format!("{} is not from 1 to {PARTITIONS_MAX}", spec.partitions);
            return Err(Error::InvalidArgument { what: "partitions", reason });
        }
        self.store.write(move |connection| create_topic(connection, &spec)).await
    }

    async fn publish(&self, topic: &str, records: Vec<Record>) -> Result<Vec<Position>, Error> {
        if let Some(bytes) = records.iter().map(Record::bytes).find(|bytes| *bytes > RECORD_BYTES_MAX) {
            return Err(Error::TooLarge { topic: topic.to_owned(), bytes });
        }
        let topic = topic.to_owned();
        let positions = self.store.write(move |connection| log::append(connection, &topic, &records)).await?;
        self.store.0.news.notify_waiters();
        Ok(positions)
    }

    async fn subscribe(&self, group: &str, topics: &[&str], start: Start) -> Result<Box<dyn Consumer>, Error> {
        let topics = topics.iter().map(|topic| (*topic).to_owned()).collect();
        Ok(Box::new(member::Member::join(self.store.clone(), group.to_owned(), topics, start).await?))
    }

    async fn end_offsets(&self, topic: &str) -> Result<Vec<Progress>, Error> {
        let topic = topic.to_owned();
        self.store
            .poll(move |connection| {
                let progress = |partition: log::Partition| Progress {
                    of: TopicPartition { topic: topic.clone(), partition: partition.number },
                    next_offset: partition.next_offset,
                };
                Ok(log::partitions(connection, &topic)?.into_iter().map(progress).collect())
            })
            .await
    }

    async fn committed(&self, group: &str, topic: &str) -> Result<Vec<Progress>, Error> {
        let (group, topic) = (group.to_owned(), topic.to_owned());
        self.store
            .poll(move |connection| {
                let mut statement = connection.prepare_cached(
                    "SELECT p.number, c.next_offset FROM commits c
                     JOIN groups g ON g.id = c.member_of JOIN partitions p ON p.id = c.partition
                     JOIN topics t ON t.id = p.topic
                     WHERE g.name = ?1 AND t.name = ?2 ORDER BY p.number",
                )?;
                let progress = |row: &rusqlite::Row<'_>| {
                    let of = TopicPartition { topic: topic.clone(), partition: row.get(0)? };
                    Ok(Progress { of, next_offset: row.get(1)? })
                };
                let found = statement.query_map(params![group, topic], progress)?;
                Ok(found.collect::<Result<_, _>>()?)
            })
            .await
    }

    async fn read(&self, of: &TopicPartition, from_offset: u64, max: usize) -> Result<Vec<Delivered>, Error> {
        let of = of.clone();
        self.store
            .poll(move |connection| {
                let partitions = log::partitions(connection, &of.topic)?;
                let Some(partition) = partitions.iter().find(|partition| partition.number == of.partition) else {
                    let reason = format!("{}/{} does not exist", of.topic, of.partition);
                    return Err(Fault::Refused(Error::InvalidArgument { what: "partition", reason }));
                };
                let mut found = Vec::new();
                let budget = log::Budget { records: max, bytes: log::READ_BYTES_MAX };
                log::read(connection, &of.topic, partition, from_offset, budget, &mut found)?;
                Ok(found)
            })
            .await
    }

    async fn prune(&self) -> Result<u64, Error> {
        let expiring = self.store.poll(log::expiring).await?;
        let mut removed = 0;
        for (partition, retention_ms) in expiring {
            loop {
                let before = now_ms().saturating_sub(retention_ms);
                let batch = self.store.write(move |connection| log::remove(connection, partition, before)).await?;
                removed += batch;
                if batch < log::REMOVED_MAX {
                    break;
                }
            }
        }
        Ok(removed)
    }
}

fn create_topic(connection: &Connection, spec: &TopicSpec) -> Answer<(), Error> {
    let retention = spec.retention.map(in_ms);
    let find =
        "SELECT t.id, count(p.id) FROM topics t JOIN partitions p ON p.topic = t.id WHERE t.name = ?1 GROUP BY t.id";
    let found: Option<(i64, u32)> =
        connection.query_row(find, [&spec.name], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
    if let Some((topic, existing)) = found {
        if existing != spec.partitions {
            let (topic, asked) = (spec.name.clone(), spec.partitions);
            return Err(Fault::Refused(Error::PartitionsDiffer { topic, existing, asked }));
        }
        connection.execute("UPDATE topics SET retention_ms = ?2 WHERE id = ?1", params![topic, retention])?;
        return Ok(());
    }
    connection.execute("INSERT INTO topics (name, retention_ms) VALUES (?1, ?2)", params![spec.name, retention])?;
    let topic = connection.last_insert_rowid();
    let mut statement = connection.prepare("INSERT INTO partitions (topic, number, next_offset) VALUES (?1, ?2, 0)")?;
    for number in 0..spec.partitions {
        statement.execute(params![topic, number])?;
    }
    if connection.last_insert_rowid() > log::PARTITION_IDS_MAX {
        let reason = format!("the file has {} partitions already", log::PARTITION_IDS_MAX);
        return Err(Fault::Refused(Error::InvalidArgument { what: "partitions", reason }));
    }
    Ok(())
}
