//! Calls to targets: each is made under one id until the target has seen it, and what it says then counts.

use std::sync::OnceLock;
use std::time::Duration;

use llm_sre_domain::ServiceId;
use llm_sre_domain::incident::Actor;
use llm_sre_domain::remedy::{Action, ActionEvent};
use llm_sre_mesh::records::Stored;
use llm_sre_mesh::stages::real_now_unix_nano;
use llm_sre_mesh::status;
use llm_sre_ports::leases::Lease;
use llm_sre_proto::incident::v1 as incident;
use llm_sre_proto::remediation::v1;
use tokio::time::Instant;
use tonic::Status;

use crate::Service;
use crate::kept::Kept;
use crate::target::Outcome;

/// How long it takes until a call that its target never saw is made again, by the product's clock.
const CALL_AGAIN_AFTER: Duration = Duration::from_secs(5);
/// For so long a call may still be on its way to a target that has not seen it, in real time: longer than a call's
/// time-out.
const ON_ITS_WAY_MAX: Duration = Duration::from_secs(30);

/// Nanoseconds of real time since 1970, by the wall clock when this was first asked and by the runtime's from then on: no
/// correction of the wall clock shortens how long ago a call was.
pub(crate) fn steady_now_unix_nano() -> u64 {
    static FIRST: OnceLock<(u64, Instant)> = OnceLock::new();
    let (unix_nano, at) = FIRST.get_or_init(|| (real_now_unix_nano(), Instant::now()));
    unix_nano.saturating_add(u64::try_from(at.elapsed().as_nanos()).unwrap_or(u64::MAX))
}

/// Whether a call that its target never saw may be made.
enum May {
    Call,
    /// Later, perhaps.
    Wait,
    /// Never, and why.
    Not(String),
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
                    let stored =
                        if is_first { stored } else { self.note_call(&stored, "execute again", lease).await? };
                    self.hold(lease).await?;
                    let said = self.targets.execute(spec, &name, lease.token).await;
                    (stored, self.confirmed(said, &spec.target, &name).await)
                }
                May::Wait => (stored, Outcome::NeverSeen),
                May::Not(reason) => (stored, Outcome::Failed(reason)),
            },
            other => (stored, other),
        };
        self.note_answer(&name, &outcome);
        let event = match outcome {
            Outcome::Done => ActionEvent::Succeeded,
            Outcome::Failed(reason) => ActionEvent::Failed { reason },
            Outcome::Silent(_) if self.memory.is_silent(&name) => ActionEvent::OutcomeUnknown,
            Outcome::Running if !stored.message.is_seen => return self.note_seen(stored).await,
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
        let is_late = action.deadline.is_some_and(|deadline| now >= deadline);
        let (stored, outcome) = match self.targets.state(&spec.target, &undo).await {
            Outcome::NeverSeen if !is_late && self.memory.is_due(&undo, now, CALL_AGAIN_AFTER) => {
                let stored = self.note_call(&stored, "undo", lease).await?;
                self.hold(lease).await?;
                let said = self.targets.undo(spec, &undo, &name, lease.token).await;
                (stored, self.confirmed(said, &spec.target, &undo).await)
            }
            other => (stored, other),
        };
        self.note_answer(&undo, &outcome);
        let event = match outcome {
            Outcome::Done => ActionEvent::Undone,
            Outcome::Failed(reason) => ActionEvent::UndoFailed { reason },
            Outcome::Silent(reason) if self.memory.is_silent(&undo) => {
                ActionEvent::UndoFailed { reason: format!("nobody knows whether it was undone: {reason}") }
            }
            Outcome::Silent(_) | Outcome::Running | Outcome::NeverSeen => ActionEvent::DeadlinePassed,
        };
        self.apply(&stored, event, &Actor::product(), |_| ()).await
    }

    fn note_answer(&self, about: &str, outcome: &Outcome) {
        if !matches!(outcome, Outcome::Silent(_)) {
            self.memory.answered(about);
        }
    }

    /// What a call came to. A reply that was lost says nothing; the target does. One that it never saw is made again
    /// under the same id, so that it is one effect even if the first was only late.
    async fn confirmed(&self, said: Outcome, target: &ServiceId, id: &str) -> Outcome {
        match said {
            Outcome::Silent(_) => self.targets.state(target, id).await,
            Outcome::NeverSeen => Outcome::Failed("the target does not know its own answer".to_owned()),
            other => other,
        }
    }

    /// Whether to call a target that never saw the call. Since the intent was stored a process may have been dead for
    /// long, in which people changed policy or ended the incident: everything is asked again.
    async fn may_call(&self, stored: &Stored<Kept>, action: &Action, is_first: bool) -> Result<May, Status> {
        let (kept, now) = (&stored.message, self.clock.now());
        let on_its_way = Duration::from_nanos(steady_now_unix_nano().saturating_sub(kept.called_unix_nano));
        let not = |why: &str| {
            // A call that may still arrive is not one without effect.
            let is_sure = is_first || on_its_way >= ON_ITS_WAY_MAX;
            if is_sure { May::Not(format!("the target never saw the call, and {why}")) } else { May::Wait }
        };
        if action.deadline.is_some_and(|deadline| now >= deadline) {
            return Ok(not("its time is over"));
        }
        // Its owner has to know that it started.
        if !kept.unreported.is_empty() {
            return Ok(May::Wait);
        }
        if !self.is_awaited(kept).await? {
            return Ok(not("its incident does not wait for it"));
        }
        if is_first {
            return Ok(May::Call);
        }
        if !self.memory.is_due(&format!("{}/call", kept.action.name), now, CALL_AGAIN_AFTER) {
            return Ok(May::Wait);
        }
        Ok(match self.check(stored, action).await? {
            Some(Ok(_)) => May::Call,
            Some(Err(blocks)) if !blocks.iter().all(|block| block.reason.is_passing()) => {
                let details: Vec<&str> = blocks.iter().map(|block| block.detail.as_str()).collect();
                not(&details.join("; "))
            }
            Some(Err(_)) | None => May::Wait,
        })
    }

    /// Whether the incident waits for this action's end.
    async fn is_awaited(&self, kept: &Kept) -> Result<bool, Status> {
        let incident = self.incident(&kept.incident_name()).await?;
        Ok(incident.state() == incident::State::Remediating && incident.action == kept.action.name)
    }

    /// Puts a call on the record, before it is made.
    async fn note_call(&self, stored: &Stored<Kept>, step: &str, lease: &Lease) -> Result<Stored<Kept>, Status> {
        let mut kept = stored.message.clone();
        kept.called_unix_nano = steady_now_unix_nano();
        kept.owe_step(&Actor::product(), step, format!("fencing token {}", lease.token), self.clock.now());
        let noted = self.write(stored, &kept).await?.ok_or_else(|| status::etag_mismatch(&kept.action.name))?;
        self.settle(noted).await
    }

    /// Remembers that the target knows of the call.
    async fn note_seen(&self, stored: Stored<Kept>) -> Result<Stored<Kept>, Status> {
        let mut kept = stored.message.clone();
        kept.is_seen = true;
        Ok(self.write(&stored, &kept).await?.unwrap_or(stored))
    }
}
