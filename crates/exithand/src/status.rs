//! Where an outcome comes from: the contract's section 4.

use std::fs;
use std::os::fd::BorrowedFd;

use rustix::io::Errno;
use rustix::process::{WaitId, WaitIdOptions, waitid};

use crate::outcome::{Outcome, Why};
use crate::proc::{self, Entry, Stat};
use crate::sys::{self, ExitInfo};
use crate::{SigInfo, State, Token};

/// Where an outcome was learned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Source {
    /// It is our own child: `waitid(2)`, without consuming the status.
    Child,
    /// The kernel kept it for holders of a pidfd (`PIDFD_INFO_EXIT`, Linux 6.15).
    Pidfd,
    /// The zombie's `/proc/PID/stat`.
    Zombie,
    /// A [`StatusSource`].
    Recorder,
    /// The exithand files of the process.
    File,
}

impl Source {
    /// Returns the word the command's `--json` uses.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Child => "child",
            Self::Pidfd => "pidfd",
            Self::Zombie => "zombie",
            Self::Recorder => "recorder",
            Self::File => "file",
        }
    }
}

/// Somebody who saw how processes ended when this program could not: a recorder's history.
///
/// ```
/// use exithand::{Outcome, StatusSource, Token};
/// use std::collections::HashMap;
///
/// struct History(HashMap<Token, Outcome>);
///
/// impl StatusSource for History {
///     fn outcome(&self, token: &Token) -> Option<Outcome> {
///         self.0.get(token).copied()
///     }
/// }
/// ```
pub trait StatusSource: Send + Sync {
    /// Says how the process named by `token` ended; `None` where this source does not know.
    ///
    /// Called once the process has ended. It may block for as long as the source needs to hand
    /// over what it already has, not until somebody reaps.
    fn outcome(&self, token: &Token) -> Option<Outcome>;
}

/// Learns how an ended process ended, from the first source that knows.
pub(crate) fn learn(
    pidfd: BorrowedFd<'_>,
    state: State,
    token: &Token,
    recorder: Option<&dyn StatusSource>,
) -> (Outcome, Option<Source>) {
    let mut why = match ask_kernel(pidfd, state) {
        KernelSays::Outcome(outcome, source) => return (outcome, Some(source)),
        KernelSays::NotYet => None,
        KernelSays::Never(why) => Some(why),
    };
    match zombie(pidfd) {
        Zombie::Ended(outcome) => return (outcome, Some(Source::Zombie)),
        Zombie::Hidden(hidden) => why = Some(hidden),
        Zombie::Reaped => match kept_by_kernel(pidfd) {
            Ok(outcome) => return (outcome, Some(Source::Pidfd)),
            Err(reaped) => why = reaped.or(why),
        },
    }
    if let Some(outcome) = recorder.and_then(|recorder| recorder.outcome(token)) {
        return (outcome, Some(Source::Recorder));
    }
    (
        Outcome::Unknown {
            why: why.unwrap_or(Why::OldKernel),
        },
        None,
    )
}

/// What the kernel says of an ended process to whoever holds its pidfd.
pub(crate) enum KernelSays {
    Outcome(Outcome, Source),
    /// The reap will make it known.
    NotYet,
    Never(Why),
}

/// Asks the kernel, which takes next to no time.
pub(crate) fn ask_kernel(pidfd: BorrowedFd<'_>, state: State) -> KernelSays {
    if state != State::Reaped
        && let Some(outcome) = own_child(pidfd)
    {
        return KernelSays::Outcome(outcome, Source::Child);
    }
    match kept_by_kernel(pidfd) {
        Ok(outcome) => KernelSays::Outcome(outcome, Source::Pidfd),
        Err(None) => KernelSays::NotYet,
        Err(Some(why)) => KernelSays::Never(why),
    }
}

/// Looks at our own ended child and leaves its status for whoever will reap it.
fn own_child(pidfd: BorrowedFd<'_>) -> Option<Outcome> {
    let look = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG;
    let status = waitid(WaitId::PidFd(pidfd), look).ok()??;
    let code = status.raw_code();
    let status = status
        .exit_status()
        .or_else(|| status.terminating_signal())?;
    SigInfo {
        code,
        status,
        pid: 0,
        uid: 0,
    }
    .outcome()
    .ok()
}

/// Asks the kernel for what it kept after the reap; `Err(None)` before it.
fn kept_by_kernel(pidfd: BorrowedFd<'_>) -> Result<Outcome, Option<Why>> {
    match sys::exit_info(pidfd) {
        Ok(ExitInfo::Status(status)) => {
            Outcome::from_wait_status(status).ok_or(Some(Why::OldKernel))
        }
        Ok(ExitInfo::NotReaped) => Err(None),
        Err(Errno::REMOTE) => Err(Some(Why::OtherPidNamespace)),
        Err(Errno::PERM | Errno::ACCESS | Errno::NOSYS) => Err(Some(Why::InfoBlocked)),
        Err(_) => Err(Some(Why::OldKernel)),
    }
}

/// What a zombie's `/proc` entry tells.
enum Zombie {
    Ended(Outcome),
    Hidden(Why),
    Reaped,
}

/// Reads the wait status of a zombie, where the kernel lets us see the real one.
fn zombie(pidfd: BorrowedFd<'_>) -> Zombie {
    let pid = match proc::entry(pidfd) {
        Ok(Entry::Pid(pid)) => pid,
        Ok(Entry::Gone) => return Zombie::Reaped,
        Ok(Entry::Elsewhere) => return Zombie::Hidden(Why::OtherPidNamespace),
        Err(_) => return Zombie::Hidden(Why::UnseenZombie),
    };
    let stat = Stat::read(pid);
    // The kernel prints status 0 for readers who fail its ptrace-read check. The same check
    // guards this link, so reading the link proves that a 0 is the real one.
    let may_read = matches!(stat, Ok(stat) if stat.wait_status != 0)
        || fs::read_link(format!("/proc/{}/ns/user", pid.as_raw_nonzero())).is_ok();
    let uid = if may_read { None } else { proc::uid_of(pid) };
    // Only now is it sure that the entry was still that of our process.
    if sys::send_signal(pidfd, 0) == Err(Errno::SRCH) {
        return Zombie::Reaped;
    }
    let us = rustix::process::getuid().as_raw();
    match stat {
        Ok(stat) if may_read && matches!(stat.state, b'Z' | b'X') => {
            Outcome::from_wait_status(stat.wait_status)
                .map_or(Zombie::Hidden(Why::UnseenZombie), Zombie::Ended)
        }
        Ok(_) if uid.is_some_and(|uid| uid != us) => Zombie::Hidden(Why::ForeignZombie),
        Ok(_) if uid.is_some() => Zombie::Hidden(Why::ProtectedZombie),
        _ => Zombie::Hidden(Why::UnseenZombie),
    }
}
