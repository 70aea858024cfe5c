//! From OPEN to a plan.

use super::{About, ActionId, DiagnosisId, Effect, EscalationReason, Notice, Outcome, Proposal, State, Step};

/// How often the timeline says what one plan waits for.
const WAITS_TOLD_MAX: usize = 10;

impl Step<'_> {
    pub(super) fn diagnosis_started(&mut self, diagnosis: DiagnosisId) -> Outcome {
        self.living()?;
        let about = About::Diagnosis(diagnosis.clone());
        match self.incident.state {
            State::Open => {
                self.incident.diagnosis = Some(diagnosis);
                self.enter(State::Diagnosing, self.rules.diagnosing());
                self.say("diagnosis started", about);
            }
            // A plan is being made from an earlier diagnosis, or a person asked for another: nothing waits for it.
            _ if self.incident.diagnosis.as_ref() != Some(&diagnosis) => self.say("diagnosis started again", about),
            _ => {}
        }
        Ok(())
    }

    pub(super) fn diagnosis_finished(&mut self, diagnosis: DiagnosisId) -> Outcome {
        let about = About::Diagnosis(diagnosis.clone());
        let is_other = self.incident.diagnosis.as_ref() != Some(&diagnosis);
        self.incident.diagnosis = Some(diagnosis);
        let lifted = self.incident.escalation.is_some_and(EscalationReason::is_lifted_by_diagnosis);
        match self.incident.state {
            State::Open | State::Diagnosing => self.plan(),
            State::Escalated if lifted => self.plan(),
            // What waits follows from less than is known now.
            State::AwaitingApproval if is_other => {
                self.effects.push(Effect::CancelPendingActions);
                self.plan();
            }
            _ => {}
        }
        self.say("diagnosis finished", about);
        Ok(())
    }

    pub(super) fn not_diagnosed(&mut self, diagnosis: DiagnosisId, reason: String, looked: bool) -> Outcome {
        let about = About::Diagnosis(diagnosis.clone());
        match self.incident.state {
            // It was asked for because an action did not help. The diagnosis before it may have more to try.
            State::Diagnosing if self.goes_on_without(&diagnosis) => {
                self.plan();
                self.say(format!("another diagnosis gave nothing: {reason}; the one before it is planned from"), about);
            }
            State::Open | State::Diagnosing => {
                self.incident.diagnosis = Some(diagnosis);
                let (why, what) = if looked {
                    (EscalationReason::UnresolvedDiagnosis, "diagnosis unresolved")
                } else {
                    (EscalationReason::DiagnosisFailed, "diagnosis failed")
                };
                self.escalate(why, format!("{what}: {reason}"), about);
            }
            // An earlier diagnosis carries the incident on; that another one gave nothing does not stop it.
            _ if looked => self.say(format!("another diagnosis is unresolved: {reason}"), about),
            _ => self.say(format!("another diagnosis failed: {reason}"), about),
        }
        Ok(())
    }

    /// Whether another diagnosis than this one led to an action of the incident's present life, and is there still.
    fn goes_on_without(&self, diagnosis: &DiagnosisId) -> bool {
        let began = self.incident.reopened_at.unwrap_or(self.incident.created_at);
        let has_acted = self.incident.timeline.iter().any(|entry| entry.time >= began && entry.state.is_acting());
        has_acted && self.incident.diagnosis.as_ref().is_some_and(|current| current != diagnosis)
    }

    pub(super) fn proposed(&mut self, action: ActionId, proposal: Proposal, summary: &str) -> Outcome {
        self.living()?;
        if self.incident.action == Some(action) {
            return Ok(());
        }
        // A person who took over may still have the product do the work, under approval.
        let by_person = self.incident.state == State::Escalated && proposal != Proposal::Automatic;
        // Whoever acknowledged it after nothing came in time has taken over.
        let is_behind = self.incident.state == State::Escalated && self.incident.acknowledgement.is_some();
        if (!self.incident.is_plan_awaited() || is_behind) && !by_person {
            return Err(self.illegal());
        }
        self.incident.action = Some(action);
        self.incident.plan_waits_for.clear();
        let about = About::Action(action);
        match proposal {
            Proposal::Automatic => {
                self.begin_attempt();
                self.say(format!("policy lets it go ahead: {summary}"), about);
            }
            Proposal::NeedsApproval { expires_at } => {
                self.incident.state = State::AwaitingApproval;
                // The remediation service owns the approval; its word on the expiry comes first.
                self.incident.deadline = Some(self.waits_from().max(expires_at) + self.rules.planning());
                self.say(format!("waits for approval: {summary}"), about);
                self.notify(Notice::ApprovalWanted { action, expires_at });
            }
            Proposal::Suggested => {
                self.escalate(EscalationReason::SuggestionOnly, format!("suggested: {summary}"), about);
            }
        }
        Ok(())
    }

    /// The deadline stands: people are called if what it waits for takes too long, and it may go ahead all the same. What
    /// it waits for can change with every other repair; the timeline is for people.
    pub(super) fn plan_waits(&mut self, action: ActionId, reason: String) -> Outcome {
        if self.incident.state.is_terminal() || self.incident.state.is_acting() {
            return Ok(());
        }
        if !self.incident.is_plan_awaited() {
            return Err(self.illegal());
        }
        if self.incident.plan_waits_for != reason {
            let about = About::Action(action);
            if self.incident.timeline.iter().filter(|entry| entry.about == about).count() < WAITS_TOLD_MAX {
                self.say(format!("a plan waits: {reason}"), about);
            }
            self.incident.plan_waits_for = reason;
        }
        Ok(())
    }

    /// Whatever came of the incident meanwhile stands.
    pub(super) fn plan_dropped(&mut self, action: ActionId, reason: &str) -> Outcome {
        if !self.incident.plan_waits_for.is_empty() {
            self.incident.plan_waits_for.clear();
            self.say(format!("no plan waits any more: {reason}"), About::Action(action));
        }
        Ok(())
    }

    pub(super) fn no_plan(&mut self, reason: EscalationReason, message: &str) -> Outcome {
        match self.incident.state {
            State::Diagnosing => {
                self.escalate(reason, format!("no plan: {message}"), About::Incident);
                Ok(())
            }
            // The gate is asked again before the call, and a blocked action makes none.
            State::AwaitingApproval | State::Remediating if reason == EscalationReason::Blocked => {
                let about = self.incident.action.map_or(About::Incident, About::Action);
                self.escalate(reason, format!("blocked before it began: {message}"), about);
                Ok(())
            }
            State::Escalated => Ok(()),
            state if state.is_terminal() => Ok(()),
            _ => Err(self.illegal()),
        }
    }

    pub(super) fn begin_attempt(&mut self) {
        self.enter(State::Remediating, self.rules.remediating());
        self.incident.attempts = self.incident.attempts.saturating_add(1);
    }

    pub(super) fn approved(&mut self, action: ActionId) -> Outcome {
        self.living()?;
        self.same_action(action)?;
        match self.incident.state {
            // In DIAGNOSING a person was quicker than the plan that was to take this one's place.
            State::AwaitingApproval | State::Diagnosing => {
                self.begin_attempt();
                self.say("approved", About::Action(action));
                Ok(())
            }
            state if state.is_acting() => Ok(()),
            _ => Err(self.illegal()),
        }
    }

    pub(super) fn not_approved(&mut self, action: ActionId, expired: bool) -> Outcome {
        let message = if expired { "the approval came too late" } else { "refused or withdrawn" };
        if self.incident.state.is_terminal() || self.incident.state == State::Escalated {
            return Ok(());
        }
        self.same_action(action)?;
        match self.incident.state {
            // Nobody was told that it waits, or it was not begun because of the window.
            State::AwaitingApproval | State::Remediating if expired && self.is_excused() => {
                self.plan();
                self.say("its time ended in maintenance; it is planned for again", About::Action(action));
                Ok(())
            }
            // Whoever refuses a repair has taken over; the next hypothesis is theirs to ask for.
            State::AwaitingApproval => {
                self.escalate(EscalationReason::NotApproved, format!("not approved: {message}"), About::Action(action));
                Ok(())
            }
            // Withdrawn after policy or a person let it go ahead, before its target was called.
            State::Remediating => {
                self.escalate(EscalationReason::NotApproved, format!("cancelled: {message}"), About::Action(action));
                Ok(())
            }
            // Withdrawn for a plan from a newer diagnosis, which is being made.
            State::Diagnosing => Ok(()),
            _ => Err(self.illegal()),
        }
    }

    pub(super) fn check_recovery(&mut self, action: ActionId) {
        self.effects.push(Effect::CheckRecovery { action: Some(action) });
    }
}
