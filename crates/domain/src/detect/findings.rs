//! What is abnormal now, as anomalies and as evidence.

use std::collections::BTreeSet;
use std::time::Duration;

use uuid::Uuid;

use super::Detector;
use super::budget::Burn;
use super::felt::{is_symptom, stands_alone};
use super::present::Present;
use super::series::{Excursion, Side};
use super::table::{Group, Seen};
use crate::evidence::{Evidence, EvidenceId, Fact, Observation};
use crate::telemetry::Origin;
use crate::{Anomaly, AnomalyId, Direction, ServiceId, Signal, Timestamp};

/// The name of the series that counts error logs.
pub(crate) const ERROR_LOGS: &str = "logs.errors";
/// The name of the series of requests that failed or took longer than the objective says.
pub(crate) const BAD_RATIO: &str = "requests.bad_ratio";
/// The dimension of an error budget that burns for days, and not so fast that it could not wait.
pub(crate) const BURN_OF_DAYS: &str = "days";
/// The name of the series that say which share of the calls to an address failed, and how long they took.
pub(crate) const CALLS_FAILED: &str = "calls.error_ratio";
pub(crate) const CALL_DURATION: &str = "http.client.request.duration";
/// How long the certificate of an endpoint is valid still, in seconds; zero from its end on (the Collector's `tlscheck`).
/// What is watched is whether it is valid at all: time runs out at an even pace, and nothing about that is unusual.
pub(crate) const CERTIFICATE_LEFT: &str = "tlscheck.time_left";
/// How far before an onset a change is of interest.
const CHANGES_BEFORE: Duration = Duration::from_secs(3600);
/// Who says that there is trouble may have seen it late.
const ASKED_BEFORE: Duration = Duration::from_secs(900);
/// Deviations from which on a series speaks, where it is known that there is trouble.
pub(super) const ASKED_MIN: f64 = 3.0;

/// One anomaly and whether it calls for an incident by itself.
#[derive(Clone, Debug, PartialEq)]
pub struct Abnormal {
    /// What is abnormal.
    pub anomaly: Anomaly,
    /// Whether people would want to know: users or resources suffer, and traffic does not explain it. What is not
    /// worthy is evidence for what is.
    pub is_worthy: bool,
    /// Whether it would be sure without others that feel it.
    pub stands_alone: bool,
    /// The usual time from sample to sample, which its onset is no more exact than; zero where nobody knows.
    pub every: Duration,
}

impl Detector {
    /// What is abnormal as of the watermark, in order of service, metric and dimension.
    pub fn abnormal(&self) -> Vec<Abnormal> {
        let (felt, present) = (self.felt(), Present::of(self));
        let here = self.table.outside().map(|(_, seen)| seen).filter(|seen| !present.has_left(*seen));
        let outside = here.filter_map(|seen| self.outside(seen, &felt, &present));
        let burning = self.budgets.iter().flat_map(|(service, budget)| {
            let burns = [("", budget.fast), (BURN_OF_DAYS, budget.slow)];
            burns.into_iter().filter_map(move |(dimension, burn)| Some(self.of_burn(service, dimension, burn?)))
        });
        let silent = self.pulses.iter().filter_map(|(service, pulse)| {
            let quiet = pulse.silent_for(self.watermark)?;
            let mut anomaly = self.of_service(service, Signal::Silence, "telemetry", pulse.last + pulse.interval);
            anomaly.direction = Direction::Down;
            anomaly.score = quiet.as_secs_f64() / pulse.limit().as_secs_f64();
            anomaly.expected = pulse.interval.as_secs_f64();
            anomaly.observed = quiet.as_secs_f64();
            let is_worthy = pulse.is_long_gone(self.watermark) || !self.is_answering(service, anomaly.onset);
            Some(Abnormal { anomaly, is_worthy, stands_alone: true, every: pulse.interval })
        });
        outside.chain(self.odd(&present)).chain(burning).chain(silent).collect()
    }

    /// What was known about these services around an onset: their anomalies, log templates and changes, and the call
    /// graph; and whom they call without anybody knowing how it is. `anomalies` are those that an incident keeps; newer
    /// ones of the same services are added.
    pub fn evidence(&self, anomalies: &[Anomaly], services: &BTreeSet<ServiceId>, onset: Timestamp) -> Evidence {
        let mut facts: Vec<Fact> = Vec::new();
        let mut known = BTreeSet::new();
        let current = self.abnormal().into_iter().map(|abnormal| abnormal.anomaly);
        let current = current.filter(|anomaly| services.contains(&anomaly.service));
        let hints = self.hints(services, onset);
        for anomaly in current.chain(anomalies.iter().cloned()).chain(hints) {
            if known.insert(anomaly.id.clone()) {
                facts.push(Fact {
                    id: EvidenceId(format!("a-{}", anomaly.id.0)),
                    observation: Observation::Anomaly(anomaly),
                });
            }
        }
        let spoken = services.iter().filter_map(|service| Some((service, self.logs.get(service)?)));
        facts.extend(spoken.flat_map(|(service, logs)| logs.facts(service, onset)));
        facts.extend(self.changes_of(services, onset));
        facts.sort_by(|a, b| time(&a.observation).cmp(&time(&b.observation)).then_with(|| a.id.cmp(&b.id)));
        let gaps = self.unheard(services, onset);
        Evidence { as_of: self.watermark, facts, topology: self.topology.clone(), gaps, ..Evidence::default() }
    }

