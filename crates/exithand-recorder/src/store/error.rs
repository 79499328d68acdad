//! What can be wrong with a store.

use std::io;
use std::path::{Path, PathBuf};

use rusqlite::ErrorCode;

/// Why a store cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// There is no such file.
    #[error("no history at {}: `exithand record` makes one", path.display())]
    Absent {
        /// The store.
        path: PathBuf,
    },
    /// The file is not ours to read.
    #[error("no permission to read the history at {}: ask root, or have the recorder run with --details", path.display())]
    Denied {
        /// The store.
        path: PathBuf,
    },
    /// The file cannot be written.
    #[error("the history at {} is read-only: name another file with --store", path.display())]
    ReadOnly {
        /// The store.
        path: PathBuf,
    },
    /// A newer exithand wrote it.
    #[error(
        "the history at {} has version {found}, made by a newer exithand; this one knows {known} and leaves it alone: update exithand, or name another file with --store",
        path.display()
    )]
    Newer {
        /// The store.
        path: PathBuf,
        /// Its version.
        found: i64,
        /// Ours.
        known: i64,
    },
    /// An older exithand wrote it, and only a recorder may change it.
    #[error(
        "the history at {} has version {found}, made by an older exithand: start `exithand record` once, which brings it to version {known}",
        path.display()
    )]
    Older {
        /// The store.
        path: PathBuf,
        /// Its version.
        found: i64,
        /// Ours.
        known: i64,
    },
    /// Another recorder writes it.
    #[error(
        "the history at {} is written by another recorder{}: end that one, or name another file with --store",
        path.display(),
        pid.map_or_else(String::new, |pid| format!(", pid {pid}"))
    )]
    Locked {
        /// The store.
        path: PathBuf,
        /// The other recorder's pid, if it said.
        pid: Option<u32>,
    },
    /// It is not what it should be.
    #[error(
        "the history at {} is damaged ({what}): `exithand record` sets it aside and starts a new one",
        path.display()
    )]
    Damaged {
        /// The store.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// Its last records are in a log that only a writer can take in.
    #[error(
        "the history at {} was not closed, and nobody may write there: copy it and the file {}-wal to a folder of yours",
        path.display(), path.display()
    )]
    Unclosed {
        /// The store.
        path: PathBuf,
    },
    /// It is something else.
    #[error("{} is no history: name another file with --store", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// There is no room left.
    #[error("no room for the history at {}: free some, or set a lower limit", path.display())]
    Full {
        /// The store.
        path: PathBuf,
    },
    /// It is as large as it may be, and a reader keeps it from shrinking.
    #[error(
        "the history at {} is as large as it may be, and a program that reads it keeps old records in it: end that program",
        path.display()
    )]
    Pinned {
        /// The store.
        path: PathBuf,
    },
    /// SQLite failed in another way.
    #[error("the history at {}", path.display())]
    Sqlite {
        /// The store.
        path: PathBuf,
        /// How.
        source: rusqlite::Error,
    },
    /// The system refused something.
    #[error("{what} {}", path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// Sorts what SQLite says into what can be done about it.
pub(crate) fn from_sqlite(path: &Path, error: rusqlite::Error) -> StoreError {
    let path = path.to_owned();
    let damaged = |error: &rusqlite::Error| StoreError::Damaged {
        path: path.clone(),
        what: error.to_string(),
    };
    match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => return damaged(&error),
        Some(ErrorCode::ReadOnly) => return StoreError::ReadOnly { path },
        Some(ErrorCode::PermissionDenied) => return StoreError::Denied { path },
        Some(ErrorCode::DiskFull) => return StoreError::Full { path },
        _ => {}
    }
    match error {
        // The tables hold what no exithand wrote.
        rusqlite::Error::FromSqlConversionFailure(..)
        | rusqlite::Error::InvalidColumnType(..)
        | rusqlite::Error::IntegralValueOutOfRange(..)
        | rusqlite::Error::Utf8Error(..) => damaged(&error),
        source => StoreError::Sqlite { path, source },
    }
}
