//! What can be wrong with a store.

use std::io;
use std::path::PathBuf;

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
