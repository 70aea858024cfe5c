//! A language model that is asked for one answer at a time. It advises: nothing that it says is done for its word alone.

use std::time::Duration;

use async_trait::async_trait;

/// What a model is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prompt {
    /// What the model is to do, in the product's own words. Nothing of it comes from telemetry.
    pub system: String,
    /// What it is to do it with: delimited data, some of which anybody may have written.
    pub user: String,
    /// The shape that the answer must have.
    pub schema: Schema,
    /// How many tokens the answer may have, from 1.
    pub answer_tokens_max: u32,
}

/// A JSON Schema with a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schema {
    /// Letters, digits, `_` and `-`, at most 64.
    pub name: String,
    /// The schema, as JSON. The order of its properties is kept: a model answers in it.
    pub json: String,
}

/// What a model answered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Completion {
    /// The answer, unchecked: whether it has the shape that was asked for is for the caller to find out.
    pub text: String,
    /// The model that answered, as the server calls it; empty where it does not say.
    pub model: String,
    /// The answer's id at the server; empty where it has none.
    pub id: String,
    /// What it cost; `None` where the server does not say, which is not the same as nothing.
    pub usage: Option<Usage>,
}

/// Tokens that an answer cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Of the prompt.
    pub input_tokens: u64,
    /// Of the answer, with what the model thought and did not say.
    pub output_tokens: u64,
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Nothing was sent: there is nobody at the address, or no way there.
    #[error("the model's server cannot be reached: {0}")]
    Unreached(String),
    /// The server broke off, or failed with a status of its own. It may have worked on an answer, and bill it.
    #[error("the model is not available: {reason}")]
    Unavailable {
        /// What went wrong, without anything of the prompt or the answer.
        reason: String,
        /// How long the server asks to be left alone.
        retry_after: Option<Duration>,
    },
    /// More was asked than the server allows.
    #[error("the model is asked too much: {reason}")]
    Limited {
        /// What the server calls it.
        reason: String,
        /// How long the server asks to be left alone.
        retry_after: Option<Duration>,
    },
    /// No answer within the time that a call may take.
    #[error("the model did not answer in {after_ms} ms")]
    TimedOut {
        /// The time, in milliseconds.
        after_ms: u128,
    },
    /// The server does not take this request, and will not take it again: a key, a name or a parameter is wrong.
    #[error("the model's server rejects the request: {0}")]
    Rejected(String),
    /// The model, or a filter in front of it, does not want to answer.
    #[error("the model refuses to answer: {0}")]
    Refused(String),
    /// The answer was longer than it may be, and the rest is missing.
    #[error("the answer ends in the middle: {0}")]
    CutOff(String),
    /// What came back is no answer of such a server.
    #[error("the answer cannot be read: {0}")]
    Unreadable(String),
}

impl Error {
    /// Whether the same request may succeed a moment later.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Unreached(_) | Self::Unavailable { .. } | Self::Limited { .. } | Self::TimedOut { .. })
    }

    /// How long the server asks to be left alone, where it does.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Unavailable { retry_after, .. } | Self::Limited { retry_after, .. } => *retry_after,
            _ => None,
        }
    }
}

/// A language model behind a server.
#[async_trait]
pub trait LanguageModel: Send + Sync {
    /// Who runs it, as OpenTelemetry's `gen_ai.provider.name` says it, such as `azure.ai.openai`.
    fn provider(&self) -> &str;

    /// Its name, or its deployment's, as it is asked for.
    fn name(&self) -> &str;

    /// Asks once: retrying is the caller's. Returns within the time that the adapter was built with, whatever the server
    /// does, and reads no more of an answer than it was built with.
    ///
    /// # Errors
    /// Whatever keeps it from answering. No text of an error holds the key, the prompt or the answer.
    async fn complete(&self, prompt: &Prompt) -> Result<Completion, Error>;
}
