//! What is stored of an incident: the contract's message, and beside it what is still to be done about it.

use std::collections::BTreeSet;

use llm_sre_domain::ServiceId;
use llm_sre_domain::incident::{Effect, Incident, Notice, State};
use llm_sre_mesh::records::Attributes;
use llm_sre_mesh::status;
use llm_sre_proto::diagnosis::v1 as diagnosis;
use llm_sre_proto::incident::v1;
use serde::{Deserialize, Serialize};
use tonic::Status;

/// The stored document.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Kept {
    /// What callers see.
    #[serde(flatten)]
    pub(crate) incident: v1::Incident,
    /// What follows from its events and was not done yet, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) duties: Vec<Duty>,
    /// What was known when it opened or reopened, until the diagnosis has it. Those after it get what is known then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) snapshot: Option<diagnosis::EvidenceSnapshot>,
    /// Where it comes from, as far as the call graph told; empty where it did not.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub(crate) roots: BTreeSet<ServiceId>,
    /// Counts duties that are calls, to name each call.
    #[serde(default)]
    pub(crate) calls: u32,
    /// When it was opened, in the time of spans.
    #[serde(default)]
    pub(crate) opened_unix_nano: u64,
    /// The `request_id` of the person's report that opened it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) request_id: String,
    /// How many steps it took.
    #[serde(default)]
    pub(crate) steps: u32,
    /// Steps that were not published yet, oldest first; at most [`UNPUBLISHED_MAX`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) unpublished: Vec<Step>,
    /// What people are to be told once this is written.
    #[serde(skip)]
    notices: Vec<Notice>,
}

/// Steps of one incident that wait for a bus that is away; past it, the oldest are given up, and the log says so.
const UNPUBLISHED_MAX: usize = 200;

/// A step of an incident.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Step {
    /// Counted from 1.
    pub(crate) number: u32,
    /// What happened.
    pub(crate) entry: v1::TimelineEntry,
}

/// One thing to be done. Each is safe to repeat.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Duty {
    /// Ask for a diagnosis.
    Diagnose {
        /// Names the call.
        request_id: String,
    },
    /// Ask for a plan from the newest diagnosis.
    Plan {
        /// Names the call.
        request_id: String,
    },
    /// Cancel its actions that wait.
    CancelActions,
    /// Keep the span that its trace begins with, on which all later ones hang.
    BeginTrace,
    /// Keep the span of its end.
    EndTrace {
        /// Names the end: an incident that was opened again has several.
        stage: String,
        /// When it ended, in the time of spans.
        ended_unix_nano: u64,
    },
}

impl Kept {
    /// A new incident, with what follows from its opening. `now_unix_nano` is in the time of spans.
    pub(crate) fn new(incident: &Incident, effects: &[Effect], now_unix_nano: u64) -> Self {
        let mut kept = Self {
            incident: incident.into(),
            duties: Vec::new(),
            snapshot: None,
            roots: BTreeSet::new(),
            calls: 0,
            opened_unix_nano: now_unix_nano,
            request_id: String::new(),
            steps: 0,
            unpublished: Vec::new(),
            notices: Vec::new(),
        };
        kept.owe(incident, effects);
        // A trace can wait, who suffers cannot.
        kept.duties.push(Duty::BeginTrace);
        kept.note_steps(0);
        kept
    }

    /// The incident as the domain knows it.
    pub(crate) fn domain(&self) -> Result<Incident, Status> {
        Incident::try_from(&self.incident).map_err(|error| status::internal(format!("{}: {error}", self.incident.name)))
    }

    /// As [`Kept::domain`], where one record that cannot be read must not stop the others.
    pub(crate) fn readable(&self) -> Option<Incident> {
        self.domain().inspect_err(|error| tracing::error!(%error, "an incident cannot be read")).ok()
    }

    /// Takes over a changed incident, and what follows from the change. `now_unix_nano` is in the time of spans.
    pub(crate) fn take(&mut self, incident: &Incident, effects: &[Effect], now_unix_nano: u64) {
        let ends_now = self.is_living() && incident.state.is_terminal();
        let before = std::mem::replace(&mut self.incident, incident.into());
        self.note_steps(known(&before.timeline, &self.incident.timeline));
        self.owe(incident, effects);
        if ends_now {
            // Nobody waits for an explanation or a plan any more.
            self.duties.retain(|duty| !matches!(duty, Duty::Diagnose { .. } | Duty::Plan { .. }));
            self.snapshot = None;
            self.calls += 1;
            let stage = format!("close/{}", self.calls);
            self.duties.push(Duty::EndTrace { stage, ended_unix_nano: now_unix_nano });
        }
    }

