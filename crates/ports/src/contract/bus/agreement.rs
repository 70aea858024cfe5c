//! Random operations have the results that they have in memory.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::{ALL, Bus, DEADLINE, NO_WAIT, merge, of, poll_nothing, progress, spec};
use crate::bus::{Batch, Consumer, Delivered, EventBus, Progress, Record, Start};
use crate::contract::{Random, SEEDS};
use crate::memory::MemoryBus;

const PARTITIONS: u32 = 3;

/// One member on each bus, which are told the same.
struct Pair<'a> {
    kit: &'a Bus,
    twin: MemoryBus,
    topic: String,
    members: Option<[Box<dyn Consumer>; 2]>,
    /// The end of what was read, a row a partition.
    read: BTreeMap<u32, u64>,
}

/// See the module. Keyless records are left out, since each adapter chooses their partition.
pub async fn bus_agrees_with_the_twin(kit: Bus) {
    for seed in SEEDS {
        let topic = format!("t{seed}");
        let twin = MemoryBus::default();
        for bus in [&*kit.port, &twin] {
            bus.create_topic(spec(&topic, PARTITIONS)).await.unwrap();
        }
        let mut pair = Pair { kit: &kit, twin, topic, members: None, read: BTreeMap::new() };
        let mut random = Random(seed);
        for step in 0..80 {
            pair.step(&mut random, &format!("seed {seed}, step {step}")).await;
        }
    }
}

impl Pair<'_> {
    async fn step(&mut self, random: &mut Random, at: &str) {
        let partition = random.below(u64::from(PARTITIONS)) as u32;
        match random.below(9) {
            0..3 => self.publish(random, at).await,
            3 | 4 => self.poll(at).await,
            5 => self.commit(partition, random, at).await,
            6 => {
                let to = Progress { of: self.of(partition), next_offset: random.below(40) };
                if let Some([ours, theirs]) = &mut self.members {
                    let (ours, theirs) = (ours.seek(&to).await, theirs.seek(&to).await);
                    assert_eq!(ours.is_ok(), theirs.is_ok(), "{at}: seek {to:?}");
                }
            }
            7 => {
                let (of, is_pause) = (self.of(partition), random.below(3) == 0);
                for member in self.members.iter_mut().flatten() {
                    let of = std::slice::from_ref(&of);
                    // What is not a member's cannot be paused.
                    if is_pause && member.assignment().contains(&of[0]) {
                        member.pause(of);
                    } else {
                        member.resume(of);
                    }
                }
            }
            _ => match self.members.take() {
                None => {
                    let start = random.of(&[Start::Earliest, Start::Latest]);
                    let topics = [self.topic.as_str()];
                    let ours = self.kit.port.subscribe("g", &topics, start).await.unwrap();
                    self.members = Some([ours, self.twin.subscribe("g", &topics, start).await.unwrap()]);
                }
                Some(members) => {
                    for member in members {
                        member.close().await.unwrap();
                    }
                }
            },
        }
        self.compare(partition, random, at).await;
    }

    fn of(&self, partition: u32) -> crate::bus::TopicPartition {
        crate::bus::TopicPartition { topic: self.topic.clone(), ..of(partition) }
    }

    async fn publish(&self, random: &mut Random, at: &str) {
        let record = |number: u64| Record {
            key: Some(Bytes::from(random.below(9).to_string())),
            value: Bytes::from(format!("{at}, {number}")),
            ..Record::default()
        };
        let records: Vec<Record> = (0..4).map(record).collect();
        let ours = self.kit.port.publish(&self.topic, records.clone()).await.unwrap();
        assert_eq!(ours, self.twin.publish(&self.topic, records).await.unwrap(), "{at}: publish");
    }

    async fn poll(&mut self, at: &str) {
        let Some([ours, theirs]) = &mut self.members else { return };
        let theirs = in_order(theirs.poll(1_000, ALL, NO_WAIT).await.unwrap());
        if theirs == Batch::default() {
            return poll_nothing(self.kit, ours.as_mut()).await;
        }
        let polling = async {
            let mut batch = Batch::default();
            while batch != theirs {
                merge(&mut batch, ours.poll(1_000, ALL, self.kit.patience()).await.unwrap());
                batch = in_order(batch);
                let may_come = self.kit.is_remote && batch.records.len() <= theirs.records.len();
                assert!(batch == theirs || may_come, "{at}: poll gave {batch:?}, not {theirs:?}");
            }
            batch
        };
        let ours = tokio::time::timeout(DEADLINE, polling).await.unwrap_or_else(|_| panic!("{at}: poll: {theirs:?}"));
        for Delivered { position, .. } in ours.records {
            self.read.insert(position.partition, position.offset + 1);
        }
    }

    async fn commit(&mut self, partition: u32, random: &mut Random, at: &str) {
        let Some([ours, theirs]) = &mut self.members else { return };
        let next_offset = random.below(self.read.get(&partition).copied().unwrap_or(0) + 1);
        let of = crate::bus::TopicPartition { topic: self.topic.clone(), partition };
        let progress = [Progress { of, ..progress(partition, next_offset) }];
        let (ours, theirs) = (ours.commit(&progress).await, theirs.commit(&progress).await);
        assert_eq!(ours.is_ok(), theirs.is_ok(), "{at}: commit {progress:?}");
    }

    async fn compare(&self, partition: u32, random: &mut Random, at: &str) {
        let ends = self.kit.port.end_offsets(&self.topic).await.unwrap();
        assert_eq!(ends, self.twin.end_offsets(&self.topic).await.unwrap(), "{at}: ends");
        let committed = self.kit.port.committed("g", &self.topic).await.unwrap();
        assert_eq!(committed, self.twin.committed("g", &self.topic).await.unwrap(), "{at}: committed");
        let (of, from, max) = (self.of(partition), random.below(50), random.below(9) as usize);
        let read = self.kit.port.read(&of, from, max).await.unwrap();
        let all = self.twin.read(&of, from, max).await.unwrap();
        // As many as are at hand will do, but for none.
        assert_eq!(Some(&*read), all.get(..read.len()), "{at}: read {max} of {of:?} from {from}");
        assert_eq!(read.is_empty(), all.is_empty(), "{at}: read {max} of {of:?} from {from}");
    }
}

/// In which order partitions come is an adapter's own.
fn in_order(mut batch: Batch) -> Batch {
    batch.records.sort_by_key(|delivered| delivered.position);
    batch.assigned.sort_unstable();
    batch
}
