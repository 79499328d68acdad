//! What the kernel vouches for about the other end of a socket, and rustix does not ask.
#![expect(
    unsafe_code,
    reason = "two socket options that rustix lacks, and a descriptor for tokio"
)]

use std::io;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};

use libc::{SO_PEERGROUPS, SO_PEERPIDFD, SOL_SOCKET, c_int, c_void, gid_t, socklen_t};
use rustix::io::Errno;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// The most groups a process can have (`NGROUPS_MAX`).
const GROUPS_MAX: usize = 65_536;

/// Returns the supplementary groups that the peer had when it connected.
///
/// # Errors
///
/// `ENOPROTOOPT`: the kernel is older than 4.13; `ENODATA`: no connected Unix socket.
///
/// Source: `SO_PEERGROUPS`, `unix(7)`.
pub(crate) fn peer_groups<Fd: AsFd>(socket: Fd) -> Result<Vec<u32>, Errno> {
    let mut groups: Vec<gid_t> = vec![0; 64];
    loop {
        let wanted = match get(&socket, SO_PEERGROUPS, &mut groups) {
            Ok(length) => {
                groups.truncate(length / size_of::<gid_t>());
                return Ok(groups);
            }
            Err(Errno::RANGE) => groups.len() * 4,
            Err(errno) => return Err(errno),
        };
        if wanted > GROUPS_MAX {
            return Err(Errno::RANGE);
        }
        groups.resize(wanted, 0);
    }
}

/// Returns a pidfd of the process that connected.
///
/// # Errors
///
/// `ENOPROTOOPT`: the kernel is older than 6.5; `ENODATA`: no connected Unix socket; `ESRCH`: it is
/// gone.
///
/// Source: `SO_PEERPIDFD` in `include/uapi/asm-generic/socket.h`.
pub(crate) fn peer_pidfd<Fd: AsFd>(socket: Fd) -> Result<OwnedFd, Errno> {
    let mut fd: [c_int; 1] = [-1];
    get(&socket, SO_PEERPIDFD, &mut fd)?;
    // SAFETY: the call succeeded, so this is a new descriptor that nobody else owns.
    Ok(unsafe { OwnedFd::from_raw_fd(fd[0]) })
}

/// Registers a descriptor with the event loop of the current runtime, to be read.
pub(crate) fn watch_readable(fd: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: the descriptor is open for as long as the value lives and is never exchanged, and
    // `AsyncFd` drops the value only after it has taken the descriptor out of the event loop.
    Ok(unsafe { AsyncFd::register_with_interest(fd, Interest::READABLE)? })
}

/// Asks for a socket option whose answer is numbers; returns its length in bytes.
fn get<Fd: AsFd, T: Number>(socket: Fd, option: c_int, answer: &mut [T]) -> Result<usize, Errno> {
    let mut length = socklen_t::try_from(size_of_val(answer)).map_err(|_too_long| Errno::INVAL)?;
    let socket = socket.as_fd().as_raw_fd();
    let place = answer.as_mut_ptr().cast::<c_void>();
    // SAFETY: `place` has room for `length` bytes, the kernel writes no more than that, and any
    // bytes make a number. Both outlive the call.
    let failed = unsafe { libc::getsockopt(socket, SOL_SOCKET, option, place, &raw mut length) };
    if failed == 0 {
        Ok(usize::try_from(length).unwrap_or_default())
    } else {
        Err(Errno::from_io_error(&io::Error::last_os_error()).unwrap_or(Errno::IO))
    }
}

/// A type of which any bytes are a value.
trait Number {}
impl Number for gid_t {}
impl Number for c_int {}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;

    use rustix::process::{getgroups, getpid};

    use super::*;

    #[test]
    fn the_kernel_vouches_for_the_groups_of_the_other_end() {
        let (ours, _theirs) = UnixStream::pair().unwrap();
        let mut told = peer_groups(&ours).unwrap();
        let mut own: Vec<u32> = getgroups().unwrap().iter().map(|it| it.as_raw()).collect();
        told.sort_unstable();
        own.sort_unstable();
        assert_eq!(told, own);
    }

    #[test]
    fn the_pidfd_of_the_other_end_is_that_of_its_process() {
        let (ours, _theirs) = UnixStream::pair().unwrap();
        match peer_pidfd(&ours) {
            Ok(pidfd) => {
                let info = format!("/proc/self/fdinfo/{}", pidfd.as_raw_fd());
                let text = std::fs::read_to_string(info).unwrap();
                let line = format!("Pid:\t{}\n", getpid().as_raw_nonzero());
                assert!(text.contains(&line), "{text}");
            }
            Err(errno) => assert_eq!(errno, Errno::NOPROTOOPT),
        }
    }
}
