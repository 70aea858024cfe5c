//! What is written, held against the rules.

use llm_sre_domain::Timestamp;
use llm_sre_ports::documents::NewDocument;
use llm_sre_proto::convert::common::from_proto_time;
use llm_sre_proto::incident::v1::{Incident, MaintenanceWindow, RecoveryVerdict, ResolutionReason, State};
use llm_sre_proto::remediation::v1::{Action, ActionState, AuditRecord, Freeze, KillSwitch};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{Order, Resolved, Rule, Seen, UNDER_WAY_MAX, is_over};

/// What a document is stored with beside the contract's message while it owes somebody something. An incident's trace
/// may wait for ever where nothing is exported.
const OWED: [&str; 3] = ["unreported", "unaudited", "duties"];
const OWED_TO_TRACES: [&str; 2] = ["begin_trace", "end_trace"];

impl Seen {
    /// A document was written.
    pub(in crate::world) fn put(&mut self, document: &NewDocument, version: u64, now: Timestamp) {
        match document.collection.as_str() {
            "incidents" => {
                if let Some(incident) = self.read::<Incident>(document) {
                    self.owes(&incident.name, &document.body);
                    self.incident(incident);
                }
            }
            "actions" => {
                if let Some(action) = self.read::<Action>(document) {
                    self.owes(&action.name, &document.body);
                    self.action(action, now);
                }
            }
            "kill_switch" => {
                if let Some(switch) = self.read::<KillSwitch>(document) {
                    self.switch = if switch.engaged { self.switch.or(Some(now)) } else { None };
                }
            }
            "freezes" => {
                if let Some(freeze) = self.read::<Freeze>(document) {
                    let before = self.freezes.get(&freeze.name);
                    let order = ordered(before, freeze.services, [freeze.start_time, freeze.end_time], now);
                    self.freezes.insert(freeze.name, order);
                }
            }
            "maintenance_windows" => {
                if let Some(window) = self.read::<MaintenanceWindow>(document) {
                    let before = self.windows.get(&window.name);
                    let order = ordered(before, window.services, [window.start_time, window.end_time], now);
                    self.windows.insert(window.name, order);
                }
            }
            "audit" => {
                if let Some(entry) = self.read::<AuditRecord>(document) {
                    self.audit(entry, version);
                }
            }
            _ => {}
        }
    }

    fn read<M: DeserializeOwned>(&mut self, document: &NewDocument) -> Option<M> {
        let read = serde_json::from_value(document.body.clone());
        self.check(Rule::Lives, read.is_ok(), || {
            format!("{}/{} is not what the contract says", document.collection, document.id)
        });
        read.ok()
    }

    fn owes(&mut self, name: &str, body: &Value) {
        let is_owed = |item: &Value| duty(item).is_none_or(|duty| !OWED_TO_TRACES.contains(&duty));
        let owed = OWED.iter().filter_map(|key| body.get(key)?.as_array());
        if owed.flatten().any(is_owed) {
            self.owing.insert(name.to_owned());
        } else {
            self.owing.remove(name);
        }
    }

    fn incident(&mut self, incident: Incident) {
        let (name, is) = (incident.name.clone(), incident.state());
        let was = self.incidents.get(&name).map(|before| before.state());
        self.check(Rule::Lives, is_legal(was, is), || format!("{name} went from {was:?} to {is:?}"));
        let twin = self
            .incidents
            .values()
            .find(|other| other.name != name && other.fingerprint == incident.fingerprint && !has_ended(other.state()));
        let twin = twin.map(|twin| twin.name.clone());
        self.check(Rule::OneIncident, has_ended(is) || twin.is_none(), || {
            format!("{name} and {} are of one fingerprint, and both are open", twin.unwrap_or_default())
        });
        let is_told = self.incidents.get(&name).is_none_or(|before| is_told_once(before, &incident));
        self.check(Rule::Lives, is_told, || format!("people are told never or twice that {name} outlived maintenance"));
        if is == State::Resolved && was != Some(State::Resolved) {
            self.resolution(&incident, was);
        }
        self.incidents.insert(name, incident);
    }

    fn resolution(&mut self, incident: &Incident, was: Option<State>) {
        let name = &incident.name;
        let reason = incident.resolution.as_ref().map(|resolution| resolution.reason()).unwrap_or_default();
        let is_kept = match reason {
            ResolutionReason::Measured => self.actions.values().any(|action| {
                let recovery = action.recovery.as_ref().map(|recovery| recovery.verdict());
                action.name.starts_with(&format!("{name}/")) && recovery == Some(RecoveryVerdict::Recovered)
            }),
            // While an action is under way, recovery is the verdict of its verification.
            ResolutionReason::SelfRecovered => {
                !matches!(was, Some(State::Remediating | State::Verifying | State::RollingBack))
            }
            ResolutionReason::Manual | ResolutionReason::FalsePositive => self.by_hand.contains(name),
            ResolutionReason::Unspecified => false,
        };
        self.check(Rule::Measured, is_kept, || format!("{name} is RESOLVED as {reason:?}, and nothing stands for it"));
        self.resolved.push(Resolved::of(incident, reason));
    }

