//! Making one diagnosis, from the request to the stored answer.

use std::sync::Arc;
use std::time::Duration;

use llm_sre_domain::diagnose;
use llm_sre_domain::evidence::Evidence;
use llm_sre_mesh::clients::{Incidents, Remediation};
use llm_sre_mesh::records::{Attributes, Records, Stored, Write};
use llm_sre_mesh::stages::{Stage, StageLog};
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
/// Done.
const ENDED: &str = "ended";
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
}

/// The diagnosis service.
#[derive(Clone)]
pub struct Service {
    pub(crate) records: Records<v1::Diagnosis>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) ids: Arc<dyn Ids>,
    pub(crate) incidents: Incidents,
    pub(crate) remediation: Option<Remediation>,
    telemetry: Arc<dyn TelemetryStore>,
    stages: Arc<StageLog>,
}

impl Service {
    /// From its surroundings.
    pub fn build(dependencies: Dependencies) -> Self {
        Self {
            records: Records::new(dependencies.documents, "diagnoses"),
            clock: dependencies.clock,
            ids: dependencies.ids,
            incidents: Incidents::new(dependencies.incidents),
            remediation: dependencies.remediation.map(Remediation::new),
            telemetry: dependencies.telemetry,
            stages: dependencies.stages,
        }
    }

    /// Finishes what killed processes left behind, until `shutdown`.
    pub async fn run(&self, shutdown: CancellationToken) {
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
            let found = gather::read(self.telemetry.as_ref(), incident, snapshot.as_ref());
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

    /// Tells the incident's owner what a stored diagnosis came to, keeps the step for the trace, and notes that both
    /// are done. Whatever of it fails is done again by the next round. Safe to repeat.
    pub(crate) async fn settle(
        &self,
        stored: Stored<v1::Diagnosis>,
        started: Option<u64>,
    ) -> Result<Stored<v1::Diagnosis>, Status> {
        if stored.message.state() == v1::DiagnosisState::Running {
            return Ok(stored);
        }
        let (parent, id) = names::parse_child("name", &stored.message.name, "diagnoses")?;
        let key = stage_key(&id);
        let report = TraceContext::of_stage(parent, &key).scope(self.report_answer(&stored.message));
        // A round that comes after a kill no longer knows when the work began; the step is then a point.
        let ended = self.stages.now_unix_nano();
        let record = self.stages.record(stage(parent, key, started.unwrap_or(ended), ended, &stored.message));
        tokio::try_join!(report, record)?;
        let answer = stored.message.clone();
        match self.records.replace(&stored, &answer, attributes(parent, ENDED)).await? {
            Write::Done(written) => Ok(written),
            // Nothing is written to an answer but that it was told: somebody told it at the same moment.
            Write::Conflict => Ok(stored),
        }
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

    /// Tells the owner what a diagnosis came to. The event's id derives from the diagnosis, so a repeat changes nothing.
    pub(crate) async fn report_answer(&self, answer: &v1::Diagnosis) -> Result<(), Status> {
        use incident::IncidentEventKind as Kind;
        let (kind, message) = match answer.state() {
            v1::DiagnosisState::Succeeded => (Kind::DiagnosisFinished, &answer.root_cause),
            v1::DiagnosisState::Unresolved => (Kind::DiagnosisUnresolved, &answer.reason),
            v1::DiagnosisState::Failed => (Kind::DiagnosisFailed, &answer.reason),
            v1::DiagnosisState::Running | v1::DiagnosisState::Unspecified => return Ok(()),
        };
        self.report(answer, kind, message).await.map(|_| ())
    }

    /// The incident as its owner has it then; nothing where it does not take the report.
    async fn report(
        &self,
        diagnosis: &v1::Diagnosis,
        kind: incident::IncidentEventKind,
        message: &str,
    ) -> Result<Option<incident::Incident>, Status> {
        let name = diagnosis.name.split("/diagnoses/").next().unwrap_or_default().to_owned();
        let request = incident::RecordEventRequest {
            name,
            request_id: event_id(&diagnosis.name, kind),
            event: Some(incident::IncidentEvent {
                actor: "diagnosis".to_owned(),
                kind: kind.into(),
                resource: diagnosis.name.clone(),
                message: message.to_owned(),
                ..incident::IncidentEvent::default()
            }),
        };
        match self.incidents.record_event(request).await {
            Ok(incident) => Ok(Some(incident)),
            // The owner's word is final: its incident went on without this. Asking again would change nothing.
            Err(error) if matches!(error.code(), Code::FailedPrecondition | Code::NotFound) => {
                tracing::info!(%error, diagnosis = diagnosis.name, "the incident's owner does not take the report");
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }
}

/// Whether a diagnosis is the request's first or was there before.
pub(crate) enum Begun {
    New(Stored<v1::Diagnosis>),
    Found(Stored<v1::Diagnosis>),
}

/// Names an event by its diagnosis and kind, so that a repeat is the same event. The kind's number keeps it within the
/// 128 characters that the contract allows.
fn event_id(diagnosis: &str, kind: incident::IncidentEventKind) -> String {
    format!("{diagnosis}/{}", i32::from(kind))
}

/// A diagnosis' id within the collection.
pub(crate) fn record_id(incident: Uuid, id: &str) -> String {
    format!("{incident}/{id}")
}

fn stage_key(id: &str) -> String {
    format!("diagnose/{id}")
}

/// Whether there is nothing left to explain.
pub(crate) fn has_ended(incident: &incident::Incident) -> bool {
    matches!(incident.state(), incident::State::Resolved | incident::State::Duplicate)
}

fn attributes(incident: Uuid, progress: &str) -> Attributes {
    [("incident", incident.to_string()), ("progress", progress.to_owned())]
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value))
        .collect()
}

fn stage(incident: Uuid, key: String, start_unix_nano: u64, end_unix_nano: u64, answer: &v1::Diagnosis) -> Stage {
    let failed = answer.state() == v1::DiagnosisState::Failed;
    Stage {
        incident,
        key,
        name: "diagnose".to_owned(),
        start_unix_nano,
        end_unix_nano,
        attributes: vec![
            ("llm_sre.diagnosis".to_owned(), answer.name.clone()),
            ("llm_sre.diagnosis.state".to_owned(), answer.state().as_str_name().to_owned()),
            ("llm_sre.diagnosis.confidence".to_owned(), format!("{:.2}", answer.confidence)),
        ],
        error: if failed { answer.reason.clone() } else { String::new() },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_events_are_ids_of_requests() {
        let name = format!("incidents/{}/diagnoses/{}", Uuid::max(), Uuid::max());
        let finished = event_id(&name, incident::IncidentEventKind::DiagnosisFinished);
        assert!(names::check_request_id(&finished).is_ok(), "{finished}");
        assert_ne!(finished, event_id(&name, incident::IncidentEventKind::DiagnosisStarted));
        let by_name = format!("{name}/{}", incident::IncidentEventKind::DiagnosisFinished.as_str_name());
        assert!(names::check_request_id(&by_name).is_err(), "the name of the kind was too long");
    }
}
