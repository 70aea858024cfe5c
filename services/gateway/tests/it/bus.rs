//! The bus's twin in memory, with moods: away, full, or slow.

use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;
use llm_sre_ports::bus::*;
use llm_sre_ports::memory::MemoryBus;
use tokio::sync::watch;

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Mood {
    Well,
    Away,
    Full,
    /// Publishing waits until the mood changes.
    Slow,
}

pub(crate) struct MoodyBus {
    inner: MemoryBus,
    mood: watch::Sender<Mood>,
    waiting: Mutex<usize>,
}

impl Default for MoodyBus {
    fn default() -> Self {
        Self { inner: MemoryBus::default(), mood: watch::Sender::new(Mood::Well), waiting: Mutex::new(0) }
    }
}

impl MoodyBus {
    pub(crate) fn set(&self, mood: Mood) {
        self.mood.send_replace(mood);
    }

    /// Waits until so many publishers wait.
    pub(crate) async fn until_waiting(&self, publishers: usize) {
        let waits = async {
            while *self.waiting.lock().unwrap() < publishers {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), waits).await.unwrap();
    }
}

#[async_trait]
impl EventBus for MoodyBus {
    async fn create_topic(&self, spec: TopicSpec) -> Result<(), Error> {
        self.inner.create_topic(spec).await
    }

    async fn publish(&self, topic: &str, records: Vec<Record>) -> Result<Vec<Position>, Error> {
        let mood = *self.mood.borrow();
        match mood {
            Mood::Well => {}
            Mood::Away => return Err(Error::Unavailable("it is away".to_owned())),
            Mood::Full => return Err(Error::Full),
            Mood::Slow => {
                *self.waiting.lock().unwrap() += 1;
                self.mood.subscribe().wait_for(|mood| *mood != Mood::Slow).await.unwrap();
            }
        }
        self.inner.publish(topic, records).await
    }

    async fn subscribe(&self, group: &str, topics: &[&str], start: Start) -> Result<Box<dyn Consumer>, Error> {
        self.inner.subscribe(group, topics, start).await
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
