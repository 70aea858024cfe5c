//! Calls that change a target, held against the rules: where they depart, and where they take effect.

use std::collections::BTreeMap;
use std::time::Duration;

use llm_sre_domain::Timestamp;
use llm_sre_proto::action::v1::{ExecuteRequest, UndoRequest};
use llm_sre_proto::remediation::v1::{Action, ActionState, Reversibility};
use prost::Message;

use super::documents::{is_under_way, target};
use super::{ATTEMPTS_MAX, FREEZE_GAP, ORDER_GAP, Order, Rule, SWITCH_GAP, Seen, Standing, WINDOW_GAP};

/// What gRPC puts before a message.
const FRAME_BYTES: usize = 5;
/// What the name of a call that takes an action back has behind the action's.
const UNDO: &str = "/undo";
/// The environment and the namespace of the shop, around a service's name in a pattern.
const EVERYWHERE: &str = "shop/*@demo";

impl Seen {
    /// How many actions are about to be carried out, or were.
    pub(super) fn acting(&self) -> usize {
        let began =
            |action: &&Action| !matches!(action.state(), ActionState::Suggested | ActionState::AwaitingApproval);
        self.actions.values().filter(began).count()
    }

    /// A call to the shop departs from the process that makes it.
    pub(in crate::world) fn departs(&mut self, method: &str, message: &[u8], now: Timestamp) {
        let message = message.get(FRAME_BYTES..).unwrap_or_default();
        match method {
            "Execute" => match ExecuteRequest::decode(message) {
                Ok(request) => self.executes(&request, now),
                Err(error) => self.check(Rule::Lives, false, || format!("an Execute cannot be read: {error}")),
            },
            "Undo" => match UndoRequest::decode(message) {
                Ok(request) => self.undoes(&request, now),
                Err(error) => self.check(Rule::Lives, false, || format!("an Undo cannot be read: {error}")),
            },
            _ => {}
        }
    }

    fn executes(&mut self, request: &ExecuteRequest, now: Timestamp) {
        let name = &request.request_id;
        let Some(action) = self.actions.get(name).cloned() else {
            return self.check(Rule::Policy, false, || format!("{name} is called, and its intent is not stored"));
        };
        let left = self.left.get(name).is_some_and(|left| now.since(*left) <= ORDER_GAP);
        let is_executing =
            action.state() == ActionState::Executing || (action.state() == ActionState::RollingBack && left);
        let is_intended = is_executing && action.spec == request.spec;
        self.check(Rule::Policy, is_intended, || {
            format!("{name} is called as {:?} while it is {:?}", request.spec, action.state())
        });
        self.is_allowed(&action);
        let is_on_record = self.steps.contains(&(name.clone(), "execute".to_owned()));
        self.check(Rule::Audit, is_on_record, || format!("{name} is called, and is not on the record"));
        let busy = self
            .actions
            .values()
            .find(|other| other.name != *name && is_under_way(other.state()) && target(other) == target(&action));
        let busy = busy.map(|busy| busy.name.clone());
        self.check(Rule::Once, busy.is_none(), || {
            format!("{name} is called while {} is under way on its target", busy.unwrap_or_default())
        });
        self.is_not_held(name, &action, now);
    }

    /// Whether the product may act on this service at all, and how far it may go there. No process of another policy
    /// sends anything: it is dead by the moment at which the standing changes.
    fn check_enrolled(&mut self, id: &str, service: &str) -> Option<Standing> {
        let standing = self.standings.get(service).copied();
        let is_enrolled = !matches!(standing, None | Some(Standing::Protected | Standing::Unenrolled));
        self.check(Rule::Enrolment, is_enrolled, || format!("{id} is called on {service}, which is {standing:?}"));
        standing
    }

    /// Whether policy lets the product do this.
    fn is_allowed(&mut self, action: &Action) {
        let (name, service) = (&action.name, target(action));
        let standing = self.check_enrolled(name, service);
        let is_approved = action.decision.as_ref().is_some_and(|decision| {
            decision.approved && self.approvals.contains(&(name.clone(), decision.digest.clone()))
        });
        let may = match standing {
            // What cannot be taken back always needs a person.
            Some(Standing::Auto) => is_approved || action.reversibility() != Reversibility::Irreversible,
            Some(Standing::Approve) => is_approved,
            Some(Standing::Suggest) => false,
            None | Some(Standing::Protected | Standing::Unenrolled) => true,
        };
        self.check(Rule::Policy, may, || {
            format!("{name} is called on {service}, which is {standing:?}; approved: {is_approved}")
        });
    }

