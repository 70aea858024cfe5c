//! Explains incidents from evidence. Owns the diagnoses.
//!
//! [`Service`] serves `DiagnosisService`; [`Service::run`] reconciles: a diagnosis that a killed process left RUNNING is
//! made again. The ranking itself is `llm_sre_domain::diagnose`: this crate gathers what it argues from and stores what
//! it says. Where a language model is configured, it is asked beside that, and nobody waits for it.

mod advice;
mod attempts;
mod gather;
mod grpc;
mod logs;
mod precedents;
mod tell;
mod work;

pub use advice::{Advised, Advising, Budget, Limits, Prices, advise_once};
pub use work::{Dependencies, Service};
