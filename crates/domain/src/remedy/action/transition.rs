//! The transitions of an action.

use super::{
    Action, ActionEffect, ActionEvent, ActionId, ActionState, Actor, Block, Clearance, Decision, Digest, EventKind,
    Illegal, Reversibility, Timestamp, UNDO_DEADLINE, Verdict, blocked_report,
};

type Effects = Result<Vec<ActionEffect>, Illegal>;

impl Action {
    pub(super) fn take(&mut self, event: ActionEvent, now: Timestamp) -> Effects {
        let action = self.plan.id;
        match event {
            ActionEvent::Approved { actor, note, digest } => self.approve(actor, note, digest, now),
            ActionEvent::Rejected { actor, note } => self.reject(actor, note, now),
            ActionEvent::Cancelled { actor, note } => self.cancel(&actor, note, now),
            ActionEvent::Blocked { blocks } => self.block(blocks, now),
            ActionEvent::Started { clearance, fencing_token } => self.start(&clearance, fencing_token, now),
            ActionEvent::Succeeded => match self.state {
                ActionState::Executing => {
                    self.enter(ActionState::Verifying, Some(now + self.plan.verification.deadline));
                    Ok(vec![report(EventKind::ActionSucceeded { action }), ActionEffect::MeasureRecovery])
                }
                _ => self.known(),
            },
            ActionEvent::Failed { reason } => match self.state {
                ActionState::Executing => {
                    self.end(ActionState::Failed, format!("the target failed it, without effect: {reason}"), now);
                    // Without effect there is nothing to undo, and the incident goes on at once.
                    let failed = EventKind::ActionFailed { action, reason };
                    Ok(vec![report(failed), report(EventKind::RolledBack { action })])
                }
                _ => self.known(),
            },
            ActionEvent::OutcomeUnknown => match self.state {
                ActionState::Executing => Ok(self.lose(now)),
                _ => self.known(),
            },
            ActionEvent::Verified { verdict } => match self.state {
                ActionState::Verifying => Ok(self.verify(verdict, now)),
                _ => self.known(),
            },
            ActionEvent::RollbackOrdered { actor, note } => self.order_rollback(&actor, &note, now),
            ActionEvent::Undone => match self.state {
                ActionState::RollingBack => {
                    let outcome = format!("{}; undone", self.outcome);
                    self.end(ActionState::RolledBack, outcome, now);
                    Ok(vec![report(EventKind::RolledBack { action })])
                }
                _ => self.known(),
            },
            ActionEvent::UndoFailed { reason } => match self.state {
                ActionState::RollingBack => Ok(self.fail_undo(reason, now)),
                _ => self.known(),
            },
            ActionEvent::DeadlinePassed => Ok(self.pass_deadline(now)),
        }
    }

    fn illegal(&self) -> Illegal {
        Illegal::State { action: self.plan.id, state: self.state }
    }

    /// A report of what a call came to: known already where the call lies behind, impossible where it lies ahead.
    fn known(&self) -> Effects {
        if self.executed_at.is_some() { Ok(Vec::new()) } else { Err(self.illegal()) }
    }

    fn enter(&mut self, state: ActionState, deadline: Option<Timestamp>) {
        self.state = state;
        self.deadline = deadline;
    }

    fn end(&mut self, state: ActionState, outcome: String, now: Timestamp) {
        self.enter(state, None);
        self.outcome = outcome;
        self.ended_at = Some(now);
    }

    fn approve(&mut self, actor: Actor, note: String, digest: Digest, now: Timestamp) -> Effects {
        let action = self.plan.id;
        if self.state != ActionState::AwaitingApproval {
            return Err(self.illegal());
        }
        if actor.is_product() {
            return Err(Illegal::NotAPerson { action, actor });
        }
        if digest != self.plan.digest {
            return Err(Illegal::Digest { action, expected: self.plan.digest });
        }
        if let Some(deadline) = self.deadline.filter(|deadline| now >= *deadline) {
            return Err(Illegal::Expired { action, deadline });
        }
        // The deadline stands: an approval expires with the offer, whether or not the action began by then.
        self.state = ActionState::Approved;
        self.decision = Some(Decision { approved: true, actor, note, time: now, digest });
        Ok(vec![report(EventKind::ActionApproved { action })])
    }

    fn reject(&mut self, actor: Actor, note: String, now: Timestamp) -> Effects {
        if self.state != ActionState::AwaitingApproval {
            return Err(self.illegal());
        }
        self.end(ActionState::Rejected, format!("refused by {actor}"), now);
        self.decision = Some(Decision { approved: false, actor, note, time: now, digest: self.plan.digest });
        Ok(vec![report(EventKind::ActionRejected { action: self.plan.id })])
    }

