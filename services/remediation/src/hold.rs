//! The kill switch and freezes: kept where every process finds them before each call.

use std::sync::Arc;
use std::time::Duration;

use llm_sre_domain::remedy::{Freeze, Holds, ServicePattern};
use llm_sre_domain::{ServiceId, Timestamp};
use llm_sre_mesh::records::{Attributes, Records, Stored, Write};
use llm_sre_mesh::status;
use llm_sre_ports::documents::{Documents, Filter};
use llm_sre_proto::convert::common::from_proto_time;
use llm_sre_proto::remediation::v1;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tonic::Status;

use crate::Service;
use crate::audit::Audit;
use crate::decide::PERSON;
use crate::kept::Step;

/// The kill switch's name, and its id in the store.
pub(crate) const KILL_SWITCH: &str = "killSwitch";
/// What the names of freezes begin with.
pub(crate) const FREEZES: &str = "freezes/";
/// Freezes a page.
const PAGE: usize = 200;
/// Pages of freezes that are not closed. More than can be ordered is an error, since none may be overlooked.
const PAGES_MAX: usize = 5;
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

    /// Owes the audit record a step.
    pub(crate) fn owe(&mut self, name: &str, step: &str, detail: String, now: Timestamp) {
        self.steps += 1;
        self.unaudited.push(Step {
            key: format!("{name}/{}", self.steps),
            time_unix_nano: now.as_nanos(),
            actor: PERSON.to_owned(),
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
        let freezes = self.open().await?;
        let freezes = freezes.iter().map(|stored| freeze(&stored.message.order)).collect::<Result<_, _>>()?;
        // Last, so that the time from an order to stop everything to the call that it may miss is the shortest.
        let switch = self.kill_switch.get(KILL_SWITCH).await?.map(|stored| stored.message.order);
        Ok(Holds { kill_switch: switch.filter(|switch| switch.engaged).map(|switch| switch.note), freezes })
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
    /// Everything that is on hold.
    pub(crate) async fn holds(&self) -> Result<Holds, Status> {
        self.holds.holds().await
    }

    /// Whether people ordered that the target of a service is not called now.
    pub(crate) async fn is_held(&self, service: &ServiceId) -> Result<bool, Status> {
        Ok(!self.holds().await?.blocks(service, self.clock.now()).is_empty())
    }

    /// Refuses where people ordered that the target of a service is not called now: what waits until they let it go on
    /// may come too late.
    pub(crate) async fn check_not_held(&self, service: &ServiceId) -> Result<(), Status> {
        match self.holds().await?.blocks(service, self.clock.now()).first() {
            Some(block) => Err(status::failed_precondition("ON_HOLD", block.detail.clone())),
            None => Ok(()),
        }
    }

    /// Tells what holds owe that was not told when they were ordered, and closes freezes that are over.
    pub(crate) async fn tend_holds(&self) -> Result<(), Status> {
        let now = self.clock.now();
        if !self.memory.is_due("holds", now, TEND_EVERY) {
            return Ok(());
        }
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
        Ok(())
    }
}

pub(crate) fn is_over(order: &v1::Freeze, now: Timestamp) -> bool {
    order.end_time.as_ref().is_some_and(|end| from_proto_time(end) <= now)
}
