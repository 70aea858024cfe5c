//! The life of an incident, as a pure state machine.
//!
//! ```text
//! OPEN ─► DIAGNOSING ─► AWAITING_APPROVAL ─► REMEDIATING ─► VERIFYING ─► RESOLVED
//!              ▲  │                               │ failed      │ not recovered, inconclusive
//!              │  └ automatic ──────────────►     ▼             ▼
//!              └──── explained again ◄──── ROLLING_BACK ◄───────┘
//! ```
//!
//! After an action that did not help it is explained again, from what is seen then and with what was tried as evidence.
//! What was tried without effect is passed over for good; what helped may be done again once the trouble is back.
//!
//! From every state that lives, a person may resolve it; where no action is under way, measured recovery resolves it and
//! correlation may close it as a duplicate. What cannot go on by itself is ESCALATED. A plan that policy only suggests
//! is ESCALATED too: the plan is shown, nobody can execute it, so a person must act; the incident still resolves once
//! recovery is measured.
//!
//! People may say in every state what it was ([`Judgement`]); that moves nothing here, and weighs in later diagnoses.
//!
//! While a maintenance window covers it, people are not told of it and its deadlines stand still; its states are those
//! that it would have without, and at the window's end people are told of what lives still.
//!
//! The detector owns the document; the other services report [`Event`]s. A report that arrives twice is one report.

mod apply;
mod event;
mod fingerprint;
mod ids;
mod judgement;
mod keep;
mod maintenance;
mod rules;
mod severity;
mod state;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};

use crate::{Anomaly, ServiceId, Timestamp};

pub use apply::IllegalTransition;
pub use event::{Effect, Event, EventId, EventKind, HandReason, Notice, Proposal, Verdict};
pub use fingerprint::{Fingerprint, FingerprintError, Subject, Trigger};
pub use ids::{ActionId, Actor, DiagnosisId, IdError, IncidentId};
pub use judgement::{Judgement, Ruling};
pub use maintenance::{Coverage, Maintenance, Window, WindowId};
pub use rules::Rules;
pub use severity::{Severity, SeverityInputs, severity};
pub use state::{EscalationReason, Resolution, ResolutionReason, State};

/// How many anomalies an incident keeps; the strongest stay.
pub const ANOMALIES_MAX: usize = 256;
/// How many timeline entries an incident keeps; the first and the newest stay.
pub const TIMELINE_MAX: usize = 200;
/// How many impacted services an incident keeps; those that suffered first stay.
pub const IMPACTS_MAX: usize = 256;
/// How many event ids an incident remembers. An incident sees some ten events an attempt, so a repeat would have to
/// come some twenty attempts late to be taken for new.
pub const EVENTS_REMEMBERED_MAX: usize = 256;

/// Who took notice of an incident.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acknowledgement {
    /// Who it was.
    pub actor: Actor,
    /// What that person wrote.
    pub note: String,
    /// When.
    pub time: Timestamp,
}

/// One thing that happened to an incident.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimelineEntry {
    /// When.
    pub time: Timestamp,
    /// Who did it.
    pub actor: Actor,
    /// The state after it.
    pub state: State,
    /// What happened, in one line.
    pub message: String,
    /// The action or diagnosis that it is about, by its id.
    pub about: About,
}

/// What a timeline entry is about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum About {
    /// The incident itself.
    #[default]
    Incident,
    /// One of its diagnoses.
    Diagnosis(DiagnosisId),
    /// One of its actions.
    Action(ActionId),
}

/// The last notification that the cooldown counts from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Notified {
    /// When it was sent.
    pub time: Timestamp,
    /// Whether it was urgent: only another urgent one is then held back.
    pub is_urgent: bool,
}

