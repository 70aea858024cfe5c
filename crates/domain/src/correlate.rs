//! From what is abnormal to one case a cause.
//!
//! Anomalies belong together where the call graph joins their services and their onsets are near. A case is held back
//! for a moment, so that the cause's own signals can come in beside those that users saw first. Where the graph knows
//! neither of two services, being in one namespace and environment at one time has to do.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::detect::{Abnormal, Detector};
use crate::diagnose::{Argument, rank};
use crate::evidence::{Evidence, Observation};
use crate::{Anomaly, AnomalyId, ServiceId, Signal, Timestamp};

/// How long a case waits for further signals before it is told, in event time.
const HOLD: Duration = Duration::from_secs(20);
/// Onsets so far apart can be of one cause.
const TOGETHER: Duration = Duration::from_secs(600);
/// A case is over when nothing of it was abnormal for so long.
const QUIET: Duration = Duration::from_secs(120);
/// Cases whose incident has not ended, followed at once; beyond it, new anomalies join the newest case rather than get lost.
const CASES_MAX: usize = 64;
/// Anomalies kept a case; the newest ones are left out.
const ANOMALIES_MAX: usize = 256;

/// Anomalies of one cause.
#[derive(Clone, Debug, PartialEq)]
pub struct Case {
    /// Tells cases of one correlator apart; grows.
    pub number: u64,
    /// The services that show it.
    pub services: BTreeSet<ServiceId>,
    /// What is, or was, abnormal, by id.
    pub anomalies: BTreeMap<AnomalyId, Anomaly>,
    /// The earliest onset of an anomaly that calls for an incident.
    pub onset: Timestamp,
    /// When the first such anomaly was sure, in event time.
    pub detected_at: Timestamp,
    last_active: Timestamp,
    /// Since when it calls for an incident without a pause; what is abnormal may have been so, and explained, before.
    calling_since: Timestamp,
    is_told: bool,
    /// When its incident ended. What began before that is of it still, and what began later is trouble of its own.
    ended_at: Option<Timestamp>,
}

/// When an anomaly is taken, when it was looked for before, and since when it calls for an incident.
#[derive(Clone, Copy, Debug)]
struct Took {
    at: Timestamp,
    asked_at: Timestamp,
    calling_since: Timestamp,
}

/// What became of a case.
#[derive(Clone, Debug, PartialEq)]
pub enum News {
    /// It calls for an incident. With what was known then, and what follows from it.
    Opened(Case, Evidence, Argument),
    /// Nothing of it was abnormal for a while.
    Cleared(Case),
}

/// Follows cases.
#[derive(Debug, Default)]
pub struct Correlator {
    cases: Vec<Case>,
    next_number: u64,
    /// As of when the detector was asked before, and what called for nothing then though it was abnormal.
    asked_at: Timestamp,
    dismissed: BTreeSet<AnomalyId>,
}

impl Correlator {
    /// The cases followed now.
    pub fn cases(&self) -> &[Case] {
        &self.cases
    }

    /// Notes that the incident of a case ended.
    pub fn end(&mut self, number: u64, at: Timestamp) {
        if let Some(case) = self.cases.iter_mut().find(|case| case.number == number) {
            case.ended_at.get_or_insert(at);
        }
    }

    /// Takes what the detector finds abnormal as of its watermark, and says what is new.
    pub fn advance(&mut self, detector: &Detector) -> Vec<News> {
        let now = detector.watermark();
        let (worthy, others): (Vec<_>, Vec<_>) = detector.abnormal().into_iter().partition(|found| found.is_worthy);
        for Abnormal { anomaly, .. } in worthy {
            let is_new = !self.dismissed.contains(&anomaly.id);
            let calling_since = if is_new { anomaly.detected_at } else { anomaly.detected_at.max(self.asked_at) };
            self.place(anomaly, calling_since, detector, now);
        }
        self.dismissed = others.iter().map(|found| found.anomaly.id.clone()).collect();
        for Abnormal { anomaly, .. } in others {
            // What calls for no incident is evidence for one of the same service.
            let is_of = |case: &&mut Case| case.ended_at.is_none() && case.services.contains(&anomaly.service);
            if let Some(case) = self.cases.iter_mut().find(is_of) {
                case.keep(anomaly);
            }
        }
        let mut news = Vec::new();
        for case in &mut self.cases {
            // What paused is held anew, such as what traffic explains for a moment.
            if !case.is_told && now.since(case.calling_since) >= HOLD && case.last_active == now {
                case.is_told = true;
                let kept: Vec<Anomaly> = case.anomalies.values().cloned().collect();
                let evidence = detector.evidence(&kept, &case.services, case.onset);
                let argument = rank(&evidence);
                case.take_in_likely(&evidence, &argument);
                news.push(News::Opened(case.clone(), evidence, argument));
            }
        }
        let (over, going): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.cases).into_iter().partition(|case| now.since(case.last_active) > QUIET);
        self.cases = going;
        self.asked_at = now;
        // A case that went away while it was held back was a blip.
        news.extend(over.into_iter().filter(|case| case.is_told).map(News::Cleared));
        news
    }

    fn place(&mut self, anomaly: Anomaly, calling_since: Timestamp, detector: &Detector, now: Timestamp) {
        let took = Took { at: now, asked_at: self.asked_at, calling_since };
        // What went on when an incident ended does not call again.
        let is_known = |case: &&mut Case| case.ended_at.is_some() && case.anomalies.contains_key(&anomaly.id);
        if let Some(case) = self.cases.iter_mut().find(is_known) {
            return case.take(anomaly, took);
        }
        let joined = |is_over: bool| -> Vec<usize> {
            let cases = self.cases.iter().enumerate().filter(|(_, case)| case.ended_at.is_some() == is_over);
            cases.filter(|(_, case)| case.is_of(&anomaly, detector)).map(|(index, _)| index).collect()
        };
        let living = joined(false);
        if let (true, Some(over)) = (living.is_empty(), joined(true).first()) {
            return self.cases[*over].take(anomaly, took);
        }
        let joined = living;
        let Some(&first) = joined.first() else {
            let mut living = self.cases.iter_mut().filter(|case| case.ended_at.is_none());
            match living.nth_back(0).filter(|_| living.count() + 1 >= CASES_MAX) {
                Some(newest) => newest.take(anomaly, took),
                None => {
                    self.cases.push(Case::new(self.next_number, anomaly, took));
                    self.next_number += 1;
                }
            }
            return;
        };
        // The anomaly is the missing link between cases: those not told yet become one with the first.
        for &index in joined.iter().skip(1).rev() {
            if !self.cases[index].is_told {
                let other = self.cases.remove(index);
                self.cases[first].merge(other, took.asked_at);
            }
        }
        self.cases[first].take(anomaly, took);
    }
}

