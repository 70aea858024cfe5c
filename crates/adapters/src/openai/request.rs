//! What is asked, in the shape that goes over the wire.

use llm_sre_ports::model::{Error, Prompt};
use serde::Serialize;
use serde_json::value::RawValue;

use super::options::Server;

/// OpenAI itself, as `gen_ai.provider.name` has it.
const OPENAI: &str = "openai";

/// A request for one chat completion. The library's own would sort the properties of the schema, and a model that gives
/// its verdict first reasons towards it.
#[derive(Serialize)]
pub(super) struct Request<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<&'a str>,
    messages: [Message<'a>; 2],
    response_format: ResponseFormat<'a>,
    /// Of Azure and OpenAI, which have given up the other name.
    #[serde(skip_serializing_if = "Option::is_none")]
    max_completion_tokens: Option<u32>,
    /// Of the servers that are compatible with what OpenAI once was.
    #[serde(skip_serializing_if = "Option::is_none")]
    max_tokens: Option<u32>,
    /// Not of Azure and OpenAI: those of their models that think take none, and refuse the request.
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<u32>,
    stream: bool,
}

#[derive(Serialize)]
struct Message<'a> {
    role: &'static str,
    content: &'a str,
}

#[derive(Serialize)]
struct ResponseFormat<'a> {
    r#type: &'static str,
    json_schema: JsonSchema<'a>,
}

#[derive(Serialize)]
struct JsonSchema<'a> {
    name: &'a str,
    strict: bool,
    schema: Box<RawValue>,
}

impl<'a> Request<'a> {
    /// The request for an answer to a prompt.
    ///
    /// # Errors
    /// Where the schema is no JSON.
    pub(super) fn new(server: &'a Server, prompt: &'a Prompt) -> Result<Self, Error> {
        let schema = RawValue::from_string(prompt.schema.json.clone())
            .map_err(|error| Error::Rejected(format!("the schema is no JSON, at column {}", error.column())))?;
        let limit = Some(prompt.answer_tokens_max);
        let (model, max_completion_tokens, max_tokens, temperature) = match server {
            // The deployment says which model it is.
            Server::Azure { .. } => (None, limit, None, None),
            Server::Compatible { model, provider, .. } if provider == OPENAI => {
                (Some(model.as_str()), limit, None, None)
            }
            Server::Compatible { model, .. } => (Some(model.as_str()), None, limit, Some(0)),
        };
        Ok(Self {
            model,
            messages: [
                Message { role: "system", content: &prompt.system },
                Message { role: "user", content: &prompt.user },
            ],
            response_format: ResponseFormat {
                r#type: "json_schema",
                json_schema: JsonSchema { name: &prompt.schema.name, strict: true, schema },
            },
            max_completion_tokens,
            max_tokens,
            temperature,
            stream: false,
        })
    }
}
