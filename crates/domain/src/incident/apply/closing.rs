//! What people and the clock do.

use super::{
    About, Acknowledgement, Anomaly, Coverage, Effect, EscalationReason, HandReason, IllegalTransition, IncidentId,
    Judgement, Maintenance, Notice, Outcome, ResolutionReason, Ruling, Severity, State, Step,
};

impl Step<'_> {
    pub(super) fn acknowledged(&mut self, note: String) -> Outcome {
        let message = if note.is_empty() { "acknowledged".to_owned() } else { format!("acknowledged: {note}") };
        self.incident.acknowledgement = Some(Acknowledgement { actor: self.actor.clone(), note, time: self.now });
        self.say(message, About::Incident);
        Ok(())
    }

    pub(super) fn judged(&mut self, ruling: Ruling, note: String) -> Outcome {
        let about = match (&ruling, &self.incident.diagnosis) {
            (Ruling::Confirmed, None) => return Err(IllegalTransition::NotDiagnosed { incident: self.incident.id }),
            (Ruling::Confirmed, Some(diagnosis)) => About::Diagnosis(diagnosis.clone()),
            (Ruling::FalseAlarm | Ruling::OtherCause(_), _) => About::Incident,
        };
        let message = if note.is_empty() { format!("judged: {ruling}") } else { format!("judged: {ruling}: {note}") };
        self.judge(ruling, note);
        self.say(message, about);
        Ok(())
    }

    fn judge(&mut self, ruling: Ruling, note: String) {
        let (diagnosis, actor) = (self.incident.diagnosis.clone(), self.actor.clone());
        self.incident.judgement = Some(Judgement { ruling, diagnosis, actor, note, time: self.now });
    }

    pub(super) fn resolved_by_hand(&mut self, reason: HandReason, note: String) -> Outcome {
        let is_news = self.incident.judgement.as_ref().is_none_or(|known| known.ruling != Ruling::FalseAlarm);
        match self.incident.state {
            // It ended otherwise, and whoever says so later still says that there was nothing.
            State::Resolved if reason == HandReason::FalsePositive && is_news => self.judged(Ruling::FalseAlarm, note),
            State::Resolved => Ok(()),
            State::Duplicate => Err(self.illegal()),
            _ => {
                let (reason, message) = match reason {
                    HandReason::Manual => (ResolutionReason::Manual, "resolved by hand"),
                    HandReason::FalsePositive => {
                        self.judge(Ruling::FalseAlarm, note.clone());
                        (ResolutionReason::FalsePositive, "closed as a false positive")
                    }
                };
                self.resolve(reason, note, message);
                Ok(())
            }
        }
    }

    /// What an action has touched is settled first; correlation may say it again then.
    pub(super) fn marked_duplicate(&mut self, of: IncidentId) -> Outcome {
        if of == self.incident.id {
            return Err(IllegalTransition::DuplicateOfItself { incident: of });
        }
        if self.incident.duplicate_of == Some(of) {
            return Ok(());
        }
        self.living()?;
        if self.incident.state.is_acting() {
            return Err(self.illegal());
        }
        self.end(State::Duplicate);
        self.incident.duplicate_of = Some(of);
        self.say(format!("an effect of incident {of}"), About::Incident);
        self.effects.push(Effect::CancelPendingActions);
        Ok(())
    }

    pub(super) fn deadline_passed(&mut self) -> Outcome {
        // In maintenance nobody is expected to answer.
        if self.incident.is_covered() || self.incident.deadline.is_none_or(|deadline| self.now < deadline) {
            return Ok(());
        }
        let about = self.incident.action.map_or(About::Incident, About::Action);
        match (self.incident.state, self.incident.action) {
            (State::Open, _) => {
                self.escalate(EscalationReason::Deadline, "nobody began to explain it in time", About::Incident);
            }
            (State::Diagnosing, _) => {
                let goes_on = match self.incident.acknowledgement {
                    None => "; it may go ahead after that unless somebody acknowledges the incident",
                    Some(_) => "",
                };
                let message = match self.incident.plan_waits_for.as_str() {
                    "" => "no diagnosis or plan in time".to_owned(),
                    waits_for => format!("a plan waits for too long: {waits_for}{goes_on}"),
                };
                self.escalate(EscalationReason::Deadline, message, About::Incident);
            }
            (State::AwaitingApproval, _) => {
                self.escalate(EscalationReason::NotApproved, "nobody approved in time", about);
            }
            (State::Remediating, _) => {
                let message = "the action did not end in time; nobody knows whether it took effect";
                self.escalate(EscalationReason::OutcomeUnknown, message, about);
            }
            (State::Verifying, Some(action)) => self.roll_back(action, "recovery was not measured in time"),
            (State::Verifying, None) | (State::RollingBack, _) => {
                self.escalate(EscalationReason::RollbackFailed, "it was not undone in time", about);
            }
            (State::Escalated, _) => {
                self.enter(State::Escalated, self.rules.reminder());
                if self.incident.acknowledgement.is_none() {
                    self.say("still waits for a person", About::Incident);
                    self.notify(Notice::Reminder);
                }
            }
            (State::Resolved | State::Duplicate, _) => {}
        }
        Ok(())
    }

    pub(super) fn reopened(&mut self, anomaly: Anomaly, severity: Severity, coverage: Option<Coverage>) -> Outcome {
        let (State::Resolved, Some(ended_at)) = (self.incident.state, self.incident.ended_at) else {
            return Err(self.illegal());
        };
        let until = ended_at + self.rules.reopen_window();
        if self.now > until {
            return Err(IllegalTransition::ReopenWindowPassed { incident: self.incident.id, until });
        }
        match coverage {
            Some(coverage) => self.incident.maintenance = Some(Maintenance::from(coverage)),
            // The window that it ended under is over.
            None => {
                if let Some(maintenance) = &mut self.incident.maintenance {
                    maintenance.over_at.get_or_insert(self.now);
                }
            }
        }
        self.enter(State::Open, self.rules.open());
        self.incident.severity = severity;
        self.incident.reopened_at = Some(self.now);
        self.incident.ended_at = None;
        self.incident.resolution = None;
        self.incident.escalation = None;
        // Whoever acknowledged what then ended has not seen that it is back.
        self.incident.acknowledgement = None;
        self.incident.join(anomaly);
        self.say("reopened: the same trouble came back", About::Incident);
        self.effects.push(Effect::RequestDiagnosis);
        self.notify(Notice::Reopened);
        Ok(())
    }
}
