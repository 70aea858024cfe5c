//! Asking a language model beside a diagnosis, once the incident's owner knows what the evidence says.
//!
//! Nobody waits for it: remediation goes by the diagnosis. The store is the queue, so that advice that was awaited when a
//! process ended is given by the next one; a lease keeps two processes from paying for the same answer.

mod ask;
mod circuit;
mod exchange;
mod ledger;
mod limits;
mod once;
mod outcome;
mod queue;
mod shape;

use std::sync::Arc;
use std::time::Duration;

use llm_sre_domain::Timestamp;
use llm_sre_domain::advise::{self, Case, Question};
use llm_sre_domain::diagnose::Hypothesis;
use llm_sre_domain::evidence::{Evidence, Fact};
use llm_sre_domain::remedy::Catalogue;
use llm_sre_mesh::records::{Records, Stored, Write};
use llm_sre_mesh::{TraceContext, names, status};
use llm_sre_ports::documents::{Documents, Filter};
use llm_sre_ports::leases::{Lease, Leases};
use llm_sre_ports::model::LanguageModel;
use llm_sre_proto::convert::ConvertError;
use llm_sre_proto::convert::common::{required_time, to_proto_time};
use llm_sre_proto::convert::evidence::topology;
use llm_sre_proto::diagnosis::v1;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tonic::{Code, Status};
use uuid::Uuid;

use crate::Service;
use crate::work::{ADVISING, ENDED, attributes, has_ended, record_id};
use circuit::Circuit;
use ledger::Ledger;
pub use limits::{Budget, Limits, Prices};
pub use once::{Advised, advise_once};
use outcome::{Failure, Outcome};
use queue::Queue;

/// How often the store is asked for advice that nobody gives.
const POLL: Duration = Duration::from_secs(10);
/// How many awaited pieces of advice one round looks at.
const BATCH: usize = 32;
/// How much longer than an answer may take it is nobody else's: time to store what came of it.
const LEASE_SPARE: Duration = Duration::from_secs(30);
/// How long, by the product's clock, a process without a model leaves awaited advice to those that may have one.
const TAKEN_UP_WITHIN: Duration = Duration::from_secs(30 * 60);
/// How many pages of what waits are looked at. Where more waits, the newest of it has its turn first.
const PAGES_MAX: usize = 8;
/// How long what is under way may take to give its lease back when the process ends.
const ENDED_WITHIN: Duration = Duration::from_secs(5);
/// How often an answer is written where somebody else writes to the same diagnosis.
const WRITES_MAX: usize = 4;
/// How many diagnoses of an incident are looked at for a later one.
const SIBLINGS_MAX: usize = 32;

/// Who is asked for advice, and within which bounds.
#[derive(Clone)]
pub struct Advising {
    /// The model.
    pub model: Arc<dyn LanguageModel>,
    /// What may be spent on it.
    pub limits: Limits,
    /// Keeps others from asking the same.
    pub leases: Arc<dyn Leases>,
    /// Whether spans hold what was asked and answered, as it is kept.
    pub text_in_spans: bool,
}

/// Asks a model, and remembers how it does.
pub(crate) struct Adviser {
    model: Arc<dyn LanguageModel>,
    limits: Limits,
    circuit: Circuit,
    ledger: Ledger,
    exchanges: Records<v1::ModelExchange>,
    leases: Arc<dyn Leases>,
    text_in_spans: bool,
    /// This process, among those that share the store.
    holder: Uuid,
    wake: Notify,
}

impl Adviser {
    pub(crate) fn new(advising: Advising, documents: Arc<dyn Documents>, holder: Uuid) -> Self {
        let Advising { model, limits, leases, text_in_spans } = advising;
        Self {
            model,
            circuit: Circuit::default(),
            ledger: Ledger::new(Records::new(documents.clone(), "model_spend"), limits.incident, limits.day),
            limits,
            exchanges: exchanges(documents),
            leases,
            text_in_spans,
            holder,
            wake: Notify::new(),
        }
    }

    /// Says that there is something to ask.
    pub(crate) fn wake(&self) {
        self.wake.notify_one();
    }
}

/// What models were asked and answered.
pub(crate) fn exchanges(documents: Arc<dyn Documents>) -> Records<v1::ModelExchange> {
    Records::new(documents, "model_exchanges")
}

/// Advice that is awaited, for a diagnosis that there is something to ask about; `None` for others.
pub(crate) fn awaited(answer: &v1::Diagnosis) -> Option<v1::Advice> {
    let is_asked = !answer.hypotheses.is_empty();
    is_asked.then(|| v1::Advice { state: v1::AdviceState::Pending.into(), ..v1::Advice::default() })
}

/// Whether advice is awaited.
pub(crate) fn is_awaited(diagnosis: &v1::Diagnosis) -> bool {
    diagnosis.advice.as_ref().is_some_and(|advice| advice.state() == v1::AdviceState::Pending)
}

