//! The only place that knows the command's exit codes.

use std::process::ExitCode as ProcessCode;

/// How the command ends, as the EXIT STATUS table of the man pages lists it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExitCode {
    /// What was asked has happened.
    Success,
    /// Wrong usage.
    Usage,
    /// The time ran out first.
    TimedOut,
    /// exithand itself failed; nothing is assumed about the target.
    Failed,
    /// `--propagate`, and nobody says how the target ended.
    UnknownOutcome,
    /// No such process.
    NoSuchProcess,
    /// `--propagate`: the target's exit status, or 128 plus its signal.
    Propagated(u8),
}

impl ExitCode {
    /// Returns the number the shell sees.
    pub fn number(self) -> u8 {
        match self {
            Self::Success => 0,
            Self::Usage => 2,
            Self::TimedOut => 124,
            Self::Failed => 125,
            Self::UnknownOutcome => 126,
            Self::NoSuchProcess => 127,
            Self::Propagated(status) => status,
        }
    }
}

impl From<ExitCode> for ProcessCode {
    fn from(code: ExitCode) -> Self {
        code.number().into()
    }
}
