//! Several partitions as one stream, in the order in which their records were taken.
//!
//! Detection goes by one watermark. Read one partition after the other, the first would move it past everything that
//! the others still hold, and a backlog would hide what happened in it.

use std::collections::{BTreeMap, VecDeque};

use llm_sre_ports::bus::{self, Delivered, EventBus, TopicPartition};

/// Records of one partition read ahead; a bus holds no more than a few megabytes for one answer.
const AHEAD: usize = 256;

/// The offset to go on from, a row a partition.
pub(crate) type Offsets = BTreeMap<TopicPartition, u64>;

/// See the module.
pub(crate) struct Merge<'a> {
    bus: &'a dyn EventBus,
    sources: Vec<Source>,
}

struct Source {
    of: TopicPartition,
    next: u64,
    until: u64,
    ahead: VecDeque<Delivered>,
}

impl<'a> Merge<'a> {
    /// From offsets (inclusive) until offsets (exclusive); a partition without the latter gives nothing.
    pub(crate) fn new(bus: &'a dyn EventBus, from: &Offsets, until: &Offsets) -> Self {
        let source = |(of, next): (&TopicPartition, &u64)| {
            let until = until.get(of).copied().unwrap_or(0);
            Source { of: of.clone(), next: *next, until, ahead: VecDeque::new() }
        };
        Self { bus, sources: from.iter().map(source).collect() }
    }

    /// The oldest record that is left, by when it was taken; `None` at the end. What a topic no longer keeps is passed.
    pub(crate) async fn next(&mut self) -> Result<Option<Delivered>, bus::Error> {
        for source in &mut self.sources {
            source.fill(self.bus).await?;
        }
        let waiting = self.sources.iter_mut().filter(|source| !source.ahead.is_empty());
        let oldest = waiting.min_by_key(|source| source.ahead.front().map(|delivered| delivered.record.timestamp));
        Ok(oldest.and_then(|source| source.ahead.pop_front()))
    }
}

impl Source {
    async fn fill(&mut self, bus: &dyn EventBus) -> Result<(), bus::Error> {
        if !self.ahead.is_empty() || self.next >= self.until {
            return Ok(());
        }
        let found = bus.read(&self.of, self.next, AHEAD).await?;
        self.next = found.last().map_or(self.until, |delivered| delivered.position.offset + 1);
        self.ahead.extend(found.into_iter().filter(|delivered| delivered.position.offset < self.until));
        Ok(())
    }
}
