//! The state of detection: what was seen, and which incident each case became.

mod unclaimed;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use llm_sre_domain::correlate::{Case, Correlator, News};
use llm_sre_domain::detect::{Counts, Crowd, Detector};
use llm_sre_domain::diagnose::Argument;
use llm_sre_domain::evidence::Evidence;
use llm_sre_domain::incident::{ANOMALIES_MAX, Incident, IncidentId, Verdict};
use llm_sre_domain::remedy::ServicePattern;
use llm_sre_domain::{Anomaly, AnomalyId, ServiceId, Timestamp};

use crate::Options;
use crate::disturbed::{self, Disturbing};
use crate::impact::Impact;
use crate::recorder::Recorder;

/// The watermark moves in steps: each closes windows, and looks at every service and at all that is abnormal.
const STEP: Duration = Duration::from_secs(1);
/// Times further ahead of the product's clock do not move the watermark: one wrong clock must not close everybody's
/// windows.
const AHEAD_MAX: Duration = Duration::from_secs(60);
/// How long recovery that comes by itself has to hold, as measured in every signal, in event time. Nothing abnormal is
/// not waited for: an error budget that was burnt stays burnt for an hour after users are well.
const RECOVERY_HELD: Duration = Duration::from_secs(120);
/// How often metrics with too many series are named in the log.
const CROWDS_TOLD_EVERY: Duration = Duration::from_secs(60);
/// How often recovery that holds is told again, to an incident that an action keeps from taking it.
const RECOVERY_TOLD_EVERY: Duration = Duration::from_secs(30);

/// See the module.
pub(crate) struct Brain {
    pub(crate) detector: Detector,
    correlator: Correlator,
    followed: BTreeMap<u64, Followed>,
    /// Cases that were sure before this instance may open incidents, and are not known to be any incident's.
    unclaimed: BTreeSet<u64>,
    pub(crate) living: BTreeMap<IncidentId, Living>,
    newest: Timestamp,
    lateness: Duration,
    pub(crate) user_facing: Vec<ServicePattern>,
    /// What was counted by the last look at it.
    counted: Counts,
    crowds_told_at: Timestamp,
    /// Event time at which what a start cannot read again is written next.
    pub(crate) checkpoint_due: Timestamp,
    /// What is recorded for people to look at, where it is.
    pub(crate) recorder: Option<Recorder>,
}

/// A case that became an incident.
#[derive(Default)]
struct Followed {
    incident: Option<IncidentId>,
    told: BTreeSet<AnomalyId>,
    is_over: bool,
}

/// An incident whose recovery is measured.
#[derive(Default)]
pub(crate) struct Living {
    pub(crate) opened_at: Timestamp,
    pub(crate) anomalies: BTreeMap<AnomalyId, Anomaly>,
    /// Samples up to here say nothing of recovery: the last detection, or the last time that a signal was outside.
    since: Timestamp,
    told_at: Timestamp,
    /// What it was opened about, and where its cases come from, as far as they are known.
    subject: Option<ServiceId>,
    roots: BTreeSet<ServiceId>,
    /// Up to when another incident's cause, or one that is to be told, disturbed what it is measured by; the epoch
    /// where none did.
    pub(crate) disturbed_until: Timestamp,
}

impl Living {
    /// What it is about. The signals of these services always count.
    pub(crate) fn own(&self) -> BTreeSet<ServiceId> {
        self.roots.iter().chain(&self.subject).cloned().collect()
    }

    /// The anomaly that the incident would give up first.
    fn weakest(&self) -> Option<AnomalyId> {
        let order = |a: &&Anomaly, b: &&Anomaly| a.score.total_cmp(&b.score).then_with(|| b.id.cmp(&a.id));
        self.anomalies.values().min_by(order).map(|anomaly| anomaly.id.clone())
    }
}

/// What is to be done about a case.
pub(crate) enum Finding {
    /// It calls for an incident.
    Opened(Box<Opened>),
    /// More of it was seen.
    Grown(IncidentId, Vec<Anomaly>, Impact),
    /// Its signals are back, and stayed so for a while.
    Recovered(IncidentId),
}

/// A case that calls for an incident, with what was known then.
pub(crate) struct Opened {
    pub(crate) case: Case,
    pub(crate) evidence: Evidence,
    pub(crate) argument: Argument,
    pub(crate) impact: Impact,
}

impl Brain {
    pub(crate) fn new(options: &Options) -> Self {
        Self {
            detector: Detector::new(options.objectives.clone()),
            correlator: Correlator::default(),
            followed: BTreeMap::new(),
            unclaimed: BTreeSet::new(),
            living: BTreeMap::new(),
            newest: Timestamp::EPOCH,
            lateness: options.lateness,
            user_facing: options.user_facing.clone(),
            counted: Counts::default(),
            crowds_told_at: Timestamp::EPOCH,
            checkpoint_due: Timestamp::EPOCH,
            recorder: options.records_signals.then(Recorder::default),
        }
    }

    /// Notes that telemetry of this time came.
    pub(crate) fn saw(&mut self, time: Timestamp, now: Timestamp) {
        if time <= now + AHEAD_MAX {
            self.newest = self.newest.max(time);
        }
    }

