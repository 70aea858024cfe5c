//! `llm-sre incidents`

use std::collections::BTreeMap;

use llm_sre_proto::incident::v1::{
    AcknowledgeIncidentRequest, Cause, CauseKind, GetIncidentRequest, Incident, JudgeIncidentRequest, JudgementKind,
    ListIncidentsRequest, ReportIncidentRequest, ResolutionReason, ResolveIncidentRequest, State,
    WatchIncidentsRequest,
};

use llm_sre_proto::convert::telemetry::service_filter;

use super::{Services, incident_name, parse_service, post_mortem, said, service_text};
use crate::cli::{Incidents, IncidentsCommand, Mutation, Output, Verdict};
use crate::config::{Config, ServiceEntry};
use crate::output;

/// How many are asked for at a time.
const PAGE: usize = 200;

pub(super) async fn run(arguments: Incidents, config: &Config) -> anyhow::Result<()> {
    let services = Services::new(&arguments.client, config)?;
    let output = arguments.client.output;
    let mut client = services.incidents();
    let answer = match arguments.command {
        IncidentsCommand::List { state, service, limit } => {
            return list(&services, output, state, service, limit).await;
        }
        IncidentsCommand::Watch { incident } => return watch(&services, output, incident.as_deref()).await,
        IncidentsCommand::Get { incident } => {
            client.get_incident(GetIncidentRequest { name: incident_name(&incident) }).await?
        }
        IncidentsCommand::Ack { incident, mutation } => {
            let request = AcknowledgeIncidentRequest {
                name: incident_name(&incident),
                request_id: mutation.request_id(),
                note: mutation.note,
                validate_only: mutation.validate_only,
                ..AcknowledgeIncidentRequest::default()
            };
            client.acknowledge_incident(request).await?
        }
        IncidentsCommand::Resolve { incident, false_positive, mutation } => {
            let reason = if false_positive { ResolutionReason::FalsePositive } else { ResolutionReason::Manual };
            let request = ResolveIncidentRequest {
                name: incident_name(&incident),
                reason: reason.into(),
                request_id: mutation.request_id(),
                note: mutation.note,
                validate_only: mutation.validate_only,
                ..ResolveIncidentRequest::default()
            };
            client.resolve_incident(request).await?
        }
        IncidentsCommand::Judge { incident, verdict, service, cause, mutation } => {
            let cause = other_cause(service.as_deref(), cause.as_deref());
            client.judge_incident(judgement(&incident, verdict, cause, mutation)).await?
        }
        IncidentsCommand::Report { incident } => {
            if output == Output::Json {
                anyhow::bail!("a report is Markdown; `incidents get`, `actions list` and `diagnose` answer in JSON");
            }
            let report = post_mortem::report(&services, &config.peers, incident_name(&incident)).await?;
            return Ok(output::line(report.trim_end())?);
        }
        IncidentsCommand::Open { service, title, onset, mutation } => {
            let request = ReportIncidentRequest {
                service: Some(parse_service(&service)),
                title,
                onset_time: onset.map(llm_sre_proto::convert::common::to_proto_time),
                request_id: mutation.request_id(),
                validate_only: mutation.validate_only,
            };
            client.report_incident(request).await?
        }
    };
    let incident = answer.into_inner();
    match output {
        Output::Json => output::json(&incident)?,
        Output::Table => show(&incident, config)?,
    }
    Ok(())
}

fn judgement(incident: &str, verdict: Verdict, cause: Option<Cause>, mutation: Mutation) -> JudgeIncidentRequest {
    let kind = match verdict {
        Verdict::FalseAlarm => JudgementKind::FalseAlarm,
        Verdict::Confirmed => JudgementKind::Confirmed,
        Verdict::OtherCause => JudgementKind::OtherCause,
    };
    JudgeIncidentRequest {
        name: incident_name(incident),
        kind: kind.into(),
        cause,
        request_id: mutation.request_id(),
        note: mutation.note,
        validate_only: mutation.validate_only,
        ..JudgeIncidentRequest::default()
    }
}

