//! A member of a group.

mod owned;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use llm_sre_ports::bus::{Batch, Consumer, Error, Progress, TopicPartition};
use rdkafka::TopicPartitionList;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Message};

use crate::client::{blocking, lock};
use crate::options::Options;
use crate::reader::{Reader, consumer_config, seek};
use crate::rebalance::{Change, MemberContext};
use crate::record;

/// What a member reads ahead, over all its partitions.
const AHEAD_KBYTES: &str = "16384";
/// One wait within a poll, after which it looks whether anybody still waits for it.
const WAIT: Duration = Duration::from_millis(100);
/// Heartbeats in a session, as Kafka recommends.
const HEARTBEATS: u32 = 3;

/// What the port's consumer is made of. The core is also held by calls that run on blocking threads.
pub(crate) struct Member {
    core: Option<Arc<Core>>,
    /// As of the last poll that was waited for.
    held: BTreeSet<TopicPartition>,
    paused: BTreeSet<TopicPartition>,
}

struct Core {
    client: BaseConsumer<MemberContext>,
    group: String,
    options: Options,
    /// Answers what would wait behind the member's own reading.
    reader: Arc<Reader>,
    state: Mutex<State>,
}

struct State {
    held: BTreeSet<TopicPartition>,
    /// What librdkafka was told to pause.
    paused: BTreeSet<TopicPartition>,
    /// What a poll brought that nobody has taken yet; where its caller has gone, the next poll gives it.
    batch: Batch,
    /// Since when the member is silent.
    polled: Instant,
}

impl Member {
    /// Joins a group. Topics by the names that they have for us. Blocks.
    pub(crate) fn join(
        options: &Options,
        reader: &Arc<Reader>,
        group: &str,
        topics: &[String],
        starts: BTreeMap<TopicPartition, u64>,
    ) -> Result<Self, Error> {
        let lease_ms = options.member_lease.as_millis();
        let mut config = consumer_config(options, &format!("{}{group}", options.prefix), AHEAD_KBYTES);
        config
            .set("partition.assignment.strategy", "cooperative-sticky")
            // A process that is gone, and one that hangs, are missed after the same time.
            .set("session.timeout.ms", lease_ms.to_string())
            .set("max.poll.interval.ms", lease_ms.to_string())
            .set("heartbeat.interval.ms", (lease_ms / u128::from(HEARTBEATS)).to_string());
        let shared = reader.asker.context();
        let context = MemberContext {
            shared: shared.as_ref().clone(),
            prefix: options.prefix.clone(),
            starts,
            answer_within: options.answer_within,
            changes: Mutex::default(),
            is_leaving: AtomicBool::new(false),
        };
        let failed = |error: &KafkaError| shared.0.failed(&format!("join group '{group}'"), error);
        let client: BaseConsumer<MemberContext> =
            config.create_with_context(context).map_err(|error| failed(&error))?;
        let names: Vec<String> = topics.iter().map(|topic| format!("{}{topic}", options.prefix)).collect();
        client.subscribe(&names.iter().map(String::as_str).collect::<Vec<_>>()).map_err(|error| failed(&error))?;
        let state = Mutex::new(State {
            held: BTreeSet::new(),
            paused: BTreeSet::new(),
            batch: Batch::default(),
            polled: Instant::now(),
        });
        let (group, options, reader) = (group.to_owned(), options.clone(), Arc::clone(reader));
        let core = Core { client, group, options, reader, state };
        Ok(Self { core: Some(Arc::new(core)), held: BTreeSet::new(), paused: BTreeSet::new() })
    }

    fn core(&self) -> Result<Arc<Core>, Error> {
        self.core.clone().ok_or_else(|| Error::Unavailable("the member has left its group".to_owned()))
    }
}

impl Drop for Core {
    fn drop(&mut self) {
        // The client leaves its group when it is dropped, right after this.
        self.client.context().is_leaving.store(true, Ordering::Relaxed);
    }
}

/// How much a poll brings at most, and how long it waits.
struct Limits {
    records: usize,
    bytes: usize,
    deadline: Instant,
}

impl Core {
    fn fenced(&self, of: &TopicPartition) -> Error {
        Error::Fenced { group: self.group.clone(), topic: of.topic.clone(), partition: of.partition }
    }

    fn failed(&self, operation: &str, error: &KafkaError) -> Error {
        let operation = format!("{operation} as a member of group '{}'", self.group);
        self.client.context().shared.0.failed(&operation, error)
    }

