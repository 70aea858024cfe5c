//! Who is a member of a group, and whose each partition is.

use std::collections::{BTreeMap, BTreeSet};

use tokio::time::Instant;

use crate::bus::{MEMBER_LEASE, TopicPartition};

#[derive(Debug, Default)]
pub(super) struct Group {
    members: BTreeMap<u64, Membership>,
    /// Whose a partition is, and since which generation.
    owners: BTreeMap<TopicPartition, (u64, u64)>,
    generation: u64,
    pub(super) committed: BTreeMap<TopicPartition, u64>,
}

#[derive(Debug)]
struct Membership {
    until: Instant,
    topics: BTreeSet<String>,
}

impl Group {
    /// Adds a member, and deals `partitions` out again.
    pub(super) fn join(&mut self, member: u64, topics: BTreeSet<String>, partitions: &[TopicPartition]) {
        let now = Instant::now();
        self.members.insert(member, Membership { until: now + MEMBER_LEASE, topics });
        self.members.retain(|_, membership| membership.until > now);
        self.deal(partitions);
    }

    /// Renews a member's lease and removes members whose lease has ended. False where its own has ended.
    pub(super) fn renew(&mut self, member: u64, partitions: &[TopicPartition]) -> bool {
        if !self.lives(member) {
            return false;
        }
        let now = Instant::now();
        if let Some(membership) = self.members.get_mut(&member) {
            membership.until = now + MEMBER_LEASE;
        }
        let had = self.members.len();
        self.members.retain(|_, membership| membership.until > now);
        if self.members.len() < had {
            self.deal(partitions);
        }
        true
    }

    pub(super) fn leave(&mut self, member: u64, partitions: &[TopicPartition]) {
        if self.members.remove(&member).is_some() {
            self.deal(partitions);
        }
    }

    pub(super) fn lives(&self, member: u64) -> bool {
        self.members.get(&member).is_some_and(|membership| membership.until > Instant::now())
    }

    /// What is a member's, and since which generation.
    pub(super) fn owned(&self, member: u64) -> BTreeMap<TopicPartition, u64> {
        let mine = self.owners.iter().filter(|(_, (owner, _))| *owner == member);
        mine.map(|(of, (_, generation))| (of.clone(), *generation)).collect()
    }

    /// Whether a group reads a partition, or did.
    pub(super) fn reads(&self, of: &TopicPartition) -> bool {
        let has_topic = |membership: &Membership| membership.topics.contains(&of.topic);
        self.committed.contains_key(of) || self.members.values().any(has_topic)
    }

    /// Deals the partitions of each topic to the members that read it, in turns. A partition that changes hands takes
    /// the new generation with it, so that an owner of before cannot commit what another has gone past.
    fn deal(&mut self, partitions: &[TopicPartition]) {
        self.generation += 1;
        let mut owners = BTreeMap::new();
        for of in partitions {
            let reads = |(_, membership): &(&u64, &Membership)| membership.topics.contains(&of.topic);
            let readers: Vec<u64> = self.members.iter().filter(reads).map(|(id, _)| *id).collect();
            if readers.is_empty() {
                continue;
            }
            let owner = readers[of.partition as usize % readers.len()];
            let before = self.owners.get(of).copied().filter(|(before, _)| *before == owner);
            owners.insert(of.clone(), before.unwrap_or((owner, self.generation)));
        }
        self.owners = owners;
    }
}
