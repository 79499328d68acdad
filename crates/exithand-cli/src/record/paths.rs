//! Where the store and the socket are, if nobody says.

use std::env;
use std::ffi::OsString;
use std::path::PathBuf;

use anyhow::anyhow;
use exithand_recorder::client::DEFAULT_SOCKET;

use crate::failure::Failure;

/// Where the recorder of the machine keeps its store.
pub(crate) const SYSTEM_STORE: &str = "/var/lib/exithand/history.db";

/// Returns where the store is: for root the machine's, for others their own.
pub(crate) fn store_path(named: Option<&PathBuf>) -> Result<PathBuf, Failure> {
    if let Some(named) = named {
        return Ok(named.clone());
    }
    if rustix::process::geteuid().is_root() {
        return Ok(PathBuf::from(SYSTEM_STORE));
    }
    let home = || variable("HOME").map(|home| PathBuf::from(home).join(".local/state"));
    let state = variable("XDG_STATE_HOME").map(PathBuf::from);
    match state.or_else(home) {
        Some(state) => Ok(state.join("exithand/history.db")),
        None => Err(Failure::Usage(anyhow!(
            "no place for the history, since HOME is not set: name a file with --store"
        ))),
    }
}

/// Returns where clients connect: for root the machine's socket, for others one of their own.
pub(crate) fn socket_path(named: Option<&PathBuf>) -> Result<PathBuf, Failure> {
    if let Some(named) = named {
        return Ok(named.clone());
    }
    if rustix::process::geteuid().is_root() {
        return Ok(PathBuf::from(DEFAULT_SOCKET));
    }
    match variable("XDG_RUNTIME_DIR") {
        Some(runtime) => Ok(PathBuf::from(runtime).join("exithand.sock")),
        None => Err(Failure::Usage(anyhow!(
            "no place for the socket, since XDG_RUNTIME_DIR is not set: name a path with --socket"
        ))),
    }
}

fn variable(name: &str) -> Option<OsString> {
    env::var_os(name).filter(|value| !value.is_empty())
}

/// Returns the first of the usual sockets that is there.
pub(crate) fn listening_socket() -> Option<PathBuf> {
    let own = variable("XDG_RUNTIME_DIR").map(|it| PathBuf::from(it).join("exithand.sock"));
    let usual = [Some(PathBuf::from(DEFAULT_SOCKET)), own];
    usual.into_iter().flatten().find(|path| path.exists())
}
