//! What tells one process from all others: the marks that tokens are made of.

use exithand::{ExitHandle, Pid, Token};
use rustix::fs::fstat;
use rustix::io::Errno;
use rustix::process::{PidfdFlags, getpid, pidfd_open};

use crate::candidate::Identity;

/// What this kernel marks processes with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Marks {
    /// Inodes on pidfs; Linux 6.9.
    Inodes,
    /// Start times.
    StartTimes,
}

impl Marks {
    /// Finds out.
    ///
    /// # Errors
    ///
    /// `ENOSYS`, `EPERM`: pidfds cannot be opened here.
    pub(super) fn probe() -> Result<Self, Errno> {
        let own = ExitHandle::open(getpid()).map_err(|error| error.errno())?;
        Ok(match own.token().inode() {
            Some(_) => Self::Inodes,
            None => Self::StartTimes,
        })
    }

    /// Returns the token of a process.
    pub(super) fn token(self, identity: Identity) -> Token {
        let pid = pid(identity.pid);
        match self {
            Self::Inodes => Token::of_inode(pid, identity.mark),
            Self::StartTimes => Token::of_start(pid, identity.mark),
        }
    }
}

/// Returns the number as the kernel takes it.
pub(super) fn pid(number: u32) -> Option<Pid> {
    i32::try_from(number).ok().and_then(Pid::from_raw)
}

/// Returns the inode of the process that has `number` now; `None` if there is none.
pub(super) fn inode(number: u32) -> Option<u64> {
    let pidfd = pidfd_open(pid(number)?, PidfdFlags::empty()).ok()?;
    Some(fstat(&pidfd).ok()?.st_ino)
}

/// Reads the start time out of the text of `/proc/PID/stat`; the name may hold anything.
pub(crate) fn start_time(stat: &[u8]) -> Option<u64> {
    let end = stat.iter().rposition(|byte| *byte == b')')?;
    let fields = stat.get(end + 2..)?;
    // Field 3 is the first here; 22 is the start time.
    let ticks = fields.split(|byte| *byte == b' ').nth(22 - 3)?;
    crate::number::decimal(ticks)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn makes_the_token_that_a_handle_has() {
        let actor = exithand_testkit::actor(&["hang"]);
        let number = u32::try_from(actor.pid().as_raw_nonzero().get()).unwrap();
        let stat = std::fs::read(format!("/proc/{number}/stat")).unwrap();
        let marks = Marks::probe().unwrap();
        let mark = match marks {
            Marks::Inodes => inode(number).unwrap(),
            Marks::StartTimes => start_time(&stat).unwrap(),
        };
        let token = marks.token(Identity { pid: number, mark });
        assert_eq!(ExitHandle::open(actor.pid()).unwrap().token(), token);
        assert!(start_time(&stat).is_some());
        assert_eq!(start_time(b"1 (a b) c) S 2"), None);
    }
}
