//! The ports of LLM-SRE: what the services need of the world, as traits.
//!
//! Each trait states its contract per method; [`memory`] has a twin of each
//! that keeps everything in this process. With the feature `contract` there are
//! the contracts as tests, which every adapter passes.

pub mod bus;
pub mod clock;
#[cfg(feature = "contract")]
pub mod contract;
pub mod documents;
pub mod ids;
pub mod leases;
pub mod memory;
pub mod model;
pub mod telemetry;
