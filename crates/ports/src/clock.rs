//! The product's clock: deadlines, cooldowns and reports go by it. A demo may speed it up, a test moves it by hand.
//! Leases, network time-outs and spans go by real time instead.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use llm_sre_domain::Timestamp;
use tokio::sync::oneshot;
use tokio::time::Instant;

/// Tells the product's time.
#[async_trait]
pub trait Clock: Send + Sync {
    /// The time now. Never goes back.
    fn now(&self) -> Timestamp;

    /// Returns once `now` is at least `time`; at once where it is already.
    async fn sleep_until(&self, time: Timestamp);

    /// Returns after `duration` of this clock.
    async fn sleep(&self, duration: Duration) {
        self.sleep_until(self.now() + duration).await;
    }
}

/// A clock that begins at a time and goes `factor` times as fast as real time. In a runtime whose time is paused it
/// stands still while there is work, and jumps ahead where there is none.
#[derive(Debug)]
pub struct ScaledClock {
    epoch: Timestamp,
    started: Instant,
    factor: f64,
}

/// A factor that is not a positive number, or above a million.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
#[error("the clock's speed {0} is not above 0 and at most 1000000")]
pub struct InvalidFactor(pub f64);

impl ScaledClock {
    /// Begins now, at the wall clock's time.
    pub fn starting_now(factor: f64) -> Result<Self, InvalidFactor> {
        Self::starting_at(wall_clock(), factor)
    }

    /// Begins now, at a time of the caller's.
    pub fn starting_at(epoch: Timestamp, factor: f64) -> Result<Self, InvalidFactor> {
        if !(factor > 0.0 && factor <= 1e6) {
            return Err(InvalidFactor(factor));
        }
        Ok(Self { epoch, started: Instant::now(), factor })
    }

    /// Real time, from the wall clock at the start on; a step of the wall clock is not followed.
    pub fn real() -> Self {
        Self { epoch: wall_clock(), started: Instant::now(), factor: 1.0 }
    }

    /// How many seconds of this clock pass in one of real time.
    pub fn factor(&self) -> f64 {
        self.factor
    }
}

fn wall_clock() -> Timestamp {
    #[allow(clippy::disallowed_methods)] // This is the clock.
    let now = SystemTime::now();
    let nanos = now.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos());
    Timestamp::from_nanos(i64::try_from(nanos).unwrap_or(i64::MAX))
}

#[async_trait]
impl Clock for ScaledClock {
    fn now(&self) -> Timestamp {
        self.epoch + self.started.elapsed().mul_f64(self.factor)
    }

    async fn sleep_until(&self, time: Timestamp) {
        let real = time.since(self.now()).div_f64(self.factor);
        tokio::time::sleep(real).await;
    }
}

/// A clock that only [`ManualClock::advance_to`] moves.
#[derive(Debug)]
pub struct ManualClock {
    state: Mutex<ManualState>,
}

#[derive(Debug)]
struct ManualState {
    now: Timestamp,
    sleepers: BTreeMap<(Timestamp, u64), oneshot::Sender<()>>,
    next_sleeper: u64,
}

impl ManualClock {
    /// Stands at `now`.
    pub fn new(now: Timestamp) -> Self {
        Self { state: Mutex::new(ManualState { now, sleepers: BTreeMap::new(), next_sleeper: 0 }) }
    }

    /// Moves to `time` and wakes who slept until then, in order. A time in the past changes nothing.
    pub fn advance_to(&self, time: Timestamp) {
        let mut state = self.lock();
        state.now = state.now.max(time);
        let after = (state.now + Duration::from_nanos(1), 0);
        let later = state.sleepers.split_off(&after);
        for (_, sleeper) in std::mem::replace(&mut state.sleepers, later) {
            // A sleeper that went away does not mind.
            let _is_awake = sleeper.send(()).is_ok();
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, ManualState> {
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

#[async_trait]
impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        self.lock().now
    }

    async fn sleep_until(&self, time: Timestamp) {
        let woken = {
            let mut state = self.lock();
            if state.now >= time {
                return;
            }
            let (sender, receiver) = oneshot::channel();
            let id = state.next_sleeper;
            state.next_sleeper += 1;
            state.sleepers.insert((time, id), sender);
            receiver
        };
        // The clock was dropped: nobody will ever move it, so there is no later to wait for.
        if woken.await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
