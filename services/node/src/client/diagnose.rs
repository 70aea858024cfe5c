//! `llm-sre diagnose`

use llm_sre_proto::diagnosis::v1::{
    DiagnoseIncidentRequest, Diagnosis, DiagnosisState, EvidenceGap, Hypothesis, WatchDiagnosisRequest,
};

use super::{Services, incident_name, request_id, service_text};
use crate::cli::{Diagnose, Output};
use crate::config::Config;
use crate::output;

pub(super) async fn run(arguments: Diagnose, config: &Config) -> anyhow::Result<()> {
    let services = Services::new(&arguments.client, config)?;
    let request = DiagnoseIncidentRequest {
        parent: incident_name(&arguments.incident),
        request_id: request_id(arguments.request_id.as_ref()),
        ..DiagnoseIncidentRequest::default()
    };
    let mut diagnosis = services.diagnoses().diagnose_incident(request).await?.into_inner();
    if diagnosis.state() == DiagnosisState::Running {
        let watch = WatchDiagnosisRequest { name: diagnosis.name.clone() };
        let mut stream = services.diagnoses().watch_diagnosis(watch).await?.into_inner();
        while let Some(answer) = stream.message().await? {
            diagnosis = answer.diagnosis.unwrap_or(diagnosis);
        }
    }
    match arguments.client.output {
        Output::Json => output::json(&diagnosis)?,
        Output::Table => show(&diagnosis)?,
    }
    if diagnosis.state() == DiagnosisState::Failed {
        anyhow::bail!("the diagnosis failed: {}", diagnosis.reason);
    }
    Ok(())
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