    fn action(&mut self, action: Action, now: Timestamp) {
        let (name, is) = (action.name.clone(), action.state());
        let before = self.actions.get(&name);
        let was_approved = before.is_some_and(is_approved);
        let was = before.map(|before| before.state());
        if is_approved(&action) && !was_approved {
            let digest = action.decision.as_ref().map(|decision| decision.digest.clone()).unwrap_or_default();
            let is_given = digest == action.digest && self.approvals.contains(&(name.clone(), digest.clone()));
            self.check(Rule::Policy, is_given, || format!("{name} has an approval of {digest} that nobody gave"));
        }
        if was == Some(ActionState::Executing) && is != ActionState::Executing {
            self.left.insert(name.clone(), now);
        }
        if is == ActionState::Executing && was != Some(ActionState::Executing) {
            self.check(Rule::Lives, was == Some(ActionState::Approved), || {
                format!("{name} is EXECUTING after {was:?}")
            });
            let others = self.actions.values().filter(|other| other.name != name && is_under_way(other.state()));
            let (others, here): (Vec<&str>, Vec<bool>) =
                others.map(|other| (other.name.as_str(), target(other) == target(&action))).unzip();
            let (count, busy) = (others.len(), others.iter().zip(here).find(|(_, is_here)| *is_here));
            let busy = busy.map(|(busy, _)| (*busy).to_owned());
            self.check(Rule::Once, busy.is_none(), || {
                format!("{name} and {} are under way on one target", busy.unwrap_or_default())
            });
            self.check(Rule::Policy, count < UNDER_WAY_MAX, || format!("{name} begins beside {count} others"));
        }
        self.actions.insert(name, action);
    }

    fn audit(&mut self, entry: AuditRecord, version: u64) {
        let place = entry.sequence;
        self.check(Rule::Audit, version == 1, || format!("entry {place} of the audit record was written again"));
        let follows = match &self.audited {
            Some((last, hash)) => place == last + 1 && entry.previous_hash == *hash,
            None => place == 1,
        };
        self.check(Rule::Audit, follows, || {
            format!("entry {place} of the audit record does not follow the one before")
        });
        self.audited = Some((place, entry.hash));
        self.steps.insert((entry.action, entry.step));
    }

    /// The newest hash of the record, as whoever verified it read it.
    pub(in crate::world) fn audit_ends(&mut self, head: &str) {
        let is_all = self.audited.as_ref().is_none_or(|(_, hash)| hash == head);
        self.check(Rule::Audit, is_all, || format!("the audit record ends with {head}, which was not written last"));
    }
}

/// A freeze or a maintenance window as it is written now, from its start until its end. Who could know of it before
/// still can.
fn ordered(
    before: Option<&Order>,
    services: Vec<String>,
    [start, end]: [Option<pbjson_types::Timestamp>; 2],
    now: Timestamp,
) -> Order {
    let time = |time: Option<pbjson_types::Timestamp>| time.as_ref().map_or(now, from_proto_time);
    let since = before.map_or(time(start).max(now), |before| before.since);
    Order { services, since, until: time(end) }
}

/// Whether the write that notes that maintenance is over for an incident tells people, and none after it begins that
/// window anew. A recurrence is another life.
fn is_told_once(before: &Incident, incident: &Incident) -> bool {
    let (Some(was), Some(is)) = (&before.maintenance, &incident.maintenance) else { return true };
    match (&was.over_time, &is.over_time) {
        _ if has_ended(before.state()) => true,
        (None, Some(over)) => incident.last_notification.as_ref().and_then(|last| last.time.as_ref()) == Some(over),
        (Some(over), again) => was.window != is.window || again.as_ref() == Some(over),
        (None, None) => true,
    }
}

/// What is to be done, by its name in the document.
fn duty(item: &Value) -> Option<&str> {
    item.as_str().or_else(|| item.as_object()?.keys().next().map(String::as_str))
}

/// The one way into OPEN is a new incident or a recurrence, and what ended stays ended but for that.
fn is_legal(was: Option<State>, is: State) -> bool {
    match was {
        None => is == State::Open,
        Some(State::Resolved) => matches!(is, State::Resolved | State::Open),
        Some(State::Duplicate) => is == State::Duplicate,
        Some(State::Open) => is != State::Unspecified,
        Some(_) => !matches!(is, State::Open | State::Unspecified),
    }
}

/// Whether an incident is over for good.
pub(super) fn has_ended(state: State) -> bool {
    is_over(state) && state != State::Escalated
}

fn is_approved(action: &Action) -> bool {
    action.decision.as_ref().is_some_and(|decision| decision.approved)
}

/// Whether an action may have touched its target, and is not settled.
pub(super) fn is_under_way(state: ActionState) -> bool {
    matches!(state, ActionState::Executing | ActionState::Verifying | ActionState::RollingBack)
}

/// The name of the service that an action is done to.
pub(super) fn target(action: &Action) -> &str {
    let target = action.spec.as_ref().and_then(|spec| spec.target.as_ref());
    target.map(|target| target.name.as_str()).unwrap_or_default()
}
