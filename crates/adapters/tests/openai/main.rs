//! The adapter of language models against a server that does what a real one does on its bad days.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A test says what it expects by panicking.

mod answers;
mod failures;
mod options;
mod requests;
mod secrets;
mod server;
mod trouble;

use std::time::Duration;

use llm_sre_adapters::openai::{OpenAi, Options, Secret, Server as Api};
use llm_sre_ports::model::{Completion, Error, LanguageModel, Prompt, Schema};
use serde_json::{Value, json};

use server::{Reply, Server};

const KEY: &str = "sk-abc123-of-the-tests";
const ANSWER_BYTES_MAX: usize = 64 * 1024;
/// Far longer than a call takes on a busy machine.
const LONG: Duration = Duration::from_secs(60);
/// For calls that are to reach it.
const SHORT: Duration = Duration::from_millis(300);

/// In an order that sorting would change.
const SCHEMA: &str = r#"{"type":"object","properties":{"evidence":{"type":"string"},"cause":{"type":"string"},"action":{"type":"string"}},"required":["evidence","cause","action"],"additionalProperties":false}"#;

fn prompt() -> Prompt {
    Prompt {
        system: "the-system-prompt".to_owned(),
        user: "the-user-prompt \"quoted\"\nand more".to_owned(),
        schema: Schema { name: "diagnosis".to_owned(), json: SCHEMA.to_owned() },
        answer_tokens_max: 321,
    }
}

fn compatible(base: &str) -> Options {
    Options {
        server: Api::Compatible {
            url: format!("{base}/v1"),
            model: "a-model".to_owned(),
            provider: "some_provider".to_owned(),
        },
        key: Some(Secret::new(KEY.to_owned())),
        timeout: LONG,
        answer_bytes_max: ANSWER_BYTES_MAX,
    }
}

fn azure(base: &str) -> Options {
    let server = Api::Azure {
        endpoint: base.to_owned(),
        api_version: "2024-10-21".to_owned(),
        deployment: "a-deployment".to_owned(),
    };
    Options { server, ..compatible(base) }
}

/// A completion as OpenAI has it.
fn completion() -> Value {
    json!({
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1_700_000_000,
        "model": "gpt-of-today",
        "system_fingerprint": null,
        "choices": [{
            "index": 0,
            "finish_reason": "stop",
            "logprobs": null,
            "message": { "role": "assistant", "content": "{\"evidence\":\"the-answer\"}", "refusal": null },
        }],
        "usage": { "prompt_tokens": 12, "completion_tokens": 34, "total_tokens": 46 },
    })
}

/// Asks a server that replies so, and holds it to one request on one connection.
async fn ask_with(reply: Reply, change: impl FnOnce(&mut Options)) -> Result<Completion, Error> {
    let server = Server::start(reply).await;
    let mut options = compatible(&server.url());
    change(&mut options);
    let result = OpenAi::build(options).unwrap().complete(&prompt()).await;
    assert_eq!((server.connections(), server.requests().len()), (1, 1), "one attempt is one request: {result:?}");
    result
}

async fn ask(reply: Reply) -> Result<Completion, Error> {
    ask_with(reply, |_| ()).await
}

/// Asks, and gives the failure.
async fn failure(reply: Reply) -> Error {
    ask(reply).await.expect_err("it must fail")
}

fn is_unreadable(error: &Error, because: &str) -> bool {
    matches!(error, Error::Unreadable(reason) if reason.contains(because))
}
