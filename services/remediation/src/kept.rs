//! What is stored of an action: the contract's message, and beside it what is still to be told about it.
//!
//! State and duties are one document, so that a kill between a transition and its report, its audit entry or its span
//! loses neither.

use std::collections::BTreeMap;
use std::ops::Range;

use llm_sre_domain::incident::{Actor, EventKind};
use llm_sre_domain::remedy::Action;
use llm_sre_domain::{ServiceId, Timestamp};
use llm_sre_mesh::records::Attributes;
use llm_sre_mesh::stages::Stage;
use llm_sre_mesh::{names, status};
use llm_sre_ports::leases::Lease;
use llm_sre_proto::incident::v1 as incident;
use llm_sre_proto::remediation::v1;
use serde::{Deserialize, Serialize};
use tonic::Status;
use uuid::Uuid;

use crate::report;

/// An action with its duties.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Kept {
    /// The action as the contract shows it, without its etag.
    #[serde(flatten)]
    pub(crate) action: v1::Action,
    /// What the incident's owner has not taken yet, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) unreported: Vec<incident::RecordEventRequest>,
    /// Steps that are not in the audit record yet, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) unaudited: Vec<Step>,
    /// Stages that ended and are not in the log of stages yet.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) unstaged: Vec<Stage>,
    /// Request ids that changed it, and what they asked for.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) requests: BTreeMap<String, String>,
    /// How many steps were noted: each has its own key, so that none lands twice in the audit record.
    #[serde(default)]
    pub(crate) steps: u64,
    /// When it entered its state, in the time of spans.
    #[serde(default)]
    pub(crate) entered_unix_nano: u64,
    /// Whether its target said that the call is under way. That it knows of none after that is no answer.
    #[serde(default)]
    pub(crate) is_seen: bool,
    /// Whether a person ordered that it is taken back.
    #[serde(default)]
    pub(crate) is_undo_ordered: bool,
    /// Whether its target was asked to take it back, or is about to be.
    #[serde(default)]
    pub(crate) is_undo_called: bool,
    /// As `is_seen`, of taking it back.
    #[serde(default)]
    pub(crate) is_undo_seen: bool,
    /// Whether its signals were well at the recipe's deadline, and have the rest of the window to stay so.
    #[serde(default)]
    pub(crate) is_holding: bool,
    /// Whether its incident is planned for again, because time alone lifts what blocks it.
    #[serde(default)]
    pub(crate) replan: bool,
    /// How often the incident's owner was told what its plan waits for, or that it waits no more.
    #[serde(default)]
    pub(crate) waits_told: u32,
    /// Whether its verdict waits because another incident's cause disturbs what is measured.
    #[serde(default)]
    pub(crate) is_disturbed: bool,
}

/// A step for the audit record.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Step {
    /// Names it among all steps of all actions.
    pub(crate) key: String,
    /// When, in nanoseconds of the product's clock.
    pub(crate) time_unix_nano: i64,
    /// Who did it.
    pub(crate) actor: String,
    /// What was done.
    pub(crate) step: String,
    /// The facts, in one line.
    pub(crate) detail: String,
}

/// The attribute of an approval's span that says who gave or refused it.
const DECIDED_BY: &str = "llm_sre.action.decided_by";

impl Kept {
    /// A new action without duties. `now_unix_nano` is in the time of spans, here and below.
    pub(crate) fn new(action: &Action, now_unix_nano: u64) -> Self {
        Self {
            action: action.into(),
            unreported: Vec::new(),
            unaudited: Vec::new(),
            unstaged: Vec::new(),
            requests: BTreeMap::new(),
            steps: 0,
            entered_unix_nano: now_unix_nano,
            is_undo_ordered: false,
            is_undo_called: false,
            is_undo_seen: false,
            is_holding: false,
            is_seen: false,
            replan: false,
            waits_told: 0,
            is_disturbed: false,
        }
    }

    /// The domain's action.
    pub(crate) fn domain(&self) -> Result<Action, Status> {
        Action::try_from(&self.action).map_err(|error| status::internal(format!("{}: {error}", self.action.name)))
    }

    /// Takes over what the domain made of the action. What the domain does not hold stays.
    pub(crate) fn take(&mut self, action: &Action, now_unix_nano: u64) {
        let message = v1::Action { recovery: self.action.recovery.take(), ..action.into() };
        if message.state != self.action.state && !begins(&self.action, &message) {
            self.end_stage(&message, now_unix_nano);
            self.entered_unix_nano = now_unix_nano;
        }
        self.action = message;
    }

    /// Owes the incident's owner a report. `again` sets apart what one action can say more than once.
    pub(crate) fn owe_report(&mut self, kind: &EventKind, actor: &Actor, again: &str) {
        let id = format!("{}/{}{again}", self.action.name, report::kind(kind));
        let kind = &self.with_reason(kind.clone());
        self.unreported.extend(report::request(&self.incident_name(), &self.action.name, kind, actor, id));
    }

    /// Owes the incident's owner what the plan waits for by now, or that it waits no more.
    pub(crate) fn owe_wait(&mut self, kind: &EventKind) {
        self.waits_told = self.waits_told.saturating_add(1);
        self.owe_report(kind, &Actor::product(), &format!("/{}", self.waits_told));
    }

    /// A verdict with what was measured for it, which the domain does not know.
    fn with_reason(&self, kind: EventKind) -> EventKind {
        match (kind, &self.action.recovery) {
            (EventKind::Verified { action, verdict, .. }, Some(recovery)) => {
                EventKind::Verified { action, verdict, reason: recovery.reason.clone() }
            }
            (kind, _) => kind,
        }
    }