    /// What left its range since shortly before a time of which somebody says that there is trouble since, anywhere, at
    /// lower thresholds than an alarm would need. What goes on for longer is another matter.
    pub fn evidence_since(&self, onset: Timestamp) -> Evidence {
        let since = onset - ASKED_BEFORE;
        let present = Present::of(self);
        let here = self.table.all().filter(|seen| !present.has_left(*seen));
        let found = here.filter_map(|seen| self.stir(seen, since));
        let anomalies: Vec<Anomaly> = found.collect();
        let services = anomalies.iter().map(|anomaly| anomaly.service.clone()).collect();
        self.evidence(&anomalies, &services, onset)
    }

    fn outside<'a>(&'a self, seen: Seen<'a>, felt: &BTreeSet<&ServiceId>, present: &Present<'a>) -> Option<Abnormal> {
        let mut anomaly = self.of_excursion(seen, seen.series.excursion()?);
        if let Some(version) = self.version_outside(seen, anomaly.direction, present) {
            anomaly.origin.version = version;
        }
        let is_worthy = match seen.signal() {
            Signal::Latency | Signal::Errors => self.is_sure(seen, felt),
            Signal::LogBurst => true,
            Signal::Saturation if seen.tuning().side == Side::Down => anomaly.direction == Direction::Down,
            Signal::Saturation => anomaly.direction == Direction::Up && !self.is_explained_by_traffic(seen),
            _ => false,
        };
        let stands_alone = !is_symptom(seen) || stands_alone(seen);
        let every = Duration::from_secs_f64(seen.series.interval_s());
        Some(Abnormal { anomaly, is_worthy, stands_alone, every })
    }

    pub(super) fn of_excursion(&self, seen: Seen<'_>, excursion: &Excursion) -> Anomaly {
        let mut anomaly = self.of_series(seen, excursion.onset, excursion.direction);
        anomaly.detected_at = excursion.detected_at;
        anomaly.last_seen = excursion.last_seen;
        (anomaly.score, anomaly.observed) = (excursion.score, excursion.observed);
        anomaly
    }

    pub(super) fn of_series(&self, seen: Seen<'_>, onset: Timestamp, direction: Direction) -> Anomaly {
        let Group { service, metric, dimension, meaning } = seen.group;
        let mut anomaly = self.of_service(service, meaning.signal, metric, onset);
        anomaly.origin = seen.origin.clone();
        anomaly.dimension = dimension.clone();
        anomaly.unit = meaning.unit.clone();
        anomaly.direction = direction;
        anomaly.expected = seen.series.baseline.median();
        anomaly.requests_per_s = self.requests_per_s(service, &seen.origin.instance);
        anomaly.id = id(&anomaly);
        anomaly
    }

    fn of_burn(&self, service: &ServiceId, dimension: &str, burn: Burn) -> Abnormal {
        let mut anomaly = self.of_service(service, Signal::BudgetBurn, "error_budget.burn_rate", burn.since);
        anomaly.dimension = dimension.into();
        (anomaly.score, anomaly.expected, anomaly.observed) = (burn.score, 1.0, burn.rate);
        anomaly.id = id(&anomaly);
        Abnormal { anomaly, is_worthy: true, stands_alone: true, every: Duration::ZERO }
    }

    fn of_service(&self, service: &ServiceId, signal: Signal, metric: &str, onset: Timestamp) -> Anomaly {
        let mut anomaly = Anomaly {
            id: AnomalyId("".into()),
            service: service.clone(),
            origin: Origin::default(),
            signal,
            metric: metric.into(),
            dimension: "".into(),
            unit: "".into(),
            onset,
            detected_at: self.watermark.max(onset),
            last_seen: self.watermark.max(onset),
            direction: Direction::Up,
            score: 0.0,
            expected: 0.0,
            observed: 0.0,
            exemplar: String::new(),
            requests_per_s: None,
        };
        anomaly.id = id(&anomaly);
        anomaly
    }

    fn changes_of(&self, services: &BTreeSet<ServiceId>, onset: Timestamp) -> Vec<Fact> {
        let near = self.changes.iter().filter(|change| {
            services.contains(&change.service) && change.time + CHANGES_BEFORE >= onset && change.time <= self.watermark
        });
        let fact = |change: &crate::telemetry::Change| Fact {
            id: EvidenceId(format!(
                "c-{}",
                name(&[
                    &change.service.to_string(),
                    &change.subject,
                    &change.after,
                    &change.time.as_nanos().to_string()
                ])
            )),
            observation: Observation::Change(change.clone()),
        };
        near.map(fact).collect()
    }
}

fn time(observation: &Observation) -> Timestamp {
    match observation {
        Observation::Anomaly(anomaly) => anomaly.onset,
        Observation::LogTemplate(template) => template.first_seen,
        Observation::Change(change) => change.time,
        Observation::Precedent(precedent) => precedent.judged_at,
        Observation::Attempt(attempt) => attempt.executed_at,
    }
}

pub(super) fn id(anomaly: &Anomaly) -> AnomalyId {
    let parts = [
        &*anomaly.service.namespace,
        &*anomaly.service.name,
        &*anomaly.service.environment,
        &*anomaly.origin.instance,
        &format!("{:?}", anomaly.signal),
        &*anomaly.metric,
        &*anomaly.dimension,
        &anomaly.onset.as_nanos().to_string(),
    ];
    AnomalyId(name(&parts).into())
}

/// A name for these parts: the same for the same parts, on every machine.
pub(super) fn name(parts: &[&str]) -> String {
    let joined: Vec<String> = parts.iter().map(|part| format!("{}:{part}", part.len())).collect();
    Uuid::new_v5(&Uuid::NAMESPACE_OID, joined.concat().as_bytes()).simple().to_string()
}
