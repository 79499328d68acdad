//! How a command is run: as whom, and with how many descriptors.

use std::ffi::OsStr;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use crate::sys;

/// A user to run a process as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct User {
    /// The user id.
    pub uid: u32,
    /// The group id; there are no supplementary groups.
    pub gid: u32,
}

impl User {
    /// The overflow user, who owns nothing.
    pub const NOBODY: Self = Self {
        uid: 65534,
        gid: 65534,
    };
    /// A second user without a name, to be another than [`User::NOBODY`].
    pub const STRANGER: Self = Self {
        uid: 61234,
        gid: 61234,
    };
}

/// Has `command` run as `user`. Needs root, and a program that `user` can reach.
#[must_use]
pub fn run_as(user: User, mut command: Command) -> Command {
    command.uid(user.uid).gid(user.gid);
    command
}

/// Copies a program, to where other users reach it.
///
/// Another program does it: while a file is open for writing here, children of other tests may hold
/// it open too, and then it cannot be executed (`ETXTBSY`).
///
/// # Panics
///
/// Where it cannot be copied.
pub fn copy_program(program: impl AsRef<OsStr>, to: impl AsRef<Path>) {
    let (program, to) = (program.as_ref(), to.as_ref());
    let copied = Command::new("cp").arg(program).arg(to).status();
    assert!(
        copied.is_ok_and(|it| it.success()),
        "copy {} to {}",
        program.display(),
        to.display()
    );
}

/// Has `command` run with soft and hard `RLIMIT_NOFILE` lowered to `limit`.
///
/// The standard library needs a few descriptors itself to start a program; below about 10 it fails.
#[must_use]
pub fn with_descriptor_limit(limit: u64, mut command: Command) -> Command {
    sys::limit_descriptors(&mut command, limit);
    command
}