impl Service {
    /// Gives advice that is awaited, until `shutdown`. What is being asked then is asked again by the next process.
    pub(crate) async fn advise(&self, adviser: Arc<Adviser>, shutdown: CancellationToken) {
        let mut queue = Queue::default();
        while !shutdown.is_cancelled() {
            if let Some(room) = adviser.limits.concurrency.checked_sub(queue.under_way.len()).filter(|room| *room > 0) {
                match self.awaited_advice().await {
                    Ok(found) => {
                        for stored in queue.next(found, room) {
                            let (service, adviser, ending) = (self.clone(), adviser.clone(), shutdown.clone());
                            let id = stored.id.clone();
                            queue.start(id, async move { service.advise_on(&adviser, stored, ending).await });
                        }
                    }
                    Err(error) => tracing::warn!(%error, "failed to look for diagnoses that wait for advice"),
                }
            }
            let has_room = queue.under_way.len() < adviser.limits.concurrency;
            tokio::select! {
                biased;
                () = shutdown.cancelled() => {}
                Some(ended) = queue.under_way.join_next_with_id() => queue.end(ended),
                () = adviser.wake.notified(), if has_room => {}
                () = tokio::time::sleep(POLL) => {}
            }
        }
        // Each gives its lease back, so that the next process need not wait for it to run out.
        let all_ended = async { while queue.under_way.join_next().await.is_some() {} };
        if tokio::time::timeout(ENDED_WITHIN, all_ended).await.is_err() {
            tracing::warn!("advice under way was left; the next process waits for its lease to run out");
        }
    }

    /// Ends the wait for advice that was begun with a model which nobody has any more.
    pub(crate) async fn withhold_left(&self) -> Result<(), Status> {
        for stored in self.awaited_advice().await? {
            let name = stored.message.name.clone();
            if let Err(error) = self.withhold_if_left(stored).await {
                tracing::warn!(%error, diagnosis = name, "advice stays awaited");
            }
        }
        Ok(())
    }

    async fn withhold_if_left(&self, stored: Stored<v1::Diagnosis>) -> Result<(), Status> {
        let asked = required_time("create_time", stored.message.create_time.as_ref());
        let asked = asked.map_err(|error| status::internal(error.to_string()))?;
        if self.clock.now().since(asked) < TAKEN_UP_WITHIN {
            return Ok(());
        }
        let reason = format!("no process with a model took it up in {} min", TAKEN_UP_WITHIN.as_secs() / 60);
        let failure = Failure::new(v1::AdviceFailure::Obsolete, reason);
        let end_time = Some(to_proto_time(self.clock.now()));
        let advice = v1::Advice { end_time, ..Outcome::nobody_asked(failure).into_advice() };
        self.write_advice(stored, &advice).await
    }

    /// What waits for advice, the oldest first.
    async fn awaited_advice(&self) -> Result<Vec<Stored<v1::Diagnosis>>, Status> {
        let (mut waiting, mut cursor) = (Vec::new(), None);
        for _ in 0..PAGES_MAX {
            let filter = Filter::default().with("progress", ADVISING);
            let (found, next) = self.records.list_readable(filter, cursor, BATCH).await?;
            waiting.extend(found);
            cursor = next;
            if cursor.is_none() {
                break;
            }
        }
        // The store has the newest first.
        waiting.reverse();
        Ok(waiting)
    }

    /// One piece of advice, unless another process is at it. Whether nothing is left to do.
    async fn advise_on(&self, adviser: &Adviser, stored: Stored<v1::Diagnosis>, ending: CancellationToken) -> bool {
        let name = stored.message.name.clone();
        let lease_name = format!("advice/{}", stored.id);
        let ttl = (adviser.limits.within + LEASE_SPARE).min(llm_sre_ports::leases::TTL_MAX);
        let lease = match adviser.leases.acquire(&lease_name, &adviser.holder.to_string(), ttl).await {
            Ok(Some(lease)) => lease,
            Ok(None) => return false,
            Err(error) => {
                tracing::warn!(%error, diagnosis = name, "advice waits: nobody can say whose it is to give");
                return false;
            }
        };
        let advise = async {
            match self.records.get(&stored.id).await? {
                // Who had the lease before may have given it in the meantime.
                Some(stored) if is_awaited(&stored.message) => self.advise_held(adviser, stored).await,
                _ => Ok(()),
            }
        };
        let advised = tokio::select! {
            biased;
            advised = advise => Some(advised),
            () = ending.cancelled() => None,
        };
        if let Some(Err(error)) = &advised {
            tracing::warn!(%error, diagnosis = name, "advice stays awaited");
        }
        give_back(adviser, lease).await;
        matches!(advised, Some(Ok(())))
    }

