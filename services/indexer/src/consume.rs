//! The loop that moves telemetry from the bus into the store.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use llm_sre_domain::calls::CallFinder;
use llm_sre_ports::bus::{self, Delivered, Progress, Start};
use llm_sre_proto::topics;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::decode::decode_guarded;
use crate::flight::{FLIGHTS_MAX, Flight, Letter, Polls};
use crate::measure::{self, Sources};
use crate::membership::Membership;
use crate::missed::Missed;
use crate::retry::Backoff;
use crate::times::Times;
use crate::work::Work;
use crate::{Dependencies, Error, GROUP, Options};

mod storing;

/// How long the store is waited for after `shutdown`; what hangs then is stored by others. Shorter than a node's drain, so
/// that there is time to leave the group.
const DRAIN_MAX: Duration = Duration::from_secs(5);

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
                    biased;
                    () = shutdown.cancelled() => return Ok(()),
                    () = tokio::time::sleep(wait) => continue,
                }
            }
        };
        let (calls, membership) = (CallFinder::new(options.call_graph_capacity), Membership::new(consumer));
        let (backoff, missed) = (&mut backoff, Missed::default());
        let (polls, overdue) = (Polls::default(), CancellationToken::new());
        let mut member = Member {
            options,
            dependencies,
            sources,
            shutdown,
            overdue: overdue.clone(),
            membership,
            calls,
            backoff,
            missed,
            polls,
        };
        let ended = tokio::select! {
            biased;
            ended = member.consume() => ended,
            never = watch(shutdown, &overdue) => match never {},
        };
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

/// Says when what hangs is not waited for any more.
async fn watch(shutdown: &CancellationToken, overdue: &CancellationToken) -> Infallible {
    shutdown.cancelled().await;
    tokio::time::sleep(DRAIN_MAX).await;
    overdue.cancel();
    std::future::pending().await
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
    /// A store that hangs is not waited for any more.
    overdue: CancellationToken,
    membership: Membership,
    calls: CallFinder,
    backoff: &'a mut Backoff,
    missed: Missed,
    polls: Polls,
}

impl Member<'_> {
    /// Consumes until `shutdown`, or until the membership is lost or must end.
    async fn consume(&mut self) -> Result<(), Stopped> {
        let Options { max_batch_records, max_batch_bytes, poll_wait, .. } = *self.options;
        while !self.membership.must_end() {
            // What is on its way is committed as soon as nothing more is there to be read.
            let poll_wait = if self.polls.is_empty() { poll_wait } else { Duration::ZERO };
            // Never cut short: it may bring word of partitions that went to others.
            let polled = self.membership.poll(max_batch_records, max_batch_bytes, poll_wait).await;
            if self.shutdown.is_cancelled() {
                break;
            }
            self.look_at_partitions().await;
            match polled {
                Ok(batch) if batch.records.is_empty() => {
                    // A poll that failed before it paused everything.
                    self.recovered();
                    // More may have come when one piece of work has landed: the others stay on their way.
                    self.land_to(self.polls.flights().saturating_sub(1)).await?;
                    self.finish_but(0).await?;
                }
                Ok(batch) => {
                    measure::consumed(&batch.records);
                    self.missed.before(&batch.records).iter().for_each(measure::missed);
                    self.take(batch.records).await?;
                }
                Err(bus::Error::Fenced { .. }) => return Ok(()),
                Err(error) => {
                    may_pass("poll the topics", error).map_err(Stopped::Failed)?;
                    self.finish_all().await?;
                    self.wait().await?;
                }
            }
        }
        self.finish_all().await
    }

    /// Notes where partitions go on that came, and of whom this process hears.
    async fn look_at_partitions(&mut self) {
        // Before what comes after that: a partition that is back is read again from what was committed.
        self.polls.lose(&self.membership.take_revoked());
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

    /// Decodes records and begins to store what they hold.
    async fn take(&mut self, records: Vec<Delivered>) -> Result<(), Stopped> {
        let records: Arc<[Delivered]> = records.into();
        self.polls.push(Arc::clone(&records));
        let times = Times::around(self.dependencies.clock.now(), self.options.keep_for);
        let new_work = || Work::new(Arc::clone(&records), times);
        let mut work = new_work();
        for (place, delivered) in records.iter().enumerate() {
            let decoded = decode_guarded(delivered, &mut self.calls, self.options.call_graph_capacity, &times);
            self.polls.bury_with_newest(decoded.dead.into_iter().map(|letter| Letter::new(delivered, letter)));
            if !work.has_room_for(&decoded.batch) {
                self.launch(std::mem::replace(&mut work, new_work())).await?;
            }
            // What brought the decoder down must not be decoded again.
            if !decoded.batch.is_empty() {
                work.add(place, decoded.batch);
            }
        }
        self.launch(work).await?;
        self.finish_but(0).await
    }

    /// Begins to store work of the newest poll, once there is room for it on the way.
    async fn launch(&mut self, work: Work) -> Result<(), Stopped> {
        self.land_to(FLIGHTS_MAX - 1).await?;
        if !work.is_empty() {
            let store = Arc::clone(&self.dependencies.store);
            self.polls.launch(Flight::begin(store, work, |batch| self.sources.see(batch)));
        }
        Ok(())
    }

    /// Waits until at most so many pieces of work are on their way.
    async fn land_to(&mut self, flights_max: usize) -> Result<(), Stopped> {
        while let Some(flight) = self.polls.next_to_land(flights_max) {
            let dead = self.land(flight).await?;
            self.polls.bury_with_oldest(dead);
            self.finish_but(1).await?;
        }
        Ok(())
    }

    /// Buries and commits, the oldest first, what nothing is on its way of, but for so many of the newest polls: one that
    /// is being decoded is not whole yet.
    async fn finish_but(&mut self, newest: usize) -> Result<(), Stopped> {
        loop {
            // Whoever has these partitions now reads all of it that is not committed.
            self.polls.lose(&self.membership.take_revoked());
            let Some(poll) = self.polls.pop_whole(newest) else { return Ok(()) };
            let progress = poll.progress();
            for (topic, letters) in poll.into_letters() {
                self.bury(&topic, letters).await?;
            }
            let stored = Instant::now();
            self.commit(&progress).await?;
            measure::stage("commit", stored.elapsed());
        }
    }

    /// Waits until everything is stored, and commits it.
    async fn finish_all(&mut self) -> Result<(), Stopped> {
        self.land_to(0).await?;
        self.finish_but(0).await
    }

    /// Commits each partition by itself, so that the loss of one does not repeat the work of the others.
    async fn commit(&mut self, progress: &[Progress]) -> Result<(), Stopped> {
        if !self.commit_all(progress).await? {
            for one in progress {
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
            biased;
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
