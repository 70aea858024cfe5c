//! Detects trouble in telemetry, correlates it into one incident per cause, and owns the incidents.
//!
//! [`Service`] serves `IncidentService` and `FleetService`. [`Service::run`] holds the lease of the one active instance, reads the
//! telemetry topics into the domain's detector and correlator, opens incidents, and carries out what follows from
//! their events. What is still to be done about an incident is stored beside it in one document, so that a kill between
//! a transition and its consequence delays an incident and never loses it.

mod book;
mod brain;
mod checkpoints;
mod disturbed;
mod duties;
mod fleet;
mod follow;
mod grpc;
mod guard;
mod impact;
mod kept;
mod merge;
mod points;
mod publish;
mod quiet;
mod raise;
mod recorder;
mod recording;
mod recordings;
mod returned;
mod service;
mod stream;
mod watch;
mod windows;

pub use publish::topic_spec;
pub use service::{Dependencies, Error, Options, Service};
pub use stream::GROUP;
