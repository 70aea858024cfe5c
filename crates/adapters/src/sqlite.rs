//! The embedded store: event bus, documents, telemetry and leases in one SQLite file.
//!
//! Several processes of one machine may have the file open. So nothing that another process can change is kept in
//! memory: each call reads it from the file, and consumers look for news with a bounded backoff. One thread writes and
//! puts what waits into one transaction, which is on disk before anyone is answered; a few connections read.

mod backup;
mod bus;
mod documents;
mod failure;
mod leases;
mod open;
mod readers;
mod telemetry;
mod time;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use llm_sre_ports::bus::MEMBER_LEASE;
use rusqlite::Connection;
use tokio::sync::Notify;

use failure::{Answer, Failure};
use readers::Readers;
use writer::Writer;

pub use backup::{back_up, restore};
pub use bus::SqliteBus;
pub use documents::SqliteDocuments;
pub use leases::SqliteLeases;
pub use open::Error;
pub use telemetry::SqliteTelemetry;

/// How the store works.
#[derive(Clone, Debug)]
pub struct Options {
    /// How long a member of a group may be silent, in real time. All processes on a file must agree.
    pub member_lease: Duration,
    /// How long a write waits for one of another process.
    pub busy_timeout: Duration,
    /// The longest wait between two looks for what other processes published.
    pub max_poll_wait: Duration,
    /// The most bytes that the file may have; `None` leaves that to the disk.
    pub file_bytes_max: Option<u64>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            member_lease: MEMBER_LEASE,
            // Longer than the longest transaction, an append of the largest batch, by far.
            busy_timeout: Duration::from_secs(5),
            max_poll_wait: Duration::from_millis(200),
            file_bytes_max: None,
        }
    }
}

/// An open file. Cloning gives another handle on it; the file is closed with the last one.
#[derive(Clone, Debug)]
pub struct Store(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    path: PathBuf,
    options: Options,
    writer: Writer,
    /// For questions, which may take their time.
    readers: Readers,
    /// For consumers, whose memberships must not wait behind a question.
    pollers: Readers,
    /// Wakes the consumers of this process; those of others find out when they look.
    news: Notify,
}

impl Store {
    /// Opens a file, and makes it where there is none.
    ///
    /// # Errors
    /// Where the path cannot be opened, is not a store of LLM-SRE, or was written by a newer version.
    pub fn open(path: &Path, options: Options) -> Result<Self, Error> {
        let writing = open::writing(path, &options)?;
        let (readers, pollers) = (Readers::new(path, &options), Readers::new(path, &options));
        let writer = Writer::start(writing).map_err(|source| Error::Thread { path: path.to_owned(), source })?;
        let path = path.to_owned();
        Ok(Self(Arc::new(Shared { path, options, writer, readers, pollers, news: Notify::new() })))
    }

    /// The event bus in the file.
    pub fn bus(&self) -> SqliteBus {
        SqliteBus::new(self.clone())
    }

    /// The documents in the file.
    pub fn documents(&self) -> SqliteDocuments {
        SqliteDocuments::new(self.clone())
    }

    /// The telemetry in the file.
    pub fn telemetry(&self) -> SqliteTelemetry {
        SqliteTelemetry::new(self.clone())
    }

    /// The leases in the file.
    pub fn leases(&self) -> SqliteLeases {
        SqliteLeases::new(self.clone())
    }

    /// Runs `work` in a transaction of the writing thread; it is on disk when this returns. `work` may be run again
    /// where the transaction that it shared with others could not be made. What it refuses leaves no trace.
    async fn write<T, E>(&self, work: impl FnMut(&Connection) -> Answer<T, E> + Send + 'static) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<Failure> + Send + 'static,
    {
        self.0.writer.write(work).await.map_err(|fault| fault.into_error(&self.0.path))
    }

    /// Runs `work` on one snapshot of the file.
    async fn read<T, E>(&self, work: impl FnOnce(&Connection) -> Answer<T, E> + Send + 'static) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<Failure> + Send + 'static,
    {
        self.0.readers.read(work).await.map_err(|fault| fault.into_error(&self.0.path))
    }

    /// [`Store::read`] for the bus.
    async fn poll<T, E>(&self, work: impl FnOnce(&Connection) -> Answer<T, E> + Send + 'static) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<Failure> + Send + 'static,
    {
        self.0.pollers.read(work).await.map_err(|fault| fault.into_error(&self.0.path))
    }

    fn options(&self) -> &Options {
        &self.0.options
    }
}
