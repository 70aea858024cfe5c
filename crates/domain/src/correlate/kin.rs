//! Whether what two services show is of one cause.
//!
//! Effects travel to those who call, so trouble of a service explains that of its callers, as far as nothing between
//! them is well. Between services of which neither calls the other there has to be something below both that explains
//! them: that they began at one time is no reason by itself.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use crate::detect::{Abnormal, Detector, Hurt, Standing};
use crate::evidence::Evidence;
use crate::topology::Topology;
use crate::{Anomaly, ServiceId, Signal, Timestamp};

/// Onsets so far apart can be of one cause.
pub(super) const TOGETHER: Duration = Duration::from_secs(600);
/// So long after a cause comes what it brings about slowly, in services with no cause of their own.
const SLOWLY: Duration = Duration::from_secs(1_800);
/// Onsets are no more exact than this, nor than [`INTERVALS`] of their samples: they are dated back over a few.
const EXACT: Duration = Duration::from_secs(60);
const INTERVALS: u32 = 3;
/// Onsets of what is measured less often than this cannot carry a decision: the effect is in the same sample as its cause.
const RARE: Duration = Duration::from_secs(90);
/// How others stood is looked at from shortly before an onset on, in steps, so that one look does for onsets nearby.
const MARGIN: Duration = Duration::from_secs(20);
const LOOK_STEP: Duration = Duration::from_secs(10);
/// How long before an onset a change is a cause that it can have, how long before one it is a telling cause, and how much
/// too late changes are told.
const CHANGED_BEFORE: Duration = Duration::from_secs(900);
const CHANGED_SOON: Duration = Duration::from_secs(300);
const CHANGED_AFTER: Duration = Duration::from_secs(60);
/// What begins so near to each other can have a cause below that does not show; as many samples show it at once.
const HIDDEN_TOGETHER: Duration = Duration::from_secs(30);
/// A cause below is at least so much of what each of its callers shows: calls made again double it.
const CARRIED: f64 = 3.0;
/// Of so few callers of a service all have to suffer, of more two thirds.
const CALLERS_FEW: usize = 3;
/// Services looked at around one.
const AROUND_MAX: usize = 1_000;

/// What the rules ask about services, besides what is abnormal.
pub(crate) trait Look {
    /// Who calls whom.
    fn topology(&self) -> &Topology;
    /// How a service's latency and errors were since a time.
    fn standing(&self, service: &ServiceId, since: Timestamp) -> Standing;
    /// How much worse than usual it was at worst since a time.
    fn hurt(&self, service: &ServiceId, since: Timestamp) -> Hurt;
    /// Whether more is asked of it than usual, and more than its own failures bring about.
    fn is_load(&self, service: &ServiceId) -> bool;
    /// Whether it was changed between two times.
    fn is_changed(&self, service: &ServiceId, from: Timestamp, until: Timestamp) -> bool;
    /// What is known about these services around an onset.
    fn evidence(&self, anomalies: &[Anomaly], services: &BTreeSet<ServiceId>, onset: Timestamp) -> Evidence;
}

impl Look for Detector {
    fn topology(&self) -> &Topology {
        Detector::topology(self)
    }
    fn standing(&self, service: &ServiceId, since: Timestamp) -> Standing {
        Detector::standing(self, service, since)
    }
    fn hurt(&self, service: &ServiceId, since: Timestamp) -> Hurt {
        Detector::hurt(self, service, since)
    }
    fn is_load(&self, service: &ServiceId) -> bool {
        Detector::is_load(self, service)
    }
    fn is_changed(&self, service: &ServiceId, from: Timestamp, until: Timestamp) -> bool {
        Detector::is_changed(self, service, from, until)
    }
    fn evidence(&self, anomalies: &[Anomaly], services: &BTreeSet<ServiceId>, onset: Timestamp) -> Evidence {
        Detector::evidence(self, anomalies, services, onset)
    }
}

/// What calls for an incident in one service.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Trouble {
    pub(super) service: ServiceId,
    pub(super) onset: Timestamp,
    /// A burning budget dates trouble only where nothing else does: it burns on after what is over.
    is_dated: bool,
    every: Duration,
    pub(super) stands_alone: bool,
    is_silent: bool,
    /// A resource is full; and one that does not fill because a called service is slow.
    is_saturated: bool,
    is_full: bool,
}

