//! Why a subcommand gave up, and the exit code that goes with it.

use std::fmt;
use std::io;

use exithand_recorder::HistoryError;

use crate::exit_code::ExitCode;
use crate::kill::{self, KillError};
use crate::select::{CgroupError, NoSuchTree, PidfileError};

/// Why a subcommand gave up.
#[derive(Debug)]
pub enum Failure {
    /// The user asked for something that makes no sense.
    Usage(anyhow::Error),
    /// A process that was asked for does not exist.
    Missing(anyhow::Error),
    /// exithand itself failed.
    Failed(anyhow::Error),
}

impl Failure {
    /// Returns the exit code for it.
    pub fn code(&self) -> ExitCode {
        match self {
            Self::Usage(_) => ExitCode::Usage,
            Self::Missing(_) => ExitCode::NoSuchProcess,
            Self::Failed(_) => ExitCode::Failed,
        }
    }

    /// Sorts an error of a selection: who it names may be gone, or it may make no sense.
    pub fn of_selection(error: anyhow::Error) -> Self {
        let gone = |source: &io::Error| source.kind() == io::ErrorKind::NotFound;
        if error.is::<NoSuchTree>() {
            return Self::Missing(error);
        }
        match (error.downcast_ref(), error.downcast_ref()) {
            (Some(PidfileError::Unreadable { source, .. }), _) if gone(source) => {
                Self::Missing(error)
            }
            (Some(PidfileError::Unreadable { .. }), _) => Self::Failed(error),
            (Some(PidfileError::NotLocked(_)), _) => Self::Missing(error),
            (Some(_), _) => Self::Usage(error),
            (None, Some(handle)) => exithand::Error::clone(handle).into(),
            (None, None) if error.is::<CgroupError>() => Self::Usage(error),
            (None, None) => Self::Failed(error),
        }
    }

    /// Wraps an error about how the command was called.
    pub fn usage(error: impl Into<anyhow::Error>) -> Self {
        Self::Usage(error.into())
    }
}

impl fmt::Display for Failure {
    /// Prints the whole chain of causes on one line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage(error) | Self::Missing(error) | Self::Failed(error) => {
                write!(f, "{error:#}")
            }
        }
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self::Failed(error)
    }
}

impl From<exithand::Error> for Failure {
    fn from(error: exithand::Error) -> Self {
        match error {
            error if error.is_gone() => Self::Missing(error.into()),
            exithand::Error::IsThread { .. } => Self::Missing(error.into()),
            exithand::Error::Itself(_) => Self::Usage(error.into()),
            error => Self::Failed(error.into()),
        }
    }
}

impl From<KillError> for Failure {
    fn from(error: KillError) -> Self {
        match error {
            KillError::Handle(error) => error.into(),
            KillError::Cgroup(kill::CgroupError::NotFound { .. }) => Self::Missing(error.into()),
            KillError::Cgroup(kill::CgroupError::File { .. })
            | KillError::Proc { .. }
            | KillError::Syscall { .. } => Self::Failed(error.into()),
            error => Self::Usage(error.into()),
        }
    }
}

impl From<HistoryError> for Failure {
    fn from(error: HistoryError) -> Self {
        Self::Failed(error.into())
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Failed(anyhow::Error::from(error).context("write the results to standard output"))
    }
}
