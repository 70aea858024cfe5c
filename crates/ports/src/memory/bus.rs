//! The event bus in vectors.

mod groups;
mod log;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::Notify;
use tokio::time::Instant;

use self::groups::Group;
use self::log::{Log, Topic};
use super::lock;
use crate::bus::{
    Batch, Consumer, Delivered, Error, EventBus, MEMBER_LEASE, PARTITIONS_MAX, Position, Progress, RECORD_BYTES_MAX,
    Record, Start, TopicPartition, TopicSpec, beyond, partition_of,
};

#[derive(Debug, Default)]
struct State {
    topics: BTreeMap<String, Topic>,
    groups: BTreeMap<String, Group>,
    members: u64,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    published: Notify,
}

/// The event bus of this process. Cloning gives another handle on the same bus. A partition keeps its newest 32 MiB, and
/// what a group has not handled.
#[derive(Clone, Debug, Default)]
pub struct MemoryBus(Arc<Shared>);

impl State {
    fn logs(&self, topic: &str) -> Result<&[Log], Error> {
        let found = self.topics.get(topic).map(|topic| topic.logs.as_slice());
        found.ok_or_else(|| Error::UnknownTopic { topic: topic.to_owned() })
    }

    fn log(&self, of: &TopicPartition) -> Option<&Log> {
        self.topics.get(&of.topic)?.logs.get(of.partition as usize)
    }

    /// Every partition of every topic.
    fn partitions(&self) -> Vec<TopicPartition> {
        let topics = self.topics.iter();
        topics.flat_map(|(topic, found)| of_topic(topic, found.logs.len())).collect()
    }

    /// Up to where every group that reads a partition has handled it; its end where nobody does.
    fn handled(&self, of: &TopicPartition) -> u64 {
        let end = self.log(of).map_or(0, Log::end);
        let groups = self.groups.values().filter(|group| group.reads(of));
        groups.map(|group| group.committed.get(of).copied().unwrap_or(0)).min().unwrap_or(end)
    }

    /// Adds a member to a group and gives its id.
    fn join(&mut self, group: &str, topics: BTreeSet<String>) -> u64 {
        self.members += 1;
        let (id, partitions) = (self.members, self.partitions());
        self.groups.entry(group.to_owned()).or_default().join(id, topics, &partitions);
        id
    }
}

fn of_topic(topic: &str, partitions: usize) -> impl Iterator<Item = TopicPartition> {
    (0..partitions as u32).map(move |partition| TopicPartition { topic: topic.to_owned(), partition })
}

#[async_trait]
impl EventBus for MemoryBus {
    async fn create_topic(&self, spec: TopicSpec) -> Result<(), Error> {
        if spec.partitions == 0 || spec.partitions > PARTITIONS_MAX {
            let reason = format!("{} is not from 1 to {PARTITIONS_MAX}", spec.partitions);
            return Err(Error::InvalidArgument { what: "partitions", reason });
        }
        let mut state = lock(&self.0.state);
        let topic = state.topics.entry(spec.name.clone()).or_default();
        if topic.logs.is_empty() {
            topic.logs = vec![Log::default(); spec.partitions as usize];
        }
        let existing = topic.logs.len() as u32;
        if existing != spec.partitions {
            return Err(Error::PartitionsDiffer { topic: spec.name, existing, asked: spec.partitions });
        }
        topic.retention = spec.retention;
        Ok(())
    }

