//! Whether standard output was open when the program started.
//!
//! Rust's runtime puts `/dev/null` in the place of a closed standard descriptor before `main`
//! runs, so a look from `main` comes too late: results would vanish without an error.
#![expect(unsafe_code, reason = "a function that runs before the runtime")]

use std::sync::atomic::{AtomicBool, Ordering};

static WAS_CLOSED: AtomicBool = AtomicBool::new(false);

// SAFETY: the loader calls the entries of this section once, before `main` and on one thread; the
// function only makes a system call and stores to an atomic, neither of which needs the runtime.
#[used]
#[unsafe(link_section = ".init_array")]
static LOOK: extern "C" fn() = look;

extern "C" fn look() {
    // SAFETY: the descriptor is only asked about, and for the length of this call; if it is
    // closed, the call says so.
    let stdout = unsafe { std::os::fd::BorrowedFd::borrow_raw(1) };
    WAS_CLOSED.store(rustix::io::fcntl_getfd(stdout).is_err(), Ordering::Relaxed);
}

/// Says whether the program was started with standard output closed.
pub(crate) fn stdout_was_closed() -> bool {
    WAS_CLOSED.load(Ordering::Relaxed)
}
