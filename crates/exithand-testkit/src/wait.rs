//! Truth: what the kernel's own wait calls say.

use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::Child;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::{Errno, retry_on_intr};
use rustix::process::{Pid, PidfdFlags, WaitId, WaitIdOptions, pidfd_open, waitid};

/// Waits for `child`, reaps it, and returns its wait status as `wait4(2)` gave it.
///
/// # Panics
/// If the wait fails, which means that somebody else reaped the child.
#[track_caller]
pub fn wait_status(child: &mut Child) -> i32 {
    child
        .wait()
        .expect("wait for a child of this test")
        .into_raw()
}

/// Waits until a child of the calling process is a zombie, and leaves it one.
///
/// # Errors
/// `ECHILD` if `pid` is no child of the caller, or has been reaped.
pub fn wait_zombie(pid: Pid) -> io::Result<()> {
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
    retry_on_intr(|| waitid(WaitId::Pid(pid), options))?;
    Ok(())
}

/// Waits until any process, child or not, has ended; one that is gone already has.
///
/// For cleaning up. It trusts the pid, so the caller must know that it is not reused.
///
/// # Errors
/// As `pidfd_open(2)` and `poll(2)`.
pub fn wait_ended(pid: Pid) -> io::Result<()> {
    let pidfd = match pidfd_open(pid, PidfdFlags::empty()) {
        Err(Errno::SRCH) => return Ok(()),
        opened => opened?,
    };
    retry_on_intr(|| poll(&mut [PollFd::new(&pidfd, PollFlags::IN)], None))?;
    Ok(())
}
