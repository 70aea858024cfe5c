//! What an incident keeps of what it is told: bounded, with what says most.

use std::collections::BTreeMap;

use super::{ANOMALIES_MAX, IMPACTS_MAX, Incident, TIMELINE_MAX, TimelineEntry};
use crate::{Anomaly, ServiceId, Timestamp};

impl Incident {
    /// Adds an anomaly, or what is newer about one already here. Naturally idempotent.
    pub(super) fn join(&mut self, anomaly: Anomaly) {
        self.onset = self.onset.min(anomaly.onset);
        match self.anomalies.iter_mut().find(|known| known.id == anomaly.id) {
            Some(known) if known.last_seen > anomaly.last_seen => {}
            Some(known) => *known = anomaly,
            None => self.anomalies.push(anomaly),
        }
        if self.anomalies.len() > ANOMALIES_MAX {
            let weakest = |a: &(usize, &Anomaly), b: &(usize, &Anomaly)| {
                a.1.score.total_cmp(&b.1.score).then_with(|| b.1.id.cmp(&a.1.id))
            };
            if let Some((index, _)) = self.anomalies.iter().enumerate().min_by(weakest) {
                self.anomalies.swap_remove(index);
            }
        }
        self.anomalies.sort_by(|a, b| a.onset.cmp(&b.onset).then_with(|| a.id.cmp(&b.id)));
    }

    /// Adds impacted services; an earlier onset replaces a later one. The incident's own service is no impact.
    pub(super) fn add_impacts(&mut self, impacts: BTreeMap<ServiceId, Timestamp>) {
        for (service, onset) in impacts {
            if service != self.subject.service {
                self.impacts.entry(service).and_modify(|known| *known = onset.min(*known)).or_insert(onset);
            }
        }
        while self.impacts.len() > IMPACTS_MAX {
            let latest = self.impacts.iter().max_by_key(|(service, onset)| (**onset, (*service).clone()));
            let Some(service) = latest.map(|(service, _)| service.clone()) else { return };
            self.impacts.remove(&service);
        }
    }

    pub(super) fn note(&mut self, entry: TimelineEntry) {
        if self.timeline.len() >= TIMELINE_MAX {
            // The first entry says how it began; the second-oldest is the one least missed.
            self.timeline.remove(1);
        }
        self.timeline.push(entry);
    }
}
