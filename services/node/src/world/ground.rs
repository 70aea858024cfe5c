//! What all processes of a world stand on.

use std::sync::{Arc, Mutex, PoisonError};

use llm_sre_domain::Timestamp;
use llm_sre_ports::clock::{Clock, ScaledClock};

use super::log::Log;
use super::weather::Weather;
use super::witness::{Rule, Witness};

/// The most calls of ports at one moment: far more than it takes to read again all that a world ever sent. Whoever asks
/// again without a wait would else stop the time.
const CALLS_AT_ONCE_MAX: u64 = 3_000_000;

/// See the module.
pub(super) struct Ground {
    pub(super) clock: Arc<ScaledClock>,
    pub(super) log: Log,
    pub(super) weather: Weather,
    pub(super) witness: Witness,
    /// The present moment, and how many calls of ports there were at it.
    calls: Mutex<(Timestamp, u64)>,
}

impl Ground {
    pub(super) fn new(clock: Arc<ScaledClock>) -> Self {
        let (log, weather, witness) = (Log::new(Arc::clone(&clock)), Weather::default(), Witness::default());
        Self { clock, log, weather, witness, calls: Mutex::default() }
    }

    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// A process calls one of its ports.
    pub(super) fn count_call(&self, process: &str) {
        let (now, mut calls) = (self.now(), self.calls.lock().unwrap_or_else(PoisonError::into_inner));
        *calls = if calls.0 == now { (now, calls.1 + 1) } else { (now, 1) };
        if calls.1 == CALLS_AT_ONCE_MAX {
            self.witness.accuse(Rule::Alive, format!("{process} calls and calls, and lets no time go by"));
        }
    }
}
