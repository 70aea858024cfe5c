//! A copy of a store as of one moment, made while others use it, and the way back.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags};

use super::Options;
use super::open::{self, Error};

/// By how much fencing tokens are ahead in a store that was restored: targets have seen greater ones since the copy was
/// made, and refuse what is older. More than the leases of a store are given away in its life.
const TOKENS_AHEAD: i64 = 1_000_000_000;

/// Copies a store to a file of its own, and gives its size in bytes. Other processes may go on writing: the copy is what
/// the store was at one moment. It was checked, and is on disk, before it has its name.
///
/// # Errors
/// Where `from` is no store or damaged, where there is something at `to`, or where it cannot be written.
pub fn back_up(from: &Path, to: &Path) -> Result<u64, Error> {
    copy(from, to, |_| Ok(()))
}

/// Puts a copy where a store shall be, and gives its size in bytes. Its leases have ended, and their next fencing tokens
/// are greater than any that was given out after the copy was made.
///
/// # Errors
/// As of [`back_up`]. A store that is there already has to be moved away by whoever wants it gone.
pub fn restore(from: &Path, to: &Path) -> Result<u64, Error> {
    copy(from, to, |copy| {
        copy.execute("UPDATE leases SET token = token + ?1, until_ms = 0", [TOKENS_AHEAD]).map(|_| ())
    })
}

fn copy(from: &Path, to: &Path, adapt: impl FnOnce(&Connection) -> rusqlite::Result<()>) -> Result<u64, Error> {
    if !from.is_file() {
        return Err(Error::NotAFile { path: from.to_owned() });
    }
    // A log of another store beside the copy would become part of it.
    if let Some(there) = ["", "-wal", "-shm"].map(|end| beside(to, end)).into_iter().find(|path| path.exists()) {
        return Err(Error::Exists { path: there });
    }
    let part = beside(to, ".part");
    let made = make(from, &part, adapt).and_then(|()| {
        put_in_place(&part, to).map_err(|source| match source.kind() {
            io::ErrorKind::AlreadyExists => Error::Exists { path: to.to_owned() },
            _ => Error::Copy { path: to.to_owned(), source },
        })
    });
    for end in ["", "-wal", "-shm", "-journal"] {
        remove(&beside(&part, end));
    }
    made
}

/// Copies, changes and checks.
fn make(from: &Path, part: &Path, adapt: impl FnOnce(&Connection) -> rusqlite::Result<()>) -> Result<(), Error> {
    // What is left of a copy that was cut short.
    remove(part);
    let of = |error| Error::from_sqlite(from, error);
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let source = Connection::open_with_flags(from, flags).map_err(of)?;
    source.busy_timeout(Options::default().busy_timeout).map_err(of)?;
    if !open::identify(from, &source)? {
        return Err(Error::NotAStore { path: from.to_owned() });
    }
    let failed = |source| Error::Copy { path: part.to_owned(), source };
    let name = part.to_str().ok_or_else(|| failed(io::Error::other("its path is no text")))?;
    source.execute("VACUUM INTO ?1", [name]).map_err(|error| match Error::from_sqlite(from, error) {
        // A disk that is full, or a folder that is not there, is the copy's and not the store's.
        Error::Open { source, .. } => failed(io::Error::other(source)),
        damaged => damaged,
    })?;
    let of = |error| Error::from_sqlite(part, error);
    let made = Connection::open_with_flags(part, flags).map_err(of)?;
    let verdict: String = made.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0)).map_err(of)?;
    if verdict != "ok" || !open::identify(part, &made)? {
        return Err(Error::Corrupt { path: from.to_owned(), reason: verdict });
    }
    adapt(&made).map_err(of)?;
    open::use_write_ahead_log(&made).map_err(of)?;
    // The last connection takes the log into the file.
    made.close().map_err(|(_, error)| of(error))
}

/// On disk first, then by its name. As a second name of the file, since a renamed one would take the place of a store that
/// came to be there meanwhile.
fn put_in_place(part: &Path, to: &Path) -> io::Result<u64> {
    let file = File::open(part)?;
    file.sync_all()?;
    std::fs::hard_link(part, to)?;
    let folder = to.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()?;
    Ok(file.metadata()?.len())
}

fn beside(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    PathBuf::from(name)
}

fn remove(path: &Path) {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            tracing::warn!(%error, path = %path.display(), "failed to remove what is left of a copy");
        }
        _ => {}
    }
}
