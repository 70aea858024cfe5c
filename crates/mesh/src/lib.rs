//! What every gRPC service of the mesh shares.
//!
//! * [`access`]: who may do what, asked at every port.
//! * [`server`]: one port with health, reflection and gRPC-Web around a service's routes.
//! * [`peer`]: a service in this process or across the network, as one type.
//! * [`status`]: errors on the wire, each with `google.rpc.ErrorInfo`.
//! * [`names`]: resource names such as `incidents/{uuid}`.
//! * [`page`]: page sizes and tokens.
//! * [`clients`]: the calls that the services make to each other.
//! * [`context`]: the trace that a piece of work belongs to, from call to call.
//! * `failover`: several instances of a service as one peer.
//! * [`late`]: a peer that is given out before it exists.
//! * [`records`]: documents of the store as messages of the contract.
//! * [`stages`]: an incident's steps as spans of one trace, kept until they were exported.
//! * [`watch`]: following one resource until it has ended.
//! * [`metrics`]: what the product measures of itself.
//! * [`readiness`]: whether what services depend on answers.
//! * [`logging`]: logs with trace ids, and export by OTLP.

pub mod access;
pub mod clients;
pub mod context;
mod ending;
mod failover;
pub mod late;
pub mod logging;
pub mod metrics;
pub mod names;
pub mod page;
pub mod peer;
pub mod readiness;
pub mod records;
pub mod server;
pub mod stages;
pub mod status;
pub mod watch;
mod web;

pub use context::TraceContext;
pub use peer::Peer;
