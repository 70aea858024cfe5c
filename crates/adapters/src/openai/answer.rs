//! What a server says when it says that all went well.

use llm_sre_ports::model::{Completion, Error, Prompt, Usage};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::failure::Words;

/// The part of an answer that is of use. What else is in it is of no concern.
#[derive(Deserialize)]
struct Answer {
    id: Option<String>,
    model: Option<String>,
    choices: Option<Vec<Choice>>,
    /// Free in its shape: an answer is not given up for being counted strangely.
    usage: Option<Value>,
    error: Option<Value>,
}

#[derive(Deserialize)]
struct Choice {
    finish_reason: Option<String>,
    message: Option<Message>,
}

#[derive(Deserialize)]
struct Message {
    refusal: Option<Value>,
    content: Option<String>,
}

/// Reads an answer. Why it ended comes first: what was cut off or filtered may have content, or a refusal, too.
///
/// # Errors
/// Where it has no whole content. Nothing of the answer is in them: the parser's own messages quote it.
pub(super) fn read(answer: &RawValue, prompt: &Prompt, words: &Words) -> Result<Completion, Error> {
    let answer: Answer = serde_json::from_str(answer.get()).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        unreadable(&format!("it has another shape than a completion, at line {line}, column {column}"))
    })?;
    if let Some(error) = &answer.error {
        return Err(words.of_error_in_answer(error));
    }
    let choice = answer.choices.and_then(|choices| choices.into_iter().next());
    let choice = choice.ok_or_else(|| unreadable("it has no choices"))?;
    match choice.finish_reason.as_deref() {
        Some("length") => {
            return Err(Error::CutOff(format!("it may have {} tokens", prompt.answer_tokens_max)));
        }
        Some("content_filter") => return Err(Error::Refused("the server's filter stopped the answer".to_owned())),
        // Not every compatible server says it.
        Some("stop") | None => {}
        Some(_) => return Err(unreadable("it ended for a reason that is not known")),
    }
    let message = choice.message.ok_or_else(|| unreadable("it has no message"))?;
    if message.refusal.is_some_and(|refusal| refusal != "") {
        return Err(Error::Refused("the model does not want to".to_owned()));
    }
    let text = message.content.filter(|text| !text.trim().is_empty());
    Ok(Completion {
        text: text.ok_or_else(|| unreadable("it has no content"))?,
        model: answer.model.unwrap_or_default(),
        id: answer.id.unwrap_or_default(),
        usage: answer.usage.as_ref().and_then(usage),
    })
}

/// Half a count is none.
fn usage(usage: &Value) -> Option<Usage> {
    Some(Usage { input_tokens: usage["prompt_tokens"].as_u64()?, output_tokens: usage["completion_tokens"].as_u64()? })
}

fn unreadable(reason: &str) -> Error {
    Error::Unreadable(reason.to_owned())
}
