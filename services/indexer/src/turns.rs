//! How many questions of one kind are answered at once: those whose answer takes much memory, or much of the store.

use std::time::Duration;

use llm_sre_mesh::status;
use tokio::sync::{Semaphore, SemaphorePermit};
use tonic::Status;

/// Questions that are answered at once: with half a million points each, some 240 MB.
pub(crate) const AT_ONCE: usize = 4;
/// Questions that wait for their turn: what a few pages of charts ask for together.
pub(crate) const WAITING_MAX: usize = 64;
/// How long one waits for its turn. Who asks gives up soon after.
pub(crate) const WAIT_MAX: Duration = Duration::from_secs(5);
/// When who was refused may come again.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// See the module.
pub(crate) struct Turns {
    /// Whoever waits or is answered has one.
    places: Semaphore,
    turns: Semaphore,
}

/// A turn, given back when dropped.
#[derive(Debug)]
pub(crate) struct Turn<'a> {
    _turn: SemaphorePermit<'a>,
    _place: SemaphorePermit<'a>,
}

impl Turns {
    pub(crate) fn new() -> Self {
        Self { places: Semaphore::new(AT_ONCE + WAITING_MAX), turns: Semaphore::new(AT_ONCE) }
    }

    /// Waits for a turn, in the order of asking.
    ///
    /// # Errors
    /// RESOURCE_EXHAUSTED with reason `TOO_MANY_QUERIES` where too many wait already, and after [`WAIT_MAX`].
    pub(crate) async fn take(&self) -> Result<Turn<'_>, Status> {
        let refused =
            |why: &str| status::exhausted("TOO_MANY_QUERIES", format!("series are not read: {why}"), RETRY_AFTER);
        let place = self.places.try_acquire().map_err(|_| refused("too many wait for their turn"))?;
        match tokio::time::timeout(WAIT_MAX, self.turns.acquire()).await {
            Ok(Ok(turn)) => Ok(Turn { _turn: turn, _place: place }),
            _ => Err(refused(&format!("there was no turn within {} s", WAIT_MAX.as_secs()))),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tonic::Code;

    use super::*;

    fn assert_refused(refused: &Status) {
        assert_eq!(refused.code(), Code::ResourceExhausted, "{refused}");
        assert_eq!(status::reason(refused).as_deref(), Some("TOO_MANY_QUERIES"));
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_has_a_turn_as_soon_as_one_ends_and_is_refused_where_none_does() {
        let turns = Turns::new();
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
        let turns = Arc::new(Turns::new());
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
}
