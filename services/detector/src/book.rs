//! Reading and changing incidents.

use std::collections::BTreeSet;

use llm_sre_domain::ServiceId;
use llm_sre_domain::incident::{Actor, Effect, Event, EventId, EventKind, IllegalTransition, Incident, Window};
use llm_sre_mesh::records::{Stored, Write};
use llm_sre_mesh::{names, status};
use llm_sre_ports::documents::Filter;
use llm_sre_proto::incident::v1;
use tonic::Status;

use crate::Service;
use crate::kept::Kept;

/// How often a change is tried against other writers of the same incident.
const ATTEMPTS_MAX: usize = 16;
/// Incidents that can live at once and are all looked at.
pub(crate) const LIVING_MAX: usize = 500;

impl Service {
    /// An incident by its name in a request's `name` field.
    pub(crate) async fn find(&self, name: &str) -> Result<Stored<Kept>, Status> {
        let id = names::parse_incident("name", name)?;
        self.records.get(&id.to_string()).await?.ok_or_else(|| status::not_found(name))
    }

    /// The incidents that live, newest first; at most [`LIVING_MAX`].
    pub(crate) async fn living(&self) -> Result<Vec<Stored<Kept>>, Status> {
        let filter = Filter::default().with("living", "yes");
        self.records.list_readable(filter, None, LIVING_MAX).await.map(|(found, _)| found)
    }

    /// Applies an event, whoever else writes meanwhile. An event that changes nothing writes nothing.
    pub(crate) async fn apply(&self, name: &str, event: &Event) -> Result<Stored<Kept>, Status> {
        self.apply_all(name, "", std::slice::from_ref(event), |_| ()).await
    }

    /// As [`Service::apply`], several events in one write, at an etag that a caller saw (empty does not check), with a
    /// further edit of what is stored beside the incident.
    pub(crate) async fn apply_all(
        &self,
        name: &str,
        etag: &str,
        events: &[Event],
        edit: impl Fn(&mut Kept),
    ) -> Result<Stored<Kept>, Status> {
        for _ in 0..ATTEMPTS_MAX {
            let stored = self.find(name).await?;
            let incident = stored.message.domain()?;
            // A repeat of what was done is answered, although the etag moved on with it.
            if !events.iter().all(|event| incident.applied.contains(&event.id)) {
                stored.check_etag(name, etag)?;
            }
            // As they are now: one that was ordered a moment ago silences what this would tell.
            let windows = self.windows().await?;
            let (incident, effects) = self.try_apply(incident, events, &windows)?;
            let mut kept = stored.message.clone();
            kept.take(&incident, &effects, self.stages.now_unix_nano());
            edit(&mut kept);
            if let Some(stored) = self.write(&stored, &kept).await? {
                return Ok(stored);
            }
        }
        Err(status::etag_mismatch(name))
    }

    /// The incident after these events, under these windows, not stored.
    pub(crate) fn try_apply(
        &self,
        mut incident: Incident,
        events: &[Event],
        windows: &[Window],
    ) -> Result<(Incident, Vec<Effect>), Status> {
        let now = self.clock.now();
        let mut effects = incident.cover(windows, &self.options.rules, now);
        for event in events {
            let applied = incident.apply(event.clone(), &self.options.rules, now);
            effects.extend(applied.map_err(|error| illegal(&error))?);
        }
        Ok((incident, effects))
    }

    /// Changes what is stored beside an incident.
    pub(crate) async fn edit(&self, name: &str, edit: impl Fn(&mut Kept)) -> Result<Stored<Kept>, Status> {
        for _ in 0..ATTEMPTS_MAX {
            let stored = self.find(name).await?;
            let mut kept = stored.message.clone();
            edit(&mut kept);
            if let Some(stored) = self.write(&stored, &kept).await? {
                return Ok(stored);
            }
        }
        Err(status::etag_mismatch(name))
    }

    /// Lets the recovery of every incident that lives be measured, and of no other.
    pub(crate) async fn measure_living(&self) -> Result<(), Status> {
        let living = self.living().await?;
        let readable = |stored: &Stored<Kept>| Some((stored.message.readable()?, stored.message.roots.clone()));
        let living: Vec<(Incident, BTreeSet<ServiceId>)> = living.iter().filter_map(readable).collect();
        self.brain().only_living(&living.iter().map(|(incident, _)| incident.id).collect());
        living.iter().for_each(|(incident, roots)| self.measure_while_living(incident, roots));
        Ok(())
    }

    /// Lets recovery be measured as long as an incident lives.
    pub(crate) fn measure_while_living(&self, incident: &Incident, roots: &BTreeSet<ServiceId>) {
        let mut brain = self.brain();
        if incident.state.is_terminal() {
            brain.ended(incident.id);
        } else {
            brain.watch_recovery(incident, roots);
        }
    }

    /// An event of the product's own.
    pub(crate) fn event(&self, id: &str, kind: EventKind) -> Result<Event, Status> {
        self.event_by(id, Actor::product(), kind)
    }

    /// An event of somebody's. An empty id is one that nobody repeats.
    pub(crate) fn event_by(&self, id: &str, actor: Actor, kind: EventKind) -> Result<Event, Status> {
        let id = if id.is_empty() { self.ids.next_id().to_string() } else { id.to_owned() };
        let id = EventId::new(&id).map_err(|error| status::invalid_argument("request_id", error.to_string()))?;
        Ok(Event { id, actor, kind })
    }

    /// Writes what differs; `None` where somebody else wrote first.
    async fn write(&self, stored: &Stored<Kept>, kept: &Kept) -> Result<Option<Stored<Kept>>, Status> {
        if *kept == stored.message {
            return Ok(Some(stored.clone()));
        }
        match self.records.replace(stored, kept, kept.attributes()).await? {
            Write::Conflict => Ok(None),
            Write::Done(written) => {
                let incident = kept.domain()?;
                kept.announce(&incident);
                self.measure_while_living(&incident, &kept.roots);
                self.owing.note(&written.id);
                self.stepped.notify_one();
                Ok(Some(written))
            }
        }
    }
}

/// The incident as callers see it.
pub(crate) fn shown(stored: Stored<Kept>) -> v1::Incident {
    let etag = stored.etag();
    v1::Incident { etag, ..stored.message.incident }
}

fn illegal(error: &IllegalTransition) -> Status {
    status::failed_precondition("ILLEGAL_TRANSITION", error.to_string())
}