    /// What was counted since this was last asked.
    pub(crate) fn counted_since(&mut self) -> Counts {
        let now = self.detector.counts();
        now.since(&std::mem::replace(&mut self.counted, now))
    }

    /// Metrics whose series were refused, where that was not told lately.
    pub(crate) fn crowds(&mut self, now: Timestamp) -> Vec<Crowd> {
        if now.since(self.crowds_told_at) < CROWDS_TOLD_EVERY {
            return Vec::new();
        }
        let crowds = self.detector.take_crowds();
        if !crowds.is_empty() {
            self.crowds_told_at = now;
        }
        crowds
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
                    self.followed.insert(case.number, Followed { told, ..Followed::default() });
                    let impact = self.impact(&case);
                    findings.push(Finding::Opened(Box::new(Opened { case, evidence, argument, impact })));
                }
                News::Cleared(case) => {
                    self.followed.remove(&case.number);
                    self.unclaimed.remove(&case.number);
                }
            }
        }
        findings.extend(self.grown());
        findings.extend(self.recovered());
        if let Some(recorder) = &mut self.recorder {
            recorder.advance(&self.detector, &self.living);
        }
        findings
    }

    /// Says which incident a case became.
    pub(crate) fn follow(&mut self, case: u64, incident: IncidentId) {
        if let Some(followed) = self.followed.get_mut(&case) {
            followed.incident = Some(incident);
        }
    }

    /// Notes that a case is no incident's.
    pub(crate) fn let_go(&mut self, case: u64) {
        if let Some(followed) = self.followed.get_mut(&case) {
            followed.is_over = true;
            self.correlator.end(case, self.detector.watermark());
        }
    }

    /// Measures the recovery of an incident from now on, by all that it has. `roots` are those that its record names:
    /// they stand until its cases are found.
    pub(crate) fn watch_recovery(&mut self, incident: &Incident, roots: &BTreeSet<ServiceId>) {
        let living = self.living.entry(incident.id).or_default();
        if living.roots.is_empty() {
            living.roots.clone_from(roots);
        }
        living.subject = Some(incident.subject.service.clone());
        living.opened_at = incident.detected_at;
        for anomaly in &incident.anomalies {
            living.since = living.since.max(anomaly.detected_at);
            living.anomalies.insert(anomaly.id.clone(), anomaly.clone());
        }
        // What the incident gave up for what says more, it is not measured by any longer: one that lives for days would
        // be measured by ever more.
        while living.anomalies.len() > ANOMALIES_MAX
            && let Some(weakest) = living.weakest()
        {
            living.anomalies.remove(&weakest);
        }
    }

    /// Notes that only these incidents live: others ended while another instance detected.
    pub(crate) fn only_living(&mut self, living: &BTreeSet<IncidentId>) {
        self.living.retain(|incident, _| living.contains(incident));
        self.end_cases(|incident| !living.contains(&incident));
    }

    /// Notes that an incident ended: what its cases show from now on is new trouble.
    pub(crate) fn ended(&mut self, incident: IncidentId) {
        if self.living.remove(&incident).is_some() {
            self.end_cases(|other| other == incident);
        }
    }

    /// What is known of an incident now, for another diagnosis; `None` where its cases are not followed any more.
    pub(crate) fn evidence_of(&self, incident: IncidentId) -> Option<Evidence> {
        let is_of_it = |followed: &Followed| followed.incident == Some(incident) && !followed.is_over;
        let numbers = self.followed.iter().filter(|(_, followed)| is_of_it(followed)).map(|(number, _)| *number);
        self.correlator.evidence(&self.detector, &numbers.collect())
    }

    /// Cases of incidents that live, whose cause shows still.
    pub(crate) fn disturbing(&self) -> Vec<Disturbing<'_>> {
        disturbing(&self.correlator, &self.followed)
    }

    /// Whether trouble waits to be told that may be why an incident's anomalies go on, and is not what that is about.
    pub(crate) fn is_waiting_behind(&self, incident: &Incident, own: &BTreeSet<ServiceId>) -> bool {
        self.correlator.is_waiting_behind(&incident.anomalies, own, self.detector.topology())
    }

    fn end_cases(&mut self, is_over: impl Fn(IncidentId) -> bool) {
        let now = self.detector.watermark();
        for (number, followed) in &mut self.followed {
            if followed.incident.is_some_and(&is_over) {
                followed.is_over = true;
                self.correlator.end(*number, now);
            }
        }
    }

    fn grown(&mut self) -> Vec<Finding> {
        let mut grown = Vec::new();
        for case in self.correlator.cases() {
            let Some(followed) = self.followed.get_mut(&case.number) else { continue };
            let (Some(incident), false) = (followed.incident, followed.is_over) else { continue };
            let new: Vec<Anomaly> =
                case.anomalies.values().filter(|anomaly| !followed.told.contains(&anomaly.id)).cloned().collect();
            followed.told.extend(new.iter().map(|anomaly| anomaly.id.clone()));
            if !new.is_empty() {
                grown.push((case.clone(), incident, new));
            }
        }
        grown.into_iter().map(|(case, incident, new)| Finding::Grown(incident, new, self.impact(&case))).collect()
    }

    fn recovered(&mut self) -> Vec<Finding> {
        let now = self.detector.watermark();
        let mut findings = Vec::new();
        let disturbing = disturbing(&self.correlator, &self.followed);
        let mut roots = roots(&self.correlator, &self.followed);
        for (incident, living) in &mut self.living {
            // What was the cause still is, when its case is forgotten.
            if let Some(roots) = roots.remove(incident).filter(|roots| !roots.is_empty()) {
                living.roots = roots;
            }
            let own = living.own();
            let anomalies: Vec<Anomaly> = living.anomalies.values().cloned().collect();
            let others = disturbed::of_others(*incident, &own, &disturbing);
            let (measured, is_disturbed) = disturbed::measure(&self.detector, &others, &own, &anomalies, living.since);
            if is_disturbed || self.correlator.is_waiting_behind(&anomalies, &own, self.detector.topology()) {
                living.disturbed_until = now;
            }
            match measured.verdict {
                Verdict::NotRecovered => living.since = living.since.max(now),
                Verdict::Inconclusive => {}
                Verdict::Recovered if self.detector.burns_on(&anomalies, living.since) => {}
                Verdict::Recovered => {
                    let held = measured.measured_at.since(measured.well_since.max(living.since)) >= RECOVERY_HELD;
                    if held && now.since(living.told_at) >= RECOVERY_TOLD_EVERY {
                        living.told_at = now;
                        findings.push(Finding::Recovered(*incident));
                    }
                }
            }
        }
        findings
    }
}

