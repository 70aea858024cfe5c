//! Whether an action helped, and taking it back where it did not.

use std::time::Duration;

use llm_sre_domain::Timestamp;
use llm_sre_domain::incident::{Actor, Verdict};
use llm_sre_domain::remedy::{Action, ActionEvent};
use llm_sre_mesh::records::Stored;
use llm_sre_ports::leases::Lease;
use llm_sre_proto::convert::common::{from_proto_time, to_proto_time};
use llm_sre_proto::incident::v1 as incident;
use tonic::Status;

use crate::Service;
use crate::kept::Kept;
use crate::target::Outcome;

/// How often recovery is measured, by the product's clock.
const MEASURE_EVERY: Duration = Duration::from_secs(5);
/// For so long after a recipe's deadline a detector may be away, or not have read that far: that it sees nothing says
/// nothing against the action, which would be taken back although it may have helped.
const BLIND_MAX: Duration = Duration::from_secs(3_600);
/// How far before a recipe's deadline the samples may end that a verdict against the action rests on: senders that come
/// once a minute are usual.
const STALE_MAX: Duration = Duration::from_secs(90);
/// For so long, in telemetry read after the deadline, newer samples are waited for: after an outage, those of one service
/// may come long after those of others.
const LATE_MAX: Duration = Duration::from_secs(300);

impl Service {
    /// Measures recovery once, where it is time to. Only the recipe's deadline ends the wait for it, once telemetry was
    /// read that far, or the detector had its time to come back.
    pub(crate) async fn verify(&self, stored: Stored<Kept>) -> Result<Stored<Kept>, Status> {
        let action = stored.message.domain()?;
        let now = self.clock.now();
        let since = counts_from(&action);
        if now < since || !self.memory.is_due(&stored.message.action.name, now, MEASURE_EVERY) {
            return Ok(stored);
        }
        let request = incident::CheckRecoveryRequest {
            name: stored.message.incident_name(),
            since_time: Some(to_proto_time(since)),
        };
        let measured = match self.incidents.check_recovery(request).await {
            Ok(measured) => Some(measured),
            Err(error) => {
                tracing::warn!(%error, action = stored.message.action.name, "recovery could not be measured");
                None
            }
        };
        let is_late = action.deadline.is_some_and(|deadline| {
            let is_known = measured.as_ref().is_some_and(|measured| is_known_by(measured, deadline));
            now >= deadline && (is_known || now.since(deadline) >= BLIND_MAX)
        });
        let measured = measured.or_else(|| stored.message.action.recovery.clone());
        let verdict = measured.as_ref().map(incident::CheckRecoveryResponse::verdict);
        let held = measured.as_ref().and_then(|measured| measured.measured_time.as_ref()).map(from_proto_time);
        let has_held = held.is_some_and(|until| until.since(since) >= action.plan.verification.measure);
        let event = match verdict {
            Some(incident::RecoveryVerdict::Recovered) if has_held => {
                ActionEvent::Verified { verdict: Verdict::Recovered }
            }
            Some(incident::RecoveryVerdict::NotRecovered) if is_late => {
                ActionEvent::Verified { verdict: Verdict::NotRecovered }
            }
            _ if is_late => ActionEvent::DeadlinePassed,
            _ => return self.note(stored, measured).await,
        };
        let actor = Actor::product();
        let applied = self.apply(&stored, event, &actor, |kept| kept.action.recovery = measured);
        applied.await
    }

    /// Keeps a measurement that says something new.
    async fn note(
        &self,
        stored: Stored<Kept>,
        measured: Option<incident::CheckRecoveryResponse>,
    ) -> Result<Stored<Kept>, Status> {
        let said = |measured: &Option<incident::CheckRecoveryResponse>| {
            measured.as_ref().map(|measured| (measured.verdict, measured.reason.clone()))
        };
        if said(&measured) == said(&stored.message.action.recovery) {
            return Ok(stored);
        }
        let mut kept = stored.message.clone();
        kept.action.recovery = measured;
        Ok(self.write(&stored, &kept).await?.unwrap_or(stored))
    }

    /// Has the target take the action back, or asks it what became of that.
    pub(crate) async fn roll_back(&self, stored: Stored<Kept>, lease: &Lease) -> Result<Stored<Kept>, Status> {
        let spec = stored.message.domain()?.plan.spec;
        let name = stored.message.action.name.clone();
        let undo = format!("{name}/undo");
        let outcome = match self.targets.state(&spec.target, &undo).await {
            Outcome::NeverSeen => {
                self.hold(lease).await?;
                match self.targets.undo(&spec, &undo, &name, lease.token).await {
                    Outcome::Silent(_) => match self.targets.state(&spec.target, &undo).await {
                        Outcome::NeverSeen => Outcome::Failed("the call never reached the target".to_owned()),
                        other => other,
                    },
                    Outcome::NeverSeen => Outcome::Failed("the target does not know its own answer".to_owned()),
                    other => other,
                }
            }
            other => other,
        };
        let event = match outcome {
            Outcome::Done => ActionEvent::Undone,
            Outcome::Failed(reason) => ActionEvent::UndoFailed { reason },
            Outcome::Silent(reason) if self.memory.is_silent(&name) => {
                ActionEvent::UndoFailed { reason: format!("nobody knows whether it was undone: {reason}") }
            }
            Outcome::Silent(_) => ActionEvent::DeadlinePassed,
            Outcome::Running | Outcome::NeverSeen => {
                self.memory.answered(&name);
                ActionEvent::DeadlinePassed
            }
        };
        self.apply(&stored, event, &Actor::product(), |_| ()).await
    }
}

/// Whether a measurement tells how it was at a time: telemetry was read that far, and what it rests on was measured about
/// then, or nothing newer came for long.
fn is_known_by(measured: &incident::CheckRecoveryResponse, deadline: Timestamp) -> bool {
    let newest = measured.measured_time.as_ref().map(from_proto_time).unwrap_or_default();
    has_read(measured, deadline) && (newest + STALE_MAX >= deadline || has_read(measured, deadline + LATE_MAX))
}

/// Whether telemetry was read up to a time. A detector that does not say is believed.
fn has_read(measured: &incident::CheckRecoveryResponse, until: Timestamp) -> bool {
    measured.read_time.as_ref().is_none_or(|read| from_proto_time(read) >= until)
}

/// From when samples count: the action's end and the time that its target needs to settle. An action can take long, so
/// that its start would let samples count that it was still at work in.
fn counts_from(action: &Action) -> Timestamp {
    let recipe = &action.plan.verification;
    let executed = action.executed_at.unwrap_or(action.created_at);
    let done = action.deadline.map_or(executed, |deadline| (deadline - recipe.deadline).max(executed));
    done + recipe.settle
}