/// The cause that was named; what is missing of it, or should not be there, is the owner's to say.
fn other_cause(service: Option<&str>, kind: Option<&str>) -> Option<Cause> {
    let number = |kind: &str| CauseKind::from_str_name(&format!("CAUSE_KIND_{}", kind.to_uppercase())).map(i32::from);
    (service.is_some() || kind.is_some())
        .then(|| Cause { service: service.map(parse_service), kind: kind.and_then(number).unwrap_or_default() })
}

async fn list(
    services: &Services,
    output: Output,
    states: Vec<String>,
    service_name: String,
    limit: usize,
) -> anyhow::Result<()> {
    let state = |name: &String| State::from_str_name(&format!("STATE_{}", name.to_uppercase())).map(i32::from);
    let mut request =
        ListIncidentsRequest { states: states.iter().filter_map(state).collect(), service_name, ..Default::default() };
    let mut found = Vec::new();
    loop {
        request.page_size = i32::try_from((limit - found.len()).min(PAGE)).unwrap_or(i32::MAX);
        if request.page_size == 0 {
            break;
        }
        let page = services.incidents().list_incidents(request.clone()).await?.into_inner();
        found.extend(page.incidents);
        request.page_token = page.next_page_token;
        if request.page_token.is_empty() || found.len() >= limit {
            break;
        }
    }
    if output == Output::Json {
        return Ok(found.iter().try_for_each(output::json)?);
    }
    let row = |incident: &Incident| {
        vec![
            incident.name.trim_start_matches("incidents/").to_owned(),
            state_or_silence(incident),
            severity_text(incident),
            service_text(incident.service.as_ref()),
            output::time(incident.onset_time.as_ref()),
            incident.title.clone(),
        ]
    };
    output::table(&["incident", "state", "severity", "service", "onset", "title"], found.iter().map(row))?;
    Ok(())
}

async fn watch(services: &Services, output: Output, incident: Option<&str>) -> anyhow::Result<()> {
    let name = incident.map(incident_name).unwrap_or_default();
    let request = WatchIncidentsRequest { name: name.clone(), ..WatchIncidentsRequest::default() };
    let mut stream = services.incidents().watch_incidents(request).await?.into_inner();
    let mut told: BTreeMap<String, usize> = BTreeMap::new();
    while let Some(answer) = stream.message().await? {
        let Some(incident) = answer.incident else { continue };
        let told = told.entry(incident.name.clone()).or_default();
        match output {
            Output::Json => output::json(&incident)?,
            Output::Table => tell(&incident, *told)?,
        }
        *told = incident.timeline.len();
        // The service goes on, for the incident may be opened again; who follows one waits for its end.
        if !name.is_empty() && incident.end_time.is_some() {
            break;
        }
    }
    Ok(())
}

/// What happened after the first `told` entries, a line each.
fn tell(incident: &Incident, told: usize) -> std::io::Result<()> {
    incident.timeline.iter().skip(told).try_for_each(|entry| {
        let time = output::time(entry.time.as_ref());
        let state = output::short(entry.state().as_str_name(), "STATE_");
        output::line(format!("{time}  {}  {state:<17}  {}", short_id(&incident.name), entry.message))
    })
}

/// The first part of an incident's id, enough for people to tell incidents apart.
fn short_id(name: &str) -> &str {
    name.trim_start_matches("incidents/").split('-').next().unwrap_or(name)
}

pub(crate) fn state_text(incident: &Incident) -> String {
    output::short(incident.state().as_str_name(), "STATE_")
}

/// The state, and whether people are told.
fn state_or_silence(incident: &Incident) -> String {
    let is_covered = incident.maintenance.as_ref().is_some_and(|maintenance| maintenance.over_time.is_none());
    if is_covered { format!("{} (maintenance)", state_text(incident)) } else { state_text(incident) }
}

/// The window that covers an incident, or did, and what that kept from people.
fn maintenance_text(incident: &Incident) -> Option<String> {
    let maintenance = incident.maintenance.as_ref()?;
    let end = maintenance.over_time.as_ref().or(maintenance.end_time.as_ref());
    Some(format!("{} until {}, {} notices withheld", maintenance.window, output::time(end), maintenance.withheld))
}

