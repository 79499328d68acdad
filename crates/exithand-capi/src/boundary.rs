//! Where descriptors and pointers of a C program become values, and the other way round.
#![expect(
    unsafe_code,
    reason = "the numbers and pointers of a C program are taken on its word"
)]

use std::ffi::{CStr, c_char, c_int};
use std::mem::{ManuallyDrop, MaybeUninit};
use std::ops::Deref;
use std::os::fd::{AsFd, BorrowedFd, FromRawFd, IntoRawFd, OwnedFd};
use std::ptr;
use std::time::Duration;

use exithand::bindings::from_pidfd_or_back;
use exithand::{Deadline, Errno, Error, ExitHandle};
use rustix::fs::{fstat, readlink};
use rustix::io::{fcntl_dupfd_cloexec, try_close};

/// The first descriptor that is given out: the lower ones belong to standard input and output, even
/// in a program that has closed them.
const FIRST: c_int = 3;

/// What a descriptor is, as far as this library cares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum What {
    Handle,
    Set,
}

/// The process behind a handle, for the length of a call. The descriptor stays the C program's.
pub(crate) struct Held(ManuallyDrop<ExitHandle>);

impl Held {
    /// Fails with `EBADF` where the handle was closed meanwhile, by another thread: then the number
    /// may have become another process's, and so what was learned by it. Since Linux 6.9.
    pub(crate) fn still(&self) -> Result<(), Errno> {
        let now = fstat(self.as_fd())?.st_ino;
        match self.token().inode() {
            Some(then) if then != now => Err(Errno::BADF),
            _ => Ok(()),
        }
    }
}

impl Deref for Held {
    type Target = ExitHandle;

    fn deref(&self) -> &ExitHandle {
        &self.0
    }
}

/// Takes a number for a handle, if it is one.
pub(crate) fn hold(handle: c_int) -> Result<Held, Errno> {
    look_at(handle)?;
    // SAFETY: it is not -1, and is never closed by us, as `Held` and the line that gives it back see
    // to. No memory depends on its being open: calls fail with `EBADF` where it is not.
    let lent = unsafe { OwnedFd::from_raw_fd(handle) };
    match from_pidfd_or_back(lent) {
        Ok(handle) => Ok(Held(ManuallyDrop::new(handle))),
        Err((error, lent)) => {
            let _still_open = lent.into_raw_fd();
            Err(match error.errno() {
                // It was closed before /proc could say that it is none.
                Errno::NOENT => Errno::BADF,
                errno => errno,
            })
        }
    }
}

/// Makes another descriptor for what `fd` stands for.
pub(crate) fn copy(fd: c_int) -> Result<OwnedFd, Errno> {
    fcntl_dupfd_cloexec(look_at(fd)?, FIRST).map_err(|errno| match errno {
        // The limit is so low that not even the first may be given out.
        Errno::INVAL => Errno::MFILE,
        errno => errno,
    })
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
    if !is(fd, what)? {
        return Err(Errno::BADF);
    }
    // SAFETY: the C program owns it, and gives it up by this call.
    unsafe { try_close(fd) }.map(|()| 0)
}

/// Says whether a descriptor is what it is taken for. Needs no descriptor, for those who close one
/// because they have too many.
fn is(fd: c_int, what: What) -> Result<bool, Errno> {
    look_at(fd)?;
    let Ok(link) = readlink(format!("/proc/thread-self/fd/{fd}"), Vec::new()) else {
        // It is closed; or there is no /proc, and the program is believed.
        return Ok(readlink("/proc/thread-self", Vec::new()).is_err());
    };
    let link = link.as_bytes();
    Ok(match what {
        // The second is what kernels before 6.9 say.
        What::Handle => link.starts_with(b"pidfd:[") || link == b"anon_inode:[pidfd]",
        What::Set => link == b"anon_inode:[eventpoll]",
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
