//! The token that this process shows to others.

use http::HeaderValue;
use http::header::AUTHORIZATION;
use tonic::body::Body;
use tower::ServiceBuilder;
use tower::util::BoxCloneSyncService;

use crate::Peer;

/// A token, to be shown with calls. It is not printed.
#[derive(Clone, Debug)]
pub struct Bearer(HeaderValue);

/// A text that cannot be sent as a token. It says nothing of the text.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("is not a token: it is empty, or has blanks or characters beyond ASCII")]
pub struct InvalidBearer;

impl Bearer {
    /// Of the token's text.
    ///
    /// # Errors
    /// When no header can hold it.
    pub fn new(token: &str) -> Result<Self, InvalidBearer> {
        if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(InvalidBearer);
        }
        let mut value = HeaderValue::try_from(format!("Bearer {token}")).map_err(|_| InvalidBearer)?;
        value.set_sensitive(true);
        Ok(Self(value))
    }

    /// The peer, to which every call shows the token. Only for what belongs to the product, or asks for this token.
    pub fn on(&self, peer: Peer) -> Peer {
        let value = self.0.clone();
        let show = move |mut request: http::Request<Body>| {
            request.headers_mut().insert(AUTHORIZATION, value.clone());
            request
        };
        BoxCloneSyncService::new(ServiceBuilder::new().map_request(show).service(peer))
    }
}
