//! The bus' twin in memory, with moods: polls and seeks that fail, pauses that are not heard, slow dead letters.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use llm_sre_ports::bus::*;
use llm_sre_ports::memory::MemoryBus;

#[derive(Clone, Default)]
pub(crate) struct MoodyBus {
    pub(crate) inner: MemoryBus,
    moods: Arc<Moods>,
}

#[derive(Default)]
struct Moods {
    failing_polls: AtomicUsize,
    failing_seeks: AtomicUsize,
    is_deaf: AtomicBool,
    has_slow_letters: AtomicBool,
    refuses_letters: AtomicBool,
    /// How many letters there were in each publish that was refused.
    refused_letters: Mutex<Vec<usize>>,
}

/// Whether one of the failures that are left happens now.
fn fails(left: &AtomicUsize) -> bool {
    left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok()
}

impl MoodyBus {
    /// From now on so many polls fail.
    pub(crate) fn fail_polls(&self, count: usize) {
        self.moods.failing_polls.store(count, Ordering::SeqCst);
    }

    /// From now on so many seeks fail.
    pub(crate) fn fail_seeks(&self, count: usize) {
        self.moods.failing_seeks.store(count, Ordering::SeqCst);
    }

    /// How many of them are still to come.
    pub(crate) fn failing_seeks(&self) -> usize {
        self.moods.failing_seeks.load(Ordering::SeqCst)
    }

    /// From now on pauses come too late, as for a partition that was just assigned.
    pub(crate) fn be_deaf(&self) {
        self.moods.is_deaf.store(true, Ordering::SeqCst);
    }

    /// From now on it takes longer than a member's lease to keep dead letters.
    pub(crate) fn slow_letters(&self) {
        self.moods.has_slow_letters.store(true, Ordering::SeqCst);
    }

    /// From now on dead letters are refused, or taken again.
    pub(crate) fn refuse_letters(&self, is_refused: bool) {
        self.moods.refuses_letters.store(is_refused, Ordering::SeqCst);
    }

    /// How many letters there were in each publish that was refused.
    pub(crate) fn refused_letters(&self) -> Vec<usize> {
        self.moods.refused_letters.lock().unwrap().clone()
    }

    /// How many of them are still to come.
    pub(crate) fn failures_left(&self) -> usize {
        self.moods.failing_polls.load(Ordering::SeqCst)
    }
}

#[async_trait]
impl EventBus for MoodyBus {
    async fn create_topic(&self, spec: TopicSpec) -> Result<(), Error> {
        self.inner.create_topic(spec).await
    }
    async fn publish(&self, topic: &str, records: Vec<Record>) -> Result<Vec<Position>, Error> {
        if topic.ends_with(".dlq") && self.moods.has_slow_letters.load(Ordering::SeqCst) {
            super::pass(MEMBER_LEASE + Duration::from_secs(2)).await;
        }
        if topic.ends_with(".dlq") && self.moods.refuses_letters.load(Ordering::SeqCst) {
            self.moods.refused_letters.lock().unwrap().push(records.len());
            return Err(Error::Unavailable("no leader".to_owned()));
        }
        self.inner.publish(topic, records).await
    }
    async fn subscribe(&self, group: &str, topics: &[&str], start: Start) -> Result<Box<dyn Consumer>, Error> {
        let inner = self.inner.subscribe(group, topics, start).await?;
        Ok(Box::new(MoodyConsumer { inner, moods: Arc::clone(&self.moods) }))
    }
    async fn end_offsets(&self, topic: &str) -> Result<Vec<Progress>, Error> {
        self.inner.end_offsets(topic).await
    }
    async fn committed(&self, group: &str, topic: &str) -> Result<Vec<Progress>, Error> {
        self.inner.committed(group, topic).await
    }
    async fn read(&self, of: &TopicPartition, from_offset: u64, max: usize) -> Result<Vec<Delivered>, Error> {
        self.inner.read(of, from_offset, max).await
    }
    async fn prune(&self) -> Result<u64, Error> {
        self.inner.prune().await
    }
}

struct MoodyConsumer {
    inner: Box<dyn Consumer>,
    moods: Arc<Moods>,
}

#[async_trait]
impl Consumer for MoodyConsumer {
    async fn poll(&mut self, max_records: usize, max_bytes: usize, wait: Duration) -> Result<Batch, Error> {
        if fails(&self.moods.failing_polls) {
            return Err(Error::Unavailable("all brokers are down".to_owned()));
        }
        self.inner.poll(max_records, max_bytes, wait).await
    }
    async fn commit(&mut self, progress: &[Progress]) -> Result<(), Error> {
        self.inner.commit(progress).await
    }
    async fn seek(&mut self, to: &Progress) -> Result<(), Error> {
        if fails(&self.moods.failing_seeks) {
            return Err(Error::Unavailable("the broker does not answer".to_owned()));
        }
        self.inner.seek(to).await
    }
    fn pause(&mut self, partitions: &[TopicPartition]) {
        if !self.moods.is_deaf.load(Ordering::SeqCst) {
            self.inner.pause(partitions);
        }
    }
    fn resume(&mut self, partitions: &[TopicPartition]) {
        self.inner.resume(partitions);
    }
    fn assignment(&self) -> Vec<TopicPartition> {
        self.inner.assignment()
    }
    async fn close(self: Box<Self>) -> Result<(), Error> {
        self.inner.close().await
    }
}
