//! Putting a question: retries, budgets, the breaker, and one request to repair an answer.

use std::time::Duration;

use llm_sre_domain::advise::{Advice, INSTRUCTIONS, PROMPT, Question, clean, cut, hold, mask};
use llm_sre_mesh::metrics;
use llm_sre_ports::clock::Clock;
use llm_sre_ports::model::{Completion, Error, Prompt, Schema, Usage};
use llm_sre_proto::MODEL_ANSWER_SCHEMA;
use llm_sre_proto::diagnosis::v1;
use tokio::time::Instant;
use tonic::Status;
use uuid::Uuid;

use super::exchange::{Asked, Exchange};
use super::ledger::{Accounts, Refusal, Spent};
use super::limits::{counted, reckon_tokens};
use super::outcome::{Failure, Outcome};
use super::{Adviser, shape};

/// The operation's name by the conventions.
pub(super) const OPERATION: &str = "chat";
/// The pause before the second attempt where the server does not ask for one; it doubles with each.
const PAUSE: Duration = Duration::from_millis(500);
const PAUSE_MAX: Duration = Duration::from_secs(8);
/// With less time than this left nobody is asked again: it would be paid for, and cut off.
const LEFT_MIN: Duration = Duration::from_secs(2);
/// Characters of a model's name that are kept.
const MODEL_NAME_MAX: usize = 128;

/// Why there is no answer.
enum Stop {
    Failure(Failure),
    /// The store fails, so that nothing can be paid or noted.
    Store(Status),
}

impl From<Status> for Stop {
    fn from(status: Status) -> Self {
        Self::Store(status)
    }
}

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::OverBudget(reason) => Self::Failure(Failure::new(v1::AdviceFailure::OverBudget, reason)),
            Refusal::Store(status) => Self::Store(status),
        }
    }
}

impl Adviser {
    /// What comes of a question about a diagnosis.
    ///
    /// # Errors
    /// Of the store.
    pub(super) async fn ask(
        &self,
        question: &Question,
        diagnosis: &str,
        incident: Uuid,
        clock: &dyn Clock,
    ) -> Result<Outcome, Status> {
        let asked = Asked::of(diagnosis, question.digest(), self)?;
        if let Some(exchange) = self.at_hand(&asked).await?
            && let Ok(advice) = judge(&exchange.answer, question)
        {
            let answering_model = exchange.model.unwrap_or_default().answering_model;
            return Ok(Outcome {
                model: Some(v1::ModelUse { answering_model, ..self.nothing_used() }),
                result: Ok(advice),
                said: None,
            });
        }
        let began = Instant::now();
        let mut talk = Talk {
            adviser: self,
            diagnosis,
            asked,
            accounts: Accounts::of(incident, clock.now()),
            clock,
            began,
            deadline: began + self.limits.within,
            used: self.nothing_used(),
            said: None,
        };
        let result = match talk.answer(question).await {
            Ok(advice) => Ok(advice),
            Err(Stop::Failure(failure)) => Err(failure),
            Err(Stop::Store(status)) => return Err(status),
        };
        talk.used.duration_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        let was_asked = talk.used.requests > 0;
        Ok(Outcome { model: was_asked.then_some(talk.used), result, said: talk.said })
    }

    fn nothing_used(&self) -> v1::ModelUse {
        v1::ModelUse {
            provider: self.model.provider().to_owned(),
            requested_model: self.model.name().to_owned(),
            prompt: PROMPT.to_owned(),
            ..v1::ModelUse::default()
        }
    }
}

/// What of an answer holds; what is wrong with it else.
fn judge(text: &str, question: &Question) -> Result<Advice, Failure> {
    let stated = shape::parse(text).map_err(|wrong| {
        Failure::new(v1::AdviceFailure::Invalid, format!("the answer has the wrong shape: {wrong}"))
    })?;
    hold(stated, question).map_err(|unfounded| {
        let reason = unfounded.to_string();
        Failure::new(v1::AdviceFailure::Unfounded, reason).rejecting(unfounded.rejected())
    })
}

/// The questions about one diagnosis.
struct Talk<'a> {
    adviser: &'a Adviser,
    diagnosis: &'a str,
    asked: Asked,
    accounts: Accounts,
    clock: &'a dyn Clock,
    began: Instant,
    deadline: Instant,
    used: v1::ModelUse,
    /// The last question and its answer, where spans are to hold them.
    said: Option<(String, String)>,
}