/// One incident. [`Incident::open`] makes it, and only [`Incident::apply`] and [`Incident::cover`] change it; the fields
/// are public so that the store's conversion can read and restore it, and [`Incident::check`] says whether what was
/// restored is consistent.
#[derive(Clone, Debug, PartialEq)]
pub struct Incident {
    /// Derived from fingerprint and ordinal; also the id of its trace.
    pub id: IncidentId,
    /// What it is about, as detection estimated when it opened. Frozen.
    pub subject: Subject,
    /// Derived from the subject. Frozen.
    pub fingerprint: Fingerprint,
    /// How many incidents with this fingerprint came before.
    pub ordinal: u32,
    /// Where it is in its life.
    pub state: State,
    /// How bad it is. Never falls while the incident lives.
    pub severity: Severity,
    /// One line for people.
    pub title: String,
    /// What left its normal range, ordered by onset and id; at most [`ANOMALIES_MAX`].
    pub anomalies: Vec<Anomaly>,
    /// Services that suffer from it, with the onset there; at most [`IMPACTS_MAX`].
    pub impacts: BTreeMap<ServiceId, Timestamp>,
    /// When the first signal left its range, in event time.
    pub onset: Timestamp,
    /// When detection became sure, in event time.
    pub detected_at: Timestamp,
    /// When the record was made, by the product's clock like all that follow.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
    /// When it was opened again last, so that its present life began then; `None` in its first one.
    pub reopened_at: Option<Timestamp>,
    /// When it ended; `None` while it lives.
    pub ended_at: Option<Timestamp>,
    /// How it was resolved; `Some` exactly in RESOLVED.
    pub resolution: Option<Resolution>,
    /// What it is an effect of; `Some` exactly in DUPLICATE.
    pub duplicate_of: Option<IncidentId>,
    /// Why it was escalated last; `Some` in ESCALATED and possibly after.
    pub escalation: Option<EscalationReason>,
    /// The newest diagnosis.
    pub diagnosis: Option<DiagnosisId>,
    /// The newest action.
    pub action: Option<ActionId>,
    /// What a plan for it waits for, in one line; empty where none waits.
    pub plan_waits_for: String,
    /// How many actions were let go ahead; kept when the incident is reopened, so that flapping uses attempts up.
    pub attempts: u32,
    /// Who took notice of it last.
    pub acknowledgement: Option<Acknowledgement>,
    /// What a person said last that it was; kept when the incident is reopened, until another is said.
    pub judgement: Option<Judgement>,
    /// When the present state is given up; `Some` exactly while it lives.
    pub deadline: Option<Timestamp>,
    /// What happened, oldest first; at most [`TIMELINE_MAX`].
    pub timeline: Vec<TimelineEntry>,
    /// The last notification that the cooldown counts from.
    pub notified: Option<Notified>,
    /// What maintenance windows made of it; `None` where none ever covered it.
    pub maintenance: Option<Maintenance>,
    /// Ids of the newest events applied, oldest first; at most [`EVENTS_REMEMBERED_MAX`].
    pub applied: VecDeque<EventId>,
}

/// What it takes to open an incident.
#[derive(Clone, Debug, PartialEq)]
pub struct Opening {
    /// What it is about.
    pub subject: Subject,
    /// How many incidents with the subject's fingerprint came before.
    pub ordinal: u32,
    /// One line for people; never part of the identity.
    pub title: String,
    /// What left its range. Empty only for an incident that a person reported.
    pub anomalies: Vec<Anomaly>,
    /// Services that suffer already, with the onset there.
    pub impacts: BTreeMap<ServiceId, Timestamp>,
    /// How bad it is now.
    pub severity: Severity,
    /// The onset in event time, where no anomaly tells an earlier one.
    pub onset: Timestamp,
    /// When detection became sure, in event time.
    pub detected_at: Timestamp,
    /// Who opened it: the product or the person who reported it.
    pub actor: Actor,
    /// What covers it already.
    pub coverage: Option<Coverage>,
}

/// Why a restored incident cannot be one that [`Incident::apply`] made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("incident {id} is inconsistent: {what}")]
pub struct Inconsistent {
    /// Which incident.
    pub id: IncidentId,
    /// The rule that it breaks.
    pub what: &'static str,
}

