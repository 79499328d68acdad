//! Descriptors that event loops may hold on to.

use std::os::fd::{AsFd, OwnedFd};

use crate::{ExitHandle, WaitSet};

/// A value that owns a descriptor.
///
/// # Safety
///
/// [`AsFd::as_fd`] returns the same open descriptor for as long as the value lives.
pub unsafe trait OwnsFd: AsFd {}

// SAFETY: the field is set when the handle is made, never exchanged, and closed by its drop.
unsafe impl OwnsFd for ExitHandle {}
// SAFETY: the same holds for the set's epoll descriptor.
unsafe impl OwnsFd for WaitSet {}
// SAFETY: this is what the type stands for.
unsafe impl OwnsFd for OwnedFd {}

#[cfg(feature = "tokio")]
pub(crate) mod tokio {
    use std::io;
    use std::os::fd::{AsRawFd, RawFd};

    use ::tokio::io::Interest;
    use ::tokio::io::unix::AsyncFd;

    use super::OwnsFd;

    /// Tokio asks for the raw descriptor.
    #[derive(Debug)]
    pub struct Raw<F>(pub(crate) F);

    impl<F: OwnsFd> AsRawFd for Raw<F> {
        fn as_raw_fd(&self) -> RawFd {
            self.0.as_fd().as_raw_fd()
        }
    }

    /// Registers `fd`, for both directions, with the event loop of the current runtime.
    pub(crate) fn register<F: OwnsFd>(fd: F) -> io::Result<AsyncFd<Raw<F>>> {
        let both = Interest::READABLE | Interest::WRITABLE;
        // SAFETY: `OwnsFd` promises what is asked for, and `AsyncFd` drops the value only after it
        // has taken the descriptor out of the event loop. Nobody exchanges the value within.
        Ok(unsafe { AsyncFd::register_with_interest(Raw(fd), both)? })
    }
}
