//! Which processes are there, and which are gone while their service goes on.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::Duration;

use super::Detector;
use super::table::{Seen, SeriesKey};
use crate::{ServiceId, Timestamp};

/// A process is gone that said nothing for longer than both of these, while others of its service speak.
const GONE_AFTER: Duration = Duration::from_secs(120);
const GONE_INTERVALS: f64 = 5.0;

/// When each named process of a service was last heard, by any of its signals.
type Heard<'a> = BTreeMap<&'a str, Timestamp>;

/// Looks at the processes of a service once, however often it is asked about them, and only where it has to.
pub(super) struct Present<'a> {
    detector: &'a Detector,
    heard: RefCell<BTreeMap<ServiceId, Heard<'a>>>,
}

impl<'a> Present<'a> {
    pub(super) fn of(detector: &'a Detector) -> Self {
        Self { detector, heard: RefCell::default() }
    }

    /// Whether the process of a series is gone, and others of its service are there: the last that it said describes
    /// nothing that is. Of a service of which no process is heard, it is still how it was last.
    pub(super) fn has_left(&self, seen: Seen<'a>) -> bool {
        let patience = GONE_AFTER.max(Duration::from_secs_f64(GONE_INTERVALS * seen.series.interval_s()));
        let is_here = |last: Timestamp| self.detector.watermark.since(last) <= patience;
        let instance = &*seen.origin.instance;
        if instance.is_empty() || is_here(seen.series.last) {
            return false;
        }
        self.look(&seen.group.service, |heard| {
            let is_other = |(other, last): (&&str, &Timestamp)| **other != *instance && is_here(*last);
            !heard.get(instance).is_some_and(|last| is_here(*last)) && heard.iter().any(is_other)
        })
    }

    /// Whether a series was heard after a time, and its process is there still: one that was replaced meanwhile would
    /// hold up for ever what is measured.
    pub(super) fn speaks(&self, seen: Seen<'a>, since: Timestamp) -> bool {
        seen.series.last > since && !self.has_left(seen)
    }

    /// Whether the process of a series said anything at all after a time.
    pub(super) fn is_heard(&self, key: &SeriesKey, since: Timestamp) -> bool {
        let instance = &*key.instance;
        !instance.is_empty() && self.look(&key.service, |heard| heard.get(instance).is_some_and(|last| *last > since))
    }

    /// Whether another named process of the service said anything after a time.
    pub(super) fn has_others(&self, key: &SeriesKey, since: Timestamp) -> bool {
        let is_other = |(other, last): (&&str, &Timestamp)| **other != *key.instance && *last > since;
        self.look(&key.service, |heard| heard.iter().any(is_other))
    }

    fn look<T>(&self, service: &ServiceId, ask: impl FnOnce(&Heard<'a>) -> T) -> T {
        let mut heard = self.heard.borrow_mut();
        ask(heard.entry(service.clone()).or_insert_with(|| {
            let mut heard = Heard::new();
            for seen in self.detector.table.of_service(service).filter(|seen| !seen.origin.instance.is_empty()) {
                let last = heard.entry(&*seen.origin.instance).or_default();
                *last = seen.series.last.max(*last);
            }
            heard
        }))
    }
}
