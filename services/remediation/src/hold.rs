//! The kill switch and freezes: kept where every process finds them before each call. Maintenance: what its owner, who
//! owns the incidents too, says of an incident and of the windows that there are.

use std::sync::Arc;
use std::time::Duration;

use llm_sre_domain::Timestamp;
use llm_sre_domain::incident::{Actor, EventKind};
use llm_sre_domain::remedy::{Action, ActionEvent, ActionState, Block, Freeze, Holds, MaintenanceHold, ServicePattern};
use llm_sre_mesh::metrics::{Attribute, instruments};
use llm_sre_mesh::records::{Attributes, Records, Stored, Write};
use llm_sre_mesh::{names, status};
use llm_sre_ports::documents::{Documents, Filter};
use llm_sre_proto::convert::common::from_proto_time;
use llm_sre_proto::incident::v1 as incident;
use llm_sre_proto::remediation::v1;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tonic::{Code, Status};
use uuid::Uuid;

use crate::Service;
use crate::audit::Audit;
use crate::kept::{Kept, Step};

/// The kill switch's name, and its id in the store.
pub(crate) const KILL_SWITCH: &str = "killSwitch";
/// What the names of freezes begin with.
pub(crate) const FREEZES: &str = "freezes/";
/// Freezes a page.
const PAGE: usize = 200;
/// Maintenance windows a page. With as many patterns and as long a note as may be they fit into one message.
const WINDOWS_PAGE: i32 = 200;
/// Pages of freezes, or of maintenance windows, that are not closed. More than can be ordered is an error, since none
/// may be overlooked.
const PAGES_MAX: usize = 5;
/// So long is waited, in real time, for the windows that are only to be told of: actions wait meanwhile.
const TELL_WITHIN: Duration = Duration::from_secs(2);
/// What is remembered of when holds were looked at.
const TENDED: &str = "holds";
/// How often it is looked for what holds still owe, by the product's clock.
const TEND_EVERY: Duration = Duration::from_secs(30);
/// So long after its end a freeze is closed: long enough that no clock of another process is still before its end.
const CLOSE_AFTER: Duration = Duration::from_secs(3_600);

/// A hold, and what is still to be told about it: one document, so that a kill in between loses neither.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Hold<M> {
    /// As the contract shows it, without its etag.
    #[serde(flatten)]
    pub(crate) order: M,
    /// Steps that are not in the audit record yet, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    unaudited: Vec<Step>,
    /// How many steps were noted.
    #[serde(default)]
    steps: u64,
    /// What the request that ordered it asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) asked: Option<v1::CreateFreezeRequest>,
    /// Whether it holds no more, whatever a clock says.
    #[serde(default)]
    pub(crate) is_closed: bool,
}

impl<M> Hold<M> {
    pub(crate) fn new(order: M, asked: v1::CreateFreezeRequest) -> Self {
        Self { order, unaudited: Vec::new(), steps: 0, asked: Some(asked), is_closed: false }
    }

    /// Owes the audit record a step of somebody's.
    pub(crate) fn owe(&mut self, name: &str, actor: &Actor, step: &str, detail: String, now: Timestamp) {
        self.steps += 1;
        self.unaudited.push(Step {
            key: format!("{name}/{}", self.steps),
            time_unix_nano: now.as_nanos(),
            actor: actor.to_string(),
            step: step.to_owned(),
            detail,
        });
    }

    pub(crate) fn attributes(&self) -> Attributes {
        let yes = |is_so: bool| if is_so { "yes" } else { "no" }.to_owned();
        [("open".to_owned(), yes(!self.is_closed)), ("owes".to_owned(), yes(!self.unaudited.is_empty()))].into()
    }
}

/// Where holds are kept.
#[derive(Clone)]
pub(crate) struct HoldBook {
    pub(crate) kill_switch: Records<Hold<v1::KillSwitch>>,
    pub(crate) freezes: Records<Hold<v1::Freeze>>,
}

impl HoldBook {
    pub(crate) fn new(documents: Arc<dyn Documents>) -> Self {
        let freezes = Records::new(Arc::clone(&documents), "freezes");
        Self { kill_switch: Records::new(documents, "kill_switch"), freezes }
    }