    fn list(&self, partitions: impl IntoIterator<Item = TopicPartition>) -> TopicPartitionList {
        let mut list = TopicPartitionList::new();
        for TopicPartition { topic, partition } in partitions {
            list.add_partition(&self.topic(&topic), i32::try_from(partition).unwrap_or(i32::MAX));
        }
        list
    }

    fn topic(&self, name: &str) -> String {
        format!("{}{name}", self.options.prefix)
    }

    /// Fills the state's batch. Ends early when nobody waits for it any more.
    fn poll(&self, limits: &Limits, paused: &BTreeSet<TopicPartition>, is_unwanted: &AtomicBool) -> Result<(), Error> {
        let mut state = lock(&self.state);
        let result = self.poll_into(&mut state, limits, paused, is_unwanted);
        state.polled = Instant::now();
        result
    }

    fn poll_into(
        &self,
        state: &mut State,
        limits: &Limits,
        paused: &BTreeSet<TopicPartition>,
        is_unwanted: &AtomicBool,
    ) -> Result<(), Error> {
        self.go_back(state)?;
        self.apply_pauses(state, paused)?;
        let mut bytes = 0;
        loop {
            let is_first = state.batch == Batch::default();
            let wait = if is_first {
                limits.deadline.saturating_duration_since(Instant::now()).min(WAIT)
            } else {
                Duration::ZERO
            };
            let polled = self.client.poll(wait);
            let is_nothing = polled.is_none();
            let mut failure = None;
            match polled {
                Some(Ok(message)) => bytes += self.take(state, &message),
                Some(Err(error)) => failure = self.judge(&error),
                None => {}
            }
            let is_changed = self.adopt(state)?;
            if let Some(failure) = failure {
                // What was read before it is not lost, and the failure will come again.
                return if state.batch == Batch::default() { Err(failure) } else { Ok(()) };
            }
            let is_full = state.batch.records.len() >= limits.records || bytes >= limits.bytes;
            if is_full && !state.batch.records.is_empty() {
                return Ok(());
            }
            if is_nothing && !is_changed && (!is_first || Instant::now() >= limits.deadline) {
                return Ok(());
            }
            if is_unwanted.load(Ordering::Relaxed) {
                return Ok(());
            }
        }
    }

    /// Adds a record, and gives its size.
    fn take(&self, state: &mut State, message: &BorrowedMessage<'_>) -> usize {
        let delivered = record::delivered(self.client.context().name(message.topic()), message);
        let of = TopicPartition { topic: delivered.topic.clone(), partition: delivered.position.partition };
        if !state.held.contains(&of) {
            return 0;
        }
        let bytes = delivered.record.bytes();
        state.batch.records.push(delivered);
        bytes
    }

    /// Takes changes of partitions over. Whether there were any.
    fn adopt(&self, state: &mut State) -> Result<bool, Error> {
        let changes = self.client.context().take_changes();
        let is_changed = !changes.is_empty();
        for change in changes {
            match change {
                Change::Assigned(partitions) => {
                    // A pause of before may cling to one that comes back.
                    let again = self.list(partitions.iter().filter(|of| state.paused.remove(of)).cloned());
                    self.client.resume(&again).map_err(|error| self.failed("resume", &error))?;
                    state.held.extend(partitions.iter().cloned());
                    state.batch.assigned.extend(partitions);
                }
                Change::Revoked(partitions) => {
                    state.batch.records.retain(|delivered| {
                        let is_of = |of: &TopicPartition| {
                            of.partition == delivered.position.partition && of.topic == delivered.topic
                        };
                        !partitions.iter().any(is_of)
                    });
                    for of in partitions {
                        state.held.remove(&of);
                        // One that came and went between two polls was never the caller's.
                        let known = state.batch.assigned.len();
                        state.batch.assigned.retain(|assigned| *assigned != of);
                        if state.batch.assigned.len() == known {
                            state.batch.revoked.push(of);
                        }
                    }
                }
            }
        }
        Ok(is_changed)
    }

    /// What a poll took whose caller has gone is read again.
    fn go_back(&self, state: &mut State) -> Result<(), Error> {
        let mut first: BTreeMap<TopicPartition, u64> = BTreeMap::new();
        for delivered in state.batch.records.drain(..).rev() {
            let of = TopicPartition { topic: delivered.topic, partition: delivered.position.partition };
            first.insert(of, delivered.position.offset);
        }
        for (of, offset) in first {
            if state.held.contains(&of) {
                self.move_to(&of, offset)?;
            }
        }
        Ok(())
    }

