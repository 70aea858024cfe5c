//! `llm-sre kill-switch` and `llm-sre freeze`

use llm_sre_proto::convert::common::{to_proto_duration, to_proto_time};
use llm_sre_proto::remediation::v1::{
    CreateFreezeRequest, EndFreezeRequest, Freeze, GetKillSwitchRequest, KillSwitch, ListFreezesRequest,
    SetKillSwitchRequest,
};

use super::{Services, said};
use crate::cli::{self, FreezeCommand, KillSwitchCommand, Output};
use crate::config::Config;
use crate::output;

/// How many freezes are asked for at a time.
const PAGE: usize = 200;

pub(super) async fn kill_switch(arguments: cli::KillSwitch, config: &Config) -> anyhow::Result<()> {
    let mut client = Services::new(&arguments.client, config)?.remediation();
    let (engaged, order) = match arguments.command {
        KillSwitchCommand::Show => {
            let switch = client.get_kill_switch(GetKillSwitchRequest {}).await?.into_inner();
            return show_switch(&switch, arguments.client.output);
        }
        KillSwitchCommand::Engage { order } => (true, order),
        KillSwitchCommand::Release { order } => (false, order),
    };
    let (note, validate_only) = (order.note, order.validate_only);
    let request = SetKillSwitchRequest { engaged, note, etag: String::new(), validate_only };
    let switch = client.set_kill_switch(request).await?.into_inner();
    if validate_only && arguments.client.output == Output::Table {
        return Ok(output::fields(&[("kill switch", "could be moved; nothing was changed".to_owned())])?);
    }
    show_switch(&switch, arguments.client.output)
}

fn show_switch(switch: &KillSwitch, output: Output) -> anyhow::Result<()> {
    if output == Output::Json {
        return Ok(output::json(switch)?);
    }
    let state = if switch.engaged { "engaged: no target is called" } else { "released" };
    output::fields(&[
        ("kill switch", state.to_owned()),
        ("moved by", said(&switch.actor, &switch.note)),
        ("moved", output::time(switch.update_time.as_ref())),
    ])?;
    Ok(())
}

pub(super) async fn freeze(arguments: cli::Freeze, config: &Config) -> anyhow::Result<()> {
    let services = Services::new(&arguments.client, config)?;
    let output = arguments.client.output;
    let freeze = match arguments.command {
        FreezeCommand::List { ended, limit } => return list(&services, output, ended, limit).await,
        FreezeCommand::Add { services: patterns, start, end, last, mutation } => {
            let request = CreateFreezeRequest {
                services: patterns,
                start_time: start.map(to_proto_time),
                end_time: end.map(to_proto_time),
                duration: last.map(to_proto_duration),
                request_id: mutation.request_id(),
                note: mutation.note,
                validate_only: mutation.validate_only,
            };
            services.remediation().create_freeze(request).await?.into_inner()
        }
        FreezeCommand::End { freeze, order } => {
            let name = if freeze.starts_with("freezes/") { freeze } else { format!("freezes/{freeze}") };
            let request = EndFreezeRequest { name, note: order.note, validate_only: order.validate_only };
            services.remediation().end_freeze(request).await?.into_inner()
        }
    };
    match output {
        Output::Json => output::json(&freeze)?,
        Output::Table => table(&[freeze])?,
    }
    Ok(())
}

async fn list(services: &Services, output: Output, show_ended: bool, limit: usize) -> anyhow::Result<()> {
    let mut request = ListFreezesRequest { show_ended, ..ListFreezesRequest::default() };
    let mut found = Vec::new();
    while found.len() < limit {
        request.page_size = i32::try_from((limit - found.len()).min(PAGE)).unwrap_or(i32::MAX);
        let page = services.remediation().list_freezes(request.clone()).await?.into_inner();
        found.extend(page.freezes);
        request.page_token = page.next_page_token;
        if request.page_token.is_empty() {
            break;
        }
    }
    match output {
        Output::Json => Ok(found.iter().try_for_each(output::json)?),
        Output::Table => table(&found),
    }
}

fn table(freezes: &[Freeze]) -> anyhow::Result<()> {
    let row = |freeze: &Freeze| {
        vec![
            freeze.name.clone(),
            freeze.services.join(", "),
            output::time(freeze.start_time.as_ref().or(freeze.create_time.as_ref())),
            output::time(freeze.end_time.as_ref()),
            said(&freeze.actor, &freeze.note),
        ]
    };
    output::table(&["freeze", "services", "from", "until", "ordered by"], freezes.iter().map(row))?;
    Ok(())
}
