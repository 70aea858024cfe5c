//! Doing what is owed: calls to the other services, deadlines, and recovery that comes by itself.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use futures::StreamExt;
use llm_sre_domain::incident::{Actor, EventKind, Incident, State, Window};
use llm_sre_mesh::TraceContext;
use llm_sre_mesh::records::Stored;
use llm_sre_mesh::stages::{ROOT, Stage};
use llm_sre_mesh::status;
use llm_sre_ports::documents::Filter;
use llm_sre_proto::diagnosis::v1 as diagnosis;
use llm_sre_proto::incident::v1;
use llm_sre_proto::remediation::v1 as remediation;
use tokio::sync::Notify;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;
use tonic::{Code, Status};
use uuid::Uuid;

use crate::Service;
use crate::book::LIVING_MAX;
use crate::kept::{Duty, Kept};

/// Duties of one incident that are done before the others have their turn.
const DUTIES_AT_ONCE: usize = 8;
/// Incidents that are attended to at once.
const INCIDENTS_AT_ONCE: usize = 16;
/// Actions of one incident that are looked at to be cancelled.
const ACTIONS_MAX: i32 = 50;

/// The incidents that this instance wrote and has not looked at since.
#[derive(Debug, Default)]
pub(crate) struct Owing {
    ids: Mutex<BTreeSet<String>>,
    is_noted: Notify,
}

impl Owing {
    /// Notes that an incident was written. One too many waits for the next tick.
    pub(crate) fn note(&self, id: &str) {
        let mut ids = self.ids.lock().unwrap_or_else(PoisonError::into_inner);
        if ids.len() < LIVING_MAX {
            ids.insert(id.to_owned());
        }
        drop(ids);
        self.is_noted.notify_one();
    }

