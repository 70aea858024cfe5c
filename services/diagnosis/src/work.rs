//! Making one diagnosis, from the request to the stored answer.

use std::sync::Arc;
use std::time::Duration;

use llm_sre_domain::diagnose;
use llm_sre_domain::evidence::Evidence;
use llm_sre_mesh::clients::{Incidents, Remediation};
use llm_sre_mesh::records::{Attributes, Records, Stored, Write};
use llm_sre_mesh::stages::StageLog;
use llm_sre_mesh::{Peer, TraceContext, names, status};
use llm_sre_ports::clock::Clock;
use llm_sre_ports::documents::{Documents, Filter};
use llm_sre_ports::ids::Ids;
use llm_sre_ports::telemetry::TelemetryStore;
use llm_sre_proto::convert::common::{required_time, to_proto_time};
use llm_sre_proto::diagnosis::v1;
use llm_sre_proto::incident::v1 as incident;
use tokio_util::sync::CancellationToken;
use tonic::{Code, Status};
use uuid::Uuid;

use crate::advice::{self, Adviser, Advising};
use crate::gather;

/// How often the store is asked for diagnoses that nobody finishes.
const RECONCILE_EVERY: Duration = Duration::from_secs(10);
/// How many unfinished diagnoses one round looks at.
const RECONCILE_BATCH: usize = 32;
/// A diagnosis that runs for longer by the product's clock was left behind: making one takes less than a second.
const ABANDONED_AFTER: Duration = Duration::from_secs(60);
/// A caller that comes again after so long asks on behalf of one that is gone: calls take less.
const LEFT_AFTER: Duration = Duration::from_secs(20);
/// Being made.
const RUNNING: &str = "running";
/// Made, and not everybody who must know was told.
const UNREPORTED: &str = "unreported";
/// Told to everybody, and a model is to be asked.
pub(crate) const ADVISING: &str = "advising";
/// Done.
pub(crate) const ENDED: &str = "ended";
/// How many hypotheses are kept; a reader of the sixteenth has lost faith in the first.
const HYPOTHESES_MAX: usize = 16;

/// What the service needs of its surroundings.
pub struct Dependencies {
    /// Where diagnoses are stored.
    pub documents: Arc<dyn Documents>,
    /// Where logs, changes and calls are read.
    pub telemetry: Arc<dyn TelemetryStore>,
    /// The product's clock.
    pub clock: Arc<dyn Clock>,
    /// Names diagnoses that no request names.
    pub ids: Arc<dyn Ids>,
    /// The owner of the incidents.
    pub incidents: Peer,
    /// The owner of the actions, who knows what was tried before; `None` where there is none.
    pub remediation: Option<Peer>,
    /// Where the steps of incidents are kept for their traces.
    pub stages: Arc<StageLog>,
    /// Who is asked for advice; `None` where nobody is, and nothing is connected then.
    pub advising: Option<Advising>,
}

/// The diagnosis service.
#[derive(Clone)]
pub struct Service {
    pub(crate) records: Records<v1::Diagnosis>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) ids: Arc<dyn Ids>,
    pub(crate) incidents: Incidents,
    pub(crate) remediation: Option<Remediation>,
    pub(crate) stages: Arc<StageLog>,
    /// What models were asked; kept when none is configured any more.
    pub(crate) exchanges: Records<v1::ModelExchange>,
    pub(crate) adviser: Option<Arc<Adviser>>,
    telemetry: Arc<dyn TelemetryStore>,
}

impl Service {
    /// From its surroundings.
    pub fn build(dependencies: Dependencies) -> Self {
        let documents = dependencies.documents;
        let holder = dependencies.ids.next_id();
        let adviser = dependencies.advising.map(|advising| Adviser::new(advising, documents.clone(), holder));
        Self {
            exchanges: advice::exchanges(documents.clone()),
            records: Records::new(documents, "diagnoses"),
            adviser: adviser.map(Arc::new),
            clock: dependencies.clock,
            ids: dependencies.ids,
            incidents: Incidents::new(dependencies.incidents),
            remediation: dependencies.remediation.map(Remediation::new),
            telemetry: dependencies.telemetry,
            stages: dependencies.stages,
        }
    }

    /// Finishes what killed processes left behind, and gives advice that is awaited, until `shutdown`.
    pub async fn run(&self, shutdown: CancellationToken) {
        let advise = async {
            if let Some(adviser) = &self.adviser {
                Box::pin(self.advise(adviser.clone(), shutdown.clone())).await;
            }
        };
        tokio::join!(self.finish_left(&shutdown), advise);
    }