/// Where the cases of each incident come from.
fn roots(correlator: &Correlator, followed: &BTreeMap<u64, Followed>) -> BTreeMap<IncidentId, BTreeSet<ServiceId>> {
    let mut roots: BTreeMap<IncidentId, BTreeSet<ServiceId>> = BTreeMap::new();
    for case in correlator.cases() {
        if let Some(incident) = followed.get(&case.number).and_then(|followed| followed.incident) {
            roots.entry(incident).or_default().extend(case.roots().cloned());
        }
    }
    roots
}

/// Cases of incidents that live, whose cause shows still.
fn disturbing<'a>(correlator: &'a Correlator, followed: &BTreeMap<u64, Followed>) -> Vec<Disturbing<'a>> {
    let sick = correlator.cases().iter().filter(|case| case.is_root_sick());
    let of_incidents = sick.filter_map(|case| {
        let followed = followed.get(&case.number).filter(|followed| !followed.is_over)?;
        Some((followed.incident?, case))
    });
    of_incidents.collect()
}

#[cfg(test)]
mod tests {
    use llm_sre_domain::incident::{Actor, Opening, Rules, Severity, Subject, Trigger};
    use llm_sre_domain::telemetry::Origin;
    use llm_sre_domain::{Direction, Signal};

    use super::*;

    fn anomaly(number: u32, score: f64) -> Anomaly {
        let time = Timestamp::from_secs(1_000);
        Anomaly {
            id: AnomalyId(format!("a{number:06}").into()),
            service: ServiceId::named("cart"),
            origin: Origin::default(),
            signal: Signal::Latency,
            metric: "http.server.request.duration".into(),
            dimension: "p95".into(),
            unit: "s".into(),
            onset: time,
            detected_at: time,
            last_seen: time,
            direction: Direction::Up,
            score,
            expected: 0.1,
            observed: 2.0,
            exemplar: String::new(),
            requests_per_s: None,
        }
    }

    fn incident() -> Incident {
        let time = Timestamp::from_secs(1_000);
        let trigger = Trigger::Signal(Signal::Latency);
        let opening = Opening {
            subject: Subject { service: ServiceId::named("cart"), trigger, dimension: "".into() },
            ordinal: 0,
            title: "cart is slow".to_owned(),
            anomalies: Vec::new(),
            impacts: BTreeMap::new(),
            severity: Severity::Sev4,
            onset: time,
            detected_at: time,
            actor: Actor::product(),
            coverage: None,
        };
        Incident::open(opening, &Rules::default(), time).unwrap().0
    }

    /// Whatever comes and goes of it, in whichever order.
    #[test]
    fn an_incident_that_lives_for_long_is_measured_by_no_more_than_it_keeps() {
        const COMING: u32 = 3_000;
        let mut brain = Brain::new(&Options::default());
        let mut incident = incident();
        for number in 0..COMING {
            // Scores in an order that is none: 1,009 and 3,000 have no common factor.
            let score = f64::from(number * 1_009 % COMING);
            incident.anomalies = vec![anomaly(number, score)];
            brain.watch_recovery(&incident, &BTreeSet::new());
        }
        let kept = &brain.living[&incident.id].anomalies;
        assert_eq!(kept.len(), ANOMALIES_MAX);
        let least = f64::from(COMING) - ANOMALIES_MAX as f64;
        assert!(kept.values().all(|anomaly| anomaly.score >= least), "those that say most stay");
        brain.ended(incident.id);
        assert!(brain.living.is_empty());
    }
}
