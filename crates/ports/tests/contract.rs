//! The in-memory twins keep the contracts of their ports.

use std::sync::Arc;

use llm_sre_ports::bus::MEMBER_LEASE;
use llm_sre_ports::contract::Kit;
use llm_sre_ports::memory::{MemoryBus, MemoryDocuments, MemoryLeases, MemoryTelemetry};

fn kit<P: ?Sized>(port: Arc<P>) -> Kit<P> {
    Kit::new(port, MEMBER_LEASE, ())
}

/// Paused time: leases end and records age as soon as everything waits.
mod bus {
    use super::*;
    llm_sre_ports::bus_contract!([#[tokio::test(start_paused = true)]] kit(Arc::new(MemoryBus::default())));
}

mod documents {
    use super::*;
    llm_sre_ports::documents_contract!([#[tokio::test]] kit(Arc::new(MemoryDocuments::default())));
}

mod leases {
    use super::*;
    llm_sre_ports::leases_contract!([#[tokio::test(start_paused = true)]] kit(Arc::new(MemoryLeases::default())));
}

mod telemetry {
    use super::*;
    llm_sre_ports::telemetry_contract!([#[tokio::test]] kit(Arc::new(MemoryTelemetry::default())));
}
