//! In-memory twins of the ports: for tests and for replay. Everything is gone when they are dropped.

mod bus;
mod documents;
mod leases;
mod model;
mod telemetry;

pub use bus::MemoryBus;
pub use documents::MemoryDocuments;
pub use leases::MemoryLeases;
pub use model::{Said, ScriptedModel};
pub use telemetry::MemoryTelemetry;

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks whatever happened to another holder: every change below is made in one piece, so a panic leaves none half made.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
