//! The bus' twin in memory, as Kafka is when a member joins: partitions come after some polls, and history in pieces.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use llm_sre_ports::bus::*;
use llm_sre_ports::memory::MemoryBus;

/// Polls before a member is given partitions.
const POLLS: usize = 50;

/// See the module.
#[derive(Clone)]
pub(crate) struct SlowBus {
    inner: Arc<MemoryBus>,
    /// Records from this offset on cannot be read until it is open.
    until: u64,
    is_open: Arc<AtomicBool>,
    was_asked: Arc<AtomicBool>,
}

impl SlowBus {
    pub(crate) fn new(inner: Arc<MemoryBus>, until: u64) -> Self {
        Self { inner, until, is_open: Arc::default(), was_asked: Arc::default() }
    }

    /// Whether somebody has read all that can be read.
    pub(crate) fn was_asked(&self) -> bool {
        self.was_asked.load(Ordering::SeqCst)
    }

    /// From now on all can be read.
    pub(crate) fn open(&self) {
        self.is_open.store(true, Ordering::SeqCst);
    }
}

#[tonic::async_trait]
impl EventBus for SlowBus {
    async fn create_topic(&self, spec: TopicSpec) -> Result<(), Error> {
        self.inner.create_topic(spec).await
    }
    async fn publish(&self, topic: &str, records: Vec<Record>) -> Result<Vec<Position>, Error> {
        self.inner.publish(topic, records).await
    }
    async fn subscribe(&self, group: &str, topics: &[&str], start: Start) -> Result<Box<dyn Consumer>, Error> {
        Ok(Box::new(SlowConsumer { inner: self.inner.subscribe(group, topics, start).await?, polls: POLLS }))
    }
    async fn end_offsets(&self, topic: &str) -> Result<Vec<Progress>, Error> {
        self.inner.end_offsets(topic).await
    }
    async fn committed(&self, group: &str, topic: &str) -> Result<Vec<Progress>, Error> {
        self.inner.committed(group, topic).await
    }
    async fn read(&self, of: &TopicPartition, from_offset: u64, max: usize) -> Result<Vec<Delivered>, Error> {
        let mut found = self.inner.read(of, from_offset, max).await?;
        // One record is a look for where to begin.
        if max > 1 && !self.is_open.load(Ordering::SeqCst) {
            found.retain(|delivered| delivered.position.offset < self.until);
            if found.is_empty() {
                self.was_asked.store(true, Ordering::SeqCst);
                return Err(Error::Unavailable("the broker is slow".to_owned()));
            }
        }
        Ok(found)
    }
    async fn prune(&self) -> Result<u64, Error> {
        self.inner.prune().await
    }
}

struct SlowConsumer {
    inner: Box<dyn Consumer>,
    polls: usize,
}

#[tonic::async_trait]
impl Consumer for SlowConsumer {
    async fn poll(&mut self, max_records: usize, max_bytes: usize, wait: Duration) -> Result<Batch, Error> {
        let Some(left) = self.polls.checked_sub(1) else { return self.inner.poll(max_records, max_bytes, wait).await };
        self.polls = left;
        tokio::task::yield_now().await;
        Ok(Batch::default())
    }
    async fn commit(&mut self, progress: &[Progress]) -> Result<(), Error> {
        self.inner.commit(progress).await
    }
    async fn seek(&mut self, to: &Progress) -> Result<(), Error> {
        self.inner.seek(to).await
    }
    fn pause(&mut self, partitions: &[TopicPartition]) {
        self.inner.pause(partitions);
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
