//! How a command is run: as whom, and with how many descriptors.

use std::os::unix::process::CommandExt;
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

/// Has `command` run with soft and hard `RLIMIT_NOFILE` lowered to `limit`.
///
/// The standard library needs a few descriptors itself to start a program; below about 10 it fails.
#[must_use]
pub fn with_descriptor_limit(limit: u64, mut command: Command) -> Command {
    sys::limit_descriptors(&mut command, limit);
    command
}