impl Incident {
    /// Opens an incident and says what to do first: ask for a diagnosis and, but in maintenance, tell people. The same
    /// subject and ordinal give the same id, so the caller creates the document only if it is absent.
    ///
    /// # Errors
    /// When the subject gives no fingerprint.
    pub fn open(opening: Opening, rules: &Rules, now: Timestamp) -> Result<(Self, Vec<Effect>), FingerprintError> {
        let fingerprint = Fingerprint::of(&opening.subject)?;
        let mut incident = Self {
            id: IncidentId::of(&fingerprint, opening.ordinal),
            fingerprint,
            ordinal: opening.ordinal,
            state: State::Open,
            severity: opening.severity,
            title: opening.title,
            anomalies: Vec::new(),
            impacts: BTreeMap::new(),
            onset: opening.onset,
            detected_at: opening.detected_at,
            created_at: now,
            updated_at: now,
            reopened_at: None,
            ended_at: None,
            resolution: None,
            duplicate_of: None,
            escalation: None,
            diagnosis: None,
            action: None,
            plan_waits_for: String::new(),
            attempts: 0,
            acknowledgement: None,
            judgement: None,
            deadline: Some(now + rules.open()),
            timeline: Vec::new(),
            notified: Some(Notified { time: now, is_urgent: false }),
            maintenance: None,
            applied: VecDeque::new(),
            subject: opening.subject,
        };
        for anomaly in opening.anomalies {
            incident.join(anomaly);
        }
        incident.add_impacts(opening.impacts);
        let message = format!("opened: {}", incident.title);
        incident.note(TimelineEntry {
            time: now,
            actor: opening.actor,
            state: State::Open,
            message,
            about: About::Incident,
        });
        let mut effects = vec![Effect::RequestDiagnosis];
        if opening.coverage.is_none() {
            effects.push(Effect::Notify(Notice::Opened));
            return Ok((incident, effects));
        }
        effects.extend(incident.take_cover(opening.coverage, rules, now));
        incident.notified = None;
        if let Some(maintenance) = &mut incident.maintenance {
            maintenance.withheld = 1;
        }
        Ok((incident, effects))
    }

    /// Whether a plan may go ahead by itself. One that comes after the deadline still may: people were called because
    /// nothing happened, and a restarted process makes it happen, or what the plan waited for is over.
    pub fn is_plan_awaited(&self) -> bool {
        match self.state {
            State::Diagnosing => true,
            State::Escalated => self.escalation == Some(EscalationReason::Deadline),
            _ => false,
        }
    }

    /// Whether it holds what every incident made here holds; for what comes back from a store.
    ///
    /// # Errors
    /// Names the first rule that is broken.
    pub fn check(&self) -> Result<(), Inconsistent> {
        let terminal = self.state.is_terminal();
        let rules = [
            (self.id == IncidentId::of(&self.fingerprint, self.ordinal), "the id is not that of its fingerprint"),
            (Fingerprint::of(&self.subject).as_ref() == Ok(&self.fingerprint), "the fingerprint is not its subject's"),
            (self.deadline.is_some() != terminal, "exactly the states that wait have a deadline"),
            (self.ended_at.is_some() == terminal, "exactly what has ended has an end"),
            (self.resolution.is_some() == (self.state == State::Resolved), "exactly RESOLVED has a resolution"),
            (self.duplicate_of.is_some() == (self.state == State::Duplicate), "exactly DUPLICATE names the other"),
            (self.state != State::Escalated || self.escalation.is_some(), "ESCALATED has a reason"),
            (!self.state.is_acting() || self.action.is_some(), "an acting state has an action"),
            (self.state != State::AwaitingApproval || self.action.is_some(), "what awaits approval is an action"),
            (self.plan_waits_for.is_empty() || self.is_plan_awaited(), "only a plan that may still come waits"),
            (!self.is_confirmed() || self.diagnosis.is_some(), "what is confirmed is a diagnosis"),
            (self.anomalies.len() <= ANOMALIES_MAX, "too many anomalies"),
            (self.impacts.len() <= IMPACTS_MAX, "too many impacts"),
            (self.timeline.len() <= TIMELINE_MAX, "too many timeline entries"),
            (self.applied.len() <= EVENTS_REMEMBERED_MAX, "too many event ids"),
        ];
        match rules.into_iter().find(|(holds, _)| !holds) {
            Some((_, what)) => Err(Inconsistent { id: self.id, what }),
            None => Ok(()),
        }
    }
}