impl Case {
    fn new(number: u64, anomaly: Anomaly, took: Took) -> Self {
        let mut case = Self {
            number,
            services: BTreeSet::new(),
            anomalies: BTreeMap::new(),
            onset: anomaly.onset,
            detected_at: anomaly.detected_at,
            last_active: Timestamp::EPOCH,
            calling_since: took.calling_since,
            is_told: false,
            ended_at: None,
        };
        case.take(anomaly, took);
        case
    }

    /// What the case is about: the service where the cause most likely sits, or else the one that showed it first, and
    /// the signal that people would name first.
    pub fn subject(&self, argument: &Argument) -> Option<(ServiceId, Signal)> {
        let likely = argument.hypotheses.first().map(|hypothesis| hypothesis.service.clone());
        let earliest = || self.anomalies.values().min_by_key(|anomaly| anomaly.onset).map(|a| a.service.clone());
        let service = likely.or_else(earliest)?;
        let own = self.anomalies.values().filter(|anomaly| anomaly.service == service);
        let signal = own.map(|anomaly| anomaly.signal).min_by_key(|signal| prominence(*signal))?;
        Some((service, signal))
    }

    fn is_of(&self, anomaly: &Anomaly, detector: &Detector) -> bool {
        if self.ended_at.is_some_and(|ended_at| anomaly.onset > ended_at) {
            return false;
        }
        if self.anomalies.contains_key(&anomaly.id) || self.services.contains(&anomaly.service) {
            return true;
        }
        let apart = anomaly.onset.since(self.onset).max(self.onset.since(anomaly.onset));
        apart <= TOGETHER && self.services.iter().any(|service| are_joined(service, &anomaly.service, detector))
    }

    fn take(&mut self, anomaly: Anomaly, took: Took) {
        self.onset = self.onset.min(anomaly.onset);
        self.detected_at = self.detected_at.min(anomaly.detected_at);
        if self.last_active < took.asked_at {
            self.calling_since = took.calling_since;
        }
        self.last_active = took.at;
        self.services.insert(anomaly.service.clone());
        self.keep(anomaly);
    }

    fn keep(&mut self, anomaly: Anomaly) {
        if self.anomalies.len() < ANOMALIES_MAX || self.anomalies.contains_key(&anomaly.id) {
            self.anomalies.insert(anomaly.id.clone(), anomaly);
        }
    }

    /// What is taken for the cause is of the case, though it might have raised no alarm by itself.
    fn take_in_likely(&mut self, evidence: &Evidence, argument: &Argument) {
        let Some(likely) = argument.hypotheses.first().map(|hypothesis| &hypothesis.service) else { return };
        for fact in &evidence.facts {
            if let Observation::Anomaly(anomaly) = &fact.observation
                && anomaly.service == *likely
            {
                self.services.insert(likely.clone());
                self.keep(anomaly.clone());
            }
        }
    }

    fn merge(&mut self, other: Case, asked_at: Timestamp) {
        self.onset = self.onset.min(other.onset);
        self.detected_at = self.detected_at.min(other.detected_at);
        // A hold that paused does not count for the one that it is joined to.
        if other.last_active >= asked_at {
            let own = if self.last_active >= asked_at { self.calling_since } else { other.calling_since };
            self.calling_since = own.min(other.calling_since);
        }
        self.last_active = self.last_active.max(other.last_active);
        self.services.extend(other.services);
        for anomaly in other.anomalies.into_values() {
            self.keep(anomaly);
        }
    }
}

/// Whether one calls the other, or, where the graph knows neither, they are deployed together.
fn are_joined(a: &ServiceId, b: &ServiceId, detector: &Detector) -> bool {
    let topology = detector.topology();
    let is_known =
        |service: &ServiceId| topology.callees(service).next().is_some() || topology.callers(service).next().is_some();
    if !is_known(a) && !is_known(b) {
        return a.namespace == b.namespace && a.same_environment(b);
    }
    topology.callees(a).any(|callee| callee == b) || topology.callers(a).any(|caller| caller == b)
}

/// Lower is what people would name first.
fn prominence(signal: Signal) -> u8 {
    match signal {
        Signal::Errors => 0,
        Signal::Latency => 1,
        Signal::Silence => 2,
        Signal::Saturation => 3,
        Signal::BudgetBurn => 4,
        Signal::LogBurst => 5,
        Signal::NewLogTemplate => 6,
        Signal::Other => 7,
        Signal::Traffic => 8,
    }
}
