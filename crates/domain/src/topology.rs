//! The call graph.

use std::collections::{BTreeMap, BTreeSet};

use crate::{ServiceId, Timestamp};

/// Who calls whom, with when each call was last seen. Bounded by the caller, who prunes it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Topology {
    edges: BTreeMap<(ServiceId, ServiceId), Timestamp>,
    callees: BTreeMap<ServiceId, BTreeSet<ServiceId>>,
    callers: BTreeMap<ServiceId, BTreeSet<ServiceId>>,
}

impl Topology {
    /// Notes that `client` called `server` at `time`. A call to itself is no edge.
    pub fn observe(&mut self, client: &ServiceId, server: &ServiceId, time: Timestamp) {
        if client == server {
            return;
        }
        if let Some(seen) = self.edges.get_mut(&(client.clone(), server.clone())) {
            *seen = (*seen).max(time);
            return;
        }
        self.edges.insert((client.clone(), server.clone()), time);
        self.callees.entry(client.clone()).or_default().insert(server.clone());
        self.callers.entry(server.clone()).or_default().insert(client.clone());
    }

    /// Forgets edges last seen before `horizon`.
    pub fn prune(&mut self, horizon: Timestamp) {
        let kept: Vec<_> = std::mem::take(&mut self.edges).into_iter().filter(|(_, seen)| *seen >= horizon).collect();
        *self = Self::default();
        for ((client, server), seen) in kept {
            self.observe(&client, &server, seen);
        }
    }

    /// The services that `service` calls, in order.
    pub fn callees<'a>(&'a self, service: &ServiceId) -> impl Iterator<Item = &'a ServiceId> {
        self.callees.get(service).into_iter().flatten()
    }

    /// The services that call `service`, in order.
    pub fn callers<'a>(&'a self, service: &ServiceId) -> impl Iterator<Item = &'a ServiceId> {
        self.callers.get(service).into_iter().flatten()
    }

    /// Whether any call of a service, or to it, was seen.
    pub fn knows(&self, service: &ServiceId) -> bool {
        self.callees.contains_key(service) || self.callers.contains_key(service)
    }

    /// Whether one service calls another in the end, whatever is between them.
    pub fn reaches(&self, client: &ServiceId, server: &ServiceId) -> bool {
        let mut seen = BTreeSet::from([client]);
        let mut next = vec![client];
        while let Some(service) = next.pop() {
            for callee in self.callees(service) {
                if callee == server {
                    return true;
                }
                if seen.insert(callee) {
                    next.push(callee);
                }
            }
        }
        false
    }

    /// Every edge as client, server and when it was last seen, in order.
    pub fn edges(&self) -> impl Iterator<Item = (&ServiceId, &ServiceId, Timestamp)> {
        self.edges.iter().map(|((client, server), seen)| (client, server, *seen))
    }

    /// How many edges.
    pub fn len(&self) -> usize {
        self.edges.len()
    }

    /// Whether no call was ever seen.
    pub fn is_empty(&self) -> bool {
        self.edges.is_empty()
    }
}
