//! The transitions.

use std::time::Duration;

use super::{
    About, Acknowledgement, ActionId, Actor, Coverage, DiagnosisId, EVENTS_REMEMBERED_MAX, Effect, EscalationReason,
    Event, EventKind, HandReason, Incident, IncidentId, Judgement, Maintenance, Notice, Notified, Proposal, Resolution,
    ResolutionReason, Rules, Ruling, Severity, State, TimelineEntry, Verdict,
};
use crate::incident::event::Urgency;
use crate::{Anomaly, Signal, Timestamp};

/// Why an event cannot happen to an incident. The incident is as it was.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IllegalTransition {
    /// The state does not allow it.
    #[error("{event} is not possible in {state:?} of incident {incident}")]
    State {
        /// The incident.
        incident: IncidentId,
        /// The state that it is in.
        state: State,
        /// What was to happen.
        event: &'static str,
    },
    /// Another action is the one that counts.
    #[error("{event} of action {action} is not possible: incident {incident} is about action {current:?}")]
    OtherAction {
        /// The incident.
        incident: IncidentId,
        /// What was to happen.
        event: &'static str,
        /// The action reported.
        action: ActionId,
        /// The incident's newest action.
        current: Option<ActionId>,
    },
    /// It ended too long ago; the recurrence opens the next ordinal.
    #[error("incident {incident} cannot be reopened: the window ended at {until}")]
    ReopenWindowPassed {
        /// The incident.
        incident: IncidentId,
        /// When the window ended.
        until: Timestamp,
    },
    /// There is no diagnosis that could be right.
    #[error("incident {incident} has no diagnosis to confirm")]
    NotDiagnosed {
        /// The incident.
        incident: IncidentId,
    },
    /// An incident is not its own effect.
    #[error("incident {incident} cannot be a duplicate of itself")]
    DuplicateOfItself {
        /// The incident.
        incident: IncidentId,
    },
}

impl Incident {
    /// Takes note of an event and says what is to be done.
    ///
    /// A repeat (known by its id) and a late report about something settled change nothing and return no effects. In
    /// a state that has ended, that holds for every report of how a diagnosis, an action or a measurement went; what
    /// would begin something new is illegal there, except [`EventKind::Reopened`] and what people say of it.
    ///
    /// # Errors
    /// When the event cannot happen now. The incident is unchanged.
    pub fn apply(&mut self, event: Event, rules: &Rules, now: Timestamp) -> Result<Vec<Effect>, IllegalTransition> {
        if self.applied.contains(&event.id) {
            return Ok(Vec::new());
        }
        let remembered = event.kind.is_remembered();
        let mut step =
            Step { incident: self.clone(), actor: event.actor, rules, now, name: event.kind.name(), effects: vec![] };
        step.take(event.kind)?;
        let Step { mut incident, effects, .. } = step;
        if remembered {
            if incident.applied.len() >= EVENTS_REMEMBERED_MAX {
                incident.applied.pop_front();
            }
            incident.applied.push_back(event.id);
        }
        if incident != *self {
            incident.updated_at = now;
            *self = incident;
        }
        Ok(effects)
    }
}

/// One event being applied to a copy of the incident.
struct Step<'a> {
    incident: Incident,
    actor: Actor,
    rules: &'a Rules,
    now: Timestamp,
    name: &'static str,
    effects: Vec<Effect>,
}

type Outcome = Result<(), IllegalTransition>;

