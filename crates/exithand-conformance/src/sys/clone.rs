//! A child with a pid of our choice.

use std::ffi::c_long;
use std::io;

use rustix::process::Pid;

const SYS_CLONE3: c_long = 435;
const SIGCHLD: u64 = 17;

/// `struct clone_args` of `include/uapi/linux/sched.h`, as of Linux 5.5.
#[repr(C)]
#[derive(Default)]
struct CloneArgs {
    flags: u64,
    pidfd: u64,
    child_tid: u64,
    parent_tid: u64,
    exit_signal: u64,
    stack: u64,
    stack_size: u64,
    tls: u64,
    set_tid: u64,
    set_tid_size: u64,
}
const _: () = assert!(size_of::<CloneArgs>() == 80);

unsafe extern "C" {
    fn syscall(number: c_long, ...) -> c_long;
}

/// Forks a child that has this pid; `Some(child)` in the parent, `None` in the child.
///
/// The child must do nothing but system calls: it has one thread and the locks of all.
///
/// # Errors
///
/// `EEXIST`: the pid is taken. `EPERM`: neither `CAP_SYS_ADMIN` nor `CAP_CHECKPOINT_RESTORE`.
///
/// Since Linux 5.5. Source: `clone3(2)`.
pub(crate) fn fork_with_pid(pid: Pid) -> io::Result<Option<Pid>> {
    let pids = [pid.as_raw_nonzero().get()];
    let args = CloneArgs {
        exit_signal: SIGCHLD,
        set_tid: pids
            .as_ptr()
            .expose_provenance()
            .try_into()
            .map_err(io::Error::other)?,
        set_tid_size: 1,
        ..CloneArgs::default()
    };
    // SAFETY: without flags this is a fork: the child has its own copy of all memory, and goes on
    // on its copy of this stack. `args` and `pids` have the layout and sizes the kernel is told.
    match unsafe { syscall(SYS_CLONE3, &raw const args, size_of::<CloneArgs>()) } {
        -1 => Err(io::Error::last_os_error()),
        child => Ok(i32::try_from(child).ok().and_then(Pid::from_raw)),
    }
}
