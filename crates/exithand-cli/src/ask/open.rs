//! Where the history is: the recorder's socket, or the store's file.

use std::path::PathBuf;

use exithand_recorder::store::Store;
use exithand_recorder::{ExitRecord, History, HistoryError, Usage};

use super::tale::Details;
use crate::failure::Failure;

/// Where the recorder of the whole machine keeps its history.
pub const SYSTEM_STORE: &str = "/var/lib/exithand/history.db";

/// Where to ask.
#[derive(Debug, clap::Args)]
pub struct SourceArgs {
    /// Read the history in this file, and ask no recorder
    #[arg(long, value_name = "FILE")]
    store: Option<PathBuf>,
}

impl SourceArgs {
    /// Opens the history that was named, or the first of the usual ones that there is.
    ///
    /// # Errors
    ///
    /// Where there is none that this user can ask.
    pub fn open(&self) -> Result<Opened, Failure> {
        let path = self.store.clone().unwrap_or_else(|| SYSTEM_STORE.into());
        let store = Store::open(&path).map_err(HistoryError::from)?;
        Ok(Opened {
            history: Box::new(store),
            via: Via::Store,
        })
    }
}

/// A history that can be asked.
pub struct Opened {
    /// The history.
    pub history: Box<dyn History>,
    via: Via,
}

impl std::fmt::Debug for Opened {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Opened")
            .field("via", &self.via)
            .finish_non_exhaustive()
    }
}

/// Who answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Via {
    Store,
    Recorder,
}

impl Opened {
    /// Says whether the recorder keeps the details of `record` from this user, as far as the
    /// record shows: none is there, and it is somebody else's.
    pub fn details(&self, record: &ExitRecord) -> Details {
        let own = rustix::process::geteuid();
        let bare = record.argv.is_none()
            && record.exe.is_none()
            && record.killer.is_none()
            && record.usage == Usage::default();
        if self.via == Via::Recorder && !own.is_root() && record.uid != Some(own.as_raw()) && bare {
            Details::Withheld
        } else {
            Details::Told
        }
    }
}
