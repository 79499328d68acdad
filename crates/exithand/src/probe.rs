//! What this kernel and these privileges allow, each answer with the call that was tried.
//!
//! Nothing is guessed from a version: every answer is that of the kernel to the very call, and
//! "no" is said only for the errno that means "absent" or "hidden".
//!
//! ```
//! for probe in exithand::probe::all() {
//!     println!("{}: {}", probe.feature, probe.answer);
//! }
//! ```

use std::fmt;
use std::os::fd::{AsFd, OwnedFd};
use std::thread;
use std::time::Duration;

use rustix::event::PollFlags;
use rustix::fs::fstat;
use rustix::io::Errno;
use rustix::process::{PidfdFlags, WaitId, WaitIdOptions, getpid, pidfd_open, waitid};

use crate::open::PIDFD_THREAD;
use crate::poll::poll_until;
use crate::proc::{self, Entry};
use crate::sys::{self, ExitInfo};
use crate::{Deadline, Pid};

/// Something the library can use where the kernel has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Feature {
    /// Opening a process by pid, and waiting for its end.
    Open,
    /// Sending signals through handles.
    Signal,
    /// The status of our own children.
    ChildStatus,
    /// The status of any process after the reap.
    ExitInfo,
    /// The status of a zombie from `/proc`.
    ZombieStatus,
    /// Waiting for the reap.
    Reap,
    /// Tokens by inode.
    InodeToken,
    /// Opening a token without its pid.
    OpenByInode,
    /// Handles for single threads.
    Thread,
    /// Freeing the memory of a killed process at once.
    ReleaseMemory,
}

impl Feature {
    /// All features, most basic first.
    pub const ALL: [Self; 10] = [
        Self::Open,
        Self::Signal,
        Self::ChildStatus,
        Self::ExitInfo,
        Self::ZombieStatus,
        Self::Reap,
        Self::InodeToken,
        Self::OpenByInode,
        Self::Thread,
        Self::ReleaseMemory,
    ];

    /// Returns the call whose answer decides.
    pub fn call(self) -> &'static str {
        match self {
            Self::Open => "pidfd_open(own pid)",
            Self::Signal => "pidfd_send_signal(own pidfd, 0)",
            Self::ChildStatus => "waitid(P_PIDFD, own pidfd)",
            Self::ExitInfo => "PIDFD_GET_INFO with PIDFD_INFO_EXIT on an ended thread",
            Self::ZombieStatus => "Pid: of the own pidfd in /proc/thread-self/fdinfo",
            Self::Reap => "poll(POLLHUP) on an ended thread",
            Self::InodeToken => "fstatfs(own pidfd)",
            Self::OpenByInode => "open_by_handle_at(own inode)",
            Self::Thread => "pidfd_open(own tid, PIDFD_THREAD)",
            Self::ReleaseMemory => "process_mrelease(own pidfd)",
        }
    }

    /// Returns the first Linux release that has it.
    pub fn since(self) -> &'static str {
        match self {
            Self::Signal => "5.1",
            Self::Open => "5.3",
            Self::ChildStatus => "5.4",
            Self::ReleaseMemory => "5.15",
            Self::ZombieStatus => "5.17",
            Self::Reap | Self::InodeToken | Self::Thread => "6.9",
            Self::OpenByInode => "6.14",
            Self::ExitInfo => "6.15",
        }
    }
}

impl fmt::Display for Feature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Open => "wait for any process",
            Self::Signal => "signals through handles",
            Self::ChildStatus => "outcome of our own children",
            Self::ExitInfo => "outcome of any process, once reaped",
            Self::ZombieStatus => "outcome of zombies we may read",
            Self::Reap => "wait for the reap",
            Self::InodeToken => "tokens by inode",
            Self::OpenByInode => "open a token without its pid",
            Self::Thread => "wait for one thread",
            Self::ReleaseMemory => "free a killed process's memory",
        })
    }
}

/// What the kernel said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Answer {
    /// It works here.
    Yes,
    /// The kernel does not have it.
    Absent {
        /// The first release that has it.
        since: &'static str,
    },
    /// The kernel may have it, and a sandbox hides it.
    Blocked(Errno),
    /// `/proc` is not mounted here, or is that of another pid namespace.
    NoProc,
    /// The call failed in a way that says neither.
    Unclear(Errno),
}

impl Answer {
    /// Says whether the feature works.
    pub fn is_yes(self) -> bool {
        self == Self::Yes
    }

    /// Returns what would make it work; `None` where it does.
    pub fn remedy(self) -> Option<String> {
        match self {
            Self::Yes => None,
            Self::Absent { since } => Some(format!("run Linux {since} or later")),
            Self::Blocked(_) => Some("allow the call in the seccomp or container profile".into()),
            Self::NoProc => Some("mount the proc of this pid namespace on /proc".into()),
            Self::Unclear(_) => Some("report this with the output of `uname -a`".into()),
        }
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Yes => f.write_str("yes"),
            Self::Absent { since } => write!(f, "no: came with Linux {since}"),
            Self::Blocked(errno) => write!(f, "no: blocked here ({errno})"),
            Self::NoProc => f.write_str("no: /proc does not show our processes"),
            Self::Unclear(errno) => write!(f, "unclear: {errno}"),
        }
    }
}

