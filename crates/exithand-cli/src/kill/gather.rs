//! What the scopes have in common: looking around for members, and opening them.

use exithand::{ExitHandle, Pid};

use super::report::KillError;

/// What a look around brought.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[must_use]
pub(crate) struct Gathered {
    /// How many new members.
    pub(crate) new: usize,
    /// Whether to look again at once, before waiting for anything.
    pub(crate) again: bool,
}

/// How closely to look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Look {
    /// Only at what has been told.
    Events,
    /// At everything, as somebody may have come untold.
    Around,
}

/// Opens a handle; `None` for who is gone, for a thread, and for ourselves.
pub(crate) fn open(pid: u32) -> Result<Option<ExitHandle>, KillError> {
    let own = pid == std::process::id();
    let Some(pid) = i32::try_from(pid)
        .ok()
        .and_then(Pid::from_raw)
        .filter(|_| !own)
    else {
        return Ok(None);
    };
    match ExitHandle::open(pid) {
        Ok(handle) => Ok(Some(handle)),
        Err(error) if error.is_gone() => Ok(None),
        Err(exithand::Error::IsThread { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}
