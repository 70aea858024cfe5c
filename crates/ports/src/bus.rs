//! Topics with partitions, keys, headers, offsets and consumer groups.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use llm_sre_domain::Timestamp;

/// The largest record in bytes: key, headers and value together.
pub const RECORD_BYTES_MAX: usize = 4 * 1024 * 1024;
/// The most partitions of a topic.
pub const PARTITIONS_MAX: u32 = 1_024;
/// How long a member of a group may be silent, in real time, until its partitions go to others.
pub const MEMBER_LEASE: Duration = Duration::from_secs(10);

/// What can go wrong with the event bus.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The topic was never created.
    #[error("topic '{topic}' does not exist")]
    UnknownTopic {
        /// The topic.
        topic: String,
    },
    /// The topic exists with another number of partitions.
    #[error("topic '{topic}' has {existing} partitions, not {asked}")]
    PartitionsDiffer {
        /// The topic.
        topic: String,
        /// What it has.
        existing: u32,
        /// What was asked for.
        asked: u32,
    },
    /// A record over [`RECORD_BYTES_MAX`].
    #[error("a record for '{topic}' has {bytes} bytes, more than {RECORD_BYTES_MAX}")]
    TooLarge {
        /// The topic.
        topic: String,
        /// Its size.
        bytes: usize,
    },
    /// An argument out of its range.
    #[error("{what} is invalid: {reason}")]
    InvalidArgument {
        /// Which argument.
        what: &'static str,
        /// What is wrong.
        reason: String,
    },
    /// The member was taken for dead or the partition went to another: nothing was committed.
    #[error("member of group '{group}' no longer owns {topic}/{partition}")]
    Fenced {
        /// The group.
        group: String,
        /// The topic.
        topic: String,
        /// The partition.
        partition: u32,
    },
    /// There is no room left. Nothing was published.
    #[error("the event bus is full")]
    Full,
    /// The bus does not answer; the same call may succeed later.
    #[error("the event bus is not available: {0}")]
    Unavailable(String),
}

/// A topic to create.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicSpec {
    /// Its name.
    pub name: String,
    /// How many partitions, from 1 to [`PARTITIONS_MAX`].
    pub partitions: u32,
    /// How long records are kept, in real time since they were published; `None` keeps them.
    pub retention: Option<Duration>,
}

/// A record to publish.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record {
    /// Records with the same key keep their order and meet one consumer. `None` goes to any partition.
    pub key: Option<Bytes>,
    /// Names and values beside the value, in order; a name may come twice.
    pub headers: Vec<(String, Bytes)>,
    /// The record itself.
    pub value: Bytes,
    /// When what it speaks of happened; the bus keeps it and does not look at it.
    pub timestamp: Timestamp,
}

impl Record {
    /// What counts against [`RECORD_BYTES_MAX`].
    pub fn bytes(&self) -> usize {
        let headers: usize = self.headers.iter().map(|(name, value)| name.len() + value.len()).sum();
        self.key.as_ref().map_or(0, Bytes::len) + headers + self.value.len()
    }

    /// The first header of this name, if it is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        let value = self.headers.iter().find(|(found, _)| found == name).map(|(_, value)| value)?;
        std::str::from_utf8(value).ok()
    }
}

/// Where a record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// The partition.
    pub partition: u32,
    /// The offset within it. Offsets grow, and may have gaps.
    pub offset: u64,
}

/// A record as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivered {
    /// The topic.
    pub topic: String,
    /// Where it is in the topic.
    pub position: Position,
    /// The record.
    pub record: Record,
}

/// A partition of a topic.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicPartition {
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: u32,
}

/// How far a group has come: the offset that it reads next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// The partition.
    pub of: TopicPartition,
    /// The offset to read next.
    pub next_offset: u64,
}

/// Where a group begins on a partition that it never committed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// At the oldest record kept.
    Earliest,
    /// After the newest record.
    Latest,
}

/// What a poll brought.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    /// Records, in order within each partition.
    pub records: Vec<Delivered>,
    /// Partitions that are this member's from now on. Reading begins at what the group committed. One that was
    /// another's between two polls is both revoked and assigned.
    pub assigned: Vec<TopicPartition>,
    /// Partitions that are no longer this member's. What was not committed will be read by another.
    pub revoked: Vec<TopicPartition>,
}

