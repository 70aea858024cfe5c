//! `llm-sre run`: the services for real.

use std::collections::BTreeSet;
use std::sync::Arc;

use llm_sre_mesh::logging::{self, Logging};
use llm_sre_ports::clock::{Clock, ScaledClock};
use tokio_util::sync::CancellationToken;

use crate::cli::{Run, ServiceName};
use crate::config::{self, Config};
use crate::node::asked_to_end;
use crate::{output, self_watch, times, wiring};

/// Serves until it is asked to end.
pub(crate) async fn run(arguments: Run, config: Config) -> anyhow::Result<()> {
    let services: BTreeSet<ServiceName> = match arguments.services.as_slice() {
        [] => wiring::PRODUCT.into(),
        some => some.iter().copied().collect(),
    };
    let policy = config.policy()?;
    let names: Vec<String> = services.iter().map(|name| format!("{name:?}").to_lowercase()).collect();
    let name = format!("llm-sre-{}", names.join("-"));
    let logging = logging(&config, &name)?;
    let holder = wiring::holder();
    let metrics = self_watch::init(&config, &name, &holder)?;

    let parts = wiring::Parts {
        backend: wiring::open_backend(&config, wiring::need_store(&services)).await?,
        clock: Arc::new(clock(&config)?),
        chance: wiring::Chance::drawn(),
        policy,
        simulation: wiring::Simulation { speed: config.clock.speed, ..wiring::Simulation::default() },
        services,
        holder,
        ways: wiring::ways(&config)?,
        listens: true,
        config,
    };
    let node = wiring::build(parts).await?;
    for (what, address) in node.addresses() {
        output::line(format!("{what:<16} {address}"))?;
    }

    let shutdown = CancellationToken::new();
    let asked = shutdown.clone();
    tokio::spawn(async move {
        if let Err(error) = asked_to_end().await {
            tracing::error!(%error, "cannot be asked to end");
        }
        asked.cancel();
    });
    let result = node.run(shutdown).await;
    self_watch::shutdown(metrics);
    logging.shutdown().unwrap_or_else(|error| tracing::warn!(%error, "the last spans were not exported"));
    result
}

/// Real time, or where the configuration says so, a time that every process computes from the same epoch.
fn clock(config: &Config) -> anyhow::Result<ScaledClock> {
    let real = ScaledClock::real();
    let Some(epoch) = config.clock.epoch.as_deref().map(times::parse).transpose()? else { return Ok(real) };
    let since = real.now().since(epoch);
    Ok(ScaledClock::starting_at(epoch + since.mul_f64(config.clock.speed), config.clock.speed)?)
}

/// Sets up the log, and the export of calls where that is configured.
pub(crate) fn logging(config: &Config, service_name: &str) -> anyhow::Result<Logging> {
    let options = logging::Options {
        filter: config.log.filter.clone(),
        json: config.log.json,
        otlp_endpoint: config.traces.otlp_endpoint.clone(),
        service_name: service_name.to_owned(),
    };
    logging::init(&options).map_err(|error| match error {
        logging::Error::Filter { .. } => anyhow::Error::new(config::Error::Key {
            place: "--log, LLM_SRE_LOG or file".to_owned(),
            key: "log.filter".to_owned(),
            reason: error.to_string(),
        }),
        error => error.into(),
    })
}
