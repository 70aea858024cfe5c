//! The pure core of LLM-SRE.
//!
//! Everything here is a function of its arguments: no I/O, no clock, no randomness, no async. Time comes in as a
//! [`Timestamp`]; decisions use ordered maps, so the same input gives the same output on every machine.
//!
//! The way through: [`telemetry`] points → [`detect`] → [`correlate`] → [`incident`] → [`diagnose`] hypotheses →
//! [`remedy`] plans.

pub mod advise;
pub mod anomaly;
pub mod calls;
pub mod change;
pub mod correlate;
pub mod detect;
pub mod diagnose;
pub mod evidence;
pub mod incident;
pub mod quantity;
pub mod remedy;
pub mod service;
pub mod telemetry;
pub mod time;
pub mod topology;

pub use anomaly::{Anomaly, AnomalyId, Direction, Signal};
pub use service::ServiceId;
pub use time::Timestamp;