/// The event bus.
#[async_trait]
pub trait EventBus: Send + Sync {
    /// Creates a topic; the same again changes nothing, and another retention replaces the one before.
    ///
    /// # Errors
    /// [`Error::PartitionsDiffer`] where it exists with another number of partitions.
    async fn create_topic(&self, spec: TopicSpec) -> Result<(), Error>;

    /// Appends records and gives their positions in order. Durable when it returns. A refusal leaves none of them. After
    /// another error all, some or none may be there: publishing again can double them. A reader may meet some before
    /// the others are there.
    async fn publish(&self, topic: &str, records: Vec<Record>) -> Result<Vec<Position>, Error>;

    /// Joins a group. Each partition of the topics meets one member of the group at a time: who had it before finds out
    /// with the next poll, and can no longer commit it. A partition may be handed over only with that poll, or when its
    /// owner's lease ends.
    async fn subscribe(&self, group: &str, topics: &[&str], start: Start) -> Result<Box<dyn Consumer>, Error>;

    /// The offsets after the newest record, a row a partition.
    async fn end_offsets(&self, topic: &str) -> Result<Vec<Progress>, Error>;

    /// What a group committed, a row a partition that it ever committed.
    async fn committed(&self, group: &str, topic: &str) -> Result<Vec<Progress>, Error>;

    /// Reads without a group: at most `max` records from an offset on, and where there are some, at least one. As many
    /// as are at hand will do, and no more than a few megabytes are held for one answer.
    ///
    /// # Errors
    /// [`Error::UnknownTopic`], and [`Error::InvalidArgument`] for a partition that the topic does not have.
    async fn read(&self, of: &TopicPartition, from_offset: u64, max: usize) -> Result<Vec<Delivered>, Error>;

    /// Removes what is older than its topic's retention, unless the bus does so by itself. Gives how many records this
    /// call removed.
    async fn prune(&self) -> Result<u64, Error>;
}

/// A member of a group. Dropping it without [`Consumer::close`] is like a kill: its partitions move when its lease ends,
/// if not before.
#[async_trait]
pub trait Consumer: Send {
    /// Waits at most `wait` for records, at most `max_records` and about `max_bytes` of them, though always one where
    /// there is one. Where records come from other machines, a poll without a wait gives those that have arrived. Also renews the membership, so a member polls more often than [`MEMBER_LEASE`].
    async fn poll(&mut self, max_records: usize, max_bytes: usize, wait: Duration) -> Result<Batch, Error>;

    /// Says that everything before these offsets has had its effect. Durable when it returns.
    ///
    /// # Errors
    /// [`Error::Fenced`] where a partition is no longer this member's; then nothing is committed.
    async fn commit(&mut self, progress: &[Progress]) -> Result<(), Error>;

    /// Reads a partition of this member from this offset on, without committing.
    ///
    /// # Errors
    /// [`Error::Fenced`] where it is not this member's, [`Error::InvalidArgument`] where the offset is after its end.
    async fn seek(&mut self, to: &Progress) -> Result<(), Error>;

    /// Stops reading these partitions until [`Consumer::resume`]; they stay this member's.
    fn pause(&mut self, partitions: &[TopicPartition]);

    /// Reads these partitions again.
    fn resume(&mut self, partitions: &[TopicPartition]);

    /// What is this member's, as of the last poll.
    fn assignment(&self) -> Vec<TopicPartition>;

    /// Leaves the group at once.
    async fn close(self: Box<Self>) -> Result<(), Error>;
}

/// The partition of a key: FNV-1a of its bytes, modulo the number of partitions. Part of the contract, since a key must
/// keep its partition across versions. Who writes to Kafka beside us may have a partitioner of its own.
pub fn partition_of(key: &[u8], partitions: u32) -> u32 {
    let hash = key
        .iter()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3));
    u32::try_from(hash % u64::from(partitions.max(1))).unwrap_or(0)
}

/// The refusal to go to an offset after the end: nothing is there, and what comes there later is not what was meant.
pub fn beyond(to: &Progress, end: u64) -> Error {
    let reason = format!("{} is after the end of {}/{}, which is {end}", to.next_offset, to.of.topic, to.of.partition);
    Error::InvalidArgument { what: "offset", reason }
}
