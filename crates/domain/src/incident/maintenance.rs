//! Maintenance windows: times in which people work on services, and are not told of incidents about those.

use std::fmt;
use std::sync::Arc;

use super::{IdError, Incident};
use crate::remedy::ServicePattern;
use crate::{ServiceId, Timestamp};

/// Identifies a maintenance window; the owner of the incidents chooses it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WindowId(Arc<str>);

impl WindowId {
    /// A window by the last part of its resource name.
    ///
    /// # Errors
    /// When it is empty.
    pub fn new(id: &str) -> Result<Self, IdError> {
        if id.is_empty() { Err(IdError::Empty { what: "maintenance window" }) } else { Ok(Self(id.into())) }
    }

    /// The last part of its resource name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for WindowId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A window as it was ordered, or as it was ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Window {
    /// Names it.
    pub id: WindowId,
    /// Which services: an incident is covered by the one that it is about.
    pub services: Vec<ServicePattern>,
    /// From this time on; `None` from when it was ordered, whatever a clock says that is behind.
    pub start: Option<Timestamp>,
    /// Until just before this time.
    pub end: Timestamp,
}

impl Window {
    /// Whether it covers incidents about a service now.
    pub fn covers(&self, service: &ServiceId, now: Timestamp) -> bool {
        self.start.is_none_or(|start| start <= now)
            && now < self.end
            && self.services.iter().any(|pattern| pattern.matches(service))
    }
}

/// That a window covers an incident.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Coverage {
    /// Which window.
    pub window: WindowId,
    /// When it ends, as far as is known.
    pub until: Timestamp,
}

impl Coverage {
    /// What covers an incident about this service that opens now; `None` where nothing does.
    pub fn of(windows: &[Window], service: &ServiceId, now: Timestamp) -> Option<Self> {
        Self::last_of(windows.iter().filter(|window| window.covers(service, now)))
    }

    /// By the window that is the last to end.
    fn last_of<'a>(windows: impl Iterator<Item = &'a Window>) -> Option<Self> {
        let last = windows.max_by_key(|window| (window.end, window.id.clone()))?;
        Some(Self { window: last.id.clone(), until: last.end })
    }
}

/// What windows made of an incident. Kept with it, so that whoever goes on with the incident knows what is to be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Maintenance {
    /// The window that covers it, or did last.
    pub window: WindowId,
    /// When that ends, as far as is known.
    pub until: Timestamp,
    /// How many notices were withheld.
    pub withheld: u32,
    /// When it was over and people were told; `None` while it lasts, and for good where the incident ended first.
    pub over_at: Option<Timestamp>,
}

impl From<Coverage> for Maintenance {
    fn from(coverage: Coverage) -> Self {
        Self { window: coverage.window, until: coverage.until, withheld: 0, over_at: None }
    }
}

impl Maintenance {
    /// Whether people are not told.
    pub fn is_on(&self) -> bool {
        self.over_at.is_none()
    }
}

impl Incident {
    /// Whether a window covers it, or did when it ended.
    pub fn is_covered(&self) -> bool {
        self.maintenance.as_ref().is_some_and(Maintenance::is_on)
    }

    /// Whether [`Incident::cover`] would change it.
    pub fn is_to_cover(&self, windows: &[Window], now: Timestamp) -> bool {
        if self.state.is_terminal() {
            return false;
        }
        let known = self.maintenance.as_ref().filter(|known| known.is_on());
        let known = known.map(|known| (&known.window, known.until));
        let coverage = self.coverage(windows, now);
        known != coverage.as_ref().map(|coverage| (&coverage.window, coverage.until))
    }

    /// What maintenance makes of it at this moment, whether it lives or has ended: for who is about to do something on
    /// its account. People are told by [`Incident::cover`].
    pub fn maintenance_now(&self, windows: &[Window], now: Timestamp) -> Option<Maintenance> {
        let known = self.maintenance.clone();
        if let Some(coverage) = self.coverage(windows, now) {
            let withheld = known.filter(Maintenance::is_on).map_or(0, |known| known.withheld);
            return Some(Maintenance { withheld, ..coverage.into() });
        }
        let known = known?;
        if self.state.is_terminal() {
            // Of one that has ended nobody notes that its window is over, which may have been ended early.
            return Some(Maintenance { until: known.until.min(now), ..known });
        }
        Some(Maintenance { over_at: known.over_at.or(Some(now)), ..known })
    }

    /// What covers it now. Several processes tell what time it is: by none of their clocks does a window cover an
    /// incident again that it was over for, or leave one before its start that it covers already.
    pub(super) fn coverage(&self, windows: &[Window], now: Timestamp) -> Option<Coverage> {
        let covers = |window: &&Window| {
            let known = self.maintenance.as_ref().filter(|known| known.window == window.id);
            match known {
                Some(known) => known.is_on() && now < window.end,
                None => window.covers(&self.subject.service, now),
            }
        };
        Coverage::last_of(windows.iter().filter(covers))
    }
}
