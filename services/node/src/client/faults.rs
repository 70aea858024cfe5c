//! `llm-sre faults`

use llm_sre_proto::simulator::v1::{
    ClearFaultRequest, Fault, FaultKind, FaultOnset, InjectFaultRequest, ListFaultsRequest,
};

use super::{Services, request_id, service_text};
use crate::cli::{Faults, FaultsCommand, Output};
use crate::config::Config;
use crate::output;

pub(super) async fn run(arguments: Faults, config: &Config) -> anyhow::Result<()> {
    let services = Services::new(&arguments.client, config)?;
    let mut client = services.simulator();
    let faults = match arguments.command {
        FaultsCommand::Inject { kind, service, onset, seed, request_id: id, validate_only } => {
            let request = InjectFaultRequest {
                kind: kind.as_deref().and_then(kind_of).unwrap_or_default().into(),
                service_name: service,
                onset: onset.as_deref().and_then(onset_of).unwrap_or_default().into(),
                seed,
                request_id: request_id(id.as_ref()),
                validate_only,
            };
            vec![client.inject_fault(request).await?.into_inner()]
        }
        FaultsCommand::List { active } => {
            let mut request = ListFaultsRequest { active_only: active, ..ListFaultsRequest::default() };
            let mut found = Vec::new();
            loop {
                let page = client.list_faults(request.clone()).await?.into_inner();
                found.extend(page.faults);
                request.page_token = page.next_page_token;
                if request.page_token.is_empty() {
                    break found;
                }
            }
        }
        FaultsCommand::Clear { fault } => {
            let name = if fault.starts_with("faults/") { fault } else { format!("faults/{fault}") };
            vec![client.clear_fault(ClearFaultRequest { name }).await?.into_inner()]
        }
    };
    if arguments.client.output == Output::Json {
        return Ok(faults.iter().try_for_each(output::json)?);
    }
    let row = |fault: &Fault| {
        vec![
            fault.name.clone(),
            output::short(fault.state().as_str_name(), "FAULT_STATE_"),
            kind_text(fault),
            service_text(fault.service.as_ref()),
            output::short(fault.onset().as_str_name(), "FAULT_ONSET_"),
            output::time(fault.start_time.as_ref()),
            output::time(fault.end_time.as_ref()),
            fault.cure.clone(),
        ]
    };
    let header = ["fault", "state", "kind", "service", "onset", "start", "end", "cure"];
    output::table(&header, faults.iter().map(row))?;
    Ok(())
}

/// `memory_leak` as the contract's value.
pub(crate) fn kind_of(name: &str) -> Option<FaultKind> {
    FaultKind::from_str_name(&format!("FAULT_KIND_{}", name.to_uppercase()))
}

fn onset_of(name: &str) -> Option<FaultOnset> {
    FaultOnset::from_str_name(&format!("FAULT_ONSET_{}", name.to_uppercase()))
}

/// The contract's value as `memory_leak`.
pub(crate) fn kind_text(fault: &Fault) -> String {
    output::short(fault.kind().as_str_name(), "FAULT_KIND_")
}
