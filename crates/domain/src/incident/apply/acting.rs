//! From the action's start to its verdict, and back.

use super::{
    About, ActionId, Effect, EscalationReason, IllegalTransition, Outcome, ResolutionReason, State, Step, Verdict,
};

impl Step<'_> {
    pub(super) fn same_action(&self, action: ActionId) -> Outcome {
        if self.incident.action == Some(action) {
            return Ok(());
        }
        Err(IllegalTransition::OtherAction {
            incident: self.incident.id,
            event: self.name,
            action,
            current: self.incident.action,
        })
    }

    pub(super) fn started(&mut self, action: ActionId) -> Outcome {
        self.living()?;
        match self.incident.state {
            // The report of its proposal was lost; reconciliation found the action itself.
            _ if self.incident.is_plan_awaited() && self.incident.action != Some(action) => {
                self.incident.action = Some(action);
                self.begin_attempt();
            }
            State::AwaitingApproval => {
                self.same_action(action)?;
                self.begin_attempt();
            }
            State::Remediating => {
                self.same_action(action)?;
                self.enter(State::Remediating, self.rules.remediating());
            }
            State::Verifying | State::RollingBack => return self.same_action(action),
            State::Diagnosing | State::Escalated if self.incident.action == Some(action) => return Ok(()),
            _ => return Err(self.illegal()),
        }
        self.say("execution started", About::Action(action));
        Ok(())
    }

    pub(super) fn succeeded(&mut self, action: ActionId) -> Outcome {
        match self.incident.state {
            State::Remediating => {
                self.same_action(action)?;
                self.enter(State::Verifying, self.rules.verifying());
                self.say("the target says that it is done; recovery is being measured", About::Action(action));
                self.check_recovery(action);
                Ok(())
            }
            // Escalated by the deadline, done after all: people have it now, and recovery is worth a look.
            State::Escalated if self.incident.action == Some(action) => {
                self.say("the target says, late, that it is done", About::Action(action));
                self.effects.push(Effect::CheckRecovery { action: None });
                Ok(())
            }
            _ => self.late(action),
        }
    }

    pub(super) fn failed(&mut self, action: ActionId, reason: &str) -> Outcome {
        match self.incident.state {
            State::Remediating => {
                self.same_action(action)?;
                self.roll_back(action, &format!("the action failed: {reason}"));
                Ok(())
            }
            _ => self.late(action),
        }
    }

    pub(super) fn unknown(&mut self, action: ActionId) -> Outcome {
        match self.incident.state {
            State::AwaitingApproval | State::Remediating | State::RollingBack => {
                self.same_action(action)?;
                let message = "nobody knows whether the action took effect; its target is not called again";
                self.escalate(EscalationReason::OutcomeUnknown, message, About::Action(action));
                Ok(())
            }
            _ => self.late(action),
        }
    }

    pub(super) fn verified(&mut self, action: ActionId, verdict: Verdict, reason: &str) -> Outcome {
        match self.incident.state {
            State::Verifying => self.same_action(action)?,
            // The incident's own deadline was quicker than the action; what was measured still holds.
            State::Escalated if self.incident.action == Some(action) && verdict == Verdict::Recovered => {}
            _ => return self.late(action),
        }
        let because =
            |outcome: &str| if reason.is_empty() { outcome.to_owned() } else { format!("{outcome}: {reason}") };
        match verdict {
            Verdict::Recovered => self.resolve(ResolutionReason::Measured, String::new(), "recovered, as measured"),
            Verdict::NotRecovered => self.roll_back(action, &because("not recovered, as measured")),
            Verdict::Inconclusive => self.roll_back(action, &because("recovery could not be measured")),
        }
        Ok(())
    }

    pub(super) fn rollback_started(&mut self, action: ActionId) -> Outcome {
        match self.incident.state {
            State::Verifying => {
                self.same_action(action)?;
                self.enter(State::RollingBack, self.rules.rolling_back());
                self.say("a person has it undone", About::Action(action));
                Ok(())
            }
            _ => self.late(action),
        }
    }

    pub(super) fn rolled_back(&mut self, action: ActionId) -> Outcome {
        if self.incident.state != State::RollingBack {
            return self.late(action);
        }
        self.same_action(action)?;
        // What was seen since says more than the diagnosis that led to this, and that it did not help says something,
        // too.
        self.enter(State::Diagnosing, self.rules.diagnosing());
        self.effects.push(Effect::RequestDiagnosis);
        self.say("undone; it is explained again", About::Action(action));
        Ok(())
    }

    pub(super) fn rollback_failed(&mut self, action: ActionId, reason: &str) -> Outcome {
        if self.incident.state != State::RollingBack {
            return self.late(action);
        }
        self.same_action(action)?;
        let message = format!("could not be undone: {reason}");
        self.escalate(EscalationReason::RollbackFailed, message, About::Action(action));
        Ok(())
    }

    pub(super) fn roll_back(&mut self, action: ActionId, message: &str) {
        self.enter(State::RollingBack, self.rules.rolling_back());
        self.say(message, About::Action(action));
        self.effects.push(Effect::RollBack { action });
    }

    /// A report of how something went, where the incident no longer waits for it: nothing to do for what is settled or
    /// superseded, illegal for what the incident never heard of.
    fn late(&self, action: ActionId) -> Outcome {
        let settled = self.incident.state.is_terminal() || self.incident.state == State::Escalated;
        if settled || self.incident.attempts > 0 && self.incident.state == State::Diagnosing {
            return Ok(());
        }
        if self.incident.state.is_acting() {
            return self.same_action(action);
        }
        Err(self.illegal())
    }
}
