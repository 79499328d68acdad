//! What a check finds.

use std::fmt::{Debug, Display};
use std::io;

use rustix::io::Errno;

/// Nothing to complain about, or the reason why the check stopped.
pub type Checked<T = ()> = Result<T, Stop>;

/// Why a check stopped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stop {
    /// The files do something else than the contract says.
    Failed(String),
    /// The implementation leaves out something it may leave out.
    Absent(String),
    /// This machine, or this user, cannot find out.
    Skipped(String),
}

impl Stop {
    /// Says in what the check was busy when it failed.
    pub(crate) fn context(self, what: impl Display) -> Self {
        match self {
            Self::Failed(why) => Self::Failed(format!("{what}: {why}")),
            other => other,
        }
    }
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Self::Failed(error.to_string())
    }
}

impl From<Errno> for Stop {
    fn from(errno: Errno) -> Self {
        Self::Failed(name(errno))
    }
}

/// Names what a call was about when it fails.
pub(crate) trait Context<T> {
    fn context(self, what: impl Display) -> Checked<T>;
}

impl<T, E: Into<Stop>> Context<T> for Result<T, E> {
    fn context(self, what: impl Display) -> Checked<T> {
        self.map_err(|error| error.into().context(what))
    }
}

/// Fails unless `holds`.
pub(crate) fn ensure(holds: bool, otherwise: impl Display) -> Checked {
    if holds {
        Ok(())
    } else {
        Err(Stop::Failed(otherwise.to_string()))
    }
}

/// Fails unless what was seen is what the contract says.
pub(crate) fn same<T: PartialEq + Debug>(what: impl Display, seen: &T, wanted: &T) -> Checked {
    ensure(
        seen == wanted,
        format_args!("{what}: {seen:?} instead of {wanted:?}"),
    )
}

/// Fails unless the call failed, and with one of these errors.
#[expect(
    clippy::needless_pass_by_value,
    reason = "reads better where it is called"
)]
pub(crate) fn refused<T>(what: impl Display, result: Result<T, Errno>, with: &[Errno]) -> Checked {
    let wanted = || {
        with.iter()
            .map(|it| name(*it))
            .collect::<Vec<_>>()
            .join(" or ")
    };
    match result {
        Err(errno) if with.contains(&errno) => Ok(()),
        Err(errno) => Err(Stop::Failed(format!(
            "{what}: {} instead of {}",
            name(errno),
            wanted()
        ))),
        Ok(_) => Err(Stop::Failed(format!(
            "{what}: worked, {} was due",
            wanted()
        ))),
    }
}

/// The name of an error as C programs know it, where it is one of the contract's.
pub(crate) fn name(errno: Errno) -> String {
    const NAMES: [(Errno, &str); 19] = [
        (Errno::ACCESS, "EACCES"),
        (Errno::AGAIN, "EAGAIN"),
        (Errno::BADF, "EBADF"),
        (Errno::DEADLK, "EDEADLK"),
        (Errno::EXIST, "EEXIST"),
        (Errno::INTR, "EINTR"),
        (Errno::INVAL, "EINVAL"),
        (Errno::IO, "EIO"),
        (Errno::ISDIR, "EISDIR"),
        (Errno::MFILE, "EMFILE"),
        (Errno::NOENT, "ENOENT"),
        (Errno::NOSYS, "ENOSYS"),
        (Errno::NOTCONN, "ENOTCONN"),
        (Errno::NOTDIR, "ENOTDIR"),
        (Errno::PERM, "EPERM"),
        (Errno::ROFS, "EROFS"),
        (Errno::SPIPE, "ESPIPE"),
        (Errno::SRCH, "ESRCH"),
        (Errno::STALE, "ESTALE"),
    ];
    let known = NAMES.iter().find(|(it, _)| *it == errno);
    known.map_or_else(|| errno.to_string(), |(_, name)| (*name).to_owned())
}