    fn take(&self) -> BTreeSet<String> {
        std::mem::take(&mut *self.ids.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Service {
    /// Does what is owed until `shutdown`: of an incident that this instance wrote at once, of all at every tick.
    pub(crate) async fn keep_duties(&self, shutdown: &CancellationToken) {
        let mut ticks = tokio::time::interval(self.options.tick);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while !shutdown.is_cancelled() {
            tokio::select! {
                biased;
                () = shutdown.cancelled() => {}
                // With the lease the duties are another's. Each is safe to repeat. Ticks come first: what is done for what was noted
                // can note more for ever.
                _ = ticks.tick() => {
                    if let Some(Err(error)) = shutdown.run_until_cancelled(Box::pin(self.do_duties())).await {
                        tracing::warn!(%error, "failed to look for what is owed");
                    }
                }
                () = self.owing.is_noted.notified() => {
                    shutdown.run_until_cancelled(Box::pin(self.do_noted())).await;
                }
            }
        }
    }

    /// Does what the incidents owe that were written since. What fails has its turn again at the next tick.
    async fn do_noted(&self) {
        let windows = match self.windows().await {
            Ok(windows) => windows,
            Err(error) => {
                tracing::warn!(%error, "what was noted waits");
                return;
            }
        };
        let attending = futures::stream::iter(self.owing.take()).for_each_concurrent(INCIDENTS_AT_ONCE, async |id| {
            let attended = async {
                let Some(stored) = self.records.get(&id).await? else { return Ok(()) };
                self.attend(stored, &windows).await
            };
            if let Err(error) = Box::pin(attended).await {
                tracing::warn!(%error, incident = id, "a duty waits");
            }
        });
        attending.await;
    }

    /// One round. What fails is tried again in the next; one incident does not stop the others.
    ///
    /// # Errors
    /// When the store cannot be asked.
    pub async fn do_duties(&self) -> Result<(), Status> {
        let windows = self.tend_windows().await?;
        let filter = Filter::default().with("pending", "yes");
        let (pending, _) = self.records.list_readable(filter, None, LIVING_MAX).await?;
        // A call to whom hangs takes seconds: what others owe is done meanwhile, not after it.
        let attending = futures::stream::iter(pending).for_each_concurrent(INCIDENTS_AT_ONCE, async |stored| {
            let name = stored.message.incident.name.clone();
            if let Err(error) = Box::pin(self.attend(stored, &windows)).await {
                tracing::warn!(%error, incident = name, "a duty waits");
            }
        });
        attending.await;
        Ok(())
    }

    async fn attend(&self, mut stored: Stored<Kept>, windows: &[Window]) -> Result<(), Status> {
        let name = stored.message.incident.name.clone();
        let incident = stored.message.domain()?;
        let now = self.clock.now();
        let is_late = !incident.is_covered() && incident.deadline.is_some_and(|deadline| now >= deadline);
        // Every event takes windows into account.
        if is_late || incident.is_to_cover(windows, now) {
            stored = self.apply(&name, &self.event("", EventKind::DeadlinePassed)?).await?;
        }
        self.measure_while_living(&incident, &stored.message.roots);
        let context = TraceContext::of_stage(Uuid::from_bytes(incident.id.bytes()), ROOT);
        // What follows from one duty is done at once: a plan from its diagnosis.
        for _ in 0..DUTIES_AT_ONCE {
            let Some(duty) = stored.message.duties.first().cloned() else { break };
            match context.scope(self.carry_out(&stored.message, &duty)).await {
                Ok(()) => {}
                // The other side's word is final; a deadline will say that nothing came of it.
                Err(error) if is_refusal(&error) => {
                    tracing::warn!(%error, incident = name, ?duty, "a duty was refused");
                }
                Err(error) => return Err(error),
            }
            let is_done = |kept: &mut Kept| {
                kept.duties.retain(|owed| *owed != duty);
                if kept.diagnoses_owed() == 0 {
                    kept.snapshot = None;
                }
            };
            stored = self.edit(&name, is_done).await?;
        }
        Ok(())
    }

    async fn carry_out(&self, kept: &Kept, duty: &Duty) -> Result<(), Status> {
        let parent = kept.incident.name.clone();
        match duty {
            Duty::Diagnose { request_id } => {
                let request = diagnosis::DiagnoseIncidentRequest {
                    parent,
                    snapshot: kept.snapshot.clone().or_else(|| self.fresh_snapshot(kept)),
                    request_id: request_id.clone(),
                    ..diagnosis::DiagnoseIncidentRequest::default()
                };
                self.diagnoses.diagnose_incident(request).await.map(|_| ())
            }
            Duty::Plan { request_id } => match &self.remediation {
                Some(peer) => {
                    let request = remediation::ProposeActionRequest {
                        parent,
                        diagnosis: kept.incident.diagnosis.clone(),
                        request_id: request_id.clone(),
                        ..remediation::ProposeActionRequest::default()
                    };
                    peer.propose_action(request).await.map(|_| ())
                }
                None => {
                    let reason = "no remediation service is configured".to_owned();
                    self.apply(&parent, &self.event(request_id, EventKind::NothingToDo { reason })?).await.map(|_| ())
                }
            },
            Duty::CancelActions => self.cancel_actions(&kept.incident).await,
            Duty::BeginTrace => self.keep_stage(begin(kept, self.stages.now_unix_nano())?).await,
            Duty::EndTrace { stage, ended_unix_nano } => {
                self.keep_stage(end(kept, stage, *ended_unix_nano, self.stages.now_unix_nano())?).await
            }
        }
    }

    /// What is known now, where what was known at the opening went into a diagnosis already. Nothing of an incident
    /// that is not followed since a start: its own record, and what the store has, are argued from then.
    fn fresh_snapshot(&self, kept: &Kept) -> Option<diagnosis::EvidenceSnapshot> {
        let incident = kept.readable()?;
        let evidence = self.brain().evidence_of(incident.id)?;
        Some(diagnosis::EvidenceSnapshot::from(&evidence))
    }

    /// Withdraws what waits, but for what the incident went on with since that was ordered.
    async fn cancel_actions(&self, incident: &v1::Incident) -> Result<(), Status> {
        let Some(peer) = &self.remediation else { return Ok(()) };
        let waiting = [remediation::ActionState::AwaitingApproval, remediation::ActionState::Approved];
        let request = remediation::ListActionsRequest {
            parent: incident.name.clone(),
            page_size: ACTIONS_MAX,
            states: waiting.map(Into::into).to_vec(),
            ..remediation::ListActionsRequest::default()
        };
        let actions = peer.list_actions(request).await?.actions;
        for action in actions.into_iter().filter(|action| !goes_on_with(incident, &action.name)) {
            let request = remediation::CancelActionRequest {
                name: action.name,
                note: "the incident went on without it".to_owned(),
                ..remediation::CancelActionRequest::default()
            };
            match peer.cancel_action(request).await {
                Ok(_) => {}
                // It began meanwhile; its own end will be reported.
                Err(error) if is_refusal(&error) => tracing::info!(%error, "an action cannot be cancelled"),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    async fn keep_stage(&self, stage: Stage) -> Result<(), Status> {
        self.stages
            .record(stage)
            .await
            .map_err(|error| status::unavailable("the log of stages", error, self.options.tick))
    }
}

/// Whether the incident took an action up that is not begun: what was to be withdrawn came before it.
fn goes_on_with(incident: &v1::Incident, action: &str) -> bool {
    matches!(incident.state(), v1::State::AwaitingApproval | v1::State::Remediating) && incident.action == action
}

/// The span that the trace begins with: short, so that it is there while the incident lasts.
fn begin(kept: &Kept, now_unix_nano: u64) -> Result<Stage, Status> {
    let incident = kept.domain()?;
    let opened_by = incident.timeline.first().map(|entry| entry.actor.to_string()).unwrap_or_default();
    Ok(Stage {
        attributes: attributes(&incident, [("llm_sre.incident.opened_by", opened_by)]),
        ..stage(&incident, ROOT, "detect", kept.opened_unix_nano, now_unix_nano)
    })
}

/// The span of the incident's end.
fn end(kept: &Kept, key: &str, ended_unix_nano: u64, now_unix_nano: u64) -> Result<Stage, Status> {
    let incident = kept.domain()?;
    let is_duplicate = incident.state == State::Duplicate;
    let actor = incident.resolution.as_ref().map_or_else(Actor::product, |resolution| resolution.actor.clone());
    let own = [
        ("llm_sre.incident.state", kept.incident.state().as_str_name().to_owned()),
        ("llm_sre.incident.ended_by", if is_duplicate { String::new() } else { actor.to_string() }),
    ];
    let span = stage(&incident, key, "close", ended_unix_nano, now_unix_nano);
    Ok(Stage { attributes: attributes(&incident, own), ..span })
}

fn stage(incident: &Incident, key: &str, name: &str, start_unix_nano: u64, end_unix_nano: u64) -> Stage {
    Stage {
        numbers: Vec::new(),
        is_call: false,
        incident: Uuid::from_bytes(incident.id.bytes()),
        key: key.to_owned(),
        name: name.to_owned(),
        start_unix_nano,
        end_unix_nano,
        attributes: Vec::new(),
        error: String::new(),
    }
}

fn attributes<const N: usize>(incident: &Incident, own: [(&str, String); N]) -> Vec<(String, String)> {
    let common = [
        ("llm_sre.incident", format!("incidents/{}", incident.id)),
        ("llm_sre.incident.title", incident.title.clone()),
        ("llm_sre.incident.severity", incident.severity.to_string()),
        ("service.peer.name", incident.subject.service.to_string()),
    ];
    common.into_iter().chain(own).map(|(key, value)| (key.to_owned(), value)).collect()
}

/// Whether the other side will say the same again. A defect, too; but for INTERNAL without our reason, which is what a
/// connection that breaks is told by.
fn is_refusal(error: &Status) -> bool {
    let code = error.code();
    matches!(code, Code::FailedPrecondition | Code::InvalidArgument | Code::NotFound | Code::OutOfRange)
        || (code == Code::Internal && status::reason(error).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_late_withdrawal_leaves_what_came_after_it() {
        let of = |state: v1::State| v1::Incident { state: state.into(), action: "b".to_owned(), ..Default::default() };
        for state in [v1::State::AwaitingApproval, v1::State::Remediating] {
            assert!(goes_on_with(&of(state), "b") && !goes_on_with(&of(state), "a"), "{state:?}");
        }
        // People were called, it is explained again, or it has ended: nothing goes on by itself.
        for state in [v1::State::Escalated, v1::State::Diagnosing, v1::State::Resolved, v1::State::Duplicate] {
            assert!(!goes_on_with(&of(state), "b"), "{state:?}");
        }
    }
}
