//! What a service calls outside of the shop, what stands by for it, and the way there.

/// The share of requests that need an answer from there.
pub(super) const NEEDED: f64 = 0.35;
/// How long an answer usually takes, in seconds: it is asked for while the database is, and not waited for.
const USUAL_S: f64 = 0.02;
/// How long one is waited for that does not come, in seconds.
pub(super) const TIMEOUT_S: f64 = 0.8;

/// The outside dependency of a service.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Outside {
    /// Whether the standby is called.
    pub(crate) is_on_standby: bool,
    /// The share of calls that are not answered: by the first one, and by the standby.
    unanswered: [f64; 2],
    /// What the network adds to each call, in seconds, wherever it goes.
    pub(crate) network_s: f64,
}

impl Outside {
    /// Lets one of the two leave a share of calls unanswered.
    pub(super) fn leave_unanswered(&mut self, is_standby: bool, share: f64) {
        self.unanswered[usize::from(is_standby)] = share;
    }

    /// The share of calls that fail.
    pub(super) fn failing(self) -> f64 {
        self.unanswered[usize::from(self.is_on_standby)]
    }

    /// What it adds to each request, in seconds, and the share of requests that it fails.
    pub(super) fn harm(self) -> (f64, f64) {
        let failed = NEEDED * self.failing();
        (failed * TIMEOUT_S + NEEDED * self.network_s, failed)
    }

    /// How long a call takes that is answered, in seconds.
    pub(super) fn answer_s(self) -> f64 {
        USUAL_S + self.network_s
    }
}