impl Trouble {
    /// What a service shows by one anomaly.
    pub(super) fn of(found: &Abnormal) -> Self {
        let Abnormal { anomaly, stands_alone, every, .. } = found;
        let is_saturated = anomaly.signal == Signal::Saturation;
        Self {
            service: anomaly.service.clone(),
            onset: anomaly.onset,
            is_dated: anomaly.signal != Signal::BudgetBurn,
            every: *every,
            stands_alone: *stands_alone,
            is_silent: anomaly.signal == Signal::Silence,
            is_saturated,
            is_full: is_saturated && is_own_resource(&anomaly.metric),
        }
    }

    /// Of a service that is taken for the cause though it raised no alarm.
    pub(super) fn hidden(service: &ServiceId, onset: Timestamp) -> Self {
        Self {
            service: service.clone(),
            onset,
            is_dated: true,
            every: Duration::ZERO,
            stands_alone: true,
            is_silent: false,
            is_saturated: false,
            is_full: false,
        }
    }

    /// Together with what else the service shows.
    pub(super) fn and(self, other: &Self) -> Self {
        let (onset, is_dated) = match (self.is_dated, other.is_dated) {
            (true, false) => (self.onset, true),
            (false, true) => (other.onset, true),
            (is_dated, _) => (self.onset.min(other.onset), is_dated),
        };
        Self {
            onset,
            is_dated,
            every: self.every.max(other.every),
            stands_alone: self.stands_alone || other.stands_alone,
            is_silent: self.is_silent || other.is_silent,
            is_saturated: self.is_saturated || other.is_saturated,
            is_full: self.is_full || other.is_full,
            service: self.service,
        }
    }

    /// Apart by no more than this, nobody knows which of two onsets was first.
    fn later(&self, other: &Self) -> Duration {
        EXACT.max(self.every.max(other.every) * INTERVALS)
    }
}

/// Whether a resource is the service's own, as its certificate is: pools, queues and threads fill as well because a called
/// service is slow.
fn is_own_resource(metric: &str) -> bool {
    ["cpu", "memory", "filesystem", "disk", "tlscheck"].iter().any(|part| metric.contains(part))
}

pub(super) fn apart(a: Timestamp, b: Timestamp) -> Duration {
    a.since(b).max(b.since(a))
}

/// See the module.
pub(super) struct Kin<'a, L> {
    look: &'a L,
    /// Services of which something calls for an incident now.
    sick: &'a BTreeSet<ServiceId>,
    standings: RefCell<BTreeMap<(ServiceId, Timestamp), Standing>>,
}

impl<'a, L: Look> Kin<'a, L> {
    pub(super) fn new(look: &'a L, sick: &'a BTreeSet<ServiceId>) -> Self {
        Self { look, sick, standings: RefCell::default() }
    }

    /// Services of which something calls for an incident now.
    pub(super) fn sick(&self) -> &BTreeSet<ServiceId> {
        self.sick
    }

    /// Whether the call graph and the onsets can carry a decision about a service.
    pub(super) fn is_firm(&self, trouble: &Trouble) -> bool {
        trouble.stands_alone && trouble.every <= RARE && self.look.topology().knows(&trouble.service)
    }

    /// Whether any call of a service, or to it, was seen.
    pub(super) fn knows(&self, service: &ServiceId) -> bool {
        self.look.topology().knows(service)
    }

    /// Who calls a service in the end, through none that is well.
    pub(super) fn upstream(&self, root: &Trouble) -> BTreeSet<ServiceId> {
        let topology = self.look.topology();
        self.around(&root.service, root.onset, |service| topology.callers(service).collect())
    }

    /// Whom a service calls in the end, through none that is well.
    fn below(&self, trouble: &Trouble, onset: Timestamp) -> BTreeSet<ServiceId> {
        let topology = self.look.topology();
        self.around(&trouble.service, onset, |service| topology.callees(service).collect())
    }

