//! Waiting after a failure that may pass.

use std::time::Duration;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Waits that double, each between a half and the whole of its length, so that many who failed together do not come
/// again together.
pub(crate) struct Backoff {
    min: Duration,
    max: Duration,
    next: Duration,
    random: ChaCha8Rng,
}

impl Backoff {
    pub(crate) fn new(min: Duration, max: Duration, seed: u64) -> Self {
        let min = min.max(Duration::from_millis(1));
        Self { min, max: max.max(min), next: min, random: ChaCha8Rng::seed_from_u64(seed) }
    }

    /// The next wait.
    pub(crate) fn next_wait(&mut self) -> Duration {
        let wait = self.next;
        self.next = (self.next * 2).min(self.max);
        wait.mul_f64(self.random.random_range(0.5..=1.0))
    }

    /// Something succeeded: the next failure begins anew.
    pub(crate) fn reset(&mut self) {
        self.next = self.min;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_their_limit_and_begin_anew() {
        let (min, max) = (Duration::from_millis(100), Duration::from_secs(1));
        let mut backoff = Backoff::new(min, max, 7);
        let waits: Vec<Duration> = (0..50).map(|_| backoff.next_wait()).collect();
        assert!(waits.iter().all(|wait| (min / 2..=max).contains(wait)));
        assert!(waits[40..].iter().all(|wait| *wait >= max / 2));
        backoff.reset();
        assert!(backoff.next_wait() <= min);
    }
}