    async fn finish_left(&self, shutdown: &CancellationToken) {
        loop {
            if let Err(error) = self.reconcile().await {
                tracing::warn!(%error, "failed to look for unfinished diagnoses");
            }
            tokio::select! {
                biased;
                () = shutdown.cancelled() => return,
                () = tokio::time::sleep(RECONCILE_EVERY) => {}
            }
        }
    }

    /// One round of [`Service::run`]: what runs for too long is made again, what nobody was told is told.
    ///
    /// # Errors
    /// When the store cannot be asked. A diagnosis that cannot be finished is logged and does not stop the others.
    pub async fn reconcile(&self) -> Result<(), Status> {
        let left = Filter::default().with("progress", RUNNING).with("progress", UNREPORTED);
        let (unfinished, _) = self.records.list_readable(left, None, RECONCILE_BATCH).await?;
        for stored in unfinished {
            let name = stored.message.name.clone();
            if let Err(error) = self.take_up(stored).await {
                tracing::warn!(%error, diagnosis = name, "diagnosis stays unfinished");
            }
        }
        if self.adviser.is_none() {
            self.withhold_left().await?;
        }
        Ok(())
    }

    async fn take_up(&self, stored: Stored<v1::Diagnosis>) -> Result<(), Status> {
        if stored.message.state() != v1::DiagnosisState::Running {
            return self.settle(stored, None).await.map(|_| ());
        }
        let created = required_time("create_time", stored.message.create_time.as_ref());
        let created = created.map_err(|error| status::internal(format!("{}: {error}", stored.message.name)))?;
        if self.clock.now().since(created) < ABANDONED_AFTER {
            return Ok(());
        }
        let (parent, _) = names::parse_child("name", &stored.message.name, "diagnoses")?;
        match self.incident(&names::incident(parent)).await {
            Ok(incident) if has_ended(&incident) => self.give_up(stored, "the incident has ended").await,
            Ok(incident) => self.finish(stored, &incident, None).await.map(|_| ()),
            Err(error) if error.code() == Code::NotFound => self.give_up(stored, "the incident does not exist").await,
            Err(error) => Err(error),
        }
    }

    /// Whether a diagnosis that runs was left by whoever began it.
    ///
    /// # Errors
    /// ABORTED where it may be at work still.
    pub(crate) fn is_left(&self, stored: &Stored<v1::Diagnosis>) -> Result<bool, Status> {
        if stored.message.state() != v1::DiagnosisState::Running {
            return Ok(false);
        }
        let created = required_time("create_time", stored.message.create_time.as_ref());
        let created = created.map_err(|error| status::internal(format!("{}: {error}", stored.message.name)))?;
        if self.clock.now().since(created) < LEFT_AFTER {
            let message = format!("{} is being made", stored.message.name);
            return Err(status::error(Code::Aborted, "RUNNING", message, &[("resource", &stored.message.name)]));
        }
        Ok(true)
    }

    /// Ends a diagnosis that nobody waits for. There is nobody to report to.
    async fn give_up(&self, stored: Stored<v1::Diagnosis>, reason: &str) -> Result<(), Status> {
        let failed = v1::Diagnosis {
            state: v1::DiagnosisState::Failed.into(),
            reason: reason.to_owned(),
            end_time: Some(to_proto_time(self.clock.now())),
            ..stored.message.clone()
        };
        self.write(&stored, failed, ENDED).await.map(|_| ())
    }

    /// The incident as its owner knows it.
    pub(crate) async fn incident(&self, name: &str) -> Result<incident::Incident, Status> {
        let request = incident::GetIncidentRequest { name: name.to_owned() };
        self.incidents.get_incident(request).await
    }

    /// Creates the record of a diagnosis, or finds the one that the same request made meanwhile.
    pub(crate) async fn begin(&self, incident: &incident::Incident, id: &str, ordinal: u32) -> Result<Begun, Status> {
        let parent = names::parse_incident("parent", &incident.name)?;
        let diagnosis = v1::Diagnosis {
            name: format!("{}/diagnoses/{id}", incident.name),
            state: v1::DiagnosisState::Running.into(),
            create_time: Some(to_proto_time(self.clock.now())),
            ordinal,
            ..v1::Diagnosis::default()
        };
        let record_id = record_id(parent, id);
        if let Write::Done(stored) = self.records.create(&record_id, &diagnosis, attributes(parent, RUNNING)).await? {
            return Ok(Begun::New(stored));
        }
        let found = self.records.get(&record_id).await?;
        found.map(Begun::Found).ok_or_else(|| status::internal("a diagnosis that is there cannot be read"))
    }

