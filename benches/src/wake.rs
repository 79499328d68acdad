//! One target's end, and the least that must be done to see it.

use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::retry_on_intr;
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use crate::processes::Spawner;
use crate::rounds::now;
use crate::sys::bare_info;

/// Starts a target, opens it, tells it to end, waits for it, and returns the time from just before
/// its `exit` to the return of `wait`.
pub fn one_wake<W>(
    spawner: &mut impl Spawner,
    open: impl FnOnce(Pid) -> W,
    wait: impl FnOnce(&W),
) -> Duration {
    let waiter = open(spawner.start());
    spawner.end();
    wait(&waiter);
    let woken = now();
    drop(waiter);
    woken.saturating_sub(spawner.settle())
}

/// Opens a pidfd.
pub fn bare_open(pid: Pid) -> OwnedFd {
    pidfd_open(pid, PidfdFlags::empty()).expect("open")
}

/// Waits for the end, which is all it learns.
pub fn bare_end(pidfd: &OwnedFd) {
    bare_poll(pidfd, PollFlags::IN);
}

/// Waits for the end, then for the reap, and asks the kernel how the process ended.
///
/// A parent that never reaps would stop this one for ever.
pub fn bare_reap(pidfd: &OwnedFd) {
    bare_poll(pidfd, PollFlags::IN);
    bare_poll(pidfd, PollFlags::empty());
    bare_info(pidfd).expect("the kernel keeps it");
}

fn bare_poll(pidfd: &OwnedFd, events: PollFlags) {
    let mut fds = [PollFd::new(pidfd, events)];
    retry_on_intr(|| poll(&mut fds, None)).expect("poll");
}
