//! What a server's failures mean, and what of them may be repeated.

use async_openai::error::OpenAIError;
use llm_sre_ports::model::Error;
use reqwest::StatusCode;
use reqwest::header::HeaderMap;
use serde_json::Value;

use super::options::Secret;
use super::retry_after;

/// The longest code or type that is repeated.
const WORD_BYTES_MAX: usize = 64;
/// The shortest piece of a key that is kept back: less is no help to who guesses, and as likely chance.
const KEY_PIECE_BYTES_MIN: usize = 6;

/// Of what a server says of a failure, only its codes are repeated: its messages quote the key, and may quote the prompt.
#[derive(Clone)]
pub(super) struct Words {
    key: Option<Secret>,
}

impl Words {
    pub(super) fn new(key: Option<Secret>) -> Self {
        Self { key }
    }

    /// Of an answer whose status says that it is none.
    pub(super) fn of_status(&self, status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Error {
        let body: Value = serde_json::from_slice(body).unwrap_or_default();
        // Gateways have no object for it.
        let error = if body["error"].is_object() { &body["error"] } else { &body };
        self.of(status.as_u16(), headers, error)
    }

    /// Of an answer whose status says that it is one, where a gateway that had already begun it put an error instead.
    pub(super) fn of_error_in_answer(&self, error: &Value) -> Error {
        let status = error["code"].as_u64().and_then(|code| u16::try_from(code).ok());
        match status {
            Some(status @ 400..=599) => self.of(status, &HeaderMap::new(), error),
            _ if is_filtered(error) => refused(),
            _ => Error::Unreadable(format!("it holds an error{}", self.codes(error))),
        }
    }

    fn of(&self, status: u16, headers: &HeaderMap, error: &Value) -> Error {
        let reason = format!("status {status}{}", self.codes(error));
        let retry_after = retry_after::read(headers);
        match status {
            300..=399 => Error::Rejected(format!("{reason}, which leads elsewhere and is not followed")),
            400 if is_filtered(error) => refused(),
            429 => Error::Limited { reason, retry_after },
            // What the server cannot do, it will not do later.
            501 | 505 => Error::Rejected(reason),
            408 | 500..=599 => Error::Unavailable { reason, retry_after },
            _ => Error::Rejected(reason),
        }
    }

    /// The code and the type of an error, where it has them.
    fn codes(&self, error: &Value) -> String {
        let named = |name: &str| self.word(&error[name]).map(|word| format!(", {name} {word}")).unwrap_or_default();
        format!("{}{}", named("code"), named("type"))
    }

    /// A word that has the shape of a code, and is neither the key nor a piece of it.
    fn word(&self, value: &Value) -> Option<String> {
        let word = match value {
            Value::String(word) => word.clone(),
            Value::Number(number) => number.to_string(),
            _ => return None,
        };
        let is_code = (1..=WORD_BYTES_MAX).contains(&word.len())
            && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte));
        let is_of_key = self.key.as_ref().is_some_and(|key| {
            word.contains(key.expose()) || (word.len() >= KEY_PIECE_BYTES_MIN && key.expose().contains(&word))
        });
        (is_code && !is_of_key).then_some(word)
    }
}

/// Azure's filter looks at the prompt before the model does.
fn is_filtered(error: &Value) -> bool {
    error["code"] == "content_filter" || error["innererror"]["code"] == "ResponsibleAIPolicyViolation"
}

fn refused() -> Error {
    Error::Refused("the server's filter stopped the prompt".to_owned())
}

/// Of no connection, no answer, or one that broke off.
pub(super) fn of_connection(error: reqwest::Error) -> Error {
    if error.is_connect() {
        return Error::Unreached(told(&error.without_url()));
    }
    Error::Unavailable { reason: told(&error.without_url()), retry_after: None }
}

/// Of a call that was made through the library. What is not in a box was never sent, and its text may quote anything.
pub(super) fn of_library(error: OpenAIError) -> Error {
    match error {
        OpenAIError::Boxed(error) => match error.downcast::<Error>() {
            Ok(error) => *error,
            Err(_) => Error::Unreadable("it failed in a way that is not known".to_owned()),
        },
        OpenAIError::Reqwest(error) if error.is_builder() => Error::Rejected("the request cannot be made".to_owned()),
        OpenAIError::Reqwest(error) => of_connection(error),
        OpenAIError::InvalidArgument(_) => Error::Rejected("the request cannot be made".to_owned()),
        _ => Error::Unreadable("it failed in a way that is not known".to_owned()),
    }
}

/// An error with its causes.
pub(super) fn told(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
