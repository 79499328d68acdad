//! Who is at the other end of a socket.

use std::fs;
use std::os::fd::{AsFd, BorrowedFd};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::sockopt::socket_peercred;

use super::sys::{peer_groups, peer_pidfd};
use crate::clock::{self, Clock};
use crate::sight::{Namespace, Viewer};
use crate::{WallTime, facts};

/// Asks the kernel who connected.
///
/// # Errors
///
/// That of `SO_PEERCRED`.
pub(crate) fn viewer(socket: BorrowedFd<'_>) -> Result<Viewer, Errno> {
    let credentials = socket_peercred(socket)?;
    let mut gids = peer_groups(socket).unwrap_or_default();
    gids.push(credentials.gid.as_raw());
    let pid = credentials.pid.as_raw_nonzero().get().unsigned_abs();
    let seen = Seen::read(pid).filter(|_| is_same_process(socket));
    Ok(Viewer {
        uid: credentials.uid.as_raw(),
        gids,
        process: seen.as_ref().map(|seen| (pid, seen.started)),
        namespace: match (seen, Seen::read(std::process::id())) {
            (Some(theirs), Some(ours)) if theirs.depth == ours.depth => Namespace::Ours,
            _ => Namespace::Other,
        },
    })
}

/// Says whether the process that connected is alive, so that its number was still its own.
fn is_same_process(socket: BorrowedFd<'_>) -> bool {
    let pidfd = match peer_pidfd(socket) {
        Ok(pidfd) => pidfd,
        // Older kernels have nothing better to offer than the number.
        Err(errno) => return errno == Errno::NOPROTOOPT,
    };
    let mut watched = [PollFd::from_borrowed_fd(pidfd.as_fd(), PollFlags::IN)];
    let now = Timespec::default();
    poll(&mut watched, Some(&now)) == Ok(0)
}

/// What `/proc` says of a process.
struct Seen {
    started: WallTime,
    /// In how many pid namespaces it has a number, from ours inward.
    depth: usize,
}

impl Seen {
    fn read(pid: u32) -> Option<Self> {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        let numbers = status.lines().find_map(|it| it.strip_prefix("NSpid:"))?;
        let started_ns = clock::of_ticks(facts::start_ticks(pid)?);
        Some(Self {
            started: Clock::read().wall(started_ns),
            depth: numbers.split_whitespace().count(),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;
    use std::time::{SystemTime, UNIX_EPOCH};

    use super::*;

    #[test]
    fn knows_this_process_at_the_other_end() {
        let (ours, _theirs) = UnixStream::pair().unwrap();
        let viewer = viewer(ours.as_fd()).unwrap();
        assert_eq!(viewer.uid, rustix::process::geteuid().as_raw());
        assert_eq!(viewer.namespace, Namespace::Ours);
        let (pid, started) = viewer.process.unwrap();
        assert_eq!(pid, std::process::id());
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let age_ns = i64::try_from(now.as_nanos()).unwrap() - started.unix_ns;
        assert!((0..3_600_000_000_000).contains(&age_ns), "{age_ns}");
    }
}
