//! Maintenance windows: ordered and ended by people, and kept where every process finds them before it changes an
//! incident.

use std::time::Duration;

use llm_sre_domain::incident::{Actor, Coverage, EventKind, Incident, Maintenance, Window};
use llm_sre_domain::remedy::ServicePattern;
use llm_sre_domain::{ServiceId, Timestamp};
use llm_sre_mesh::records::{Attributes, Stored, Write};
use llm_sre_mesh::{names, page, status};
use llm_sre_ports::documents::{Document, Filter};
use llm_sre_proto::convert::common::{from_proto_duration, from_proto_time, required_service, to_proto_time};
use llm_sre_proto::convert::incident::WINDOWS;
use llm_sre_proto::incident::v1;
use serde::{Deserialize, Serialize};
use tonic::{Code, Status};
use uuid::Uuid;

use crate::Service;
use crate::book::shown;
use crate::grpc::{NOTE_MAX, check_text};
use crate::kept::Kept;

/// Namespace of the ids of windows that a request named.
const REQUESTS: Uuid = Uuid::from_u128(0x6c6c_6d73_7265_4d13_9f72_7769_6e64_6f77);
/// Windows that are not over: each is read before each change of an incident.
const STANDING_MAX: usize = 200;
/// The same with those that are not closed yet: fewer than are read, so that several orders at once are none too many.
const OPEN_MAX: usize = 800;
/// Windows a page, and pages that are read.
const PAGE: usize = 200;
const PAGES_MAX: usize = 5;
/// Patterns of one window.
const SERVICES_MAX: usize = 50;
/// The longest pattern, in bytes.
const PATTERN_BYTES_MAX: usize = 200;
/// The longest window. Who wants not to be told for longer has something else in mind than maintenance.
const WINDOW_MAX: Duration = Duration::from_secs(30 * 24 * 3_600);
/// How far ahead a window may begin.
const AHEAD_MAX: Duration = Duration::from_secs(90 * 24 * 3_600);
/// So long after its end a window is closed: long enough that no clock of another process is still before its end.
const CLOSE_AFTER: Duration = Duration::from_secs(3_600);
/// Attributes of a window that was ended though it cannot be read: by whom, and when, in nanoseconds.
const ENDED_BY: &str = "ended_by";
const ENDED_AT: &str = "ended_at";
/// How often a write is tried again because somebody else wrote first.
const ATTEMPTS_MAX: usize = 16;

/// A window as it is stored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct KeptWindow {
    /// As the contract shows it, without its etag.
    #[serde(flatten)]
    order: v1::MaintenanceWindow,
    /// What the request that ordered it asked for.
    #[serde(default)]
    asked: v1::CreateMaintenanceWindowRequest,
    /// Whether it covers nothing any more, whatever a clock says.
    #[serde(default)]
    is_closed: bool,
}

impl KeptWindow {
    fn attributes(&self) -> Attributes {
        [("open".to_owned(), if self.is_closed { "no" } else { "yes" }.to_owned())].into()
    }
}

/// Windows that may not be over.
#[derive(Default)]
struct Open {
    records: Vec<Stored<KeptWindow>>,
    /// The same as the domain reads them.
    windows: Vec<Window>,
    /// The id of one that cannot be read.
    unreadable: Option<String>,
}

impl Service {
    /// The windows that may not be over. One that cannot be read silences nobody: people hear too much, not too little.
    pub(crate) async fn windows(&self) -> Result<Vec<Window>, Status> {
        self.open_windows().await.map(|open| open.windows)
    }

    /// The same, and closes those that are over.
    pub(crate) async fn tend_windows(&self) -> Result<Vec<Window>, Status> {
        let over_by = self.clock.now() - CLOSE_AFTER;
        let open = self.open_windows().await?;
        for stored in open.records.iter().filter(|stored| is_over(&stored.message.order, over_by)) {
            let kept = KeptWindow { is_closed: true, ..stored.message.clone() };
            // Who wrote it meanwhile leaves it for the next time; and nobody's incident waits for one that is over.
            if let Err(error) = self.window_records.replace(stored, &kept, kept.attributes()).await {
                tracing::warn!(%error, window = stored.id, "a maintenance window that is over is closed later");
            }
        }
        Ok(open.windows)
    }

