//! The calls rustix does not offer, and the only unsafe code of this crate.
#![expect(unsafe_code, reason = "raw C calls; each block says why it is sound")]

mod allocator;
mod interrupt;
mod sharer;
mod silence;
pub use allocator::{FailingAllocator, allow_allocations, fail_allocations, failed_allocations};
pub use interrupt::{interrupt_on, interruptions, reset_signal, signal_thread, waitid_bytes};
pub use sharer::share_memory;
pub use silence::{refuse_mrelease, without_pidfd_info};

use std::ffi::{c_char, c_int, c_long, c_uint, c_ulong};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::ptr;

use rustix::process::{Pid, Resource, Rlimit, Signal, setrlimit};
use rustix::thread::UnshareFlags;

#[cfg(target_arch = "x86_64")]
const SYS_EXIT: c_long = 60;
#[cfg(not(target_arch = "x86_64"))]
const SYS_EXIT: c_long = 93;
#[cfg(target_arch = "x86_64")]
const SYS_BPF: c_long = 321;
#[cfg(not(target_arch = "x86_64"))]
const SYS_BPF: c_long = 280;
/// The same number on every architecture, as for all calls since Linux 5.2.
const SYS_PROCESS_MRELEASE: c_long = 448;

/// `_IOWR(0xFF, 11, struct pidfd_info)` for the 64-byte form.
const PIDFD_GET_INFO: c_ulong = 0xC040_FF0B;
const PIDFD_INFO_EXIT: u64 = 1 << 3;
const AT_EMPTY_PATH: c_int = 0x1000;
const SIG_BLOCK: c_int = 0;
const SIG_DFL: usize = 0;
const SIG_IGN: usize = 1;
const SIG_ERR: usize = usize::MAX;

/// `sigset_t`, as large as the C library declares it.
#[repr(C)]
struct SignalSet([u64; 16]);

/// `struct pidfd_info`, first published form.
#[repr(C)]
#[derive(Default)]
struct PidfdInfo {
    mask: u64,
    cgroup: u64,
    ids: [u32; 11],
    exit_code: i32,
}
const _: () = assert!(size_of::<PidfdInfo>() == 64);

/// `struct file_handle` with room for its largest body.
#[repr(C)]
struct FileHandle {
    body_bytes: c_uint,
    kind: c_int,
    body: [u8; 128],
}

unsafe extern "C" {
    fn syscall(number: c_long, ...) -> c_long;
    fn ioctl(fd: RawFd, request: c_ulong, ...) -> c_int;
    fn fork() -> c_int;
    fn _exit(status: c_int) -> !;
    fn raise(signal: c_int) -> c_int;
    fn signal(signal: c_int, handler: usize) -> usize;
    fn sigemptyset(set: *mut SignalSet) -> c_int;
    fn sigaddset(set: *mut SignalSet, signal: c_int) -> c_int;
    fn pthread_sigmask(how: c_int, set: *const SignalSet, old: *mut SignalSet) -> c_int;
    fn sigwait(set: *const SignalSet, signal: *mut c_int) -> c_int;
    fn name_to_handle_at(
        dir: RawFd,
        path: *const c_char,
        handle: *mut FileHandle,
        mount: *mut c_int,
        flags: c_int,
    ) -> c_int;
}

/// What a process does with a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disposition {
    /// `SIG_DFL`.
    Default,
    /// `SIG_IGN`.
    Ignore,
}

/// Ends the calling thread only, as `exit(2)` does without its C wrapper.
///
/// Nothing of the thread is cleaned up: no destructor runs, nobody can join it.
pub fn exit_thread(status: u8) -> ! {
    loop {
        // SAFETY: the call takes one integer and, on success, never returns to use any memory.
        unsafe { syscall(SYS_EXIT, c_long::from(status)) };
    }
}

/// Ends the process without running exit handlers, as a forked child must.
pub fn exit_process(status: u8) -> ! {
    // SAFETY: `_exit` takes an integer and does not return.
    unsafe { _exit(c_int::from(status)) }
}

/// Gives `bpf(2)` a command that no kernel has, and returns the error.
pub(crate) fn bpf_unknown_command() -> rustix::io::Errno {
    // SAFETY: with a length of 0 the kernel touches no memory of ours.
    unsafe {
        syscall(
            SYS_BPF,
            c_long::from(c_int::MAX),
            ptr::null_mut::<u8>(),
            0_usize,
        )
    };
    let error = io::Error::last_os_error();
    rustix::io::Errno::from_io_error(&error).unwrap_or(rustix::io::Errno::IO)
}

/// Forks; `Some(child)` in the parent, `None` in the child.
///
/// # Errors
/// `EAGAIN` when no pid or no room is left.
pub fn fork_process() -> io::Result<Option<Pid>> {
    // SAFETY: the actor calls this with one thread, so the child inherits no lock held elsewhere.
    match unsafe { fork() } {
        -1 => Err(io::Error::last_os_error()),
        child => Ok(Pid::from_raw(child)),
    }
}

