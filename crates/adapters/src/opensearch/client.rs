//! Requests, with what every one of them needs: a time-out, a classified failure, and repeats where they are harmless.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use opensearch::OpenSearch;
use opensearch::auth::Credentials;
use opensearch::cert::{Certificate, CertificateValidation};
use opensearch::http::headers::HeaderMap;
use opensearch::http::transport::{SingleNodeConnectionPool, TransportBuilder};
use opensearch::http::{Method, Url};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::Value;

use super::Options;
use super::failure::Failure;

/// How often something is tried: with the waits between, for about six seconds.
pub(super) const ATTEMPTS_MAX: u32 = 7;
const WAIT_MIN: Duration = Duration::from_millis(100);
const WAIT_MAX: Duration = Duration::from_secs(2);

/// Whether a request may be made again where it is not known if it was carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Repeat {
    /// It only reads, or has the same effect twice.
    Harmless,
    /// A second time it would find its own effect and take it for somebody else's.
    Harmful,
}

/// A connection to a cluster.
#[derive(Debug)]
pub(super) struct Client {
    opensearch: OpenSearch,
    random: Mutex<ChaCha8Rng>,
}

impl Client {
    pub(super) fn new(options: Options) -> Result<Self, String> {
        let url = Url::parse(&options.url).map_err(|error| error.to_string())?;
        let mut transport =
            TransportBuilder::new(SingleNodeConnectionPool::new(url)).timeout(options.timeout).disable_proxy();
        if let Some((user, password)) = options.credentials {
            transport = transport.auth(Credentials::Basic(user, password.0));
        }
        if let Some(pem) = options.authorities_pem {
            let certificate = Certificate::from_pem(&pem).map_err(|error| format!("the CA is invalid: {error}"))?;
            transport = transport.cert_validation(CertificateValidation::Full(certificate));
        }
        let transport = transport.build().map_err(|error| error.to_string())?;
        let random = Mutex::new(ChaCha8Rng::seed_from_u64(options.seed));
        Ok(Self { opensearch: OpenSearch::new(transport), random })
    }

    /// Makes a request until it is carried out, fails for good, or was tried [`ATTEMPTS_MAX`] times.
    pub(super) async fn request(
        &self,
        repeat: Repeat,
        method: Method,
        path: &str,
        body: Option<Bytes>,
    ) -> Result<Value, Failure> {
        let mut backoff = self.backoff();
        loop {
            match self.once(method, path, body.clone()).await {
                Err((_, Failure::Busy(reason))) if backoff.is_over() => return Err(Failure::Unavailable(reason)),
                Err((_, Failure::Busy(_))) => backoff.wait().await,
                Err((Some(503), Failure::Unavailable(_))) if repeat == Repeat::Harmless && !backoff.is_over() => {
                    backoff.wait().await;
                }
                result => return result.map_err(|(_, failure)| failure),
            }
        }
    }

    /// [`Client::request`] with JSON, for what only reads or has the same effect twice.
    pub(super) async fn ask(&self, method: Method, path: &str, body: &Value) -> Result<Value, Failure> {
        self.request(Repeat::Harmless, method, path, Some(body.to_string().into())).await
    }

    /// Makes searches find what was written before. Indices that are not there hold nothing.
    pub(super) async fn refresh(&self, indices: &str) -> Result<(), Failure> {
        let path = format!("{indices}/_refresh?ignore_unavailable=true&allow_no_indices=true");
        let answer = self.request(Repeat::Harmless, Method::Post, &path, None).await?;
        whole(&answer).map(drop)
    }

    /// Searches all of the indices that are there, whole or not at all.
    pub(super) async fn search(&self, indices: &str, body: &Value) -> Result<Value, Failure> {
        let path = format!(
            "{indices}/_search?ignore_unavailable=true&allow_no_indices=true&allow_partial_search_results=false"
        );
        let answer = self.ask(Method::Post, &path, body).await?;
        whole(&answer)?;
        Ok(answer)
    }

    pub(super) fn backoff(&self) -> Backoff<'_> {
        Backoff { client: self, next: WAIT_MIN, waited: 0 }
    }

    /// One attempt. The status goes along with a failure that is an answer.
    async fn once(&self, method: Method, path: &str, body: Option<Bytes>) -> Result<Value, (Option<u16>, Failure)> {
        let sent = self.opensearch.send(method, path, HeaderMap::new(), None::<&()>, body, None).await;
        let response = sent.map_err(|error| (None, Failure::Unavailable(told(&error))))?;
        let status = response.status_code().as_u16();
        let text = response.text().await.map_err(|error| (None, Failure::Unavailable(told(&error))))?;
        let answer = serde_json::from_str(&text);
        if (200..300).contains(&status) {
            return answer.map_err(|error| {
                (Some(status), Failure::Unavailable(format!("the answer to {path} is no JSON: {error}")))
            });
        }
        // A proxy or the security plugin may answer in plain text.
        let answer: Value = answer.unwrap_or_default();
        let failure = if answer["found"] == false { Failure::Missing } else { Failure::of(status, &answer["error"]) };
        Err((Some(status), failure))
    }
}

/// An answer that not all shards gave is none.
pub(super) fn whole(answer: &Value) -> Result<&Value, Failure> {
    let is_whole = answer["_shards"]["failed"].as_u64() == Some(0) && answer["timed_out"] != true;
    if is_whole {
        return Ok(answer);
    }
    if !answer["error"].is_null() {
        return Err(Failure::of(
            answer["status"].as_u64().and_then(|status| status.try_into().ok()).unwrap_or(500),
            &answer["error"],
        ));
    }
    Err(Failure::Unavailable(format!("some shards did not answer: {}", answer["_shards"])))
}

/// An error with its causes, in which an address has no query and no user.
fn told(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

/// Waits that double, each between a half and the whole of its length.
pub(super) struct Backoff<'a> {
    client: &'a Client,
    next: Duration,
    waited: u32,
}

impl Backoff<'_> {
    /// Whether it was tried often enough.
    pub(super) fn is_over(&self) -> bool {
        self.waited + 1 >= ATTEMPTS_MAX
    }

    pub(super) async fn wait(&mut self) {
        let share = self.client.random.lock().unwrap_or_else(PoisonError::into_inner).random_range(0.5..=1.0);
        tokio::time::sleep(self.next.mul_f64(share)).await;
        self.next = (self.next * 2).min(WAIT_MAX);
        self.waited += 1;
    }
}
