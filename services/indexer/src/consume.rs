//! The loop that moves telemetry from the bus into the store.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use llm_sre_domain::calls::CallFinder;
use llm_sre_ports::bus::{self, Delivered, Progress, Record, Start, TopicPartition};
use llm_sre_ports::telemetry;
use llm_sre_proto::topics;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::decode::decode_guarded;
use crate::flight::{FLIGHTS_MAX, Flight};
use crate::letters::{dead_letter, fit, strip};
use crate::measure::{self, Sizes, Sources};
use crate::membership::Membership;
use crate::missed::Missed;
use crate::retry::Backoff;
use crate::times::Times;
use crate::work::{Work, cut};
use crate::{Dependencies, Error, GROUP, Options, retention};

/// Consumes until `shutdown`, joining the group again whenever the membership is lost.
pub(crate) async fn run(
    options: &Options,
    dependencies: &Dependencies,
    sources: &Sources,
    shutdown: &CancellationToken,
) -> Result<(), Error> {
    let mut backoff = Backoff::new(options.min_backoff, options.max_backoff, options.seed);
    while !shutdown.is_cancelled() {
        let consumer = match dependencies.bus.subscribe(GROUP, &topics::TELEMETRY, Start::Earliest).await {
            Ok(consumer) => consumer,
            Err(error) => {
                may_pass("join the group", error)?;
                let wait = backoff.next_wait();
                tokio::select! {
                    () = shutdown.cancelled() => return Ok(()),
                    () = tokio::time::sleep(wait) => continue,
                }
            }
        };
        let (calls, membership) = (CallFinder::new(options.call_graph_capacity), Membership::new(consumer));
        let (backoff, missed) = (&mut backoff, Missed::default());
        let mut member = Member { options, dependencies, sources, shutdown, membership, calls, backoff, missed };
        let ended = member.consume().await;
        if let Err(error) = member.membership.close().await {
            tracing::debug!(%error, "failed to leave the group; the lease will end");
        }
        match ended {
            Ok(()) | Err(Stopped::Shutdown) => {}
            Err(Stopped::Failed(error)) => return Err(error),
        }
    }
    Ok(())
}

/// Why the work ends before its effect; what was not committed will be read again.
enum Stopped {
    Shutdown,
    Failed(Error),
}

/// One membership of the group.
struct Member<'a> {
    options: &'a Options,
    dependencies: &'a Dependencies,
    sources: &'a Sources,
    shutdown: &'a CancellationToken,
    membership: Membership,
    calls: CallFinder,
    backoff: &'a mut Backoff,
    missed: Missed,
}

type DeadLetters = BTreeMap<String, Vec<Record>>;

