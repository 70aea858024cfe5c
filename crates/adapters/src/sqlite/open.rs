//! Opening a file, and telling a store from everything else.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::Options;

/// The shape of the tables. It grows with each change to [`SCHEMA`], which then also needs a way from the one before.
const VERSION: i64 = 1;
const SCHEMA: &str = include_str!("schema.sql");
/// `PRAGMA application_id` of a store: "LSRE".
const APPLICATION: i64 = 0x4c53_5245;
/// Statements that a connection keeps prepared: more than there are.
const STATEMENTS: usize = 128;
/// Pages between two checkpoints. At 4 KiB a page the log stays at about 16 MiB.
const CHECKPOINT_PAGES: u32 = 4_000;

/// What helps where a file is damaged.
pub(super) const PUT_BACK: &str = "move it away and put a copy in its place with `llm-sre store restore`";

/// Why a file cannot be opened as a store.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The path cannot be opened, read or written.
    #[error("failed to open the store {}", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: rusqlite::Error,
    },
    /// The path is no file.
    #[error("the store '{}' is not the path of a file", path.display())]
    NotAFile {
        /// The path.
        path: PathBuf,
    },
    /// The file is something else.
    #[error("{} is not a database; name the file of a store, or of none yet", path.display())]
    NotADatabase {
        /// The file.
        path: PathBuf,
    },
    /// The file is the database of another program.
    #[error("{} is a database, but not a store of LLM-SRE; name another file", path.display())]
    NotAStore {
        /// The file.
        path: PathBuf,
    },
    /// The file was written by a newer LLM-SRE.
    #[error(
        "{} has version {found} of the store, and this build knows up to {VERSION}; run the version that wrote it",
        path.display()
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: i64,
    },
    /// The file was written by an older LLM-SRE than there is a way from.
    #[error("{} has version {found} of the store, and this build has no way from there to {VERSION}", path.display())]
    Older {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: i64,
    },
    /// The file is damaged.
    #[error("{} is damaged: {reason}; {PUT_BACK}", path.display())]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// How it shows.
        reason: String,
    },
    /// There is something where a copy shall be.
    #[error("{} is there already; move it away first", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// A copy cannot be put in its place.
    #[error("failed to write the copy {}", path.display())]
    Copy {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The thread that writes cannot be started.
    #[error("failed to start the writing thread of {}", path.display())]
    Thread {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

impl Error {
    pub(super) fn from_sqlite(path: &Path, error: rusqlite::Error) -> Self {
        let path = path.to_owned();
        match error.sqlite_error_code() {
            Some(ErrorCode::NotADatabase) => Self::NotADatabase { path },
            Some(ErrorCode::DatabaseCorrupt) => Self::Corrupt { path, reason: error.to_string() },
            _ => Self::Open { path, source: error },
        }
    }
}

/// The connection that writes; makes the tables where there are none.
pub(super) fn writing(path: &Path, options: &Options) -> Result<Connection, Error> {
    // What SQLite calls a database in memory, or a temporary one, is another one for each connection.
    if path.as_os_str().is_empty() || path.as_os_str() == ":memory:" {
        return Err(Error::NotAFile { path: path.to_owned() });
    }
    check_log(path)?;
    let of = |error| Error::from_sqlite(path, error);
    let connection = connect(path, options).map_err(of)?;
    check_or_create(path, &connection)?;
    // A commit is on disk before it returns, so that not even a power cut loses what was acknowledged.
    connection.pragma_update(None, "synchronous", "FULL").map_err(of)?;
    connection.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES).map_err(of)?;
    connection.pragma_update(None, "journal_size_limit", 64 * 1024 * 1024).map_err(of)?;
    if let Some(bytes) = options.file_bytes_max {
        let page: i64 = connection.pragma_query_value(None, "page_size", |row| row.get(0)).map_err(of)?;
        let pages = i64::try_from(bytes).unwrap_or(i64::MAX) / page.max(1);
        connection.pragma_update_and_check(None, "max_page_count", pages, |_| Ok(())).map_err(of)?;
    }
    Ok(connection)
}

/// SQLite takes an empty file for a new database and removes the log beside it. Where there is one, it was a store that
/// lost what it had, and is not begun anew in silence.
fn check_log(path: &Path) -> Result<(), Error> {
    let bytes = |path: &Path| std::fs::metadata(path).map_or(0, |found| found.len());
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    if path.is_file() && bytes(path) == 0 && bytes(Path::new(&log)) > 0 {
        return Err(Error::Corrupt { path: path.to_owned(), reason: "it is empty, and its log is not".to_owned() });
    }
    Ok(())
}

/// A connection that reads.
pub(super) fn reading(path: &Path, options: &Options) -> rusqlite::Result<Connection> {
    let connection = connect(path, options)?;
    connection.pragma_update(None, "query_only", true)?;
    Ok(connection)
}

fn connect(path: &Path, options: &Options) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(options.busy_timeout)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    Ok(connection)
}

fn check_or_create(path: &Path, connection: &Connection) -> Result<(), Error> {
    let of = |error| Error::from_sqlite(path, error);
    // In one snapshot: between two questions another process may make the tables.
    connection.execute_batch("BEGIN").map_err(of)?;
    let found = identify(path, connection);
    connection.execute_batch("COMMIT").map_err(of)?;
    if found? {
        return Ok(());
    }
    // Both must stand before the first table does. The log is part of the file from then on.
    connection.pragma_update(None, "auto_vacuum", "INCREMENTAL").map_err(of)?;
    use_write_ahead_log(connection).map_err(of)?;
    connection.execute_batch("BEGIN IMMEDIATE").map_err(of)?;
    let created = match identify(path, connection) {
        // Another process was faster.
        Ok(true) => Ok(()),
        Ok(false) => connection
            .execute_batch(SCHEMA)
            .and_then(|()| connection.pragma_update(None, "application_id", APPLICATION))
            .and_then(|()| connection.pragma_update(None, "user_version", VERSION))
            .map_err(of),
        Err(error) => Err(error),
    };
    let end = if created.is_ok() { "COMMIT" } else { "ROLLBACK" };
    created.and(connection.execute_batch(end).map_err(of))
}

/// Whether the file is a store; it is not yet one where it is empty.
pub(super) fn identify(path: &Path, connection: &Connection) -> Result<bool, Error> {
    let number = |sql: &str| -> Result<i64, Error> {
        connection.query_row(sql, [], |row| row.get(0)).map_err(|error| Error::from_sqlite(path, error))
    };
    let found = number("PRAGMA user_version")?;
    let is_ours = number("PRAGMA application_id")? == APPLICATION;
    let tables = number("SELECT count(*) FROM sqlite_schema")?;
    match (is_ours, found) {
        (true, VERSION) => Ok(true),
        (true, found) if found > VERSION => Err(Error::Newer { path: path.to_owned(), found }),
        (true, found) => Err(Error::Older { path: path.to_owned(), found }),
        (false, 0) if tables == 0 => Ok(false),
        _ => Err(Error::NotAStore { path: path.to_owned() }),
    }
}

/// Two processes that do this at once meet a lock that SQLite does not wait for by itself.
pub(super) fn use_write_ahead_log(connection: &Connection) -> rusqlite::Result<()> {
    const TRIES: usize = 50;
    const BETWEEN: Duration = Duration::from_millis(20);
    let mut tried = 0;
    loop {
        tried += 1;
        match connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(())) {
            Err(error) if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) && tried < TRIES => {
                std::thread::sleep(BETWEEN);
            }
            result => return result,
        }
    }
}