/// Sets what the process does with `number`.
///
/// # Errors
/// `EINVAL` for a signal that cannot be changed.
pub fn set_disposition(number: Signal, disposition: Disposition) -> io::Result<()> {
    let handler = match disposition {
        Disposition::Default => SIG_DFL,
        Disposition::Ignore => SIG_IGN,
    };
    // SAFETY: both handlers are the kernel's constants, so no Rust code ever runs in a handler.
    let old = unsafe { signal(number.as_raw(), handler) };
    if old == SIG_ERR {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}

/// Sends `number` to the calling thread.
pub fn raise_signal(number: Signal) {
    // SAFETY: takes an integer; the handlers of this process are the kernel's or the standard library's.
    unsafe { raise(number.as_raw()) };
}

/// A signal taken from the normal course and waited for instead.
#[derive(Debug)]
pub struct BlockedSignal(Signal);

impl BlockedSignal {
    /// Blocks `number` in the calling thread and in the threads it starts later.
    ///
    /// # Errors
    /// As `pthread_sigmask(3)`.
    pub fn new(number: Signal) -> io::Result<Self> {
        let set = set_of(number);
        // SAFETY: `set` is initialised, and a null `old` is allowed.
        let errno = unsafe { pthread_sigmask(SIG_BLOCK, &raw const set, ptr::null_mut()) };
        if errno == 0 {
            Ok(Self(number))
        } else {
            Err(io::Error::from_raw_os_error(errno))
        }
    }

    /// Waits until the signal arrives, and consumes it.
    ///
    /// # Errors
    /// As `sigwait(3)`.
    pub fn wait(&self) -> io::Result<()> {
        let set = set_of(self.0);
        let mut got = 0;
        // SAFETY: both pointers are to live locals of the types the function wants.
        match unsafe { sigwait(&raw const set, &raw mut got) } {
            0 => Ok(()),
            errno => Err(io::Error::from_raw_os_error(errno)),
        }
    }
}

fn set_of(number: Signal) -> SignalSet {
    let mut set = SignalSet([0; 16]);
    // SAFETY: `set` has the size of the C type, and lives through both calls.
    unsafe {
        sigemptyset(&raw mut set);
        sigaddset(&raw mut set, number.as_raw());
    }
    set
}

/// Moves the calling process into new namespaces.
///
/// # Errors
/// As `unshare(2)`; `EPERM` where user namespaces are forbidden.
///
/// # Panics
/// If asked for a descriptor table of its own.
pub fn unshare(flags: UnshareFlags) -> io::Result<()> {
    assert!(
        !flags.contains(UnshareFlags::FILES),
        "descriptors stay shared"
    );
    // SAFETY: only unsharing the descriptor table can break I/O safety, and that is refused above.
    unsafe { rustix::thread::unshare_unsafe(flags) }.map_err(io::Error::from)
}

/// Lowers soft and hard `RLIMIT_NOFILE` to `limit` in the child, before it runs the program.
pub fn limit_descriptors(command: &mut Command, limit: u64) {
    let limits = Rlimit {
        current: Some(limit),
        maximum: Some(limit),
    };
    let lower = move || setrlimit(Resource::Nofile, limits).map_err(io::Error::from);
    // SAFETY: the closure makes one system call and allocates nothing.
    unsafe { command.pre_exec(lower) };
}

/// The wait status `PIDFD_GET_INFO` tells for a reaped process; `None` where the kernel tells none.
pub fn pidfd_info_exit(pidfd: BorrowedFd<'_>) -> Option<i32> {
    let mut info = PidfdInfo {
        mask: PIDFD_INFO_EXIT,
        ..PidfdInfo::default()
    };
    // SAFETY: the size in the request is that of `info`, which the kernel fills and does not keep.
    let answer = unsafe { ioctl(pidfd.as_raw_fd(), PIDFD_GET_INFO, &raw mut info) };
    (answer == 0 && info.mask & PIDFD_INFO_EXIT != 0).then_some(info.exit_code)
}

/// The file handle type of `fd`, or `None` if its filesystem gives no handles.
pub fn handle_type(fd: &impl AsFd) -> Option<i32> {
    let mut handle = FileHandle {
        body_bytes: 128,
        kind: 0,
        body: [0; 128],
    };
    let mut mount = 0;
    // SAFETY: the path is an empty C string, and `body_bytes` is the room behind the header.
    let answer = unsafe {
        name_to_handle_at(
            fd.as_fd().as_raw_fd(),
            c"".as_ptr(),
            &raw mut handle,
            &raw mut mount,
            AT_EMPTY_PATH,
        )
    };
    (answer == 0).then_some(handle.kind)
}

/// What `process_mrelease` says to a descriptor that is no pidfd.
pub fn mrelease_nothing() -> io::Error {
    // SAFETY: with descriptor -1 the call can only fail, and it takes no pointers.
    unsafe { syscall(SYS_PROCESS_MRELEASE, c_long::from(-1), c_long::from(0)) };
    io::Error::last_os_error()
}
