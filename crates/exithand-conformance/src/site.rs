//! The directory under judgement.

use std::fmt::Display;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags, open};
use rustix::io::Errno;
use rustix::process::Pid;

use crate::policy::Policy;
use crate::verdict::{Checked, Context};

/// The directory under judgement, and what is known about it.
#[derive(Debug, Clone)]
pub struct Site {
    root: PathBuf,
    policy: Policy,
}

impl Site {
    /// Judges `root`, which was set up with this status policy.
    pub fn new(root: impl Into<PathBuf>, policy: Policy) -> Self {
        Self {
            root: root.into(),
            policy,
        }
    }

    /// The directory.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The status policy it was set up with.
    pub fn policy(&self) -> Policy {
        self.policy
    }

    /// The directory of a process.
    pub(crate) fn process(&self, pid: Pid) -> PathBuf {
        self.root.join(number(pid))
    }

    /// The directory of a thread.
    pub(crate) fn thread(&self, pid: Pid, tid: Pid) -> PathBuf {
        self.process(pid).join("task").join(number(tid))
    }

    /// One file of a process.
    pub(crate) fn file(&self, pid: Pid, name: &str) -> PathBuf {
        self.process(pid).join(name)
    }

    /// Opens one file of a process for blocking reads.
    pub(crate) fn open(&self, pid: Pid, name: &str) -> Checked<OwnedFd> {
        open_file(&self.file(pid, name), OFlags::empty()).context(format_args!("open PID/{name}"))
    }

    /// Opens one file of a process for reads that never block.
    pub(crate) fn open_nonblocking(&self, pid: Pid, name: &str) -> Checked<OwnedFd> {
        open_file(&self.file(pid, name), OFlags::NONBLOCK)
            .context(format_args!("open PID/{name} with O_NONBLOCK"))
    }
}

/// Opens a file for reading.
pub(crate) fn open_file(path: &Path, flags: OFlags) -> Result<OwnedFd, Errno> {
    open(
        path,
        OFlags::RDONLY | OFlags::CLOEXEC | flags,
        Mode::empty(),
    )
}

/// Opens a directory.
pub(crate) fn open_directory(path: &Path) -> Checked<OwnedFd> {
    open_file(path, OFlags::DIRECTORY).context(format_args!("open the directory {}", last(path)))
}

/// A number, as a path has it.
pub(crate) fn number(pid: Pid) -> String {
    pid.as_raw_nonzero().to_string()
}

/// The last part of a path.
pub(crate) fn last(path: &Path) -> impl Display {
    path.file_name().unwrap_or_default().display()
}
