//! Calls to targets: each is made under one id until the target has seen it, and what it says then counts.

use std::time::Duration;

use llm_sre_domain::Timestamp;
use llm_sre_domain::incident::Actor;
use llm_sre_domain::remedy::{Action, ActionEvent, Block, check_undo};
use llm_sre_mesh::records::Stored;
use llm_sre_mesh::status;
use llm_sre_ports::leases::Lease;
use llm_sre_proto::incident::v1 as incident;
use llm_sre_proto::remediation::v1;
use tonic::Status;

use crate::Service;
use crate::kept::Kept;
use crate::target::Outcome;

/// How long it takes until a call that its target never saw is made again, by the product's clock.
const CALL_AGAIN_AFTER: Duration = Duration::from_secs(5);

/// Whether a call that its target never saw may be made.
enum May {
    Call,
    /// Later, perhaps.
    Wait,
    /// Never, and why.
    Not(String),
    /// Never, since holds kept it back until its time was over.
    Held(Vec<Block>),
}

impl Service {
    /// Goes on with a call whose intent is stored: by this process or by another, before or after the call.
    pub(crate) async fn go_on(&self, stored: Stored<Kept>) -> Result<Stored<Kept>, Status> {
        let Some(lease) = self.lease(&stored).await? else { return Ok(stored) };
        // Another instance may have gone on with it before it gave the lease back.
        let stored = self.find(&stored.message.action.name).await?;
        let done = match stored.message.action.state() {
            v1::ActionState::Executing => self.execute(stored, &lease, false).await,
            v1::ActionState::RollingBack => self.roll_back(stored, &lease).await,
            _ => Ok(stored),
        };
        self.release(lease).await;
        done
    }

    /// Has the target carry the action out, or asks it what became of that. `is_first` is for the pass that stored the
    /// intent: only that knows that the target was not called yet.
    pub(crate) async fn execute(
        &self,
        stored: Stored<Kept>,
        lease: &Lease,
        is_first: bool,
    ) -> Result<Stored<Kept>, Status> {
        let action = stored.message.domain()?;
        let (spec, name) = (&action.plan.spec, stored.message.action.name.clone());
        let before = if is_first { Outcome::NeverSeen } else { self.targets.state(&spec.target, &name).await };
        let (stored, outcome) = match before {
            // A target that forgot would do it twice.
            Outcome::NeverSeen if stored.message.is_seen => {
                return self.apply(&stored, ActionEvent::OutcomeUnknown, &Actor::product(), |_| ()).await;
            }
            Outcome::NeverSeen => match self.may_call(&stored, &action, is_first).await? {
                May::Call => {
                    let step = |kept: &mut Kept| kept.owe_call("execute again", lease, self.clock.now());
                    let stored = if is_first { stored } else { self.note_call(&stored, &name, step).await? };
                    self.renew(lease).await?;
                    let call = self.targets.execute(spec, &name, lease.token);
                    let steps = if is_first { None } else { Some(stored.message.steps) };
                    (stored, self.call(&action, &name, steps, call).await?)
                }
                May::Wait => (stored, Outcome::NeverSeen),
                May::Not(reason) => (stored, Outcome::Failed(reason)),
                May::Held(blocks) => {
                    return self.apply(&stored, ActionEvent::Blocked { blocks }, &Actor::product(), |_| ()).await;
                }
            },
            other => (stored, other),
        };
        self.note_answer(&name, &outcome);
        let event = match outcome {
            Outcome::Done => ActionEvent::Succeeded,
            Outcome::Failed(reason) | Outcome::Refused(reason) => ActionEvent::Failed { reason },
            Outcome::Silent(_) if self.memory.is_silent(&name) => ActionEvent::OutcomeUnknown,
            Outcome::Running if !stored.message.is_seen => return self.note(&stored, |kept| kept.is_seen = true).await,
            // Whether a call may still arrive is known soon.
            Outcome::NeverSeen if is_late(&action, self.clock.now()) => return Ok(stored),
            Outcome::Silent(_) | Outcome::Running | Outcome::NeverSeen => ActionEvent::DeadlinePassed,
        };
        self.apply(&stored, event, &Actor::product(), |_| ()).await
    }

