//! `llm-sre maintenance`

use llm_sre_proto::convert::common::{to_proto_duration, to_proto_time};
use llm_sre_proto::convert::incident::WINDOWS;
use llm_sre_proto::incident::v1::{
    CreateMaintenanceWindowRequest, EndMaintenanceWindowRequest, ListMaintenanceWindowsRequest, MaintenanceWindow,
};

use super::{Services, said};
use crate::cli::{self, MaintenanceCommand, Output};
use crate::config::Config;
use crate::output;

/// How many windows are asked for at a time.
const PAGE: usize = 200;

pub(super) async fn run(arguments: cli::Maintenance, config: &Config) -> anyhow::Result<()> {
    let services = Services::new(&arguments.client, config)?;
    let output = arguments.client.output;
    let window = match arguments.command {
        MaintenanceCommand::List { ended, limit } => return list(&services, output, ended, limit).await,
        MaintenanceCommand::Add { services: patterns, start, end, last, mutation } => {
            let request = CreateMaintenanceWindowRequest {
                services: patterns,
                start_time: start.map(to_proto_time),
                end_time: end.map(to_proto_time),
                duration: last.map(to_proto_duration),
                request_id: mutation.request_id(),
                note: mutation.note,
                validate_only: mutation.validate_only,
            };
            services.incidents().create_maintenance_window(request).await?.into_inner()
        }
        MaintenanceCommand::End { window, order } => {
            let name = if window.starts_with(WINDOWS) { window } else { format!("{WINDOWS}{window}") };
            let request = EndMaintenanceWindowRequest { name, note: order.note, validate_only: order.validate_only };
            services.incidents().end_maintenance_window(request).await?.into_inner()
        }
    };
    match output {
        Output::Json => output::json(&window)?,
        Output::Table => table(&[window])?,
    }
    Ok(())
}

async fn list(services: &Services, output: Output, show_ended: bool, limit: usize) -> anyhow::Result<()> {
    let mut request = ListMaintenanceWindowsRequest { show_ended, ..ListMaintenanceWindowsRequest::default() };
    let mut found = Vec::new();
    while found.len() < limit {
        request.page_size = i32::try_from((limit - found.len()).min(PAGE)).unwrap_or(i32::MAX);
        let page = services.incidents().list_maintenance_windows(request.clone()).await?.into_inner();
        found.extend(page.windows);
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

fn table(windows: &[MaintenanceWindow]) -> anyhow::Result<()> {
    let row = |window: &MaintenanceWindow| {
        vec![
            window.name.clone(),
            window.services.join(", "),
            output::time(window.start_time.as_ref().or(window.create_time.as_ref())),
            output::time(window.end_time.as_ref()),
            said(&window.actor, &window.note),
            said(&window.end_actor, &window.end_note),
        ]
    };
    let header = ["window", "services", "from", "until", "ordered by", "ended by"];
    output::table(&header, windows.iter().map(row))?;
    Ok(())
}
