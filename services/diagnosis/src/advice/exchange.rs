//! What was sent to the model and what came back, kept for audit, and as a cache of answers.

use llm_sre_domain::advise::{cut, mask};
use llm_sre_mesh::records::{Attributes, Stored, Write};
use llm_sre_mesh::{names, status};
use llm_sre_ports::documents::Filter;
use llm_sre_ports::model::Prompt;
use llm_sre_proto::convert::common::to_proto_time;
use llm_sre_proto::diagnosis::v1;
use tonic::Status;

use super::Adviser;
use crate::work::record_id;

/// Characters of an answer that are kept.
const ANSWER_MAX: usize = 16_000;
/// Characters of it that are looked at; a secret that this cuts in two is beyond what is kept.
const READ_MAX: usize = 4 * ANSWER_MAX;
/// A diagnosis is asked about a few times; more are the work of processes that end in the middle of it, over and over.
const NUMBERS_MAX: u32 = 64;

/// What an exchange is found by: the diagnosis, and what was asked of whom.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    diagnosis: String,
    digest: String,
    model: String,
}

/// A question that was sent, or is about to be.
pub(super) struct Exchange {
    stored: Stored<v1::ModelExchange>,
    asked: Asked,
}

impl Exchange {
    /// What was asked and what was answered, as they are kept.
    pub(super) fn texts(&self) -> (String, String) {
        (self.stored.message.question.clone(), self.stored.message.answer.clone())
    }
}

impl Asked {
    /// Of a diagnosis by its name.
    pub(super) fn of(diagnosis: &str, digest: String, adviser: &Adviser) -> Result<Self, Status> {
        let (incident, id) = names::parse_child("name", diagnosis, "diagnoses")?;
        let model = format!("{}/{}", adviser.model.provider(), adviser.model.name());
        Ok(Self { diagnosis: record_id(incident, &id), digest, model })
    }

    fn attributes(&self, is_usable: bool) -> Attributes {
        let usable = if is_usable { "yes" } else { "no" };
        let attributes =
            [("diagnosis", &*self.diagnosis), ("digest", &self.digest), ("model", &self.model), ("usable", usable)];
        attributes.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
    }
}

impl Adviser {
    /// Notes what is about to be sent. What cannot be noted is not sent.
    pub(super) async fn note(
        &self,
        diagnosis: &str,
        asked: &Asked,
        prompt: &Prompt,
        model: v1::ModelUse,
    ) -> Result<Exchange, Status> {
        for number in 1..=NUMBERS_MAX {
            let exchange = v1::ModelExchange {
                name: format!("{diagnosis}/exchanges/{number}"),
                model: Some(model.clone()),
                instructions: prompt.system.clone(),
                question: prompt.user.clone(),
                ..v1::ModelExchange::default()
            };
            let id = format!("{}/{number}", asked.diagnosis);
            if let Write::Done(stored) = self.exchanges.create(&id, &exchange, asked.attributes(false)).await? {
                return Ok(Exchange { stored, asked: asked.clone() });
            }
        }
        Err(status::internal(format!("{diagnosis} was asked about {NUMBERS_MAX} times and never answered")))
    }

    /// Notes what came back.
    pub(super) async fn note_answer(
        &self,
        exchange: &mut Exchange,
        model: v1::ModelUse,
        answer: Result<&str, String>,
        now: llm_sre_domain::Timestamp,
    ) -> Result<(), Status> {
        let (answer, error) = match answer {
            Ok(text) => (cut(&mask(&cut(text, READ_MAX)), ANSWER_MAX).into_owned(), String::new()),
            Err(error) => (String::new(), error),
        };
        let ended = v1::ModelExchange {
            model: Some(model),
            answer,
            error,
            end_time: Some(to_proto_time(now)),
            ..exchange.stored.message.clone()
        };
        self.rewrite(exchange, ended, false).await
    }

    /// Notes whether the answer can be used, for this question and whenever it is asked again.
    pub(super) async fn note_verdict(&self, exchange: &mut Exchange, wrong: Option<&str>) -> Result<(), Status> {
        let error = wrong.unwrap_or_default().to_owned();
        let judged = v1::ModelExchange { error, ..exchange.stored.message.clone() };
        self.rewrite(exchange, judged, wrong.is_none()).await
    }

    async fn rewrite(&self, exchange: &mut Exchange, message: v1::ModelExchange, usable: bool) -> Result<(), Status> {
        match self.exchanges.replace(&exchange.stored, &message, exchange.asked.attributes(usable)).await? {
            Write::Done(stored) => exchange.stored = stored,
            Write::Conflict => return Err(status::etag_mismatch(&message.name)),
        }
        Ok(())
    }

    /// An answer to the same question that was usable.
    pub(super) async fn at_hand(&self, asked: &Asked) -> Result<Option<v1::ModelExchange>, Status> {
        let same = Filter::default().with("digest", &asked.digest).with("model", &asked.model).with("usable", "yes");
        let (found, _) = self.exchanges.list_readable(same, None, 1).await?;
        Ok(found.into_iter().next().map(|stored| stored.message))
    }
}
