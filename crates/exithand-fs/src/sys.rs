//! The calls that rustix and tokio leave to us. The only `unsafe` of the crate.
#![expect(unsafe_code, reason = "an ioctl, and a descriptor for tokio")]

use std::io;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::sync::Arc;

use rustix::io::Errno;
use rustix::ioctl::{self, IoctlOutput, Opcode};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Asks a descriptor of a pid namespace for the namespace around it.
struct GetParent;

/// `NS_GET_PARENT` of `include/uapi/linux/nsfs.h`.
const NS_GET_PARENT: Opcode = ioctl::opcode::none(0xb7, 2);

// SAFETY: the call takes no argument and returns a new descriptor, or fails.
unsafe impl ioctl::Ioctl for GetParent {
    type Output = OwnedFd;
    const IS_MUTATING: bool = false;

    fn opcode(&self) -> Opcode {
        NS_GET_PARENT
    }

    fn as_ptr(&mut self) -> *mut rustix::ffi::c_void {
        std::ptr::null_mut()
    }

    unsafe fn output_from_ptr(
        out: IoctlOutput,
        _: *mut rustix::ffi::c_void,
    ) -> Result<OwnedFd, Errno> {
        // SAFETY: the call succeeded, so this is a new descriptor that nobody else owns.
        Ok(unsafe { OwnedFd::from_raw_fd(out) })
    }
}

/// Opens the namespace around `namespace`.
///
/// # Errors
///
/// `EPERM`: it is the first one, or one that the caller is not in or above of.
///
/// Since Linux 4.9. Source: `ioctl_ns(2)`.
pub(crate) fn parent_namespace<Fd: AsFd>(namespace: Fd) -> Result<OwnedFd, Errno> {
    // SAFETY: `GetParent` describes the call as the kernel has it; the descriptor is a namespace's,
    // and for any other the call fails.
    unsafe { ioctl::ioctl(namespace, GetParent) }
}

/// A descriptor that several owners, of which one is tokio, keep open.
#[derive(Debug, Clone)]
pub(crate) struct Shared(pub(crate) Arc<OwnedFd>);

impl AsRawFd for Shared {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

/// Registers a descriptor with the event loop of the current runtime, to be read.
pub(crate) fn watch_readable(fd: Shared) -> io::Result<AsyncFd<Shared>> {
    // SAFETY: the descriptor is open for as long as the value lives and is never exchanged, and
    // `AsyncFd` drops the value only after it has taken the descriptor out of the event loop.
    Ok(unsafe { AsyncFd::register_with_interest(fd, Interest::READABLE)? })
}
