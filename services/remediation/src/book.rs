//! The stored actions: reading, guarded transitions, and telling what is owed.

use llm_sre_domain::Timestamp;
use llm_sre_domain::incident::Actor;
use llm_sre_domain::remedy::{Action, ActionEffect, ActionEvent, ActionState, Illegal};
use llm_sre_mesh::records::{Stored, Write};
use llm_sre_mesh::{names, status};
use llm_sre_ports::documents::Filter;
use llm_sre_proto::incident::v1 as incident;
use llm_sre_proto::remediation::v1;
use tonic::{Code, Status};

use crate::Service;
use crate::kept::Kept;

/// How often a write is tried again because somebody else wrote first.
const ATTEMPTS_MAX: usize = 16;
/// Records a page when all are read.
const PAGE: usize = 200;

impl Service {
    /// A record by the action's name.
    pub(crate) async fn find(&self, name: &str) -> Result<Stored<Kept>, Status> {
        let (incident, id) = names::parse_child("name", name, "actions")?;
        let stored = self.actions.get(&id).await?.ok_or_else(|| status::not_found(name))?;
        // Ids are unique among all incidents, so the name's other half has to be checked.
        if stored.message.incident() == incident { Ok(stored) } else { Err(status::not_found(name)) }
    }

    /// Every record that matches, each of which can be read: limits count what was done.
    pub(crate) async fn find_all(&self, filter: Filter) -> Result<Vec<Stored<Kept>>, Status> {
        self.pages(|cursor| self.actions.list(filter.clone(), cursor, PAGE)).await
    }

    /// Every action about which something is to be done. One that cannot be read stops no other.
    pub(crate) async fn pending(&self) -> Result<Vec<Stored<Kept>>, Status> {
        let filter = Filter::default().with("pending", "yes");
        self.pages(|cursor| self.actions.list_readable(filter.clone(), cursor, PAGE)).await
    }

    async fn pages<F>(&self, page: impl Fn(Option<String>) -> F) -> Result<Vec<Stored<Kept>>, Status>
    where
        F: Future<Output = Result<(Vec<Stored<Kept>>, Option<String>), Status>>,
    {
        let (mut found, mut cursor) = (Vec::new(), None);
        loop {
            let (page, next) = page(cursor).await?;
            found.extend(page);
            cursor = next;
            if cursor.is_none() {
                return Ok(found);
            }
        }
    }

    /// Writes a change of a record. `None` where somebody else wrote first.
    pub(crate) async fn write(&self, stored: &Stored<Kept>, kept: &Kept) -> Result<Option<Stored<Kept>>, Status> {
        match self.actions.replace(stored, kept, kept.attributes()).await? {
            Write::Done(stored) => Ok(Some(stored)),
            Write::Conflict => Ok(None),
        }
    }

    /// Applies an event to a record as it was read and stores what the domain makes of it, with the reports, the audit
    /// entry and the span that it owes. `edit` changes the record in the same write. Somebody else's write in between is
    /// ABORTED: what was decided on the old record does not hold for the new one.
    pub(crate) async fn apply(
        &self,
        stored: &Stored<Kept>,
        event: ActionEvent,
        actor: &Actor,
        edit: impl FnOnce(&mut Kept) + Send,
    ) -> Result<Stored<Kept>, Status> {
        let mut kept = stored.message.clone();
        // Before the event, since reports tell of what is kept with it.
        edit(&mut kept);
        let before = &stored.message;
        let is_same = kept.requests == before.requests && kept.is_undo_ordered == before.is_undo_ordered;
        let kept = match after(&kept, event, actor, self.present())? {
            Some(kept) => kept,
            None if is_same => return Ok(stored.clone()),
            // Nothing is left to do, and who asks once more under this id has to be told the same.
            None => kept,
        };
        self.write(stored, &kept).await?.ok_or_else(|| status::etag_mismatch(&kept.action.name))
    }

    /// Tells what a record owes: first the audit record, then the log of stages, then the incident's owner. What could
    /// not be told stays owed; only the audit record's failure is an error, since nothing may be done off the record.
    pub(crate) async fn settle(&self, mut stored: Stored<Kept>) -> Result<Stored<Kept>, Status> {
        for _ in 0..ATTEMPTS_MAX {
            if !stored.message.owes() {
                return Ok(stored);
            }
            let mut kept = stored.message.clone();
            for step in std::mem::take(&mut kept.unaudited) {
                self.audit.append(&kept.action.name, &step).await?;
            }
            for stage in std::mem::take(&mut kept.unstaged) {
                if let Err(error) = self.stages.record(stage.clone()).await {
                    tracing::warn!(%error, action = kept.action.name, "a stage waits for its log");
                    kept.unstaged.push(stage);
                }
            }
            if !self.report_owed(&mut kept).await {
                // In the same write: an offer that is on no list of what is owed is one that may be carried out.
                kept = withdrawn(kept, "its incident does not wait for it", self.present())?;
            }
            let is_same = kept.unreported == stored.message.unreported
                && kept.unaudited == stored.message.unaudited
                && kept.unstaged == stored.message.unstaged;
            if is_same {
                return Ok(stored);
            }
            stored = match self.write(&stored, &kept).await? {
                // A withdrawal owes its own entry.
                Some(stored) if kept.unaudited.is_empty() => return Ok(stored),
                Some(stored) => stored,
                None => self.find(&kept.action.name).await?,
            };
        }
        Err(status::etag_mismatch(&stored.message.action.name))
    }

