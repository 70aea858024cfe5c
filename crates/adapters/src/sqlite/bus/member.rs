//! A member of a group.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use async_trait::async_trait;
use llm_sre_ports::bus::{Batch, Consumer, Error, Progress, Start, TopicPartition, beyond};
use rusqlite::Connection;
use tokio::time::Instant;

use super::groups::{self, Claim, Joined, Standing, fenced};
use super::log::{self, Budget};
use crate::sqlite::Store;
use crate::sqlite::failure::Answer;
use crate::sqlite::time::{in_ms, now_ms};

/// The first wait for what another process may publish; each further one is twice as long, up to
/// [`crate::sqlite::Options::max_poll_wait`]. This process' own records end the wait at once.
const FIRST_WAIT: Duration = Duration::from_millis(5);

/// A partition that is this member's, as of the last poll.
#[derive(Clone, Debug)]
struct Held {
    partition: i64,
    generation: i64,
    next: u64,
}

/// See [`Consumer`]. What is another's to change, membership and ownership, is read from the file with each poll.
pub(super) struct Member {
    store: Store,
    group: String,
    topics: Vec<String>,
    id: i64,
    /// Where to begin on a partition without a commit; absent where that is its beginning.
    starts: BTreeMap<TopicPartition, u64>,
    held: BTreeMap<TopicPartition, Held>,
    paused: BTreeSet<TopicPartition>,
    /// Polls so far, so that each begins with another partition and none waits for ever behind a busy one.
    polls: usize,
}

/// What a look at the file found.
enum Look {
    /// First the membership has to be put in order.
    Disorder(Standing),
    Found(Batch, BTreeMap<TopicPartition, Held>),
}

impl Member {
    /// Joins a group.
    pub(super) async fn join(
        store: Store,
        group: String,
        mut topics: Vec<String>,
        start: Start,
    ) -> Result<Self, Error> {
        topics.sort_unstable();
        topics.dedup();
        let Joined { member, ends } = enter(&store, &group, &topics).await?;
        let starts = if start == Start::Latest { ends } else { BTreeMap::new() };
        let (held, paused) = (BTreeMap::new(), BTreeSet::new());
        Ok(Self { store, group, topics, id: member, starts, held, paused, polls: 0 })
    }

    /// Takes what there is, with the membership in order.
    async fn take(&mut self, budget: Budget) -> Result<Batch, Error> {
        // Each turn puts one thing in order; more than a few mean that leases end as fast as they are made.
        for _ in 0..3 {
            let look = Looking {
                member: self.id,
                lease_ms: in_ms(self.store.options().member_lease),
                held: self.held.clone(),
                paused: self.paused.clone(),
                starts: self.starts.clone(),
                first: self.polls,
                budget,
            };
            match self.store.poll(move |connection| look.look(connection)).await? {
                Look::Found(batch, held) => {
                    self.polls = self.polls.wrapping_add(1);
                    self.paused.retain(|of| held.contains_key(of) && !batch.assigned.contains(of));
                    self.held = held;
                    return Ok(batch);
                }
                Look::Disorder(Standing::Gone) => self.rejoin().await?,
                Look::Disorder(_) => self.renew().await?,
            }
        }
        Err(Error::Unavailable(format!("a member of group '{}' loses its lease over and over", self.group)))
    }

    async fn renew(&mut self) -> Result<(), Error> {
        let (id, lease) = (self.id, self.store.options().member_lease);
        let lives = self
            .store
            .write(move |connection| {
                let now = now_ms();
                groups::renew(connection, id, until(now, lease), now)
            })
            .await?;
        // Who was removed may have left this member more.
        self.store.0.news.notify_waiters();
        if lives { Ok(()) } else { self.rejoin().await }
    }

    /// Comes back as a new member: what was this one's may have been another's meanwhile.
    async fn rejoin(&mut self) -> Result<(), Error> {
        self.id = enter(&self.store, &self.group, &self.topics).await?.member;
        Ok(())
    }

    fn claims(&self, progress: &[Progress]) -> Result<Vec<Claim>, Error> {
        let claim = |progress: &Progress| {
            let held = self.held.get(&progress.of).ok_or_else(|| fenced(&self.group, &progress.of))?;
            Ok(Claim {
                of: progress.of.clone(),
                partition: held.partition,
                generation: held.generation,
                next_offset: progress.next_offset,
            })
        };
        progress.iter().map(claim).collect()
    }
}

async fn enter(store: &Store, group: &str, topics: &[String]) -> Result<Joined, Error> {
    let (group, topics, lease) = (group.to_owned(), topics.to_vec(), store.options().member_lease);
    let joined = store
        .write(move |connection| {
            let now = now_ms();
            groups::join(connection, &group, &topics, until(now, lease), now)
        })
        .await?;
    store.0.news.notify_waiters();
    Ok(joined)
}

