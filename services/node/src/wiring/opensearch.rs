//! A store in an OpenSearch cluster, beside an embedded bus.

use std::path::Path;
use std::sync::Arc;

use llm_sre_adapters::opensearch::{Error, Options, Password, Store};

use super::Backend;
use crate::config::{self, OpenSearch};

/// The backend with its documents, telemetry and leases in the cluster.
pub(super) async fn beside(embedded: Backend, cluster: &OpenSearch) -> Result<Backend, config::Error> {
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
    let store = Store::open(options).await.map_err(|error| {
        let key = match &error {
            Error::Prefix { .. } => "prefix",
            Error::Connection { .. } | Error::Prepare { .. } => "url",
        };
        wrong(key, error.to_string())
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
