//! What came of asking, for the diagnosis and for the incident's trace.

use llm_sre_domain::advise::{Advice, cut};
use llm_sre_mesh::stages::Stage;
use llm_sre_ports::model;
use llm_sre_proto::diagnosis::v1;
use uuid::Uuid;

/// Characters of a question or an answer that a span holds.
const TEXT_IN_SPANS_MAX: usize = 16_000;

/// Why there is no advice.
#[derive(Debug)]
pub(super) struct Failure {
    kind: v1::AdviceFailure,
    reason: String,
    rejected: Vec<String>,
}

impl Failure {
    pub(super) fn new(kind: v1::AdviceFailure, reason: impl Into<String>) -> Self {
        Self { kind, reason: reason.into(), rejected: Vec::new() }
    }

    pub(super) fn kind(&self) -> v1::AdviceFailure {
        self.kind
    }

    pub(super) fn reason(&self) -> &str {
        &self.reason
    }

    /// With what the model claimed and was not shown.
    pub(super) fn rejecting(self, rejected: Vec<String>) -> Self {
        Self { rejected, ..self }
    }
}

impl From<&model::Error> for Failure {
    fn from(error: &model::Error) -> Self {
        use model::Error;
        let kind = match error {
            Error::Unavailable { .. } | Error::Unreached(_) => v1::AdviceFailure::Unavailable,
            Error::Limited { .. } => v1::AdviceFailure::Limited,
            Error::TimedOut { .. } => v1::AdviceFailure::TimedOut,
            Error::Rejected(_) => v1::AdviceFailure::Rejected,
            Error::Refused(_) => v1::AdviceFailure::Refused,
            Error::CutOff(_) => v1::AdviceFailure::CutOff,
            Error::Unreadable(_) => v1::AdviceFailure::Unreadable,
        };
        Self::new(kind, error.to_string())
    }
}

/// What came of asking.
#[derive(Debug)]
pub(super) struct Outcome {
    /// Whom it was asked of, and what it cost; `None` where nobody was.
    pub(super) model: Option<v1::ModelUse>,
    pub(super) result: Result<Advice, Failure>,
    /// The last question and its answer, masked; `None` unless spans are to hold them.
    pub(super) said: Option<(String, String)>,
}

impl Outcome {
    pub(super) fn nobody_asked(failure: Failure) -> Self {
        Self { model: None, result: Err(failure), said: None }
    }

    /// As the diagnosis tells it.
    pub(super) fn into_advice(self) -> v1::Advice {
        let model = self.model;
        match self.result {
            Ok(advice) => v1::Advice {
                state: v1::AdviceState::Given.into(),
                root_cause: advice.root_cause,
                immediate_fix: advice.immediate_fix,
                long_term_fix: advice.long_term_fix,
                hypothesis_order: advice.hypothesis_order,
                cited_evidence: advice.cited.into_iter().map(|id| id.0).collect(),
                proposed_action: advice.proposed_action.map(|kind| kind.name().to_owned()).unwrap_or_default(),
                confidence: advice.confidence,
                stated_confidence: advice.stated_confidence,
                rejected_claims: advice.rejected,
                model,
                ..v1::Advice::default()
            },
            Err(failure) => v1::Advice {
                state: v1::AdviceState::Withheld.into(),
                failure: failure.kind.into(),
                reason: failure.reason,
                rejected_claims: failure.rejected,
                model,
                ..v1::Advice::default()
            },
        }
    }

