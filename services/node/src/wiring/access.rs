//! Which tokens this process asks for, and which it shows to whom.

use std::path::Path;

use llm_sre_mesh::access::{Access, Bearer};

use super::Ways;
use crate::config::{self, Config, Target};

/// What the ports ask.
pub(super) fn at_ports(config: &Config) -> Result<Access, config::Error> {
    config.access.at_ports().map_err(|(key, reason)| wrong("file", format!("access.{key}"), reason))
}

/// The ways to the other processes, which ask for the same tokens as this one.
pub(crate) fn ways(config: &Config) -> Result<Ways, config::Error> {
    const PLACE: &str = "LLM_SRE_PEER_TOKEN or file";
    let token = config.access.for_peers().map_err(|(key, reason)| wrong(PLACE, format!("access.{key}"), reason))?;
    let peers = &config.peers;
    let has_peers = [&peers.gateway, &peers.detector, &peers.diagnosis, &peers.remediation, &peers.indexer]
        .iter()
        .any(|at| !at.is_empty());
    if token.is_some() && config.access.tokens.is_empty() {
        let reason = "makes no sense without access.tokens: whoever reaches this process would act as it".to_owned();
        return Err(wrong(PLACE, "access.peer_token_file".to_owned(), reason));
    }
    if token.is_none() && has_peers && !config.access.tokens.is_empty() {
        let reason = "is required, or LLM_SRE_PEER_TOKEN, where there are access.tokens and peers".to_owned();
        return Err(wrong(PLACE, "access.peer_token_file".to_owned(), reason));
    }
    Ok(Ways::Network(token))
}

/// What a target asks for.
pub(super) fn for_target(index: usize, target: &Target) -> Result<Option<Bearer>, config::Error> {
    let key = format!("targets[{index}].token_file");
    let read = |file| config::token_of(&key, file).map_err(|(key, reason)| wrong("file", key, reason));
    target.token_file.as_deref().map(read).transpose()
}

/// The token of whoever asks from the command line: of the flag's file, or else of the variable.
pub(crate) fn own_token(flag: Option<&Path>, config: &Config) -> Result<Option<Bearer>, config::Error> {
    if let Some(file) = flag {
        let read = config::token_of("FILE", file);
        return read.map(Some).map_err(|(key, reason)| wrong("--token-file", key, reason));
    }
    let said = config.access.own_token.as_ref().map(|token| config::token_said("LLM_SRE_TOKEN", token));
    said.transpose().map_err(|(key, reason)| wrong("environment", key, reason))
}

fn wrong(place: &str, key: String, reason: String) -> config::Error {
    config::Error::Key { place: place.to_owned(), key, reason }
}