    fn owe(&mut self, incident: &Incident, effects: &[Effect]) {
        for effect in effects {
            match effect {
                // One that is still to be asked for will know the newest, too. One that is being made does not.
                Effect::RequestDiagnosis if self.diagnoses_owed() > usize::from(incident.state != State::Open) => {}
                Effect::RequestDiagnosis => {
                    let request_id = self.name_call("diagnose");
                    self.duties.push(Duty::Diagnose { request_id });
                }
                Effect::RequestPlan => {
                    let request_id = self.name_call("plan");
                    self.duties.push(Duty::Plan { request_id });
                }
                Effect::CancelPendingActions => self.duties.push(Duty::CancelActions),
                // Verification and its undoing belong to the remediation service, by the action's own deadline; what
                // recovers without an action is measured as long as the signals are back.
                Effect::CheckRecovery { .. } | Effect::RollBack { .. } => {}
                // Whom the log calls, no window does.
                Effect::Escalate { .. } if incident.is_covered() => {}
                Effect::Escalate { reason } => {
                    tracing::warn!(incident = %incident.id, ?reason, "a person must take over");
                }
                Effect::Notify(notice) => self.notices.push(*notice),
            }
        }
    }

    /// Tells people what follows from a write, after it: what is tried again because somebody else wrote first is told
    /// once.
    pub(crate) fn announce(&self, incident: &Incident) {
        self.notices.iter().for_each(|notice| announce(incident, *notice));
    }

    /// How many diagnoses are still to be asked for, or were asked for and not made yet.
    pub(crate) fn diagnoses_owed(&self) -> usize {
        self.duties.iter().filter(|duty| matches!(duty, Duty::Diagnose { .. })).count()
    }

    /// Notes what the timeline has from this entry on as steps to publish.
    fn note_steps(&mut self, from: usize) {
        for entry in &self.incident.timeline[from..] {
            self.steps += 1;
            self.unpublished.push(Step { number: self.steps, entry: entry.clone() });
        }
        let surplus = self.unpublished.len().saturating_sub(UNPUBLISHED_MAX);
        if surplus > 0 {
            tracing::warn!(incident = self.incident.name, surplus, "steps will not be published; the bus is away");
            self.unpublished.drain(..surplus);
        }
    }

    fn name_call(&mut self, what: &str) -> String {
        self.calls += 1;
        format!("{}/{what}/{}", self.incident.name, self.calls)
    }

    /// Whether it is about a service, or comes from where something else comes from as well.
    pub(crate) fn is_about(&self, incident: &Incident, service: &ServiceId, roots: &BTreeSet<ServiceId>) -> bool {
        let subject = &incident.subject.service;
        let is_root = |root: &ServiceId| self.roots.contains(root) || (self.roots.is_empty() && root == subject);
        subject == service || is_root(service) || roots.iter().any(is_root)
    }

    /// Whether it lives.
    pub(crate) fn is_living(&self) -> bool {
        self.incident.end_time.is_none()
    }

    /// What it is found by.
    pub(crate) fn attributes(&self) -> Attributes {
        let yes_or_no = |yes: bool| if yes { "yes" } else { "no" }.to_owned();
        let service = self.incident.service.as_ref().map(|service| service.name.clone()).unwrap_or_default();
        [
            ("state", self.incident.state().as_str_name().to_owned()),
            ("service", service),
            ("fingerprint", self.incident.fingerprint.clone()),
            ("living", yes_or_no(self.is_living())),
            ("pending", yes_or_no(self.is_living() || !self.duties.is_empty())),
            ("request", self.request_id.clone()),
            ("judged", yes_or_no(self.incident.judgement.is_some())),
            ("unpublished", yes_or_no(!self.unpublished.is_empty())),
        ]
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value))
        .collect()
    }
}

/// Where what is new begins in a timeline that goes on from another. A long one loses entries at its beginning.
fn known(before: &[v1::TimelineEntry], now: &[v1::TimelineEntry]) -> usize {
    let Some(newest) = before.last() else { return 0 };
    match now.get(before.len() - 1) {
        Some(same) if same == newest => before.len(),
        _ => now.iter().rposition(|entry| entry == newest).map_or(now.len().saturating_sub(1), |index| index + 1),
    }
}

/// Tells people, by the log: the one channel that exists yet.
fn announce(incident: &Incident, notice: Notice) {
    tracing::info!(
        incident = %incident.id,
        trace_id = incident.id.trace_id(),
        severity = %incident.severity,
        title = incident.title,
        ?notice,
        "notice"
    );
}
