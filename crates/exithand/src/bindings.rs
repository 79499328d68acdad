//! What bindings to other languages need beyond the API. No promise is made about it.

use std::os::fd::{AsFd, OwnedFd};

use rustix::event::PollFlags;

use crate::member::Sealed;
use crate::poll::poll_until;
use crate::{Deadline, Error, ExitHandle, Until};

/// Takes a pidfd as [`ExitHandle::from_pidfd`] does, and gives the descriptor back with an error.
///
/// # Errors
///
/// As [`ExitHandle::from_pidfd`].
pub fn from_pidfd_or_back(fd: OwnedFd) -> Result<ExitHandle, (Error, OwnedFd)> {
    ExitHandle::from_pidfd_or_back(fd)
}

/// Refuses a wait that could never finish, as a [`WaitSet`](crate::WaitSet) does when it takes a
/// member.
///
/// # Errors
///
/// As [`WaitSet::add`](crate::WaitSet::add), but for those of the set itself.
pub fn refuse_endless(handle: &ExitHandle, until: Until) -> Result<(), Error> {
    handle.refuse(until)
}

/// Blocks until `fd` is readable; `false` once `deadline` has passed.
///
/// # Errors
///
/// [`Error::Syscall`]: `poll` failed, which needs a kernel out of memory.
pub fn wait_readable(fd: impl AsFd, deadline: Deadline) -> Result<bool, Error> {
    let [seen] = poll_until([(fd.as_fd(), PollFlags::IN)], deadline)?;
    Ok(!seen.is_empty())
}
