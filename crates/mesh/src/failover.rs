//! Several instances of a service as one peer.
//!
//! Calls go round, so that instances share the work. One that is not available is passed over, and for a while asked
//! last. A call may so arrive twice, at two instances: whatever changes something carries a `request_id`, and is done
//! once.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use tokio::time::Instant;
use tonic::body::Body;
use tonic::{Code, Status};
use tower::{Service, ServiceExt};

use crate::Peer;
use crate::server::MAX_MESSAGE_BYTES;

/// How long an instance that was not available is asked last: about as long as a restart takes.
const AVOID_FOR: Duration = Duration::from_secs(5);
/// What gRPC puts before a message.
const FRAME_BYTES: usize = 5;

/// See the module.
#[derive(Clone)]
pub(crate) struct Failover {
    instances: Arc<[Instance]>,
    next: Arc<AtomicUsize>,
    /// Whether calls go round; else they go to the first that is available.
    goes_round: bool,
}

struct Instance {
    /// A peer is cloned for each call, and not to be shared between threads.
    peer: Mutex<Peer>,
    avoid_until: Mutex<Option<Instant>>,
}

impl Failover {
    /// Instances that share the calls.
    pub(crate) fn round(peers: Vec<Peer>) -> Self {
        let instance = |peer| Instance { peer: Mutex::new(peer), avoid_until: Mutex::new(None) };
        Self { instances: peers.into_iter().map(instance).collect(), next: Arc::default(), goes_round: true }
    }

    /// Instances of which the first gets all calls, as long as it is available.
    pub(crate) fn in_order(peers: Vec<Peer>) -> Self {
        Self { goes_round: false, ..Self::round(peers) }
    }

    /// All instances, in the order in which this call tries them.
    fn order(&self) -> Vec<usize> {
        let count = self.instances.len();
        let first = if self.goes_round { self.next.fetch_add(1, Ordering::Relaxed) } else { 0 };
        let mut order: Vec<usize> = (0..count).map(|step| first.wrapping_add(step) % count).collect();
        let now = Instant::now();
        order.sort_by_key(|index| self.instances[*index].is_avoided(now));
        order
    }

    async fn answer(self, request: http::Request<Body>) -> Result<http::Response<Body>, Status> {
        let (head, body) = request.into_parts();
        let collected = Limited::new(body, MAX_MESSAGE_BYTES + FRAME_BYTES).collect().await;
        let message: Bytes = collected.map_err(Status::from_error)?.to_bytes();
        let mut last = Err(Status::unavailable("no instance is configured"));
        for index in self.order() {
            let instance = &self.instances[index];
            let request = http::Request::from_parts(head.clone(), Body::new(Full::new(message.clone())));
            last = instance.peer().oneshot(request).await;
            if !is_unavailable(&last) {
                // It may have done it; others are not asked, and the next call goes to them.
                instance.avoid(is_too_late(&last).then(|| Instant::now() + AVOID_FOR));
                return last;
            }
            instance.avoid(Some(Instant::now() + AVOID_FOR));
        }
        last
    }
}

impl Instance {
    fn peer(&self) -> Peer {
        self.peer.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn avoid(&self, until: Option<Instant>) {
        *self.avoid_until.lock().unwrap_or_else(PoisonError::into_inner) = until;
    }

    fn is_avoided(&self, now: Instant) -> bool {
        self.avoid_until.lock().unwrap_or_else(PoisonError::into_inner).is_some_and(|until| now < until)
    }
}

impl Service<http::Request<Body>> for Failover {
    type Response = http::Response<Body>;
    type Error = Status;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Status>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Status>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        Box::pin(self.clone().answer(request))
    }
}

/// Whether another instance may do better: nobody was there, or who was there says that it cannot at present.
fn is_unavailable(answer: &Result<http::Response<Body>, Status>) -> bool {
    code(answer) == Some(Code::Unavailable)
}

fn is_too_late(answer: &Result<http::Response<Body>, Status>) -> bool {
    code(answer) == Some(Code::DeadlineExceeded)
}