impl Talk<'_> {
    async fn answer(&mut self, question: &Question) -> Result<Advice, Stop> {
        let mut prompt = Prompt {
            system: INSTRUCTIONS.to_owned(),
            user: question.text.clone(),
            schema: Schema { name: "diagnosis".to_owned(), json: MODEL_ANSWER_SCHEMA.to_owned() },
            answer_tokens_max: self.adviser.limits.answer_tokens_max,
        };
        let wrong = match self.judged(&prompt, question).await? {
            Ok(advice) => return Ok(advice),
            Err(wrong) => wrong,
        };
        // It would be paid for, and cut off.
        if Instant::now() + LEFT_MIN >= self.deadline {
            return Err(Stop::Failure(wrong));
        }
        // What was wrong can quote the model, and the model the data: nothing of it may look like a section.
        let told = wrong.reason().replace(['<', '>'], "?");
        prompt.user.push_str(&format!("A first answer could not be used: {told}. Answer again.\n"));
        self.judged(&prompt, question).await?.map_err(Stop::Failure)
    }

    async fn judged(&mut self, prompt: &Prompt, question: &Question) -> Result<Result<Advice, Failure>, Stop> {
        let (completion, mut exchange) = self.put(prompt).await?;
        self.said = self.adviser.text_in_spans.then(|| exchange.texts());
        let verdict = judge(&completion.text, question);
        let wrong = verdict.as_ref().err().map(Failure::reason);
        // Without it the answer is not taken again for the same question, and no more.
        if let Err(error) = self.adviser.note_verdict(&mut exchange, wrong).await {
            tracing::warn!(%error, diagnosis = self.diagnosis, "whether an answer was usable is not on record");
        }
        Ok(verdict)
    }

    /// Puts one question, as often as the limits allow.
    async fn put(&mut self, prompt: &Prompt) -> Result<(Completion, Exchange), Stop> {
        let mut attempt = 1;
        loop {
            if let Err(left) = self.adviser.circuit.admit() {
                let reason = format!("it failed too often, and is left alone for {} s", left.as_secs());
                return Err(Stop::Failure(Failure::new(v1::AdviceFailure::CircuitOpen, reason)));
            }
            let error = match self.attempt(prompt).await? {
                Ok(answered) => return Ok(answered),
                Err(error) => error,
            };
            let Some(pause) = self.pause_after(&error, attempt) else {
                return Err(Stop::Failure(Failure::from(&error)));
            };
            tokio::time::sleep(pause).await;
            attempt += 1;
        }
    }

    /// How long to wait before the next attempt; `None` where there is none.
    fn pause_after(&self, error: &Error, attempt: u32) -> Option<Duration> {
        let limits = &self.adviser.limits;
        if !error.is_transient() || attempt >= limits.attempts_max {
            return None;
        }
        let pause = match error.retry_after() {
            Some(asked) if asked > limits.retry_after_max => return None,
            Some(asked) => asked,
            None => {
                let doubled = PAUSE.saturating_mul(1 << (attempt - 1).min(8)).min(PAUSE_MAX);
                doubled.mul_f64(self.adviser.spread(attempt))
            }
        };
        (Instant::now() + pause + LEFT_MIN < self.deadline).then_some(pause)
    }

    async fn attempt(&mut self, prompt: &Prompt) -> Result<Result<(Completion, Exchange), Error>, Stop> {
        let adviser = self.adviser;
        let question = prompt.system.len() + prompt.user.len() + prompt.schema.json.len();
        let set_aside =
            Usage { input_tokens: reckon_tokens(question), output_tokens: u64::from(prompt.answer_tokens_max) };
        let reserved = self.cost(set_aside);
        adviser.ledger.reserve(&self.accounts, reserved).await?;
        let noted = adviser.note(self.diagnosis, &self.asked, prompt, adviser.nothing_used()).await;
        let mut exchange = match noted {
            Ok(exchange) => exchange,
            Err(error) => {
                // Nothing was sent.
                adviser.ledger.settle(&self.accounts, reserved, Spent::default()).await?;
                return Err(error.into());
            }
        };
        self.used.requests += 1;

        let began = Instant::now();
        let asked = tokio::time::timeout_at(self.deadline, adviser.model.complete(prompt)).await;
        let result = asked.unwrap_or_else(|_| Err(Error::TimedOut { after_ms: self.began.elapsed().as_millis() }));

        let usage = match &result {
            Ok(answer) => counted(answer.usage, question, answer.text.len(), prompt.answer_tokens_max),
            Err(error) if is_free(error) => Usage::default(),
            Err(_) => set_aside,
        };
        let cost = self.cost(usage);
        self.used.input_tokens = self.used.input_tokens.saturating_add(usage.input_tokens);
        self.used.output_tokens = self.used.output_tokens.saturating_add(usage.output_tokens);
        self.used.cost_micros = self.used.cost_micros.saturating_add(cost.micros);
        adviser.measure(began.elapsed(), &result, usage);

        let single = v1::ModelUse {
            requests: 1,
            input_tokens: usage.input_tokens,
            output_tokens: usage.output_tokens,
            cost_micros: cost.micros,
            duration_ms: u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX),
            answering_model: result.as_ref().map(answering_model).unwrap_or_default(),
            ..adviser.nothing_used()
        };
        let told = result.as_ref().map(|completion| &*completion.text).map_err(ToString::to_string);
        // The question is on record, and the answer is paid for: neither is given up for what comes after.
        if let Err(error) = adviser.note_answer(&mut exchange, single, told, self.clock.now()).await {
            tracing::warn!(%error, diagnosis = self.diagnosis, "what a model answered is not on record");
        }
        if let Err(error) = adviser.ledger.settle(&self.accounts, reserved, cost).await {
            tracing::warn!(%error, diagnosis = self.diagnosis, "what was set aside for a model counts as spent");
        }
        match &result {
            Ok(completion) => self.used.answering_model = answering_model(completion),
            Err(error) => tracing::info!(%error, diagnosis = self.diagnosis, "the model gave no answer"),
        }
        match &result {
            Ok(_) | Err(Error::Refused(_) | Error::CutOff(_)) => adviser.circuit.succeeded(),
            Err(_) => adviser.circuit.failed(),
        }
        Ok(result.map(|completion| (completion, exchange)))
    }

    fn cost(&self, usage: Usage) -> Spent {
        let Usage { input_tokens, output_tokens } = usage;
        Spent {
            tokens: input_tokens.saturating_add(output_tokens),
            micros: self.adviser.limits.prices.cost_micros(input_tokens, output_tokens),
        }
    }
}

