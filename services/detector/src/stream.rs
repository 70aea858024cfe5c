//! From the telemetry topics to findings.
//!
//! After a start the last hours of the topics are read again: detection has no other memory. Up to where this group had
//! committed, findings are known; they are tied to the incidents that they became and open none. What shows still at the
//! end of that, and is no incident's, opens one: who came upon it first was killed before it could tell. An instance that
//! stood by has read all of that before.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;
use std::time::Duration;

use llm_sre_domain::Timestamp;
use llm_sre_ports::bus::{self, Consumer, Delivered, Progress, Start, TopicPartition};
use llm_sre_proto::convert::otlp;
use llm_sre_proto::topics;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::brain::Finding;
use crate::merge::{Ends, Merge, Offsets};
use crate::points::take_metrics;
use crate::quiet::{Quiet, measure_consumed};
use crate::raise::Age;
use crate::{Error, Service};

/// The consumer group.
pub const GROUP: &str = "detector";

/// The time between two looks at the membership, which lapses where nobody looks for long, and between two commits.
pub(crate) const ROUND_FOR: Duration = Duration::from_millis(500);
/// The most records between them.
pub(crate) const ROUND_MAX: usize = 20_000;
/// How long partitions that another member holds are waited for, before detection begins anew without them: whoever held
/// them may have been killed, and the lease says that nobody else detects.
const WHOLE_WITHIN: Duration = Duration::from_secs(60);
/// The wait after a failure of the bus or the store.
pub(crate) const RETRY_AFTER: Duration = Duration::from_secs(1);

/// How far reading is.
#[derive(Default)]
pub(crate) struct Reading {
    /// Where each partition goes on.
    pub(crate) next: Offsets,
    /// Up to where each was handled before this start.
    pub(crate) known: Offsets,
    /// Up to where each was taken and not committed.
    taken: Offsets,
    /// What was read and not taken yet.
    pub(crate) merge: Merge,
    /// Whether a record was taken of which it is not known whether its findings are stored.
    pub(crate) is_torn: bool,
}

impl Reading {
    /// From these offsets on.
    pub(crate) fn from(next: Offsets) -> Self {
        Self { merge: Merge::new(&next), next, ..Self::default() }
    }

    /// Whether it can go on with these partitions, which end there: it has read exactly these, and no topic was made anew.
    fn suits(&self, assignment: &BTreeSet<TopicPartition>, ends: &Offsets) -> bool {
        let is_there = |(of, next): (&TopicPartition, &u64)| ends.get(of).is_some_and(|end| next <= end);
        assignment.iter().eq(self.next.keys()) && self.next.iter().all(is_there)
    }

    /// Whether these are some of its partitions, and the others are missing.
    fn lacks(&self, assignment: &BTreeSet<TopicPartition>) -> bool {
        assignment.len() < self.next.len() && assignment.iter().all(|of| self.next.contains_key(of))
    }
}

impl Service {
    /// Reads telemetry until `shutdown`, from where standing by got to. What is known outlives a membership: a broker that
    /// restarts ends that, and tells nothing about services.
    pub(crate) async fn consume(&self, reading: &mut Reading, shutdown: &CancellationToken) -> Result<(), Error> {
        while !shutdown.is_cancelled() {
            match self.bus.subscribe(GROUP, &topics::TELEMETRY, Start::Earliest).await {
                Ok(mut consumer) => {
                    let ended = self.read_partitions(consumer.as_mut(), reading, shutdown).await;
                    if let Err(error) = consumer.close().await {
                        tracing::debug!(%error, "failed to leave the group; the lease will end");
                    }
                    ended.or_else(|error| may_pass("read the topics", error))?;
                }
                Err(error) => may_pass("join the group", error)?,
            }
            self.measure_watermark();
            tokio::select! {
                biased;
                () = shutdown.cancelled() => {}
                () = tokio::time::sleep(RETRY_AFTER) => {}
            }
        }
        Ok(())
    }

