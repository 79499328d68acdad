//! Calls on pidfds.

use std::ffi::{c_char, c_int, c_long, c_uint};
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::ptr;

use rustix::io::Errno;

unsafe extern "C" {
    // Calls of the C library, which std links anyway.
    fn syscall(number: c_long, ...) -> c_long;
    fn open_by_handle_at(mount_fd: c_int, handle: *mut FileHandle, flags: c_int) -> c_int;
    fn name_to_handle_at(
        directory: c_int,
        path: *const c_char,
        handle: *mut FileHandle,
        mount: *mut c_int,
        flags: c_int,
    ) -> c_int;
}

// The same on every architecture that Linux gained after 5.0 or that shares the generic table.
const SYS_PIDFD_SEND_SIGNAL: c_long = 424;
const SYS_PROCESS_MRELEASE: c_long = 448;

/// `PID_FS_MAGIC` of `include/uapi/linux/magic.h`.
const PIDFS_MAGIC: u64 = 0x5049_4446;

/// `struct file_handle` with pidfs' eight bytes: the inode number.
#[repr(C)]
struct FileHandle {
    bytes: c_uint,
    kind: c_int,
    inode: [u8; 8],
}
const _: () = assert!(size_of::<FileHandle>() == 16);
const _: () = assert!(std::mem::offset_of!(FileHandle, inode) == 8);
/// `FILEID_KERNFS` of `include/linux/exportfs.h`, which pidfs uses for its handles.
const FILEID_KERNFS: c_int = 0xfe;
const O_CLOEXEC: c_int = 0o2_000_000;
const AT_EMPTY_PATH: c_int = 0x1000;

/// Sends signal `number` (0 only asks) to the process or thread behind `pidfd`.
///
/// # Errors
///
/// `ESRCH`: reaped. `EPERM`: it exists, and is not ours to signal.
///
/// Since Linux 5.1. Source: `pidfd_send_signal(2)`.
pub(crate) fn send_signal<Fd: AsFd>(pidfd: Fd, number: c_int) -> Result<(), Errno> {
    let no_info: *const u8 = ptr::null();
    // SAFETY: the kernel accepts a null `siginfo_t` pointer and reads no other memory of ours.
    let result = unsafe {
        syscall(
            SYS_PIDFD_SEND_SIGNAL,
            pidfd.as_fd().as_raw_fd(),
            number,
            no_info,
            0_u32,
        )
    };
    check(result).map(drop)
}

/// Frees the memory of a process that was sent `SIGKILL`, without waiting for it to do so itself.
///
/// # Errors
///
/// `EAGAIN`: not all was freed. `EINVAL`: it is not dying, or shares its memory. `ESRCH`: it has
/// none any more. `EPERM`: not ours.
///
/// Since Linux 5.15. Source: `process_mrelease(2)`.
pub(crate) fn release_memory<Fd: AsFd>(pidfd: Fd) -> Result<(), Errno> {
    // SAFETY: both arguments are plain integers.
    let result = unsafe { syscall(SYS_PROCESS_MRELEASE, pidfd.as_fd().as_raw_fd(), 0_u32) };
    check(result).map(drop)
}

/// Opens the process with this pidfs inode number. `pidfs` is any pidfd: it names the filesystem.
///
/// # Errors
///
/// `ESTALE`: reaped, or in a pid namespace that is not ours or below ours. `EOPNOTSUPP`,
/// `EINVAL`: the kernel is older than 6.14.
///
/// Since Linux 6.14. Source: `fs/pidfs.c`, `open_by_handle_at(2)`.
pub(crate) fn open_inode<Fd: AsFd>(pidfs: Fd, inode: u64) -> Result<OwnedFd, Errno> {
    let mut handle = FileHandle {
        bytes: 8,
        kind: FILEID_KERNFS,
        inode: inode.to_ne_bytes(),
    };
    // SAFETY: `handle` is laid out as `struct file_handle` with `bytes` bytes behind its header,
    // and outlives the call.
    let fd = unsafe { open_by_handle_at(pidfs.as_fd().as_raw_fd(), &raw mut handle, O_CLOEXEC) };
    let fd = check(c_long::from(fd))?;
    // SAFETY: the call succeeded, so this is a new descriptor that nobody else owns.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Asks the kernel for the handle that [`open_inode`] would take.
///
/// # Errors
///
/// `EOPNOTSUPP`: the kernel is older than 6.14 and has none. Says so to everybody, while
/// `open_by_handle_at(2)` first asks for a privilege there.
///
/// Source: `name_to_handle_at(2)`.
pub(crate) fn has_handle<Fd: AsFd>(pidfd: Fd) -> Result<(), Errno> {
    let mut handle = FileHandle {
        bytes: 8,
        kind: 0,
        inode: [0; 8],
    };
    let mut mount = 0;
    // SAFETY: the path is an empty C string; `handle` is laid out as `struct file_handle` with
    // `bytes` bytes behind its header, and it and `mount` outlive the call.
    let result = unsafe {
        name_to_handle_at(
            pidfd.as_fd().as_raw_fd(),
            c"".as_ptr(),
            &raw mut handle,
            &raw mut mount,
            AT_EMPTY_PATH,
        )
    };
    check(c_long::from(result)).map(drop)
}

/// Says whether the descriptor lies on pidfs, where inode numbers name processes. Since 6.9.
pub(crate) fn is_pidfs<Fd: AsFd>(pidfd: Fd) -> Result<bool, Errno> {
    Ok(u64::try_from(rustix::fs::fstatfs(pidfd)?.f_type).is_ok_and(|magic| magic == PIDFS_MAGIC))
}

/// Turns the C library's -1 into its errno.
fn check(result: c_long) -> Result<c_int, Errno> {
    let last = std::io::Error::last_os_error();
    c_int::try_from(result)
        .ok()
        .filter(|value| *value >= 0)
        .ok_or_else(|| Errno::from_io_error(&last).unwrap_or(Errno::IO))
}
