//! A store in an OpenSearch cluster, beside an embedded bus.

use std::path::Path;
use std::sync::Arc;

use llm_sre_adapters::opensearch::{Error, Options, Password, Store};

use super::Backend;
use crate::config::{self, OpenSearch};

/// The backend with its documents, telemetry and leases in the cluster, which has to answer if it is needed.
pub(super) async fn beside(embedded: Backend, cluster: &OpenSearch, is_needed: bool) -> anyhow::Result<Backend> {
    let mut options = Options::new(&cluster.url, &cluster.prefix);
    options.shards = cluster.shards;
    // Each process has waits of its own.
    options.seed = uuid::Uuid::now_v7().as_u128() as u64;
    if let Some(file) = &cluster.ca_file {
        options.authorities_pem = Some(std::fs::read(file).map_err(|error| unreadable("ca_file", file, &error))?);
    }
    if let Some(user) = &cluster.user {
        options.credentials = Some((user.clone(), Password::new(password(cluster)?)));
    }
    let store = if is_needed { Store::open(options).await } else { Store::connect(options) };
    let store = store.map_err(|error| match error {
        Error::Prefix { .. } => wrong("prefix", error.to_string()).into(),
        Error::Connection { .. } | Error::Prepare { .. } => wrong("url", error.to_string()).into(),
        // Nothing is wrong with the configuration as far as anybody knows.
        Error::Unavailable { .. } => anyhow::Error::new(error).context("failed to open store.opensearch"),
    })?;
    Ok(Backend {
        documents: Arc::new(store.documents()),
        telemetry: Arc::new(store.telemetry()),
        leases: Arc::new(store.leases()),
        ..embedded
    })
}

fn password(cluster: &OpenSearch) -> Result<String, config::Error> {
    if let Some(password) = &cluster.password {
        return Ok(password.reveal().to_owned());
    }
    let Some(file) = &cluster.password_file else { return Err(wrong("password_file", "is required".to_owned())) };
    let text = std::fs::read_to_string(file).map_err(|error| unreadable("password_file", file, &error))?;
    // An editor ends the line.
    match text.trim_end_matches(['\r', '\n']) {
        "" => Err(wrong("password_file", format!("{} is empty", file.display()))),
        password => Ok(password.to_owned()),
    }
}

fn unreadable(key: &str, file: &Path, error: &std::io::Error) -> config::Error {
    wrong(key, format!("failed to read {}: {error}", file.display()))
}

fn wrong(key: &str, reason: String) -> config::Error {
    let place = "LLM_SRE_OPENSEARCH_URL, LLM_SRE_OPENSEARCH_PASSWORD or file".to_owned();
    config::Error::Key { place, key: format!("store.opensearch.{key}"), reason }
}
