//! Following one resource: as it is now, and each change until it has ended.

use std::future::Future;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

/// How often a watch looks for a change.
const EVERY: Duration = Duration::from_millis(250);
/// How long a watch follows one resource; a client that still cares asks again.
const LONGEST: Duration = Duration::from_secs(3600);
/// Changes that wait for a slow reader; then the watch itself waits, and the reader misses states in between.
const WAITING_MAX: usize = 4;

/// What a watch can follow.
pub trait Watched: Send + 'static {
    /// Changes with each write.
    fn etag(&self) -> &str;
    /// Whether nothing more will change.
    fn has_ended(&self) -> bool;
}

/// Sends `first`, and what `next` gives whenever its etag is new, through `message`. Ends with the resource, with an
/// error, when the reader goes away, and after an hour.
pub fn follow<T, M, F>(
    first: T,
    mut next: impl FnMut() -> F + Send + 'static,
    message: impl Fn(T) -> M + Send + 'static,
) -> ReceiverStream<Result<M, Status>>
where
    T: Watched,
    M: Send + 'static,
    F: Future<Output = Result<T, Status>> + Send,
{
    let (sender, receiver) = mpsc::channel(WAITING_MAX);
    tokio::spawn(tokio::time::timeout(LONGEST, async move {
        let mut found = Ok(first);
        let mut seen = None;
        loop {
            let is_last = found.as_ref().map_or(true, Watched::has_ended);
            let etag = found.as_ref().ok().map(|found| found.etag().to_owned());
            if found.is_err() || etag != seen {
                seen = etag;
                if sender.send(found.map(&message)).await.is_err() {
                    return;
                }
            }
            if is_last {
                return;
            }
            tokio::select! {
                biased;
                () = sender.closed() => return,
                () = tokio::time::sleep(EVERY) => {}
            }
            found = next().await;
        }
    }));
    ReceiverStream::new(receiver)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    use tokio_stream::StreamExt;

    use super::*;

    struct Step(u32, String);

    impl Watched for Step {
        fn etag(&self) -> &str {
            &self.1
        }
        fn has_ended(&self) -> bool {
            self.0 == 6
        }
    }

    /// Two looks see each state.
    fn step(number: u32) -> Step {
        Step(number, (number / 2).to_string())
    }

    fn counter() -> (Arc<AtomicU32>, impl FnMut() -> std::future::Ready<Result<Step, Status>> + Send + 'static) {
        let looks = Arc::new(AtomicU32::new(0));
        let counted = looks.clone();
        let next = move || std::future::ready(Ok(step(counted.fetch_add(1, Ordering::SeqCst) + 1)));
        (looks, next)
    }

    #[tokio::test(start_paused = true)]
    async fn each_change_is_sent_once_and_the_last_one_ends_it() {
        let (_, next) = counter();
        let seen: Vec<u32> = follow(step(0), next, |step| step.0).map(Result::unwrap).collect().await;
        assert_eq!(seen, [0, 2, 4, 6]);
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_looks_for_a_reader_that_went_away() {
        let (looks, next) = counter();
        let mut watch = follow(step(0), next, |step| step.0);
        assert_eq!(watch.next().await.unwrap().unwrap(), 0);
        drop(watch);
        for _ in 0..8 {
            tokio::time::advance(EVERY).await;
            tokio::task::yield_now().await;
        }
        assert!(looks.load(Ordering::SeqCst) <= 1, "at most the look that was under way");
    }
}
