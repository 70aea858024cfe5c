//! Where requests go, and what says whose they are.

use std::time::Duration;

use async_openai::config::Config;
use reqwest::Url;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use secrecy::SecretString;

use super::options::{BuildError, Options, Secret, Server};

const API_KEY: HeaderName = HeaderName::from_static("api-key");

/// The library's own configurations read the environment, and send an empty bearer token where there is no key.
pub(super) struct Endpoint {
    base: String,
    api_version: Option<String>,
    headers: HeaderMap,
    key: SecretString,
}

impl Endpoint {
    /// Checks all options.
    pub(super) fn new(options: &Options) -> Result<Self, BuildError> {
        let key = options.key.as_ref();
        positive("timeout", options.timeout > Duration::ZERO)?;
        positive("answer_bytes_max", options.answer_bytes_max > 0)?;
        let (base, api_version, header) = match &options.server {
            Server::Azure { endpoint, api_version, deployment } => {
                word("api_version", api_version)?;
                word("deployment", deployment)?;
                let base = address("endpoint", endpoint, key)?;
                let key = key.ok_or(BuildError::KeyMissing)?;
                let base = format!("{base}/openai/deployments/{deployment}");
                (base, Some(api_version.clone()), Some((API_KEY, secret_value("", key)?)))
            }
            Server::Compatible { url, model, provider } => {
                positive("model", !model.trim().is_empty())?;
                positive("provider", !provider.trim().is_empty())?;
                let base = address("url", url, key)?;
                let value = key.map(|key| secret_value("Bearer ", key)).transpose()?;
                (base, None, value.map(|value| (AUTHORIZATION, value)))
            }
        };
        let headers = header.into_iter().collect();
        let key = options.key.clone().map(Secret::into_inner).unwrap_or_default();
        Ok(Self { base, api_version, headers, key })
    }
}

impl Config for Endpoint {
    fn headers(&self) -> HeaderMap {
        self.headers.clone()
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    fn query(&self) -> Vec<(&str, &str)> {
        self.api_version.iter().map(|version| ("api-version", version.as_str())).collect()
    }

    fn api_base(&self) -> &str {
        &self.base
    }

    fn api_key(&self) -> &SecretString {
        &self.key
    }
}

fn positive(option: &'static str, is_positive: bool) -> Result<(), BuildError> {
    if is_positive { Ok(()) } else { Err(BuildError::Empty { option }) }
}

/// What becomes a part of an address, so that it can be no other part of it.
fn word(option: &'static str, text: &str) -> Result<(), BuildError> {
    positive(option, !text.is_empty())?;
    let is_word = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte))
        && !text.bytes().all(|byte| byte == b'.');
    if is_word {
        return Ok(());
    }
    Err(BuildError::Characters { option, allowed: "letters, digits, '_', '-' and '.'" })
}

/// The address without a slash at its end.
fn address(option: &'static str, text: &str, key: Option<&Secret>) -> Result<String, BuildError> {
    positive(option, !text.is_empty())?;
    let wrong = |reason: &str| BuildError::Address { option, reason: reason.to_owned() };
    let url = Url::parse(text).map_err(|error| wrong(&error.to_string()))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(wrong("it begins with neither http:// nor https://"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(BuildError::Credentials { option });
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(wrong("it has a query or a fragment"));
    }
    if key.is_some() && url.scheme() == "http" && !is_this_machine(&url) {
        return Err(BuildError::ClearText { option });
    }
    Ok(url.as_str().trim_end_matches('/').to_owned())
}

fn is_this_machine(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    // An IPv6 address stands in brackets.
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || host.parse().is_ok_and(|address: std::net::IpAddr| address.is_loopback())
}

fn secret_value(prefix: &str, key: &Secret) -> Result<HeaderValue, BuildError> {
    positive("key", !key.expose().is_empty())?;
    let allowed = BuildError::Characters { option: "key", allowed: "printable ASCII characters without blanks" };
    if !key.expose().bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(allowed);
    }
    let mut value = HeaderValue::from_str(&format!("{prefix}{}", key.expose())).map_err(|_| allowed)?;
    value.set_sensitive(true);
    Ok(value)
}
