//! What an incident shows because of another one's cause: it says nothing of whether its own is cured.
//!
//! Two causes have callers in common, and the one that is cured first would wait for the other, or lose its cure to it.

use std::collections::BTreeSet;

use llm_sre_domain::correlate::Case;
use llm_sre_domain::detect::{Detector, Recovery};
use llm_sre_domain::incident::{Incident, IncidentId, Verdict};
use llm_sre_domain::{Anomaly, ServiceId, Timestamp};

use crate::brain::Brain;

/// A case whose cause shows still, and its incident, which lives.
pub(crate) type Disturbing<'a> = (IncidentId, &'a Case);

impl Brain {
    /// Measures the recovery of an incident since a time. Also event time up to which another incident's cause disturbed
    /// that, where one did.
    pub(crate) fn recovery(&self, incident: &Incident, since: Timestamp) -> (Recovery, Option<Timestamp>) {
        let living = self.living.get(&incident.id);
        let mut own = living.map(|living| living.own()).unwrap_or_default();
        own.insert(incident.subject.service.clone());
        let disturbing = self.disturbing();
        let others = of_others(incident.id, &own, &disturbing);
        let (measured, is_disturbed) = measure(&self.detector, &others, &own, &incident.anomalies, since);
        let before = living.map(|living| living.disturbed_until).filter(|until| *until > Timestamp::EPOCH);
        // What is not told yet has no incident, and can harm the same callers.
        let is_disturbed = is_disturbed || self.is_waiting_behind(incident, &own);
        let disturbed_until = if is_disturbed { Some(self.detector.watermark()) } else { before };
        (measured, disturbed_until)
    }

    /// Whether causes can be the same though they were seen in different services: one of them calls another in the end,
    /// or nobody knows.
    pub(crate) fn are_related(&self, these: &BTreeSet<ServiceId>, those: &BTreeSet<ServiceId>) -> bool {
        let topology = self.detector.topology();
        let is_pair = |a: &ServiceId, b: &ServiceId| a == b || topology.reaches(a, b) || topology.reaches(b, a);
        these.is_empty() || those.is_empty() || these.iter().any(|a| those.iter().any(|b| is_pair(a, b)))
    }
}

/// The cases of other incidents that are about something else than this one.
pub(crate) fn of_others<'a>(
    incident: IncidentId,
    own: &BTreeSet<ServiceId>,
    disturbing: &[Disturbing<'a>],
) -> Vec<&'a Case> {
    let others = disturbing.iter().filter(|(other, _)| *other != incident).map(|(_, case)| *case);
    others.filter(|case| !case.roots().any(|root| own.contains(root))).collect()
}

/// Measures recovery without what others' causes explain. What the incident is about always counts, and where something
/// is left out, it has to be measured well. Also whether anything is disturbed.
pub(crate) fn measure(
    detector: &Detector,
    others: &[&Case],
    own: &BTreeSet<ServiceId>,
    anomalies: &[Anomaly],
    since: Timestamp,
) -> (Recovery, bool) {
    let is_explained = |service: &ServiceId| others.iter().any(|case| case.can_explain(service));
    let is_counted = |anomaly: &&Anomaly| own.contains(&anomaly.service) || !is_explained(&anomaly.service);
    let counted: Vec<Anomaly> = anomalies.iter().filter(is_counted).cloned().collect();
    let is_any_left_out = counted.len() < anomalies.len();
    let mut measured = detector.recovery(&counted, since);
    if is_any_left_out && measured.verdict == Verdict::Recovered {
        let is_well = |anomaly: &Anomaly| {
            let of_it = measured.signals.iter().find(|signal| signal.anomaly == anomaly.id);
            of_it.is_some_and(|signal| signal.verdict == Verdict::Recovered)
        };
        let is_own_well = counted.iter().any(|anomaly| own.contains(&anomaly.service) && is_well(anomaly));
        if !is_own_well {
            measured.verdict = Verdict::Inconclusive;
            measured.reason = "nothing of what it is about can be measured".to_owned();
        }
    }
    (measured, is_any_left_out || own.iter().any(is_explained))
}
