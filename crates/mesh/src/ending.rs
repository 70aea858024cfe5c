//! Streams that end with their server: who follows something learns why it stops, and a shutdown waits for nobody.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use http_body_util::{BodyExt, BodyStream, Empty, StreamBody};
use tokio_stream::Stream;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use tonic::Status;
use tonic::body::Body;
use tonic::codegen::Body as _;

use crate::status;

/// When a caller may try again: a process that is replaced is back by then.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// The body until `shutdown`. What is ready still goes out; what is waited for does not come any more.
pub(crate) fn ending(body: Body, shutdown: CancellationToken) -> Body {
    // An error without an answer is in the headers, which then must be the end.
    if body.is_end_stream() {
        return body;
    }
    let tail = Empty::<Bytes>::new().map_err(|never| match never {}).with_trailers(async { Some(trailers()) });
    Body::new(StreamBody::new(Until {
        inner: Box::pin(BodyStream::new(body)),
        tail: Box::pin(BodyStream::new(tail)),
        end: Box::pin(shutdown.cancelled_owned()),
        is_over: false,
    }))
}

fn trailers() -> Result<HeaderMap, Status> {
    let mut headers = HeaderMap::new();
    status::unavailable("this process", "it is ending", RETRY_AFTER).add_header(&mut headers)?;
    Ok(headers)
}

type Items<T> = Pin<Box<dyn Stream<Item = T> + Send>>;

/// What comes from `inner` until it waits when the end has come; then `tail`.
struct Until<T> {
    inner: Items<T>,
    tail: Items<T>,
    end: Pin<Box<WaitForCancellationFutureOwned>>,
    is_over: bool,
}

impl<T> Stream for Until<T> {
    type Item = T;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<T>> {
        if !self.is_over {
            let next = self.inner.as_mut().poll_next(context);
            if next.is_ready() || self.end.as_mut().poll(context).is_pending() {
                return next;
            }
            self.is_over = true;
        }
        self.tail.as_mut().poll_next(context)
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::Full;
    use tokio_stream::StreamExt;
    use tonic::Code;

    use super::*;

    #[tokio::test]
    async fn what_waits_ends_with_a_reason_and_what_is_ready_is_whole() {
        let shutdown = CancellationToken::new();
        let waiting = BodyStream::new(Full::from("first").map_err(never)).chain(tokio_stream::pending());
        let mut following = ending(Body::new(StreamBody::new(waiting)), shutdown.clone());
        assert_eq!(following.frame().await.unwrap().unwrap().into_data().unwrap(), "first");
        shutdown.cancel();
        let trailers = following.frame().await.unwrap().unwrap().into_trailers().unwrap();
        let told = Status::from_header_map(&trailers).unwrap();
        assert_eq!((told.code(), status::reason(&told).as_deref()), (Code::Unavailable, Some("UNAVAILABLE")));
        assert!(following.frame().await.is_none());

        assert!(ending(Body::empty(), shutdown.clone()).is_end_stream());
        let whole = ending(Body::new(Full::from("whole").map_err(never)), shutdown);
        assert_eq!(whole.collect().await.unwrap().to_bytes(), "whole");
    }

    fn never(never: std::convert::Infallible) -> Status {
        match never {}
    }
}
