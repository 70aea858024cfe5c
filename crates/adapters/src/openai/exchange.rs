//! One request and its answer, within bounds.

use std::time::Duration;

use async_openai::middleware::HttpRequestFactory;
use llm_sre_ports::model::Error;
use reqwest::redirect::Policy;
use reqwest::{Client, Response};
use serde_json::value::RawValue;
use tower::BoxError;

use super::failure::{self, Words};
use super::options::BuildError;

/// Of a failure's body, which says no more than a code. The largest seen, Azure's with all its filters, has 2 KiB.
const FAILURE_BYTES_MAX: usize = 64 * 1024;
/// How long a failure's body is waited for: its status has said what matters.
const FAILURE_WAIT: Duration = Duration::from_secs(1);

/// A client that does what it is told: once, to where it is told, without asking the environment.
pub(super) fn http_client(timeout: Duration) -> Result<Client, BuildError> {
    Client::builder()
        .user_agent(concat!("llm-sre/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(CONNECT_WITHIN.min(timeout / 2))
        .redirect(Policy::none())
        .retry(reqwest::retry::never())
        .no_proxy()
        // What is limited is what is read, and a compressed byte may stand for a thousand.
        .no_gzip()
        // A request on a connection that the server is about to close would be sent again. Opening one costs little
        // beside an answer that takes seconds.
        .pool_max_idle_per_host(0)
        .build()
        .map_err(|error| BuildError::Tls { reason: failure::told(&error) })
}

/// How long a connection may take, name and TLS included: less than an answer, so that what was never sent is not taken
/// for a question without an answer.
const CONNECT_WITHIN: Duration = Duration::from_secs(10);

/// Sends requests and reads what comes back.
#[derive(Clone)]
pub(super) struct Exchange {
    http: Client,
    answer_bytes_max: usize,
    words: Words,
}

impl Exchange {
    pub(super) fn new(http: Client, answer_bytes_max: usize, words: Words) -> Self {
        Self { http, answer_bytes_max, words }
    }

    /// The library reads what this gives it, and logs what it cannot read. So it gets whole JSON with a good status, or a
    /// model's [`Error`] in a box.
    pub(super) async fn carry_out(self, request: HttpRequestFactory) -> Result<Response, BoxError> {
        let body = self.answer(request).await?;
        Ok(http::Response::new(reqwest::Body::from(body)).into())
    }

    async fn answer(&self, request: HttpRequestFactory) -> Result<Vec<u8>, Error> {
        let request = request.build().await.map_err(failure::of_library)?;
        let mut response = self.http.execute(request).await.map_err(failure::of_connection)?;
        let status = response.status();
        if !status.is_success() {
            let reading = read(&mut response, FAILURE_BYTES_MAX);
            let body = tokio::time::timeout(FAILURE_WAIT, reading).await;
            // What cannot be read has no words.
            let body = body.ok().and_then(Result::ok).unwrap_or_default();
            return Err(self.words.of_status(status, response.headers(), &body));
        }
        let body = read(&mut response, self.answer_bytes_max).await?;
        serde_json::from_slice::<&RawValue>(&body).map_err(|error| {
            Error::Unreadable(format!("{} bytes that are no JSON, at line {}", body.len(), error.line()))
        })?;
        Ok(body)
    }
}

/// Reads a body, and never holds more of it than may be.
async fn read(response: &mut Response, bytes_max: usize) -> Result<Vec<u8>, Error> {
    let too_long = || Error::Unreadable(format!("it is longer than the limit of {bytes_max} bytes"));
    if response.content_length().is_some_and(|announced| announced > bytes_max as u64) {
        return Err(too_long());
    }
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(failure::of_connection)? {
        if body.len() + chunk.len() > bytes_max {
            return Err(too_long());
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}
