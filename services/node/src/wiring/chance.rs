//! What makes one run differ from another that is asked for the same.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use llm_sre_mesh::stages::SpanTime;
use llm_sre_ports::clock::Clock;
use llm_sre_ports::ids::{Ids, RandomIds, SeededIds, mixed};

/// What the seeds that derive from a run's are for.
const IDS: u64 = 1;
const WAITS: u64 = 2;
const SERIES: u64 = 3;

/// Where a process has from what nothing decides.
pub(crate) struct Chance {
    pub(super) ids: Arc<dyn Ids>,
    pub(super) span_time: SpanTime,
    /// Of the waits after failures: processes that failed together must not come again together.
    pub(super) waits_seed: u64,
    /// Of the fingerprints of series, which no sender may know.
    pub(super) series_seed: u64,
}

impl Chance {
    /// Of a process that runs for real: nobody knows what it draws.
    pub(crate) fn drawn() -> Self {
        Self {
            ids: Arc::new(RandomIds),
            span_time: SpanTime::Real,
            waits_seed: RandomState::new().hash_one(WAITS),
            series_seed: RandomState::new().hash_one(SERIES),
        }
    }

    /// Of a run in the virtual time of this clock, which writes the same bytes whenever its seed is the same.
    pub(crate) fn of_seed(seed: u64, clock: Arc<dyn Clock>) -> Self {
        Self {
            ids: Arc::new(SeededIds::new(mixed(seed, IDS))),
            span_time: SpanTime::Virtual(clock),
            waits_seed: mixed(seed, WAITS),
            series_seed: mixed(seed, SERIES),
        }
    }
}
