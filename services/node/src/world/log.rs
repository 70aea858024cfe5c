//! What happened in a world, line by line, as one hash: two worlds of one seed have the same, or something was left to
//! chance.

use std::fmt::Display;
use std::sync::{Arc, Mutex, PoisonError};

use llm_sre_domain::Timestamp;
use llm_sre_mesh::context::hex;
use llm_sre_ports::clock::{Clock, ScaledClock};
use sha2::{Digest, Sha256};

/// The log. Where two worlds differ, `--log llm_sre::world::log=trace` tells every line.
pub(super) struct Log {
    clock: Arc<ScaledClock>,
    began: Timestamp,
    lines: Mutex<Sha256>,
}

impl Log {
    pub(super) fn new(clock: Arc<ScaledClock>) -> Self {
        let began = clock.now();
        Self { clock, began, lines: Mutex::new(Sha256::new()) }
    }

    /// Seconds since the world began.
    pub(super) fn at_s(&self) -> f64 {
        self.clock.now().since(self.began).as_secs_f64()
    }

    /// Adds a line: who does what. Neither may hold what differs between two runs, such as an address in memory.
    pub(super) fn say(&self, who: &dyn Display, what: &dyn Display) {
        let line = format!("{:.3} {who} {what}\n", self.at_s());
        tracing::trace!("{}", line.trim_end());
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).update(line);
    }

    /// The hash of all lines.
    pub(super) fn digest(&self) -> String {
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let digest: [u8; 32] = lines.finalize().into();
        hex(&digest)
    }
}

/// The beginning of the hash of some bytes, for a line.
pub(super) fn short_hash(bytes: &[u8]) -> String {
    const BYTES: usize = 8;
    let digest: [u8; 32] = Sha256::digest(bytes).into();
    hex(&digest[..BYTES])
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    async fn digest(lines: &[(&str, &str)]) -> String {
        let clock = Arc::new(ScaledClock::starting_at(Timestamp::from_secs(1_000), 1.0).unwrap());
        let log = Log::new(clock);
        for (who, what) in lines {
            log.say(who, what);
            tokio::time::advance(Duration::from_secs(1)).await;
        }
        log.digest()
    }

    #[tokio::test(start_paused = true)]
    async fn every_line_its_time_and_its_place_count() {
        let one = digest(&[("a", "x"), ("b", "y")]).await;
        assert_eq!(one, digest(&[("a", "x"), ("b", "y")]).await);
        for other in [&[("b", "y"), ("a", "x")][..], &[("a", "x")], &[("a", "x"), ("b", "z")]] {
            assert_ne!(one, digest(other).await, "{other:?}");
        }
    }
}
