//! Telling what a diagnosis came to: the owner of the incident, and the incident's trace.

use llm_sre_mesh::records::{Stored, Write};
use llm_sre_mesh::stages::Stage;
use llm_sre_mesh::{TraceContext, names};
use llm_sre_proto::diagnosis::v1;
use llm_sre_proto::incident::v1 as incident;
use tonic::{Code, Status};
use uuid::Uuid;

use crate::Service;
use crate::advice;
use crate::work::{ADVISING, ENDED, attributes, stage_key};

impl Service {
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
        let progress = if advice::is_awaited(&answer) { ADVISING } else { ENDED };
        match self.records.replace(&stored, &answer, attributes(parent, progress)).await? {
            Write::Done(written) => {
                if let Some(adviser) = self.adviser.as_ref().filter(|_| progress == ADVISING) {
                    adviser.wake();
                }
                Ok(written)
            }
            // Nothing is written to an answer but that it was told, and advice: somebody was there at the same moment.
            Write::Conflict => Ok(stored),
        }
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
    pub(crate) async fn report(
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

/// Names an event by its diagnosis and kind, so that a repeat is the same event. The kind's number keeps it within the
/// 128 characters that the contract allows.
fn event_id(diagnosis: &str, kind: incident::IncidentEventKind) -> String {
    format!("{diagnosis}/{}", i32::from(kind))
}

fn stage(incident: Uuid, key: String, start_unix_nano: u64, end_unix_nano: u64, answer: &v1::Diagnosis) -> Stage {
    let failed = answer.state() == v1::DiagnosisState::Failed;
    Stage {
        incident,
        key,
        name: "diagnose".to_owned(),
        start_unix_nano,
        end_unix_nano,
        numbers: Vec::new(),
        is_call: false,
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
