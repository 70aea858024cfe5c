//! Whether those who call a service feel what it shows, and what else hints at trouble around it.
//!
//! One or two rare samples outside are little to go by. What corroborates them is that the callers' own signals stir at
//! the same time, up to a service that nobody measured calls: those stand for the users.

use std::collections::BTreeSet;
use std::time::Duration;

use super::findings::ASKED_MIN;
use super::series::{CONFIRMED_BY, LEAVE_SAMPLES};
use super::{Detector, SeriesKey, Watched};
use crate::{Anomaly, ServiceId, Signal, Timestamp};

/// What has been outside for longer than this before an onset is another matter.
const TOGETHER: Duration = Duration::from_secs(600);

impl Detector {
    /// Services whose latency or errors stir, and whose callers' do, up to one that no measured service calls. Empty
    /// where nothing rare is outside: nobody asks then.
    pub(super) fn felt(&self) -> BTreeSet<&ServiceId> {
        let is_asked = |watched: &Watched| watched.series.excursion.is_some() && watched.series.is_rare();
        if !self.series.values().any(|watched| is_symptom(watched) && is_asked(watched)) {
            return BTreeSet::new();
        }
        let stirring: BTreeSet<&ServiceId> =
            self.symptoms().filter(|(_, watched)| stirs_lately(watched)).map(|(key, _)| &key.service).collect();
        let measured: BTreeSet<&ServiceId> = self.symptoms().map(|(key, _)| &key.service).collect();
        let mut felt = BTreeSet::new();
        let is_top = |service: &&ServiceId| !self.topology.callers(service).any(|caller| measured.contains(caller));
        let mut next: Vec<&ServiceId> = stirring.iter().copied().filter(is_top).collect();
        while let Some(service) = next.pop() {
            if felt.insert(service) {
                next.extend(self.topology.callees(service).filter(|callee| stirring.contains(callee)));
            }
        }
        felt
    }

    /// Whether an excursion of latency or errors is sure enough to call for an incident: its samples are not rare, or
    /// somebody feels it, or it has lasted for as many samples as others need.
    pub(super) fn is_sure(&self, key: &SeriesKey, watched: &Watched, felt: &BTreeSet<&ServiceId>) -> bool {
        let series = &watched.series;
        if !series.is_rare() || felt.contains(&key.service) {
            return true;
        }
        let since = series.excursion.map_or(series.last, |excursion| excursion.onset);
        let late = series.recent.iter().rev().take_while(|sample| sample.time >= since);
        let outside = late.filter(|sample| f64::from(sample.deviation.abs()) >= watched.tuning.leave);
        outside.count() >= usize::from(CONFIRMED_BY)
    }

    /// What stirs since the onset of trouble in latency and errors of services that calls join to these, whether or not
    /// it would raise an alarm by itself.
    pub(super) fn hints(&self, services: &BTreeSet<ServiceId>, onset: Timestamp) -> Vec<Anomaly> {
        let found: Vec<Anomaly> = self.symptoms().filter_map(|(key, watched)| self.stir(key, watched, onset)).collect();
        let stirring: BTreeSet<&ServiceId> = found.iter().map(|anomaly| &anomaly.service).collect();
        let mut joined: BTreeSet<&ServiceId> = BTreeSet::new();
        let mut next: Vec<&ServiceId> = services.iter().collect();
        while let Some(service) = next.pop() {
            if joined.insert(service) {
                let around = self.topology.callees(service).chain(self.topology.callers(service));
                next.extend(around.filter(|other| stirring.contains(other)));
            }
        }
        found.iter().filter(|anomaly| joined.contains(&anomaly.service)).cloned().collect()
    }

    /// What a series shows since a time, though it might raise no alarm; what began long before is another matter.
    pub(super) fn stir(&self, key: &SeriesKey, watched: &Watched, since: Timestamp) -> Option<Anomaly> {
        match watched.series.excursion {
            Some(excursion) if excursion.onset + TOGETHER < since => None,
            Some(excursion) => Some(self.of_excursion(key, watched, &excursion)),
            None => {
                let peak = watched.series.greatest_since(since, ASKED_MIN, watched.tuning)?;
                let mut anomaly = self.of_series(key, watched, peak.onset, peak.direction);
                (anomaly.score, anomaly.observed) = (peak.score, peak.observed);
                Some(anomaly)
            }
        }
    }

    /// Every series of latency or errors that is known well enough to say something.
    fn symptoms(&self) -> impl Iterator<Item = (&SeriesKey, &Watched)> {
        self.series.iter().filter(|(_, watched)| is_symptom(watched) && watched.series.is_warm(watched.series.last))
    }
}

fn is_symptom(watched: &Watched) -> bool {
    matches!(watched.signal, Signal::Latency | Signal::Errors)
}

/// Whether one of the newest samples is unusual.
fn stirs_lately(watched: &Watched) -> bool {
    let series = &watched.series;
    let first = series.recent.len().saturating_sub(usize::from(LEAVE_SAMPLES));
    let since = series.recent.get(first).map(|sample| sample.time);
    since.is_some_and(|since| series.greatest_since(since, ASKED_MIN, watched.tuning).is_some())
}
