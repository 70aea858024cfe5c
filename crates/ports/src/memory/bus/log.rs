//! The records of partitions.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use crate::bus::{Delivered, Position, Record, TopicPartition};

/// Bytes that a partition keeps. Beyond, the oldest records that every group has handled leave; where a group has not,
/// the partition is full, so that a slow consumer slows its producers down instead of losing what they sent.
pub(super) const PARTITION_BYTES_MAX: usize = 32 * 1024 * 1024;

#[derive(Clone, Debug, Default)]
pub(super) struct Topic {
    pub(super) retention: Option<Duration>,
    pub(super) logs: Vec<Log>,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Log {
    /// Offset of the oldest record that is kept.
    base: u64,
    /// Each with when it was published.
    records: VecDeque<(Instant, Record)>,
    bytes: usize,
}

impl Log {
    pub(super) fn end(&self) -> u64 {
        self.base + self.records.len() as u64
    }

    pub(super) fn push(&mut self, record: Record) -> u64 {
        self.bytes += record.bytes();
        self.records.push_back((Instant::now(), record));
        self.end() - 1
    }

    fn pop(&mut self) {
        if let Some((_, oldest)) = self.records.pop_front() {
            self.bytes -= oldest.bytes();
            self.base += 1;
        }
    }

    /// Makes room for so many bytes by what is before `handled`. Whether there is room then.
    pub(super) fn make_room(&mut self, bytes: usize, handled: u64) -> bool {
        while self.bytes + bytes > PARTITION_BYTES_MAX && self.base < handled && !self.records.is_empty() {
            self.pop();
        }
        self.bytes + bytes <= PARTITION_BYTES_MAX
    }

    /// Removes what is older than `retention`, and gives how many records that were.
    pub(super) fn prune(&mut self, retention: Duration) -> u64 {
        let had = self.records.len();
        while self.records.front().is_some_and(|(published, _)| published.elapsed() > retention) {
            self.pop();
        }
        (had - self.records.len()) as u64
    }

    pub(super) fn slice(&self, of: &TopicPartition, from: u64, max: usize) -> impl Iterator<Item = Delivered> {
        let kept = self.records.len();
        let skipped = usize::try_from(from.saturating_sub(self.base)).map_or(kept, |skipped| skipped.min(kept));
        let delivered = |(offset, (_, record)): (u64, &(Instant, Record))| Delivered {
            topic: of.topic.clone(),
            position: Position { partition: of.partition, offset },
            record: record.clone(),
        };
        // By index: stepping over what was read would cost more with every record kept.
        (self.base + skipped as u64..).zip(self.records.range(skipped..)).take(max).map(delivered)
    }
}
