//! The certificate that a service's endpoint shows to who calls it.

use std::time::Duration;

use llm_sre_domain::Timestamp;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

const DAY: Duration = Duration::from_secs(24 * 3_600);
/// Whoever issues certificates does so again for one that is valid for no longer than this.
const RENEWED_BEFORE: Duration = Duration::from_secs(30 * 24 * 3_600);

/// See the module.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Certificate {
    pub(crate) not_after: Timestamp,
    /// The share of calls whose caller looks at it and turns away: connections that were made before go on for a while.
    pub(crate) refused: f64,
}

impl Certificate {
    /// One that is valid for some weeks to come.
    pub(super) fn draw(now: Timestamp, rng: &mut ChaCha8Rng) -> Self {
        let left = RENEWED_BEFORE + DAY.mul_f64(rng.random_range(5.0..55.0));
        Self { not_after: now + left, refused: 0.0 }
    }

    /// A new one.
    pub(super) fn renewed(now: Timestamp, valid_days: u32) -> Self {
        Self { not_after: now + DAY * valid_days, refused: 0.0 }
    }

    pub(crate) fn left(self, now: Timestamp) -> Duration {
        self.not_after.since(now)
    }

    /// Whether it can be renewed.
    pub(super) fn is_due(self, now: Timestamp) -> bool {
        self.left(now) <= RENEWED_BEFORE
    }
}
