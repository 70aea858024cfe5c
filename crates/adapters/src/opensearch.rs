//! Documents, telemetry and leases in an OpenSearch cluster, which any number of machines may share.
//!
//! Nothing is remembered here that another process could change. A document is read by its id, which is always as it
//! was last written; a search refreshes the indices that it asks first, so that it finds what was written before by
//! anyone. Each call has a time-out, and is repeated within bounds only where a repeat is harmless.

mod client;
mod documents;
mod failure;
mod keys;
mod leases;
mod mappings;
mod telemetry;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use client::Client;
use failure::Failure;

pub use documents::OpenSearchDocuments;
pub use leases::OpenSearchLeases;
pub use telemetry::OpenSearchTelemetry;

/// The longest prefix: with 32 names of indices, a search's address stays under the 4 KiB that a node takes.
const PREFIX_BYTES_MAX: usize = 64;

/// The most shards of an index: more than a cluster has use for that takes a million records a second.
pub const SHARDS_MAX: u32 = 64;

/// A password, which shows in no log.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(String);

impl Password {
    /// Keeps it.
    pub fn new(password: String) -> Self {
        Self(password)
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(…)")
    }
}

/// Where the cluster is and how it is spoken to.
#[derive(Clone, Debug)]
pub struct Options {
    /// `http://host:port` or `https://host:port`. No proxy is used.
    pub url: String,
    /// What the names of all indices begin with: lower-case letters, digits and hyphens, first a letter.
    pub prefix: String,
    /// User and password.
    pub credentials: Option<(String, Password)>,
    /// Authorities that are trusted beside the system's, as PEM.
    pub authorities_pem: Option<Vec<u8>>,
    /// Shards of each day's index of telemetry, from 1 to [`SHARDS_MAX`]; it holds for indices that are made from now
    /// on. One shard takes two thousand million records, which are 24,000 a second, and one node's work.
    pub shards: u32,
    /// The longest that one request may take.
    pub timeout: Duration,
    /// How long [`Store::open`] waits for a cluster that is starting, too.
    pub start_wait: Duration,
    /// Spreads the waits between repeats, so that many who failed together do not come again together.
    pub seed: u64,
}

impl Options {
    /// A cluster without sign-in.
    pub fn new(url: &str, prefix: &str) -> Self {
        Self {
            url: url.to_owned(),
            prefix: prefix.to_owned(),
            credentials: None,
            authorities_pem: None,
            shards: 1,
            // A cluster that is at its limit answers a bulk request within seconds.
            timeout: Duration::from_secs(30),
            // A node that starts together with this process is ready in 10 to 30 seconds.
            start_wait: Duration::from_secs(60),
            seed: 0,
        }
    }
}

/// Why a cluster cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A prefix that is none.
    #[error(
        "the prefix '{prefix}' is not of lower-case letters, digits and hyphens, first a letter, at most {PREFIX_BYTES_MAX}"
    )]
    Prefix {
        /// The prefix.
        prefix: String,
    },
    /// An address or a certificate that is none.
    #[error("failed to set up the connection to {url}: {reason}")]
    Connection {
        /// The address.
        url: String,
        /// What is wrong.
        reason: String,
    },
    /// The cluster does not answer. It may be starting, or away.
    #[error("{url} does not answer: {reason}")]
    Unavailable {
        /// The address.
        url: String,
        /// What is known of why.
        reason: String,
    },
    /// The cluster refuses what is to be made, or these credentials.
    #[error("failed to prepare the indices '{prefix}-*' on {url}: {reason}")]
    Prepare {
        /// The address.
        url: String,
        /// The prefix.
        prefix: String,
        /// What is wrong.
        reason: String,
    },
}

/// A prepared cluster. Cloning gives another handle on it.
#[derive(Clone, Debug)]
pub struct Store {
    client: Arc<Client>,
    prefix: Arc<str>,
}

impl Store {
    /// For who can do without the cluster for a while: nothing is asked, and nothing is made, so that somebody else has to.
    ///
    /// # Errors
    /// Where the options are wrong.
    pub fn connect(options: Options) -> Result<Self, Error> {
        let Options { url, prefix, .. } = options.clone();
        let is_name = |prefix: &str| {
            prefix.len() <= PREFIX_BYTES_MAX
                && prefix.starts_with(|first: char| first.is_ascii_lowercase())
                && prefix.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
        };
        if !is_name(&prefix) {
            return Err(Error::Prefix { prefix });
        }
        let client = Client::new(options).map_err(|reason| Error::Connection { url: url.clone(), reason })?;
        Ok(Self { client: Arc::new(client), prefix: prefix.as_str().into() })
    }

    /// Connects, and makes or brings up to date the templates and indices that are needed.
    ///
    /// # Errors
    /// Where the options are wrong, or the cluster does not answer within [`Options::start_wait`].
    pub async fn open(options: Options) -> Result<Self, Error> {
        let Options { url, prefix, start_wait, shards, .. } = options.clone();
        let store = Self::connect(options)?;
        let deadline = tokio::time::Instant::now() + start_wait;
        let mut backoff = store.client.backoff();
        loop {
            match mappings::prepare(&store.client, &prefix, shards).await {
                Ok(()) => return Ok(store),
                Err(Failure::Unavailable(_)) if tokio::time::Instant::now() < deadline => backoff.wait().await,
                Err(Failure::Unavailable(reason)) => return Err(Error::Unavailable { url, reason }),
                Err(failure) => return Err(Error::Prepare { url, prefix, reason: failure.to_string() }),
            }
        }
    }

    /// The documents of the cluster.
    pub fn documents(&self) -> OpenSearchDocuments {
        OpenSearchDocuments::new(self)
    }

    /// The leases of the cluster.
    pub fn leases(&self) -> OpenSearchLeases {
        OpenSearchLeases::new(self)
    }

    /// The telemetry of the cluster.
    pub fn telemetry(&self) -> OpenSearchTelemetry {
        OpenSearchTelemetry::new(self)
    }
}