    async fn open_windows(&self) -> Result<Open, Status> {
        let (mut open, mut cursor) = (Open::default(), None);
        for _ in 0..PAGES_MAX {
            let filter = Filter::default().with("open", "yes");
            let page = self.window_records.list_all(filter, cursor, PAGE).await?;
            open.records.extend(page.records);
            open.unreadable = open.unreadable.or_else(|| page.unreadable.into_iter().next());
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
        }
        for stored in &open.records {
            match Window::try_from(&stored.message.order) {
                Ok(window) => open.windows.push(window),
                // Whatever it was about.
                Err(_) if is_over(&stored.message.order, self.clock.now()) => {}
                Err(error) => {
                    let error = status::internal(format!("{} cannot be read: {error}", stored.message.order.name));
                    self.window_records.leave_out(stored, &error);
                    open.unreadable.get_or_insert_with(|| stored.id.clone());
                }
            }
        }
        Ok(open)
    }

    /// What covers an incident about this service that opens now.
    pub(crate) async fn coverage_of(&self, service: &ServiceId) -> Result<Option<Coverage>, Status> {
        Ok(Coverage::of(&self.windows().await?, service, self.clock.now()))
    }

    /// The incident as callers see it, with what covers it at this moment: who decides by it whether to repair does not
    /// have to wait until that is stored. A window that cannot be read may be about any service, and lets nothing be
    /// repaired.
    pub(crate) async fn shown_now(&self, stored: Stored<Kept>) -> Result<v1::Incident, Status> {
        let (open, now) = (self.open_windows().await?, self.clock.now());
        let mut answer = shown(stored);
        let noted = answer.maintenance.clone();
        let known: Option<v1::Maintenance> = match Incident::try_from(&answer) {
            Ok(incident) => incident.maintenance_now(&open.windows, now).as_ref().map(Into::into),
            Err(_) => covering(&answer, &open.windows, now).or_else(|| noted.clone()),
        };
        let holds = |known: &v1::Maintenance| {
            let end = known.end_time.as_ref().map(from_proto_time);
            known.over_time.is_none() && end.is_some_and(|end| now < end)
        };
        answer.maintenance = match open.unreadable {
            Some(id) if !known.as_ref().is_some_and(holds) => Some(widest(&id, noted, now)),
            _ => known,
        };
        Ok(answer)
    }

    /// Lets windows take effect on what lives. What fails has its turn with the duties.
    async fn cover_living(&self) {
        if let Err(error) = self.try_cover_living().await {
            tracing::warn!(%error, "a maintenance window takes effect later");
        }
    }

    async fn try_cover_living(&self) -> Result<(), Status> {
        let (windows, now) = (self.windows().await?, self.clock.now());
        for stored in self.living().await? {
            let incident = stored.message.readable();
            if incident.is_some_and(|incident| incident.is_to_cover(&windows, now)) {
                // Every event takes windows into account, one that comes to nothing too.
                let nothing = self.event("", EventKind::DeadlinePassed)?;
                let name = &stored.message.incident.name;
                if let Err(error) = self.apply(name, &nothing).await {
                    tracing::warn!(%error, incident = name, "a maintenance window takes effect on it later");
                }
            }
        }
        Ok(())
    }

    /// Orders a window. The same request twice is one window.
    pub(crate) async fn order_window(
        &self,
        request: v1::CreateMaintenanceWindowRequest,
        actor: &Actor,
    ) -> Result<v1::MaintenanceWindow, Status> {
        names::check_request_id(&request.request_id)?;
        let (now, records) = (self.clock.now(), &self.window_records);
        let id = match request.request_id.as_str() {
            "" => self.ids.next_id(),
            request_id => Uuid::new_v5(&REQUESTS, request_id.as_bytes()),
        };
        let (id, name) = (id.to_string(), format!("{WINDOWS}{id}"));
        let asked = v1::CreateMaintenanceWindowRequest { validate_only: false, ..request.clone() };
        for _ in 0..ATTEMPTS_MAX {
            if let Some(before) = records.get(&id).await? {
                if before.message.asked != asked {
                    return Err(status::invalid_argument("request_id", "was used to order another window"));
                }
                return Ok(shown_window(&before));
            }
            let order =
                v1::MaintenanceWindow { name: name.clone(), actor: actor.to_string(), ..ordered(&request, now)? };
            let open = self.open_windows().await?;
            let standing = open.records.iter().filter(|window| !is_over(&window.message.order, now)).count();
            if standing >= STANDING_MAX || open.records.len() >= OPEN_MAX {
                let over = open.records.len() - standing;
                let counted = format!("{standing} maintenance windows stand, and {over} ended a short while ago");
                let message = format!("{counted}; end some of them, or order wider patterns and longer ones");
                return Err(status::failed_precondition("TOO_MANY_WINDOWS", message));
            }
            if request.validate_only {
                return Ok(order);
            }
            let kept = KeptWindow { order, asked: asked.clone(), is_closed: false };
            // On a conflict the same request came a moment before.
            if let Write::Done(stored) = records.create(&id, &kept, kept.attributes()).await? {
                tracing::info!(window = name, note = request.note, "a maintenance window was ordered");
                Box::pin(self.cover_living()).await;
                return Ok(shown_window(&stored));
            }
        }
        Err(status::etag_mismatch(&name))
    }