    /// Freezes that may not be over.
    pub(crate) async fn open(&self) -> Result<Vec<Stored<Hold<v1::Freeze>>>, Status> {
        let (mut found, mut cursor) = (Vec::new(), None);
        for _ in 0..PAGES_MAX {
            let (page, next) = self.freezes.list(Filter::default().with("open", "yes"), cursor, PAGE).await?;
            found.extend(page);
            cursor = next;
            if cursor.is_none() {
                return Ok(found);
            }
        }
        Err(status::internal(format!("more than {} freezes are open", found.len())))
    }

    /// Everything that is on hold. What cannot be read is an error: nothing is done then.
    async fn holds(&self) -> Result<Holds, Status> {
        let freezes = self.frozen().await?;
        // Last, so that the time from an order to stop everything to the call that it may miss is the shortest.
        Ok(Holds { kill_switch: self.switched().await?, freezes, ..Holds::default() })
    }

    async fn frozen(&self) -> Result<Vec<Freeze>, Status> {
        self.open().await?.iter().map(|stored| freeze(&stored.message.order)).collect()
    }

    /// The note of who engaged the kill switch; `None` while it is released.
    async fn switched(&self) -> Result<Option<String>, Status> {
        let switch = self.kill_switch.get(KILL_SWITCH).await?.map(|stored| stored.message.order);
        Ok(switch.filter(|switch| switch.engaged).map(|switch| switch.note))
    }
}

/// A freeze as the domain reads it.
fn freeze(order: &v1::Freeze) -> Result<Freeze, Status> {
    let unreadable = |why: &dyn std::fmt::Display| status::internal(format!("{} cannot be read: {why}", order.name));
    let services = order.services.iter().map(|text| ServicePattern::parse(text)).collect::<Result<_, _>>();
    let Some(end) = &order.end_time else { return Err(unreadable(&"it does not say until when")) };
    Ok(Freeze {
        services: services.map_err(|error| unreadable(&error))?,
        start: order.start_time.as_ref().map(from_proto_time),
        end: from_proto_time(end),
        note: order.note.clone(),
    })
}

/// A maintenance window as the domain reads it.
fn maintained(order: &incident::MaintenanceWindow) -> MaintenanceHold {
    let services = order.services.iter().map(|text| ServicePattern::parse(text)).collect::<Result<Vec<_>, _>>();
    MaintenanceHold {
        window: order.name.clone(),
        // Nobody can order one about no service.
        services: services.ok().filter(|services| !services.is_empty()),
        start: order.start_time.as_ref().map(from_proto_time),
        end: order.end_time.as_ref().map(from_proto_time),
    }
}

/// Tells the audit record what a hold owes.
pub(crate) async fn settle<M: Clone + Serialize + DeserializeOwned>(
    records: &Records<Hold<M>>,
    audit: &Audit,
    name: &str,
    stored: Stored<Hold<M>>,
) -> Result<Stored<Hold<M>>, Status> {
    if stored.message.unaudited.is_empty() {
        return Ok(stored);
    }
    let mut hold = stored.message.clone();
    for step in std::mem::take(&mut hold.unaudited) {
        audit.append(name, &step).await?;
    }
    match records.replace(&stored, &hold, hold.attributes()).await? {
        Write::Done(stored) => Ok(stored),
        // Whoever wrote it took over what it owes.
        Write::Conflict => Ok(stored),
    }
}

impl Service {
    /// Everything that is on hold for an incident, by its name.
    pub(crate) async fn holds(&self, incident: &str) -> Result<Holds, Status> {
        let maintained = self.maintained(incident).await?;
        // After what another process answers, which can take long.
        let Holds { kill_switch, freezes, .. } = self.holds.holds().await?;
        Ok(Holds { kill_switch, freezes, ..maintained })
    }

    /// What maintenance holds for an incident, by its name, and nothing else that does.
    async fn maintained(&self, incident: &str) -> Result<Holds, Status> {
        let (maintenance, windows) = tokio::try_join!(self.maintenance(incident), self.windows())?;
        Ok(Holds { maintenance, windows, ..Holds::default() })
    }

    /// The maintenance windows that are not over, of whatever services. Where their owner does not list them all, that
    /// is an error: nothing is done then. Of one whose record cannot be read it lists the name alone, and says that it
    /// covers every incident; either holds everything, whichever instance answers.
    async fn windows(&self) -> Result<Vec<MaintenanceHold>, Status> {
        let mut request = incident::ListMaintenanceWindowsRequest { page_size: WINDOWS_PAGE, ..Default::default() };
        let mut found = Vec::new();
        for _ in 0..PAGES_MAX {
            let page = self.incidents.list_maintenance_windows(request.clone()).await?;
            found.extend(page.windows.iter().map(maintained));
            request.page_token = page.next_page_token;
            if request.page_token.is_empty() {
                return Ok(found);
            }
        }
        Err(status::internal(format!("more than {PAGES_MAX} pages of maintenance windows are open")))
    }

