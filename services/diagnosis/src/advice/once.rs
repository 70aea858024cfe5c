//! Asking about one stored diagnosis without its incident's owner: for whoever compares models.

use std::sync::{Arc, Mutex, PoisonError};

use llm_sre_mesh::{names, status};
use llm_sre_ports::clock::Clock;
use llm_sre_ports::documents::Documents;
use llm_sre_ports::model::{Completion, Error, LanguageModel, Prompt};
use llm_sre_proto::convert::common::to_proto_time;
use llm_sre_proto::diagnosis::v1;
use tonic::Status;
use uuid::Uuid;

use super::outcome::Outcome;
use super::{Adviser, Advising, question, shape};

/// What came of asking.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Advised {
    /// What the diagnosis would say of it.
    pub advice: v1::Advice,
    /// Of each answer that came, in their order, whether it had the shape that was asked for. One that ends in the
    /// middle came, and had not; who refuses, is away or sends what cannot be read gave no answer.
    pub shapes: Vec<bool>,
}

/// Asks about a diagnosis in the way of the services: the same question, limits, repair and judgement. Whether its
/// incident is still open, or has a later diagnosis, is not looked at. What was sent and spent is kept in `documents`:
/// calls with the same documents share the day's budget, and an answer that is at hand there is not asked for again.
///
/// # Errors
/// A diagnosis without a hypothesis, about which there is nothing to ask; one that cannot be read; those of
/// `documents`.
pub async fn advise_once(
    advising: &Advising,
    documents: Arc<dyn Documents>,
    clock: &dyn Clock,
    diagnosis: &v1::Diagnosis,
) -> Result<Advised, Status> {
    if diagnosis.hypotheses.is_empty() {
        let message = format!("{} has no hypothesis to ask about", diagnosis.name);
        return Err(status::failed_precondition("NOTHING_TO_ASK", message));
    }
    let (incident, _) = names::parse_child("name", &diagnosis.name, "diagnoses")?;
    let heard = Arc::new(Heard { model: Arc::clone(&advising.model), shapes: Mutex::default() });
    let model = Arc::<Heard>::clone(&heard);
    // Nobody else asks, so pauses may be spread by incident.
    let adviser = Adviser::new(Advising { model, ..advising.clone() }, documents, incident);
    let start_time = Some(to_proto_time(clock.now()));
    let outcome = adviser.ask_of(diagnosis, incident, clock).await?;
    let advice = v1::Advice { start_time, end_time: Some(to_proto_time(clock.now())), ..outcome.into_advice() };
    Ok(Advised { advice, shapes: heard.shapes() })
}

impl Adviser {
    /// What comes of asking about a stored diagnosis. An error is of the store, or of what it holds.
    pub(super) async fn ask_of(
        &self,
        diagnosis: &v1::Diagnosis,
        incident: Uuid,
        clock: &dyn Clock,
    ) -> Result<Outcome, Status> {
        let question = question(diagnosis, self.limits.question_bytes_max);
        let question = question.map_err(|error| status::internal(format!("{}: {error}", diagnosis.name)))?;
        self.ask(&question, &diagnosis.name, incident, clock).await
    }
}

/// A model, and what its answers were like before anybody masked or repaired them.
struct Heard {
    model: Arc<dyn LanguageModel>,
    shapes: Mutex<Vec<bool>>,
}

impl Heard {
    fn shapes(&self) -> Vec<bool> {
        self.shapes.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[async_trait::async_trait]
impl LanguageModel for Heard {
    fn provider(&self) -> &str {
        self.model.provider()
    }

    fn name(&self) -> &str {
        self.model.name()
    }

    async fn complete(&self, prompt: &Prompt) -> Result<Completion, Error> {
        let result = self.model.complete(prompt).await;
        let has_shape = match &result {
            Ok(completion) => Some(shape::parse(&completion.text).is_ok()),
            Err(Error::CutOff(_)) => Some(false),
            Err(_) => None,
        };
        self.shapes.lock().unwrap_or_else(PoisonError::into_inner).extend(has_shape);
        result
    }
}

#[cfg(test)]
mod tests;
