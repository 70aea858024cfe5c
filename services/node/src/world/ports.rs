//! The ports of one process of a world: over the store that all share, with the weather in between.
//!
//! | operation | what may go wrong, as its contract says |
//! |---|---|
//! | `Documents::put` | refused as full or away, with nothing written; the answer lost after the write; late |
//! | `Documents::get`, `list`, `changes`, `prune` | refused, late; a lost answer is a refusal to who only asks |
//! | `Leases` | refused; the answer lost after the effect; late |
//! | `EventBus::publish` | refused as full or away; the answer lost after all or some was published; late |
//! | `EventBus`, else | refused, late |
//! | `Consumer::poll` | refused before anything was taken; nothing, or fewer records than there are |
//! | `Consumer::commit`, `seek` | refused; the answer lost after the effect; late |
//! | `TelemetryStore::append` | refused as full or away; the answer lost after all or some was stored; late |
//! | `TelemetryStore`, else | refused, late |
//!
//! Nothing else: no lost write, no stale answer, no other order, no gap. Records come twice as they do in production,
//! because a process died or could not commit.

mod bus;
mod documents;
mod leases;
mod telemetry;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use super::ground::Ground;
use super::life::Life;
use super::weather::{Gate, Port};
use crate::wiring::Backend;

/// What a process is given in place of the backend.
pub(super) fn of(backend: &Backend, ground: &Arc<Ground>, life: &Arc<Life>, seed: u64) -> Backend {
    let gate = |port| Arc::new(Gate::new(ground, life, port, seed));
    Backend {
        bus: Arc::new(bus::Bus::new(gate(Port::Bus), Arc::clone(&backend.bus))),
        documents: Arc::new(documents::Store::new(gate(Port::Documents), Arc::clone(&backend.documents))),
        telemetry: Arc::new(telemetry::Store::new(gate(Port::Telemetry), Arc::clone(&backend.telemetry))),
        leases: Arc::new(leases::Rights::new(gate(Port::Leases), Arc::clone(&backend.leases))),
    }
}

/// Passes a call on, unless the weather has it otherwise.
macro_rules! passed {
    ($gate:expr, $away:expr, $call:expr) => {{
        let fate = $gate.enter().await;
        if fate.is_refused {
            return Err($away);
        }
        let done = $call.await;
        $gate.leave(fate).await;
        if fate.is_lost {
            return Err($away);
        }
        done
    }};
}
use passed;
