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

/// Up to where partitions are read, asked for twice. Topics are asked one after the other, so that what the last is asked
/// for can be much newer than what the first was: of a burst it would be read alone, and move the watermark past what the
/// others got meanwhile. Read is what was there the first time, in its place among what was there then.
pub(crate) struct Ends {
    pub(crate) first: Offsets,
    pub(crate) then: Offsets,
}

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

    /// The oldest record before these ends, by when it was taken; `None` where there is none left. A partition without
    /// an end gives nothing. What a topic no longer keeps is passed.
    pub(crate) async fn next(&mut self, bus: &dyn EventBus, ends: &Ends) -> Result<Option<Delivered>, bus::Error> {
        let limit = |source: &Source| ends.then.get(&source.of).copied().unwrap_or(0);
        for source in &mut self.sources {
            let until = limit(source);
            source.fill(bus, until).await?;
        }
        let is_waiting = |source: &&mut Source| {
            source.ahead.front().is_some_and(|delivered| delivered.position.offset < limit(source))
        };
        let waiting = self.sources.iter_mut().filter(is_waiting);
        let oldest = waiting.min_by_key(|source| source.ahead.front().map(|delivered| delivered.record.timestamp));
        let was_there = |source: &&mut Source| {
            let end = ends.first.get(&source.of).copied().unwrap_or(0);
            source.ahead.front().is_some_and(|delivered| delivered.position.offset < end)
        };
        Ok(oldest.filter(was_there).and_then(|source| source.ahead.pop_front()))
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

#[cfg(test)]
mod tests {
    use llm_sre_domain::Timestamp;
    use llm_sre_ports::bus::{Position, Record, TopicSpec, partition_of};
    use llm_sre_ports::memory::MemoryBus;
    use proptest::prelude::*;

    use super::*;

    const PARTITIONS: u32 = 5;

    fn of(partition: u32) -> TopicPartition {
        TopicPartition { topic: "t".to_owned(), partition }
    }

    /// Everything in rounds that end where the topic did when they began, or, as rounds that take too long, earlier.
    async fn read_in_rounds(bus: &MemoryBus, rounds: &[(Vec<u8>, usize)]) -> Vec<(Position, Timestamp)> {
        let mut merge = Merge::new(&(0..PARTITIONS).map(|partition| (of(partition), 0)).collect());
        let (mut time, mut found) = (0, Vec::new());
        for (keys, longest) in rounds.iter().chain([&(Vec::new(), usize::MAX)]) {
            for key in keys {
                time += 1;
                let record =
                    Record { key: Some(vec![*key].into()), timestamp: Timestamp::from_secs(time), ..Record::default() };
                bus.publish("t", vec![record]).await.unwrap();
            }
            let ends = bus.end_offsets("t").await.unwrap().into_iter();
            let first: Offsets = ends.map(|end| (end.of, end.next_offset)).collect();
            let until = Ends { then: first.clone(), first };
            for _ in 0..*longest {
                let Some(next) = merge.next(bus, &until).await.unwrap() else { break };
                found.push((next.position, next.record.timestamp));
            }
        }
        found
    }

    /// Partition 0 was asked for its end, then both got more, and then partition 1 was asked.
    #[tokio::test]
    async fn what_came_between_two_questions_is_not_read_before_what_is_older() {
        let bus = MemoryBus::default();
        bus.create_topic(TopicSpec { name: "t".to_owned(), partitions: 2, retention: None }).await.unwrap();
        let key = |partition| (0_u8..).find(|key| partition_of(&[*key], 2) == partition).unwrap();
        for (partition, time) in [(0, 1), (0, 2), (1, 3)] {
            let key = Some(vec![key(partition)].into());
            let record = Record { key, timestamp: Timestamp::from_secs(time), ..Record::default() };
            bus.publish("t", vec![record]).await.unwrap();
        }
        let mut merge = Merge::new(&[(of(0), 0), (of(1), 0)].into());
        let (first, all): (Offsets, Offsets) = ([(of(0), 1), (of(1), 1)].into(), [(of(0), 2), (of(1), 1)].into());
        let mut taken = Vec::new();
        for ends in [Ends { first, then: all.clone() }, Ends { first: all.clone(), then: all }] {
            while let Some(next) = merge.next(&bus, &ends).await.unwrap() {
                taken.push(next.record.timestamp.as_nanos() / 1_000_000_000);
            }
            taken.push(0);
        }
        assert_eq!(taken, [1, 0, 2, 3, 0], "the third second does not come before the second one");
    }

    proptest! {
        #[test]
        fn rounds_that_are_cut_short_lose_nothing_and_keep_the_order(
            rounds in prop::collection::vec((prop::collection::vec(any::<u8>(), 0..30), 0usize..20), 0..20),
        ) {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            let found = runtime.block_on(async {
                let bus = MemoryBus::default();
                let spec = TopicSpec { name: "t".to_owned(), partitions: PARTITIONS, retention: None };
                bus.create_topic(spec).await.unwrap();
                read_in_rounds(&bus, &rounds).await
            });
            let published: usize = rounds.iter().map(|(keys, _)| keys.len()).sum();
            prop_assert_eq!(found.len(), published, "each record comes once");
            prop_assert!(found.is_sorted_by_key(|(_, time)| *time), "in the order in which they were taken");
        }
    }
}
