//! The event bus in vectors.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::lock;
use crate::bus::{
    Batch, Consumer, Delivered, Error, EventBus, MEMBER_LEASE, PARTITIONS_MAX, Position, Progress, RECORD_BYTES_MAX,
    Record, Start, TopicPartition, TopicSpec, partition_of,
};

#[derive(Debug, Default)]
struct Group {
    /// Members by id, with the end of their lease.
    members: BTreeMap<u64, (Instant, BTreeSet<String>)>,
    committed: BTreeMap<TopicPartition, u64>,
}

#[derive(Debug, Default)]
struct State {
    topics: BTreeMap<String, Vec<Vec<Record>>>,
    groups: BTreeMap<String, Group>,
    members: u64,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    published: Notify,
}

/// The event bus of this process. Cloning gives another handle on the same bus. It keeps every record.
#[derive(Clone, Debug, Default)]
pub struct MemoryBus(Arc<Shared>);

impl State {
    fn topic(&self, topic: &str) -> Result<&Vec<Vec<Record>>, Error> {
        self.topics.get(topic).ok_or_else(|| Error::UnknownTopic { topic: topic.to_owned() })
    }

    fn partitions(&self, topic: &str) -> impl Iterator<Item = TopicPartition> {
        let count = self.topics.get(topic).map_or(0, Vec::len);
        (0..count as u32).map(move |partition| TopicPartition { topic: topic.to_owned(), partition })
    }

    /// What is a member's: every partition goes to the living members that read its topic, in turns.
    fn owned(&self, group: &str, member: u64) -> BTreeSet<TopicPartition> {
        let Some(group) = self.groups.get(group) else { return BTreeSet::new() };
        let mine = group.members.get(&member).map(|(_, topics)| topics.clone()).unwrap_or_default();
        let mut owned = BTreeSet::new();
        for topic in mine {
            let readers: Vec<u64> =
                group.members.iter().filter(|(_, (_, topics))| topics.contains(&topic)).map(|(id, _)| *id).collect();
            let is_mine = |of: &TopicPartition| readers[of.partition as usize % readers.len()] == member;
            owned.extend(self.partitions(&topic).filter(is_mine));
        }
        owned
    }
}

#[async_trait]
impl EventBus for MemoryBus {
    async fn create_topic(&self, spec: TopicSpec) -> Result<(), Error> {
        if spec.partitions == 0 || spec.partitions > PARTITIONS_MAX {
            let reason = format!("{} is not from 1 to {PARTITIONS_MAX}", spec.partitions);
            return Err(Error::InvalidArgument { what: "partitions", reason });
        }
        let mut state = lock(&self.0.state);
        let partitions =
            state.topics.entry(spec.name.clone()).or_insert_with(|| vec![vec![]; spec.partitions as usize]);
        let existing = partitions.len() as u32;
        if existing == spec.partitions {
            return Ok(());
        }
        Err(Error::PartitionsDiffer { topic: spec.name, existing, asked: spec.partitions })
    }

    async fn publish(&self, topic: &str, records: Vec<Record>) -> Result<Vec<Position>, Error> {
        if let Some(bytes) = records.iter().map(Record::bytes).find(|bytes| *bytes > RECORD_BYTES_MAX) {
            return Err(Error::TooLarge { topic: topic.to_owned(), bytes });
        }
        let mut state = lock(&self.0.state);
        let unknown = || Error::UnknownTopic { topic: topic.to_owned() };
        let partitions = state.topics.get_mut(topic).ok_or_else(unknown)?;
        let count = partitions.len() as u32;
        let append = |record: Record| {
            let partition = record.key.as_ref().map_or(0, |key| partition_of(key, count));
            let kept = &mut partitions[partition as usize];
            kept.push(record);
            Position { partition, offset: kept.len() as u64 - 1 }
        };
        let positions = records.into_iter().map(append).collect();
        self.0.published.notify_waiters();
        Ok(positions)
    }

    async fn subscribe(&self, group: &str, topics: &[&str], start: Start) -> Result<Box<dyn Consumer>, Error> {
        let mut state = lock(&self.0.state);
        for topic in topics {
            state.topic(topic)?;
        }
        state.members += 1;
        let id = state.members;
        let topics: BTreeSet<String> = topics.iter().map(|topic| (*topic).to_owned()).collect();
        let members = &mut state.groups.entry(group.to_owned()).or_default().members;
        members.insert(id, (Instant::now() + MEMBER_LEASE, topics.clone()));
        let ends: BTreeMap<TopicPartition, u64> = topics
            .iter()
            .flat_map(|topic| state.partitions(topic).collect::<Vec<_>>())
            .map(|of| {
                let length = state.topics[&of.topic][of.partition as usize].len() as u64;
                (of, if start == Start::Earliest { 0 } else { length })
            })
            .collect();
        Ok(Box::new(Member {
            bus: self.clone(),
            group: group.to_owned(),
            id,
            topics,
            ends,
            next: BTreeMap::new(),
            paused: BTreeSet::new(),
        }))
    }

    async fn end_offsets(&self, topic: &str) -> Result<Vec<Progress>, Error> {
        let state = lock(&self.0.state);
        let partitions = state.topic(topic)?;
        let lengths = partitions.iter().map(|records| records.len() as u64);
        Ok(state.partitions(topic).zip(lengths).map(|(of, next_offset)| Progress { of, next_offset }).collect())
    }

