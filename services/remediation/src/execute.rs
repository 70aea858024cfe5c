//! Carrying actions out: from what may be done to what was done.
//!
//! Every pass reads a record, does at most what its state asks for, and stores what came of it. A pass may be cut off
//! anywhere: the next one finds the state that was stored and asks the target before it calls it again.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use llm_sre_domain::Timestamp;
use llm_sre_domain::incident::{Actor, EventKind};
use llm_sre_domain::remedy::{Action, ActionEvent, Block, BlockReason, Clearance, TargetState, check_start};
use llm_sre_mesh::peer::CALL_TIMEOUT;
use llm_sre_mesh::records::Stored;
use llm_sre_mesh::{TraceContext, status};
use llm_sre_ports::leases::Lease;
use llm_sre_proto::convert::common::from_proto_time;
use llm_sre_proto::incident::v1 as incident;
use llm_sre_proto::remediation::v1;
use tokio_util::sync::CancellationToken;
use tonic::Status;

use crate::Service;
use crate::kept::Kept;

/// How often the store is asked for what is pending, in real time.
const POLL: Duration = Duration::from_secs(1);
/// The same while an action is under way.
const POLL_UNDER_WAY: Duration = Duration::from_millis(250);
/// How long the right to act on a target is held. It is renewed right before each call with effect, and outlasts that at
/// its time-out. Who was killed with it keeps others from going on for no longer.
const TARGET_TTL: Duration = Duration::from_secs(2 * CALL_TIMEOUT.as_secs());
/// How long a blocked plan waits until it is made again, by the product's clock.
const REPLAN_AFTER: Duration = Duration::from_secs(10);
/// So long after people were called, what waited is withdrawn: a plan that is made meanwhile would be withdrawn with it.
const WITHDRAWN_AFTER: Duration = Duration::from_secs(20);
/// How often it is asked whether the incident of a suggestion has ended, by the product's clock.
const OVER_EVERY: Duration = Duration::from_secs(30);

