//! What plans and starts are judged by: what was done before, and which services were seen.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use llm_sre_domain::remedy::{Action, ActionState, History, Holds, PastAction, Surroundings};
use llm_sre_domain::{ServiceId, Timestamp};
use llm_sre_mesh::{names, status};
use llm_sre_ports::documents::Filter;
use llm_sre_ports::telemetry::Range;
use tonic::Status;
use uuid::Uuid;

use crate::Service;
use crate::kept::Kept;

/// How far back a service must have been seen.
const SEEN_WITHIN: Duration = Duration::from_secs(24 * 3_600);
/// How far ahead of the product's clock telemetry may be.
const SKEW: Duration = Duration::from_secs(60);
/// Services in one question to the store.
const SERVICES_PAGE: usize = 1_000;
/// Actions in one question to the store.
const ACTIONS_PAGE: usize = 200;
/// Longer than an action lives from its plan to its end, approval's expiry aside.
const LIFE_MAX: Duration = Duration::from_secs(24 * 3_600);
/// How long a caller waits before it asks an absent store again.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// What the domain's [`Surroundings`] borrow.
pub(crate) struct Known {
    pub(crate) history: History,
    pub(crate) holds: Holds,
    pub(crate) seen: BTreeSet<ServiceId>,
    pub(crate) now: Timestamp,
}

impl Service {
    /// Everything that limits look at, for an incident.
    pub(crate) async fn known(&self, incident: Uuid) -> Result<Known, Status> {
        let now = self.clock.now();
        // At the same time: an incident waits for all three.
        let name = names::incident(incident);
        let (history, seen, holds) = tokio::try_join!(self.history(incident, now), self.seen(now), self.holds(&name))?;
        Ok(Known { history, holds, seen, now })
    }

    /// The same for an action about to start. Actions that may start too but were planned later do not count: they
    /// wait for this one, or all would wait for each other. None of them does once this one has started.
    pub(crate) async fn known_before(&self, incident: Uuid, action: &Action) -> Result<Known, Status> {
        let mut known = self.known(incident).await?;
        let later = self.find_all(state_filter(ActionState::Approved)).await?;
        let mut later_ids = BTreeSet::new();
        for stored in later {
            let other = stored.message.domain()?;
            let is_later = (other.created_at, other.plan.id) > (action.created_at, action.plan.id);
            if is_later || action.state != ActionState::Approved {
                later_ids.insert(other.plan.id);
            }
        }
        known.history.actions.retain(|past| !later_ids.contains(&past.id) || past.state != ActionState::Approved);
        Ok(known)
    }

    /// Surroundings over what is known.
    pub(crate) fn around<'a>(&'a self, known: &'a Known) -> Surroundings<'a> {
        Surroundings {
            catalogue: &self.catalogue,
            policy: &self.policy,
            holds: &known.holds,
            history: &known.history,
            seen: &known.seen,
            now: known.now,
        }
    }

    async fn history(&self, incident: Uuid, now: Timestamp) -> Result<History, Status> {
        let mut actions = BTreeMap::new();
        let mut add = |stored: &Kept| -> Result<Timestamp, Status> {
            let action = stored.domain()?;
            let past = PastAction { is_disturbed: stored.is_disturbed, ..PastAction::from(&action) };
            actions.insert(past.id, past);
            Ok(action.created_at)
        };
        for filter in
            [Filter::default().with("incident", &incident.to_string()), Filter::default().with("living", "yes")]
        {
            for stored in self.find_all(filter).await? {
                add(&stored.message)?;
            }
        }
        let limits = &self.policy.limits;
        let window_s = limits.window_s.max(limits.ineffective_window_s).max(limits.cooldown_s);
        let reach = window_s.saturating_add(limits.approval_expiry_s);
        let oldest = now - Duration::from_secs(reach).saturating_add(LIFE_MAX);
        let mut cursor = None;
        loop {
            let (page, next) = self.actions.list(Filter::default(), cursor, ACTIONS_PAGE).await?;
            let mut is_past = page.is_empty();
            for stored in page {
                is_past |= add(&stored.message)? < oldest;
            }
            cursor = next;
            if is_past || cursor.is_none() {
                return Ok(History { actions: actions.into_values().collect() });
            }
        }
    }

    async fn seen(&self, now: Timestamp) -> Result<BTreeSet<ServiceId>, Status> {
        let range = Range { start: now - SEEN_WITHIN, end: now + SKEW };
        let mut seen = BTreeSet::new();
        loop {
            let after = seen.last().cloned();
            let page = self.telemetry.services(range, after.as_ref(), SERVICES_PAGE).await;
            let page = page.map_err(|error| status::unavailable("the telemetry store", error, RETRY_AFTER))?;
            let is_last = page.len() < SERVICES_PAGE;
            seen.extend(page.into_iter().map(|found| found.service));
            if is_last {
                return Ok(seen);
            }
        }
    }
}

/// Records in a state.
pub(crate) fn state_filter(state: ActionState) -> Filter {
    Filter::default().with("state", llm_sre_proto::remediation::v1::ActionState::from(state).as_str_name())
}
