//! A peer that is given out before it exists: the services of a process know each other, and one must be built first.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, OnceLock, Weak};
use std::task::{Context, Poll};

use tonic::Status;
use tonic::body::Body;
use tower::util::BoxCloneSyncService;
use tower::{Service, ServiceExt};

use crate::Peer;

/// Where the peer will be. It is there as long as this is: services that know each other by it would else keep each
/// other for ever.
#[derive(Clone, Default)]
pub struct Slot(Arc<OnceLock<Peer>>);

impl Slot {
    /// The peer that will be here. Until then, and once the slot is gone, it answers UNAVAILABLE, as a server that does
    /// not run.
    pub fn peer(&self) -> Peer {
        BoxCloneSyncService::new(Late(Arc::downgrade(&self.0)))
    }

    /// Puts the peer here. The first stays.
    pub fn fill(&self, peer: Peer) {
        self.0.get_or_init(|| peer);
    }
}

#[derive(Clone)]
struct Late(Weak<OnceLock<Peer>>);

impl Service<http::Request<Body>> for Late {
    type Response = http::Response<Body>;
    type Error = Status;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Status>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Status>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let peer = self.0.upgrade().and_then(|slot| slot.get().cloned());
        Box::pin(async move {
            let peer = peer.ok_or_else(|| Status::unavailable("the services of this process do not run"))?;
            peer.oneshot(request).await
        })
    }
}
