//! Finds out who asks, by the number the kernel gives.

use std::os::fd::OwnedFd;

use exithand::Pid;
use rustix::fs::{Mode, OFlags, fstat};
use rustix::io::Errno;

use crate::policy::{Caller, View};
use crate::proc::Status;
use crate::sys::parent_namespace;
use crate::wire::Header;

/// Returns the process the caller belongs to, in the server's pid namespace.
///
/// The caller waits for our reply, so its number is not another's meanwhile.
pub(crate) fn process_of(header: &Header) -> Option<u32> {
    // No number: the caller is in a pid namespace that ours does not show.
    (header.tid != 0)
        .then(|| Status::read(header.tid))?
        .map(|status| status.process)
}

/// Gathers what the policy judges the caller by.
pub(crate) fn caller(header: &Header, target: Pid, target_numbers: &[u32]) -> Caller {
    let status = (header.tid != 0)
        .then(|| Status::read(header.tid))
        .flatten();
    let view = match &status {
        // In our own namespace, which shows all there is on this mount.
        Some(status) if status.numbers.len() <= 1 => View::Shown,
        // In one below it; the target has to be in there.
        Some(status)
            if status.numbers.len() <= target_numbers.len()
                && shows(header.tid, target).unwrap_or(false) =>
        {
            View::Shown
        }
        _ => View::Hidden,
    };
    Caller {
        uid: header.uid,
        gid: header.gid,
        process: status.map(|status| status.process),
        view,
    }
}

/// Says whether the pid namespace of `tid` is that of the target, or one around it.
fn shows(tid: u32, target: Pid) -> Result<bool, Errno> {
    let open = |path: String| {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        rustix::fs::open(path, flags, Mode::empty())
    };
    let identity = |fd: &OwnedFd| fstat(fd).map(|stat| (stat.st_dev, stat.st_ino));
    let theirs = identity(&open(format!("/proc/{tid}/ns/pid"))?)?;
    let mut namespace = open(format!("/proc/{}/ns/pid", target.as_raw_nonzero()))?;
    // The kernel nests at most 32.
    for _ in 0..=32 {
        if identity(&namespace)? == theirs {
            return Ok(true);
        }
        namespace = parent_namespace(&namespace)?;
    }
    Ok(false)
}