    /// As the incident's trace tells it, by OpenTelemetry's conventions for generative AI. No text of question or answer
    /// is part of it unless that is switched on: who wants to read them lists the exchanges.
    pub(super) fn stage(&self, incident: Uuid, id: &str, diagnosis: &str, (start, end): (u64, u64)) -> Stage {
        let used = self.model.clone().unwrap_or_default();
        let mut attributes = vec![
            ("gen_ai.operation.name", super::ask::OPERATION.to_owned()),
            ("gen_ai.provider.name", used.provider),
            ("gen_ai.request.model", used.requested_model.clone()),
            ("gen_ai.response.model", used.answering_model),
            ("gen_ai.output.type", "json".to_owned()),
            ("llm_sre.diagnosis", diagnosis.to_owned()),
            ("llm_sre.prompt", used.prompt),
        ];
        if let Some((question, answer)) = &self.said {
            attributes.push(("gen_ai.input.messages", message("user", question)));
            attributes.push(("gen_ai.output.messages", message("assistant", answer)));
        }
        let error = match &self.result {
            Ok(_) => String::new(),
            Err(failure) => {
                attributes.push(("error.type", failure.kind.as_str_name().to_owned()));
                // What is wrong with an answer may quote it.
                match failure.kind {
                    v1::AdviceFailure::Invalid | v1::AdviceFailure::Unfounded => {
                        "the answer could not be used".to_owned()
                    }
                    _ => failure.reason.clone(),
                }
            }
        };
        let mut numbers = Vec::new();
        if self.model.is_some() {
            let count = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
            numbers.push(("gen_ai.usage.input_tokens".to_owned(), count(used.input_tokens)));
            numbers.push(("gen_ai.usage.output_tokens".to_owned(), count(used.output_tokens)));
            numbers.push(("llm_sre.model.requests".to_owned(), i64::from(used.requests)));
        }
        let filled = attributes.into_iter().filter(|(_, value)| !value.is_empty());
        Stage {
            incident,
            key: stage_key(id),
            name: format!("{} {}", super::ask::OPERATION, used.requested_model).trim_end().to_owned(),
            start_unix_nano: start,
            end_unix_nano: end,
            attributes: filled.map(|(key, value)| (key.to_owned(), value)).collect(),
            numbers,
            // An answer that was had before is no call.
            is_call: used.requests > 0,
            error,
        }
    }
}

/// One message, as the conventions write it.
fn message(role: &str, text: &str) -> String {
    let text = cut(text, TEXT_IN_SPANS_MAX);
    serde_json::json!([{ "role": role, "parts": [{ "type": "text", "content": text }] }]).to_string()
}

/// Names the step of a diagnosis' advice in its incident's trace.
pub(super) fn stage_key(id: &str) -> String {
    format!("advise/{id}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(said: Option<(String, String)>) -> Vec<(String, String)> {
        let model = Some(v1::ModelUse { requested_model: "small".to_owned(), ..v1::ModelUse::default() });
        let result = Err(Failure::new(v1::AdviceFailure::Unfounded, "quotes \"the answer\""));
        let outcome = Outcome { model, result, said };
        outcome.stage(Uuid::nil(), "d", "incidents/i/diagnoses/d", (1, 2)).attributes.into_iter().collect()
    }

    #[test]
    fn a_span_holds_no_text_unless_that_is_switched_on() {
        let without = told(None);
        let is_text = |(key, value): &(String, String)| key.ends_with(".messages") || value.contains("the answer\"");
        assert!(!without.iter().any(is_text), "{without:?}");
        let with = told(Some(("why is <it> \"slow\"?".to_owned(), "x".repeat(2 * TEXT_IN_SPANS_MAX))));
        let value = |key: &str| {
            let (_, text) = with.iter().find(|(found, _)| found == key).unwrap();
            serde_json::from_str::<serde_json::Value>(text).unwrap()
        };
        let asked = value("gen_ai.input.messages");
        assert_eq!(
            (&asked[0]["role"], &asked[0]["parts"][0]["content"]),
            (&"user".into(), &"why is <it> \"slow\"?".into())
        );
        let answered = value("gen_ai.output.messages");
        assert_eq!(answered[0]["role"], "assistant");
        let length = answered[0]["parts"][0]["content"].as_str().unwrap().chars().count();
        assert!((1_000..=TEXT_IN_SPANS_MAX + 1).contains(&length), "{length}");
    }
}
