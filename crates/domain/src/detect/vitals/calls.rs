//! How the calls that a service makes fare at this moment, as it measures them itself.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;

use super::{Latency, Measured, P95, newest};
use crate::detect::Detector;
use crate::detect::findings::{CALL_DURATION, CALLS_FAILED};
use crate::detect::requests::{PEER, Requests};
use crate::{ServiceId, Timestamp};

/// Whom calls go to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Callee {
    /// A service that was heard of within what is remembered.
    Service(ServiceId),
    /// An address, as the caller gives it, at which no such service is known to be.
    Address(Arc<str>),
}

/// See the module. A number that is `None` was not measured lately.
#[derive(Clone, Debug, PartialEq)]
pub struct CallVitals {
    /// Who calls.
    pub caller: ServiceId,
    /// Whom.
    pub callee: Callee,
    /// Calls in a second.
    pub requests_per_s: Option<f64>,
    /// Which share of them fails, from 0 to 1; of several addresses of one service, that of the worst.
    pub error_ratio: Option<f64>,
    /// How long they take; of several addresses of one service, those to the slowest.
    pub latency: Option<Latency>,
    /// The end of the newest measurement among these.
    pub measured_at: Option<Timestamp>,
}

impl Detector {
    /// How the calls of a service fare that it counted within what is remembered, in order of whom it calls; at most one
    /// for each address that is followed, which are 32.
    pub fn call_vitals(&self, caller: &ServiceId) -> Vec<CallVitals> {
        let mut found: BTreeMap<Callee, CallVitals> = BTreeMap::new();
        for (peer, requests) in self.peers_of(caller) {
            let vitals = self.calls_to(caller, peer, requests);
            match found.entry(vitals.callee.clone()) {
                Entry::Vacant(place) => drop(place.insert(vitals)),
                Entry::Occupied(mut known) => known.get_mut().add(vitals),
            }
        }
        found.into_values().collect()
    }

    fn calls_to(&self, caller: &ServiceId, peer: &Arc<str>, requests: &Requests) -> CallVitals {
        let address = format!("{PEER}={peer}");
        let requests = requests.pace(|last, interval_s| self.is_recent(last, interval_s));
        let errors = self.of_whole(caller, CALLS_FAILED, &address).and_then(newest);
        let latency = self.of_whole(caller, CALL_DURATION, &format!("{P95},{address}")).and_then(newest);
        let times = [requests.map(|found| found.1), errors.as_ref().map(at), latency.as_ref().map(at)];
        CallVitals {
            caller: caller.clone(),
            callee: self.callee_at(caller, peer),
            requests_per_s: requests.map(|found| found.0),
            error_ratio: errors.map(|found| found.0.clamp(0.0, 1.0)),
            latency: latency.map(|found| Latency { seconds: found.0.max(0.0), quantile: P95.into() }),
            measured_at: times.into_iter().max().flatten(),
        }
    }

    /// Who is at an address: a service that the caller is known to call and whose name it begins with, or one that it
    /// names in full. That `mail.example` begins with the name of some service does not make it one of ours.
    fn callee_at(&self, caller: &ServiceId, peer: &Arc<str>) -> Callee {
        let host = peer.split(':').next().unwrap_or_default();
        let namespace = host.split('.').nth(1);
        let called: Vec<&ServiceId> = self.topology.callees(caller).filter(|callee| is_at(callee, peer)).collect();
        let in_namespace = || called.iter().find(|callee| namespace == Some(&*callee.namespace));
        // Of several that have this name, one that the address does not name could be any.
        let known = if let [only] = *called { Some(only) } else { in_namespace().copied() };
        let named = || {
            let name = host.split('.').next().unwrap_or_default();
            let service = self.finder.resolve(caller, name);
            let is_meant = namespace.is_none_or(|namespace| *namespace == *service.namespace);
            (is_meant && self.knows(&service)).then_some(service)
        };
        known.cloned().or_else(named).map_or_else(|| Callee::Address(peer.clone()), Callee::Service)
    }
}

impl CallVitals {
    /// Takes in the calls to one more address of the same service.
    fn add(&mut self, other: Self) {
        let most = |one: Option<f64>, other: Option<f64>| one.into_iter().chain(other).reduce(f64::max);
        let rates = self.requests_per_s.into_iter().chain(other.requests_per_s);
        self.requests_per_s = rates.reduce(|sum, more| sum + more);
        self.error_ratio = most(self.error_ratio, other.error_ratio);
        let latencies = self.latency.take().into_iter().chain(other.latency);
        self.latency = latencies.max_by(|a, b| a.seconds.total_cmp(&b.seconds));
        self.measured_at = self.measured_at.max(other.measured_at);
    }
}

/// Whether an address begins with the name of a service, as names in a cluster do.
pub(crate) fn is_at(service: &ServiceId, address: &str) -> bool {
    address.strip_prefix(&*service.name).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', ':']))
}

fn at<T>(measured: &Measured<T>) -> Timestamp {
    measured.1
}

#[cfg(test)]
mod tests;
