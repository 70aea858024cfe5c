//! A membership of the group that lasts through work of any length.

use std::pin::pin;
use std::time::Duration;

use llm_sre_ports::bus::{self, Batch, Consumer, Delivered, Progress, TopicPartition};
use tokio::time::Instant;

use crate::GROUP;

/// How long a member is silent at most: several times in [`bus::MEMBER_LEASE`].
const SILENT_MAX: Duration = Duration::from_secs(2);

/// A consumer that knows when it was last heard, so that many short pieces of work in a row lose it no more than a long
/// one.
pub(crate) struct Membership {
    consumer: Box<dyn Consumer>,
    polled: Instant,
    must_end: bool,
    /// Partitions that came since they were last asked for.
    came: Vec<TopicPartition>,
    /// Partitions that went to others since they were last asked for.
    revoked: Vec<TopicPartition>,
}

impl Membership {
    pub(crate) fn new(consumer: Box<dyn Consumer>) -> Self {
        Self { consumer, polled: Instant::now(), must_end: false, came: Vec::new(), revoked: Vec::new() }
    }

    /// Whether the next poll could pass over records that nobody has handled: only a new membership, which begins at
    /// what was committed, brings them again.
    pub(crate) fn must_end(&self) -> bool {
        self.must_end
    }

    /// What there is to work on.
    pub(crate) async fn poll(&mut self, records: usize, bytes: usize, wait: Duration) -> Result<Batch, bus::Error> {
        let polled = self.consumer.poll(records, bytes, wait).await;
        self.polled = Instant::now();
        if let Ok(batch) = &polled {
            self.note(batch);
        }
        polled
    }

    /// The partitions that came since this was last asked.
    pub(crate) fn take_came(&mut self) -> Vec<TopicPartition> {
        std::mem::take(&mut self.came)
    }

    /// The partitions that went to others since this was last asked; one that is back is among them too.
    pub(crate) fn take_revoked(&mut self) -> Vec<TopicPartition> {
        std::mem::take(&mut self.revoked)
    }

    /// Whether a partition went to others since [`Self::take_revoked`].
    pub(crate) fn has_lost(&self, of: &TopicPartition) -> bool {
        self.revoked.contains(of)
    }

    fn note(&mut self, batch: &Batch) {
        self.came.extend_from_slice(&batch.assigned);
        self.revoked.extend_from_slice(&batch.revoked);
    }

    /// The partitions that are this member's.
    pub(crate) fn assignment(&self) -> Vec<TopicPartition> {
        self.consumer.assignment()
    }

    pub(crate) async fn commit(&mut self, progress: &[Progress]) -> Result<(), bus::Error> {
        self.stay().await;
        // The bus would take this for one that went and came back, although others committed more of it meanwhile.
        if let Some(Progress { of, .. }) = progress.iter().find(|progress| self.has_lost(&progress.of)) {
            let TopicPartition { topic, partition } = of.clone();
            return Err(bus::Error::Fenced { group: GROUP.to_owned(), topic, partition });
        }
        self.consumer.commit(progress).await
    }

    /// Does some of the work between two polls, and polls meanwhile where that is due, with all partitions paused.
    pub(crate) async fn meanwhile<T>(&mut self, work: impl Future<Output = T>) -> T {
        let mut work = pin!(work);
        loop {
            self.stay().await;
            if let Ok(done) = tokio::time::timeout_at(self.polled + SILENT_MAX, &mut work).await {
                return done;
            }
        }
    }

    /// Waits with all partitions paused, still polling so that they stay this member's.
    pub(crate) async fn wait(&mut self, wait: Duration) {
        self.consumer.pause(&self.consumer.assignment());
        // Never cut short by a time-out, which could lose what a poll already took.
        let (polled, ()) = tokio::join!(self.consumer.poll(1, 1, wait), tokio::time::sleep(wait));
        self.polled = Instant::now();
        self.go_back(polled).await;
    }

    /// Reads all partitions again.
    pub(crate) fn resume(&mut self) {
        let assignment = self.consumer.assignment();
        self.consumer.resume(&assignment);
    }

    pub(crate) async fn close(self) -> Result<(), bus::Error> {
        self.consumer.close().await
    }

    /// Polls if the last poll was long ago.
    async fn stay(&mut self) {
        if self.polled.elapsed() < SILENT_MAX {
            return;
        }
        self.consumer.pause(&self.consumer.assignment());
        let polled = self.consumer.poll(1, 1, Duration::ZERO).await;
        self.polled = Instant::now();
        self.go_back(polled).await;
    }

    /// A partition that came while others were paused was not: what it brought is read again later.
    async fn go_back(&mut self, polled: Result<Batch, bus::Error>) {
        let records = match polled {
            Ok(batch) => {
                self.note(&batch);
                batch.records
            }
            Err(bus::Error::Fenced { .. }) => {
                self.must_end = true;
                return;
            }
            Err(error) => {
                tracing::debug!(%error, "failed to poll meanwhile; the next poll tells");
                return;
            }
        };
        for Delivered { topic, position, .. } in records.into_iter().rev() {
            let of = TopicPartition { topic, partition: position.partition };
            let back = Progress { of, next_offset: position.offset };
            match self.consumer.seek(&back).await {
                Ok(()) => {}
                Err(error @ bus::Error::Fenced { .. }) => {
                    tracing::debug!(%error, "failed to go back; the partition is gone");
                }
                // Reading would go on after the record, and the next commit would say that it was handled.
                Err(error) => {
                    tracing::warn!(%error, "failed to go back; joining the group again at what was committed");
                    self.must_end = true;
                }
            }
        }
    }
}
