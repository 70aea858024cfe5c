//! From what is abnormal to one case a cause.
//!
//! A case is about one root: the deepest sick service. Who calls it in the end, through services that are not known to be
//! well, shows its effects, and effects do not join roots: two causes stay two cases though all their callers suffer from
//! both. What waits is grouped anew each time, and is held back for a moment, so that the cause's own signals can come in
//! beside those that users saw first. Where the call graph or the onsets cannot carry that, neighbours are together whose
//! onsets are near, and where the graph knows neither of two services, being in one namespace and environment has to do.

mod case;
mod explained;
mod group;
mod kin;
#[cfg(test)]
mod tests;
mod waiting;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use crate::detect::{Abnormal, Detector};
use crate::diagnose::Argument;
use crate::evidence::Evidence;
use crate::topology::Topology;
use crate::{Anomaly, AnomalyId, ServiceId, Signal, Timestamp};

pub use case::Case;
use case::{Kinship, argue};
use group::{Group, JUDGED_MAX, ROOTS_MAX, Reach, STORM, groups};
use kin::{Kin, Look, Trouble, apart};
use waiting::Waiting;

/// How long a case waits for further signals before it is told, in event time.
const HOLD: Duration = Duration::from_secs(20);
/// Roots that began so near to each other were first together, as far as anybody can tell.
const AT_ONCE: Duration = Duration::from_secs(60);
/// A case is over when nothing of it was abnormal for so long.
const QUIET: Duration = Duration::from_secs(120);
/// Cases whose incident has not ended, followed at once; beyond it, new anomalies join the newest case rather than get lost.
const CASES_MAX: usize = 64;
/// How often who is called through whom is looked at where nothing new is abnormal, in event time.
const LOOK_EVERY: Duration = Duration::from_secs(10);

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
    /// What is of no case yet.
    waiting: BTreeMap<ServiceId, Waiting>,
    reaches: Reaches,
    next_number: u64,
    /// As of when the detector was asked before, and what called for nothing then though it was abnormal.
    asked_at: Timestamp,
    dismissed: BTreeSet<AnomalyId>,
}

/// Who calls sick services in the end, by service and onset, as of the last look.
#[derive(Debug, Default)]
struct Reaches {
    looked_at: Timestamp,
    /// What calls for an incident.
    ids: BTreeSet<AnomalyId>,
    found: BTreeMap<(ServiceId, Timestamp), Reach>,
}

/// What waits, in order of onset and service.
struct Queue {
    troubles: Vec<Trouble>,
    groups: Vec<Group>,
}

impl Correlator {
    /// The cases that were told and are followed now.
    pub fn cases(&self) -> &[Case] {
        &self.cases
    }

    /// A case of which something calls for an incident as of the last look; `None` where it is over, or its incident is.
    pub fn showing(&self, number: u64) -> Option<&Case> {
        let is_it = |case: &&Case| case.number == number && case.is_living() && case.last_active >= self.asked_at;
        self.cases.iter().find(is_it)
    }

    /// Notes that the incident of a case ended.
    pub fn end(&mut self, number: u64, at: Timestamp) {
        if let Some(case) = self.cases.iter_mut().find(|case| case.number == number) {
            case.ended_at.get_or_insert(at);
        }
    }

    /// Takes what the detector finds abnormal as of its watermark, and says what is new.
    pub fn advance(&mut self, detector: &Detector) -> Vec<News> {
        self.follow(detector, detector.watermark(), detector.abnormal())
    }

    /// What is known now of living cases that are about one thing, with what others are about set apart; `None` where
    /// none of them is followed any more.
    pub fn evidence(&self, detector: &Detector, numbers: &BTreeSet<u64>) -> Option<Evidence> {
        let living = self.cases.iter().filter(|case| case.is_living());
        let (own, others): (Vec<&Case>, Vec<&Case>) = living.partition(|case| numbers.contains(&case.number));
        let onset = own.iter().map(|case| case.onset).min()?;
        let anomalies: Vec<Anomaly> = own.iter().flat_map(|case| case.anomalies.values().cloned()).collect();
        let services: BTreeSet<ServiceId> = own.iter().flat_map(|case| case.services.iter().cloned()).collect();
        let mut evidence = detector.evidence(&anomalies, &services, onset);
        evidence.apart = others.iter().flat_map(|other| other.is_about()).cloned().collect();
        for root in own.iter().flat_map(|case| case.roots()) {
            evidence.apart.remove(root);
        }
        let worthy = detector.abnormal().into_iter().filter(|found| found.is_worthy);
        let sick: BTreeSet<ServiceId> = worthy.map(|found| found.anomaly.service).collect();
        argue(&Kin::new(detector, &sick), &own, &mut evidence);
        Some(evidence)
    }