    fn cancel(&mut self, actor: &Actor, note: String, now: Timestamp) -> Effects {
        match self.state {
            ActionState::Cancelled => Ok(Vec::new()),
            ActionState::Suggested | ActionState::AwaitingApproval | ActionState::Approved => {
                let incident_waits = self.state != ActionState::Suggested && !actor.is_product();
                let outcome = if note.is_empty() { format!("withdrawn by {actor}") } else { note };
                self.end(ActionState::Cancelled, outcome, now);
                // The product cancels what an incident no longer waits for.
                let told = incident_waits.then(|| report(EventKind::ActionRejected { action: self.plan.id }));
                Ok(told.into_iter().collect())
            }
            _ => Err(self.illegal()),
        }
    }

    fn block(&mut self, blocks: Vec<Block>, now: Timestamp) -> Effects {
        match self.state {
            ActionState::Blocked => Ok(Vec::new()),
            ActionState::Approved | ActionState::Executing => {
                let told = blocked_report(&blocks);
                self.blocks = blocks;
                let before = if self.state == ActionState::Approved { "it began" } else { "its target saw the call" };
                self.end(ActionState::Blocked, format!("blocked before {before}"), now);
                // What no target saw is no attempt.
                (self.executed_at, self.fencing_token) = (None, 0);
                Ok(vec![report(told)])
            }
            _ => Err(self.illegal()),
        }
    }

    fn start(&mut self, clearance: &Clearance, fencing_token: u64, now: Timestamp) -> Effects {
        let action = self.plan.id;
        if self.state != ActionState::Approved {
            return Err(self.illegal());
        }
        if !clearance.is_for(&self.plan) {
            return Err(Illegal::Digest { action, expected: self.plan.digest });
        }
        if let Some(deadline) = self.deadline.filter(|deadline| now >= *deadline) {
            return Err(Illegal::Expired { action, deadline });
        }
        self.enter(ActionState::Executing, Some(now + clearance.within));
        self.executed_at = Some(now);
        self.fencing_token = fencing_token;
        Ok(vec![report(EventKind::ActionStarted { action }), ActionEffect::Execute])
    }

    fn verify(&mut self, verdict: Verdict, now: Timestamp) -> Vec<ActionEffect> {
        let told = report(EventKind::Verified { action: self.plan.id, verdict, reason: String::new() });
        let outcome = match verdict {
            Verdict::Recovered => {
                self.end(ActionState::Succeeded, "recovered, as measured".to_owned(), now);
                return vec![told];
            }
            Verdict::NotRecovered => "not recovered, as measured",
            Verdict::Inconclusive => "recovery could not be measured",
        };
        self.roll_back_or_leave(told, outcome.to_owned(), now)
    }

    fn roll_back_or_leave(&mut self, told: ActionEffect, outcome: String, now: Timestamp) -> Vec<ActionEffect> {
        let action = self.plan.id;
        if self.plan.reversibility == Reversibility::Undo {
            self.outcome = outcome;
            self.enter(ActionState::RollingBack, Some(now + UNDO_DEADLINE));
            return vec![told, ActionEffect::Undo];
        }
        self.end(ActionState::Ineffective, outcome, now);
        vec![told, report(EventKind::RolledBack { action })]
    }

    fn order_rollback(&mut self, actor: &Actor, note: &str, now: Timestamp) -> Effects {
        match self.state {
            ActionState::RollingBack => Ok(Vec::new()),
            ActionState::Verifying if self.plan.reversibility == Reversibility::Undo => {
                let told = report(EventKind::RollbackStarted { action: self.plan.id });
                let outcome = format!("{actor} had it undone");
                let outcome = if note.is_empty() { outcome } else { format!("{outcome}: {note}") };
                Ok(self.roll_back_or_leave(told, outcome, now))
            }
            _ => Err(self.illegal()),
        }
    }

    fn fail_undo(&mut self, reason: String, now: Timestamp) -> Vec<ActionEffect> {
        self.end(ActionState::RollbackFailed, format!("{}; could not be undone: {reason}", self.outcome), now);
        vec![report(EventKind::RollbackFailed { action: self.plan.id, reason })]
    }

    fn lose(&mut self, now: Timestamp) -> Vec<ActionEffect> {
        self.end(ActionState::Unknown, "nobody knows whether it took effect".to_owned(), now);
        vec![report(EventKind::ActionUnknown { action: self.plan.id })]
    }

    fn pass_deadline(&mut self, now: Timestamp) -> Vec<ActionEffect> {
        if self.deadline.is_none_or(|deadline| now < deadline) {
            return Vec::new();
        }
        let action: ActionId = self.plan.id;
        match self.state {
            ActionState::AwaitingApproval | ActionState::Approved => {
                self.end(ActionState::Expired, "it was not approved or not begun in time".to_owned(), now);
                vec![report(EventKind::ApprovalExpired { action })]
            }
            // A timeout is never success: whoever waited no longer knows.
            ActionState::Executing => self.lose(now),
            ActionState::Verifying => self.verify(Verdict::Inconclusive, now),
            ActionState::RollingBack => self.fail_undo("it did not end in time".to_owned(), now),
            _ => Vec::new(),
        }
    }
}

fn report(kind: EventKind) -> ActionEffect {
    ActionEffect::Report(kind)
}
