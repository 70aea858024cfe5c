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

/// See the module. What was read ahead is kept from round to round: with many partitions, to read it again would cost
/// more than a round has.
#[derive(Default)]
pub(crate) struct Merge {
    sources: Vec<Source>,
}

struct Source {
    of: TopicPartition,
    next: u64,
    ahead: VecDeque<Delivered>,
}

impl Merge {
    /// From these offsets on.
    pub(crate) fn new(from: &Offsets) -> Self {
        let source =
            |(of, next): (&TopicPartition, &u64)| Source { of: of.clone(), next: *next, ahead: VecDeque::new() };
        Self { sources: from.iter().map(source).collect() }
    }

    /// The oldest record before these offsets, by when it was taken; `None` where there is none left. A partition without
    /// an offset gives nothing. What a topic no longer keeps is passed.
    pub(crate) async fn next(&mut self, bus: &dyn EventBus, until: &Offsets) -> Result<Option<Delivered>, bus::Error> {
        let limit = |source: &Source| until.get(&source.of).copied().unwrap_or(0);
        for source in &mut self.sources {
            let until = limit(source);
            source.fill(bus, until).await?;
        }
        let is_waiting = |source: &&mut Source| {
            source.ahead.front().is_some_and(|delivered| delivered.position.offset < limit(source))
        };
        let waiting = self.sources.iter_mut().filter(is_waiting);
        let oldest = waiting.min_by_key(|source| source.ahead.front().map(|delivered| delivered.record.timestamp));
        Ok(oldest.and_then(|source| source.ahead.pop_front()))
    }
}

impl Source {
    async fn fill(&mut self, bus: &dyn EventBus, until: u64) -> Result<(), bus::Error> {
        if !self.ahead.is_empty() || self.next >= until {
            return Ok(());
        }
        let found = bus.read(&self.of, self.next, AHEAD).await?;
        self.next = found.last().map_or(until, |delivered| delivered.position.offset + 1);
        self.ahead.extend(found);
        Ok(())
    }
}
