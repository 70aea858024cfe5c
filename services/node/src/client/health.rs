//! `llm-sre health`: what an orchestrator asks.

use std::time::Duration;

use anyhow::Context;
use tonic::Code;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use super::Services;
use crate::cli::{Health, Output};
use crate::config::Config;
use crate::output;

/// Less than the time-out of a probe, which is a second by default in Kubernetes and some in other places.
const ANSWER_WITHIN: Duration = Duration::from_millis(900);

/// Fails where the service does not say that it serves.
pub(super) async fn run(arguments: Health, config: &Config) -> anyhow::Result<()> {
    let services = Services::new(&arguments.client, config)?;
    let request = HealthCheckRequest { service: arguments.service.clone() };
    let mut client = HealthClient::new(services.peer);
    let answer = tokio::time::timeout(ANSWER_WITHIN, client.check(request)).await;
    let answer = answer.with_context(|| format!("no answer within {} ms", ANSWER_WITHIN.as_millis()))?;
    let status = match answer {
        Ok(answer) => answer.into_inner().status(),
        Err(status) if status.code() == Code::NotFound => {
            anyhow::bail!("no service '{}' is served there", arguments.service)
        }
        Err(status) => return Err(status.into()),
    };
    let said = status.as_str_name();
    match arguments.client.output {
        Output::Table => output::line(said)?,
        Output::Json => output::line(serde_json::json!({ "status": said }))?,
    }
    anyhow::ensure!(status == ServingStatus::Serving, "the service is not ready");
    Ok(())
}
