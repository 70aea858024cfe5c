//! What a model's server is spoken to with.

use std::fmt;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};

/// The provider that Azure OpenAI is in OpenTelemetry's conventions.
const AZURE: &str = "azure.ai.openai";

/// A key, which shows in no log, and whose memory is wiped when it is dropped.
#[derive(Clone)]
pub struct Secret(SecretString);

impl Secret {
    /// Keeps it.
    pub fn new(key: String) -> Self {
        Self(key.into())
    }

    pub(super) fn expose(&self) -> &str {
        self.0.expose_secret()
    }

    pub(super) fn into_inner(self) -> SecretString {
        self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// Whose API it is, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Server {
    /// Azure OpenAI, with the dated API. The key goes into the header `api-key`.
    Azure {
        /// The resource's address, such as `https://name.openai.azure.com`.
        endpoint: String,
        /// Such as `2024-10-21`.
        api_version: String,
        /// The name under which a model was deployed.
        deployment: String,
    },
    /// OpenAI itself, or a server that speaks its API. The key, if there is one, goes along as bearer token.
    Compatible {
        /// What `/chat/completions` comes after, such as `http://127.0.0.1:8080/v1`.
        url: String,
        /// The model's name there.
        model: String,
        /// What [`provider`](llm_sre_ports::model::LanguageModel::provider) says, such as `openai`.
        provider: String,
    },
}

impl Server {
    pub(super) fn provider(&self) -> &str {
        match self {
            Self::Azure { .. } => AZURE,
            Self::Compatible { provider, .. } => provider,
        }
    }

    pub(super) fn model(&self) -> &str {
        match self {
            Self::Azure { deployment, .. } => deployment,
            Self::Compatible { model, .. } => model,
        }
    }
}

/// Where a model is and how it is spoken to. No proxy is used, and nothing is read from the environment.
#[derive(Clone, Debug)]
pub struct Options {
    /// The server.
    pub server: Server,
    /// What the server knows this product by; Azure asks for one.
    pub key: Option<Secret>,
    /// The longest that a call may take, with connecting, sending and reading.
    pub timeout: Duration,
    /// The longest answer that is read, in bytes of its JSON, from 1.
    pub answer_bytes_max: usize,
}

/// Which option is wrong. Nothing of the key is in it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BuildError {
    /// Nothing where something must be, or a time or size of zero.
    #[error("{option} is empty or zero")]
    Empty {
        /// The option.
        option: &'static str,
    },
    /// Azure knows nobody without a key.
    #[error("key is missing, and Azure asks for one")]
    KeyMissing,
    /// An address that is none of a server.
    #[error("{option} is not the address of a server: {reason}")]
    Address {
        /// The option.
        option: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// A user or a password within an address, where it would show in logs.
    #[error("{option} holds a user or a password; what the server is to know belongs into key")]
    Credentials {
        /// The option.
        option: &'static str,
    },
    /// The key would go to another machine for everybody on the way to read.
    #[error("{option} is plain http to another machine, which would show the key: use https")]
    ClearText {
        /// The option.
        option: &'static str,
    },
    /// A character that the option cannot have where it is put.
    #[error("{option} may consist of {allowed} only")]
    Characters {
        /// The option.
        option: &'static str,
        /// What it may consist of.
        allowed: &'static str,
    },
    /// TLS cannot be had on this machine.
    #[error("failed to set up TLS: {reason}")]
    Tls {
        /// What is wrong.
        reason: String,
    },
}
