//! Signals: sending, and their names.
#![expect(unsafe_code, reason = "functions with C names, and strings from C")]

use std::ffi::{c_char, c_int};

use exithand::{Errno, Signal};

use crate::boundary::{hold, put, text};
use crate::guard::guard;

/// Sends a signal to this process and no other, and returns 0. Never blocks. A zombie takes every
/// signal and does nothing. The handle of a thread signals that thread.
///
/// -ESRCH: it was reaped. -EPERM: it exists, and belongs to somebody else. -EINVAL: no such signal; 0
/// is none: see exithand_state(). -EBADF: no handle.
#[unsafe(no_mangle)]
pub extern "C" fn exithand_signal(handle: c_int, signum: c_int) -> c_int {
    guard(|| {
        let signal = Signal::from_number(signum).ok_or(Errno::INVAL)?;
        let sent = hold(handle)?.send_signal(signal);
        sent.map(|()| 0).map_err(|error| error.errno())
    })
}

/// Frees the memory of a process that was sent SIGKILL, even if the process itself is stuck, and
/// returns 0. Blocks for the time the freeing takes. Since Linux 5.15.
///
/// -EAGAIN: a part is still held; try again. -EINVAL: it is not dying, or shares its memory with a
/// process that is not. -ESRCH: it has none any more. -EPERM: it belongs to somebody else.
/// -EOPNOTSUPP: the kernel is too old. -EBADF: no handle.
#[unsafe(no_mangle)]
pub extern "C" fn exithand_release_memory(handle: c_int) -> c_int {
    guard(|| {
        let released = hold(handle)?.release_memory();
        released.map(|()| 0).map_err(|error| error.errno())
    })
}

/// Returns the number of a signal by its name, in any case, with or without SIG: TERM, sigkill,
/// RTMIN+1; or by its number as text.
///
/// -EINVAL: no signal is called so. -EFAULT: the name is null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn exithand_signal_number(name: *const c_char) -> c_int {
    guard(|| {
        // SAFETY: C passes a string or null, as its header asks for.
        let name = unsafe { text(name) }?;
        let signal: Signal = name.parse().map_err(|_no_signal| Errno::INVAL)?;
        Ok(signal.number())
    })
}

/// Writes the name of a signal, SIGKILL for 9, and returns its length. EXITHAND_TEXT_SIZE is enough.
///
/// -EINVAL: no such signal. -ERANGE: `size` is too small. -EFAULT: `buffer` is null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn exithand_signal_name(
    signum: c_int,
    buffer: *mut c_char,
    size: usize,
) -> c_int {
    guard(|| {
        let signal = Signal::from_number(signum).ok_or(Errno::INVAL)?;
        // SAFETY: C passes null, or a buffer of this size, as its header asks for.
        unsafe { put(&signal.to_string(), buffer, size) }
    })
}