    /// Whether something waits to be told that may be why some of these anomalies go on, and is not what they are about.
    pub fn is_waiting_behind(&self, anomalies: &[Anomaly], about: &BTreeSet<ServiceId>, topology: &Topology) -> bool {
        let others: BTreeSet<&ServiceId> = self.waiting.keys().filter(|service| !about.contains(*service)).collect();
        if others.is_empty() {
            return false;
        }
        // One walk from all that show it: in a storm many wait, and every living incident is asked.
        let mut seen: BTreeSet<&ServiceId> = anomalies.iter().map(|anomaly| &anomaly.service).collect();
        let mut next: Vec<&ServiceId> = seen.iter().copied().collect();
        while let Some(service) = next.pop() {
            if others.contains(service) {
                return true;
            }
            next.extend(topology.callees(service).filter(|callee| seen.insert(*callee)));
        }
        false
    }

    fn follow<L: Look>(&mut self, look: &L, now: Timestamp, found: Vec<Abnormal>) -> Vec<News> {
        let (worthy, others): (Vec<_>, Vec<_>) = found.into_iter().partition(|found| found.is_worthy);
        let sick: BTreeSet<ServiceId> = worthy.iter().map(|found| found.anomaly.service.clone()).collect();
        let kin = Kin::new(look, &sick);
        self.reaches.renew(worthy.iter().map(|found| found.anomaly.id.clone()).collect(), now);
        for found in worthy {
            self.see(found, now);
        }
        for case in &mut self.cases {
            case.look_again(&sick, |root| self.reaches.of(&kin, root));
        }
        self.give(&kin, now);
        self.dismissed = others.iter().map(|found| found.anomaly.id.clone()).collect();
        for Abnormal { anomaly, .. } in others {
            // What calls for no incident is evidence for one of the same service.
            let is_of = |case: &&mut Case| case.is_living() && case.services.contains(&anomaly.service);
            if let Some(case) = self.cases.iter_mut().find(is_of) {
                case.keep(anomaly);
            } else if let Some(waiting) = self.waiting.get_mut(&anomaly.service) {
                waiting.keep(anomaly);
            }
        }
        let mut news = self.tell(look, &kin, now);
        let (over, going): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.cases).into_iter().partition(|case| now.since(case.last_active) > QUIET);
        self.cases = going;
        // What went away while it was held back was a blip.
        self.waiting.retain(|_, waiting| now.since(waiting.last_active) <= QUIET);
        self.asked_at = now;
        news.extend(over.into_iter().map(News::Cleared));
        news
    }

    /// Takes what a case has already, and lets the rest wait.
    fn see(&mut self, found: Abnormal, now: Timestamp) {
        let Anomaly { id, service, detected_at, .. } = &found.anomaly;
        // What went on when an incident ended does not call again.
        let (mut is_known, mut is_followed) = (false, false);
        for case in self.cases.iter_mut().filter(|case| case.anomalies.contains_key(id)) {
            case.see(&found, now);
            is_known = true;
            is_followed |= case.is_living();
        }
        if is_known {
            // A budget burns on for what is over, and says nothing of what goes on.
            is_followed |= found.anomaly.signal == Signal::BudgetBurn;
            // The verdict that ended its incident may have left it out: whose cause explains it has it from here on.
            let explains = |case: &&mut Case| case.is_living() && case.is_root_sick() && case.can_explain(service);
            for case in self.cases.iter_mut().filter(|_| !is_followed).filter(explains) {
                case.services.insert(service.clone());
                case.see(&found, now);
            }
            return;
        }
        let is_new = !self.dismissed.contains(id);
        let calling_since = if is_new { *detected_at } else { (*detected_at).max(self.asked_at) };
        match self.waiting.get_mut(service) {
            Some(waiting) => waiting.take(found, calling_since, self.asked_at, now),
            None => {
                self.waiting.insert(service.clone(), Waiting::new(found, calling_since, now));
            }
        }
    }

    /// Gives what waits to the cases that explain it.
    fn give<L: Look>(&mut self, kin: &Kin<'_, L>, now: Timestamp) {
        if !self.cases.iter().any(Case::is_living) {
            return;
        }
        let active = self.waiting.iter().filter(|(_, waiting)| waiting.last_active == now);
        let mut active: Vec<(Timestamp, ServiceId)> =
            active.map(|(service, waiting)| (waiting.trouble.onset, service.clone())).collect();
        active.sort();
        for (_, service) in active {
            let Some(waiting) = self.waiting.remove(&service) else { continue };
            let reach = self.reaches.of(kin, &waiting.trouble);
            let takers = self.takers(kin, &waiting.trouble, &reach);
            for (index, kinship) in &takers {
                self.cases[*index].adopt(kin, &waiting, *kinship, &reach);
            }
            if takers.is_empty() {
                self.waiting.insert(service, waiting);
            }
        }
    }

    /// The living cases that trouble belongs to, and how. Of several, those whose root began last before it: what was sick
    /// already, and shows something new, does so for what is new.
    fn takers<L: Look>(&self, kin: &Kin<'_, L>, trouble: &Trouble, reach: &Reach) -> Vec<(usize, Kinship)> {
        let living = self.cases.iter().enumerate().filter(|(_, case)| case.is_living());
        let found = living.filter_map(|(index, case)| Some((index, case.kinship(kin, trouble, reach)?)));
        let found: Vec<(usize, Kinship)> = found.collect();
        let Some(closest) = found.iter().map(|(_, kinship)| *kinship).min() else {
            return self.refuge(kin, trouble).into_iter().collect();
        };
        let found: Vec<(usize, Kinship)> = found.into_iter().filter(|(_, kinship)| *kinship == closest).collect();
        if matches!(closest, Kinship::Root | Kinship::Deeper) {
            return found;
        }
        let began = |index: usize| self.cases[index].root_onset();
        let is_before = |index: usize| began(index) <= trouble.onset + AT_ONCE;
        let is_any_before = found.iter().any(|(index, _)| is_before(*index));
        let counted = |index: usize| !is_any_before || is_before(index);
        let last = found.iter().filter(|(index, _)| counted(*index)).map(|(index, _)| began(*index)).max();
        let is_last = |index: usize| last.is_some_and(|last| began(index) + AT_ONCE >= last);
        found.into_iter().filter(|(index, _)| counted(*index) && is_last(*index)).collect()
    }

    /// The case that trouble goes to which no case explains, where there are more of them than causes can be.
    fn refuge<L: Look>(&self, kin: &Kin<'_, L>, trouble: &Trouble) -> Option<(usize, Kinship)> {
        let living: Vec<usize> = (0..self.cases.len()).filter(|index| self.cases[*index].is_living()).collect();
        if living.len() >= CASES_MAX {
            return living.last().map(|newest| (*newest, Kinship::Effect));
        }
        let is_near = |index: &&usize| {
            let case = &self.cases[**index];
            let is_here = case.roots().any(|root| root.same_environment(&trouble.service));
            is_here && apart(case.root_onset(), trouble.onset) <= STORM
        };
        let near: Vec<&usize> = living.iter().filter(is_near).collect();
        let is_storm = kin.is_firm(trouble) && near.len() >= ROOTS_MAX;
        near.first().filter(|_| is_storm).map(|oldest| (**oldest, Kinship::Beside))
    }

    /// Groups what waits. What is left of incidents that ended, and follows from nothing else, goes to their cases.
    fn queue<L: Look>(&mut self, kin: &Kin<'_, L>) -> Queue {
        let queue = self.grouped(kin);
        let is_left = |place: &usize| {
            let trouble = &queue.troubles[*place];
            self.cases.iter().position(|case| case.is_left_in(kin, trouble))
        };
        let is_over = |group: &&Group| {
            let telling = if group.roots.is_empty() { &group.members } else { &group.roots };
            telling.iter().all(|place| is_left(place).is_some())
        };
        let going: BTreeSet<usize> =
            queue.groups.iter().filter(|group| !is_over(group)).flat_map(|group| &group.members).copied().collect();
        let left = (0..queue.troubles.len()).filter(|place| !going.contains(place));
        let left: Vec<(usize, usize)> = left.filter_map(|place| Some((place, is_left(&place)?))).collect();
        if left.is_empty() {
            return queue;
        }
        for (place, case) in left {
            let service = &queue.troubles[place].service;
            if let Some(waiting) = self.waiting.remove(service) {
                let reach = Reach::default();
                self.cases[case].adopt(kin, &waiting, Kinship::Effect, &reach);
            }
        }
        self.grouped(kin)
    }

    fn grouped<L: Look>(&mut self, kin: &Kin<'_, L>) -> Queue {
        let mut troubles: Vec<Trouble> = self.waiting.values().map(|waiting| waiting.trouble.clone()).collect();
        troubles.sort_by(|a, b| (a.onset, &a.service).cmp(&(b.onset, &b.service)));
        // Nobody asks who calls those that are put together by neighbourhood.
        let mut judged = 0;
        let mut reach = |trouble: &Trouble| {
            judged += usize::from(kin.is_firm(trouble));
            if judged <= JUDGED_MAX { self.reaches.of(kin, trouble) } else { Reach::default() }
        };
        let reaches: Vec<Reach> = troubles.iter().map(&mut reach).collect();
        let groups = groups(kin, &troubles, &reaches);
        Queue { troubles, groups }
    }

    /// Tells what has waited for long enough and waits still.
    fn tell<L: Look>(&mut self, look: &L, kin: &Kin<'_, L>, now: Timestamp) -> Vec<News> {
        if self.waiting.is_empty() {
            return Vec::new();
        }
        let queue = self.queue(kin);
        let mut times: BTreeMap<usize, usize> = BTreeMap::new();
        for member in queue.groups.iter().flat_map(|group| &group.members) {
            *times.entry(*member).or_default() += 1;
        }
        let mut news = Vec::new();
        let mut told: BTreeSet<ServiceId> = BTreeSet::new();
        for group in &queue.groups {
            // What is left waits, and goes to the newest case in the next step.
            if self.cases.iter().filter(|case| case.is_living()).count() >= CASES_MAX {
                break;
            }
            // Who suffers from several causes says nothing of how long each of them is known.
            let own = group.members.iter().filter(|member| times.get(*member).is_none_or(|times| *times == 1));
            let active = own.filter_map(|member| self.waiting.get(&queue.troubles[*member].service));
            let active = active.filter(|waiting| waiting.last_active == now);
            let calling = active.map(|waiting| waiting.calling_since).min();
            if calling.is_some_and(|since| now.since(since) >= HOLD) {
                news.push(self.open(look, kin, &queue, group, now));
                told.extend(group.members.iter().map(|member| queue.troubles[*member].service.clone()));
            }
        }
        self.waiting.retain(|service, _| !told.contains(service));
        news
    }

    fn open<L: Look>(&mut self, look: &L, kin: &Kin<'_, L>, queue: &Queue, group: &Group, now: Timestamp) -> News {
        let shown = group.members.iter().filter_map(|member| self.waiting.get(&queue.troubles[*member].service));
        let mut case = Case::new(self.next_number, now, shown);
        self.next_number += 1;
        for root in group.roots.iter().map(|root| &queue.troubles[*root]) {
            case.root(root.clone(), self.reaches.of(kin, root));
        }
        let others = self.cases.iter().filter(|other| other.is_living()).flat_map(|other| other.anomalies.values());
        for anomaly in others.filter(|anomaly| self.reaches.ids.contains(&anomaly.id)) {
            case.share(kin, anomaly);
        }
        let kept: Vec<Anomaly> = case.anomalies.values().cloned().collect();
        let mut evidence = look.evidence(&kept, &case.services, case.onset);
        evidence.apart = self.apart(&case, queue);
        let argument = argue(kin, &[&case], &mut evidence);
        case.take_in_likely(kin, &evidence, &argument);
        case.look_again(kin.sick(), |root| self.reaches.of(kin, root));
        self.cases.push(case.clone());
        News::Opened(case, evidence, argument)
    }

    /// What others are about, and this case is not. Nobody knows that what the call graph cannot carry has another cause.
    fn apart(&self, case: &Case, queue: &Queue) -> BTreeSet<ServiceId> {
        let others = self.cases.iter().filter(|other| other.is_living() && other.roots().next().is_some());
        let told = others.flat_map(|other| other.is_about());
        let waiting = queue.groups.iter().flat_map(|group| &group.roots).map(|root| &queue.troubles[*root].service);
        let mut apart: BTreeSet<ServiceId> = told.chain(waiting).cloned().collect();
        for root in case.roots() {
            apart.remove(root);
        }
        apart
    }
}

impl Reaches {
    /// Forgets what was found where something else calls for an incident now, or it was found a while ago.
    fn renew(&mut self, ids: BTreeSet<AnomalyId>, now: Timestamp) {
        if ids != self.ids || now.since(self.looked_at) >= LOOK_EVERY {
            (self.ids, self.looked_at) = (ids, now);
            self.found.clear();
        }
    }

    /// Who calls a service in the end, through none that is well; nobody where that cannot carry a decision.
    fn of<L: Look>(&mut self, kin: &Kin<'_, L>, trouble: &Trouble) -> Reach {
        if !kin.is_firm(trouble) {
            return Reach::default();
        }
        let key = (trouble.service.clone(), trouble.onset);
        Arc::clone(self.found.entry(key).or_insert_with(|| Reach::new(kin.upstream(trouble))))
    }
}
