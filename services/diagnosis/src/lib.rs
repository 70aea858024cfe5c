//! Explains incidents from evidence. Owns the diagnoses.
//!
//! [`Service`] serves `DiagnosisService`; [`Service::run`] reconciles: a diagnosis that a killed process left RUNNING is
//! made again. The ranking itself is `llm_sre_domain::diagnose`: this crate gathers what it argues from and stores what
//! it says.

mod attempts;
mod gather;
mod grpc;
mod precedents;
mod work;

pub use work::{Dependencies, Service};