impl Step<'_> {
    fn take(&mut self, kind: EventKind) -> Outcome {
        match kind {
            EventKind::AnomalyJoined(anomaly) => self.anomaly_joined(*anomaly),
            EventKind::ImpactMeasured { impacts, severity } => {
                self.living()?;
                self.incident.add_impacts(impacts);
                self.rise(severity);
                Ok(())
            }
            EventKind::SignalsCleared => {
                if !self.incident.state.is_terminal() && !self.incident.state.is_acting() {
                    self.effects.push(Effect::CheckRecovery { action: None });
                }
                Ok(())
            }
            EventKind::RecoveryMeasured { verdict } => self.recovery_measured(verdict),
            EventKind::DiagnosisStarted { diagnosis } => self.diagnosis_started(diagnosis),
            EventKind::DiagnosisFinished { diagnosis } => self.diagnosis_finished(diagnosis),
            EventKind::DiagnosisUnresolved { diagnosis } => {
                self.not_diagnosed(diagnosis, "nothing in the evidence supports a cause".to_owned(), true)
            }
            EventKind::DiagnosisFailed { diagnosis, reason } => self.not_diagnosed(diagnosis, reason, false),
            EventKind::ActionProposed { action, proposal, summary } => self.proposed(action, proposal, &summary),
            EventKind::PlanBlocked { reason } => self.no_plan(EscalationReason::Blocked, &reason),
            EventKind::PlanWaits { action, reason } => self.plan_waits(action, reason),
            EventKind::PlanDropped { action, reason } => self.plan_dropped(action, &reason),
            EventKind::NothingToDo { reason } => self.no_plan(EscalationReason::NoAction, &reason),
            EventKind::AttemptsExhausted => self.no_plan(EscalationReason::AttemptsExhausted, "attempts exhausted"),
            EventKind::ActionApproved { action } => self.approved(action),
            EventKind::ActionRejected { action } => self.not_approved(action, false),
            EventKind::ApprovalExpired { action } => self.not_approved(action, true),
            EventKind::ActionStarted { action } => self.started(action),
            EventKind::ActionSucceeded { action } => self.succeeded(action),
            EventKind::ActionFailed { action, reason } => self.failed(action, &reason),
            EventKind::ActionUnknown { action } => self.unknown(action),
            EventKind::Verified { action, verdict, reason } => self.verified(action, verdict, &reason),
            EventKind::RollbackStarted { action } => self.rollback_started(action),
            EventKind::RolledBack { action } => self.rolled_back(action),
            EventKind::RollbackFailed { action, reason } => self.rollback_failed(action, &reason),
            EventKind::Acknowledged { note } => self.acknowledged(note),
            EventKind::Judged { ruling, note } => self.judged(ruling, note),
            EventKind::ResolvedByHand { reason, note } => self.resolved_by_hand(reason, note),
            EventKind::MarkedDuplicate { of } => self.marked_duplicate(of),
            EventKind::DeadlinePassed => self.deadline_passed(),
            EventKind::Reopened { anomaly, severity, coverage } => self.reopened(*anomaly, severity, coverage),
        }
    }

    fn illegal(&self) -> IllegalTransition {
        IllegalTransition::State { incident: self.incident.id, state: self.incident.state, event: self.name }
    }

    fn living(&self) -> Outcome {
        if self.incident.state.is_terminal() { Err(self.illegal()) } else { Ok(()) }
    }

    fn say(&mut self, message: impl Into<String>, about: About) {
        let entry = TimelineEntry {
            time: self.now,
            actor: self.actor.clone(),
            state: self.incident.state,
            message: message.into(),
            about,
        };
        self.incident.note(entry);
    }

    /// Enters a state that waits for so long, from the end of a window that covers it.
    fn enter(&mut self, state: State, wait: Duration) {
        self.incident.state = state;
        if state.is_acting() {
            self.incident.plan_waits_for.clear();
        }
        self.incident.deadline = Some(self.waits_from() + wait);
    }

    /// From when on deadlines count.
    fn waits_from(&self) -> Timestamp {
        let covering = self.incident.maintenance.as_ref().filter(|maintenance| maintenance.is_on());
        covering.map_or(self.now, |maintenance| maintenance.until.max(self.now))
    }

    fn notify(&mut self, notice: Notice) {
        // Who was called before a window hears of the end within it.
        let began = self.incident.reopened_at.unwrap_or(self.incident.created_at);
        let was_told = self.incident.notified.is_some_and(|last| last.time >= began);
        let is_end = was_told && matches!(notice, Notice::Resolved { .. });
        let covering = self.incident.maintenance.as_mut().filter(|maintenance| maintenance.is_on() && !is_end);
        if let Some(maintenance) = covering {
            maintenance.withheld = maintenance.withheld.saturating_add(1);
            return;
        }
        let urgency = notice.urgency();
        if urgency != Urgency::Always {
            let is_urgent = urgency == Urgency::Urgent;
            let cooldown = self.rules.notification_cooldown();
            if self
                .incident
                .notified
                .is_some_and(|last| (last.is_urgent || !is_urgent) && self.now < last.time + cooldown)
            {
                return;
            }
            self.incident.notified = Some(Notified { time: self.now, is_urgent });
        }
        self.effects.push(Effect::Notify(notice));
    }

    fn rise(&mut self, severity: Severity) {
        if severity > self.incident.severity {
            self.incident.severity = severity;
            self.say(format!("severity rose to {severity}"), About::Incident);
            self.notify(Notice::SeverityRose { to: severity });
        }
    }

    fn escalate(&mut self, reason: EscalationReason, message: impl Into<String>, about: About) {
        self.enter(State::Escalated, self.rules.reminder());
        self.incident.escalation = Some(reason);
        if reason != EscalationReason::Deadline {
            self.incident.plan_waits_for.clear();
        }
        self.say(message, about);
        // A suggestion stands for people to read; everything else that waits is withdrawn.
        if reason != EscalationReason::SuggestionOnly {
            self.effects.push(Effect::CancelPendingActions);
        }
        self.effects.push(Effect::Escalate { reason });
        self.notify(Notice::Escalated { reason });
    }

    fn end(&mut self, state: State) {
        self.incident.state = state;
        self.incident.deadline = None;
        self.incident.plan_waits_for.clear();
        self.incident.ended_at = Some(self.now);
    }

    fn resolve(&mut self, reason: ResolutionReason, note: String, message: impl Into<String>) {
        self.end(State::Resolved);
        self.incident.resolution = Some(Resolution { reason, actor: self.actor.clone(), note, time: self.now });
        self.say(message, About::Incident);
        if reason != ResolutionReason::Measured {
            self.effects.push(Effect::CancelPendingActions);
        }
        self.notify(Notice::Resolved { reason });
    }

    fn plan(&mut self) {
        self.enter(State::Diagnosing, self.rules.planning());
        self.effects.push(Effect::RequestPlan);
    }

    fn anomaly_joined(&mut self, anomaly: Anomaly) -> Outcome {
        self.living()?;
        let is_telling = !matches!(anomaly.signal, Signal::Traffic | Signal::Other | Signal::FlatLine | Signal::Drift);
        // What an earlier life showed is over.
        let before = self.incident.reopened_at.and_then(|_| self.ended_before());
        let is_of_now = |known: &&Anomaly| before.is_none_or(|ended_at| known.last_seen > ended_at);
        let mut of_now = self.incident.anomalies.iter().filter(is_of_now);
        let is_news = is_telling && is_of_now(&&anomaly) && of_now.all(|known| known.signal != anomaly.signal);
        self.incident.join(anomaly);
        if is_news && self.is_open_to_explanation() {
            self.say("a signal of another kind came in; it is explained again", About::Incident);
            self.effects.push(Effect::RequestDiagnosis);
        }
        Ok(())
    }

    /// When the life before the present one ended.
    fn ended_before(&self) -> Option<Timestamp> {
        let ended = self.incident.timeline.iter().rev().find(|entry| entry.state == State::Resolved);
        ended.map(|entry| entry.time)
    }

    /// Whether a better explanation would change what happens next. Bounded, since there are few kinds of signals.
    fn is_open_to_explanation(&self) -> bool {
        match self.incident.state {
            State::Diagnosing | State::AwaitingApproval => true,
            State::Escalated => self.incident.escalation.is_some_and(EscalationReason::is_lifted_by_diagnosis),
            _ => false,
        }
    }

    /// While an action is under way, recovery is the verdict of its verification, not of this.
    fn recovery_measured(&mut self, verdict: Verdict) -> Outcome {
        if self.incident.state.is_terminal() || verdict != Verdict::Recovered {
            return Ok(());
        }
        if self.incident.state.is_acting() {
            return Err(self.illegal());
        }
        self.resolve(ResolutionReason::SelfRecovered, String::new(), "recovered by itself, as measured");
        Ok(())
    }
}

mod acting;
mod closing;
mod covering;
mod explaining;