    /// The number of a diagnosis among those of its incident that is made now, from 1.
    pub(crate) async fn next_ordinal(&self, incident: Uuid) -> Result<u32, Status> {
        let filter = Filter::default().with("incident", &incident.to_string());
        let (before, _) = self.records.list(filter, None, usize::from(u8::MAX)).await?;
        Ok(u32::try_from(before.len()).unwrap_or(u32::MAX).saturating_add(1))
    }

    /// Argues, stores the answer and tells the incident's owner. Safe to repeat.
    pub(crate) async fn finish(
        &self,
        stored: Stored<v1::Diagnosis>,
        incident: &incident::Incident,
        snapshot: Option<Evidence>,
    ) -> Result<Stored<v1::Diagnosis>, Status> {
        let parent = names::parse_incident("parent", &incident.name)?;
        let (_, id) = names::parse_child("name", &stored.message.name, "diagnoses")?;
        let started = self.stages.now_unix_nano();
        let work = async {
            let kind = incident::IncidentEventKind::DiagnosisStarted;
            let began = self.report(&stored.message, kind, "diagnosis began");
            let found = gather::read(self.telemetry.as_ref(), incident, snapshot.as_ref(), self.clock.now());
            let past = async { Ok::<_, Status>(Box::pin(self.past(incident)).await) };
            let (began, found, past) = tokio::try_join!(began, found, past)?;
            // What joined the incident before this began is argued from; what joins from here on asks for another.
            let evidence = gather::evidence(began.as_ref().unwrap_or(incident), snapshot, found, past)?;
            let answer = self.answer(&stored.message, &evidence);
            self.write(&stored, answer, UNREPORTED).await
        };
        let context = TraceContext::of_stage(parent, &stage_key(&id));
        let answered = context.scope(work).await?;
        self.settle(answered, Some(started)).await
    }

    async fn write(
        &self,
        stored: &Stored<v1::Diagnosis>,
        message: v1::Diagnosis,
        progress: &str,
    ) -> Result<Stored<v1::Diagnosis>, Status> {
        let (parent, _) = names::parse_child("name", &message.name, "diagnoses")?;
        let name = message.name.clone();
        match self.records.replace(stored, &message, attributes(parent, progress)).await? {
            Write::Done(written) => Ok(written),
            Write::Conflict => Err(status::etag_mismatch(&name)),
        }
    }

    fn answer(&self, running: &v1::Diagnosis, evidence: &Evidence) -> v1::Diagnosis {
        let argued = diagnose::rank(evidence);
        let mut answer = v1::Diagnosis {
            evidence: evidence.facts.iter().map(Into::into).collect(),
            gaps: evidence.gaps.iter().map(Into::into).collect(),
            calls: llm_sre_proto::convert::evidence::calls(&evidence.topology),
            evidence_time: Some(to_proto_time(evidence.as_of)),
            end_time: Some(to_proto_time(self.clock.now())),
            ..running.clone()
        };
        let ranked = argued.hypotheses.iter().take(HYPOTHESES_MAX);
        answer.hypotheses = ranked.map(Into::into).collect();
        answer.advice = self.adviser.as_ref().and_then(|_| advice::awaited(&answer));
        match (argued.unresolved, argued.hypotheses.first()) {
            (None, Some(first)) => {
                answer.state = v1::DiagnosisState::Succeeded.into();
                answer.root_cause = first.statement.clone();
                answer.immediate_fix = first.immediate_fix.clone();
                answer.long_term_fix = first.long_term_fix.clone();
                answer.confidence = first.confidence;
            }
            (reason, _) => {
                answer.state = v1::DiagnosisState::Unresolved.into();
                answer.reason = reason.unwrap_or_else(|| "the evidence supports no hypothesis".to_owned());
            }
        }
        answer
    }
}

/// Whether a diagnosis is the request's first or was there before.
pub(crate) enum Begun {
    New(Stored<v1::Diagnosis>),
    Found(Stored<v1::Diagnosis>),
}

/// A diagnosis' id within the collection.
pub(crate) fn record_id(incident: Uuid, id: &str) -> String {
    format!("{incident}/{id}")
}

pub(crate) fn stage_key(id: &str) -> String {
    format!("diagnose/{id}")
}

/// Whether there is nothing left to explain.
pub(crate) fn has_ended(incident: &incident::Incident) -> bool {
    matches!(incident.state(), incident::State::Resolved | incident::State::Duplicate)
}

pub(crate) fn attributes(incident: Uuid, progress: &str) -> Attributes {
    [("incident", incident.to_string()), ("progress", progress.to_owned())]
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value))
        .collect()
}
