//! Descriptors that the program was started with.
//!
//! Whether standard output was open: Rust's runtime puts `/dev/null` in the place of a closed standard descriptor before `main`
//! runs, so a look from `main` comes too late: results would vanish without an error.
#![expect(
    unsafe_code,
    reason = "a function that runs before the runtime, and descriptors by number"
)]

use std::os::fd::{BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::io::{Errno, FdFlags};

static WAS_CLOSED: AtomicBool = AtomicBool::new(false);

// SAFETY: the loader calls the entries of this section once, before `main` and on one thread; the
// function only makes a system call and stores to an atomic, neither of which needs the runtime.
#[used]
#[unsafe(link_section = ".init_array")]
static LOOK: extern "C" fn() = look;

extern "C" fn look() {
    // SAFETY: the descriptor is only asked about, and for the length of this call; if it is
    // closed, the call says so.
    let stdout = unsafe { BorrowedFd::borrow_raw(1) };
    WAS_CLOSED.store(rustix::io::fcntl_getfd(stdout).is_err(), Ordering::Relaxed);
}

/// Says whether the program was started with standard output closed.
pub(crate) fn stdout_was_closed() -> bool {
    WAS_CLOSED.load(Ordering::Relaxed)
}

/// Takes over a descriptor that the program was started with, by its number.
///
/// # Errors
///
/// `EBADF`: there is none of this number, or it is a standard one or one of our own, which are
/// closed on exec.
pub(crate) fn inherited(number: RawFd) -> Result<OwnedFd, Errno> {
    if number <= 2 {
        return Err(Errno::BADF);
    }
    // SAFETY: the descriptor is only asked about, and for the length of this call; if it is
    // closed, the call says so.
    let flags = rustix::io::fcntl_getfd(unsafe { BorrowedFd::borrow_raw(number) })?;
    // All that this program opens is closed on exec, so this is from outside.
    if flags.contains(FdFlags::CLOEXEC) {
        return Err(Errno::BADF);
    }
    // SAFETY: it is open, it came from outside, and nothing in this program owns it: whoever names
    // it gives it away.
    let owned = unsafe { OwnedFd::from_raw_fd(number) };
    rustix::io::fcntl_setfd(&owned, FdFlags::CLOEXEC)?;
    Ok(owned)
}
