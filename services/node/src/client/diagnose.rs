//! `llm-sre diagnose`

use std::time::Duration;

use llm_sre_proto::diagnosis::v1::{
    AdviceState, DiagnoseIncidentRequest, Diagnosis, DiagnosisState, EvidenceGap, Hypothesis, WatchDiagnosisRequest,
    WatchDiagnosisResponse,
};
use tokio::time::{Instant, timeout_at};
use tonic::{Status, Streaming};

use super::{Services, advice, incident_name, request_id, service_text};
use crate::cli::{Diagnose, Output};
use crate::config::Config;
use crate::output;

/// How long advice is waited for, in real time: as long as it may take at most, and what comes before it in the queue.
const ADVICE_WITHIN: Duration = Duration::from_secs(300);

pub(super) async fn run(arguments: Diagnose, config: &Config) -> anyhow::Result<()> {
    let services = Services::new(&arguments.client, config)?;
    let request = DiagnoseIncidentRequest {
        parent: incident_name(&arguments.incident),
        request_id: request_id(arguments.request_id.as_ref()),
        ..DiagnoseIncidentRequest::default()
    };
    let mut diagnosis = services.diagnoses().diagnose_incident(request).await?.into_inner();
    let mut stream = None;
    if is_running(&diagnosis) || is_advice_awaited(&diagnosis) {
        let watch = WatchDiagnosisRequest { name: diagnosis.name.clone() };
        let mut changes = services.diagnoses().watch_diagnosis(watch).await?.into_inner();
        follow(&mut changes, &mut diagnosis, is_running).await?;
        stream = Some(changes);
    }
    // A person reads what the evidence says at once; a program reads one message, when it is whole.
    if arguments.client.output == Output::Table {
        show(&diagnosis)?;
    }
    let advised = match stream {
        Some(changes) => await_advice(changes, &mut diagnosis).await,
        None => Ok(()),
    };
    match (arguments.client.output, &diagnosis.advice) {
        (Output::Json, _) => output::json(&diagnosis)?,
        (Output::Table, Some(advice)) => {
            output::line("")?;
            output::fields(&advice::fields(advice))?;
        }
        (Output::Table, None) => {}
    }
    if diagnosis.state() == DiagnosisState::Failed {
        anyhow::bail!("the diagnosis failed: {}", diagnosis.reason);
    }
    Ok(advised?)
}

fn is_running(diagnosis: &Diagnosis) -> bool {
    diagnosis.state() == DiagnosisState::Running
}

fn is_advice_awaited(diagnosis: &Diagnosis) -> bool {
    diagnosis.advice.as_ref().is_some_and(|advice| advice.state() == AdviceState::Pending)
}

/// Takes what changes while it is so, or until nothing does.
async fn follow(
    changes: &mut Streaming<WatchDiagnosisResponse>,
    diagnosis: &mut Diagnosis,
    is_so: fn(&Diagnosis) -> bool,
) -> Result<(), Status> {
    while is_so(diagnosis)
        && let Some(answer) = changes.message().await?
    {
        *diagnosis = answer.diagnosis.unwrap_or_else(|| diagnosis.clone());
    }
    Ok(())
}

/// Waits for what a model says. No advice in time is no error: the diagnosis stands without, and says that it waits.
async fn await_advice(mut changes: Streaming<WatchDiagnosisResponse>, diagnosis: &mut Diagnosis) -> Result<(), Status> {
    let deadline = Instant::now() + ADVICE_WITHIN;
    timeout_at(deadline, follow(&mut changes, diagnosis, is_advice_awaited)).await.unwrap_or(Ok(()))
}

fn show(diagnosis: &Diagnosis) -> anyhow::Result<()> {
    let is_explained = diagnosis.state() == DiagnosisState::Succeeded;
    output::fields(&[
        ("diagnosis", diagnosis.name.clone()),
        ("state", output::short(diagnosis.state().as_str_name(), "DIAGNOSIS_STATE_")),
        ("reason", diagnosis.reason.clone()),
        ("root cause", diagnosis.root_cause.clone()),
        ("immediate fix", diagnosis.immediate_fix.clone()),
        ("long-term fix", diagnosis.long_term_fix.clone()),
        ("confidence", if is_explained { format!("{:.2}", diagnosis.confidence) } else { String::new() }),
    ])?;
    if !diagnosis.hypotheses.is_empty() {
        output::line("")?;
        let row = |hypothesis: &Hypothesis| {
            vec![
                hypothesis.id.clone(),
                service_text(hypothesis.service.as_ref()),
                output::short(hypothesis.cause().as_str_name(), "CAUSE_KIND_"),
                format!("{:.2}", hypothesis.confidence),
                hypothesis.metric.clone(),
                hypothesis.supporting_evidence.join(" "),
                hypothesis.contradicting_evidence.join(" "),
            ]
        };
        let header = ["id", "service", "cause", "confidence", "metric", "evidence", "against"];
        output::table(&header, diagnosis.hypotheses.iter().map(row))?;
    }
    if !diagnosis.evidence.is_empty() {
        output::line("")?;
        let row = |evidence: &llm_sre_proto::diagnosis::v1::Evidence| {
            vec![evidence.id.clone(), output::time(evidence.time.as_ref()), evidence.summary.clone()]
        };
        output::table(&["evidence", "time", "fact"], diagnosis.evidence.iter().map(row))?;
    }
    if !diagnosis.gaps.is_empty() {
        output::line("")?;
        let row = |gap: &EvidenceGap| vec![gap.subject.clone(), gap.reason.clone()];
        output::table(&["not known", "why"], diagnosis.gaps.iter().map(row))?;
    }
    Ok(())
}
