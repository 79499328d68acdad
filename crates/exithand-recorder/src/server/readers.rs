//! Reads the history on threads where that may block.

use std::fmt;
use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use crate::{History, HistoryError};

/// A history that a thread can take along.
pub type AnyHistory = Box<dyn History + Send>;

/// Opens the history to be read.
pub type OpenHistory = Arc<dyn Fn() -> Result<AnyHistory, HistoryError> + Send + Sync>;

/// Two readers: a long query must not keep those waiting who ask for one outcome.
#[derive(Clone)]
pub(crate) struct Readers {
    open: OpenHistory,
    path: PathBuf,
    quick: Arc<Mutex<Option<AnyHistory>>>,
    slow: Arc<Mutex<Option<AnyHistory>>>,
}

/// How long a question may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pace {
    /// About one process.
    Quick,
    /// About many.
    Slow,
}

impl fmt::Debug for Readers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Readers")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

impl Readers {
    pub(crate) fn new(path: PathBuf, open: OpenHistory) -> Self {
        Self {
            open,
            path,
            quick: Arc::default(),
            slow: Arc::default(),
        }
    }

    /// Asks the history; one question at a time for each pace.
    pub(crate) async fn ask<T: Send + 'static>(
        &self,
        pace: Pace,
        question: impl FnOnce(&dyn History) -> Result<T, HistoryError> + Send + 'static,
    ) -> Result<T, HistoryError> {
        let reader = match pace {
            Pace::Quick => Arc::clone(&self.quick),
            Pace::Slow => Arc::clone(&self.slow),
        };
        let open = Arc::clone(&self.open);
        let asked = tokio::task::spawn_blocking(move || {
            let mut held = reader.lock().unwrap_or_else(PoisonError::into_inner);
            let history = match held.take() {
                Some(history) => history,
                None => open()?,
            };
            let answer = question(&*history);
            // One that failed may be another file by now.
            if answer.is_ok() {
                *held = Some(history);
            }
            answer
        });
        asked
            .await
            .unwrap_or_else(|panic| Err(HistoryError::Refused(panic.to_string())))
    }

    /// Returns what the store's files take up.
    pub(crate) fn store_bytes(&self) -> u64 {
        let size = |suffix: &str| {
            let mut path = self.path.clone().into_os_string();
            path.push(suffix);
            fs::metadata(path).map_or(0, |it| it.len())
        };
        ["", "-wal", "-shm"].map(size).iter().sum()
    }
}
