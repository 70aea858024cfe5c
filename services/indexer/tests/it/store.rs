//! The store's twin in memory, with moods: away, refusing a service's records, or stopping right after a write.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use llm_sre_domain::telemetry::Change;
use llm_sre_domain::{ServiceId, Timestamp};
use llm_sre_ports::memory::MemoryTelemetry;
use llm_sre_ports::telemetry::*;
use tokio::sync::watch;

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Mood {
    Well,
    Away,
    /// Refuses batches with records of the service `refused`.
    Picky,
    /// Writes, and never says so.
    Mute,
    /// Takes half a minute.
    Slow,
    /// Takes the first batch when it is in another mood, and the others at once. Reads series then, too.
    Stuck,
    /// As `Picky`, and takes almost two seconds for each batch.
    PickyAndLame,
}

pub(crate) struct MoodyStore {
    inner: MemoryTelemetry,
    mood: watch::Sender<Mood>,
    appends: AtomicUsize,
    failures: AtomicUsize,
    mute_writes: AtomicUsize,
    is_stuck: AtomicBool,
    pruned_after: watch::Sender<Option<Timestamp>>,
}

impl Default for MoodyStore {
    fn default() -> Self {
        let mood = watch::Sender::new(Mood::Well);
        Self {
            inner: MemoryTelemetry::default(),
            mood,
            appends: AtomicUsize::new(0),
            failures: AtomicUsize::new(0),
            mute_writes: AtomicUsize::new(0),
            is_stuck: AtomicBool::new(false),
            pruned_after: watch::Sender::new(None),
        }
    }
}

impl MoodyStore {
    pub(crate) fn set(&self, mood: Mood) {
        self.mood.send_replace(mood);
    }

    /// How many appends were asked for.
    pub(crate) fn appends(&self) -> usize {
        self.appends.load(Ordering::SeqCst)
    }

    /// How many appends failed because it was away.
    pub(crate) fn failures(&self) -> usize {
        self.failures.load(Ordering::SeqCst)
    }

    /// What was last said to be the last day that can be.
    pub(crate) fn pruned_after(&self) -> Option<Timestamp> {
        *self.pruned_after.borrow()
    }

    /// How many appends were written without an answer.
    pub(crate) fn mute_writes(&self) -> usize {
        self.mute_writes.load(Ordering::SeqCst)
    }

    fn check(&self) -> Result<(), Error> {
        if *self.mood.borrow() == Mood::Away { Err(Error::Unavailable("it is away".to_owned())) } else { Ok(()) }
    }
}

#[async_trait]
impl TelemetryStore for MoodyStore {
    async fn append(&self, batch: Batch) -> Result<(), Error> {
        let mood = *self.mood.borrow();
        self.appends.fetch_add(1, Ordering::SeqCst);
        match mood {
            Mood::Well => self.inner.append(batch).await,
            Mood::Away => {
                self.failures.fetch_add(1, Ordering::SeqCst);
                self.check()
            }
            Mood::Picky | Mood::PickyAndLame => {
                if mood == Mood::PickyAndLame {
                    super::pass(Duration::from_millis(1_900)).await;
                }
                if batch.logs.iter().any(|(_, record)| &*record.service.name == "refused") {
                    return Err(Error::InvalidArgument { what: "batch", reason: "it is from `refused`".to_owned() });
                }
                self.inner.append(batch).await
            }
            Mood::Slow => {
                super::pass(Duration::from_secs(30)).await;
                self.inner.append(batch).await
            }
            Mood::Stuck => {
                if !self.is_stuck.swap(true, Ordering::SeqCst) {
                    let mut mood = self.mood.subscribe();
                    mood.wait_for(|mood| *mood != Mood::Stuck).await.unwrap();
                }
                self.inner.append(batch).await
            }
            Mood::Mute => {
                self.inner.append(batch).await?;
                self.mute_writes.fetch_add(1, Ordering::SeqCst);
                std::future::pending().await
            }
        }
    }

    async fn series(&self, query: SeriesQuery) -> Result<SeriesPage, Error> {
        self.check()?;
        let mut mood = self.mood.subscribe();
        mood.wait_for(|mood| *mood != Mood::Stuck).await.unwrap();
        self.inner.series(query).await
    }

    async fn search_logs(&self, query: LogQuery) -> Result<LogPage, Error> {
        self.check()?;
        self.inner.search_logs(query).await
    }

    async fn count_logs(&self, query: LogQuery, parts: Parts) -> Result<LogCounts, Error> {
        self.check()?;
        self.inner.count_logs(query, parts).await
    }

    async fn changes(&self, range: Range, service: Option<&ServiceId>, limit: usize) -> Result<Vec<Change>, Error> {
        self.check()?;
        self.inner.changes(range, service, limit).await
    }

    async fn calls(&self, range: Range, limit: usize) -> Result<Vec<CallSum>, Error> {
        self.check()?;
        self.inner.calls(range, limit).await
    }

    async fn services(&self, range: Range, after: Option<&ServiceId>, limit: usize) -> Result<Vec<SeenService>, Error> {
        self.check()?;
        self.inner.services(range, after, limit).await
    }

    async fn prune(&self, before: Timestamp, bytes_max: Option<u64>) -> Result<u64, Error> {
        self.inner.prune(before, bytes_max).await
    }

    async fn prune_after(&self, last: Timestamp) -> Result<u64, Error> {
        self.pruned_after.send_replace(Some(last));
        self.inner.prune_after(last).await
    }
}
