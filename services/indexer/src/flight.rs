//! Work that is being stored while the next is read and decoded: the store's time and ours pass together.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use llm_sre_ports::bus::{Delivered, Progress, Record, TopicPartition};
use llm_sre_ports::telemetry::{Batch, Error, TelemetryStore};
use llm_sre_proto::topics;
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;

use crate::measure::Sizes;
use crate::work::{Work, cut};

/// Pieces of work that are being stored at once: one that the store works on, and one on its way there.
pub(crate) const FLIGHTS_MAX: usize = 2;
/// Polls that are not committed: of each of the flights, and the newest. Those without any work wait for one before.
const POLLS_MAX: usize = FLIGHTS_MAX + 1;

/// A dead letter that is not buried yet.
pub(crate) struct Letter {
    pub(crate) of: TopicPartition,
    pub(crate) record: Record,
}

impl Letter {
    /// A letter about a record.
    pub(crate) fn new(delivered: &Delivered, record: Record) -> Self {
        Self { of: place(delivered), record }
    }
}

/// What one poll brought, until all of it is stored or buried, and committed.
pub(crate) struct Poll {
    records: Arc<[Delivered]>,
    flights: VecDeque<Flight>,
    dead: Vec<Letter>,
    /// Partitions that went to somebody else since.
    lost: BTreeSet<TopicPartition>,
}

impl Poll {
    /// Where each partition goes on.
    pub(crate) fn progress(&self) -> Vec<Progress> {
        let mut next: BTreeMap<TopicPartition, u64> = BTreeMap::new();
        for delivered in self.records.iter() {
            let next_offset = next.entry(place(delivered)).or_default();
            *next_offset = (*next_offset).max(delivered.position.offset + 1);
        }
        next.retain(|of, _| !self.lost.contains(of));
        next.into_iter().map(|(of, next_offset)| Progress { of, next_offset }).collect()
    }

    /// What cannot be stored, by the topic that it is buried in.
    pub(crate) fn into_letters(self) -> BTreeMap<String, Vec<Letter>> {
        let mut letters: BTreeMap<String, Vec<Letter>> = BTreeMap::new();
        for letter in self.dead.into_iter().filter(|letter| !self.lost.contains(&letter.of)) {
            letters.entry(topics::dead_letters(&letter.of.topic)).or_default().push(letter);
        }
        letters
    }
}

fn place(delivered: &Delivered) -> TopicPartition {
    TopicPartition { topic: delivered.topic.clone(), partition: delivered.position.partition }
}

/// The polls that are not committed yet, oldest first. All but the newest are decoded to their ends.
#[derive(Default)]
pub(crate) struct Polls(VecDeque<Poll>);

impl Polls {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many pieces of work are on their way.
    pub(crate) fn flights(&self) -> usize {
        self.0.iter().map(|poll| poll.flights.len()).sum()
    }

    /// Adds a poll, the newest.
    pub(crate) fn push(&mut self, records: Arc<[Delivered]>) {
        self.0.push_back(Poll { records, flights: VecDeque::new(), dead: Vec::new(), lost: BTreeSet::new() });
    }

    /// Work of the newest poll is on its way.
    pub(crate) fn launch(&mut self, flight: Flight) {
        if let Some(newest) = self.0.back_mut() {
            newest.flights.push_back(flight);
        }
    }

    /// The oldest work on its way, where there is more of it than may be, where too many polls wait for it, or where it has
    /// landed already.
    pub(crate) fn next_to_land(&mut self, flights_max: usize) -> Option<Flight> {
        let is_due = self.flights() > flights_max || self.0.len() > POLLS_MAX;
        let oldest = self.0.iter_mut().find(|poll| !poll.flights.is_empty())?;
        if is_due || oldest.flights.front()?.storing.is_finished() { oldest.flights.pop_front() } else { None }
    }

    /// What of the newest poll cannot be stored.
    pub(crate) fn bury_with_newest(&mut self, letters: impl IntoIterator<Item = Letter>) {
        if let Some(newest) = self.0.back_mut() {
            newest.dead.extend(letters);
        }
    }

    /// What of the work that landed last cannot be stored. Its poll is the oldest, or commits after it.
    pub(crate) fn bury_with_oldest(&mut self, letters: Vec<Letter>) {
        if let Some(oldest) = self.0.front_mut() {
            oldest.dead.extend(letters);
        }
    }

    /// Partitions went to others: what was read of them before is neither committed nor buried here.
    pub(crate) fn lose(&mut self, partitions: &[TopicPartition]) {
        for poll in &mut self.0 {
            poll.lost.extend(partitions.iter().cloned());
        }
    }

    /// The oldest poll, where nothing is on its way of it and it is none of so many of the newest.
    pub(crate) fn pop_whole(&mut self, newest: usize) -> Option<Poll> {
        let is_whole = self.0.len() > newest && self.0.front().is_some_and(|oldest| oldest.flights.is_empty());
        if is_whole { self.0.pop_front() } else { None }
    }
}