    async fn advise_held(&self, adviser: &Adviser, stored: Stored<v1::Diagnosis>) -> Result<(), Status> {
        let (parent, id) = names::parse_child("name", &stored.message.name, "diagnoses")?;
        let context = TraceContext::of_stage(parent, &outcome::stage_key(&id));
        let begun_at = self.clock.now();
        let started = self.stages.now_unix_nano();
        let stored = self.note_begun(stored, parent, begun_at).await?;
        let outcome = context.scope(self.ask_about(adviser, &stored.message, parent)).await?;
        let stage = outcome.stage(parent, &id, &stored.message.name, (started, self.stages.now_unix_nano()));
        let advice = v1::Advice {
            start_time: Some(to_proto_time(begun_at)),
            end_time: Some(to_proto_time(self.clock.now())),
            ..outcome.into_advice()
        };
        // First, since nobody comes again once the advice is written. The same step twice is one.
        self.stages.record(stage).await?;
        self.write_advice(stored, &advice).await
    }

    /// Notes that the advice is being worked on, for who watches. Who wrote first may have given it.
    async fn note_begun(
        &self,
        stored: Stored<v1::Diagnosis>,
        parent: Uuid,
        begun_at: Timestamp,
    ) -> Result<Stored<v1::Diagnosis>, Status> {
        let mut begun = stored.message.clone();
        begun.advice.get_or_insert_default().start_time = Some(to_proto_time(begun_at));
        match self.records.replace(&stored, &begun, attributes(parent, ADVISING)).await? {
            Write::Done(stored) => Ok(stored),
            Write::Conflict => Err(status::etag_mismatch(&stored.message.name)),
        }
    }

    /// What comes of asking. An error is of the store, and the advice stays awaited.
    async fn ask_about(&self, adviser: &Adviser, diagnosis: &v1::Diagnosis, parent: Uuid) -> Result<Outcome, Status> {
        if let Some(reason) = self.obsolete(diagnosis, parent).await? {
            return Ok(Outcome::nobody_asked(Failure::new(v1::AdviceFailure::Obsolete, reason)));
        }
        adviser.ask_of(diagnosis, parent, self.clock.as_ref()).await
    }

    /// Why nobody needs the advice any more.
    async fn obsolete(&self, diagnosis: &v1::Diagnosis, parent: Uuid) -> Result<Option<&'static str>, Status> {
        match self.incident(&names::incident(parent)).await {
            Ok(incident) if has_ended(&incident) => return Ok(Some("the incident has ended")),
            Ok(_) => {}
            Err(error) if error.code() == Code::NotFound => return Ok(Some("the incident does not exist")),
            Err(error) => return Err(error),
        }
        let filter = Filter::default().with("incident", &parent.to_string());
        let (siblings, _) = self.records.list_readable(filter, None, SIBLINGS_MAX).await?;
        // One that explains nothing took nobody's place.
        let is_later = |other: &Stored<v1::Diagnosis>| {
            other.message.ordinal > diagnosis.ordinal && other.message.state() == v1::DiagnosisState::Succeeded
        };
        Ok(siblings.iter().any(is_later).then_some("a later diagnosis took its place"))
    }

    async fn write_advice(&self, mut stored: Stored<v1::Diagnosis>, advice: &v1::Advice) -> Result<(), Status> {
        let (parent, id) = names::parse_child("name", &stored.message.name, "diagnoses")?;
        for _ in 0..WRITES_MAX {
            let advised = v1::Diagnosis { advice: Some(advice.clone()), ..stored.message.clone() };
            let progress = attributes(parent, ENDED);
            if let Write::Done(_) = self.records.replace(&stored, &advised, progress).await? {
                return Ok(());
            }
            let found = self.records.get(&record_id(parent, &id)).await?;
            stored = found.ok_or_else(|| status::not_found(&advised.name))?;
            // Who held the lease after this one ran out has given it, and people may have read that. Only that nobody
            // would ask, as a process without a model says of a long wait, gives way to who did.
            let nobody_asked =
                |there: &v1::Advice| there.failure() == v1::AdviceFailure::Obsolete && there.model.is_none();
            let gives_way = stored.message.advice.as_ref().is_some_and(nobody_asked) && advice.model.is_some();
            if !is_awaited(&stored.message) && !gives_way {
                return Ok(());
            }
        }
        Err(status::etag_mismatch(&stored.message.name))
    }
}

async fn give_back(adviser: &Adviser, lease: Lease) {
    if let Err(error) = adviser.leases.release(lease).await {
        tracing::debug!(%error, "a lease of advice runs out by itself");
    }
}

/// What a model is asked about a stored diagnosis.
fn question(diagnosis: &v1::Diagnosis, bytes_max: usize) -> Result<Question, ConvertError> {
    let evidence = Evidence {
        as_of: required_time("evidence_time", diagnosis.evidence_time.as_ref())?,
        facts: diagnosis.evidence.iter().map(Fact::try_from).collect::<Result<_, _>>()?,
        topology: topology(&diagnosis.calls)?,
        gaps: diagnosis.gaps.iter().map(Into::into).collect(),
        ..Evidence::default()
    };
    let hypotheses = diagnosis.hypotheses.iter().map(Hypothesis::try_from).collect::<Result<Vec<_>, _>>()?;
    let case = Case { evidence: &evidence, hypotheses: &hypotheses, catalogue: &Catalogue::default() };
    Ok(advise::ask(case, bytes_max))
}
