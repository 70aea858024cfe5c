//! What a service shows that is of no incident yet.

use std::collections::BTreeMap;

use super::case::ANOMALIES_MAX;
use super::kin::Trouble;
use crate::detect::Abnormal;
use crate::{Anomaly, AnomalyId, Timestamp};

/// See the module.
#[derive(Clone, Debug)]
pub(super) struct Waiting {
    pub(super) trouble: Trouble,
    pub(super) anomalies: BTreeMap<AnomalyId, Anomaly>,
    /// The earliest onset of what calls for an incident, and when the first of it was sure.
    pub(super) onset: Timestamp,
    pub(super) detected_at: Timestamp,
    pub(super) last_active: Timestamp,
    /// Since when it calls for an incident without a pause; what is abnormal may have been so, and explained, before.
    pub(super) calling_since: Timestamp,
}

impl Waiting {
    pub(super) fn new(found: Abnormal, calling_since: Timestamp, now: Timestamp) -> Self {
        let trouble = Trouble::of(&found);
        let Abnormal { anomaly, .. } = found;
        Self {
            trouble,
            onset: anomaly.onset,
            detected_at: anomaly.detected_at,
            last_active: now,
            calling_since,
            anomalies: BTreeMap::from([(anomaly.id.clone(), anomaly)]),
        }
    }

    /// Takes more of it. What paused since `asked_at` is held anew, such as what traffic explains for a moment.
    pub(super) fn take(&mut self, found: Abnormal, calling_since: Timestamp, asked_at: Timestamp, now: Timestamp) {
        if self.last_active < asked_at {
            self.calling_since = calling_since;
        }
        self.last_active = now;
        self.onset = self.onset.min(found.anomaly.onset);
        self.detected_at = self.detected_at.min(found.anomaly.detected_at);
        self.trouble = Trouble::of(&found).and(&self.trouble);
        self.keep(found.anomaly);
    }

    pub(super) fn keep(&mut self, anomaly: Anomaly) {
        if self.anomalies.len() < ANOMALIES_MAX || self.anomalies.contains_key(&anomaly.id) {
            self.anomalies.insert(anomaly.id.clone(), anomaly);
        }
    }
}