    /// Has the target take the action back, or asks it what became of that.
    async fn roll_back(&self, stored: Stored<Kept>, lease: &Lease) -> Result<Stored<Kept>, Status> {
        let action = stored.message.domain()?;
        let (spec, now) = (&action.plan.spec, self.clock.now());
        let name = stored.message.action.name.clone();
        let undo = format!("{name}/undo");
        let (stored, outcome) = match self.targets.state(&spec.target, &undo).await {
            // A target that forgot would take back what came after.
            Outcome::NeverSeen if stored.message.is_undo_seen => {
                let reason = "nobody knows whether it was undone: the target forgot of it".to_owned();
                (stored, Outcome::Failed(reason))
            }
            Outcome::NeverSeen if !is_late(&action, now) && self.memory.is_due(&undo, now, CALL_AGAIN_AFTER) => {
                Box::pin(self.call_undo(stored, lease, &action, &undo)).await?
            }
            other => (stored, other),
        };
        self.note_answer(&undo, &outcome);
        let event = match outcome {
            Outcome::Done => ActionEvent::Undone,
            Outcome::Failed(reason) | Outcome::Refused(reason) => ActionEvent::UndoFailed { reason },
            Outcome::Silent(reason) if self.memory.is_silent(&undo) => {
                ActionEvent::UndoFailed { reason: format!("nobody knows whether it was undone: {reason}") }
            }
            Outcome::Running if !stored.message.is_undo_seen => {
                return self.note(&stored, |kept| kept.is_undo_seen = true).await;
            }
            Outcome::Silent(_) | Outcome::Running | Outcome::NeverSeen => ActionEvent::DeadlinePassed,
        };
        self.apply(&stored, event, &Actor::product(), |_| ()).await
    }

    /// Has a target that never saw the call take the action back, where it may be.
    async fn call_undo(
        &self,
        stored: Stored<Kept>,
        lease: &Lease,
        action: &Action,
        undo: &str,
    ) -> Result<(Stored<Kept>, Outcome), Status> {
        let spec = &action.plan.spec;
        if self.is_held(action).await? {
            return Ok((stored, Outcome::NeverSeen));
        }
        let is_first = !stored.message.is_undo_called;
        if let Some(why) = self.forbids_undo(&stored.message, action).await? {
            // A call that may still arrive is not one without effect.
            let is_sure = is_first || self.memory.has_settled(undo, stored.message.steps);
            return Ok((stored, if is_sure { Outcome::Failed(why) } else { Outcome::NeverSeen }));
        }
        let step = |kept: &mut Kept| {
            kept.is_undo_called = true;
            kept.owe_call("undo", lease, self.clock.now());
        };
        let stored = self.note_call(&stored, undo, step).await?;
        self.renew(lease).await?;
        let call = self.targets.undo(spec, undo, &stored.message.action.name, lease.token);
        let steps = if is_first { None } else { Some(stored.message.steps) };
        let outcome = self.call(action, undo, steps, call).await?;
        Ok((stored, outcome))
    }

    /// Why an action is left as it was carried out: its service is not to be acted on any more, or its incident was
    /// resolved since, as things are now. What a person ordered is not for the incident.
    async fn forbids_undo(&self, kept: &Kept, action: &Action) -> Result<Option<String>, Status> {
        if let Err(blocks) = check_undo(action, &self.policy) {
            let details: Vec<&str> = blocks.iter().map(|block| block.detail.as_str()).collect();
            return Ok(Some(details.join("; ")));
        }
        if kept.is_undo_ordered {
            return Ok(None);
        }
        let incident = self.incident(&kept.incident_name()).await?;
        let is_resolved = incident.state() == incident::State::Resolved;
        Ok(is_resolved.then(|| "its incident was resolved as things are, and nobody ordered it".to_owned()))
    }

    fn note_answer(&self, about: &str, outcome: &Outcome) {
        if !matches!(outcome, Outcome::Silent(_)) {
            self.memory.answered(about);
        }
    }

