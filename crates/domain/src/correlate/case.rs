//! Cases that were told, each about one cause.

use std::collections::{BTreeMap, BTreeSet};

use super::group::Reach;
use super::kin::{Kin, Look, TOGETHER, Trouble, apart};
use super::waiting::Waiting;
use crate::detect::Abnormal;
use crate::diagnose::{Argument, rank};
use crate::evidence::{Evidence, Observation};
use crate::{Anomaly, AnomalyId, ServiceId, Signal, Timestamp};

/// Anomalies kept a case; the newest ones are left out.
pub(super) const ANOMALIES_MAX: usize = 256;
/// Services that stir at once and have nothing to do with a case, told from its own cause.
const ELSEWHERE_MAX: usize = 8;

/// Anomalies of one cause.
#[derive(Clone, Debug, PartialEq)]
pub struct Case {
    /// Tells cases of one correlator apart; grows.
    pub number: u64,
    /// The services that show it. Who suffers from several causes shows each of them.
    pub services: BTreeSet<ServiceId>,
    /// What is, or was, abnormal, by id.
    pub anomalies: BTreeMap<AnomalyId, Anomaly>,
    /// The earliest onset of an anomaly that calls for an incident.
    pub onset: Timestamp,
    /// When the first such anomaly was sure, in event time.
    pub detected_at: Timestamp,
    pub(super) last_active: Timestamp,
    /// When its incident ended. What began before that is of it still, and what began later is trouble of its own.
    pub(super) ended_at: Option<Timestamp>,
    /// Where it comes from, as far as the call graph tells; none where it cannot tell.
    roots: BTreeMap<ServiceId, Trouble>,
    /// Who calls each of them in the end.
    reaches: BTreeMap<ServiceId, Reach>,
    is_root_sick: bool,
    /// What is taken for the cause.
    named: Option<ServiceId>,
}

/// How trouble belongs to a case, the closest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kinship {
    /// It is of a root.
    Root,
    /// It follows from what is there.
    Effect,
    /// What is there follows from it.
    Deeper,
    /// It has the same cause, which is neither.
    Beside,
}

