//! What is odd about a series though no sample is outside of its range.

use std::time::Duration;

use super::{Oddity, QUARANTINE, REFRESH_EVERY, Series, Side, Tuning};
use crate::Timestamp;
use crate::detect::baseline::{BASELINE_MAX, Normal};
use crate::detect::habit::{RISES_MIN, STILL_MIN};
use crate::detect::short::Short;

/// Normal samples from which on it is known how a series varies.
const VARIED_SAMPLES: usize = BASELINE_MAX / 2;

impl Series {
    /// What is odd, if anything is. `is_resource` is whether it is something that fills up.
    pub(crate) fn oddity(&self, tuning: Tuning, is_resource: bool) -> Option<Oddity> {
        if self.habit.is_plain() || self.excursion.is_some() {
            return None;
        }
        if self.stands_still() {
            return Some(Oddity::Still);
        }
        let is_creeping = is_resource && tuning.side != Side::Down && self.crept(tuning).is_some();
        is_creeping.then_some(Oddity::Creeps)
    }

    /// The median that it crept up from, and how far that is: as many deviations as would be outside at once.
    pub(crate) fn crept(&self, tuning: Tuning) -> Option<(f64, f64)> {
        let from = self.habit.risen_from()?;
        let scale = (tuning.relative_floor * from.abs()).max(tuning.absolute_floor);
        let score = (self.baseline.median() - from) / scale;
        (score.is_finite() && score >= tuning.enter).then_some((from, score))
    }

    /// How many times its median is what it rose from; 1 where it does not rise for long.
    pub(crate) fn growth(&self) -> f64 {
        let growth = self.habit.risen_from().map_or(1.0, |from| self.baseline.median() / from);
        if growth.is_finite() { growth.max(1.0) } else { 1.0 }
    }

    /// Since when it is odd, as well as what is kept tells.
    pub(crate) fn odd_since(&self, oddity: Oddity) -> Timestamp {
        match oddity {
            Oddity::Still => {
                let same = self.recent().take(usize::from(self.habit.repeated()) + 1);
                same.last().map_or(self.last, |sample| sample.time)
            }
            Oddity::Creeps => {
                // The median follows what it is made of by half of a baseline, and that waits.
                let rising = u32::from(RISES_MIN) * u32::from(REFRESH_EVERY);
                let samples = rising + QUARANTINE + BASELINE_MAX as u32 / 2;
                self.last - Duration::from_secs_f64(f64::from(samples) * self.interval_s())
            }
        }
    }

    /// Whether it varies as it always did.
    pub(crate) fn is_moving(&self) -> bool {
        self.is_warm(self.last) && self.baseline.has_varied() && self.habit.repeated() < STILL_MIN
    }

    /// Whether it repeats one value, though it is known to vary. Nothing at all, as at night, is no such value.
    pub(super) fn stands_still(&self) -> bool {
        self.habit.stands_still()
            && self.normal.len() >= VARIED_SAMPLES
            && self.baseline.has_varied()
            && self.recent.newest().is_some_and(|newest| newest != Short::default())
    }

    /// Notes whether a sample equals the one before.
    pub(super) fn repeat(&mut self, value: f64) {
        if self.recent.newest() == Some(Short::nearest(value)) {
            self.habit.repeats();
        } else if self.habit.repeated() > 0 {
            let is_usual = self.excursion.is_none() && !self.stands_still();
            self.habit.varies(is_usual);
        }
    }

    /// The level that lasted is the usual one: what is kept of it is all that is known.
    pub(super) fn settle(&mut self, tuning: Tuning) {
        let level: Vec<f64> = self.recent().map(|sample| sample.value).collect();
        self.excursion = None;
        (self.run, self.outside, self.since_refresh) = (0, 0, 0);
        self.recent.forget_waiting();
        self.normal = Normal::default();
        for value in level.into_iter().rev() {
            self.normal.push(Short::nearest(value));
        }
        self.baseline = self.normal.baseline(tuning);
        self.habit.begins_anew();
    }
}

#[cfg(test)]
mod tests;