/// Work on its way into the store, once.
pub(crate) struct Flight {
    pub(crate) work: Work,
    pub(crate) sizes: Sizes,
    pub(crate) began: Instant,
    storing: AbortOnDropHandle<(Result<(), Error>, Duration)>,
}

impl Flight {
    /// Begins to store what the records decode to; `see` looks at it before.
    pub(crate) fn begin(store: Arc<dyn TelemetryStore>, mut work: Work, see: impl FnOnce(&Batch)) -> Self {
        let batch = work.batch();
        see(&batch);
        let (sizes, began) = (Sizes::of(&batch), Instant::now());
        let storing = tokio::spawn(async move { (append(store.as_ref(), batch).await, began.elapsed()) });
        Self { work, sizes, began, storing: AbortOnDropHandle::new(storing) }
    }

    /// What came of it, and how long that took. Whatever failed is safe to store again.
    pub(crate) async fn landed(&mut self) -> (Result<(), Error>, Duration) {
        let joined = (&mut self.storing).await;
        let cut_short = |error| Err(Error::Unavailable(format!("storing was cut short: {error}")));
        joined.unwrap_or_else(|error| (cut_short(error), self.began.elapsed()))
    }
}

async fn append(store: &dyn TelemetryStore, batch: Batch) -> Result<(), Error> {
    for piece in cut(batch) {
        store.append(piece).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use llm_sre_domain::Timestamp;
    use llm_sre_ports::bus::Position;
    use llm_sre_ports::memory::MemoryTelemetry;

    use super::*;
    use crate::times::Times;

    fn of(partition: u32) -> TopicPartition {
        TopicPartition { topic: topics::LOGS.to_owned(), partition }
    }

    /// Records of partitions, at an offset.
    fn records(partitions: &[u32], offset: u64) -> Arc<[Delivered]> {
        let record = Record { key: None, headers: Vec::new(), value: Bytes::new(), timestamp: Timestamp::EPOCH };
        let delivered = |partition: &u32| {
            let TopicPartition { topic, partition } = of(*partition);
            Delivered { topic, position: Position { partition, offset }, record: record.clone() }
        };
        partitions.iter().map(delivered).collect()
    }

    /// Work that holds nothing, on its way into a store that takes it at once.
    fn flight() -> Flight {
        let times = Times::around(Timestamp::EPOCH, Duration::from_secs(1));
        Flight::begin(Arc::new(MemoryTelemetry::default()), Work::new(records(&[], 0), times), |_| ())
    }

    #[tokio::test]
    async fn polls_without_work_wait_in_bounded_number_or_until_it_has_landed() {
        let mut polls = Polls::default();
        polls.push(records(&[0], 0));
        polls.launch(flight());
        for _ in 0..POLLS_MAX - 1 {
            polls.push(records(&[0], 1));
            // Nothing ran meanwhile, so that it cannot have landed.
            assert!(polls.next_to_land(FLIGHTS_MAX - 1).is_none());
            assert!(polls.pop_whole(1).is_none(), "it would be committed before what it waits for");
        }
        polls.push(records(&[0], 2));
        let mut flight = polls.next_to_land(FLIGHTS_MAX - 1).expect("too many polls wait");
        flight.landed().await.0.unwrap();
        assert_eq!(std::iter::from_fn(|| polls.pop_whole(1)).count(), POLLS_MAX);

        polls.launch(self::flight());
        tokio::time::timeout(Duration::from_secs(20), async {
            while polls.next_to_land(FLIGHTS_MAX - 1).is_none() {
                tokio::task::yield_now().await;
            }
        })
        .await
        .expect("what has landed is noticed");
    }

    #[test]
    fn of_partitions_that_went_to_others_nothing_is_committed_or_buried() {
        let mut polls = Polls::default();
        let brought = records(&[0, 1], 7);
        polls.push(Arc::clone(&brought));
        let letter = |delivered: &Delivered| Letter::new(delivered, delivered.record.clone());
        polls.bury_with_newest(brought.iter().map(letter));
        polls.bury_with_oldest(brought.iter().map(letter).collect());
        polls.lose(&[of(1)]);
        // What comes after that was read anew.
        polls.push(records(&[1], 3));
        let progress = |poll: &Poll| poll.progress().into_iter().map(|at| (at.of, at.next_offset)).collect::<Vec<_>>();
        let first = polls.pop_whole(0).unwrap();
        assert_eq!(progress(&first), [(of(0), 8)]);
        assert_eq!(first.into_letters().into_values().map(|letters| letters.len()).collect::<Vec<_>>(), [2]);
        assert_eq!(progress(&polls.pop_whole(0).unwrap()), [(of(1), 4)]);
    }
}
