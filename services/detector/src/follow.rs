//! Standing by, and where reading begins.
//!
//! One instance detects. The others read what it has handled, right behind it and writing nothing, so that whichever
//! gets the lease knows what is usual, which cases go on, and which incidents they became.

use std::collections::BTreeMap;
use std::time::Duration;

use llm_sre_domain::Timestamp;
use llm_sre_ports::bus::{self, EventBus, TopicPartition};
use llm_sre_ports::leases::Lease;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::Service;
use crate::merge::{Ends, Offsets};
use crate::raise::Age;
use crate::stream::{RETRY_AFTER, ROUND_FOR, ROUND_MAX, Reading};

/// How often an instance that stands by asks for the lease: the longest that a release goes unnoticed.
const ASK_EVERY: Duration = Duration::from_secs(1);
/// The wait for news of what the other has handled.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// How far before what was handled reading begins. What reaches further back is in the checkpoint: the 240 samples of a
/// baseline are four hours at the interval of a minute that SDKs have.
const REWIND: Duration = Duration::from_secs(6 * 3_600);
/// A search for where to begin that is so near is at its end: to read a little more costs less than to search on.
const NEAR: u64 = 64;

impl Service {
    /// Reads behind the instance that detects until this one may; nothing at `shutdown`.
    pub(crate) async fn stand_by(&self, reading: &mut Reading, shutdown: &CancellationToken) -> Option<Lease> {
        let mut is_close = false;
        while !shutdown.is_cancelled() {
            if let Some(lease) = self.acquire().await {
                return Some(lease);
            }
            let ask_at = Instant::now() + ASK_EVERY;
            if is_close && let Err(error) = self.measure_living().await {
                tracing::debug!(%error, "failed to read the incidents that live");
            }
            while !shutdown.is_cancelled() && Instant::now() < ask_at {
                let wait = match self.follow(reading, shutdown).await {
                    Ok(false) => continue,
                    Ok(true) => {
                        // Far behind, an incident's end would be noted at a time long before it.
                        is_close = true;
                        LOOK_EVERY
                    }
                    Err(error) => {
                        is_close = false;
                        tracing::warn!(%error, "failed to stand by; trying again");
                        RETRY_AFTER
                    }
                };
                tokio::select! {
                    biased;
                    () = shutdown.cancelled() => {}
                    () = tokio::time::sleep(wait) => {}
                }
            }
        }
        None
    }

    /// Reads what the other has handled since. Whether that is all.
    async fn follow(&self, reading: &mut Reading, shutdown: &CancellationToken) -> Result<bool, bus::Error> {
        let ends = self.ends().await?;
        if !ends.keys().eq(reading.next.keys()) {
            let (from, since) = self.beginnings(ends.into_keys()).await?;
            let remembering = self.remembering(since).await;
            *self.brain() = remembering.map_err(|error| bus::Error::Unavailable(error.to_string()))?;
            *reading = Reading::from(from);
        }
        let handled = Ends { first: self.handled(&reading.next).await?, then: self.handled(&reading.next).await? };
        let began = Instant::now();
        for _ in 0..ROUND_MAX {
            if began.elapsed() > ROUND_FOR || shutdown.is_cancelled() {
                return Ok(false);
            }
            let Some(delivered) = reading.merge.next(self.bus.as_ref(), &handled).await? else { return Ok(true) };
            let findings = self.take_guarded(&delivered);
            if !self.tell(findings, Age::Watched, shutdown).await {
                reading.is_torn = true;
                return Ok(false);
            }
            let of = TopicPartition { topic: delivered.topic, partition: delivered.position.partition };
            reading.next.insert(of, delivered.position.offset + 1);
        }
        Ok(false)
    }

    /// Where reading of these partitions begins, for detection to know again what is usual: [`REWIND`] before the newest
    /// that was handled, and since when that is. Where nothing was, at the beginning.
    pub(crate) async fn beginnings(
        &self,
        partitions: impl IntoIterator<Item = TopicPartition>,
    ) -> Result<(Offsets, Option<Timestamp>), bus::Error> {
        let mut beginnings: Offsets = partitions.into_iter().map(|of| (of, 0)).collect();
        let handled = self.handled(&beginnings).await?;
        let mut newest: BTreeMap<&TopicPartition, Timestamp> = BTreeMap::new();
        for (of, next) in handled.iter().filter(|(_, next)| **next > 0) {
            newest.extend(time_at(self.bus.as_ref(), of, next - 1).await?.map(|(_, time)| (of, time)));
        }
        let Some(since) = newest.values().max().map(|newest| *newest - REWIND) else {
            return Ok((beginnings, None));
        };
        for (of, next) in &handled {
            let beginning = first_since(self.bus.as_ref(), of, *next, since).await?;
            beginnings.insert(of.clone(), beginning);
        }
        Ok((beginnings, Some(since)))
    }
}

/// An offset before `until` that everything taken from `since` on comes after, and little else. Records of a partition
/// are in the order in which they were taken, but for what was in flight together.
async fn first_since(bus: &dyn EventBus, of: &TopicPartition, until: u64, since: Timestamp) -> Result<u64, bus::Error> {
    let (mut low, mut high) = (0, until);
    // The oldest that is kept is mostly young enough.
    if time_at(bus, of, 0).await?.is_none_or(|(_, time)| time >= since) {
        return Ok(low);
    }
    while high - low > NEAR {
        let middle = low + (high - low) / 2;
        match time_at(bus, of, middle).await? {
            Some((offset, time)) if offset < high && time < since => low = offset,
            _ => high = middle,
        }
    }
    Ok(low)
}

/// The first record from an offset on: where it is, and when it was taken.
async fn time_at(bus: &dyn EventBus, of: &TopicPartition, offset: u64) -> Result<Option<(u64, Timestamp)>, bus::Error> {
    let found = bus.read(of, offset, 1).await?;
    Ok(found.first().map(|delivered| (delivered.position.offset, delivered.record.timestamp)))
}

#[cfg(test)]
mod tests {
    use llm_sre_ports::bus::{Record, TopicSpec};
    use llm_sre_ports::memory::MemoryBus;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn reading_begins_shortly_before_a_time(
            steps in prop::collection::vec(0i64..3, 0..1_000), since in 0i64..1_500, handled in 0usize..1_000,
        ) {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            let times: Vec<i64> = steps.iter().scan(0, |time, step| { *time += step; Some(*time) }).collect();
            let handled = handled.min(times.len());
            let begins = runtime.block_on(async {
                let bus = MemoryBus::default();
                bus.create_topic(TopicSpec { name: "t".to_owned(), partitions: 1, retention: None }).await.unwrap();
                let record = |time: &i64| Record { timestamp: Timestamp::from_secs(*time), ..Record::default() };
                bus.publish("t", times.iter().map(record).collect()).await.unwrap();
                let of = TopicPartition { topic: "t".to_owned(), partition: 0 };
                first_since(&bus, &of, handled as u64, Timestamp::from_secs(since)).await.unwrap()
            });
            let begins = usize::try_from(begins).unwrap();
            prop_assert!(begins <= handled);
            prop_assert!(times[..begins].iter().all(|time| *time < since), "nothing is passed over");
            let more = times[begins..handled].iter().filter(|time| **time < since).count();
            prop_assert!(more <= NEAR as usize + 1, "{more} are read in vain");
        }
    }
}
