//! `llm-sre actions`

use llm_sre_mesh::names;
use llm_sre_proto::remediation::v1::{
    Action, ApproveActionRequest, CancelActionRequest, GetActionRequest, ListActionsRequest, RejectActionRequest,
    RollBackActionRequest,
};

use super::{Services, incident_name, said, service_text};
use crate::cli::{Actions, ActionsCommand, Output};
use crate::config::Config;
use crate::output;

/// How many are asked for at a time.
const PAGE: usize = 200;

pub(super) async fn run(arguments: Actions, config: &Config) -> anyhow::Result<()> {
    let services = Services::new(&arguments.client, config)?;
    let output = arguments.client.output;
    let mut client = services.remediation();
    let answer = match arguments.command {
        ActionsCommand::List { incident, limit } => return list(&services, output, incident, limit).await,
        ActionsCommand::Get { action } => client.get_action(GetActionRequest { name: action }).await?,
        ActionsCommand::Approve { action, digest, mutation } => {
            let request = ApproveActionRequest {
                name: action,
                digest,
                request_id: mutation.request_id(),
                note: mutation.note,
                validate_only: mutation.validate_only,
            };
            client.approve_action(request).await?
        }
        ActionsCommand::Reject { action, mutation } => {
            let request = RejectActionRequest {
                name: action,
                request_id: mutation.request_id(),
                note: mutation.note,
                validate_only: mutation.validate_only,
            };
            client.reject_action(request).await?
        }
        ActionsCommand::Cancel { action, mutation } => {
            let request = CancelActionRequest {
                name: action,
                request_id: mutation.request_id(),
                note: mutation.note,
                validate_only: mutation.validate_only,
            };
            client.cancel_action(request).await?
        }
        ActionsCommand::Rollback { action, mutation } => {
            let request = RollBackActionRequest {
                name: action,
                request_id: mutation.request_id(),
                note: mutation.note,
                validate_only: mutation.validate_only,
            };
            client.roll_back_action(request).await?
        }
    };
    let action = answer.into_inner();
    match output {
        Output::Json => output::json(&action)?,
        Output::Table => show(&action)?,
    }
    Ok(())
}

async fn list(services: &Services, output: Output, incident: Option<String>, limit: usize) -> anyhow::Result<()> {
    let parent = incident.as_deref().map_or_else(|| names::ANY_INCIDENT.to_owned(), incident_name);
    let mut request = ListActionsRequest { parent, ..ListActionsRequest::default() };
    let mut found = Vec::new();
    while found.len() < limit {
        request.page_size = i32::try_from((limit - found.len()).min(PAGE)).unwrap_or(i32::MAX);
        let page = services.remediation().list_actions(request.clone()).await?.into_inner();
        found.extend(page.actions);
        request.page_token = page.next_page_token;
        if request.page_token.is_empty() {
            break;
        }
    }
    if output == Output::Json {
        return Ok(found.iter().try_for_each(output::json)?);
    }
    let row = |action: &Action| {
        vec![
            action.name.clone(),
            state_text(action),
            what(action),
            output::time(action.update_time.as_ref()),
            action.outcome.clone(),
        ]
    };
    output::table(&["action", "state", "what", "updated", "outcome"], found.iter().map(row))?;
    Ok(())
}

pub(super) fn state_text(action: &Action) -> String {
    output::short(action.state().as_str_name(), "ACTION_STATE_")
}

/// What is done to what, as in `restart checkout@production instance=c1`.
pub(crate) fn what(action: &Action) -> String {
    let Some(spec) = &action.spec else { return String::new() };
    let parameters: Vec<String> = spec.parameters.iter().map(|(name, value)| format!(" {name}={value}")).collect();
    format!("{} {}{}", spec.r#type, service_text(spec.target.as_ref()), parameters.concat())
}

fn show(action: &Action) -> anyhow::Result<()> {
    let decision = action.decision.as_ref().map(|decision| {
        let word = if decision.approved { "approved" } else { "rejected" };
        format!("{word} by {}", said(&decision.actor, &decision.note))
    });
    let recovery = action.recovery.as_ref().map(|check| {
        format!("{}: {}", output::short(check.verdict().as_str_name(), "RECOVERY_VERDICT_"), check.reason)
    });
    let blocks: Vec<String> = action.blocks.iter().map(|block| block.detail.clone()).collect();
    let reasons: Vec<String> =
        action.person_reasons().map(|why| output::short(why.as_str_name(), "PERSON_REASON_")).collect();
    output::fields(&[
        ("action", action.name.clone()),
        ("state", state_text(action)),
        ("what", what(action)),
        ("why", action.rationale.clone()),
        ("autonomy", output::short(action.autonomy().as_str_name(), "AUTONOMY_")),
        ("policy", action.policy_rule.clone()),
        ("needs a person", reasons.join(", ")),
        ("reversibility", output::short(action.reversibility().as_str_name(), "REVERSIBILITY_")),
        ("blast radius", output::short(action.blast_radius().as_str_name(), "BLAST_RADIUS_")),
        ("attempt", action.attempt.to_string()),
        ("decision", decision.unwrap_or_default()),
        ("blocked", blocks.join("; ")),
        ("executed", output::time(action.execute_time.as_ref())),
        ("recovery", recovery.unwrap_or_default()),
        ("outcome", action.outcome.clone()),
        ("deadline", output::time(action.deadline_time.as_ref())),
        ("digest", action.digest.clone()),
    ])?;
    Ok(())
}
