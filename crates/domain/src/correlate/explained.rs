//! Cases that were told apart, and that one cause explains as of now: who calls whom became known later, or the cause
//! was sure later than its effects.

use std::collections::BTreeSet;

use super::Correlator;
use super::kin::{Kin, Look};
use crate::detect::Detector;
use crate::{ServiceId, Timestamp};

impl Correlator {
    /// Another case that explains all that this one comes from, by what is known as of the detector's watermark: one of
    /// those that `may_take` allows. Both show still, and of neither the incident ended.
    pub fn explained_by(&self, detector: &Detector, number: u64, may_take: impl Fn(u64) -> bool) -> Option<u64> {
        let worthy = detector.abnormal().into_iter().filter(|found| found.is_worthy);
        let sick: BTreeSet<ServiceId> = worthy.map(|found| found.anomaly.service).collect();
        self.explained(&Kin::new(detector, &sick), number, may_take)
    }

    /// Gives what one case shows to another, and ends it: what comes of it from now on is of the other.
    pub fn hand_over(&mut self, number: u64, to: u64, at: Timestamp) {
        let Some(given) = self.cases.iter_mut().find(|case| case.number == number) else { return };
        given.ended_at.get_or_insert(at);
        let (services, anomalies) = (given.services.clone(), given.anomalies.clone());
        let (onset, detected_at) = (given.onset, given.detected_at);
        if let Some(taker) = self.cases.iter_mut().find(|case| case.number == to) {
            taker.services.extend(services);
            taker.onset = taker.onset.min(onset);
            taker.detected_at = taker.detected_at.min(detected_at);
            anomalies.into_values().for_each(|anomaly| taker.keep(anomaly));
        }
    }

    pub(super) fn explained<L: Look>(
        &self,
        kin: &Kin<'_, L>,
        number: u64,
        may_take: impl Fn(u64) -> bool,
    ) -> Option<u64> {
        let case = self.showing(number)?;
        let origins = case.origins();
        // Where the call graph could not tell where it comes from, what was changed is a cause of its own.
        if case.roots().next().is_none() && origins.iter().any(|origin| kin.was_changed(origin)) {
            return None;
        }
        let others = self.cases.iter().filter(|other| other.number != number && may_take(other.number));
        let mut showing = others.filter(|other| self.showing(other.number).is_some());
        showing.find(|other| other.explains_all(kin, &origins)).map(|other| other.number)
    }
}
