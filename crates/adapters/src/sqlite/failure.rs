//! What SQLite's errors mean to the ports.

use std::path::Path;

use llm_sre_ports::{bus, documents, leases, telemetry};
use rusqlite::ErrorCode;

use super::open::PUT_BACK;

/// Why something could not be done, whoever asked.
#[derive(Clone, Debug)]
pub(super) enum Failure {
    /// No room on the disk, or within the file's own limit.
    Full,
    /// What is stored cannot be read.
    Corrupt(String),
    /// Another process holds the file, or the disk does not answer.
    Unavailable(String),
}

/// Why a piece of work has no result.
#[derive(Debug)]
pub(super) enum Fault<E> {
    /// The port's own refusal.
    Refused(E),
    /// The store's failure.
    Failed(Failure),
}

/// What a piece of work comes to.
pub(super) type Answer<T, E> = Result<T, Fault<E>>;

impl Failure {
    /// Something stored that is not what was stored.
    pub(super) fn corrupt(what: &str, reason: impl std::fmt::Display) -> Self {
        Self::Corrupt(format!("{what}: {reason}"))
    }

    fn named(self, path: &Path) -> Self {
        let name = |reason: String| format!("{}: {reason}", path.display());
        match self {
            Self::Full => Self::Full,
            Self::Corrupt(reason) => Self::Corrupt(name(reason)),
            Self::Unavailable(reason) => Self::Unavailable(name(reason)),
        }
    }
}

impl<E: From<Failure>> Fault<E> {
    pub(super) fn into_error(self, path: &Path) -> E {
        match self {
            Self::Refused(error) => error,
            Self::Failed(failure) => failure.named(path).into(),
        }
    }
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => Self::Full,
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Self::Corrupt(format!("{error}; {PUT_BACK}")),
            Some(_) => Self::Unavailable(error.to_string()),
            // A column of another type than the one that was written.
            None => Self::Corrupt(error.to_string()),
        }
    }
}

impl<E> From<rusqlite::Error> for Fault<E> {
    fn from(error: rusqlite::Error) -> Self {
        Self::Failed(error.into())
    }
}

impl<E> From<Failure> for Fault<E> {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl From<Failure> for bus::Error {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Full => Self::Full,
            Failure::Corrupt(reason) | Failure::Unavailable(reason) => Self::Unavailable(reason),
        }
    }
}

impl From<Failure> for telemetry::Error {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Full => Self::Full,
            Failure::Corrupt(reason) => Self::Corrupt(reason),
            Failure::Unavailable(reason) => Self::Unavailable(reason),
        }
    }
}

impl From<Failure> for documents::Error {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Full => Self::Full,
            // Which document it was is known only where one was decoded; a damaged file is no document's fault.
            Failure::Corrupt(reason) | Failure::Unavailable(reason) => Self::Unavailable(reason),
        }
    }
}

impl From<Failure> for leases::Error {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Full => Self::Unavailable("the store is full".to_owned()),
            Failure::Corrupt(reason) | Failure::Unavailable(reason) => Self::Unavailable(reason),
        }
    }
}
