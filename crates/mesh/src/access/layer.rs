//! What stands between a port and its services.

use std::future::{Ready, ready};
use std::task::{Context, Poll};

use futures::future::Either;
use tonic::body::Body;
use tower::{Layer, Service};

use super::{Access, Identity};
use crate::status;

/// Lets through whom [`Access::admit`] lets through, with the header that says for whom the call is; refuses others in
/// the way of gRPC. It stands behind what makes gRPC of gRPC-Web.
#[derive(Clone, Debug)]
pub struct AccessLayer(Access);

impl AccessLayer {
    /// For those that are known.
    pub fn new(access: Access) -> Self {
        Self(access)
    }
}

impl<S> Layer<S> for AccessLayer {
    type Service = Guarded<S>;
    fn layer(&self, inner: S) -> Guarded<S> {
        Guarded { inner, access: self.0.clone() }
    }
}

/// See [`AccessLayer`].
#[derive(Clone, Debug)]
pub struct Guarded<S> {
    inner: S,
    access: Access,
}

impl<S, B, R> Service<http::Request<B>> for Guarded<S>
where
    S: Service<http::Request<B>, Response = http::Response<R>>,
    R: Default,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Either<Ready<Result<S::Response, S::Error>>, S::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: http::Request<B>) -> Self::Future {
        match self.access.admit(request.headers(), request.uri()) {
            Ok(identity) => {
                identity.mark(request.headers_mut());
                Either::Right(self.inner.call(request))
            }
            Err(refusal) => {
                // Whoever knocks could fill a log that tells more loudly.
                tracing::debug!(path = request.uri().path(), reason = status::reason(&refusal), "refused at the port");
                Either::Left(ready(Ok(refusal.into_http())))
            }
        }
    }
}

/// A request to another service of the product as one that is made for this person, whatever it said before. For who
/// passes on what people ask, after it was decided that they may.
pub fn acting_for(mut request: http::Request<Body>, identity: &Identity) -> http::Request<Body> {
    identity.mark(request.headers_mut());
    request
}
