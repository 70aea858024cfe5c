//! What a world leaves to chance, from its seed: a stream for each purpose, so that one more draw moves no other's.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use llm_sre_ports::ids::mixed;

/// A stream of draws.
pub(super) struct Draws {
    seed: u64,
    drawn: AtomicU64,
}

impl Draws {
    /// The stream of a seed for a purpose.
    pub(super) fn new(seed: u64, purpose: &str) -> Self {
        let seed = purpose.bytes().fold(seed, |seed, byte| mixed(seed, byte.into()));
        Self { seed, drawn: AtomicU64::new(0) }
    }

    /// The next draw, of 64 bits.
    pub(super) fn any(&self) -> u64 {
        mixed(self.seed, self.drawn.fetch_add(1, Ordering::Relaxed))
    }

    /// From zero to below `end`; zero where that is zero.
    pub(super) fn below(&self, end: u64) -> u64 {
        self.any() % end.max(1)
    }

    /// True so often in a million.
    pub(super) fn happens(&self, per_million: u64) -> bool {
        self.below(1_000_000) < per_million
    }

    /// From `low` to below `high`, in milliseconds.
    pub(super) fn between(&self, low: Duration, high: Duration) -> Duration {
        let span_ms = high.saturating_sub(low).as_millis();
        low + Duration::from_millis(self.below(u64::try_from(span_ms).unwrap_or(u64::MAX)))
    }

    /// One of some; `None` of none.
    pub(super) fn one_of<'a, T>(&self, choices: &'a [T]) -> Option<&'a T> {
        let index = self.below(choices.len() as u64);
        choices.get(usize::try_from(index).unwrap_or(usize::MAX))
    }

    /// From 1 to below `end`, where each magnitude is as likely.
    pub(super) fn of_any_size(&self, end: u64) -> u64 {
        let bits = u64::from(end.max(2).ilog2());
        (1 << self.below(bits)) + self.below(1 << self.below(bits))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_come_again_and_differ() {
        let first = |seed, purpose: &str| {
            let draws = Draws::new(seed, purpose);
            (0..100).map(|_| draws.any()).collect::<Vec<u64>>()
        };
        assert_eq!(first(7, "people"), first(7, "people"));
        assert_ne!(first(7, "people"), first(7, "strikes"));
        assert_ne!(first(7, "people"), first(8, "people"));
    }

    #[test]
    fn draws_stay_within_their_bounds() {
        let draws = Draws::new(7, "bounds");
        let (low, high) = (Duration::from_secs(1), Duration::from_secs(3));
        for _ in 0..10_000 {
            assert!((low..high).contains(&draws.between(low, high)));
            assert!((1..128).contains(&draws.of_any_size(64)));
            assert!(draws.one_of(&[1, 2, 3]).is_some());
        }
        assert_eq!(draws.below(0), 0);
        assert_eq!(draws.one_of::<u8>(&[]), None);
        let often = (0..100_000).filter(|_| draws.happens(100_000)).count();
        assert!((9_000..11_000).contains(&often), "{often}");
    }
}
