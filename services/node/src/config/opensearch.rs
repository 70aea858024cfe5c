//! The OpenSearch cluster that keeps documents, telemetry and leases, where one is configured.

use std::fmt;
use std::path::{Path, PathBuf};

use llm_sre_adapters::opensearch::SHARDS_MAX;
use serde::{Deserialize, Serialize};

/// The part of a key that has no right to be shown.
#[derive(Clone)]
pub(crate) struct Secret(String);

impl Secret {
    pub(crate) fn new(text: String) -> Self {
        Self(text)
    }

    /// For whom it is meant.
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// A cluster. The event bus stays in the store's file.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct OpenSearch {
    /// `http://host:port` or `https://host:port`.
    pub(crate) url: String,
    /// What the names of all indices begin with: lower-case letters, digits and hyphens.
    #[serde(default = "prefix")]
    pub(crate) prefix: String,
    /// Shards of each day's index of telemetry: one for each 20,000 records a second. It holds from the next day on.
    #[serde(default = "shards")]
    pub(crate) shards: u32,
    /// The user to sign in as.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) user: Option<String>,
    /// The file with that user's password, beside the configuration's where it is relative. The variable
    /// `LLM_SRE_OPENSEARCH_PASSWORD` comes before it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) password_file: Option<PathBuf>,
    /// Certificates of authorities to trust beside the system's, as PEM; beside the configuration's file, too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) ca_file: Option<PathBuf>,
    /// What the variable says.
    #[serde(skip)]
    pub(crate) password: Option<Secret>,
}

fn prefix() -> String {
    "llm-sre".to_owned()
}

fn shards() -> u32 {
    1
}

impl OpenSearch {
    /// A cluster that asks for no password.
    pub(super) fn at(url: &str) -> Self {
        let (prefix, shards) = (prefix(), shards());
        Self { url: url.to_owned(), prefix, shards, user: None, password_file: None, ca_file: None, password: None }
    }

    /// Relative paths are meant beside the configuration's file.
    pub(super) fn beside(mut self, folder: &Path) -> Self {
        self.password_file = self.password_file.map(|file| folder.join(file));
        self.ca_file = self.ca_file.map(|file| folder.join(file));
        self
    }

    /// What is wrong, as a key and a reason. The reason shows no part of an address that may be a password.
    pub(super) fn check(&self) -> Result<(), (&'static str, &'static str)> {
        const FORM: &str = "does not have the form http://host:port or https://host:port";
        let uri: http::Uri = self.url.parse().map_err(|_| ("url", FORM))?;
        let authority = uri.authority().ok_or(("url", FORM))?;
        if authority.as_str().contains('@') {
            return Err(("url", "holds a user or password, which belong in user and password_file"));
        }
        let is_secure = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(("url", FORM)),
        };
        if authority.port_u16().is_none() || !matches!(uri.path(), "" | "/") || uri.query().is_some() {
            return Err(("url", FORM));
        }
        if !(1..=SHARDS_MAX).contains(&self.shards) {
            return Err(("shards", "is not from 1 to 64"));
        }
        let has_password = self.password.is_some() || self.password_file.is_some();
        match &self.user {
            Some(_) if !has_password => {
                Err(("password_file", "is required beside user, or LLM_SRE_OPENSEARCH_PASSWORD"))
            }
            None if has_password => Err(("user", "is required beside a password")),
            Some(_) if !is_secure && !is_loopback(authority.host()) => {
                Err(("url", "would send the password readably over the network; it must begin with https"))
            }
            _ if self.ca_file.is_some() && !is_secure => Err(("ca_file", "is of no use where url begins with http:")),
            _ => Ok(()),
        }
    }
}

pub(super) fn is_loopback(host: &str) -> bool {
    let address = host.trim_matches(['[', ']']).parse::<std::net::IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}