    async fn committed(&self, group: &str, topic: &str) -> Result<Vec<Progress>, Error> {
        let state = lock(&self.0.state);
        let committed = state.groups.get(group).map(|group| &group.committed).into_iter().flatten();
        Ok(committed
            .filter(|(of, _)| of.topic == topic)
            .map(|(of, next)| Progress { of: of.clone(), next_offset: *next })
            .collect())
    }

    async fn read(&self, of: &TopicPartition, from_offset: u64, max: usize) -> Result<Vec<Delivered>, Error> {
        let state = lock(&self.0.state);
        Ok(slice(&state, of, from_offset, max))
    }

    async fn prune(&self) -> Result<u64, Error> {
        Ok(0)
    }
}

fn slice(state: &State, of: &TopicPartition, from: u64, max: usize) -> Vec<Delivered> {
    let records = state.topics.get(&of.topic).and_then(|topic| topic.get(of.partition as usize));
    let from = usize::try_from(from).unwrap_or(usize::MAX);
    let delivered = |(offset, record): (usize, &Record)| Delivered {
        topic: of.topic.clone(),
        position: Position { partition: of.partition, offset: offset as u64 },
        record: record.clone(),
    };
    records.into_iter().flatten().enumerate().skip(from).take(max).map(delivered).collect()
}

struct Member {
    bus: MemoryBus,
    group: String,
    id: u64,
    topics: BTreeSet<String>,
    ends: BTreeMap<TopicPartition, u64>,
    next: BTreeMap<TopicPartition, u64>,
    paused: BTreeSet<TopicPartition>,
}

impl Member {
    fn take(&mut self, max_records: usize, max_bytes: usize) -> Batch {
        let now = Instant::now();
        let bus = self.bus.clone();
        let mut state = lock(&bus.0.state);
        let group = state.groups.entry(self.group.clone()).or_default();
        group.members.insert(self.id, (now + MEMBER_LEASE, self.topics.clone()));
        group.members.retain(|_, (until, _)| *until > now);
        let owned = state.owned(&self.group, self.id);
        let mut batch = Batch {
            revoked: self.next.keys().filter(|of| !owned.contains(of)).cloned().collect(),
            assigned: owned.iter().filter(|of| !self.next.contains_key(of)).cloned().collect(),
            records: Vec::new(),
        };
        self.next.retain(|of, _| owned.contains(of));
        self.paused.retain(|of| owned.contains(of));
        for of in &batch.assigned {
            let committed = state.groups.get(&self.group).and_then(|group| group.committed.get(of)).copied();
            let start = committed.or_else(|| self.ends.get(of).copied()).unwrap_or(0);
            self.next.insert(of.clone(), start);
        }
        let mut bytes = 0;
        for (of, next) in self.next.iter_mut().filter(|(of, _)| !self.paused.contains(of)) {
            for delivered in slice(&state, of, *next, max_records.saturating_sub(batch.records.len())) {
                if bytes >= max_bytes && !batch.records.is_empty() {
                    break;
                }
                bytes += delivered.record.bytes();
                *next = delivered.position.offset + 1;
                batch.records.push(delivered);
            }
        }
        batch
    }

    fn fenced(&self, of: &TopicPartition) -> Error {
        Error::Fenced { group: self.group.clone(), topic: of.topic.clone(), partition: of.partition }
    }
}

#[async_trait]
impl Consumer for Member {
    async fn poll(&mut self, max_records: usize, max_bytes: usize, wait: Duration) -> Result<Batch, Error> {
        let deadline = Instant::now() + wait;
        loop {
            let bus = self.bus.clone();
            let published = bus.0.published.notified();
            let batch = self.take(max_records.max(1), max_bytes);
            if batch != Batch::default() || Instant::now() >= deadline {
                return Ok(batch);
            }
            // A third of the lease, so that a member that waits stays one and sees others go.
            let next_look = deadline.min(Instant::now() + MEMBER_LEASE / 3);
            let _is_news = tokio::time::timeout_at(next_look, published).await.is_ok();
        }
    }

    async fn commit(&mut self, progress: &[Progress]) -> Result<(), Error> {
        let now = Instant::now();
        let mut state = lock(&self.bus.0.state);
        let owned = state.owned(&self.group, self.id);
        let group = state.groups.entry(self.group.clone()).or_default();
        let lives = group.members.get(&self.id).is_some_and(|(until, _)| *until > now);
        if let Some(lost) = progress.iter().find(|progress| !lives || !owned.contains(&progress.of)) {
            return Err(self.fenced(&lost.of));
        }
        for Progress { of, next_offset } in progress {
            group.committed.insert(of.clone(), *next_offset);
        }
        Ok(())
    }

    async fn seek(&mut self, to: &Progress) -> Result<(), Error> {
        match self.next.get_mut(&to.of) {
            Some(next) => *next = to.next_offset,
            None => return Err(self.fenced(&to.of)),
        }
        Ok(())
    }

    fn pause(&mut self, partitions: &[TopicPartition]) {
        self.paused.extend(partitions.iter().cloned());
    }

    fn resume(&mut self, partitions: &[TopicPartition]) {
        self.paused.retain(|of| !partitions.contains(of));
    }

    fn assignment(&self) -> Vec<TopicPartition> {
        self.next.keys().cloned().collect()
    }

    async fn close(self: Box<Self>) -> Result<(), Error> {
        if let Some(group) = lock(&self.bus.0.state).groups.get_mut(&self.group) {
            group.members.remove(&self.id);
        }
        self.bus.0.published.notify_waiters();
        Ok(())
    }
}
