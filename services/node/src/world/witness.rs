//! Who sees each effect once, where it takes place and in the order in which they do, and holds it against the rules.
//!
//! The witness changes nothing and waits for nothing. It keeps small tables of its own and asks none of the product's
//! gates: a rule that is checked by itself proves nothing.

mod calls;
mod documents;
mod ends;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use llm_sre_domain::Timestamp;
use llm_sre_mesh::peer::CALL_TIMEOUT;
use llm_sre_proto::incident::v1::Incident;
use llm_sre_proto::remediation::v1::Action;
use serde::Serialize;
use tokio::sync::Notify;

use super::weather::DELAY_MAX;

pub(super) use calls::pattern_of;
pub(super) use ends::{Resolved, is_over};

/// A call that departs was decided by what was read of the kill switch right before: as old as one answer may be late.
const SWITCH_GAP: Duration = DELAY_MAX.saturating_add(Duration::from_millis(500));
/// Freezes are read before the kill switch: three delays.
const FREEZE_GAP: Duration = DELAY_MAX.saturating_mul(3).saturating_add(Duration::from_millis(500));
/// The incident's owner is asked what covers it, and freezes and the kill switch are read after its answer. From where
/// it reads the windows that is six delays: of what it reads, of its answer, and two for each of these. Where it is
/// asked once more in between, about the target, that may take as long as a call may, at each of two instances.
const WINDOW_GAP: Duration = DELAY_MAX
    .saturating_mul(6)
    .saturating_add(CALL_TIMEOUT.saturating_mul(2))
    .saturating_add(Duration::from_millis(500));
/// So long after a person ordered it to be taken back an action may still be called: by who read it before, and has the
/// right to its target. It asks the owner of the incident, renews that right and reads the holds on the way.
const ORDER_GAP: Duration = Duration::from_secs(30);
/// How many attempts the policy of a world allows an incident, and how many actions at once: the product's defaults.
const ATTEMPTS_MAX: usize = 3;
const UNDER_WAY_MAX: usize = 2;

/// What must hold in every world.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Rule {
    /// No action without policy: a rung that allows it, an approval that was given, a stored intent, the limits.
    Policy,
    /// No action on a target that is not enrolled, or protected.
    Enrolment,
    /// No action twice, nor two at once on one target; nothing is taken back that was not done.
    Once,
    /// No action once the kill switch is engaged, in a freeze, or for what is in maintenance.
    Holds,
    /// No automatic RESOLVED without measured recovery, or while the fault is at work.
    Measured,
    /// Every incident ends RESOLVED or ESCALATED in time, and nothing is owed.
    InTime,
    /// At most one open incident a cause.
    OneIncident,
    /// Documents live as the contract says.
    Lives,
    /// The audit record holds together, and has every call before it is made.
    Audit,
    /// No process panics or ends by itself.
    Alive,
    /// The same seed gives the same log.
    SameLog,
}

/// Every rule.
pub(super) const RULES: [Rule; 11] = [
    Rule::Policy,
    Rule::Enrolment,
    Rule::Once,
    Rule::Holds,
    Rule::Measured,
    Rule::InTime,
    Rule::OneIncident,
    Rule::Lives,
    Rule::Audit,
    Rule::Alive,
    Rule::SameLog,
];

/// How far the product may go with one service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Standing {
    Auto,
    Approve,
    Suggest,
    Protected,
    Unenrolled,
}

/// A rule that was broken.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Broken {
    pub(super) rule: Rule,
    /// When, in seconds since the world began.
    pub(super) at_s: f64,
    pub(super) what: String,
}

/// See the module.
#[derive(Default)]
pub(super) struct Witness {
    seen: Mutex<Seen>,
    /// Wakes whoever waits for a rule to break.
    broken: Notify,
    /// Wakes people who want to be in the way of an action.
    acting: Notify,
}

/// What was seen so far.
#[derive(Default)]
pub(super) struct Seen {
    pub(super) incidents: BTreeMap<String, Incident>,
    pub(super) actions: BTreeMap<String, Action>,
    /// When actions left EXECUTING.
    left: BTreeMap<String, Timestamp>,
    /// Incidents and actions that owe others a report or a step.
    owing: BTreeSet<String>,
    /// Standings by the services' names.
    pub(super) standings: BTreeMap<String, Standing>,
    /// Approvals that people gave: action and digest.
    pub(super) approvals: BTreeSet<(String, String)>,
    /// Incidents that people resolved.
    pub(super) by_hand: BTreeSet<String>,
    /// Since when the kill switch is engaged.
    pub(super) switch: Option<Timestamp>,
    pub(super) freezes: BTreeMap<String, Order>,
    /// Maintenance windows.
    windows: BTreeMap<String, Order>,
    /// The newest entry of the audit record, by place and hash, and every step of an action in it.
    audited: Option<(u64, String)>,
    steps: BTreeSet<(String, String)>,
    /// Calls that took effect, by their request ids.
    effects: BTreeSet<String>,
    /// How incidents were resolved, in their order.
    pub(super) resolved: Vec<Resolved>,
    /// Since when there is more than one open incident of the fault at work.
    doubled: Option<Timestamp>,
    /// How often each rule was asked.
    pub(super) asked: BTreeMap<Rule, u64>,
    problems: Vec<(Rule, String)>,
}

/// What somebody ordered about some services for some time: a freeze, or a maintenance window.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Order {
    services: Vec<String>,
    /// From when on everybody can know of it and it holds.
    since: Timestamp,
    until: Timestamp,
}

impl Seen {
    /// Notes that a rule was asked, and where it is broken, how.
    fn check(&mut self, rule: Rule, is_kept: bool, what: impl FnOnce() -> String) {
        *self.asked.entry(rule).or_default() += 1;
        if !is_kept {
            self.problems.push((rule, what()));
        }
    }
}

impl Witness {
    /// What was seen. Never held across a wait.
    pub(super) fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks at something, and tells whoever waits where that broke a rule.
    pub(super) fn look<T>(&self, look: impl FnOnce(&mut Seen) -> T) -> T {
        let mut seen = self.seen();
        let (before, acting) = (seen.problems.len(), seen.acting());
        let looked = look(&mut seen);
        if seen.problems.len() > before {
            self.broken.notify_one();
        }
        if seen.acting() > acting {
            self.acting.notify_one();
        }
        looked
    }

    /// A rule is broken in a way that only the caller sees.
    pub(super) fn accuse(&self, rule: Rule, what: String) {
        self.look(|seen| seen.check(rule, false, || what));
    }

    /// Returns once a rule is broken.
    pub(super) async fn broken(&self) {
        self.broken.notified().await;
    }

    /// Returns once another action is about to be carried out.
    pub(super) async fn acting(&self) {
        self.acting.notified().await;
    }

    /// The rules that were broken; at once, since the world ends with the first.
    pub(super) fn verdict(&self, at_s: f64) -> Vec<Broken> {
        self.seen().problems.iter().map(|(rule, what)| Broken { rule: *rule, at_s, what: what.clone() }).collect()
    }
}
