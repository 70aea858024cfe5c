//! A record that brings detection down, and every instance that reads it after this one.

use std::panic::{AssertUnwindSafe, catch_unwind};

use llm_sre_ports::bus::Delivered;

use crate::Service;
use crate::brain::Finding;

impl Service {
    /// As [`Service::take`], where a record on which it panics is left out. What the record had changed until then stays:
    /// each step of detection leaves its state fit for the next.
    pub(crate) fn take_guarded(&self, delivered: &Delivered) -> Vec<Finding> {
        guarded(delivered, || self.take(delivered))
    }
}

fn guarded<T: Default>(delivered: &Delivered, take: impl FnOnce() -> T) -> T {
    catch_unwind(AssertUnwindSafe(take)).unwrap_or_else(|_| {
        let (topic, position) = (&delivered.topic, delivered.position);
        tracing::error!(topic, position.partition, position.offset, "detection panicked on a record and leaves it out");
        T::default()
    })
}

#[cfg(test)]
mod tests {
    use std::sync::{Mutex, PoisonError};

    use llm_sre_ports::bus::{Position, Record};

    use super::*;

    #[test]
    fn who_reads_on_after_a_panic_finds_the_state_and_what_comes_next() {
        let topic = "metrics".to_owned();
        let delivered = Delivered { topic, position: Position { partition: 0, offset: 1 }, record: Record::default() };
        let state = Mutex::new(0);
        let poison: u32 = guarded(&delivered, || {
            *state.lock().unwrap() += 1;
            let _held = state.lock().unwrap();
            panic!("at item 3")
        });
        assert_eq!(poison, 0, "nothing follows from it");
        let next = guarded(&delivered, || {
            let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
            *state += 1;
            *state
        });
        assert_eq!(next, 2);
    }
}
