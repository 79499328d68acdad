//! Handles: opening, asking, closing.
#![expect(unsafe_code, reason = "functions with C names, and strings from C")]

use std::ffi::{c_char, c_int};
use std::os::fd::AsFd;

use exithand::{Errno, Error, ExitHandle, Pid, State};
use rustix::process::{RawPid, WaitId, WaitIdOptions, getpid, waitid};

use crate::boundary::{What, close, copy, give_handle, hold, text};
use crate::guard::guard;

/// At least one thread of the process runs.
pub const EXITHAND_ALIVE: c_int = 0;
/// The process has ended and waits for its parent: a zombie.
pub const EXITHAND_ENDED: c_int = 1;
/// The process is gone: its parent has collected it.
pub const EXITHAND_REAPED: c_int = 2;

/// Opens the process that has this pid now, whoever's child it is, and returns a handle. The handle
/// never speaks of another process, whatever happens to the pid. Needs no privilege, never blocks.
///
/// -ESRCH: there is none, any more. -EINVAL: that is no pid, or it is the number of a thread.
/// -EMFILE, -ENFILE: out of descriptors. -EPERM, -ENOSYS: a sandbox forbids pidfd_open(2).
#[unsafe(no_mangle)]
pub extern "C" fn exithand_open(pid: RawPid) -> c_int {
    guard(|| give_handle(ExitHandle::open(number(pid)?)))
}

/// Opens a child of the caller that was not waited for, and returns a handle. Takes nothing away
/// from waitpid(2), which is still to be called.
///
/// -ECHILD: the process is no child of the caller, or no more. Others as exithand_open().
#[unsafe(no_mangle)]
pub extern "C" fn exithand_open_child(pid: RawPid) -> c_int {
    guard(|| {
        let handle = ExitHandle::open(number(pid)?).map_err(|error| match error {
            Error::NoSuchProcess(_) => Errno::CHILD,
            error => error.errno(),
        })?;
        let look = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG;
        waitid(WaitId::PidFd(handle.as_fd()), look)?;
        give_handle(Ok(handle))
    })
}

/// Opens one thread, by its thread id; the handle speaks of the end of that thread alone. Since Linux
/// 6.9.
///
/// -ESRCH: there is none, any more. -EOPNOTSUPP: the kernel is too old. Others as exithand_open().
#[unsafe(no_mangle)]
pub extern "C" fn exithand_open_thread(tid: RawPid) -> c_int {
    guard(|| give_handle(ExitHandle::open_thread(number(tid)?)))
}

/// Opens the caller itself, for its token, or for others to inherit. Errors as exithand_open().
#[unsafe(no_mangle)]
pub extern "C" fn exithand_open_self() -> c_int {
    guard(|| give_handle(ExitHandle::open(getpid())))
}

/// Makes a handle of a pidfd, whoever opened or passed it, and of a handle: a second one. The
/// descriptor given stays the caller's.
///
/// A pidfd is a handle already, and may be used as one. This one is close-on-exec and not below 3.
///
/// -EBADF: the descriptor is closed, or is no pidfd. -EMFILE: out of descriptors.
#[unsafe(no_mangle)]
pub extern "C" fn exithand_open_pidfd(pidfd: c_int) -> c_int {
    guard(|| give_handle(ExitHandle::from_pidfd(copy(pidfd)?)))
}

/// Opens exactly the process that the token names, or none, and returns a handle.
///
/// -ESRCH: the process has ended, or the token is from another boot. -EINVAL: that is no token.
/// -EFAULT: it is null. -EOPNOTSUPP: the token needs a newer kernel. Others as exithand_open().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn exithand_open_token(token: *const c_char) -> c_int {
    guard(|| {
        // SAFETY: C passes a string or null, as its header asks for.
        let token = unsafe { text(token) }?;
        let token = token.parse().map_err(|_no_token| Errno::INVAL)?;
        give_handle(ExitHandle::open_token(&token))
    })
}

/// Closes a handle, as close(2) does, and returns 0. The process is not touched, and whoever waits
/// for it by this handle goes on waiting.
///
/// -EBADF: it is closed already, or no handle. What else has got its number since is not closed (as
/// /proc tells); only a newer handle with the same number cannot be told from it.
#[unsafe(no_mangle)]
pub extern "C" fn exithand_close(handle: c_int) -> c_int {
    guard(|| close(handle, What::Handle))
}

/// Returns the pid that the process has, or had, in the caller's pid namespace.
///
/// -ESRCH: it has none there, or was reaped, upon which the kernel forgets it. -EBADF: no handle.
#[unsafe(no_mangle)]
pub extern "C" fn exithand_pid(handle: c_int) -> c_int {
    guard(|| {
        let pid = hold(handle)?.pid().ok_or(Errno::SRCH)?;
        Ok(pid.as_raw_nonzero().get())
    })
}

/// Says where the process is on its way out: EXITHAND_ALIVE, EXITHAND_ENDED or EXITHAND_REAPED.
/// Never blocks.
///
/// -EBADF: no handle.
#[unsafe(no_mangle)]
pub extern "C" fn exithand_state(handle: c_int) -> c_int {
    guard(
        || match hold(handle)?.state().map_err(|error| error.errno())? {
            State::Alive => Ok(EXITHAND_ALIVE),
            State::Ended => Ok(EXITHAND_ENDED),
            State::Reaped => Ok(EXITHAND_REAPED),
        },
    )
}

fn number(pid: RawPid) -> Result<Pid, Errno> {
    // `Pid` panics at negative numbers, which are process groups to some calls.
    Some(pid)
        .filter(|pid| *pid > 0)
        .and_then(Pid::from_raw)
        .ok_or(Errno::INVAL)
}
