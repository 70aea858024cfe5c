//! Whether an action helped, and taking it back where it did not.

use std::time::Duration;

use llm_sre_domain::Timestamp;
use llm_sre_domain::incident::{Actor, Verdict};
use llm_sre_domain::remedy::{Action, ActionEvent};
use llm_sre_mesh::records::Stored;
use llm_sre_proto::convert::common::{from_proto_time, to_proto_time};
use llm_sre_proto::incident::v1 as incident;
use tonic::Status;

use crate::Service;
use crate::kept::Kept;

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
        let is_late = waits_until(measured.as_ref(), &action).is_some_and(|deadline| {
            let is_known = measured.as_ref().is_some_and(|measured| is_known_by(measured, deadline));
            now >= deadline && (is_known || has_waited(&action, now))
        });
        let measured = measured.or_else(|| stored.message.action.recovery.clone());
        let verdict = measured.as_ref().map(incident::CheckRecoveryResponse::verdict);
        let is_well = verdict == Some(incident::RecoveryVerdict::Recovered);
        let is_proven = is_well && measured.as_ref().is_some_and(|measured| has_held(measured, since, &action));
        // What is well at the deadline, and not for long enough yet, has the rest of its time. What is not well meanwhile is
        // no verdict yet: a sample outside by chance would take back what helped.
        let may_hold = is_well || stored.message.is_holding;
        let is_to_hold = may_hold && !is_window_over(measured.as_ref(), &action, now);
        let event = match verdict {
            _ if is_proven => ActionEvent::Verified { verdict: Verdict::Recovered },
            _ if is_to_hold => return self.keep(stored, measured, is_late).await,
            Some(incident::RecoveryVerdict::NotRecovered) if is_late => {
                ActionEvent::Verified { verdict: Verdict::NotRecovered }
            }
            _ if is_late => ActionEvent::DeadlinePassed,
            _ => return self.keep(stored, measured, false).await,
        };
        let actor = Actor::product();
        let applied = self.apply(&stored, event, &actor, |kept| kept.action.recovery = measured);
        applied.await
    }

    /// Keeps a measurement that says something new, that its window goes on after the deadline, and that it is disturbed.
    async fn keep(
        &self,
        stored: Stored<Kept>,
        measured: Option<incident::CheckRecoveryResponse>,
        is_holding: bool,
    ) -> Result<Stored<Kept>, Status> {
        let said = |measured: &Option<incident::CheckRecoveryResponse>| {
            measured.as_ref().map(|measured| (measured.verdict, measured.reason.clone()))
        };
        let (action, now) = (stored.message.domain()?, self.clock.now());
        let mut kept = stored.message.clone();
        kept.is_holding |= is_holding;
        kept.is_disturbed = measured.as_ref().is_some_and(|measured| is_disturbed(measured, &action, now));
        let marks = |kept: &Kept| (kept.is_holding, kept.is_disturbed);
        if said(&measured) == said(&kept.action.recovery) && marks(&kept) == marks(&stored.message) {
            return Ok(stored);
        }
        kept.action.recovery = measured;
        Ok(self.write(&stored, &kept).await?.unwrap_or(stored))
    }
}

/// Whether the time is over that signals have after the recipe's deadline to be well for long enough: telemetry was read
/// that far, or the detector had its time to come back.
fn is_window_over(measured: Option<&incident::CheckRecoveryResponse>, action: &Action, now: Timestamp) -> bool {
    let Some(deadline) = waits_until(measured, action) else { return false };
    let end = deadline + action.plan.verification.measure + STALE_MAX;
    let window = action.plan.verification.measure + STALE_MAX;
    now >= end && (measured.is_some_and(|measured| has_read(measured, end)) || has_waited(action, now - window))
}

/// Whether a detector that is away, or does not read, had its time. It counts from the recipe's own deadline, also where
/// another incident's cause put the verdict off: the incident does not wait for longer.
fn has_waited(action: &Action, now: Timestamp) -> bool {
    action.deadline.is_some_and(|deadline| now.since(deadline) >= BLIND_MAX)
}

/// Until when a verdict against the action waits: for the recipe's deadline, and where another incident's cause disturbs
/// what is measured, until that is over and the signals had their window. Not for longer than for a detector that is away.
fn waits_until(measured: Option<&incident::CheckRecoveryResponse>, action: &Action) -> Option<Timestamp> {
    let deadline = action.deadline?;
    let disturbed = measured.and_then(|measured| measured.disturbed_until_time.as_ref()).map(from_proto_time);
    let window = action.plan.verification.measure + STALE_MAX;
    Some(disturbed.map_or(deadline, |until| (until + window).min(deadline + BLIND_MAX).max(deadline)))
}

/// Whether a verdict waits for what another incident's cause disturbs, or for the window of its signals after that. Of a
/// detector that is away, what it said last counts no longer than that.
fn is_disturbed(measured: &incident::CheckRecoveryResponse, action: &Action, now: Timestamp) -> bool {
    let until = measured.disturbed_until_time.as_ref().map(from_proto_time);
    until.is_some_and(|until| now < until + action.plan.verification.measure + STALE_MAX)
}

/// Whether the signals were well for as long as the recipe asks for: since the newest sample that was not, where the
/// detector says when that was.
fn has_held(measured: &incident::CheckRecoveryResponse, since: Timestamp, action: &Action) -> bool {
    let well_since = measured.well_since_time.as_ref().map_or(since, from_proto_time).max(since);
    let until = measured.measured_time.as_ref().map(from_proto_time);
    until.is_some_and(|until| until.since(well_since) >= action.plan.verification.measure)
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
