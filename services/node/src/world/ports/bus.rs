//! The event bus, and its consumers.

use std::sync::Arc;
use std::time::Duration;

use llm_sre_ports::bus::{
    Batch, Consumer, Delivered, Error, EventBus, Position, Progress, Record, Start, TopicPartition, TopicSpec,
};

use super::super::weather::Gate;
use super::passed;

/// See the module.
pub(super) struct Bus {
    gate: Arc<Gate>,
    inner: Arc<dyn EventBus>,
}

impl Bus {
    pub(super) fn new(gate: Arc<Gate>, inner: Arc<dyn EventBus>) -> Self {
        Self { gate, inner }
    }

    /// What is asked again and again, and changes nothing.
    async fn asked(&self) -> Result<(), Error> {
        let fate = self.gate.ask().await;
        if fate.is_refused || fate.is_lost { Err(away()) } else { Ok(()) }
    }
}

/// A member of a group.
struct Member {
    gate: Arc<Gate>,
    inner: Box<dyn Consumer>,
}

fn away() -> Error {
    Error::Unavailable(Gate::away())
}

#[tonic::async_trait]
impl EventBus for Bus {
    async fn create_topic(&self, spec: TopicSpec) -> Result<(), Error> {
        passed!(self.gate, away(), self.inner.create_topic(spec))
    }

    async fn publish(&self, topic: &str, mut records: Vec<Record>) -> Result<Vec<Position>, Error> {
        let fate = self.gate.enter().await;
        if fate.is_refused && fate.before.is_zero() {
            return Err(Error::Full);
        }
        // What fails late may have done a part of it, as the contract says.
        if fate.is_refused {
            records.truncate(records.len() / 2);
        }
        let bytes: usize = records.iter().map(Record::bytes).sum();
        let done = self.inner.publish(topic, records).await;
        if let Ok(positions) = &done {
            let places = (positions.len(), positions.first(), positions.last());
            self.gate.ground.log.say(&self.gate.life, &format!("publishes to {topic} {bytes} bytes: {places:?}"));
        }
        self.gate.leave(fate).await;
        if fate.is_refused || fate.is_lost { Err(away()) } else { done }
    }

    async fn subscribe(&self, group: &str, topics: &[&str], start: Start) -> Result<Box<dyn Consumer>, Error> {
        let inner = passed!(self.gate, away(), self.inner.subscribe(group, topics, start))?;
        Ok(Box::new(Member { gate: Arc::clone(&self.gate), inner }))
    }

    async fn end_offsets(&self, topic: &str) -> Result<Vec<Progress>, Error> {
        self.asked().await?;
        self.inner.end_offsets(topic).await
    }

    async fn committed(&self, group: &str, topic: &str) -> Result<Vec<Progress>, Error> {
        self.asked().await?;
        self.inner.committed(group, topic).await
    }

    async fn read(&self, of: &TopicPartition, from_offset: u64, max: usize) -> Result<Vec<Delivered>, Error> {
        let fate = self.gate.ask().await;
        if fate.is_refused || fate.is_lost {
            return Err(away());
        }
        // Fewer than asked for, and at least one, is an answer too.
        let max = if fate.after.is_zero() { max } else { max.min(1) };
        self.inner.read(of, from_offset, max).await
    }

    async fn prune(&self) -> Result<u64, Error> {
        passed!(self.gate, away(), self.inner.prune())
    }
}

#[tonic::async_trait]
impl Consumer for Member {
    async fn poll(&mut self, max_records: usize, max_bytes: usize, wait: Duration) -> Result<Batch, Error> {
        let fate = self.gate.ask().await;
        // Nothing was taken yet: what is taken must arrive, or it would be a gap.
        if fate.is_refused || fate.is_lost {
            return Err(away());
        }
        let max_records = if fate.after.is_zero() { max_records } else { max_records.min(1) };
        self.inner.poll(max_records, max_bytes, wait).await
    }

    async fn commit(&mut self, progress: &[Progress]) -> Result<(), Error> {
        passed!(self.gate, away(), self.inner.commit(progress))
    }

    async fn seek(&mut self, to: &Progress) -> Result<(), Error> {
        passed!(self.gate, away(), self.inner.seek(to))
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
        let Self { gate, inner } = *self;
        passed!(gate, away(), inner.close())
    }
}
