//! What people order about holds: the kill switch moved, freezes ordered and ended.

use std::time::Duration;

use llm_sre_domain::Timestamp;
use llm_sre_domain::incident::Actor;
use llm_sre_domain::remedy::ServicePattern;
use llm_sre_mesh::records::{Stored, Write};
use llm_sre_mesh::{names, page, status};
use llm_sre_ports::documents::Filter;
use llm_sre_proto::convert::common::{from_proto_duration, from_proto_time, to_proto_time};
use llm_sre_proto::remediation::v1;
use tonic::Status;
use uuid::Uuid;

use crate::Service;
use crate::decide::check_note;
use crate::hold::{FREEZES, Hold, KILL_SWITCH, is_over, settle};

/// Namespace of the ids of freezes that a request named.
const REQUESTS: Uuid = Uuid::from_u128(0x6c6c_6d73_7265_4d0f_9f72_6565_7a65_7331);
/// Freezes that are not over: each is read before each call.
const STANDING_MAX: usize = 200;
/// The same with those that are not closed yet: fewer than are read, so that several orders at once are none too many.
const OPEN_MAX: usize = 800;
/// Patterns of one freeze.
const SERVICES_MAX: usize = 50;
/// The longest pattern, in bytes.
const PATTERN_BYTES_MAX: usize = 200;
/// The longest freeze. Who wants no repairs for longer changes the policy.
const FREEZE_MAX: Duration = Duration::from_secs(90 * 24 * 3_600);
/// How often a write is tried again because somebody else wrote first.
const ATTEMPTS_MAX: usize = 16;

impl Service {
    /// The kill switch as it is.
    pub(crate) async fn switch_now(&self) -> Result<v1::KillSwitch, Status> {
        let stored = self.holds.kill_switch.get(KILL_SWITCH).await?;
        Ok(stored.map(|stored| switch(&stored)).unwrap_or_default())
    }

    /// Moves the kill switch. Where it stands as asked already, nothing changes.
    pub(crate) async fn move_switch(
        &self,
        request: v1::SetKillSwitchRequest,
        actor: &Actor,
    ) -> Result<v1::KillSwitch, Status> {
        let v1::SetKillSwitchRequest { engaged, note, etag, validate_only } = request;
        check_note(&note)?;
        let records = &self.holds.kill_switch;
        for _ in 0..ATTEMPTS_MAX {
            let stored = records.get(KILL_SWITCH).await?;
            let seen = stored.as_ref().map(Stored::etag).unwrap_or_default();
            let mut hold = stored.as_ref().map(|stored| stored.message.clone()).unwrap_or_default();
            if hold.order.engaged == engaged && hold.order.note == note {
                let Some(stored) = stored else { return Ok(v1::KillSwitch::default()) };
                let stored = settle(records, &self.audit, KILL_SWITCH, stored).await?;
                return Ok(switch(&stored));
            }
            if !etag.is_empty() && etag != seen {
                return Err(status::etag_mismatch(KILL_SWITCH));
            }
            let now = self.clock.now();
            let update_time = Some(to_proto_time(now));
            hold.order =
                v1::KillSwitch { engaged, note: note.clone(), actor: actor.to_string(), update_time, etag: seen };
            if validate_only {
                return Ok(hold.order);
            }
            hold.order.etag.clear();
            hold.owe(KILL_SWITCH, actor, if engaged { "engaged" } else { "released" }, note.clone(), now);
            let written = match &stored {
                Some(stored) => records.replace(stored, &hold, hold.attributes()).await?,
                None => records.create(KILL_SWITCH, &hold, hold.attributes()).await?,
            };
            if let Write::Done(stored) = written {
                tracing::warn!(engaged, note, "the kill switch was moved");
                self.note_order();
                let stored = settle(records, &self.audit, KILL_SWITCH, stored).await?;
                return Ok(switch(&stored));
            }
        }
        Err(status::etag_mismatch(KILL_SWITCH))
    }

    /// Orders a freeze. The same request twice is one freeze.
    pub(crate) async fn order_freeze(
        &self,
        request: v1::CreateFreezeRequest,
        actor: &Actor,
    ) -> Result<v1::Freeze, Status> {
        names::check_request_id(&request.request_id)?;
        let (now, records) = (self.clock.now(), &self.holds.freezes);
        let id = match request.request_id.as_str() {
            "" => self.ids.next_id(),
            request_id => Uuid::new_v5(&REQUESTS, request_id.as_bytes()),
        };
        let (id, name) = (id.to_string(), format!("{FREEZES}{id}"));
        let asked = v1::CreateFreezeRequest { validate_only: false, ..request.clone() };
        for _ in 0..ATTEMPTS_MAX {
            if let Some(before) = records.get(&id).await? {
                if before.message.asked.as_ref() != Some(&asked) {
                    return Err(status::invalid_argument("request_id", "was used to order another freeze"));
                }
                return settle(records, &self.audit, &name, before).await.map(|stored| shown(&stored));
            }
            let order = v1::Freeze { name: name.clone(), ..ordered(&request, actor, now)? };
            let open = self.holds.open().await?;
            let standing = open.iter().filter(|freeze| !is_over(&freeze.message.order, now)).count();
            if standing >= STANDING_MAX || open.len() >= OPEN_MAX {
                let counted =
                    format!("{standing} freezes stand, and {} ended a short while ago", open.len() - standing);
                let message = format!("{counted}; end some of them, or freeze with wider patterns and for longer");
                return Err(status::failed_precondition("TOO_MANY_FREEZES", message));
            }
            if request.validate_only {
                return Ok(order);
            }
            let mut hold = Hold::new(order, asked.clone());
            hold.owe(&name, actor, "frozen", detail(&hold.order), now);
            // On a conflict the same request came a moment before.
            if let Write::Done(stored) = records.create(&id, &hold, hold.attributes()).await? {
                self.note_order();
                return settle(records, &self.audit, &name, stored).await.map(|stored| shown(&stored));
            }
        }
        Err(status::etag_mismatch(&name))
    }

