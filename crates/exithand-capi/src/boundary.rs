//! Where descriptors and pointers of a C program become values, and the other way round.
#![expect(
    unsafe_code,
    reason = "the numbers and pointers of a C program are taken on its word"
)]

use std::ffi::{CStr, c_char, c_int};
use std::mem::MaybeUninit;
use std::os::fd::{BorrowedFd, FromRawFd, IntoRawFd, OwnedFd};
use std::ptr;
use std::time::Duration;

use exithand::{Deadline, Errno, Error, ExitHandle};
use rustix::io::fcntl_dupfd_cloexec;

/// The first descriptor that is given out: the lower ones belong to standard input and output, even
/// in a program that has closed them.
const FIRST: c_int = 3;

/// What a descriptor is, as far as this library cares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum What {
    Handle,
    Set,
}

/// Holds the process behind a handle for the length of a call, by a descriptor of its own.
pub(crate) fn hold(handle: c_int) -> Result<ExitHandle, Errno> {
    ExitHandle::from_pidfd(copy(handle)?).map_err(|error| error.errno())
}

/// Makes another descriptor for what `fd` stands for.
pub(crate) fn copy(fd: c_int) -> Result<OwnedFd, Errno> {
    fcntl_dupfd_cloexec(look_at(fd)?, FIRST)
}

/// Lends a number to the kernel, which judges whether it is a descriptor.
pub(crate) fn look_at(fd: c_int) -> Result<BorrowedFd<'static>, Errno> {
    if fd < 0 {
        return Err(Errno::BADF);
    }
    // SAFETY: it is not -1. No memory depends on the number being open: the calls it is used for
    // fail with `EBADF` where it is not.
    Ok(unsafe { BorrowedFd::borrow_raw(fd) })
}

/// Gives a descriptor away to the C program.
pub(crate) fn give(fd: impl Into<OwnedFd>) -> Result<c_int, Errno> {
    let fd = fd.into().into_raw_fd();
    if fd >= FIRST {
        return Ok(fd);
    }
    // SAFETY: it was ours until the line above, and nobody else has seen it.
    let low = unsafe { OwnedFd::from_raw_fd(fd) };
    fcntl_dupfd_cloexec(&low, FIRST).map(IntoRawFd::into_raw_fd)
}

/// Gives a new handle away.
pub(crate) fn give_handle(opened: Result<ExitHandle, Error>) -> Result<c_int, Errno> {
    give(opened.map_err(|error| error.errno())?)
}

/// Closes a descriptor of the C program, if it is `what` it should be.
pub(crate) fn close(fd: c_int, what: What) -> Result<c_int, Errno> {
    if what_is(fd)? != Some(what) {
        return Err(Errno::BADF);
    }
    // SAFETY: the C program owns it, and gives it up by this call.
    drop(unsafe { OwnedFd::from_raw_fd(fd) });
    Ok(0)
}

/// Says what a descriptor is; `None` for what this library never gives out. Needs no descriptor.
fn what_is(fd: c_int) -> Result<Option<What>, Errno> {
    rustix::io::fcntl_getfd(look_at(fd)?)?;
    let link = rustix::fs::readlink(format!("/proc/thread-self/fd/{fd}"), Vec::new())?;
    Ok(match link.as_bytes() {
        // The second is what kernels before 6.9 say.
        link if link.starts_with(b"pidfd:[") || link == b"anon_inode:[pidfd]" => Some(What::Handle),
        b"anon_inode:[eventpoll]" => Some(What::Set),
        _ => None,
    })
}

/// Reads milliseconds as `poll(2)` does: below zero is no limit.
pub(crate) fn deadline(timeout_ms: c_int) -> Deadline {
    u64::try_from(timeout_ms).map_or(Deadline::NEVER, |timeout_ms| {
        Deadline::after(Duration::from_millis(timeout_ms))
    })
}

/// Writes to where the C program wants an answer; `EFAULT` for nowhere.
pub(crate) fn fill<T>(place: Option<&mut MaybeUninit<T>>, value: T) -> Result<(), Errno> {
    place.ok_or(Errno::FAULT)?.write(value);
    Ok(())
}

/// Reads a string; `EFAULT` for none, `EINVAL` for one that is no text.
///
/// # Safety
///
/// `text` is null, or a string that ends in a null byte and stays as it is during `'a`.
pub(crate) unsafe fn text<'a>(text: *const c_char) -> Result<&'a str, Errno> {
    if text.is_null() {
        return Err(Errno::FAULT);
    }
    // SAFETY: the caller promises a string, which it is not null for.
    let text = unsafe { CStr::from_ptr(text) };
    text.to_str().map_err(|_not_utf8| Errno::INVAL)
}

/// Writes `text` and a null byte, and returns its length; `ERANGE`, with nothing written, where
/// there is no room for all of it.
///
/// # Safety
///
/// `buffer` is null, or has room for `size` bytes that nobody else uses during the call.
pub(crate) unsafe fn put(text: &str, buffer: *mut c_char, size: usize) -> Result<c_int, Errno> {
    if buffer.is_null() {
        return Err(Errno::FAULT);
    }
    if text.len() >= size {
        return Err(Errno::RANGE);
    }
    let buffer = buffer.cast::<u8>();
    // SAFETY: the caller promises `size` bytes, and the text and its null byte are no more.
    unsafe {
        ptr::copy_nonoverlapping(text.as_ptr(), buffer, text.len());
        buffer.add(text.len()).write(0);
    }
    c_int::try_from(text.len()).map_err(|_too_long| Errno::OVERFLOW)
}
