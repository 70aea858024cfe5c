//! The bus' twin in memory, whose polls can fail.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use llm_sre_ports::bus::*;
use llm_sre_ports::memory::MemoryBus;

#[derive(Clone, Default)]
pub(crate) struct MoodyBus {
    pub(crate) inner: MemoryBus,
    failures_left: Arc<AtomicUsize>,
}

impl MoodyBus {
    /// From now on so many polls fail.
    pub(crate) fn fail_polls(&self, count: usize) {
        self.failures_left.store(count, Ordering::SeqCst);
    }

    /// How many of them are still to come.
    pub(crate) fn failures_left(&self) -> usize {
        self.failures_left.load(Ordering::SeqCst)
    }
}

#[async_trait]
impl EventBus for MoodyBus {
    async fn create_topic(&self, spec: TopicSpec) -> Result<(), Error> {
        self.inner.create_topic(spec).await
    }
    async fn publish(&self, topic: &str, records: Vec<Record>) -> Result<Vec<Position>, Error> {
        self.inner.publish(topic, records).await
    }
    async fn subscribe(&self, group: &str, topics: &[&str], start: Start) -> Result<Box<dyn Consumer>, Error> {
        let inner = self.inner.subscribe(group, topics, start).await?;
        Ok(Box::new(MoodyConsumer { inner, failures_left: Arc::clone(&self.failures_left) }))
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
    failures_left: Arc<AtomicUsize>,
}

#[async_trait]
impl Consumer for MoodyConsumer {
    async fn poll(&mut self, max_records: usize, max_bytes: usize, wait: Duration) -> Result<Batch, Error> {
        let fails = |left: usize| left.checked_sub(1);
        match self.failures_left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, fails) {
            Ok(_) => Err(Error::Unavailable("all brokers are down".to_owned())),
            Err(_) => self.inner.poll(max_records, max_bytes, wait).await,
        }
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