    /// The maintenance window that covers an incident now, by its name. Where its owner does not answer that is an
    /// error: nothing is done then.
    async fn maintenance(&self, incident: &str) -> Result<Option<String>, Status> {
        let incident = self.incident(incident).await?;
        let (has_ended, now) = (incident.end_time.is_some(), self.clock.now());
        let covering = incident.maintenance.filter(|maintenance| {
            // Of an incident that has ended nobody notes any more that its window is over.
            let lasts = maintenance.end_time.as_ref().is_some_and(|end| now < from_proto_time(end));
            maintenance.over_time.is_none() && (lasts || !has_ended)
        });
        Ok(covering.map(|maintenance| maintenance.window))
    }

    async fn blocks(&self, action: &Action) -> Result<Vec<Block>, Status> {
        let incident = names::incident(Uuid::from_bytes(action.plan.incident.bytes()));
        Ok(self.holds(&incident).await?.blocks(&action.plan.spec.target, self.clock.now()))
    }

    /// What keeps the target of an action from being called for it now that its time is over: it ends all the same,
    /// where the incident's owner will never say.
    pub(crate) async fn held_back(&self, action: &Action) -> Result<Vec<Block>, Status> {
        match self.blocks(action).await {
            Err(error) if matches!(error.code(), Code::NotFound | Code::Internal) => Ok(Vec::new()),
            asked => asked,
        }
    }

    /// Whether people ordered that the target of an action is not called for it now.
    pub(crate) async fn is_held(&self, action: &Action) -> Result<bool, Status> {
        Ok(!self.blocks(action).await?.is_empty())
    }

    /// Refuses where people ordered that the target of an action is not called for it now: what waits until they let it
    /// go on may come too late.
    pub(crate) async fn check_not_held(&self, action: &Action) -> Result<(), Status> {
        match self.blocks(action).await?.first() {
            Some(block) => Err(status::failed_precondition("ON_HOLD", block.detail.clone())),
            None => Ok(()),
        }
    }

    /// Withdraws an offer, or what was let go ahead and not begun, whose time ended while its incident or its target
    /// was in maintenance: neither a person nor this process was to do anything about it. Unlike what expired, the same
    /// may be planned. The incident's owner has that done where the incident is covered, and else calls people, as for
    /// every offer that came to nothing. `None` where it is none of these.
    pub(crate) async fn lapse(&self, stored: &Stored<Kept>) -> Result<Option<Stored<Kept>>, Status> {
        let action = stored.message.domain()?;
        let has_time = action.deadline.is_none_or(|deadline| self.clock.now() < deadline);
        if has_time || !matches!(action.state, ActionState::AwaitingApproval | ActionState::Approved) {
            return Ok(None);
        }
        let holds = match self.maintained(&stored.message.incident_name()).await {
            // Its owner will not come to say more than that of it, and its time is over all the same.
            Err(error) if matches!(error.code(), Code::NotFound | Code::Internal) => return Ok(None),
            asked => asked?,
        };
        let blocks = holds.blocks(&action.plan.spec.target, self.clock.now());
        let Some(block) = blocks.first() else { return Ok(None) };
        let (actor, note) = (Actor::product(), format!("its time ended: {}", block.detail));
        let told = EventKind::ApprovalExpired { action: action.plan.id };
        let event = ActionEvent::Cancelled { actor: actor.clone(), note };
        let lapsed = self.apply(stored, event, &actor, |kept| kept.owe_report(&told, &actor, ""));
        lapsed.await.map(Some)
    }

    /// Something was ordered: what waits for it may go on, and what stands is told anew.
    pub(crate) fn note_order(&self) {
        self.memory.ask_again(TENDED);
        self.changed.notify_one();
    }

