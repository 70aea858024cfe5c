//! What is looked at every few seconds, and at the end.

use std::time::Duration;

use llm_sre_domain::Timestamp;
use llm_sre_proto::convert::common::from_proto_time;
use llm_sre_proto::incident::v1::{Incident, ResolutionReason, Signal, State};
use llm_sre_proto::remediation::v1::ActionState;

use super::documents::has_ended;
use super::{Rule, Seen};

/// How long past its deadline an incident may wait: nobody looks at deadlines while all detectors are dead or cut off,
/// which lasts minutes, and may come again.
const OVERDUE_MAX: Duration = Duration::from_secs(15 * 60);
/// How long one cause may have two open incidents: until it is seen that they are of one.
const DOUBLED_MAX: Duration = Duration::from_secs(120);

/// How an incident was resolved.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::world) struct Resolved {
    name: String,
    reason: ResolutionReason,
    detected: Timestamp,
    ended: Timestamp,
    is_of_silence: bool,
}

impl Resolved {
    pub(super) fn of(incident: &Incident, reason: ResolutionReason) -> Self {
        let ended = incident.end_time.as_ref().map(from_proto_time).unwrap_or_default();
        let (name, detected) = (incident.name.clone(), detected(incident));
        Self { name, reason, detected, ended, is_of_silence: is_of_silence(incident) }
    }
}

/// Whether an incident is over, or waits for a person.
pub(in crate::world) fn is_over(state: State) -> bool {
    matches!(state, State::Resolved | State::Duplicate | State::Escalated)
}

impl Seen {
    /// The incidents that a fault which began then may have caused.
    pub(in crate::world) fn of_fault(&self, began: Timestamp) -> impl Iterator<Item = &Incident> {
        // A world makes its services silent by itself, whenever it kills what takes their telemetry.
        self.incidents.values().filter(move |incident| detected(incident) >= began && !is_of_silence(incident))
    }

    /// Looks at the clock, with a fault at work since `began`.
    pub(in crate::world) fn look(&mut self, began: Option<Timestamp>, now: Timestamp) {
        let overdue = self.incidents.values().find(|incident| {
            let deadline = incident.deadline_time.as_ref().map(from_proto_time);
            !is_over(incident.state()) && deadline.is_some_and(|deadline| now.since(deadline) > OVERDUE_MAX)
        });
        let overdue = overdue.map(|incident| (incident.name.clone(), incident.state()));
        self.check(Rule::InTime, overdue.is_none(), || {
            let (name, state) = overdue.unwrap_or_default();
            format!("{name} is {state:?}, {} s and more past its deadline", OVERDUE_MAX.as_secs())
        });
        let Some(began) = began else {
            self.doubled = None;
            return;
        };
        let open: Vec<String> = self
            .of_fault(began)
            .filter(|incident| !has_ended(incident.state()))
            .map(|open| open.name.clone())
            .collect();
        self.doubled = if open.len() > 1 { self.doubled.or(Some(now)) } else { None };
        let is_kept = self.doubled.is_none_or(|since| now.since(since) <= DOUBLED_MAX);
        self.check(Rule::OneIncident, is_kept, || format!("one fault, and open are {}", open.join(", ")));
    }

    /// What a fault came to that was at work from `began` until it was cured or cleared.
    pub(in crate::world) fn fault_ended(&mut self, began: Timestamp, ended: Timestamp) {
        let is_false = |resolved: &&Resolved| {
            let is_automatic = matches!(resolved.reason, ResolutionReason::Measured | ResolutionReason::SelfRecovered);
            let is_within = resolved.detected >= began && resolved.ended < ended;
            is_automatic && is_within && !resolved.is_of_silence
        };
        let early = self.resolved.iter().find(is_false).cloned();
        self.check(Rule::Measured, early.is_none(), || {
            let early = early.map(|early| (early.name, ended.since(early.ended).as_secs()));
            let (name, by_s) = early.unwrap_or_default();
            format!("{name} was RESOLVED {by_s} s before its fault ended")
        });
    }

    /// What is not over yet, for whoever waits for the end of a world; `None` where everything is.
    pub(in crate::world) fn open(&self) -> Option<String> {
        let incident = self.incidents.values().find(|incident| !is_over(incident.state()));
        if let Some(incident) = incident {
            return Some(format!("{} is {:?}", incident.name, incident.state()));
        }
        let silent = self.incidents.values().find(|incident| is_silent(incident));
        if let Some(silent) = silent {
            return Some(format!("{} lives, and people were not told since its maintenance", silent.name));
        }
        let is_pending = |state: ActionState| {
            super::documents::is_under_way(state)
                || matches!(state, ActionState::Approved | ActionState::AwaitingApproval)
        };
        let action = self.actions.values().find(|action| is_pending(action.state()));
        if let Some(action) = action {
            return Some(format!("{} is {:?}", action.name, action.state()));
        }
        self.owing.first().map(|name| format!("{name} owes something"))
    }

    /// The world is over, or its time is.
    pub(in crate::world) fn end(&mut self) {
        let open = self.open();
        self.check(Rule::InTime, open.is_none(), || format!("in the end, {}", open.unwrap_or_default()));
    }
}

/// Whether an incident lives that people are not told of. Windows end with the rough weather, and then somebody has to
/// be told.
fn is_silent(incident: &Incident) -> bool {
    let is_covered = incident.maintenance.as_ref().is_some_and(|maintenance| maintenance.over_time.is_none());
    is_covered && !has_ended(incident.state())
}

fn detected(incident: &Incident) -> Timestamp {
    incident.detect_time.as_ref().map(from_proto_time).unwrap_or_default()
}

fn is_of_silence(incident: &Incident) -> bool {
    incident.signal() == Signal::Silence
}
