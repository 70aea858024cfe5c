//! Reading without a group, and what else one asks a cluster.
//!
//! One client reads for everybody: a partition that was read once stays assigned to it, with a queue of its own, so that
//! who reads on finds the next records there. Another asks: a broker answers a connection's requests in order, and a
//! question would wait behind the reader's, which the broker holds until there is news.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use llm_sre_ports::bus::{Delivered, Error, Progress, TopicPartition};
use rdkafka::TopicPartitionList;
use rdkafka::consumer::base_consumer::PartitionQueue;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::Message;
use rdkafka::topic_partition_list::Offset;

use crate::client::{Context, MESSAGE_BYTES_MAX, config, lock};
use crate::options::Options;
use crate::record;

/// The most partitions that stay assigned; past it, all are given up and begun anew.
const LANES_MAX: usize = 256;
/// The most that one read gives, though always one record where there is one.
const READ_BYTES_MAX: usize = 2 * 1024 * 1024;
/// How long a broker holds a request of the reader where there is no news. A partition that is read for the first time
/// waits for that, too.
const FETCH_WAIT_MAX_MS: &str = "50";
/// What a partition reads ahead.
const AHEAD_KBYTES: &str = "2048";
/// One wait for the next record, between two looks at the deadline.
const WAIT: Duration = Duration::from_millis(100);
/// How long after the last record a read waits for those that are there by the offsets, and perhaps are no records but
/// the marks of somebody's transactions.
const QUIET_FOR: Duration = Duration::from_millis(500);
/// Between two tries to move a partition that has not begun to be read, or to ask what has no answer yet.
const RETRY_EVERY: Duration = Duration::from_millis(5);
/// The most groups whose progress is asked for through clients that are kept.
const GROUPS_MAX: usize = 16;

/// The settings of every consumer.
pub(crate) fn consumer_config(options: &Options, group: &str, ahead_kbytes: &str) -> rdkafka::ClientConfig {
    let mut config = config(options);
    config
        .set("group.id", group)
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        .set("auto.offset.reset", "earliest")
        // The default of a second halves the throughput of who polls as fast as it can.
        .set("fetch.queue.backoff.ms", "10")
        .set("queued.max.messages.kbytes", ahead_kbytes)
        .set("fetch.message.max.bytes", (1024 * 1024).to_string())
        .set("fetch.max.bytes", (2 * MESSAGE_BYTES_MAX).to_string())
        .set("receive.message.max.bytes", (4 * MESSAGE_BYTES_MAX).to_string());
    config
}

/// What is to be read: from an offset, inclusive, to one, exclusive, and at most so many records.
struct Range {
    from: i64,
    end: i64,
    max: usize,
}

impl Lane {
    /// Takes the records that have arrived, without a wait. None where it is not known whether there are any.
    fn take_arrived(&mut self, name: &str, max: usize) -> Vec<Delivered> {
        let mut found = Vec::new();
        let mut bytes = 0;
        while found.len() < max && bytes < READ_BYTES_MAX {
            match self.queue.poll(Duration::ZERO) {
                Some(Ok(message)) if message.offset() < self.next => {}
                Some(Ok(message)) => {
                    self.next = message.offset() + 1;
                    let delivered = record::delivered(name, &message);
                    bytes += delivered.record.bytes();
                    found.push(delivered);
                }
                // Whoever waits for records meets the error, too.
                Some(Err(error)) => {
                    tracing::trace!(%error, "a partition has no more records at hand");
                    break;
                }
                None => break,
            }
        }
        found
    }

    /// Takes records until it has them all. Nothing where the partition said that it is at its end.
    fn take(&mut self, name: &str, range: &Range, answer_within: Duration) -> Result<Vec<Delivered>, KafkaError> {
        let mut found = Vec::new();
        let mut bytes = 0;
        let mut last = Instant::now();
        let deadline = last + answer_within;
        while found.len() < range.max && self.next < range.end && bytes < READ_BYTES_MAX {
            match self.queue.poll(WAIT) {
                Some(Ok(message)) if message.offset() < range.from => {}
                Some(Ok(message)) => {
                    self.next = message.offset() + 1;
                    let delivered = record::delivered(name, &message);
                    bytes += delivered.record.bytes();
                    found.push(delivered);
                    last = Instant::now();
                }
                Some(Err(KafkaError::PartitionEOF(_))) if found.is_empty() => break,
                Some(Err(KafkaError::PartitionEOF(_))) => {}
                Some(Err(error)) => return Err(error),
                None if !found.is_empty() && last.elapsed() > QUIET_FOR => break,
                None if Instant::now() >= deadline => {
                    return Err(KafkaError::MessageConsumption(RDKafkaErrorCode::OperationTimedOut));
                }
                None => {}
            }
        }
        Ok(found)
    }
}

