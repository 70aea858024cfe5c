//! How many questions of one kind are answered at once: those whose answer takes much memory, or much of the store.

use std::sync::Arc;
use std::time::Duration;

use llm_sre_mesh::status;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tonic::Status;
use tracing::Instrument;

/// Questions that wait for their turn: what a few pages of charts ask for together.
pub(crate) const WAITING_MAX: usize = 64;
/// How long one waits for its turn. Who asks gives up soon after.
pub(crate) const WAIT_MAX: Duration = Duration::from_secs(5);
/// When who was refused may come again.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// See the module.
pub(crate) struct Turns {
    /// What is asked for, as a refusal names it.
    what: &'static str,
    /// Whoever waits or is answered has one.
    places: Arc<Semaphore>,
    turns: Arc<Semaphore>,
}

/// A turn, given back when the last that has it is dropped.
#[derive(Clone, Debug)]
pub(crate) struct Turn {
    _permits: Arc<(OwnedSemaphorePermit, OwnedSemaphorePermit)>,
}

impl Turns {
    pub(crate) fn new(what: &'static str, at_once: usize) -> Self {
        let places = Arc::new(Semaphore::new(at_once + WAITING_MAX));
        Self { what, places, turns: Arc::new(Semaphore::new(at_once)) }
    }

    /// Waits for a turn, in the order of asking.
    ///
    /// # Errors
    /// RESOURCE_EXHAUSTED with reason `TOO_MANY_QUERIES` where too many wait already, and after [`WAIT_MAX`].
    pub(crate) async fn take(&self) -> Result<Turn, Status> {
        let refused =
            |why: &str| status::exhausted("TOO_MANY_QUERIES", format!("no {}: {why}", self.what), RETRY_AFTER);
        let place = self.places.clone().try_acquire_owned().map_err(|_| refused("too many wait for their turn"))?;
        match tokio::time::timeout(WAIT_MAX, self.turns.clone().acquire_owned()).await {
            Ok(Ok(turn)) => Ok(Turn { _permits: Arc::new((turn, place)) }),
            _ => Err(refused(&format!("there was no turn within {} s", WAIT_MAX.as_secs()))),
        }
    }
}

impl Turn {
    /// Reads to the end, whoever goes away meanwhile: a store does not stop in the midst of a question, and until it has
    /// answered, the next one's turn has not come.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        read: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, Status> {
        let held = self.clone();
        let reading = async move {
            let read = read.await;
            drop(held);
            read
        };
        let read = tokio::spawn(reading.in_current_span()).await;
        read.map_err(|error| status::internal(format!("reading failed: {error}")))
    }
}

#[cfg(test)]
mod tests {
    use tonic::Code;

    use super::*;

    const AT_ONCE: usize = 4;

    fn assert_refused(refused: &Status) {
        assert_eq!(refused.code(), Code::ResourceExhausted, "{refused}");
        assert_eq!(status::reason(refused).as_deref(), Some("TOO_MANY_QUERIES"));
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_has_a_turn_as_soon_as_one_ends_and_is_refused_where_none_does() {
        let turns = Turns::new("series", AT_ONCE);
        let mut taken = Vec::new();
        for _ in 0..AT_ONCE {
            taken.push(turns.take().await.unwrap());
        }
        let begun = tokio::time::Instant::now();
        assert_refused(&turns.take().await.unwrap_err());
        assert_eq!(begun.elapsed(), WAIT_MAX);
        let ends = async {
            tokio::time::advance(Duration::from_secs(1)).await;
            taken.pop();
        };
        let (turn, ()) = tokio::join!(turns.take(), ends);
        assert!(turn.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn of_those_that_wait_there_are_only_so_many_and_those_who_left_make_room() {
        let turns = Arc::new(Turns::new("series", AT_ONCE));
        let ask = || {
            let turns = Arc::clone(&turns);
            tokio::spawn(async move {
                let _turn = turns.take().await?;
                std::future::pending::<Result<(), Status>>().await
            })
        };
        let asking: Vec<_> = (0..AT_ONCE + WAITING_MAX).map(|_| ask()).collect();
        // Each has asked by then.
        drop(tokio::time::timeout(Duration::from_millis(1), std::future::pending::<()>()).await);
        let begun = tokio::time::Instant::now();
        assert_refused(&turns.take().await.unwrap_err());
        assert_eq!(begun.elapsed(), Duration::ZERO, "it does not even wait");
        for one in &asking {
            one.abort();
        }
        for one in asking {
            assert!(one.await.unwrap_err().is_cancelled());
        }
        for _ in 0..2 * (AT_ONCE + WAITING_MAX) {
            turns.take().await.unwrap();
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_leaves_while_the_store_reads_gives_no_turn_back_before_it_has_read() {
        let turns = Turns::new("counts", 1);
        let (read, is_read) = tokio::sync::oneshot::channel::<()>();
        let turn = turns.take().await.unwrap();
        let asking = tokio::time::timeout(Duration::from_secs(1), turn.read(is_read)).await;
        assert!(asking.is_err(), "who asked gave up");
        drop(turn);
        assert_refused(&turns.take().await.unwrap_err());
        read.send(()).unwrap();
        turns.take().await.unwrap();
    }
}
