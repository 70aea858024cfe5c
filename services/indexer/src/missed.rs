//! Records that the bus no longer had when the group came to them: retention was faster. Nobody can bring them back, so
//! that somebody has to hear of it.

use std::collections::BTreeMap;

use llm_sre_ports::bus::{Delivered, Progress, TopicPartition};

/// Where each partition goes on.
#[derive(Debug, Default)]
pub(crate) struct Missed {
    next: BTreeMap<TopicPartition, u64>,
}

/// A hole in a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Hole {
    pub(crate) of: TopicPartition,
    /// The first offset that is missing.
    pub(crate) from: u64,
    /// The first that is there again.
    pub(crate) until: u64,
}

impl Missed {
    /// Partitions came, up to where the group had committed them. Of one that it never had nothing is expected.
    pub(crate) fn came(&mut self, partitions: &[TopicPartition], committed: &[Progress]) {
        for of in partitions {
            self.next.remove(of);
        }
        for Progress { of, next_offset } in committed.iter().filter(|progress| partitions.contains(&progress.of)) {
            self.next.insert(of.clone(), *next_offset);
        }
    }

    /// What is missing before each of these. A transaction's markers would look the same: our topics have none.
    pub(crate) fn before(&mut self, records: &[Delivered]) -> Vec<Hole> {
        let mut holes = Vec::new();
        let mut run: Option<(&str, u32, u64)> = None;
        for Delivered { topic, position, .. } in records {
            // Mostly it is the next of the same partition.
            let is_next = run.is_some_and(|run| run == (topic, position.partition, position.offset));
            if !is_next {
                self.close(run);
                let of = TopicPartition { topic: topic.clone(), partition: position.partition };
                if let Some(next) = self.next.get(&of)
                    && *next < position.offset
                {
                    holes.push(Hole { of, from: *next, until: position.offset });
                }
            }
            run = Some((topic, position.partition, position.offset + 1));
        }
        self.close(run);
        holes
    }

    fn close(&mut self, run: Option<(&str, u32, u64)>) {
        let Some((topic, partition, next)) = run else { return };
        let known = self.next.entry(TopicPartition { topic: topic.to_owned(), partition }).or_default();
        // What was gone back for comes again.
        *known = next.max(*known);
    }
}

#[cfg(test)]
mod tests {
    use llm_sre_ports::bus::{Position, Record};
    use proptest::prelude::*;

    use super::*;

    fn of(partition: u32) -> TopicPartition {
        TopicPartition { topic: "logs".to_owned(), partition }
    }

    fn delivered(partition: u32, offset: u64) -> Delivered {
        Delivered { topic: "logs".to_owned(), position: Position { partition, offset }, record: Record::default() }
    }

    proptest! {
        /// Of partitions that are read in polls of any size, again from an earlier place now and then, exactly the
        /// offsets are missed that no poll ever held.
        #[test]
        fn every_hole_is_told_once(
            there in prop::collection::vec(prop::collection::btree_set(0u64..40, 1..30), 1..4),
            size in 1usize..8, back in 0usize..3,
        ) {
            let partitions: Vec<TopicPartition> = (0..).zip(&there).map(|(partition, _)| of(partition)).collect();
            let from_start: Vec<Progress> =
                partitions.iter().map(|of| Progress { of: of.clone(), next_offset: 0 }).collect();
            let mut missed = Missed::default();
            missed.came(&partitions, &from_start);
            let mut all: Vec<Delivered> = Vec::new();
            for (partition, offsets) in (0..).zip(&there) {
                all.extend(offsets.iter().map(|offset| delivered(partition, *offset)));
            }
            let mut told = Vec::new();
            for (at, poll) in all.chunks(size).enumerate() {
                told.extend(missed.before(poll));
                let again = at.saturating_sub(back) * size..(at + 1) * size;
                told.extend(missed.before(&all[again.start..again.end.min(all.len())]));
            }
            for (partition, offsets) in (0u32..).zip(&there) {
                let last = *offsets.last().unwrap_or(&0);
                let expected: Vec<u64> = (0..last).filter(|offset| !offsets.contains(offset)).collect();
                let holes = told.iter().filter(|hole| hole.of.partition == partition);
                let mut found: Vec<u64> = holes.flat_map(|hole| hole.from..hole.until).collect();
                found.sort_unstable();
                prop_assert_eq!(found, expected);
            }
        }
    }

    #[test]
    fn what_another_member_read_meanwhile_is_not_missed() {
        let mut missed = Missed::default();
        assert_eq!(missed.before(&[delivered(0, 7)]), [], "nothing was committed, and so nothing is expected");
        missed.came(&[of(0)], &[Progress { of: of(0), next_offset: 90 }]);
        assert_eq!(missed.before(&[delivered(0, 90)]), []);
        missed.came(&[of(0)], &[Progress { of: of(0), next_offset: 95 }]);
        let hole = Hole { of: of(0), from: 95, until: 99 };
        assert_eq!(missed.before(&[delivered(0, 99)]), [hole]);
    }
}
