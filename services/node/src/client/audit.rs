//! `llm-sre audit`

use anyhow::{Context, bail};
use llm_sre_domain::remedy::{AuditChain, AuditHash};
use llm_sre_proto::remediation::v1::{AuditRecord, ListAuditRecordsRequest};
use llm_sre_remediation::audit_from_wire;

use super::Services;
use crate::cli::{self, AuditCommand, Output};
use crate::config::Config;
use crate::output;

/// How many entries are asked for at a time.
const PAGE: usize = 1_000;

pub(super) async fn run(arguments: cli::Audit, config: &Config) -> anyhow::Result<()> {
    let services = Services::new(&arguments.client, config)?;
    match arguments.command {
        AuditCommand::List { action, limit } => {
            let mut pages = Pages::new(services, action);
            let mut found = Vec::new();
            while let Some(page) = pages.next((limit - found.len()).min(PAGE)).await? {
                found.extend(page);
                if found.len() >= limit {
                    break;
                }
            }
            list(&found, arguments.client.output)
        }
        AuditCommand::Verify { noted } => verify(services, noted).await,
    }
}

/// The record, page by page.
struct Pages {
    services: Services,
    request: ListAuditRecordsRequest,
    is_end: bool,
}

impl Pages {
    fn new(services: Services, action: String) -> Self {
        let request = ListAuditRecordsRequest { action, ..ListAuditRecordsRequest::default() };
        Self { services, request, is_end: false }
    }

    /// The next page of at most so many entries; nothing after the last.
    async fn next(&mut self, size: usize) -> anyhow::Result<Option<Vec<AuditRecord>>> {
        if self.is_end || size == 0 {
            return Ok(None);
        }
        self.request.page_size = i32::try_from(size).unwrap_or(i32::MAX);
        let page = self.services.remediation().list_audit_records(self.request.clone()).await?.into_inner();
        self.is_end = page.next_page_token.is_empty();
        self.request.page_token = page.next_page_token;
        Ok(Some(page.records))
    }
}

fn list(found: &[AuditRecord], output: Output) -> anyhow::Result<()> {
    if output == Output::Json {
        return Ok(found.iter().try_for_each(output::json)?);
    }
    let row = |record: &AuditRecord| {
        vec![
            record.sequence.to_string(),
            output::time(record.time.as_ref()),
            record.actor.clone(),
            format!("{}{}", record.action, record.hold),
            record.step.clone(),
            record.detail.clone(),
        ]
    };
    output::table(&["entry", "time", "actor", "about", "step", "detail"], found.iter().map(row))?;
    Ok(())
}

/// Verifies the whole record, telling of each entry's hash.
pub(crate) async fn verified(services: Services, mut seen: impl FnMut(AuditHash)) -> anyhow::Result<AuditChain> {
    let (mut pages, mut chain) = (Pages::new(services, String::new()), AuditChain::default());
    while let Some(page) = pages.next(PAGE).await? {
        for record in &page {
            chain.add(&audit_from_wire(record)?)?;
            seen(chain.head());
        }
    }
    Ok(chain)
}

async fn verify(services: Services, noted: Option<String>) -> anyhow::Result<()> {
    let noted: Option<AuditHash> =
        noted.map(|text| text.parse().with_context(|| format!("--noted '{text}'"))).transpose()?;
    let mut is_found = noted.is_none_or(|noted| noted == AuditHash::default());
    let chain = verified(services, |head| is_found |= noted == Some(head)).await?;
    if let (Some(noted), false) = (noted, is_found) {
        bail!(
            "the audit record of {} entries holds together, but {noted} is not in it: it was cut off or written anew",
            chain.len()
        );
    }
    output::line(format!(
        "{} entries hold together, from the first to the newest; the newest hash is {}",
        chain.len(),
        chain.head()
    ))?;
    Ok(())
}