    /// A page of windows. Whoever asks which are not over may let something be done where none is, and hears of one
    /// that cannot be read, too.
    pub(crate) async fn some_windows(
        &self,
        request: v1::ListMaintenanceWindowsRequest,
    ) -> Result<v1::ListMaintenanceWindowsResponse, Status> {
        let size = page::size(request.page_size, 50, 200)?;
        let cursor = (!request.page_token.is_empty()).then_some(request.page_token);
        let filter = if request.show_ended { Filter::default() } else { Filter::default().with("open", "yes") };
        let page = self.window_records.list_all(filter, cursor, size).await?;
        let now = self.clock.now();
        // Until it is closed, one that is over stands among those that are not.
        let is_wanted = |window: &v1::MaintenanceWindow| request.show_ended || !is_over(window, now);
        let unreadable = page.unreadable.iter().filter(|_| !request.show_ended).map(|id| unread_window(id));
        let windows = page.records.iter().map(shown_window).filter(is_wanted).chain(unreadable).collect();
        Ok(v1::ListMaintenanceWindowsResponse { windows, next_page_token: page.next.unwrap_or_default() })
    }

    /// Ends a window now, one that cannot be read too. One that is over stays as it is.
    pub(crate) async fn end_window(
        &self,
        request: v1::EndMaintenanceWindowRequest,
        actor: &Actor,
    ) -> Result<v1::MaintenanceWindow, Status> {
        let v1::EndMaintenanceWindowRequest { name, note, validate_only } = request;
        check_text("note", &note, 0, NOTE_MAX)?;
        let is_canonical = |id: &&str| Uuid::try_parse(id).is_ok_and(|uuid| uuid.hyphenated().to_string() == **id);
        let id = name.strip_prefix(WINDOWS).filter(is_canonical).ok_or_else(|| {
            status::invalid_argument("name", format!("'{name}' does not have the form {WINDOWS}{{uuid}}"))
        })?;
        let records = &self.window_records;
        for _ in 0..ATTEMPTS_MAX {
            let stored = match records.get(id).await {
                Err(error) if error.code() == Code::Internal => {
                    match self.end_unreadable(id, &note, actor, validate_only).await? {
                        Some(ended) => return Ok(ended),
                        None => continue,
                    }
                }
                read => read?.ok_or_else(|| status::not_found(&name))?,
            };
            let now = self.clock.now();
            if stored.message.is_closed || is_over(&stored.message.order, now) {
                return Ok(shown_window(&stored));
            }
            let mut kept = stored.message.clone();
            kept.order.end_time = Some(to_proto_time(now));
            kept.order.end_actor = actor.to_string();
            kept.order.end_note.clone_from(&note);
            if validate_only {
                return Ok(v1::MaintenanceWindow { etag: stored.etag(), ..kept.order });
            }
            kept.is_closed = true;
            if let Write::Done(stored) = records.replace(&stored, &kept, kept.attributes()).await? {
                tracing::info!(window = name, note, "a maintenance window was ended");
                Box::pin(self.cover_living()).await;
                return Ok(shown_window(&stored));
            }
        }
        Err(status::etag_mismatch(&name))
    }

