//! `llm-sre store`

use llm_sre_adapters::sqlite;

use crate::cli::{Store, StoreCommand};
use crate::config::{self, Config};
use crate::output;
use crate::wiring::IN_MEMORY;

/// Copies the embedded store, or puts a copy in its place.
pub(crate) fn run(command: &Store, config: &Config) -> anyhow::Result<()> {
    check(config)?;
    let path = &config.store.path;
    let (from, to, bytes) = match &command.command {
        StoreCommand::Backup { file } => (path, file, sqlite::back_up(path, file)?),
        StoreCommand::Restore { file } => (file, path, sqlite::restore(file, path)?),
    };
    output::line(format!("{} is a sound copy of {}: {bytes} bytes", to.display(), from.display()))?;
    Ok(())
}

/// What is elsewhere is not copied, and nobody shall think that it was.
fn check(config: &Config) -> Result<(), config::Error> {
    let key = |key: &str, reason: &str| config::Error::Key {
        place: "the configuration".to_owned(),
        key: key.to_owned(),
        reason: reason.to_owned(),
    };
    if config.store.opensearch.is_some() {
        return Err(key(
            "store.opensearch",
            "documents and telemetry are in OpenSearch, which has snapshots of its own",
        ));
    }
    if config.store.path.as_os_str() == IN_MEMORY {
        return Err(key("store.path", "what is in memory ends with its process, and cannot be copied"));
    }
    Ok(())
}