impl Member<'_> {
    /// Consumes until `shutdown`, or until the membership is lost or must end.
    async fn consume(&mut self) -> Result<(), Stopped> {
        let Options { max_batch_records, max_batch_bytes, poll_wait, .. } = *self.options;
        while !self.membership.must_end() {
            let polled = tokio::select! {
                () = self.shutdown.cancelled() => return Err(Stopped::Shutdown),
                polled = self.membership.poll(max_batch_records, max_batch_bytes, poll_wait) => polled,
            };
            self.look_at_partitions().await;
            match polled {
                // A poll that failed before it paused everything.
                Ok(batch) if batch.records.is_empty() => self.recovered(),
                Ok(batch) => {
                    measure::consumed(&batch.records);
                    self.missed.before(&batch.records).iter().for_each(measure::missed);
                    let polled = Instant::now();
                    self.effect(&batch.records).await?;
                    let stored = Instant::now();
                    measure::stage("store", stored - polled);
                    self.commit(&batch.records).await?;
                    measure::stage("commit", stored.elapsed());
                }
                Err(bus::Error::Fenced { .. }) => return Ok(()),
                Err(error) => {
                    may_pass("poll the topics", error).map_err(Stopped::Failed)?;
                    self.wait().await?;
                }
            }
        }
        Ok(())
    }

    /// Notes where partitions go on that came, and of whom this process hears.
    async fn look_at_partitions(&mut self) {
        let came = self.membership.take_came();
        if !came.is_empty() {
            let topics: BTreeSet<&str> = came.iter().map(|of| of.topic.as_str()).collect();
            let mut committed = Vec::new();
            for topic in topics {
                match self.membership.meanwhile(self.dependencies.bus.committed(GROUP, topic)).await {
                    Ok(progress) => committed.extend(progress),
                    Err(error) => tracing::warn!(%error, topic, "what retention took before it was read is not known"),
                }
            }
            self.missed.came(&came, &committed);
            // Another counted their calls meanwhile. What begins anew costs an edge's count and no more.
            self.calls = CallFinder::new(self.options.call_graph_capacity);
        }
        if self.sources.are_due() {
            self.sources.keep_only(&self.membership.assignment());
        }
    }

    /// Stores what the records hold and buries what cannot be stored. Returns once both are durable.
    async fn effect(&mut self, records: &[Delivered]) -> Result<(), Stopped> {
        let mut dead = DeadLetters::new();
        let times = Times::around(self.dependencies.clock.now(), self.options.keep_for);
        let (mut work, mut flights) = (Work::new(times), VecDeque::new());
        for delivered in records {
            let decoded = decode_guarded(delivered, &mut self.calls, self.options.call_graph_capacity, &times);
            if !decoded.dead.is_empty() {
                dead.entry(topics::dead_letters(&delivered.topic)).or_default().extend(decoded.dead);
            }
            if !work.has_room_for(&decoded.batch) {
                let full = std::mem::replace(&mut work, Work::new(times));
                self.launch(full, &mut flights, &mut dead).await?;
            }
            // What brought the decoder down must not be decoded again.
            if !decoded.batch.is_empty() {
                work.add(delivered, decoded.batch);
            }
        }
        self.launch(work, &mut flights, &mut dead).await?;
        for flight in flights {
            self.land(flight, &mut dead).await?;
        }
        for (topic, letters) in dead {
            self.bury(&topic, letters).await?;
        }
        Ok(())
    }

    /// Begins to store work, when there is room for it on the way.
    async fn launch<'b>(
        &mut self,
        work: Work<'b>,
        flights: &mut VecDeque<Flight<'b>>,
        dead: &mut DeadLetters,
    ) -> Result<(), Stopped> {
        if flights.len() == FLIGHTS_MAX
            && let Some(first) = flights.pop_front()
        {
            self.land(first, dead).await?;
        }
        if !work.is_empty() {
            let store = Arc::clone(&self.dependencies.store);
            flights.push_back(Flight::begin(store, work, |batch| self.sources.see(batch)));
        }
        Ok(())
    }

    /// Waits until work is stored; where that failed, it is stored as often as it takes.
    async fn land(&mut self, mut flight: Flight<'_>, dead: &mut DeadLetters) -> Result<(), Stopped> {
        match self.membership.meanwhile(flight.landed()).await {
            Ok(()) => {
                flight.sizes.are_stored();
                self.recovered();
                Ok(())
            }
            Err(error) => {
                measure::not_stored(&error);
                self.store(flight.work, refusal(error), dead).await
            }
        }
    }

    /// Stores work; what the store refuses for ever is found by halving, so that one record of many costs few appends,
    /// and becomes a dead letter. `refused` is why it was refused already.
    async fn store(&mut self, work: Work<'_>, refused: Option<String>, dead: &mut DeadLetters) -> Result<(), Stopped> {
        let mut left = vec![(work, refused)];
        while let Some((mut work, refused)) = left.pop() {
            let refused = if refused.is_some() { refused } else { self.append(&mut work).await? };
            let Some(reason) = refused else { continue };
            if let Some(delivered) = work.only() {
                let letters = dead.entry(topics::dead_letters(&delivered.topic)).or_default();
                letters.push(dead_letter(delivered, None, &reason));
            } else {
                let [first, second] = work.halves();
                left.extend([(second, None), (first, None)]);
            }
        }
        Ok(())
    }

    /// Appends until the store has it, or says why it never will. While the store is away, reading pauses.
    async fn append(&mut self, work: &mut Work<'_>) -> Result<Option<String>, Stopped> {
        loop {
            let mut outcome = Ok(());
            let store = Arc::clone(&self.dependencies.store);
            for batch in cut(work.batch()) {
                let sizes = Sizes::of(&batch);
                self.sources.see(&batch);
                outcome = self.membership.meanwhile(store.append(batch)).await;
                match &outcome {
                    Ok(()) => sizes.are_stored(),
                    Err(error) => {
                        measure::not_stored(error);
                        break;
                    }
                }
            }
            match outcome {
                Ok(()) => {
                    self.recovered();
                    return Ok(None);
                }
                Err(error @ telemetry::Error::InvalidArgument { .. }) => return Ok(refusal(error)),
                Err(error @ telemetry::Error::Full) => {
                    tracing::warn!(%error, "failed to store telemetry; removing what is too old or too much");
                    self.membership.meanwhile(retention::prune(self.options, self.dependencies)).await;
                    self.wait().await?;
                }
                // A corrupt store is no fault of this record: it keeps its place until somebody repairs the store.
                Err(error @ (telemetry::Error::Unavailable(_) | telemetry::Error::Corrupt(_))) => {
                    tracing::warn!(%error, "failed to store telemetry; reading pauses");
                    self.wait().await?;
                }
            }
        }
    }

    async fn bury(&mut self, topic: &str, mut letters: Vec<Record>) -> Result<(), Stopped> {
        for letter in &mut letters {
            tracing::warn!(topic, reason = letter.header(topics::REASON_HEADER), "a record cannot be stored");
            fit(letter);
        }
        let mut is_stripped = false;
        loop {
            let publish = self.dependencies.bus.publish(topic, letters.clone());
            match self.membership.meanwhile(publish).await {
                Ok(positions) => {
                    measure::buried(topic, positions.len());
                    tracing::debug!(topic, letters = positions.len(), "kept dead letters");
                    self.recovered();
                    return Ok(());
                }
                Err(error @ (bus::Error::TooLarge { .. } | bus::Error::InvalidArgument { .. })) if !is_stripped => {
                    tracing::warn!(%error, topic, "the bus refuses dead letters; keeping where they came from");
                    letters.iter_mut().for_each(strip);
                    is_stripped = true;
                }
                Err(error) => {
                    may_pass("publish dead letters", error).map_err(Stopped::Failed)?;
                    self.wait().await?;
                }
            }
        }
    }

    /// Commits each partition by itself, so that the loss of one does not repeat the work of the others.
    async fn commit(&mut self, records: &[Delivered]) -> Result<(), Stopped> {
        let mut next: BTreeMap<TopicPartition, u64> = BTreeMap::new();
        for Delivered { topic, position, .. } in records {
            let of = TopicPartition { topic: topic.clone(), partition: position.partition };
            let next_offset = next.entry(of).or_default();
            *next_offset = (*next_offset).max(position.offset + 1);
        }
        let progress: Vec<Progress> = next.into_iter().map(|(of, next_offset)| Progress { of, next_offset }).collect();
        if !self.commit_all(&progress).await? {
            for one in &progress {
                if !self.commit_all(std::slice::from_ref(one)).await? {
                    tracing::info!(
                        topic = one.of.topic,
                        partition = one.of.partition,
                        "partition went to another member"
                    );
                }
            }
        }
        Ok(())
    }

    /// Whether all of it is committed; if not, a partition is no longer this member's and nothing is.
    async fn commit_all(&mut self, progress: &[Progress]) -> Result<bool, Stopped> {
        loop {
            match self.membership.commit(progress).await {
                Ok(()) => {
                    self.recovered();
                    return Ok(true);
                }
                Err(bus::Error::Fenced { .. }) => return Ok(false),
                Err(error) => {
                    may_pass("commit offsets", error).map_err(Stopped::Failed)?;
                    self.wait().await?;
                }
            }
        }
    }

    /// Waits before something is tried again; reading pauses.
    async fn wait(&mut self) -> Result<(), Stopped> {
        let wait = self.backoff.next_wait();
        tokio::select! {
            () = self.shutdown.cancelled() => Err(Stopped::Shutdown),
            () = self.membership.wait(wait) => Ok(()),
        }
    }

    /// Something succeeded: reading goes on, and the next failure waits shortly.
    fn recovered(&mut self) {
        self.backoff.reset();
        self.membership.resume();
    }
}

/// Why the store will never take it, if that is what it says.
fn refusal(error: telemetry::Error) -> Option<String> {
    let telemetry::Error::InvalidArgument { what, reason } = error else { return None };
    Some(format!("the store refuses it: {what} is invalid: {reason}"))
}

/// Logs a failure that may pass; the others end the indexer.
fn may_pass(operation: &'static str, error: bus::Error) -> Result<(), Error> {
    match error {
        bus::Error::Full | bus::Error::Unavailable(_) => {
            tracing::warn!(%error, "failed to {operation}; trying again");
            Ok(())
        }
        source => Err(Error::Bus { operation, source }),
    }
}