/// See the module.
pub(crate) struct Reader {
    /// Asks, and reads nothing.
    pub(crate) asker: Arc<BaseConsumer<Context>>,
    client: Arc<BaseConsumer<Context>>,
    options: Options,
    lanes: Mutex<BTreeMap<(String, i32), Lane>>,
    groups: Mutex<BTreeMap<String, Arc<BaseConsumer<Context>>>>,
}

/// A partition that was read.
struct Lane {
    queue: PartitionQueue<Context>,
    next: i64,
}

impl Reader {
    /// Prepares it; nothing is asked yet.
    pub(crate) fn new(options: &Options, context: &Context) -> Result<Self, KafkaError> {
        let group = format!("{}llm-sre-reader", options.prefix);
        let mut config = consumer_config(options, &group, AHEAD_KBYTES);
        config.set("fetch.wait.max.ms", FETCH_WAIT_MAX_MS).set("enable.partition.eof", "true");
        let client = Arc::new(config.create_with_context(context.clone())?);
        let asker = Arc::new(config.create_with_context(context.clone())?);
        Ok(Self { asker, client, options: options.clone(), lanes: Mutex::default(), groups: Mutex::default() })
    }

    /// At most `max` records from an offset on. `topic` is the full name. Blocks.
    pub(crate) fn read(
        &self,
        of: &TopicPartition,
        topic: &str,
        from_offset: u64,
        max: usize,
    ) -> Result<Vec<Delivered>, Error> {
        let partition = i32::try_from(of.partition).unwrap_or(i32::MAX);
        let failed = |error: &KafkaError| self.client.context().0.failed(&format!("read {topic}/{partition}"), error);
        let key = (topic.to_owned(), partition);
        // Whoever reads on finds the next records here, and nobody needs to be asked where the partition ends.
        if let Some(lane) = lock(&self.lanes).get_mut(&key).filter(|lane| u64::try_from(lane.next) == Ok(from_offset)) {
            let arrived = lane.take_arrived(&of.topic, max);
            if !arrived.is_empty() {
                return Ok(arrived);
            }
        }
        let (low, end) = self.bounds(topic, partition)?;
        let from = i64::try_from(from_offset).unwrap_or(i64::MAX).max(low);
        if from >= end || max == 0 {
            return Ok(Vec::new());
        }
        // Serves the client's events; records come through the lanes.
        if let Some(Err(error)) = self.client.poll(Duration::ZERO) {
            tracing::debug!(%error, "the reader met an error");
        }
        let mut lanes = lock(&self.lanes);
        let range = Range { from, end, max };
        for _ in 0..2 {
            let lane = self.lane(&mut lanes, topic, partition, from).map_err(|error| failed(&error))?;
            match lane.take(&of.topic, &range, self.options.answer_within) {
                Ok(found) if !found.is_empty() => {
                    self.client.context().0.are_over();
                    return Ok(found);
                }
                // The end may be that of before the newest records: it counts where it comes again after a new start.
                Ok(_nothing) => drop(lanes.remove(&key)),
                Err(error) => {
                    lanes.remove(&key);
                    return Err(failed(&error));
                }
            }
        }
        // Removed meanwhile, or no records but the marks of somebody's transactions.
        Ok(Vec::new())
    }

    /// The oldest offset and the one after the newest. Blocks.
    fn bounds(&self, topic: &str, partition: i32) -> Result<(i64, i64), Error> {
        self.asked(|within| self.asker.fetch_watermarks(topic, partition, within))
            .map_err(|error| self.client.context().0.failed(&format!("find the end of {topic}/{partition}"), &error))
    }

    /// The offset after the newest record. Blocks.
    pub(crate) fn end(&self, topic: &str, partition: i32) -> Result<u64, Error> {
        let (_, end) = self.bounds(topic, partition)?;
        Ok(u64::try_from(end).unwrap_or_default())
    }