    /// A page of freezes.
    pub(crate) async fn some_freezes(
        &self,
        request: v1::ListFreezesRequest,
    ) -> Result<v1::ListFreezesResponse, Status> {
        let size = page::size(request.page_size, 50, 200)?;
        let cursor = (!request.page_token.is_empty()).then_some(request.page_token);
        let filter = if request.show_ended { Filter::default() } else { Filter::default().with("open", "yes") };
        let (found, next) = self.holds.freezes.list(filter, cursor, size).await?;
        let now = self.clock.now();
        // Until it is closed, one that is over stands among those that are not.
        let is_wanted = |freeze: &v1::Freeze| request.show_ended || !is_over(freeze, now);
        let freezes = found.iter().map(shown).filter(is_wanted).collect();
        Ok(v1::ListFreezesResponse { freezes, next_page_token: next.unwrap_or_default() })
    }

    /// Ends a freeze now. One that is over stays as it is.
    pub(crate) async fn lift_freeze(&self, request: v1::EndFreezeRequest, actor: &Actor) -> Result<v1::Freeze, Status> {
        let v1::EndFreezeRequest { name, note, validate_only } = request;
        check_note(&note)?;
        let is_canonical = |id: &&str| Uuid::try_parse(id).is_ok_and(|uuid| uuid.hyphenated().to_string() == **id);
        let id = name.strip_prefix(FREEZES).filter(is_canonical).ok_or_else(|| {
            status::invalid_argument("name", format!("'{name}' does not have the form {FREEZES}{{uuid}}"))
        })?;
        let records = &self.holds.freezes;
        for _ in 0..ATTEMPTS_MAX {
            let stored = records.get(id).await?.ok_or_else(|| status::not_found(&name))?;
            let now = self.clock.now();
            if stored.message.is_closed || is_over(&stored.message.order, now) {
                return settle(records, &self.audit, &name, stored).await.map(|stored| shown(&stored));
            }
            let mut hold = stored.message.clone();
            hold.order.end_time = Some(to_proto_time(now));
            if validate_only {
                return Ok(v1::Freeze { etag: stored.etag(), ..hold.order });
            }
            hold.is_closed = true;
            hold.owe(&name, actor, "ended", note.clone(), now);
            if let Write::Done(stored) = records.replace(&stored, &hold, hold.attributes()).await? {
                self.note_order();
                return settle(records, &self.audit, &name, stored).await.map(|stored| shown(&stored));
            }
        }
        Err(status::etag_mismatch(&name))
    }
}

/// The freeze that a request orders, but for its name.
fn ordered(request: &v1::CreateFreezeRequest, actor: &Actor, now: Timestamp) -> Result<v1::Freeze, Status> {
    check_note(&request.note)?;
    if !(1..=SERVICES_MAX).contains(&request.services.len()) {
        return Err(status::invalid_argument("services", format!("are from 1 to {SERVICES_MAX} patterns")));
    }
    for (index, text) in request.services.iter().enumerate() {
        let field = format!("services[{index}]");
        if text.len() > PATTERN_BYTES_MAX {
            return Err(status::invalid_argument(&field, format!("is at most {PATTERN_BYTES_MAX} bytes")));
        }
        ServicePattern::parse(text).map_err(|error| status::invalid_argument(&field, error.to_string()))?;
    }
    let start = request.start_time.as_ref().map(from_proto_time);
    let days = FREEZE_MAX.as_secs() / 86_400;
    if start.is_some_and(|start| start > now + FREEZE_MAX) {
        return Err(status::invalid_argument("start_time", format!("is more than {days} days from now")));
    }
    let begins = start.map_or(now, |start| start.max(now));
    let (field, end) = match (&request.end_time, &request.duration) {
        (Some(end), None) => ("end_time", from_proto_time(end)),
        (None, Some(duration)) => ("duration", start.unwrap_or(now) + from_proto_duration(Some(duration))),
        (None, None) => return Err(status::invalid_argument("end_time", "is required, or `duration`")),
        (Some(_), Some(_)) => return Err(status::invalid_argument("duration", "does not stand beside `end_time`")),
    };
    if end <= begins {
        return Err(status::invalid_argument(field, "does not end after the start and the present"));
    }
    if end.since(begins) > FREEZE_MAX {
        return Err(status::invalid_argument(field, format!("ends more than {days} days after the start")));
    }
    Ok(v1::Freeze {
        services: request.services.clone(),
        start_time: start.map(to_proto_time),
        end_time: Some(to_proto_time(end)),
        note: request.note.clone(),
        actor: actor.to_string(),
        create_time: Some(to_proto_time(now)),
        ..v1::Freeze::default()
    })
}

/// A freeze in one line of the audit record.
fn detail(order: &v1::Freeze) -> String {
    let start = order.start_time.as_ref().map(|start| format!(" from {}", from_proto_time(start))).unwrap_or_default();
    let end = order.end_time.as_ref().map(from_proto_time).unwrap_or_default();
    let fact = format!("{}{start} until {end}", order.services.join(", "));
    if order.note.is_empty() { fact } else { format!("{fact}: {}", order.note) }
}

fn switch(stored: &Stored<Hold<v1::KillSwitch>>) -> v1::KillSwitch {
    v1::KillSwitch { etag: stored.etag(), ..stored.message.order.clone() }
}

fn shown(stored: &Stored<Hold<v1::Freeze>>) -> v1::Freeze {
    v1::Freeze { etag: stored.etag(), ..stored.message.order.clone() }
}