    fn around<'b>(
        &'b self,
        from: &'b ServiceId,
        onset: Timestamp,
        next_to: impl Fn(&'b ServiceId) -> Vec<&'b ServiceId>,
    ) -> BTreeSet<ServiceId> {
        let mut found: BTreeSet<&ServiceId> = BTreeSet::new();
        let mut next = VecDeque::from([from]);
        while let Some(service) = next.pop_front() {
            for other in next_to(service) {
                let is_new = other != from && !found.contains(other) && found.len() < AROUND_MAX;
                if is_new && self.is_unwell(other, onset) {
                    found.insert(other);
                    next.push_back(other);
                }
            }
        }
        found.into_iter().cloned().collect()
    }

    /// What nobody measured carries trouble as well.
    fn is_unwell(&self, service: &ServiceId, onset: Timestamp) -> bool {
        self.sick.contains(service) || self.standing(service, onset) != Standing::Well
    }

    /// How a service stood around an onset and since then.
    fn standing(&self, service: &ServiceId, onset: Timestamp) -> Standing {
        let since = (onset - MARGIN).floor(LOOK_STEP);
        let key = (service.clone(), since);
        if let Some(known) = self.standings.borrow().get(&key) {
            return *known;
        }
        let standing = self.look.standing(service, since);
        self.standings.borrow_mut().insert(key, standing);
        standing
    }

    /// Whether trouble further up follows from that of a root, by its time: it comes with it or after it. What is
    /// sensitive shows it earlier, and has no telling cause of its own then.
    pub(super) fn explains(&self, root: &Trouble, other: &Trouble) -> bool {
        if other.onset + root.later(other) >= root.onset {
            let after = other.onset.since(root.onset);
            return after <= TOGETHER || (after <= SLOWLY && !self.has_own_cause(other));
        }
        root.onset.since(other.onset) <= TOGETHER && !self.has_telling_cause(other)
    }

    fn has_own_cause(&self, trouble: &Trouble) -> bool {
        trouble.is_saturated || self.was_changed(trouble)
    }

    /// Whether a service was changed about when its trouble began.
    pub(super) fn was_changed(&self, trouble: &Trouble) -> bool {
        let (from, until) = (trouble.onset - CHANGED_BEFORE, trouble.onset + CHANGED_AFTER);
        self.look.is_changed(&trouble.service, from, until)
    }

    fn has_telling_cause(&self, trouble: &Trouble) -> bool {
        trouble.is_full || self.look.is_changed(&trouble.service, trouble.onset - CHANGED_SOON, trouble.onset)
    }

    /// Whether more is asked of a service, as one of those does that call it and are sick: one caller overloads several.
    /// What has a cause of its own fails by itself, and is called again for that.
    pub(super) fn is_overloaded_by(
        &self,
        trouble: &Trouble,
        onset_of: impl Fn(&ServiceId) -> Option<Timestamp>,
    ) -> bool {
        let later = trouble.later(trouble);
        let mut callers = self.look.topology().callers(&trouble.service);
        callers.any(|caller| onset_of(caller).is_some_and(|onset| trouble.onset + later >= onset))
            && !self.has_own_cause(trouble)
            && self.look.is_load(&trouble.service)
    }

    /// Whether one service calls another in the end, whatever is between them.
    pub(super) fn calls(&self, client: &ServiceId, server: &ServiceId) -> bool {
        self.look.topology().reaches(client, server)
    }

    /// Whether a service is sick because more is asked of it.
    pub(super) fn is_load(&self, service: &ServiceId) -> bool {
        self.look.is_load(service)
    }

    /// Whether two services of which neither calls the other have one cause all the same.
    pub(super) fn is_one(&self, a: &Trouble, b: &Trouble) -> bool {
        if self.are_silent_together(a, b) {
            return true;
        }
        let are_near = apart(a.onset, b.onset) <= a.later(b) * 2;
        let are_related = || self.calls(&a.service, &b.service) || self.calls(&b.service, &a.service);
        are_near && !are_related() && (self.has_hidden_cause(a, b) || self.may_have_hidden_cause(a, b))
    }