    /// Asks until there is an answer: a partition that was just made, or that moves, has no leader for a moment.
    fn asked<T>(&self, ask: impl Fn(Duration) -> Result<T, KafkaError>) -> Result<T, KafkaError> {
        let deadline = Instant::now() + self.options.answer_within;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match ask(left.max(RETRY_EVERY)) {
                Err(error) if is_passing(&error) && !left.is_zero() => std::thread::sleep(RETRY_EVERY),
                answer => return answer,
            }
        }
    }

    /// The lane of a partition, moved to an offset.
    fn lane<'a>(
        &self,
        lanes: &'a mut BTreeMap<(String, i32), Lane>,
        topic: &str,
        partition: i32,
        from: i64,
    ) -> Result<&'a mut Lane, KafkaError> {
        let key = (topic.to_owned(), partition);
        if lanes.len() >= LANES_MAX && !lanes.contains_key(&key) {
            self.client.unassign()?;
            lanes.clear();
        }
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(topic, partition, Offset::Offset(from))?;
        match lanes.entry(key) {
            std::collections::btree_map::Entry::Vacant(vacant) => {
                // Before the assignment, so that no record goes to the queue that all share.
                let queue = self.client.split_partition_queue(topic, partition);
                let queue = queue.ok_or(KafkaError::MessageConsumption(RDKafkaErrorCode::UnknownPartition))?;
                // What is left of a lane that failed.
                if let Err(error) = self.client.incremental_unassign(&list) {
                    tracing::trace!(%error, "nothing to unassign");
                }
                self.client.incremental_assign(&list)?;
                Ok(vacant.insert(Lane { queue, next: from }))
            }
            std::collections::btree_map::Entry::Occupied(occupied) => {
                let lane = occupied.into_mut();
                if lane.next != from {
                    seek(&self.client, topic, partition, from, self.options.answer_within)?;
                    lane.next = from;
                }
                Ok(lane)
            }
        }
    }

    /// The offset after the newest record of each partition. `name` is the topic's name for us. Blocks.
    pub(crate) fn ends(&self, name: &str, topic: &str, partitions: u32) -> Result<Vec<Progress>, Error> {
        let failed = |error: &KafkaError| self.client.context().0.failed(&format!("find the end of '{topic}'"), error);
        let mut list = TopicPartitionList::new();
        for partition in 0..i32::try_from(partitions).unwrap_or_default() {
            list.add_partition_offset(topic, partition, Offset::End).map_err(|error| failed(&error))?;
        }
        let ask = |within| progress(name, &self.asker.offsets_for_times(list.clone(), within)?);
        let mut ends = self.asked(ask).map_err(|error| failed(&error))?;
        self.client.context().0.are_over();
        ends.sort_unstable_by_key(|end| end.of.partition);
        Ok(ends)
    }

    /// What a group, by its full name, committed. Blocks.
    pub(crate) fn committed(
        &self,
        group: &str,
        name: &str,
        topic: &str,
        partitions: u32,
    ) -> Result<Vec<Progress>, Error> {
        let operation = format!("find what group '{group}' committed");
        let failed = |error: &KafkaError| self.client.context().0.failed(&operation, error);
        let mut list = TopicPartitionList::new();
        list.add_partition_range(topic, 0, i32::try_from(partitions).unwrap_or_default().saturating_sub(1));
        let client = self.of_group(group).map_err(|error| failed(&error))?;
        let ask = |within| progress(name, &client.committed_offsets(list.clone(), within)?);
        let mut committed = self.asked(ask).map_err(|error| failed(&error))?;
        committed.sort_unstable_by_key(|progress| progress.of.partition);
        Ok(committed)
    }

    /// A client that asks for a group and is no member of it.
    fn of_group(&self, group: &str) -> Result<Arc<BaseConsumer<Context>>, KafkaError> {
        let mut groups = lock(&self.groups);
        if let Some(client) = groups.get(group) {
            return Ok(Arc::clone(client));
        }
        if groups.len() >= GROUPS_MAX {
            groups.pop_first();
        }
        let config = consumer_config(&self.options, group, AHEAD_KBYTES);
        let client: Arc<BaseConsumer<Context>> =
            Arc::new(config.create_with_context(self.client.context().as_ref().clone())?);
        groups.insert(group.to_owned(), Arc::clone(&client));
        Ok(client)
    }
}

/// Whether the next try may have an answer.
fn is_passing(error: &KafkaError) -> bool {
    use RDKafkaErrorCode as Code;
    let passing = [
        Code::NotLeaderForPartition,
        Code::LeaderNotAvailable,
        // What is known of a partition is older than its leader, or the leader is not so far yet.
        Code::FencedLeaderEpoch,
        Code::UnknownLeaderEpoch,
        Code::OffsetNotAvailable,
        Code::UnknownTopicOrPartition,
        Code::ReplicaNotAvailable,
        Code::CoordinatorLoadInProgress,
        Code::CoordinatorNotAvailable,
        Code::NotCoordinator,
    ];
    error.rdkafka_error_code().is_some_and(|code| passing.contains(&code))
}

/// The rows that have an offset.
fn progress(name: &str, list: &TopicPartitionList) -> Result<Vec<Progress>, KafkaError> {
    let mut rows = Vec::with_capacity(list.count());
    for element in list.elements() {
        element.error()?;
        if let (Ok(partition), Offset::Offset(offset)) = (u32::try_from(element.partition()), element.offset()) {
            let of = TopicPartition { topic: name.to_owned(), partition };
            rows.push(Progress { of, next_offset: u64::try_from(offset).unwrap_or_default() });
        }
    }
    Ok(rows)
}

/// Moves a partition. One that was assigned a moment ago may not have begun to be read, and then cannot be moved yet.
pub(crate) fn seek<C: ConsumerContext>(
    client: &BaseConsumer<C>,
    topic: &str,
    partition: i32,
    to: i64,
    answer_within: Duration,
) -> Result<(), KafkaError> {
    let deadline = Instant::now() + answer_within;
    loop {
        match client.seek(topic, partition, Offset::Offset(to), answer_within) {
            Ok(()) => return Ok(()),
            Err(error) if Instant::now() >= deadline => return Err(error),
            Err(_not_yet) => std::thread::sleep(RETRY_EVERY),
        }
    }
}