    /// Ends when partitions go elsewhere. The consumer holds the membership and the committed offsets; the records are read
    /// beside it, so that partitions come in one order.
    async fn read_partitions(
        &self,
        consumer: &mut dyn Consumer,
        reading: &mut Reading,
        shutdown: &CancellationToken,
    ) -> Result<(), bus::Error> {
        let mut wait = Duration::ZERO;
        let (mut quiet, mut is_heard) = (Quiet::default(), false);
        // Until a cluster that is away is back, no partition comes.
        let (mut joined, mut is_begun) = (None, false);
        loop {
            consumer.pause(&consumer.assignment());
            let batch = tokio::select! {
                biased;
                () = shutdown.cancelled() => return Ok(()),
                polled = consumer.poll(1, 1, wait) => polled?,
            };
            if !batch.revoked.is_empty() {
                return Ok(());
            }
            let assignment: BTreeSet<TopicPartition> = consumer.assignment().into_iter().collect();
            if !assignment.is_empty() {
                joined = joined.or_else(|| Some(Instant::now()));
            }
            if !batch.assigned.is_empty() || !is_begun {
                let is_urgent = joined.is_some_and(|joined| joined.elapsed() > WHOLE_WITHIN);
                is_begun = self.begin(&assignment, reading, is_urgent).await?;
            }
            if !is_begun {
                self.measure_watermark();
                wait = RETRY_AFTER;
                continue;
            }
            let before = reading.next.clone();
            let is_all = self.round(consumer, reading, shutdown).await?;
            if shutdown.is_cancelled() {
                return Ok(());
            }
            self.measure_watermark();
            is_heard |= reading.next != before;
            // What is not read yet is not silence.
            if is_all {
                self.is_current.store(true, Ordering::Relaxed);
                self.watch_silence(&mut quiet, std::mem::take(&mut is_heard)).await;
                self.keep_checkpoint().await;
            }
            wait = if is_all { self.options.poll_wait } else { Duration::ZERO };
        }
    }

    /// Begins with these partitions, or goes on with them. `false` where some are missing that may come yet, or the store
    /// does not say which incidents live.
    async fn begin(
        &self,
        assignment: &BTreeSet<TopicPartition>,
        reading: &mut Reading,
        is_urgent: bool,
    ) -> Result<bool, bus::Error> {
        if assignment.is_empty() || (reading.lacks(assignment) && !is_urgent) {
            return Ok(false);
        }
        // With each partition that comes the order is another one: detection begins anew.
        if !reading.suits(assignment, &self.ends().await?) {
            // In this order: what is known goes with the place that it was read up to.
            let (from, since) = self.beginnings(assignment.iter().cloned()).await?;
            let brain = match self.remembering(since).await {
                Ok(brain) => brain,
                Err(error) => {
                    tracing::warn!(%error, "failed to read the hours of error budgets; trying again");
                    return Ok(false);
                }
            };
            *self.brain() = brain;
            *reading = Reading::from(from);
            self.is_current.store(false, Ordering::Relaxed);
        }
        if let Err(error) = self.measure_living().await {
            tracing::warn!(%error, "failed to read the incidents that live; trying again");
            return Ok(false);
        }
        reading.known = self.handled(&reading.next).await?;
        // What was taken under a membership or a lease before, and not committed; never less than others committed since.
        let is_handled = |of: &TopicPartition, next: u64| reading.known.get(of).is_some_and(|known| next <= *known);
        let taken = reading.next.iter().filter(|(of, next)| **next > 0 && !is_handled(of, **next));
        reading.taken = taken.map(|(of, next)| (of.clone(), *next)).collect();
        Ok(true)
    }

    /// Up to where each of these partitions was handled.
    pub(crate) async fn handled(&self, of_these: &Offsets) -> Result<Offsets, bus::Error> {
        let ends = self.ends().await?;
        let mut handled = Offsets::new();
        for topic in topics::TELEMETRY {
            for Progress { of, next_offset } in self.bus.committed(GROUP, topic).await? {
                // A topic that was made anew ends before what was committed of the old one.
                let end = ends.get(&of).copied().unwrap_or(0);
                if of_these.contains_key(&of) {
                    handled.insert(of, next_offset.min(end));
                }
            }
        }
        Ok(handled)
    }

    pub(crate) async fn ends(&self) -> Result<Offsets, bus::Error> {
        let mut ends = Offsets::new();
        for topic in topics::TELEMETRY {
            ends.extend(self.bus.end_offsets(topic).await?.into_iter().map(|end| (end.of, end.next_offset)));
        }
        Ok(ends)
    }

