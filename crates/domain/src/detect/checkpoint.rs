//! What detection needs of longer ago than telemetry is read again after a start: the hours of error budgets.
//!
//! All else is rebuilt from the telemetry of the last hours. Hours that are over do not change, so that a checkpoint of an
//! hour ago is as good as one of now, as long as what it lacks is read again.

use serde::{Deserialize, Serialize};

use super::{Detector, SPEAKERS_MAX};
use crate::{ServiceId, Timestamp};

/// Version of the shape. One that is not known is passed over, and budgets of days begin anew.
pub const CHECKPOINT_VERSION: u32 = 1;

/// The budgets of some services. The one format that the domain serialises.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// [`CHECKPOINT_VERSION`] of who wrote it.
    pub version: u32,
    /// Event time up to which windows were closed.
    pub as_of: Timestamp,
    /// Services, and the hours of each that are over, oldest first.
    pub budgets: Vec<(ServiceId, Vec<Hour>)>,
}

/// The requests of an hour: its number since the epoch, how many requests there were, and how many bad ones that nothing
/// was told of while they came.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Hour(pub i64, pub f64, pub f64);

impl Detector {
    /// What a later start cannot read again, in parts of so many services.
    pub fn checkpoints(&self, services_max: usize) -> Vec<Checkpoint> {
        let as_of = self.watermark;
        let budgets = self.budgets.iter().map(|(service, budget)| (service.clone(), budget.hours(as_of)));
        let budgets: Vec<_> = budgets.filter(|(_, hours)| !hours.is_empty()).collect();
        let part = |budgets: &[(ServiceId, Vec<Hour>)]| Checkpoint {
            version: CHECKPOINT_VERSION,
            as_of,
            budgets: budgets.to_vec(),
        };
        budgets.chunks(services_max.max(1)).map(part).collect()
    }

    /// Takes over what was before a time from which on telemetry is read again, before any of that is taken. Of several
    /// that have a service, the newest counts. How many services that gave hours.
    pub fn restore(&mut self, mut checkpoints: Vec<Checkpoint>, before: Timestamp) -> usize {
        checkpoints.sort_by_key(|checkpoint| checkpoint.as_of);
        let mut restored = 0;
        for (service, hours) in checkpoints.into_iter().flat_map(|checkpoint| checkpoint.budgets) {
            if self.budgets.len() < SPEAKERS_MAX || self.budgets.contains_key(&service) {
                let budget = self.budgets.entry(service).or_default();
                restored += usize::from(!budget.is_restored());
                budget.restore(&hours, before);
            }
        }
        restored
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::detect::Objectives;
    use crate::detect::tests::days::{HOUR, at, burns, feed};

    /// What is read again after a start, in hours.
    const REWIND: i64 = 6;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(8))]

        /// At most four times the rate that lasts, which only windows of days are about.
        #[test]
        fn a_start_comes_to_what_going_on_does(
            shares in prop::collection::vec(0_u64..24, 1..9), stop in 40_i64..72, more in 1_i64..20,
        ) {
            let bad = |hour: i64| shares[usize::try_from(hour).unwrap() % shares.len()];
            let mut going_on = Detector::new(Objectives::default());
            feed(&mut going_on, 0..stop, bad);
            let checkpoints = going_on.checkpoints(1);
            feed(&mut going_on, stop..stop + more, bad);
            let mut started = Detector::new(Objectives::default());
            let restored = started.restore(checkpoints, at((stop - REWIND) * HOUR));
            prop_assert_eq!(restored, 1);
            // What was read again before that, too, is not counted twice.
            feed(&mut started, stop - REWIND - 2..stop + more, bad);
            let (one, other) = (burns(&going_on), burns(&started));
            prop_assert_eq!(one.len(), other.len());
            for (one, other) in one.iter().zip(&other) {
                prop_assert!((one.observed - other.observed).abs() < 1e-6, "{one:?}, {other:?}");
            }
        }
    }

    #[test]
    fn without_a_checkpoint_a_burn_of_days_is_not_known_again_for_hours() {
        let bad = |_: i64| 12_u64;
        let mut detector = Detector::new(Objectives::default());
        feed(&mut detector, 0..40, bad);
        assert_eq!(burns(&detector).len(), 1, "twice the rate, for longer than half of three days");
        let checkpoints = detector.checkpoints(10);
        let mut started = Detector::new(Objectives::default());
        feed(&mut started, 34..40, bad);
        assert_eq!(burns(&started), []);
        let mut started = Detector::new(Objectives::default());
        started.restore(checkpoints, at(34 * HOUR));
        feed(&mut started, 34..40, bad);
        assert_eq!(burns(&started).len(), 1);
    }
}
