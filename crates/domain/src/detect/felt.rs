//! Whether those who call a service feel what it shows, and what else hints at trouble around it.
//!
//! One or two rare samples outside are little to go by. What corroborates them is that the callers' own signals stir at
//! the same time, up to a service that nobody measured calls: those stand for the users.

use std::collections::BTreeSet;
use std::time::Duration;

use super::Detector;
use super::findings::ASKED_MIN;
use super::present::Present;
use super::series::{CONFIRMED_BY, LEAVE_SAMPLES};
use super::table::Seen;
use crate::{Anomaly, ServiceId, Signal, Timestamp};

/// What has been outside for longer than this before an onset is another matter.
const TOGETHER: Duration = Duration::from_secs(600);

impl Detector {
    /// Services whose latency or errors stir, and whose callers' do, up to one that no measured service calls. Empty
    /// where nothing rare is outside: nobody asks then.
    pub(super) fn felt(&self) -> BTreeSet<&ServiceId> {
        let is_asked = |seen: Seen<'_>| is_symptom(seen) && seen.series.is_rare();
        if !self.table.outside().any(|(_, seen)| is_asked(seen)) {
            return BTreeSet::new();
        }
        let stirring: BTreeSet<&ServiceId> =
            self.symptoms().filter(|seen| stirs_lately(*seen)).map(|seen| &seen.group.service).collect();
        let measured: BTreeSet<&ServiceId> = self.symptoms().map(|seen| &seen.group.service).collect();
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
    pub(super) fn is_sure(&self, seen: Seen<'_>, felt: &BTreeSet<&ServiceId>) -> bool {
        felt.contains(&seen.group.service) || stands_alone(seen)
    }

    /// What stirs since the onset of trouble in latency and errors of services that calls join to these, whether or not
    /// it would raise an alarm by itself.
    pub(super) fn hints(&self, services: &BTreeSet<ServiceId>, onset: Timestamp) -> Vec<Anomaly> {
        let found: Vec<Anomaly> = self.symptoms().filter_map(|seen| self.stir(seen, onset)).collect();
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
    pub(super) fn stir(&self, seen: Seen<'_>, since: Timestamp) -> Option<Anomaly> {
        match seen.series.excursion() {
            Some(excursion) if excursion.onset + TOGETHER < since => None,
            Some(excursion) => Some(self.of_excursion(seen, excursion)),
            None => {
                let peak = seen.series.greatest_since(since, ASKED_MIN, seen.tuning())?;
                let mut anomaly = self.of_series(seen, peak.onset, peak.direction);
                (anomaly.score, anomaly.observed) = (peak.score, peak.observed);
                Some(anomaly)
            }
        }
    }

    /// Every series of latency or errors that is known well enough to say something, and whose process is there.
    fn symptoms(&self) -> impl Iterator<Item = Seen<'_>> {
        let present = Present::of(self);
        self.table.symptoms().filter(Seen::is_warm).filter(move |seen| !present.has_left(*seen))
    }
}

pub(super) fn is_symptom(seen: Seen<'_>) -> bool {
    matches!(seen.signal(), Signal::Latency | Signal::Errors)
}

/// Whether an excursion is sure whoever feels it: its samples are not rare, or there are as many as others need.
pub(super) fn stands_alone(seen: Seen<'_>) -> bool {
    let series = seen.series;
    if !series.is_rare() {
        return true;
    }
    let since = series.excursion().map_or(series.last, |excursion| excursion.onset);
    let outside = series.since(since).filter(|sample| series.goes_on(sample.deviation, sample.value, seen.tuning()));
    outside.count() >= usize::from(CONFIRMED_BY)
}

/// Whether one of the newest samples is unusual.
fn stirs_lately(seen: Seen<'_>) -> bool {
    let since = seen.series.recent().take(usize::from(LEAVE_SAMPLES)).last().map(|sample| sample.time);
    since.is_some_and(|since| seen.series.greatest_since(since, ASKED_MIN, seen.tuning()).is_some())
}