    async fn publish(&self, topic: &str, records: Vec<Record>) -> Result<Vec<Position>, Error> {
        if let Some(bytes) = records.iter().map(Record::bytes).find(|bytes| *bytes > RECORD_BYTES_MAX) {
            return Err(Error::TooLarge { topic: topic.to_owned(), bytes });
        }
        let mut state = lock(&self.0.state);
        let count = state.logs(topic)?.len() as u32;
        let partition = |record: &Record| record.key.as_ref().map_or(0, |key| partition_of(key, count));
        let mut wanted: BTreeMap<u32, usize> = BTreeMap::new();
        for record in &records {
            *wanted.entry(partition(record)).or_default() += record.bytes();
        }
        for (partition, bytes) in wanted {
            let handled = state.handled(&TopicPartition { topic: topic.to_owned(), partition });
            let log = state.topics.get_mut(topic).and_then(|topic| topic.logs.get_mut(partition as usize));
            // All or nothing: room is made for every partition before anything is written.
            if !log.is_some_and(|log| log.make_room(bytes, handled)) {
                return Err(Error::Full);
            }
        }
        let Some(Topic { logs, .. }) = state.topics.get_mut(topic) else {
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
        let mut starts = BTreeMap::new();
        for topic in topics {
            let logs = state.logs(topic)?;
            let ends = of_topic(topic, logs.len()).zip(logs.iter().map(Log::end));
            starts.extend(ends.filter(|_| start == Start::Latest));
        }
        let topics: BTreeSet<String> = topics.iter().map(|topic| (*topic).to_owned()).collect();
        let id = state.join(group, topics.clone());
        self.0.published.notify_waiters();
        Ok(Box::new(Member {
            bus: self.clone(),
            group: group.to_owned(),
            id,
            topics,
            starts,
            held: BTreeMap::new(),
            paused: BTreeSet::new(),
        }))
    }

    async fn end_offsets(&self, topic: &str) -> Result<Vec<Progress>, Error> {
        let state = lock(&self.0.state);
        let logs = state.logs(topic)?;
        let ends = of_topic(topic, logs.len()).zip(logs.iter().map(Log::end));
        Ok(ends.map(|(of, next_offset)| Progress { of, next_offset }).collect())
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
        let log = state.logs(&of.topic)?.get(of.partition as usize).ok_or_else(|| {
            let reason = format!("{}/{} does not exist", of.topic, of.partition);
            Error::InvalidArgument { what: "partition", reason }
        })?;
        Ok(log.slice(of, from_offset, max).collect())
    }

    async fn prune(&self) -> Result<u64, Error> {
        let mut state = lock(&self.0.state);
        let mut removed = 0;
        for Topic { retention, logs } in state.topics.values_mut() {
            if let Some(retention) = *retention {
                removed += logs.iter_mut().map(|log| log.prune(retention)).sum::<u64>();
            }
        }
        Ok(removed)
    }
}

/// A partition that is a member's, as of its last poll.
struct Held {
    generation: u64,
    next: u64,
}

struct Member {
    bus: MemoryBus,
    group: String,
    id: u64,
    topics: BTreeSet<String>,
    /// Where to begin on a partition without a commit; absent where that is its beginning.
    starts: BTreeMap<TopicPartition, u64>,
    held: BTreeMap<TopicPartition, Held>,
    paused: BTreeSet<TopicPartition>,
}

impl Member {
    fn take(&mut self, max_records: usize, max_bytes: usize) -> Batch {
        let bus = self.bus.clone();
        let mut state = lock(&bus.0.state);
        let partitions = state.partitions();
        if !state.groups.entry(self.group.clone()).or_default().renew(self.id, &partitions) {
            // It comes back as a new member: what was its own may have been another's meanwhile.
            self.id = state.join(&self.group, self.topics.clone());
        }
        let mut batch = self.adopt(&state);
        let mut bytes = 0;
        for (of, Held { next, .. }) in self.held.iter_mut().filter(|(of, _)| !self.paused.contains(of)) {
            let Some(log) = state.log(of) else { continue };
            for delivered in log.slice(of, *next, max_records.saturating_sub(batch.records.len())) {
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

    /// Takes over what is this member's now, and gives up what is not.
    fn adopt(&mut self, state: &State) -> Batch {
        let Some(group) = state.groups.get(&self.group) else { return Batch::default() };
        let owned = group.owned(self.id);
        let mut batch = Batch::default();
        let is_same = |(of, held): &(&TopicPartition, &Held)| owned.get(*of) == Some(&held.generation);
        batch.revoked = self.held.iter().filter(|held| !is_same(held)).map(|(of, _)| of.clone()).collect();
        for of in &batch.revoked {
            self.held.remove(of);
            self.paused.remove(of);
        }
        for (of, generation) in owned {
            if !self.held.contains_key(&of) {
                let begin = group.committed.get(&of).or_else(|| self.starts.get(&of)).copied();
                self.held.insert(of.clone(), Held { generation, next: begin.unwrap_or(0) });
                batch.assigned.push(of);
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
        let mut state = lock(&self.bus.0.state);
        let group = state.groups.entry(self.group.clone()).or_default();
        let owned = if group.lives(self.id) { group.owned(self.id) } else { BTreeMap::new() };
        let is_lost = |progress: &&Progress| {
            let held = self.held.get(&progress.of).map(|held| held.generation);
            held.is_none() || owned.get(&progress.of).copied() != held
        };
        if let Some(lost) = progress.iter().find(is_lost) {
            return Err(self.fenced(&lost.of));
        }
        group.committed.extend(progress.iter().map(|progress| (progress.of.clone(), progress.next_offset)));
        Ok(())
    }

    async fn seek(&mut self, to: &Progress) -> Result<(), Error> {
        let Some(held) = self.held.get_mut(&to.of) else { return Err(self.fenced(&to.of)) };
        let end = lock(&self.bus.0.state).log(&to.of).map_or(0, Log::end);
        if to.next_offset > end {
            return Err(beyond(to, end));
        }
        held.next = to.next_offset;
        Ok(())
    }

    fn pause(&mut self, partitions: &[TopicPartition]) {
        self.paused.extend(partitions.iter().cloned());
    }

    fn resume(&mut self, partitions: &[TopicPartition]) {
        self.paused.retain(|of| !partitions.contains(of));
    }

    fn assignment(&self) -> Vec<TopicPartition> {
        self.held.keys().cloned().collect()
    }

    async fn close(self: Box<Self>) -> Result<(), Error> {
        let mut state = lock(&self.bus.0.state);
        let partitions = state.partitions();
        if let Some(group) = state.groups.get_mut(&self.group) {
            group.leave(self.id, &partitions);
        }
        self.bus.0.published.notify_waiters();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::log::PARTITION_BYTES_MAX;
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
