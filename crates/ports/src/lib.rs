//! The ports of LLM-SRE: what the services need of the world, as traits.
//!
//! Each trait states its contract per method; [`memory`] has a twin of each
//! that keeps everything in this process.

pub mod bus;
pub mod clock;
pub mod documents;
pub mod leases;
pub mod memory;
pub mod telemetry;