impl Service {
    /// Executes, verifies and reports, until `shutdown`. A pass that began is finished.
    pub async fn run(&self, shutdown: CancellationToken) {
        loop {
            let wait = match self.pass().await {
                Ok(true) => POLL_UNDER_WAY,
                Ok(false) => POLL,
                Err(error) => {
                    tracing::warn!(%error, "failed to look for pending actions");
                    POLL
                }
            };
            tokio::select! {
                biased;
                () = shutdown.cancelled() => return,
                () = self.changed.notified() => {}
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    /// Looks once at every pending action, those of different targets at the same time. Says whether one is under way.
    pub(crate) async fn pass(&self) -> Result<bool, Status> {
        if let Err(error) = self.tend_holds().await {
            tracing::warn!(%error, "holds wait for the next pass");
        }
        let pending = self.pending().await?;
        let mut by_target: BTreeMap<_, Vec<Stored<Kept>>> = BTreeMap::new();
        // The store lists the newest first; the oldest has waited longest.
        for stored in pending.into_iter().rev() {
            by_target.entry(stored.message.target()).or_default().push(stored);
        }
        let targets = by_target.into_values().map(|group| async move {
            let mut is_under_way = false;
            for stored in group {
                let name = stored.message.action.name.clone();
                is_under_way |= is_under_way_now(stored.message.action.state());
                let stage = TraceContext::of_stage(stored.message.incident(), &stored.message.present_stage());
                if let Err(error) = stage.scope(Box::pin(self.advance(stored))).await {
                    tracing::warn!(%error, action = name, "this action waits for the next pass");
                }
            }
            is_under_way
        });
        Ok(futures::future::join_all(targets).await.into_iter().any(|is_under_way| is_under_way))
    }

    async fn advance(&self, stored: Stored<Kept>) -> Result<(), Status> {
        use v1::ActionState as State;
        let stored = self.settle(stored).await?;
        let stored = match stored.message.action.state() {
            State::Suggested | State::AwaitingApproval => self.wait(stored).await?,
            State::Approved => Box::pin(self.begin(stored)).await?,
            State::Executing | State::RollingBack => Box::pin(self.go_on(stored)).await?,
            State::Verifying => Box::pin(self.verify(stored)).await?,
            State::Blocked if stored.message.replan => return Box::pin(self.replan(stored)).await,
            _ => stored,
        };
        let stored = self.settle(stored).await?;
        if stored.message.action.end_time.is_some() {
            self.memory.forget(&stored.message.action.name);
        }
        Ok(())
    }

    /// Takes note of a deadline that passed, and of an incident that ended.
    async fn wait(&self, stored: Stored<Kept>) -> Result<Stored<Kept>, Status> {
        if let Some(stored) = self.lapse(&stored).await? {
            return Ok(stored);
        }
        let stored = self.apply(&stored, ActionEvent::DeadlinePassed, &Actor::product(), |_| ()).await?;
        let Kept { action, .. } = &stored.message;
        let (about, now) = (format!("{}/over", action.name), self.clock.now());
        // A suggestion stands for as long as its incident, which can be for days, and nothing is done meanwhile.
        let is_for_later = action.state() == v1::ActionState::Suggested && !self.memory.is_due(&about, now, OVER_EVERY);
        if action.end_time.is_some() || is_for_later || !self.is_over(&stored).await? {
            return Ok(stored);
        }
        self.cancel(stored, "its incident ended").await
    }

    async fn is_over(&self, stored: &Stored<Kept>) -> Result<bool, Status> {
        let incident = self.incident(&stored.message.incident_name()).await?;
        Ok(matches!(incident.state(), incident::State::Resolved | incident::State::Duplicate))
    }

    /// Plans again for an incident whose plan only time blocked, also after people were called because that took too long.
    async fn replan(&self, stored: Stored<Kept>) -> Result<(), Status> {
        let name = stored.message.action.name.clone();
        if !self.memory.is_due(&name, self.clock.now(), REPLAN_AFTER) {
            return Ok(());
        }
        let parent = stored.message.incident_name();
        let incident = self.incident(&parent).await?;
        let mut gives_up = None;
        if is_awaited(&incident) {
            if self.clock.now().since(escalated_at(&incident)) < WITHDRAWN_AFTER {
                return Ok(());
            }
            gives_up = self.gives_up(&incident, &stored.message.domain()?);
            if gives_up.is_none() {
                // What it came to would be the same, and planning is done by one at a time.
                let holds = self.holds(&parent).await?;
                let held = holds.blocks(&stored.message.target(), self.clock.now());
                if !held.is_empty() && is_held_by(&stored.message.domain()?, &held) {
                    return Ok(());
                }
                let request = v1::ProposeActionRequest { parent, ..v1::ProposeActionRequest::default() };
                match Box::pin(self.propose(request)).await {
                    // The same plan is blocked by the same passing rules.
                    Ok(action) if action.name == name => return Ok(()),
                    Ok(_) => {}
                    Err(error) if status::reason(&error).as_deref() == Some("NOTHING_TO_DO") => {}
                    Err(error) => return Err(error),
                }
            }
        }
        let stored = self.find(&name).await?;
        let mut kept = stored.message.clone();
        kept.replan = false;
        if let Some(reason) = gives_up {
            kept.owe_wait(&EventKind::PlanDropped { action: stored.message.domain()?.plan.id, reason });
        }
        self.write(&stored, &kept).await.map(|_| ())
    }

    /// Why a plan that people were called for waits no more: one of them took over, or the picture that it was made from
    /// is older than an approval would be good for.
    fn gives_up(&self, incident: &incident::Incident, action: &Action) -> Option<String> {
        if incident.state() != incident::State::Escalated {
            return None;
        }
        let waited_s = self.clock.now().since(action.created_at).as_secs();
        if incident.acknowledgement.is_some() {
            return Some("somebody acknowledged the incident".to_owned());
        }
        (waited_s >= self.policy.limits.approval_expiry_s).then(|| format!("it waited for {waited_s} s"))
    }

    /// Starts an action that may start.
    async fn begin(&self, stored: Stored<Kept>) -> Result<Stored<Kept>, Status> {
        let stored = self.wait(stored).await?;
        // The owner has to know of the offer before anything is done for it.
        if stored.message.action.state() != v1::ActionState::Approved || !stored.message.unreported.is_empty() {
            return Ok(stored);
        }
        let Some(lease) = self.lease(&stored).await? else { return Ok(stored) };
        let started = self.start(stored, &lease).await;
        let done = match started {
            Ok(stored) if stored.message.action.state() == v1::ActionState::Executing => {
                // On the record before the target is called.
                match self.settle(stored).await {
                    Ok(stored) => Box::pin(self.execute(stored, &lease, true)).await,
                    Err(error) => Err(error),
                }
            }
            other => other,
        };
        self.release(lease).await;
        done
    }

    /// Asks every rule again, and stores the intent.
    async fn start(&self, stored: Stored<Kept>, lease: &Lease) -> Result<Stored<Kept>, Status> {
        let action = stored.message.domain()?;
        let name = &stored.message.action.name;
        let _one_at_a_time = self.gate.lock().await;
        let gate = self.gate_lease().await?;
        let checked = self.check(&stored, &action).await;
        let stored = match checked {
            Ok(Some(Ok(clearance))) => match self.keep_gate(&gate).await {
                Ok(()) => {
                    self.memory.answered(name);
                    let event = ActionEvent::Started { clearance, fencing_token: lease.token };
                    self.apply(&stored, event, &Actor::product(), |_| ()).await
                }
                Err(error) => Err(error),
            },
            Ok(Some(Err(blocks))) if blocks.iter().all(|block| block.reason.is_passing()) => Ok(stored),
            Ok(Some(Err(blocks))) => {
                let event = ActionEvent::Blocked { blocks };
                self.apply(&stored, event, &Actor::product(), |_| ()).await
            }
            Ok(None) => Ok(stored),
            Err(error) => Err(error),
        };
        self.release(gate).await;
        stored
    }

    /// The gate's word; `None` where the target may answer later. What policy forbids costs the target no call.
    pub(crate) async fn check(
        &self,
        stored: &Stored<Kept>,
        action: &Action,
    ) -> Result<Option<Result<Clearance, Vec<Block>>>, Status> {
        let known = self.known_before(stored.message.incident(), action).await?;
        let unasked = TargetState::Refused { reason: String::new() };
        if let Err(mut blocks) = check_start(action, self.around(&known), &unasked) {
            let of_target = [BlockReason::Refused, BlockReason::Precondition, BlockReason::DigestMismatch];
            blocks.retain(|block| !of_target.contains(&block.reason));
            if !blocks.is_empty() {
                return Ok(Some(Err(blocks)));
            }
        }
        let target = match self.targets.validate(&action.plan.spec).await {
            Ok(target) => target,
            Err(reason) if self.memory.is_silent(&stored.message.action.name) => TargetState::Refused { reason },
            Err(_) => return Ok(None),
        };
        self.memory.answered(&stored.message.action.name);
        Ok(Some(check_start(action, self.around(&known), &target)))
    }

    /// The right to act on the action's target; `None` where another instance has it.
    pub(crate) async fn lease(&self, stored: &Stored<Kept>) -> Result<Option<Lease>, Status> {
        let name = format!("target/{}", stored.message.target());
        self.leases.acquire(&name, &self.holder, TARGET_TTL).await.map_err(|error| lost(&error))
    }

    /// Makes sure that the right is still there, right before a call with effect.
    pub(crate) async fn renew(&self, lease: &Lease) -> Result<(), Status> {
        self.leases.renew(lease, TARGET_TTL).await.map_err(|error| lost(&error))
    }
}

/// Whether what holds a plan is what is on its record.
fn is_held_by(action: &Action, held: &[Block]) -> bool {
    let is_hold = |block: &&Block| {
        matches!(block.reason, BlockReason::KillSwitch | BlockReason::Freeze | BlockReason::Maintenance)
    };
    held.iter().collect::<BTreeSet<_>>() == action.blocks.iter().filter(is_hold).collect()
}

/// Whether a plan may go ahead by itself, as the incident's owner takes it.
fn is_awaited(incident: &incident::Incident) -> bool {
    match incident.state() {
        incident::State::Diagnosing => true,
        incident::State::Escalated => incident.escalation_reason() == incident::EscalationReason::Deadline,
        _ => false,
    }
}

/// When people were called; the epoch where they were not.
fn escalated_at(incident: &incident::Incident) -> Timestamp {
    let is_now = |entry: &&incident::TimelineEntry| entry.state() == incident::State::Escalated;
    let first = incident.timeline.iter().rev().take_while(is_now).last();
    first.and_then(|entry| entry.time.as_ref()).map(from_proto_time).unwrap_or_default()
}

fn lost(error: &llm_sre_ports::leases::Error) -> Status {
    status::unavailable("the right to act", error, POLL)
}

fn is_under_way_now(state: v1::ActionState) -> bool {
    use v1::ActionState as State;
    matches!(state, State::Approved | State::Executing | State::Verifying | State::RollingBack)
}
