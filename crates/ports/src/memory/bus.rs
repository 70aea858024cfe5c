//! The event bus in vectors.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
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

/// Bytes that a partition keeps. Beyond, the oldest records that every group has handled leave; where a group has not,
/// the partition is full, so that a slow consumer slows its producers down instead of losing what they sent.
const PARTITION_BYTES_MAX: usize = 32 * 1024 * 1024;

#[derive(Clone, Debug, Default)]
struct Log {
    /// Offset of the oldest record that is kept.
    base: u64,
    records: VecDeque<Record>,
    bytes: usize,
}

impl Log {
    fn end(&self) -> u64 {
        self.base + self.records.len() as u64
    }

    fn push(&mut self, record: Record) -> u64 {
        self.bytes += record.bytes();
        self.records.push_back(record);
        self.end() - 1
    }

    /// Makes room for so many bytes by what is before `handled`. Whether there is room then.
    fn make_room(&mut self, bytes: usize, handled: u64) -> bool {
        while self.bytes + bytes > PARTITION_BYTES_MAX && self.base < handled {
            let Some(oldest) = self.records.pop_front() else { break };
            self.bytes -= oldest.bytes();
            self.base += 1;
        }
        self.bytes + bytes <= PARTITION_BYTES_MAX
    }
}

#[derive(Debug, Default)]
struct Group {
    /// Members by id, with the end of their lease.
    members: BTreeMap<u64, (Instant, BTreeSet<String>)>,
    committed: BTreeMap<TopicPartition, u64>,
}

#[derive(Debug, Default)]
struct State {
    topics: BTreeMap<String, Vec<Log>>,
    groups: BTreeMap<String, Group>,
    members: u64,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    published: Notify,
}

/// The event bus of this process. Cloning gives another handle on the same bus. A partition keeps its newest 32 MiB, and
/// what a group has not handled; it does not know the age of records.
#[derive(Clone, Debug, Default)]
pub struct MemoryBus(Arc<Shared>);

impl State {
    fn topic(&self, topic: &str) -> Result<&Vec<Log>, Error> {
        self.topics.get(topic).ok_or_else(|| Error::UnknownTopic { topic: topic.to_owned() })
    }

    fn partitions(&self, topic: &str) -> impl Iterator<Item = TopicPartition> {
        let count = self.topics.get(topic).map_or(0, Vec::len);
        (0..count as u32).map(move |partition| TopicPartition { topic: topic.to_owned(), partition })
    }

    /// Up to where every group that reads a partition has handled it; its end where nobody does.
    fn handled(&self, of: &TopicPartition) -> u64 {
        let end = self.topics.get(&of.topic).and_then(|logs| logs.get(of.partition as usize)).map_or(0, Log::end);
        let reads = |group: &&Group| {
            group.committed.contains_key(of) || group.members.values().any(|(_, topics)| topics.contains(&of.topic))
        };
        let groups = self.groups.values().filter(reads);
        groups.map(|group| group.committed.get(of).copied().unwrap_or(0)).min().unwrap_or(end)
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
            state.topics.entry(spec.name.clone()).or_insert_with(|| vec![Log::default(); spec.partitions as usize]);
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
        let count = state.topic(topic)?.len() as u32;
        let partition = |record: &Record| record.key.as_ref().map_or(0, |key| partition_of(key, count));
        let mut wanted: BTreeMap<u32, usize> = BTreeMap::new();
        for record in &records {
            *wanted.entry(partition(record)).or_default() += record.bytes();
        }
        for (partition, bytes) in wanted {
            let handled = state.handled(&TopicPartition { topic: topic.to_owned(), partition });
            let log = state.topics.get_mut(topic).and_then(|logs| logs.get_mut(partition as usize));
            // All or nothing: room is made for every partition before anything is written.
            if !log.is_some_and(|log| log.make_room(bytes, handled)) {
                return Err(Error::Full);
            }
        }
        let Some(logs) = state.topics.get_mut(topic) else {
            return Err(Error::UnknownTopic { topic: topic.to_owned() });
        };
        let append = |record: Record| {
            let partition = partition(&record);
            Position { partition, offset: logs[partition as usize].push(record) }
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
                let length = state.topics[&of.topic][of.partition as usize].end();
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
        let lengths = partitions.iter().map(Log::end);
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
    let Some(log) = state.topics.get(&of.topic).and_then(|topic| topic.get(of.partition as usize)) else {
        return Vec::new();
    };
    let kept = log.records.len();
    let skipped = usize::try_from(from.saturating_sub(log.base)).map_or(kept, |skipped| skipped.min(kept));
    let delivered = |(offset, record): (u64, &Record)| Delivered {
        topic: of.topic.clone(),
        position: Position { partition: of.partition, offset },
        record: record.clone(),
    };
    // By index: stepping over what was read would cost more with every record kept.
    (log.base + skipped as u64..).zip(log.records.range(skipped..)).take(max).map(delivered).collect()
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

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    const TOPIC: &str = "t";

    async fn publish(bus: &MemoryBus) -> Result<Vec<Position>, Error> {
        let value = Bytes::from(vec![0; RECORD_BYTES_MAX - 16]);
        bus.publish(TOPIC, vec![Record { value, ..Record::default() }]).await
    }

    #[tokio::test]
    async fn a_partition_forgets_only_what_every_group_handled() {
        let bus = MemoryBus::default();
        bus.create_topic(TopicSpec { name: TOPIC.to_owned(), partitions: 1, retention: None }).await.unwrap();
        let mut consumer = bus.subscribe("g", &[TOPIC], Start::Earliest).await.unwrap();
        let room = PARTITION_BYTES_MAX / (RECORD_BYTES_MAX - 16);
        for _ in 0..room {
            publish(&bus).await.unwrap();
        }
        assert!(matches!(publish(&bus).await, Err(Error::Full)), "nothing is handled yet");
        let batch = consumer.poll(3, usize::MAX, Duration::ZERO).await.unwrap();
        assert_eq!(batch.records.len(), 3);
        let of = TopicPartition { topic: TOPIC.to_owned(), partition: 0 };
        consumer.commit(&[Progress { of: of.clone(), next_offset: 3 }]).await.unwrap();
        for offset in 0..3 {
            assert_eq!(publish(&bus).await.unwrap()[0].offset, room as u64 + offset);
        }
        assert!(matches!(publish(&bus).await, Err(Error::Full)));
        let oldest = bus.read(&of, 0, 1).await.unwrap();
        assert_eq!(oldest[0].position.offset, 3, "offsets stay what they were");
    }
}