    fn move_to(&self, of: &TopicPartition, offset: u64) -> Result<(), Error> {
        let partition = i32::try_from(of.partition).unwrap_or(i32::MAX);
        let offset = i64::try_from(offset).unwrap_or(i64::MAX);
        seek(&self.client, &self.topic(&of.topic), partition, offset, self.options.answer_within)
            .map_err(|error| self.failed("seek", &error))
    }

    fn apply_pauses(&self, state: &mut State, wanted: &BTreeSet<TopicPartition>) -> Result<(), Error> {
        let wanted: BTreeSet<TopicPartition> = wanted.intersection(&state.held).cloned().collect();
        let pause = self.list(wanted.difference(&state.paused).cloned());
        let resume = self.list(state.paused.difference(&wanted).filter(|of| state.held.contains(of)).cloned());
        if pause.count() > 0 {
            self.client.pause(&pause).map_err(|error| self.failed("pause", &error))?;
        }
        if resume.count() > 0 {
            self.client.resume(&resume).map_err(|error| self.failed("resume", &error))?;
        }
        // A pause clings to what went meanwhile, until it comes back.
        let gone = state.paused.iter().filter(|of| !state.held.contains(of)).cloned();
        state.paused = gone.chain(wanted).collect();
        Ok(())
    }

    /// Whether an error is the caller's business. What librdkafka mends by itself is not.
    fn judge(&self, error: &KafkaError) -> Option<Error> {
        use RDKafkaErrorCode as Code;
        match error.rdkafka_error_code() {
            // The partitions are revoked with the next event.
            Some(Code::PollExceeded) => {
                tracing::warn!(group = self.group, "a member was silent for too long and has lost its partitions");
                None
            }
            Some(
                Code::BrokerTransportFailure
                // Told each time that it begins anew with the brokers that it was given, dozens of times a second, and
                // kept until a poll comes for it.
                | Code::AllBrokersDown
                | Code::Resolve
                | Code::OperationTimedOut
                | Code::NotLeaderForPartition
                | Code::LeaderNotAvailable
                | Code::CoordinatorNotAvailable
                | Code::NotCoordinator,
            ) => {
                tracing::debug!(%error, group = self.group, "librdkafka tries again");
                None
            }
            _ => Some(self.failed("poll", error)),
        }
    }
}

/// Tells a blocking call that its caller has gone.
struct Unwanted(Arc<AtomicBool>);

impl Drop for Unwanted {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[async_trait]
impl Consumer for Member {
    async fn poll(&mut self, max_records: usize, max_bytes: usize, wait: Duration) -> Result<Batch, Error> {
        let core = self.core()?;
        let limits = Limits { records: max_records.max(1), bytes: max_bytes, deadline: Instant::now() + wait };
        let paused = self.paused.clone();
        let unwanted = Unwanted(Arc::default());
        let is_unwanted = Arc::clone(&unwanted.0);
        let polling = Arc::clone(&core);
        blocking(move || polling.poll(&limits, &paused, &is_unwanted)).await?;
        // From here on nothing waits, so that what the poll brought is either taken or left for the next.
        let mut state = lock(&core.state);
        self.held.clone_from(&state.held);
        let batch = std::mem::take(&mut state.batch);
        self.paused.retain(|of| self.held.contains(of) && !batch.assigned.contains(of));
        Ok(batch)
    }

    async fn commit(&mut self, progress: &[Progress]) -> Result<(), Error> {
        let core = self.core()?;
        if progress.is_empty() {
            return Ok(());
        }
        let progress = progress.to_vec();
        blocking(move || core.commit(&progress)).await
    }

    async fn seek(&mut self, to: &Progress) -> Result<(), Error> {
        let (core, to) = (self.core()?, to.clone());
        blocking(move || core.seek(&to)).await
    }

    fn pause(&mut self, partitions: &[TopicPartition]) {
        self.paused.extend(partitions.iter().cloned());
    }

    fn resume(&mut self, partitions: &[TopicPartition]) {
        self.paused.retain(|of| !partitions.contains(of));
    }

    fn assignment(&self) -> Vec<TopicPartition> {
        self.held.iter().cloned().collect()
    }

    async fn close(mut self: Box<Self>) -> Result<(), Error> {
        let core = self.core.take();
        blocking(move || {
            drop(core);
            Ok(())
        })
        .await
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        // Leaving asks the broker and waits for the answer, which must not happen on an async thread.
        if let Some(core) = self.core.take() {
            let leaving = std::thread::Builder::new().name("kafka-leave".to_owned()).spawn(move || drop(core));
            if let Err(error) = leaving {
                tracing::warn!(%error, "failed to leave a group beside the runtime");
            }
        }
    }
}