/// A lease is made for a third longer than it must last, so that a member that polls often need not write as often.
fn until(now_ms: i64, lease: Duration) -> i64 {
    now_ms.saturating_add(in_ms(lease + lease / 3))
}

/// What a poll needs in order to look.
struct Looking {
    member: i64,
    lease_ms: i64,
    held: BTreeMap<TopicPartition, Held>,
    paused: BTreeSet<TopicPartition>,
    starts: BTreeMap<TopicPartition, u64>,
    first: usize,
    budget: Budget,
}

impl Looking {
    fn look(mut self, connection: &Connection) -> Answer<Look, Error> {
        let standing = groups::standing(connection, self.member, self.lease_ms, now_ms())?;
        if standing != Standing::Good {
            return Ok(Look::Disorder(standing));
        }
        let owned = groups::owned(connection, self.member)?;
        let mut batch = Batch::default();
        let is_same =
            |of: &TopicPartition, held: &Held| owned.get(of).is_some_and(|owned| owned.generation == held.generation);
        batch.revoked = self.held.iter().filter(|(of, held)| !is_same(of, held)).map(|(of, _)| of.clone()).collect();
        batch.revoked.iter().for_each(|of| {
            self.held.remove(of);
            self.paused.remove(of);
        });
        for (of, owned) in &owned {
            if !self.held.contains_key(of) {
                let next = owned.committed.or_else(|| self.starts.get(of).copied()).unwrap_or(0);
                let (partition, generation) = (owned.partition.id, owned.generation);
                self.held.insert(of.clone(), Held { partition, generation, next });
                batch.assigned.push(of.clone());
            }
        }
        let count = owned.len();
        let turn = owned.iter().cycle().skip(self.first % count.max(1)).take(count);
        let mut left = self.budget;
        for (of, owned) in turn.filter(|(of, _)| !self.paused.contains(*of)) {
            let is_enough = left.records == 0 || (left.bytes == 0 && !batch.records.is_empty());
            let Some(held) = self.held.get_mut(of).filter(|_| !is_enough) else { continue };
            let before = batch.records.len();
            let bytes = log::read(connection, &of.topic, &owned.partition, held.next, left, &mut batch.records)?;
            left.bytes = left.bytes.saturating_sub(bytes);
            left.records -= batch.records.len() - before;
            if let Some(last) = batch.records[before..].last() {
                held.next = last.position.offset + 1;
            }
        }
        Ok(Look::Found(batch, self.held))
    }
}

#[async_trait]
impl Consumer for Member {
    async fn poll(&mut self, max_records: usize, max_bytes: usize, wait: Duration) -> Result<Batch, Error> {
        let deadline = Instant::now() + wait;
        let budget = Budget { records: max_records.max(1), bytes: max_bytes };
        let mut next_wait = FIRST_WAIT;
        loop {
            let store = self.store.clone();
            let mut news = std::pin::pin!(store.0.news.notified());
            // From here on, so that what comes while this looks is not missed.
            news.as_mut().enable();
            let batch = self.take(budget).await?;
            let now = Instant::now();
            if batch != Batch::default() || now >= deadline {
                return Ok(batch);
            }
            let is_news = tokio::time::timeout_at(deadline.min(now + next_wait), news).await.is_ok();
            next_wait = if is_news { FIRST_WAIT } else { (next_wait * 2).min(store.options().max_poll_wait) };
        }
    }

    async fn commit(&mut self, progress: &[Progress]) -> Result<(), Error> {
        let claims = self.claims(progress)?;
        if claims.is_empty() {
            return Ok(());
        }
        let (group, id) = (self.group.clone(), self.id);
        self.store.write(move |connection| groups::commit(connection, &group, id, &claims, now_ms())).await
    }

    async fn seek(&mut self, to: &Progress) -> Result<(), Error> {
        let Some(held) = self.held.get_mut(&to.of) else { return Err(fenced(&self.group, &to.of)) };
        let topic = to.of.topic.clone();
        let partitions = self.store.poll(move |connection| log::partitions(connection, &topic)).await?;
        let found = partitions.iter().find(|partition| partition.number == to.of.partition);
        let end = found.map_or(0, |partition| partition.next_offset);
        if to.next_offset > end {
            return Err(beyond(to, end));
        }
        held.next = to.next_offset;
        Ok(())
    }

    fn pause(&mut self, partitions: &[TopicPartition]) {
        self.paused.extend(partitions.iter().cloned());
    }

    fn resume(&mut self, partitions: &[TopicPartition]) {
        self.paused.retain(|of| !partitions.contains(of));
    }

    fn assignment(&self) -> Vec<TopicPartition> {
        self.held.keys().cloned().collect()
    }

    async fn close(self: Box<Self>) -> Result<(), Error> {
        let id = self.id;
        self.store.write(move |connection| groups::leave(connection, id)).await?;
        self.store.0.news.notify_waiters();
        Ok(())
    }
}