    /// As when the Collector of both is away.
    fn are_silent_together(&self, a: &Trouble, b: &Trouble) -> bool {
        let longest = EXACT.max(a.every.max(b.every) * 2);
        let is_one_place = a.service.namespace == b.service.namespace && a.service.same_environment(&b.service);
        a.is_silent && b.is_silent && is_one_place && apart(a.onset, b.onset) <= longest
    }

    /// Whether something that both call stirs at their time, and enough to explain them.
    fn has_hidden_cause(&self, a: &Trouble, b: &Trouble) -> bool {
        let (onset, later) = (a.onset.min(b.onset), a.later(b));
        let below = self.below(b, onset);
        self.below(a, onset).intersection(&below).any(|hidden| {
            let Standing::Stirs(began) = self.standing(hidden, onset) else { return false };
            let is_near = [a, b].iter().all(|trouble| apart(began, trouble.onset) <= later);
            is_near && !self.look.is_load(hidden) && {
                let since = onset - MARGIN;
                let hurt = self.look.hurt(hidden, since);
                [a, b].iter().all(|trouble| is_enough(hurt, self.look.hurt(&trouble.service, since)))
            }
        })
    }

    /// Whether both call something that need not show what it does to them, and nearly all who call it suffer at once.
    fn may_have_hidden_cause(&self, a: &Trouble, b: &Trouble) -> bool {
        let (topology, onset) = (self.look.topology(), a.onset.min(b.onset));
        let gap = apart(a.onset, b.onset);
        let is_called_by_b = |service: &&ServiceId| topology.callers(service).any(|caller| *caller == b.service);
        topology.callees(&a.service).filter(is_called_by_b).any(|hidden| {
            if self.sick.contains(hidden) {
                return false;
            }
            let (longest, is_free) = match self.standing(hidden, onset) {
                Standing::Stirs(_) => return false,
                // That it says nothing is a reason by itself.
                Standing::Mute => (a.later(b), ![a, b].iter().any(|trouble| self.has_telling_cause(trouble))),
                Standing::Well | Standing::Unknown => {
                    let longest = HIDDEN_TOGETHER.max(a.every.max(b.every));
                    (longest, ![a, b].iter().any(|trouble| self.has_own_cause(trouble)))
                }
            };
            gap <= longest && is_free && self.do_callers_suffer(hidden, onset)
        })
    }

    fn do_callers_suffer(&self, service: &ServiceId, onset: Timestamp) -> bool {
        let (mut measured, mut unwell) = (0_usize, 0_usize);
        for caller in self.look.topology().callers(service) {
            let is_unwell = match self.standing(caller, onset) {
                _ if self.sick.contains(caller) => true,
                Standing::Unknown => continue,
                standing => standing != Standing::Well,
            };
            measured += 1;
            unwell += usize::from(is_unwell);
        }
        let needed = if measured <= CALLERS_FEW { measured } else { (2 * measured).div_ceil(3) };
        unwell >= needed
    }

    /// Whether one calls the other, or, where the graph knows neither, they are deployed together.
    pub(super) fn are_neighbours(&self, a: &ServiceId, b: &ServiceId) -> bool {
        let topology = self.look.topology();
        if !topology.knows(a) && !topology.knows(b) {
            return a.namespace == b.namespace && a.same_environment(b);
        }
        topology.callees(a).any(|callee| callee == b) || topology.callers(a).any(|caller| caller == b)
    }

    /// What [`Self::are_neighbours`] finds of a service without a look at all others: by calls, and by place where the
    /// graph does not know it.
    pub(super) fn neighbours<'b>(&'b self, service: &'b ServiceId) -> (Vec<&'b ServiceId>, Option<(&'b str, &'b str)>) {
        let topology = self.look.topology();
        if !topology.knows(service) {
            return (Vec::new(), Some((&*service.namespace, &*service.environment)));
        }
        (topology.callees(service).chain(topology.callers(service)).collect(), None)
    }
}

/// Whether what a service shows is enough to explain what one of its callers does.
fn is_enough(hidden: Hurt, caller: Hurt) -> bool {
    let is_carried = |below: f64, above: f64| above > 0.0 && below * CARRIED >= above;
    is_carried(hidden.excess_s, caller.excess_s) || is_carried(hidden.failing, caller.failing)
}