pub(crate) fn severity_text(incident: &Incident) -> String {
    output::short(incident.severity().as_str_name(), "SEVERITY_")
}

/// What a person said that it was, who, and why; empty where nobody did.
pub(crate) fn verdict_text(incident: &Incident) -> String {
    let Some(judgement) = &incident.judgement else { return String::new() };
    let kind = output::short(judgement.kind().as_str_name(), "JUDGEMENT_KIND_");
    let cause = judgement.cause.as_ref().map(|cause| {
        let kind = output::short(cause.kind().as_str_name(), "CAUSE_KIND_");
        format!(" ({kind} in {})", service_text(cause.service.as_ref()))
    });
    format!("{kind}{} by {}", cause.unwrap_or_default(), said(&judgement.actor, &judgement.note))
}

/// Beside what the product says of the incident stands what this configuration says of its service.
fn show(incident: &Incident, config: &Config) -> anyhow::Result<()> {
    let service = service_filter(incident.service.as_ref());
    let entry = service.and_then(|service| config.services.iter().find(|entry| entry.service.matches(&service)));
    let known = |of: fn(&ServiceEntry) -> &String| entry.map(of).cloned().unwrap_or_default();
    let resolution = incident.resolution.as_ref().map(|resolution| {
        let reason = output::short(resolution.reason().as_str_name(), "RESOLUTION_REASON_");
        format!("{reason} by {}", said(&resolution.actor, &resolution.note))
    });
    let escalation = match incident.escalation_reason {
        0 => String::new(),
        _ => output::short(incident.escalation_reason().as_str_name(), "ESCALATION_REASON_"),
    };
    let impacts: Vec<String> = incident.impacts.iter().map(|impact| service_text(impact.service.as_ref())).collect();
    let acknowledged = incident.acknowledgement.as_ref().map(|by| said(&by.actor, &by.note));
    output::fields(&[
        ("incident", incident.name.clone()),
        ("title", incident.title.clone()),
        ("state", state_text(incident)),
        ("severity", severity_text(incident)),
        ("service", service_text(incident.service.as_ref())),
        ("owner", known(|entry| &entry.owner)),
        ("criticality", known(|entry| &entry.criticality)),
        ("runbook", known(|entry| &entry.runbook)),
        ("impact", impacts.join(", ")),
        ("onset", output::time(incident.onset_time.as_ref())),
        ("detected", output::time(incident.detect_time.as_ref())),
        ("opened again", output::time(incident.reopen_time.as_ref())),
        ("ended", output::time(incident.end_time.as_ref())),
        ("resolution", resolution.unwrap_or_default()),
        ("waits for", incident.plan_waits_for.clone()),
        ("escalated", escalation),
        ("duplicate of", incident.duplicate_of.clone()),
        ("acknowledged", acknowledged.unwrap_or_default()),
        ("verdict", verdict_text(incident)),
        ("maintenance", maintenance_text(incident).unwrap_or_default()),
        ("diagnosis", incident.diagnosis.clone()),
        ("action", incident.action.clone()),
    ])?;
    let anomaly = |anomaly: &llm_sre_proto::incident::v1::Anomaly| {
        vec![
            output::time(anomaly.onset_time.as_ref()),
            service_text(anomaly.service.as_ref()),
            format!("{} {}", anomaly.metric, anomaly.dimension).trim_end().to_owned(),
            format!("{:.4}", anomaly.expected),
            format!("{:.4} {}", anomaly.observed, anomaly.unit).trim_end().to_owned(),
            format!("{:.1}", anomaly.score),
        ]
    };
    if !incident.anomalies.is_empty() {
        output::line("")?;
        let header = ["onset", "service", "signal", "expected", "observed", "score"];
        output::table(&header, incident.anomalies.iter().map(anomaly))?;
    }
    output::line("")?;
    let entry = |entry: &llm_sre_proto::incident::v1::TimelineEntry| {
        let state = output::short(entry.state().as_str_name(), "STATE_");
        vec![output::time(entry.time.as_ref()), entry.actor.clone(), state, entry.message.clone()]
    };
    output::table(&["time", "actor", "state", "what happened"], incident.timeline.iter().map(entry))?;
    Ok(())
}
