//! Why an operation on an exit handle or an exithand file failed.

use std::path::PathBuf;

use rustix::io::Errno;
use rustix::process::Pid;

use crate::Token;

/// Why an operation on an exit handle failed: one variant per thing the caller can do about it.
///
/// States are not errors: "still running" is `None`, and an ended process whose outcome nobody
/// may tell is [`Outcome::Unknown`](crate::Outcome::Unknown).
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No process has this pid now (`ESRCH`). It may have ended a moment ago.
    #[error("no process with pid {}", .0.as_raw_nonzero())]
    NoSuchProcess(Pid),
    /// The number names a thread, not a process; opening it as one would wait for the wrong thing.
    #[error(
        "{} is a thread of process {}, not a process: wait for {} instead",
        .tid.as_raw_nonzero(), .process.as_raw_nonzero(), .process.as_raw_nonzero()
    )]
    IsThread {
        /// The number that was given.
        tid: Pid,
        /// The process it belongs to.
        process: Pid,
    },
    /// The process this token or handle names has ended and was reaped (`ESRCH`, `ESTALE`).
    #[error("process {0} has ended")]
    Ended(Token),
    /// The token was taken in an earlier (or another machine's) boot, so its process has ended.
    #[error("process {0} has ended: its token is from another boot")]
    OtherBoot(Token),
    /// A process that waits for its own end would wait for ever.
    #[error("process {} is the caller itself: waiting for oneself never ends", .0.as_raw_nonzero())]
    Itself(Pid),
    /// The process exists and belongs to somebody else (`EPERM`).
    #[error("not permitted to {action} process {token}: it belongs to another user")]
    NotPermitted {
        /// What was refused, as a verb.
        action: &'static str,
        /// The process.
        token: Token,
    },
    /// No descriptor is left (`EMFILE`, `ENFILE`): nothing was opened.
    #[error("out of file descriptors (limit {limit}): raise it with `ulimit -n`")]
    TooManyFiles {
        /// The soft limit in force, in descriptors.
        limit: u64,
        /// `EMFILE` or `ENFILE`.
        #[source]
        errno: Errno,
    },
    /// The running kernel lacks `feature`.
    #[error("{feature} needs Linux {since} or later")]
    Unsupported {
        /// The missing feature, named as the kernel names it.
        feature: &'static str,
        /// The first release that has it.
        since: &'static str,
    },
    /// A sandbox hides a call that every supported kernel has (`EPERM`, `ENOSYS`).
    #[error("{call} is blocked here: allow it in the seccomp or container profile")]
    Blocked {
        /// The hidden call.
        call: &'static str,
        /// `EPERM` or `ENOSYS`.
        #[source]
        errno: Errno,
    },
    /// The descriptor given is not a pidfd.
    #[error("not a pidfd")]
    NotPidfd,
    /// No exithand files are there, or none for processes.
    #[error("no exithand files in {}: mount them with `exithand mount`, or name another directory", .0.display())]
    NoExitFiles(PathBuf),
    /// The filesystem of the exithand files has died (`ENOTCONN`): nothing is known any more.
    #[error("the exithand files have lost their server: mount them again")]
    FilesDied(#[source] Errno),
    /// An exithand file tells the end, and not the reap.
    #[error("an exithand file does not tell when a process is reaped: wait for its end")]
    ReapUntold,
    /// The event loop an async wait was registered with is gone, and took the wait with it.
    #[error("the async runtime has shut down")]
    RuntimeGone,
    /// A system call failed in a way no caller can act on.
    #[error("{call} failed")]
    Syscall {
        /// The call.
        call: &'static str,
        /// Its error.
        #[source]
        errno: Errno,
    },
}

impl Error {
    /// Returns the error number a C program would see for this failure.
    pub fn errno(&self) -> Errno {
        match self {
            Self::NoSuchProcess(_) | Self::Ended(_) | Self::OtherBoot(_) => Errno::SRCH,
            Self::IsThread { .. } => Errno::INVAL,
            Self::Itself(_) => Errno::DEADLK,
            Self::NotPermitted { .. } => Errno::PERM,
            Self::Unsupported { .. } | Self::ReapUntold => Errno::OPNOTSUPP,
            Self::NoExitFiles(_) => Errno::NOENT,
            Self::NotPidfd => Errno::BADF,
            Self::RuntimeGone => Errno::CANCELED,
            Self::FilesDied(errno)
            | Self::TooManyFiles { errno, .. }
            | Self::Blocked { errno, .. }
            | Self::Syscall { errno, .. } => *errno,
        }
    }

    /// Says whether the failure only means that the process is gone.
    pub fn is_gone(&self) -> bool {
        matches!(
            self,
            Self::NoSuchProcess(_) | Self::Ended(_) | Self::OtherBoot(_)
        )
    }

    /// Turns the errno of `call` into the variant for it, where the call itself has no say.
    pub(crate) fn from_call(call: &'static str, errno: Errno) -> Self {
        match errno {
            Errno::MFILE | Errno::NFILE => {
                let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
                Self::TooManyFiles {
                    limit: limit.unwrap_or(u64::MAX),
                    errno,
                }
            }
            _ => Self::Syscall { call, errno },
        }
    }
}

impl From<Error> for std::io::Error {
    fn from(error: Error) -> Self {
        let kind = Self::from(error.errno()).kind();
        Self::new(kind, error)
    }
}