    /// Makes a call, if there is still time, and says what it came to. A reply that was lost says nothing; the target
    /// does. One that it never saw is made again under the same id, so that it is one effect even if the first was only
    /// late. `steps` are on the record, and none for the first of all calls. What people ordered to be left alone meanwhile
    /// is as if it had never been called.
    async fn call(
        &self,
        action: &Action,
        id: &str,
        steps: Option<u64>,
        call: impl Future<Output = Outcome>,
    ) -> Result<Outcome, Status> {
        if self.is_held(action).await? {
            return Ok(Outcome::NeverSeen);
        }
        // What came before it may have taken long.
        if is_late(action, self.clock.now()) {
            let late = || Outcome::Refused("its time is over".to_owned());
            return Ok(steps.map_or_else(late, |_| Outcome::NeverSeen));
        }
        let outcome = match call.await {
            Outcome::Silent(_) => self.targets.state(&action.plan.spec.target, id).await,
            Outcome::NeverSeen => Outcome::Failed("the target does not know its own answer".to_owned()),
            // One before it may still arrive.
            Outcome::Refused(_) if steps.is_some_and(|steps| !self.memory.has_settled(id, steps)) => {
                return Ok(Outcome::NeverSeen);
            }
            other => other,
        };
        if matches!(outcome, Outcome::NeverSeen | Outcome::Silent(_)) {
            self.memory.called(id, steps.unwrap_or_default());
        }
        Ok(outcome)
    }

    /// Whether to call a target that never saw the call. Since the intent was stored a process may have been dead for
    /// long, in which people changed policy or ended the incident: everything is asked again.
    async fn may_call(&self, stored: &Stored<Kept>, action: &Action, is_first: bool) -> Result<May, Status> {
        let (kept, now) = (&stored.message, self.clock.now());
        let name = &kept.action.name;
        // A call that may still arrive is not one without effect.
        let is_sure = is_first || self.memory.has_settled(name, kept.steps);
        let not = |why: &str| {
            if is_sure { May::Not(format!("the target never saw the call, and {why}")) } else { May::Wait }
        };
        if is_late(action, now) {
            // What was held back says nothing against the treatment.
            let blocks = if is_sure { self.held_back(action).await? } else { Vec::new() };
            return Ok(if blocks.is_empty() { not("its time is over") } else { May::Held(blocks) });
        }
        // Its owner has to know that it started.
        if !kept.unreported.is_empty() {
            return Ok(May::Wait);
        }
        let past = "its incident does not wait for it";
        if !self.is_awaited(kept).await? {
            return Ok(not(past));
        }
        if is_first {
            return Ok(May::Call);
        }
        if !self.memory.is_due(&format!("{name}/call"), now, CALL_AGAIN_AFTER) {
            return Ok(May::Wait);
        }
        match self.check(stored, action).await? {
            // It took its time, in which the incident may have ended.
            Some(Ok(_)) => Ok(if self.is_awaited(kept).await? { May::Call } else { not(past) }),
            Some(Err(blocks)) if !blocks.iter().all(|block| block.reason.is_passing()) => {
                let details: Vec<&str> = blocks.iter().map(|block| block.detail.as_str()).collect();
                Ok(not(&details.join("; ")))
            }
            Some(Err(_)) | None => Ok(May::Wait),
        }
    }

    /// Whether the incident waits for this action's end.
    async fn is_awaited(&self, kept: &Kept) -> Result<bool, Status> {
        let incident = self.incident(&kept.incident_name()).await?;
        Ok(incident.state() == incident::State::Remediating && incident.action == kept.action.name)
    }

    /// Puts a call on the record, before it is made.
    async fn note_call(
        &self,
        stored: &Stored<Kept>,
        id: &str,
        step: impl FnOnce(&mut Kept),
    ) -> Result<Stored<Kept>, Status> {
        let noted = self.note(stored, step).await?;
        self.memory.stepped(id, stored.message.steps, noted.message.steps);
        Ok(noted)
    }

    /// Stores what is to be remembered of an action, and sees to what it owes.
    async fn note(&self, stored: &Stored<Kept>, change: impl FnOnce(&mut Kept)) -> Result<Stored<Kept>, Status> {
        let mut kept = stored.message.clone();
        change(&mut kept);
        let noted = self.write(stored, &kept).await?.ok_or_else(|| status::etag_mismatch(&kept.action.name))?;
        self.settle(noted).await
    }
}

fn is_late(action: &Action, now: Timestamp) -> bool {
    action.deadline.is_some_and(|deadline| now >= deadline)
}
