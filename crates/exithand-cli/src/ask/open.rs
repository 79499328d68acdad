//! Where the history is: behind the recorder's socket, or in the store's file.

use std::fmt;
use std::path::PathBuf;

use anyhow::anyhow;
use exithand_recorder::client::{ClientError, DEFAULT_SOCKET};
use exithand_recorder::sight::reduced;
use exithand_recorder::store::{Store, StoreError};
use exithand_recorder::{Client, ExitRecord, History, HistoryError};

use super::tale::Details;
use crate::failure::Failure;
use crate::record::{SYSTEM_STORE, socket_path, store_path};

/// Where to ask.
#[derive(Debug, clap::Args)]
pub struct SourceArgs {
    /// Read the history in this file, and ask no recorder
    #[arg(long, value_name = "FILE", conflicts_with = "socket")]
    store: Option<PathBuf>,

    /// Ask the recorder at this socket, and read no file
    #[arg(long, value_name = "PATH")]
    socket: Option<PathBuf>,
}

/// A history that can be asked.
pub struct Opened {
    /// The history.
    pub history: Box<dyn History>,
    via: Via,
}

impl fmt::Debug for Opened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opened")
            .field("via", &self.via)
            .finish_non_exhaustive()
    }
}

/// Who answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Via {
    /// The file, of which all that is there can be read.
    Store,
    /// The recorder, which may keep details to itself.
    Recorder,
}

impl Via {
    /// Says whether the recorder keeps the details of `record` from this user, as far as the
    /// record shows: none is there, and it is somebody else's.
    pub fn details(self, record: &ExitRecord) -> Details {
        let own = rustix::process::geteuid();
        let is_ours = own.is_root() || record.uid == Some(own.as_raw());
        if self == Self::Recorder && !is_ours && reduced(record) == *record {
            Details::Withheld
        } else {
            Details::Told
        }
    }
}

impl Opened {
    /// As [`Via::details`].
    pub fn details(&self, record: &ExitRecord) -> Details {
        self.via.details(record)
    }

    /// Returns who answers.
    pub fn via(&self) -> Via {
        self.via
    }

    fn store(store: Store) -> Self {
        Self {
            history: Box::new(store),
            via: Via::Store,
        }
    }

    fn recorder(client: Client) -> Self {
        Self {
            history: Box::new(client),
            via: Via::Recorder,
        }
    }
}

impl SourceArgs {
    /// Opens the history that was named, or else the first of the usual ones that can be asked.
    ///
    /// The recorder comes before the file: it knows of the last second.
    ///
    /// # Errors
    ///
    /// Where there is none that this user can ask.
    pub fn open(&self) -> Result<Opened, Failure> {
        match (&self.store, &self.socket) {
            (Some(path), _) => {
                let store = Store::open(path).map_err(HistoryError::from)?;
                Ok(Opened::store(store))
            }
            (None, Some(path)) => Ok(Opened::recorder(
                Client::connect(path).map_err(anyhow::Error::from)?,
            )),
            (None, None) => open_usual(),
        }
    }
}

fn open_usual() -> Result<Opened, Failure> {
    let unanswered = match connect_usual() {
        Ok(client) => return Ok(Opened::recorder(client)),
        Err(error) => error,
    };
    let mut unread: Option<StoreError> = None;
    for path in usual(SYSTEM_STORE, store_path(None)) {
        match Store::open(&path) {
            Ok(store) => return Ok(Opened::store(store)),
            // One that is there says more than one that is not.
            Err(error) if unread.is_none() || !matches!(error, StoreError::Absent { .. }) => {
                unread = Some(error);
            }
            Err(_) => {}
        }
    }
    match (unanswered, unread) {
        (ClientError::NoRecorder { path }, Some(StoreError::Absent { path: store })) => {
            Err(Failure::Failed(anyhow!(
                "no recorder answers at {}, and there is no history at {}: start `exithand record` \
                 as root, which sees what ends from then on, or name a history with --store",
                path.display(),
                store.display()
            )))
        }
        (_, Some(error)) if !matches!(error, StoreError::Absent { .. }) => {
            Err(Failure::Failed(error.into()))
        }
        (error, _) => Err(Failure::Failed(error.into())),
    }
}

/// Connects to the recorder of the machine, or to the user's own.
///
/// # Errors
///
/// The machine's, where neither answers.
pub fn connect_usual() -> Result<Client, ClientError> {
    let mut first = None;
    for path in usual(DEFAULT_SOCKET, socket_path(None)) {
        match Client::connect(&path) {
            Ok(client) => return Ok(client),
            Err(error) => first = first.or(Some(error)),
        }
    }
    let path = PathBuf::from(DEFAULT_SOCKET);
    Err(first.unwrap_or(ClientError::NoRecorder { path }))
}

/// Lists the machine's own place, and the user's if that is another.
fn usual(machine: &str, own: Result<PathBuf, Failure>) -> Vec<PathBuf> {
    let mut places = vec![PathBuf::from(machine)];
    places.extend(own.ok().filter(|own| *own != places[0]));
    places
}
