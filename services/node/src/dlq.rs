//! `llm-sre dlq`: telemetry that could not be decoded or stored, and its way back.

mod letters;
mod list;
mod replay;

use std::path::Path;

use anyhow::Context;
use llm_sre_mesh::records::Records;

use crate::cli::{Dlq, DlqCommand};
use crate::config::{self, Config};
use crate::wiring::{self, Backend, IN_MEMORY};

use self::replay::Replayed;

/// Where it is noted which letters were replayed.
pub(crate) const REPLAYS: &str = "replays";

/// Opens what the configuration names, and does it there.
pub(crate) async fn run(arguments: Dlq, config: &Config) -> anyhow::Result<()> {
    check_store(config)?;
    let backend = wiring::open_backend(config, true).await?;
    let replays = replays(&backend);
    match arguments.command {
        DlqCommand::List { topic, limit } => {
            let letters = letters::all(&backend, topic.as_deref()).await?;
            list::run(letters, &replays, limit as usize, arguments.output).await
        }
        DlqCommand::Replay(wanted) => replay::run(&backend, &replays, &wanted, arguments.output).await,
    }
}

fn replays(backend: &Backend) -> Records<Replayed> {
    Records::new(backend.documents.clone(), REPLAYS)
}

/// What ends with its process holds no letters of another, and an absent file is not made to say that it is empty.
fn check_store(config: &Config) -> Result<(), config::Error> {
    let path: &Path = &config.store.path;
    let is_used = config.bus.kafka.is_none() || config.store.opensearch.is_none();
    let reason = match path.as_os_str() == IN_MEMORY {
        _ if !is_used => return Ok(()),
        true => format!("'{IN_MEMORY}' ends with the process that has it, so that no other can look after its letters"),
        false if path.exists() => return Ok(()),
        // With Kafka the letters are elsewhere, and a file that only notes replays may be new.
        false if config.bus.kafka.is_some() => return Ok(()),
        false => format!("{} does not exist, so that there is no event bus in it", path.display()),
    };
    Err(config::Error::Key { place: "LLM_SRE_STORE, --store or file".to_owned(), key: "store.path".to_owned(), reason })
}

/// A refusal of the store as an error.
fn stored<T>(result: Result<T, tonic::Status>) -> anyhow::Result<T> {
    result.map_err(|status| anyhow::anyhow!(status.message().to_owned())).context("failed to ask the store")
}

#[cfg(test)]
mod tests;
