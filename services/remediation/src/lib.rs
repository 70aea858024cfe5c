//! Plans, approves, executes and verifies repairs within the policy. Owns the actions and the audit record.
//!
//! [`Service`] serves `RemediationService`; [`Service::run`] executes what may be executed, verifies it, and tells what is
//! still owed. What may be done is decided in `llm_sre_domain::remedy`; this crate stores each intent before it acts on it.

mod audit;
mod book;
mod call;
mod decide;
mod execute;
mod grpc;
mod hold;
mod kept;
mod memory;
mod order;
mod propose;
mod report;
mod service;
mod surroundings;
mod target;
mod verify;

pub use audit::from_wire as audit_from_wire;
pub use service::{Dependencies, Service};
