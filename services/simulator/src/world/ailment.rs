//! What a service can suffer from, and keeps until it is treated.

use super::release::Defect;

/// Memory that one process keeps.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Leak {
    pub(crate) slot: usize,
    pub(crate) mib_per_s: f64,
}

/// Work of one process that never ends.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spin {
    pub(crate) slot: usize,
    pub(crate) cores: f64,
}

/// What one process writes to its disk without end.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Filling {
    pub(crate) slot: usize,
    pub(crate) mib_per_s: f64,
}

/// The feature flag that a service has.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Flag {
    pub(crate) is_on: bool,
    /// What it was before its newest change.
    pub(crate) before: Option<bool>,
    /// What goes wrong while it is on, and the share of requests that it is on for.
    pub(crate) defect: Option<Defect>,
    pub(crate) share: f64,
}

impl Flag {
    pub(crate) fn switch(&mut self, is_on: bool) {
        self.before = Some(self.is_on);
        self.is_on = is_on;
    }

    /// What it adds to each request, in seconds, and the share of requests that it fails.
    pub(super) fn harm(&self) -> (f64, f64) {
        let defect = self.defect.filter(|_| self.is_on);
        defect.map_or((0.0, 0.0), |defect| (self.share * defect.slower_s, self.share * defect.failed))
    }
}

/// A flag's value in words.
pub(crate) fn variant(is_on: bool) -> &'static str {
    if is_on { "on" } else { "off" }
}
