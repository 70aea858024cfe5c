//! Leaves a model alone for a while that failed several times in a row.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// So many failures in a row, and the next question waits.
const FAILURES_MAX: u32 = 5;
/// For so long, in real time.
const OPEN_FOR: Duration = Duration::from_secs(60);

/// A circuit breaker: closed while calls succeed, open after failures, and then one call at a time finds out whether it
/// can be closed again.
#[derive(Debug, Default)]
pub(super) struct Circuit(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    failures: u32,
    opened: Option<Instant>,
}

impl Circuit {
    /// Whether a call may be made; else for how long none may. A call that may be made while the circuit is open is the
    /// only one for as long as the circuit was to be open: who does not come back does not keep it closed to others.
    pub(super) fn admit(&self) -> Result<(), Duration> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(opened) = state.opened else { return Ok(()) };
        let left = OPEN_FOR.saturating_sub(opened.elapsed());
        if !left.is_zero() {
            return Err(left);
        }
        state.opened = Some(Instant::now());
        Ok(())
    }

    /// A call went well as far as the server goes.
    pub(super) fn succeeded(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = State::default();
    }

    /// A call failed.
    pub(super) fn failed(&self) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.failures = state.failures.saturating_add(1);
        if state.failures >= FAILURES_MAX {
            state.opened = Some(Instant::now());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn it_opens_after_failures_in_a_row_and_lets_one_call_find_out() {
        let circuit = Circuit::default();
        for _ in 1..FAILURES_MAX {
            circuit.failed();
        }
        circuit.succeeded();
        for _ in 0..FAILURES_MAX {
            assert_eq!(circuit.admit(), Ok(()));
            circuit.failed();
        }
        assert_eq!(circuit.admit(), Err(OPEN_FOR));
        tokio::time::advance(OPEN_FOR).await;
        assert_eq!(circuit.admit(), Ok(()), "one finds out");
        assert_eq!(circuit.admit(), Err(OPEN_FOR), "and only one");
        circuit.failed();
        assert_eq!(circuit.admit(), Err(OPEN_FOR), "one failure is enough then");
        tokio::time::advance(OPEN_FOR).await;
        assert_eq!(circuit.admit(), Ok(()));
        circuit.succeeded();
        assert_eq!(circuit.admit(), Ok(()));
        assert_eq!(circuit.admit(), Ok(()));
    }
}