    /// Tells what stands. What cannot be read is not told, since an old number would look like a new one; the rest is.
    async fn tell_holds(&self, now: Timestamp) -> Result<(), Status> {
        // Each apart: one freeze that cannot be read must not hide that nothing is done at all.
        let (switch, freezes) = (self.holds.switched().await, self.holds.frozen().await);
        let listed = tokio::time::timeout(TELL_WITHIN, self.windows()).await;
        let late = |_| Err(status::unavailable("the list of maintenance windows", "it takes too long", TEND_EVERY));
        let windows = listed.unwrap_or_else(late);
        if let Err(error) = &windows {
            // An action that has to wait for them says so.
            tracing::debug!(%error, "maintenance windows are not told");
        }
        let row = |(hold, count): (&'static str, usize)| -> (Vec<Attribute>, f64) {
            (vec![("llm_sre.hold", hold.into())], count as f64)
        };
        instruments().holds.replace(&[], standing(&switch, &freezes, &windows, now).into_iter().map(row));
        switch.and(freezes).map(|_| ())
    }

    /// Tells what holds owe that was not told when they were ordered, and closes freezes that are over.
    pub(crate) async fn tend_holds(&self) -> Result<(), Status> {
        let now = self.clock.now();
        if !self.memory.is_due(TENDED, now, TEND_EVERY) {
            return Ok(());
        }
        let told = self.tell_holds(now).await;
        if let Some(stored) = self.holds.kill_switch.get(KILL_SWITCH).await? {
            settle(&self.holds.kill_switch, &self.audit, KILL_SWITCH, stored).await?;
        }
        let freezes = &self.holds.freezes;
        // The next page's turn comes when these owe nothing.
        for stored in freezes.list_readable(Filter::default().with("owes", "yes"), None, PAGE).await?.0 {
            let name = stored.message.order.name.clone();
            settle(freezes, &self.audit, &name, stored).await?;
        }
        for stored in self.holds.open().await? {
            if is_over(&stored.message.order, now - CLOSE_AFTER) {
                let hold = Hold { is_closed: true, ..stored.message.clone() };
                // Who wrote it meanwhile leaves it for the next time.
                freezes.replace(&stored, &hold, hold.attributes()).await?;
            }
        }
        told
    }
}

pub(crate) fn is_over(order: &v1::Freeze, now: Timestamp) -> bool {
    order.end_time.as_ref().is_some_and(|end| from_proto_time(end) <= now)
}

/// How many of each kind stand, of the kinds that can be read.
fn standing(
    switch: &Result<Option<String>, Status>,
    freezes: &Result<Vec<Freeze>, Status>,
    windows: &Result<Vec<MaintenanceHold>, Status>,
    now: Timestamp,
) -> Vec<(&'static str, usize)> {
    let engaged = switch.as_ref().ok().map(|note| usize::from(note.is_some()));
    let frozen = freezes.as_ref().ok().map(|all| all.iter().filter(|freeze| freeze.stands(now)).count());
    let maintained = windows.as_ref().ok().map(|all| all.iter().filter(|window| window.stands(now)).count());
    let counts = [("kill_switch", engaged), ("freeze", frozen), ("maintenance", maintained)];
    counts.into_iter().filter_map(|(kind, count)| Some((kind, count?))).collect()
}

#[cfg(test)]
mod tests {
    use llm_sre_ports::documents::{NewDocument, Precondition};
    use llm_sre_ports::memory::MemoryDocuments;

    use super::*;

    #[tokio::test]
    async fn the_kill_switch_is_told_whatever_cannot_be_read_beside_it() {
        let documents = Arc::new(MemoryDocuments::default());
        let book = HoldBook::new(documents.clone());
        let order = v1::KillSwitch { engaged: true, note: "migration".to_owned(), ..v1::KillSwitch::default() };
        let hold = Hold { order, ..Hold::default() };
        book.kill_switch.create(KILL_SWITCH, &hold, hold.attributes()).await.unwrap();
        let attributes = [("open".to_owned(), "yes".to_owned())].into();
        let (collection, id, body) = ("freezes".to_owned(), "f".to_owned(), 7_i64.into());
        let damaged = NewDocument { collection, id, body, attributes, schema_version: 1 };
        documents.put(damaged, Precondition::Absent).await.unwrap();
        assert_eq!(book.holds().await.unwrap_err().code(), Code::Internal, "nothing is done");
        let unnamed = incident::MaintenanceWindow { name: "maintenanceWindows/w".to_owned(), ..Default::default() };
        let windows = Ok(vec![maintained(&unnamed)]);
        let told = standing(&book.switched().await, &book.frozen().await, &windows, Timestamp::EPOCH);
        assert_eq!(told, [("kill_switch", 1), ("maintenance", 1)]);
    }
}