impl Case {
    pub(super) fn new<'a>(number: u64, now: Timestamp, shown: impl Iterator<Item = &'a Waiting>) -> Self {
        let mut case = Self {
            number,
            services: BTreeSet::new(),
            anomalies: BTreeMap::new(),
            onset: now,
            detected_at: now,
            last_active: now,
            ended_at: None,
            roots: BTreeMap::new(),
            reaches: BTreeMap::new(),
            is_root_sick: false,
            named: None,
        };
        for waiting in shown {
            case.gather(waiting);
        }
        case
    }

    /// What the case is about: the service where the cause most likely sits, or else the one that showed it first, and
    /// the signal that people would name first.
    pub fn subject(&self, argument: &Argument) -> Option<(ServiceId, Signal)> {
        let likely = argument.hypotheses.first().map(|hypothesis| hypothesis.service.clone());
        let dated = || self.anomalies.values().filter(|anomaly| anomaly.signal.is_dated());
        let earliest = || dated().min_by_key(|anomaly| anomaly.onset).map(|anomaly| anomaly.service.clone());
        let service = likely.or_else(earliest)?;
        let own = self.anomalies.values().filter(|anomaly| anomaly.service == service);
        let signal = own.map(|anomaly| anomaly.signal).min_by_key(|signal| prominence(*signal))?;
        Some((service, signal))
    }

    /// Where it comes from, as far as the call graph tells; none where it cannot tell.
    pub fn roots(&self) -> impl Iterator<Item = &ServiceId> {
        self.roots.keys()
    }

    /// Whether one of its roots shows it still.
    pub fn is_root_sick(&self) -> bool {
        self.is_root_sick
    }

    /// Whether what a service shows can follow from its roots.
    pub fn can_explain(&self, service: &ServiceId) -> bool {
        self.roots.contains_key(service) || self.reaches.values().any(|reach| reach.contains(service))
    }

    /// Where it comes from; all that shows it where the call graph could not tell.
    pub(super) fn origins(&self) -> Vec<Trouble> {
        if !self.roots.is_empty() {
            return self.roots.values().cloned().collect();
        }
        let shown = |service| Trouble::hidden(service, self.onset_of(service).unwrap_or(self.onset));
        self.services.iter().map(shown).collect()
    }

    /// Whether all of this is where it comes from and shows still, or follows from there.
    pub(super) fn explains_all<L: Look>(&self, kin: &Kin<'_, L>, troubles: &[Trouble]) -> bool {
        let origins = self.origins().into_iter().filter(|origin| kin.is_firm(origin));
        let sick = origins.filter(|origin| kin.sick().contains(&origin.service));
        let sick: Vec<_> = sick.map(|origin| (kin.upstream(&origin), origin)).collect();
        troubles.iter().all(|trouble| {
            sick.iter().any(|(upstream, origin)| {
                let follows = || upstream.contains(&trouble.service) && kin.explains(origin, trouble);
                origin.service == trouble.service || follows()
            })
        })
    }

    pub(super) fn is_living(&self) -> bool {
        self.ended_at.is_none()
    }

    /// Services that it is about: where others look for their cause in vain.
    pub(super) fn is_about(&self) -> impl Iterator<Item = &ServiceId> {
        self.roots.keys().chain(&self.named)
    }

    /// The onset of the root that began last; of the case where none is known.
    pub(super) fn root_onset(&self) -> Timestamp {
        self.roots.values().map(|root| root.onset).max().unwrap_or(self.onset)
    }

    pub(super) fn kinship<L: Look>(&self, kin: &Kin<'_, L>, trouble: &Trouble, reach: &Reach) -> Option<Kinship> {
        let service = &trouble.service;
        if self.roots.contains_key(service) {
            return Some(Kinship::Root);
        }
        let is_shown = self.services.contains(service);
        let roots: Vec<&Trouble> = self.roots.values().filter(|root| kin.is_firm(root)).collect();
        if roots.is_empty() || !kin.is_firm(trouble) {
            let is_near = || self.is_next_to(kin, trouble) && (roots.is_empty() || !kin.was_changed(trouble));
            return (is_shown || is_near()).then_some(Kinship::Effect);
        }
        let is_upstream = |root: &Trouble| self.reaches.get(&root.service).is_some_and(|reach| reach.contains(service));
        if is_shown || roots.iter().any(|root| is_upstream(root) && kin.explains(root, trouble)) {
            return Some(Kinship::Effect);
        }
        if roots.iter().any(|root| reach.contains(&root.service) && kin.explains(trouble, root)) {
            return Some(Kinship::Deeper);
        }
        let onset_of = |caller: &ServiceId| self.onset_of(caller);
        let is_beside = kin.is_overloaded_by(trouble, onset_of) || roots.iter().any(|root| kin.is_one(root, trouble));
        is_beside.then_some(Kinship::Beside)
    }

    /// By neighbourhood, at about one time.
    fn is_next_to<L: Look>(&self, kin: &Kin<'_, L>, trouble: &Trouble) -> bool {
        apart(trouble.onset, self.onset) <= TOGETHER
            && self.services.iter().any(|service| kin.are_neighbours(service, &trouble.service))
    }

    /// Whether what a service shows is what is left of this case, whose incident ended.
    pub(super) fn is_left_in<L: Look>(&self, kin: &Kin<'_, L>, trouble: &Trouble) -> bool {
        if self.ended_at.is_none_or(|ended_at| trouble.onset > ended_at) {
            return false;
        }
        if self.services.contains(&trouble.service) {
            return true;
        }
        if !kin.is_firm(trouble) || !self.roots.values().any(|root| kin.is_firm(root)) {
            return self.is_next_to(kin, trouble);
        }
        self.roots.values().any(|root| kin.calls(&trouble.service, &root.service) && kin.explains(root, trouble))
    }

    fn onset_of(&self, service: &ServiceId) -> Option<Timestamp> {
        let own = self.anomalies.values().filter(|anomaly| anomaly.service == *service);
        own.filter(|anomaly| anomaly.signal.is_dated()).map(|anomaly| anomaly.onset).min()
    }

    /// Takes what it has already and sees again.
    pub(super) fn see(&mut self, found: &Abnormal, now: Timestamp) {
        self.last_active = now;
        if let Some(root) = self.roots.get_mut(&found.anomaly.service) {
            root.stands_alone |= found.stands_alone;
        }
        self.keep(found.anomaly.clone());
    }

    /// Takes trouble that belongs to it.
    pub(super) fn adopt<L: Look>(&mut self, kin: &Kin<'_, L>, waiting: &Waiting, kinship: Kinship, reach: &Reach) {
        match kinship {
            Kinship::Root | Kinship::Effect => {}
            Kinship::Deeper => self.move_down(kin, &waiting.trouble, reach),
            Kinship::Beside => self.root(waiting.trouble.clone(), reach.clone()),
        }
        self.gather(waiting);
    }

    /// Notes where it comes from.
    pub(super) fn root(&mut self, trouble: Trouble, reach: Reach) {
        self.reaches.insert(trouble.service.clone(), reach);
        self.roots.insert(trouble.service.clone(), trouble);
    }

    /// Roots that follow from another give way to it, unless it only suffers from what they ask of it.
    pub(super) fn move_down<L: Look>(&mut self, kin: &Kin<'_, L>, deeper: &Trouble, reach: &Reach) {
        if !kin.is_load(&deeper.service) {
            self.roots.retain(|service, root| !(reach.contains(service) && kin.explains(deeper, root)));
            let roots = &self.roots;
            self.reaches.retain(|service, _| roots.contains_key(service));
        }
        self.root(deeper.clone(), reach.clone());
    }

    /// Notes how its roots, and those who call them, are now.
    pub(super) fn look_again(&mut self, sick: &BTreeSet<ServiceId>, mut reach: impl FnMut(&Trouble) -> Reach) {
        self.is_root_sick = self.roots.keys().any(|root| sick.contains(root));
        self.reaches = self.roots.iter().map(|(service, root)| (service.clone(), reach(root))).collect();
    }

    /// Takes what other cases have that follows from its roots as well.
    pub(super) fn share<L: Look>(&mut self, kin: &Kin<'_, L>, anomaly: &Anomaly) {
        let shown = Trouble::hidden(&anomaly.service, anomaly.onset);
        let follows = self.roots.values().any(|root| {
            let is_upstream = self.reaches.get(&root.service).is_some_and(|reach| reach.contains(&shown.service));
            is_upstream && kin.explains(root, &shown)
        });
        if follows {
            self.services.insert(anomaly.service.clone());
            self.keep(anomaly.clone());
        }
    }

    /// Whether a service that was changed lately has nothing to do with what the case is about, as the call graph knows.
    pub(super) fn is_elsewhere<L: Look>(&self, kin: &Kin<'_, L>, service: &ServiceId) -> bool {
        let is_related = |root: &ServiceId| root == service || kin.calls(root, service) || kin.calls(service, root);
        let is_firm = self.roots.values().all(|root| kin.is_firm(root)) && kin.knows(service);
        let was_changed = kin.was_changed(&Trouble::hidden(service, self.onset_of(service).unwrap_or(self.onset)));
        is_firm && was_changed && !self.roots.is_empty() && !self.roots.keys().any(is_related)
    }

    /// What is taken for the cause is of the case, though it might have raised no alarm by itself. Where the roots follow
    /// from it, it is the root.
    pub(super) fn take_in_likely<L: Look>(&mut self, kin: &Kin<'_, L>, evidence: &Evidence, argument: &Argument) {
        let Some(likely) = argument.hypotheses.first().map(|hypothesis| &hypothesis.service) else { return };
        self.named = Some(likely.clone());
        for fact in &evidence.facts {
            if let Observation::Anomaly(anomaly) = &fact.observation
                && anomaly.service == *likely
            {
                self.services.insert(likely.clone());
                // Beyond the bound, too: an incident has to show a signal of what it is about.
                self.anomalies.insert(anomaly.id.clone(), anomaly.clone());
            }
        }
        if self.roots.is_empty() || self.roots.contains_key(likely) {
            return;
        }
        let deeper = Trouble::hidden(likely, self.onset_of(likely).unwrap_or(self.onset));
        let reach = Reach::new(kin.upstream(&deeper));
        if self.roots.values().any(|root| reach.contains(&root.service) && kin.explains(&deeper, root)) {
            self.move_down(kin, &deeper, &reach);
        }
    }

    fn gather(&mut self, waiting: &Waiting) {
        self.onset = self.onset.min(waiting.onset);
        self.detected_at = self.detected_at.min(waiting.detected_at);
        self.last_active = self.last_active.max(waiting.last_active);
        self.services.insert(waiting.trouble.service.clone());
        for anomaly in waiting.anomalies.values() {
            self.keep(anomaly.clone());
        }
    }

    pub(super) fn keep(&mut self, anomaly: Anomaly) {
        if self.anomalies.len() < ANOMALIES_MAX || self.anomalies.contains_key(&anomaly.id) {
            self.anomalies.insert(anomaly.id.clone(), anomaly);
        }
    }
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
        Signal::Drift => 7,
        Signal::Other => 8,
        Signal::Traffic => 9,
        Signal::FlatLine => 10,
    }
}

/// What follows from the evidence of cases that are about one thing. What was changed and stirs elsewhere, and neither calls
/// a root in the end nor is called by one, is another cause whose own alarm is still to come, and is set apart.
pub(super) fn argue<L: Look>(kin: &Kin<'_, L>, cases: &[&Case], evidence: &mut Evidence) -> Argument {
    let mut argument = rank(evidence);
    for _ in 0..ELSEWHERE_MAX {
        let likely = argument.hypotheses.first().map(|hypothesis| &hypothesis.service);
        let is_elsewhere = |likely: &&ServiceId| cases.iter().all(|case| case.is_elsewhere(kin, likely));
        let Some(elsewhere) = likely.filter(is_elsewhere) else { break };
        evidence.apart.insert(elsewhere.clone());
        argument = rank(evidence);
    }
    argument
}
