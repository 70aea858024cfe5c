//! What a service has at hand, so that it need not ask its database.

use std::time::Duration;

use super::STEP;

/// The share of what is asked for that is usually there.
const USUAL: f64 = 0.92;
/// How long an empty cache takes to fill, where the database answers fast enough.
const FILLS_IN: Duration = Duration::from_secs(40);

/// A cache that all processes of a service share.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Cache {
    /// The share of its content that is lost.
    pub(crate) lost: f64,
    /// What a request waits for the database in addition where all is lost, in seconds.
    pub(super) cold_s: f64,
    /// How often something was there, and was not, since the shop opened.
    pub(crate) hits: f64,
    pub(crate) misses: f64,
}

impl Cache {
    /// What a request waits for the database in addition, in seconds.
    pub(super) fn waits_s(self) -> f64 {
        self.lost * self.cold_s
    }

    /// The share of what is asked for that is not there.
    pub(crate) fn missing(self) -> f64 {
        1.0 - USUAL * (1.0 - self.lost)
    }

    /// Counts what so many requests asked for.
    pub(super) fn count(&mut self, requests: f64) {
        let missing = self.missing();
        self.hits += requests * (1.0 - missing);
        self.misses += requests * missing;
    }

    /// Loses content up to a share. What is there is overwritten by what all ask for at once, so that it does not fill.
    pub(super) fn lose(&mut self, share: f64) {
        self.lost = self.lost.max(share);
    }

    /// Fills for a step. Whether it is full.
    pub(super) fn fill(&mut self) -> bool {
        self.lost = (self.lost - STEP.as_secs_f64() / FILLS_IN.as_secs_f64()).max(0.0);
        self.lost <= 0.0
    }
}
