//! What people decide about actions.

use llm_sre_domain::incident::Actor;
use llm_sre_domain::remedy::{Action, ActionEvent, Block, check_undo};
use llm_sre_mesh::{TraceContext, names, status};
use llm_sre_proto::remediation::v1;
use tonic::Status;

use crate::Service;
use crate::book::illegal;
use crate::propose::shown;

/// The longest note, in characters.
const NOTE_MAX: usize = 2_000;

/// What is decided, apart from by whom and why.
pub(crate) enum Verb {
    /// Let it go ahead; the digest that was seen.
    Approve(String),
    /// Refuse it.
    Reject,
    /// Withdraw it.
    Cancel,
    /// Have it undone.
    RollBack,
}

/// One decision.
pub(crate) struct Order {
    pub(crate) actor: Actor,
    pub(crate) name: String,
    pub(crate) verb: Verb,
    pub(crate) note: String,
    pub(crate) request_id: String,
    pub(crate) validate_only: bool,
}

impl Verb {
    fn name(&self) -> &'static str {
        match self {
            Self::Approve(_) => "approve",
            Self::Reject => "reject",
            Self::Cancel => "cancel",
            Self::RollBack => "roll back",
        }
    }

    fn event(&self, actor: &Actor, note: &str) -> Result<ActionEvent, Status> {
        let (actor, note) = (actor.clone(), note.to_owned());
        Ok(match self {
            Self::Approve(digest) => {
                let not_seen = |_| status::invalid_argument("digest", "is the 64 hexadecimal digits that were seen");
                ActionEvent::Approved { actor, note, digest: digest.parse().map_err(not_seen)? }
            }
            Self::Reject => ActionEvent::Rejected { actor, note },
            Self::Cancel => ActionEvent::Cancelled { actor, note },
            Self::RollBack => ActionEvent::RollbackOrdered { actor, note },
        })
    }
}

impl Service {
    /// Carries a decision out. The same request twice is one decision.
    pub(crate) async fn decide(&self, order: Order) -> Result<v1::Action, Status> {
        names::check_request_id(&order.request_id)?;
        check_note(&order.note)?;
        let event = order.verb.event(&order.actor, &order.note)?;
        let stored = self.find(&order.name).await?;
        let verb = order.verb.name();
        if let Some(before) = stored.message.requests.get(&order.request_id) {
            if before != verb {
                let problem = format!("was used to {before} this action");
                return Err(status::invalid_argument("request_id", problem));
            }
            return self.settle(stored).await.map(shown);
        }
        if matches!(order.verb, Verb::RollBack) {
            let action = stored.message.domain()?;
            self.check_not_held(&action).await?;
            self.check_undo_allowed(&action)?;
        }
        if order.validate_only {
            let mut action = stored.message.domain()?;
            action.apply(event, self.clock.now()).map_err(|error| illegal(&error))?;
            let recovery = stored.message.action.recovery.clone();
            return Ok(v1::Action { recovery, etag: stored.etag(), ..(&action).into() });
        }
        let context = TraceContext::of_stage(stored.message.incident(), &stored.message.present_stage());
        let applied = self.apply(&stored, event, &order.actor, |kept| {
            if !order.request_id.is_empty() {
                kept.requests.insert(order.request_id.clone(), verb.to_owned());
            }
            kept.is_undo_ordered |= matches!(order.verb, Verb::RollBack);
        });
        let applied = applied.await?;
        let settled = Box::pin(context.scope(self.settle(applied))).await;
        self.changed.notify_one();
        settled.map(shown)
    }

    /// Refuses where policy has the action's service left alone: it would come to nothing.
    fn check_undo_allowed(&self, action: &Action) -> Result<(), Status> {
        let details = |blocks: Vec<Block>| blocks.into_iter().map(|block| block.detail).collect::<Vec<_>>().join("; ");
        check_undo(action, &self.policy).map_err(|blocks| status::failed_precondition("NOT_ALLOWED", details(blocks)))
    }
}

/// Checks what a person wants to say.
pub(crate) fn check_note(note: &str) -> Result<(), Status> {
    if note.chars().count() > NOTE_MAX {
        return Err(status::invalid_argument("note", format!("is at most {NOTE_MAX} characters")));
    }
    Ok(())
}