/// Whether nobody is billed: nothing was sent, or the server says that it did not take it. What is not known is reckoned
/// as spent.
fn is_free(error: &Error) -> bool {
    matches!(error, Error::Unreached(_) | Error::Limited { .. } | Error::Rejected(_))
}

/// The model's name, as its server says it, which may say anything.
fn answering_model(completion: &Completion) -> String {
    cut(&clean(&mask(&completion.model)), MODEL_NAME_MAX).into_owned()
}

impl Adviser {
    /// From a half to one, another for each process and attempt, so that not all come again at the same moment.
    fn spread(&self, attempt: u32) -> f64 {
        let byte = self.holder.as_u128().rotate_right(8 * (attempt % 16)) as u8;
        0.5 + f64::from(byte) / 510.0
    }

    /// By OpenTelemetry's conventions for clients of generative AI.
    fn measure(&self, took: Duration, result: &Result<Completion, Error>, usage: Usage) {
        let who = [
            ("gen_ai.operation.name", OPERATION.into()),
            ("gen_ai.provider.name", self.model.provider().to_owned().into()),
            ("gen_ai.request.model", self.model.name().to_owned().into()),
        ];
        let instruments = metrics::instruments();
        let mut timed = who.to_vec();
        if let Err(error) = result {
            timed.push(("error.type", Failure::from(error).kind().as_str_name().into()));
        }
        instruments.model_duration.took(took, &timed);
        // What is only reckoned with is nobody's measurement.
        if result.is_err() {
            return;
        }
        for (kind, tokens) in [("input", usage.input_tokens), ("output", usage.output_tokens)] {
            let mut counted = who.to_vec();
            counted.push(("gen_ai.token.type", kind.into()));
            instruments.model_tokens.count(usize::try_from(tokens).unwrap_or(usize::MAX), &counted);
        }
    }
}
