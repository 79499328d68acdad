//! Why a subcommand gave up, and the exit code that goes with it.

use std::fmt;

use crate::exit_code::ExitCode;

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

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::Failed(anyhow::Error::from(error).context("write the results to standard output"))
    }
}