    /// Owes the audit record a step.
    pub(crate) fn owe_step(&mut self, actor: &Actor, step: &str, detail: String, now: Timestamp) {
        self.steps += 1;
        self.unaudited.push(Step {
            key: format!("{}/{}", self.id(), self.steps),
            time_unix_nano: now.as_nanos(),
            actor: actor.to_string(),
            step: step.to_owned(),
            detail,
        });
    }

    /// Owes the audit record a call that is about to be made.
    pub(crate) fn owe_call(&mut self, step: &str, lease: &Lease, now: Timestamp) {
        self.owe_step(&Actor::product(), step, format!("fencing token {}", lease.token), now);
    }

    /// Owes the log of stages the state that ends now, where that state is a stage.
    fn end_stage(&mut self, next: &v1::Action, now_unix_nano: u64) {
        let name = match self.action.state() {
            v1::ActionState::AwaitingApproval => "approve",
            // Also what the last checks before the call refused: they ran in this stage.
            v1::ActionState::Approved | v1::ActionState::Executing => "execute",
            v1::ActionState::Verifying => "verify",
            v1::ActionState::RollingBack => "roll_back",
            _ => return,
        };
        let error = match next.state() {
            v1::ActionState::Blocked
            | v1::ActionState::Failed
            | v1::ActionState::Unknown
            | v1::ActionState::RollbackFailed => &next.outcome,
            _ => "",
        };
        let mut stage = self.stage(name, self.entered_unix_nano..now_unix_nano, next, error);
        let decided_by = next.decision.as_ref().filter(|_| name == "approve").map(|decision| decision.actor.clone());
        stage.attributes.extend(decided_by.map(|actor| (DECIDED_BY.to_owned(), actor)));
        self.unstaged.push(stage);
    }

    /// Owes the log of stages the approval that policy gave before anybody was asked.
    pub(crate) fn owe_automatic_approval(&mut self, now_unix_nano: u64) {
        if self.action.state() == v1::ActionState::Approved {
            let mut stage = self.stage("approve", now_unix_nano..now_unix_nano, &self.action, "");
            stage.attributes.push((DECIDED_BY.to_owned(), "policy".to_owned()));
            self.unstaged.push(stage);
        }
    }

    /// A stage of this action that has ended.
    pub(crate) fn stage(&self, name: &str, unix_nanos: Range<u64>, action: &v1::Action, error: &str) -> Stage {
        let kind = action.spec.as_ref().map(|spec| spec.r#type.clone()).unwrap_or_default();
        let attributes = [
            ("llm_sre.action", action.name.clone()),
            ("llm_sre.action.type", kind),
            ("llm_sre.action.target", self.target().to_string()),
            ("llm_sre.action.state", action.state().as_str_name().to_owned()),
        ];
        Stage {
            numbers: Vec::new(),
            is_call: false,
            incident: self.incident(),
            key: self.stage_key(name),
            name: name.to_owned(),
            start_unix_nano: unix_nanos.start,
            end_unix_nano: unix_nanos.end,
            attributes: attributes.map(|(key, value)| (key.to_owned(), value)).into(),
            error: error.to_owned(),
        }
    }

    /// The key of one of this action's stages.
    pub(crate) fn stage_key(&self, name: &str) -> String {
        format!("{name}/{}", self.id())
    }

    /// The stage that the action is in, for the trace of the calls made meanwhile.
    pub(crate) fn present_stage(&self) -> String {
        self.stage_key(match self.action.state() {
            v1::ActionState::AwaitingApproval => "approve",
            v1::ActionState::Approved | v1::ActionState::Executing => "execute",
            v1::ActionState::Verifying => "verify",
            v1::ActionState::RollingBack => "roll_back",
            _ => "propose",
        })
    }

    /// The action's id, which is also the document's.
    pub(crate) fn id(&self) -> &str {
        self.action.name.rsplit('/').next().unwrap_or_default()
    }

    /// The incident's id; nil for a name that was not ours, which the conversion refuses anyway.
    pub(crate) fn incident(&self) -> Uuid {
        names::parse_incident("name", &self.incident_name()).unwrap_or_default()
    }

    /// The incident's name.
    pub(crate) fn incident_name(&self) -> String {
        self.action.name.split("/actions/").next().unwrap_or_default().to_owned()
    }

    /// The service that it is done to.
    pub(crate) fn target(&self) -> ServiceId {
        let target = self.action.spec.as_ref().and_then(|spec| spec.target.as_ref());
        target.map_or_else(|| ServiceId::named(""), |id| ServiceId::new(&id.namespace, &id.name, &id.environment))
    }

    /// Whether something is owed.
    pub(crate) fn owes(&self) -> bool {
        !(self.unreported.is_empty() && self.unaudited.is_empty() && self.unstaged.is_empty())
    }

    /// What it is found by.
    pub(crate) fn attributes(&self) -> Attributes {
        let is_living = self.action.end_time.is_none();
        let yes_or_no = |yes: bool| if yes { "yes" } else { "no" }.to_owned();
        [
            ("incident", self.incident().to_string()),
            ("fingerprint", self.action.fingerprint.clone()),
            ("state", self.action.state().as_str_name().to_owned()),
            ("living", yes_or_no(is_living)),
            ("pending", yes_or_no(is_living || self.replan || self.owes())),
        ]
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value))
        .collect()
    }
}

/// The stage `execute` is there from the approval on: the last checks before the call belong to it.
fn begins(before: &v1::Action, after: &v1::Action) -> bool {
    before.state() == v1::ActionState::Approved && after.state() == v1::ActionState::Executing
}