fn code(answer: &Result<http::Response<Body>, Status>) -> Option<Code> {
    match answer {
        Ok(response) => Status::from_header_map(response.headers()).map(|status| status.code()),
        Err(status) => Some(status.code()),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU32;

    use proptest::prelude::*;
    use tower::util::BoxCloneSyncService;

    use super::*;

    /// An instance that counts its calls, and answers with what it was sent.
    #[derive(Clone, Default)]
    struct Stub {
        calls: Arc<AtomicU32>,
        code: Arc<Mutex<Option<Code>>>,
        in_headers: bool,
    }

    impl Stub {
        fn fails_with(&self, code: Option<Code>) {
            *self.code.lock().unwrap() = code;
        }

        fn count(&self) -> u32 {
            self.calls.load(Ordering::Relaxed)
        }

        fn peer(&self) -> Peer {
            let stub = self.clone();
            BoxCloneSyncService::new(tower::service_fn(move |request: http::Request<Body>| {
                let stub = stub.clone();
                async move {
                    stub.calls.fetch_add(1, Ordering::Relaxed);
                    let failure = *stub.code.lock().unwrap();
                    match failure {
                        Some(code) if stub.in_headers => Ok(Status::new(code, "stub").into_http()),
                        Some(code) => Err(Status::new(code, "stub")),
                        None => Ok(http::Response::new(request.into_body())),
                    }
                }
            }))
        }
    }

    async fn call(failover: &Failover, body: &'static [u8]) -> Result<Bytes, Code> {
        let request = http::Request::new(Body::new(Full::new(Bytes::from_static(body))));
        let response = failover.clone().oneshot(request).await.map_err(|status| status.code())?;
        match Status::from_header_map(response.headers()) {
            Some(status) => Err(status.code()),
            None => Ok(response.into_body().collect().await.unwrap().to_bytes()),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn calls_go_round_and_pass_over_who_is_away() {
        for in_headers in [false, true] {
            let stubs: Vec<Stub> = (0..3).map(|_| Stub { in_headers, ..Stub::default() }).collect();
            let failover = Failover::round(stubs.iter().map(Stub::peer).collect());
            for _ in 0..9 {
                assert_eq!(call(&failover, b"question").await.unwrap(), "question");
            }
            assert!(stubs.iter().all(|stub| stub.count() == 3), "the work is shared");

            stubs[1].fails_with(Some(Code::Unavailable));
            for _ in 0..9 {
                assert_eq!(call(&failover, b"question").await.unwrap(), "question");
            }
            assert_eq!(stubs[1].count(), 4, "one that is away is asked once, and then last for a while");
            stubs[1].fails_with(None);
            tokio::time::advance(AVOID_FOR).await;
            for _ in 0..3 {
                call(&failover, b"question").await.unwrap();
            }
            assert_eq!(stubs[1].count(), 5, "and is asked again afterwards");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_answers_too_late_is_asked_last_for_a_while() {
        let stubs: Vec<Stub> = (0..2).map(|_| Stub::default()).collect();
        let failover = Failover::round(stubs.iter().map(Stub::peer).collect());
        stubs[0].fails_with(Some(Code::DeadlineExceeded));
        assert_eq!(call(&failover, b"").await, Err(Code::DeadlineExceeded), "it may have done it");
        for _ in 0..6 {
            call(&failover, b"").await.unwrap();
        }
        assert_eq!((stubs[0].count(), stubs[1].count()), (1, 6));
    }

    #[tokio::test(start_paused = true)]
    async fn the_nearest_gets_all_calls_while_it_is_there() {
        let stubs: Vec<Stub> = (0..2).map(|_| Stub::default()).collect();
        let failover = Failover::in_order(stubs.iter().map(Stub::peer).collect());
        for _ in 0..3 {
            call(&failover, b"").await.unwrap();
        }
        assert_eq!((stubs[0].count(), stubs[1].count()), (3, 0));
        stubs[0].fails_with(Some(Code::Unavailable));
        for _ in 0..3 {
            call(&failover, b"").await.unwrap();
        }
        assert_eq!((stubs[0].count(), stubs[1].count()), (4, 3));
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_is_final_and_nobody_there_is_said() {
        let stubs: Vec<Stub> = (0..2).map(|_| Stub { in_headers: true, ..Stub::default() }).collect();
        let failover = Failover::round(stubs.iter().map(Stub::peer).collect());
        stubs.iter().for_each(|stub| stub.fails_with(Some(Code::FailedPrecondition)));
        assert_eq!(call(&failover, b"").await, Err(Code::FailedPrecondition));
        assert_eq!(stubs[0].count() + stubs[1].count(), 1, "a refusal is not asked for twice");
        stubs.iter().for_each(|stub| stub.fails_with(Some(Code::Unavailable)));
        assert_eq!(call(&failover, b"").await, Err(Code::Unavailable));
        assert_eq!(stubs[0].count() + stubs[1].count(), 3, "each was tried once");
    }

    proptest! {
        #[test]
        fn whoever_is_there_is_found(away in proptest::collection::vec(any::<bool>(), 1..6)) {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
            runtime.block_on(async {
                let stubs: Vec<Stub> = away.iter().map(|_| Stub::default()).collect();
                stubs.iter().zip(&away).filter(|(_, away)| **away).for_each(|(stub, _)| {
                    stub.fails_with(Some(Code::Unavailable));
                });
                let failover = Failover::round(stubs.iter().map(Stub::peer).collect());
                for _ in 0..away.len() {
                    assert_eq!(call(&failover, b"").await.is_ok(), away.contains(&false));
                }
            });
        }
    }
}