    /// Takes the next records. Whether there are no more.
    async fn round(
        &self,
        consumer: &mut dyn Consumer,
        reading: &mut Reading,
        shutdown: &CancellationToken,
    ) -> Result<bool, bus::Error> {
        let age = if reading.known.is_empty() { Age::New } else { Age::Known };
        let until = match age {
            Age::New => Ends { first: self.ends().await?, then: self.ends().await? },
            _ => Ends { first: reading.known.clone(), then: reading.known.clone() },
        };
        let mut is_all = true;
        let began = Instant::now();
        for count in 0.. {
            if count == ROUND_MAX || began.elapsed() > ROUND_FOR {
                is_all = false;
                break;
            }
            let Some(delivered) = reading.merge.next(self.bus.as_ref(), &until).await? else { break };
            let findings = self.take_guarded(&delivered);
            if !self.tell(findings, age, shutdown).await {
                // What it came from is not committed.
                reading.is_torn = true;
                return Ok(true);
            }
            let of = TopicPartition { topic: delivered.topic, partition: delivered.position.partition };
            let next = delivered.position.offset + 1;
            if age == Age::New {
                reading.taken.insert(of.clone(), next);
            }
            reading.next.insert(of, next);
            if shutdown.is_cancelled() {
                return Ok(true);
            }
        }
        if age == Age::Known {
            if is_all {
                // What the topics no longer keep is behind, too.
                for (of, known) in std::mem::take(&mut reading.known) {
                    let next = reading.next.entry(of).or_default();
                    *next = known.max(*next);
                }
                let unclaimed = self.brain().claim();
                if !self.tell(unclaimed, Age::New, shutdown).await {
                    reading.is_torn = true;
                    return Ok(true);
                }
            }
            return Ok(false);
        }
        let taken = reading.taken.iter();
        let progress: Vec<Progress> = taken.map(|(of, next)| Progress { of: of.clone(), next_offset: *next }).collect();
        consumer.commit(&progress).await?;
        reading.taken.clear();
        Ok(is_all)
    }

    pub(crate) fn take(&self, delivered: &Delivered) -> Vec<Finding> {
        measure_consumed(&delivered.topic);
        // What is replayed from the dead letters is past, and part of it was seen when it was new.
        if delivered.record.header(topics::REPLAY_OF_HEADER).is_some() {
            return Vec::new();
        }
        let now = self.clock.now();
        let mut brain = self.brain();
        let value = delivered.record.value.clone();
        let newest = match delivered.topic.as_str() {
            topics::METRICS => take_metrics(&mut brain.detector, &value, self.options.seed),
            topics::LOGS => ExportLogsServiceRequest::decode(value).map(|request| {
                let records = otlp::logs(&request).items;
                records.iter().for_each(|record| brain.detector.log(record));
                records.iter().map(|record| record.time).max()
            }),
            _ => ExportTraceServiceRequest::decode(value).map(|request| {
                let spans = otlp::spans(&request).items;
                spans.iter().for_each(|span| brain.detector.span(span));
                spans.iter().map(|span| span.end).max()
            }),
        };
        match newest {
            Ok(newest) => {
                brain.saw(newest.unwrap_or(Timestamp::EPOCH), now);
                brain.advance()
            }
            // The indexer reads the same topics and keeps the dead letter.
            Err(error) => {
                tracing::debug!(%error, topic = delivered.topic, "a record is no export request");
                Vec::new()
            }
        }
    }

    /// Has findings stored before anything is committed; while the store is away, detection waits. Whether they are
    /// stored: not where `shutdown` cut that short.
    pub(crate) async fn tell(&self, findings: Vec<Finding>, age: Age, shutdown: &CancellationToken) -> bool {
        for finding in findings {
            while let Err(error) = self.note(&finding, age).await {
                // A defect would come again for ever, and everything else would wait behind it.
                if matches!(error.code(), tonic::Code::Internal | tonic::Code::InvalidArgument) {
                    tracing::error!(%error, "a finding cannot be kept");
                    break;
                }
                tracing::warn!(%error, "failed to store a finding; trying again");
                tokio::select! {
                    biased;
                    () = shutdown.cancelled() => return false,
                    () = tokio::time::sleep(RETRY_AFTER) => {}
                }
            }
        }
        true
    }
}

fn may_pass(operation: &'static str, error: bus::Error) -> Result<(), Error> {
    match error {
        bus::Error::Full | bus::Error::Unavailable(_) | bus::Error::Fenced { .. } => {
            tracing::warn!(%error, "failed to {operation}; trying again");
            Ok(())
        }
        source => Err(Error::Bus { operation, source }),
    }
}
