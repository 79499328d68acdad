//! A process that has its memory in common with another.

use std::ffi::{c_int, c_void};
use std::io;
use std::os::fd::BorrowedFd;
use std::ptr;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::Pid;
use rustix::thread::set_name;

unsafe extern "C" {
    fn clone(
        child: extern "C" fn(*mut c_void) -> c_int,
        stack: *mut c_void,
        flags: c_int,
        argument: *mut c_void,
        ...
    ) -> c_int;
}

/// As in `<sched.h>` and `<signal.h>`.
const CLONE_VM: c_int = 0x100;
const SIGCHLD: c_int = 17;
const STACK_BYTES: usize = 64 << 10;

/// Starts a process, `exithand-sharer`, that shares the caller's memory, is no thread of it, and runs
/// until it is killed, or stdin, a pipe, ends.
///
/// # Errors
/// `EAGAIN` when no pid or no room is left.
pub fn share_memory() -> io::Result<Pid> {
    let stack = vec![0_u8; STACK_BYTES].leak();
    // SAFETY: the stack grows down from its end, is aligned there to more than 16 bytes' worth once
    // rounded, is never given back, and the child makes nothing but system calls on it.
    let pid = unsafe {
        let end = stack.as_mut_ptr().add(STACK_BYTES);
        let end = end.sub(end.addr() % 16).cast();
        clone(until_stdin_ends, end, CLONE_VM | SIGCHLD, ptr::null_mut())
    };
    Pid::from_raw(pid.max(0)).ok_or_else(io::Error::last_os_error)
}

/// Has no storage of its own for a thread: takes no lock, and nothing from the standard library.
extern "C" fn until_stdin_ends(_: *mut c_void) -> c_int {
    if set_name(c"exithand-sharer").is_err() {
        return 1;
    }
    // SAFETY: whoever starts actors gives them one.
    let stdin = unsafe { BorrowedFd::borrow_raw(0) };
    // Asked for nothing, it tells of the end all the same.
    let mut fds = [PollFd::from_borrowed_fd(stdin, PollFlags::empty())];
    while !matches!(poll(&mut fds, None), Ok(1)) {}
    0
}
