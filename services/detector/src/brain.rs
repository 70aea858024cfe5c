//! The state of detection: what was seen, and which incident each case became.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use llm_sre_domain::correlate::{Case, Correlator, News};
use llm_sre_domain::detect::Detector;
use llm_sre_domain::diagnose::Argument;
use llm_sre_domain::evidence::Evidence;
use llm_sre_domain::incident::{IncidentId, Severity, SeverityInputs, severity};
use llm_sre_domain::{Anomaly, AnomalyId, ServiceId, Timestamp};

use crate::Options;

/// The watermark moves in steps: each looks at every series.
const STEP: Duration = Duration::from_secs(1);
/// Times further ahead of the product's clock do not move the watermark: one wrong clock must not close everybody's
/// windows.
const AHEAD_MAX: Duration = Duration::from_secs(60);

/// See the module.
pub(crate) struct Brain {
    pub(crate) detector: Detector,
    correlator: Correlator,
    followed: BTreeMap<u64, Followed>,
    newest: Timestamp,
    lateness: Duration,
}

/// A case that became an incident.
#[derive(Default)]
struct Followed {
    incident: Option<IncidentId>,
    told: BTreeSet<AnomalyId>,
}

/// What is to be done about a case.
pub(crate) enum Finding {
    /// It calls for an incident.
    Opened(Box<Opened>),
    /// More of it was seen.
    Grown(IncidentId, Vec<Anomaly>, Impact),
    /// Its signals are back since this event time.
    Cleared(IncidentId, Timestamp),
}

/// A case that calls for an incident, with what was known then.
pub(crate) struct Opened {
    pub(crate) case: Case,
    pub(crate) evidence: Evidence,
    pub(crate) argument: Argument,
    pub(crate) impact: Impact,
}

/// Who suffers, since when, and how bad it is.
pub(crate) struct Impact {
    pub(crate) services: BTreeMap<ServiceId, Timestamp>,
    pub(crate) severity: Severity,
}

impl Brain {
    pub(crate) fn new(options: &Options) -> Self {
        Self {
            detector: Detector::new(options.objectives.clone()),
            correlator: Correlator::default(),
            followed: BTreeMap::new(),
            newest: Timestamp::EPOCH,
            lateness: options.lateness,
        }
    }

    /// Notes that telemetry of this time came.
    pub(crate) fn saw(&mut self, time: Timestamp, now: Timestamp) {
        if time <= now + AHEAD_MAX {
            self.newest = self.newest.max(time);
        }
    }

    /// Closes what ended, if that is a step further.
    pub(crate) fn advance(&mut self) -> Vec<Finding> {
        let watermark = self.newest - self.lateness;
        if self.newest == Timestamp::EPOCH || watermark < self.detector.watermark() + STEP {
            return Vec::new();
        }
        self.detector.advance(watermark);
        let mut findings = Vec::new();
        for news in self.correlator.advance(&self.detector) {
            match news {
                News::Opened(case, evidence, argument) => {
                    let told = case.anomalies.keys().cloned().collect();
                    self.followed.insert(case.number, Followed { incident: None, told });
                    let impact = self.impact(&case);
                    findings.push(Finding::Opened(Box::new(Opened { case, evidence, argument, impact })));
                }
                News::Cleared(case) => {
                    let followed = self.followed.remove(&case.number).and_then(|followed| followed.incident);
                    findings.extend(followed.map(|incident| Finding::Cleared(incident, watermark)));
                }
            }
        }
        findings.extend(self.grown());
        findings
    }

    /// Says which incident a case became.
    pub(crate) fn follow(&mut self, case: u64, incident: IncidentId) {
        if let Some(followed) = self.followed.get_mut(&case) {
            followed.incident = Some(incident);
        }
    }

    fn grown(&mut self) -> Vec<Finding> {
        let mut findings = Vec::new();
        for case in self.correlator.cases() {
            let Some(followed) = self.followed.get_mut(&case.number) else { continue };
            let Some(incident) = followed.incident else { continue };
            let new: Vec<Anomaly> =
                case.anomalies.values().filter(|anomaly| !followed.told.contains(&anomaly.id)).cloned().collect();
            if new.is_empty() {
                continue;
            }
            followed.told.extend(new.iter().map(|anomaly| anomaly.id.clone()));
            findings.push((incident, new, case.clone()));
        }
        let found = findings.into_iter().map(|(incident, new, case)| Finding::Grown(incident, new, self.impact(&case)));
        found.collect()
    }

    fn impact(&self, case: &Case) -> Impact {
        let mut services: BTreeMap<ServiceId, Timestamp> = BTreeMap::new();
        for anomaly in case.anomalies.values().filter(|anomaly| case.services.contains(&anomaly.service)) {
            let onset = services.entry(anomaly.service.clone()).or_insert(anomaly.onset);
            *onset = anomaly.onset.min(*onset);
        }
        let burns = case.services.iter().filter_map(|service| self.detector.burn_rate(service));
        // Users meet what nobody calls and what calls others.
        let topology = self.detector.topology();
        let is_entry = |service: &ServiceId| {
            topology.callers(service).next().is_none() && topology.callees(service).next().is_some()
        };
        let severity = severity(SeverityInputs {
            burn_rate: burns.reduce(f64::max),
            services_affected: case.services.len(),
            traffic_share: None,
            is_user_facing: case.services.iter().any(is_entry),
        });
        Impact { services, severity }
    }
}