    fn undoes(&mut self, request: &UndoRequest, now: Timestamp) {
        let (id, name) = (&request.request_id, &request.execute_request_id);
        let Some(action) = self.actions.get(name).cloned() else {
            return self.check(Rule::Policy, false, || format!("{id} is called, and nothing of {name} is stored"));
        };
        let is_intended = action.state() == ActionState::RollingBack && *id == format!("{name}{UNDO}");
        self.check(Rule::Policy, is_intended, || format!("{id} is called while it is {:?}", action.state()));
        let is_on_record = self.steps.contains(&(name.clone(), "undo".to_owned()));
        self.check(Rule::Audit, is_on_record, || format!("{id} is called, and is not on the record"));
        // The rung was agreed to with the action: what is not to be done there may well be taken back.
        self.check_enrolled(id, target(&action));
        self.is_not_held(id, &action, now);
    }

    /// Whether nobody could know that nothing is to be done. What was ordered since the last look may be missed.
    fn is_not_held(&mut self, id: &str, action: &Action, now: Timestamp) {
        let switch = self.switch.filter(|since| now.since(*since) > SWITCH_GAP);
        self.check(Rule::Holds, switch.is_none(), || format!("{id} is called with the kill switch engaged"));
        let freeze = self.freezes.iter().find(|(_, freeze)| freeze.is_known(target(action), FREEZE_GAP, now));
        let freeze = freeze.map(|(name, _)| name.clone());
        self.check(Rule::Holds, freeze.is_none(), || format!("{id} is called in {}", freeze.unwrap_or_default()));
        let window = self.window_over(action, now);
        self.check(Rule::Holds, window.is_none(), || format!("{id} is called in {}", window.unwrap_or_default()));
    }

    /// The maintenance window by which an action is not to be called for, once that could be known.
    fn window_over(&self, action: &Action, now: Timestamp) -> Option<String> {
        let incident = self.incidents.get(parent(&action.name)).and_then(|incident| incident.service.as_ref());
        let covers = |window: &Order| {
            // The incident that it is done for.
            incident.is_some_and(|service| window.is_known(&service.name, WINDOW_GAP, now))
                // The service that it is done to.
                || window.is_known(target(action), WINDOW_GAP, now)
        };
        self.windows.iter().find(|(_, window)| covers(window)).map(|(name, _)| name.clone())
    }

    /// The freezes that are not over.
    pub(in crate::world) fn frozen(&self, now: Timestamp) -> Vec<String> {
        standing(&self.freezes, now)
    }

    /// The maintenance windows that are not over.
    pub(in crate::world) fn maintained(&self, now: Timestamp) -> Vec<String> {
        standing(&self.windows, now)
    }

    /// A call took effect at the shop, or was answered with the effect that it had before.
    pub(in crate::world) fn takes_effect(&mut self, method: &str, message: &[u8]) {
        let message = message.get(FRAME_BYTES..).unwrap_or_default();
        let (id, undone) = match method {
            "Execute" => (ExecuteRequest::decode(message).map(|request| request.request_id), None),
            "Undo" => match UndoRequest::decode(message) {
                Ok(request) => (Ok(request.request_id), Some(request.execute_request_id)),
                Err(error) => (Err(error), None),
            },
            _ => return,
        };
        // What could not be read was told of where it departed.
        let Ok(id) = id else { return };
        if !self.effects.insert(id.clone()) {
            return;
        }
        match undone {
            Some(done) => {
                let was_done = self.effects.contains(&done);
                self.check(Rule::Once, was_done, || format!("{id} took {done} back, which was never done"));
            }
            None => {
                let parent = parent(&id).to_owned();
                let of_it = |effect: &&String| effect.starts_with(&format!("{parent}/")) && !effect.ends_with(UNDO);
                let attempts = self.effects.iter().filter(of_it).count();
                self.check(Rule::Policy, attempts <= ATTEMPTS_MAX, || format!("{parent} had {attempts} attempts"));
            }
        }
    }

    /// How many calls took effect, and how many of them took something back.
    pub(in crate::world) fn effects(&self) -> (usize, usize) {
        let undone = self.effects.iter().filter(|effect| effect.ends_with(UNDO)).count();
        (self.effects.len(), undone)
    }
}

impl Order {
    /// Whether it is about a service and holds, for longer than what is known of it may be old.
    fn is_known(&self, service: &str, gap: Duration, now: Timestamp) -> bool {
        let is_of = |pattern: &String| pattern == EVERYWHERE || *pattern == pattern_of(service);
        now.since(self.since) > gap && now < self.until && self.services.iter().any(is_of)
    }
}

/// The names of orders that are not over.
fn standing(orders: &BTreeMap<String, Order>, now: Timestamp) -> Vec<String> {
    orders.iter().filter(|(_, order)| now < order.until).map(|(name, _)| name.clone()).collect()
}

/// The incident that an action is done for, by the action's name.
fn parent(action: &str) -> &str {
    action.split("/actions/").next().unwrap_or_default()
}

/// The pattern that speaks of one service of the shop.
pub(in crate::world) fn pattern_of(service: &str) -> String {
    format!("shop/{service}@demo")
}