    /// Ends a window that cannot be read: else nothing is repaired until somebody mends the store. What is stored of it
    /// stays, for who can read it, and counts no more; who ended it and when is kept beside it. `None` where somebody
    /// else wrote it meanwhile.
    async fn end_unreadable(
        &self,
        id: &str,
        note: &str,
        actor: &Actor,
        validate_only: bool,
    ) -> Result<Option<v1::MaintenanceWindow>, Status> {
        let Some(found) = self.window_records.unreadable(id).await? else { return Ok(None) };
        if found.attributes.get("open").is_some_and(|open| open == "no") {
            return Ok(Some(ended_unread(&found)));
        }
        let (now, actor) = (self.clock.now(), actor.to_string());
        let ended = v1::MaintenanceWindow {
            end_time: Some(to_proto_time(now)),
            end_actor: actor.clone(),
            end_note: note.to_owned(),
            ..unread_window(id)
        };
        if validate_only {
            return Ok(Some(ended));
        }
        let marks = [("open", "no".to_owned()), (ENDED_BY, actor), (ENDED_AT, now.as_nanos().to_string())];
        let marks = marks.map(|(name, value)| (name.to_owned(), value)).into();
        let Write::Done(version) = self.window_records.mark(found, marks).await? else { return Ok(None) };
        let (window, actor) = (&ended.name, &ended.end_actor);
        tracing::warn!(window, actor, note, "a maintenance window that cannot be read was ended");
        Ok(Some(v1::MaintenanceWindow { etag: version.to_string(), ..ended }))
    }
}

/// What covers an incident of which not all can be read, by the service that it is about.
fn covering(incident: &v1::Incident, windows: &[Window], now: Timestamp) -> Option<v1::Maintenance> {
    let service = required_service("service", incident.service.as_ref()).ok()?;
    let coverage = Coverage::of(windows, &service, now)?;
    Some((&Maintenance::from(coverage)).into())
}

/// All that a window which cannot be read may be: about every service, and as long as a window lasts. That it is over
/// for an incident may have been noted because it cannot be read any more, and says nothing.
fn widest(id: &str, noted: Option<v1::Maintenance>, now: Timestamp) -> v1::Maintenance {
    let on = noted.filter(|noted| noted.over_time.is_none());
    v1::Maintenance {
        window: format!("{WINDOWS}{id}"),
        end_time: Some(to_proto_time(now + WINDOW_MAX)),
        withheld: on.map_or(0, |on| on.withheld),
        over_time: None,
    }
}

/// The window that a request orders, but for its name and who orders it.
fn ordered(request: &v1::CreateMaintenanceWindowRequest, now: Timestamp) -> Result<v1::MaintenanceWindow, Status> {
    check_text("note", &request.note, 0, NOTE_MAX)?;
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
    let days = |length: Duration| length.as_secs() / 86_400;
    let start = request.start_time.as_ref().map(from_proto_time);
    if start.is_some_and(|start| start > now + AHEAD_MAX) {
        return Err(status::invalid_argument("start_time", format!("is more than {} days from now", days(AHEAD_MAX))));
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
    if end.since(begins) > WINDOW_MAX {
        let problem = format!("ends more than {} days after the start", days(WINDOW_MAX));
        return Err(status::invalid_argument(field, problem));
    }
    Ok(v1::MaintenanceWindow {
        services: request.services.clone(),
        start_time: start.map(to_proto_time),
        end_time: Some(to_proto_time(end)),
        note: request.note.clone(),
        create_time: Some(to_proto_time(now)),
        ..v1::MaintenanceWindow::default()
    })
}

fn is_over(order: &v1::MaintenanceWindow, now: Timestamp) -> bool {
    order.end_time.as_ref().is_some_and(|end| from_proto_time(end) <= now)
}

/// All that is known of a window that cannot be read.
fn unread_window(id: &str) -> v1::MaintenanceWindow {
    v1::MaintenanceWindow { name: format!("{WINDOWS}{id}"), ..v1::MaintenanceWindow::default() }
}

/// One that was ended before: once is once, whoever asks again. Its note is in the log alone.
fn ended_unread(found: &Document) -> v1::MaintenanceWindow {
    let ended_at = found.attributes.get(ENDED_AT).and_then(|nanos| nanos.parse::<i64>().ok());
    v1::MaintenanceWindow {
        end_time: ended_at.map(|nanos| to_proto_time(Timestamp::from_nanos(nanos))),
        end_actor: found.attributes.get(ENDED_BY).cloned().unwrap_or_default(),
        etag: found.version.to_string(),
        ..unread_window(&found.id)
    }
}

fn shown_window(stored: &Stored<KeptWindow>) -> v1::MaintenanceWindow {
    v1::MaintenanceWindow { etag: stored.etag(), ..stored.message.order.clone() }
}
