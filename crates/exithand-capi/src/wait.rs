//! Waiting for one process.
#![expect(unsafe_code, reason = "functions with C names")]

use std::ffi::c_int;
use std::mem::MaybeUninit;

use exithand::{Errno, Until};

use crate::boundary::{deadline, fill, hold};
use crate::guard::guard;
use crate::outcome::ExithandExit;

/// Wait until the process has ended: its whole thread group is dead.
pub const EXITHAND_UNTIL_ENDED: c_int = 0;
/// Wait until the process was reaped: its parent has collected it, and the pid is free. Since Linux
/// 6.9.
pub const EXITHAND_UNTIL_REAPED: c_int = 1;

/// Waits until the process has ended, or was reaped, and tells how it ended. `timeout_ms` is how long
/// at most: 0 looks and does not block, and a negative one is no limit. The time counts on while the
/// machine sleeps, and signals do not interrupt the wait.
///
/// Returns 1 and fills `how`, or 0 at the timeout. Waiting again gives the same answer at once. An
/// outcome that nobody may tell yet is waited for a tenth of a second, within the timeout; then it is
/// EXITHAND_UNKNOWN and says why.
///
/// -EBADF: no handle, or it was closed meanwhile. -EDEADLK: it is the caller's own. -EFAULT: `how` is
/// null. -EINVAL: there is no such `until`. -EOPNOTSUPP: the kernel does not tell of the reap.
#[unsafe(no_mangle)]
pub extern "C" fn exithand_wait(
    handle: c_int,
    until: c_int,
    timeout_ms: c_int,
    how: Option<&mut MaybeUninit<ExithandExit>>,
) -> c_int {
    guard(|| {
        let until = until_of(until)?;
        let how = how.ok_or(Errno::FAULT)?;
        let held = hold(handle)?;
        let waited = held.wait(until, deadline(timeout_ms));
        held.still()?;
        match waited.map_err(|error| error.errno())? {
            Some(end) => fill(Some(how), end.into()).map(|()| 1),
            None => Ok(0),
        }
    })
}

pub(crate) fn until_of(until: c_int) -> Result<Until, Errno> {
    match until {
        EXITHAND_UNTIL_ENDED => Ok(Until::Ended),
        EXITHAND_UNTIL_REAPED => Ok(Until::Reaped),
        _ => Err(Errno::INVAL),
    }
}