/// One answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Probe {
    /// What was asked for.
    pub feature: Feature,
    /// What the kernel said.
    pub answer: Answer,
}

/// Tries everything, in the order of [`Feature::ALL`]. Blocks for the life of a thread that ends
/// at once; harms nothing.
pub fn all() -> Vec<Probe> {
    Feature::ALL
        .into_iter()
        .map(|feature| Probe {
            feature,
            answer: one(feature),
        })
        .collect()
}

/// Tries one feature.
pub fn one(feature: Feature) -> Answer {
    let tried = match feature {
        Feature::Open => ourselves().map(drop),
        Feature::Signal => ourselves().and_then(|us| sys::send_signal(&us, 0)),
        Feature::ChildStatus => ourselves().and_then(|us| child_status(&us)),
        Feature::ExitInfo => ended_thread().and_then(|thread| exit_info(&thread)),
        Feature::ZombieStatus => return zombie_status(),
        Feature::Reap => ended_thread().map(drop),
        Feature::InodeToken => ourselves().and_then(|us| inode(&us)).map(drop),
        Feature::OpenByInode => ourselves().and_then(|us| open_by_inode(&us)),
        Feature::Thread => own_thread().map(drop),
        Feature::ReleaseMemory => ourselves().and_then(|us| release_memory(&us)),
    };
    match tried {
        Ok(()) => Answer::Yes,
        Err(errno @ (Errno::PERM | Errno::ACCESS)) => Answer::Blocked(errno),
        Err(Errno::NOSYS | Errno::INVAL | Errno::NOTTY | Errno::OPNOTSUPP) => Answer::Absent {
            since: feature.since(),
        },
        Err(errno) => Answer::Unclear(errno),
    }
}

fn ourselves() -> Result<OwnedFd, Errno> {
    pidfd_open(getpid(), PidfdFlags::empty())
}

fn own_thread() -> Result<OwnedFd, Errno> {
    let tid: Pid = rustix::thread::gettid();
    pidfd_open(tid, PidfdFlags::from_bits_retain(PIDFD_THREAD))
}

/// Returns a handle on a thread of ours that has ended and was reaped.
fn ended_thread() -> Result<OwnedFd, Errno> {
    let pidfd = thread::spawn(own_thread)
        .join()
        .map_err(|_panic| Errno::AGAIN)??;
    // Joining returns a moment before the kernel has let go of the thread.
    reap(&pidfd)?;
    Ok(pidfd)
}

fn child_status(us: &OwnedFd) -> Result<(), Errno> {
    let look = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG;
    match waitid(WaitId::PidFd(us.as_fd()), look) {
        // Known, and we are no child of ours.
        Err(Errno::CHILD) | Ok(_) => Ok(()),
        Err(errno) => Err(errno),
    }
}

fn exit_info(thread: &OwnedFd) -> Result<(), Errno> {
    match sys::exit_info(thread) {
        Ok(ExitInfo::Status(_)) => Ok(()),
        // Linux 6.13 and 6.14 know the call and keep nothing.
        Ok(ExitInfo::NotReaped) | Err(Errno::SRCH) => Err(Errno::NOTTY),
        Err(errno) => Err(errno),
    }
}

fn zombie_status() -> Answer {
    match ourselves().and_then(proc::entry) {
        Ok(Entry::Pid(_)) => Answer::Yes,
        _ => Answer::NoProc,
    }
}

fn reap(thread: &OwnedFd) -> Result<(), Errno> {
    let deadline = Deadline::after(Duration::from_secs(1));
    let watched = [(thread.as_fd(), PollFlags::empty())];
    let [seen] = poll_until(watched, deadline).map_err(|error| error.errno())?;
    if seen.contains(PollFlags::HUP) {
        Ok(())
    } else {
        Err(Errno::INVAL)
    }
}

fn inode(us: &OwnedFd) -> Result<u64, Errno> {
    if sys::is_pidfs(us)? {
        Ok(fstat(us)?.st_ino)
    } else {
        Err(Errno::OPNOTSUPP)
    }
}

fn open_by_inode(us: &OwnedFd) -> Result<(), Errno> {
    match sys::open_inode(us, inode(us)?) {
        Ok(found) if inode(&found)? == inode(us)? => Ok(()),
        // Our own process is there, so it is the kernel that cannot look.
        Ok(_) | Err(Errno::STALE) => Err(Errno::OPNOTSUPP),
        // Before 6.14 that is said to users without looking further.
        Err(Errno::PERM) if sys::has_handle(us) == Err(Errno::OPNOTSUPP) => Err(Errno::OPNOTSUPP),
        Err(errno) => Err(errno),
    }
}

fn release_memory(us: &OwnedFd) -> Result<(), Errno> {
    match sys::release_memory(us) {
        // Known, and we are not dying.
        Err(Errno::INVAL) | Ok(()) => Ok(()),
        Err(errno) => Err(errno),
    }
}