    /// Reports in order until one cannot be delivered. `false` where the owner refused an offer, so that the action is
    /// one that nobody waits for.
    async fn report_owed(&self, kept: &mut Kept) -> bool {
        let mut is_wanted = true;
        while let Some(report) = kept.unreported.first().cloned() {
            match self.incidents.record_event(report.clone()).await {
                Ok(_) => {}
                Err(error) if is_refusal(error.code()) => {
                    tracing::warn!(%error, event = report.request_id, "the incident's owner refuses a report");
                    let offers =
                        [incident::IncidentEventKind::ActionProposed, incident::IncidentEventKind::ActionApproved];
                    is_wanted &= !report.event.is_some_and(|event| offers.contains(&event.kind()));
                }
                Err(error) => {
                    tracing::warn!(%error, event = report.request_id, "a report waits for the incident's owner");
                    return is_wanted;
                }
            }
            kept.unreported.remove(0);
        }
        is_wanted
    }

    fn present(&self) -> Present {
        Present { now: self.clock.now(), span_unix_nano: self.stages.now_unix_nano() }
    }

    /// Cancels an action in the product's name.
    pub(crate) async fn cancel(&self, stored: Stored<Kept>, why: &str) -> Result<Stored<Kept>, Status> {
        let event = ActionEvent::Cancelled { actor: Actor::product(), note: why.to_owned() };
        self.apply(&stored, event, &Actor::product(), |_| ()).await
    }
}

/// The present, by the product's clock and in the time of spans.
#[derive(Clone, Copy)]
struct Present {
    now: Timestamp,
    span_unix_nano: u64,
}

/// A record after an event, with the reports, the audit entry and the span that it owes then. `None` where the event
/// changes nothing.
fn after(before: &Kept, event: ActionEvent, actor: &Actor, present: Present) -> Result<Option<Kept>, Status> {
    let Present { now, span_unix_nano } = present;
    let mut action = before.domain()?;
    let as_it_was = action.clone();
    let effects = action.apply(event.clone(), now).map_err(|error| illegal(&error))?;
    if action == as_it_was && effects.is_empty() {
        return Ok(None);
    }
    let mut kept = before.clone();
    kept.take(&action, span_unix_nano);
    let (step, detail) = step(&event, &action);
    kept.owe_step(actor, step, detail, now);
    // The other effects follow from the state that is stored now; the executor finds them there, after a kill too.
    for effect in effects {
        if let ActionEffect::Report(kind) = effect {
            kept.owe_report(&kind, actor, "");
        }
    }
    Ok(Some(kept))
}

/// A record whose action is cancelled in the product's name, if it was not begun. A suggestion stands, as it cannot be
/// carried out.
fn withdrawn(kept: Kept, why: &str, present: Present) -> Result<Kept, Status> {
    let waits = [v1::ActionState::AwaitingApproval, v1::ActionState::Approved];
    if !waits.contains(&kept.action.state()) {
        return Ok(kept);
    }
    let event = ActionEvent::Cancelled { actor: Actor::product(), note: why.to_owned() };
    Ok(after(&kept, event, &Actor::product(), present)?.unwrap_or(kept))
}

/// Whether the owner will say the same again. Anything else may pass.
fn is_refusal(code: Code) -> bool {
    matches!(code, Code::FailedPrecondition | Code::InvalidArgument | Code::NotFound | Code::OutOfRange)
}

/// An event that cannot happen, on the wire.
pub(crate) fn illegal(error: &Illegal) -> Status {
    let reason = match error {
        Illegal::State { .. } | Illegal::NotAPerson { .. } => "ILLEGAL_TRANSITION",
        Illegal::Digest { .. } => "DIGEST_MISMATCH",
        Illegal::Expired { .. } => "APPROVAL_EXPIRED",
    };
    status::failed_precondition(reason, error.to_string())
}

/// A transition as the audit record names it.
fn step(event: &ActionEvent, after: &Action) -> (&'static str, String) {
    match event {
        ActionEvent::Approved { note, digest, .. } => ("approved", said(&format!("digest {digest}"), note)),
        ActionEvent::Rejected { note, .. } => ("rejected", note.clone()),
        ActionEvent::Cancelled { note, .. } => ("cancelled", note.clone()),
        ActionEvent::Blocked { blocks } => {
            let details: Vec<&str> = blocks.iter().map(|block| block.detail.as_str()).collect();
            ("blocked", details.join("; "))
        }
        ActionEvent::Started { fencing_token, .. } => (
            "execute",
            format!("{} on {}, fencing token {fencing_token}", after.plan.spec.kind, after.plan.spec.target),
        ),
        ActionEvent::Succeeded => ("executed", "the target says that it is done".to_owned()),
        ActionEvent::Failed { reason } => ("failed", reason.clone()),
        ActionEvent::OutcomeUnknown => ("unknown", after.outcome.clone()),
        ActionEvent::Verified { verdict } => ("verified", format!("{verdict:?}")),
        ActionEvent::RollbackOrdered { .. } => ("rollback ordered", after.outcome.clone()),
        ActionEvent::Undone => ("undone", after.outcome.clone()),
        ActionEvent::UndoFailed { reason } => ("undo failed", reason.clone()),
        ActionEvent::DeadlinePassed => match after.state {
            ActionState::Expired => ("expired", after.outcome.clone()),
            ActionState::Unknown => ("unknown", after.outcome.clone()),
            _ => ("deadline passed", after.outcome.clone()),
        },
    }
}

fn said(fact: &str, note: &str) -> String {
    if note.is_empty() { fact.to_owned() } else { format!("{fact}: {note}") }
}
