//! Work that is being stored while the next is decoded: the store's time and ours pass together.

use std::sync::Arc;

use llm_sre_ports::telemetry::{Batch, Error, TelemetryStore};
use tokio_util::task::AbortOnDropHandle;

use crate::measure::Sizes;
use crate::work::{Work, cut};

/// Pieces of work that are being stored at once: one that the store works on, and one on its way there.
pub(crate) const FLIGHTS_MAX: usize = 2;

/// Work on its way into the store, once.
pub(crate) struct Flight<'a> {
    pub(crate) work: Work<'a>,
    pub(crate) sizes: Sizes,
    storing: AbortOnDropHandle<Result<(), Error>>,
}

impl<'a> Flight<'a> {
    /// Begins to store what the records decode to; `see` looks at it before.
    pub(crate) fn begin(store: Arc<dyn TelemetryStore>, mut work: Work<'a>, see: impl FnOnce(&Batch)) -> Self {
        let batch = work.batch();
        see(&batch);
        let sizes = Sizes::of(&batch);
        let storing = tokio::spawn(async move {
            for piece in cut(batch) {
                store.append(piece).await?;
            }
            Ok(())
        });
        Self { work, sizes, storing: AbortOnDropHandle::new(storing) }
    }

    /// What came of it. Whatever failed is safe to store again.
    pub(crate) async fn landed(&mut self) -> Result<(), Error> {
        let joined = (&mut self.storing).await;
        joined.unwrap_or_else(|error| Err(Error::Unavailable(format!("storing was cut short: {error}"))))
    }
}
