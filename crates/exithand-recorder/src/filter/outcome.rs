//! Ways to end, as a filter names them.

use std::fmt;
use std::str::FromStr;

use exithand::Outcome;
use serde::{Deserialize, Serialize};

/// A way to end.
///
/// Prints and reads as `exited`, `exited 3`, `killed`, `core` or `unknown`. Which signal killed is
/// asked by [`Filter::signals`](super::Filter::signals).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum OutcomeKind {
    /// By its own call.
    Exited,
    /// By its own call, with this exit status.
    ExitedWith(u8),
    /// By a signal.
    Killed,
    /// By a signal, with a core dump.
    CoreDumped,
    /// It is not known how.
    Unknown,
}

impl OutcomeKind {
    /// Says whether `outcome` is of this kind.
    pub fn matches(self, outcome: Outcome) -> bool {
        match self {
            Self::Exited => matches!(outcome, Outcome::Exited(_)),
            Self::ExitedWith(status) => outcome == Outcome::Exited(status),
            Self::Killed => matches!(outcome, Outcome::Killed { .. }),
            Self::CoreDumped => matches!(
                outcome,
                Outcome::Killed {
                    core_dumped: true,
                    ..
                }
            ),
            Self::Unknown => !outcome.is_known(),
        }
    }
}

impl fmt::Display for OutcomeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exited => f.pad("exited"),
            Self::ExitedWith(status) => write!(f, "exited {status}"),
            Self::Killed => f.pad("killed"),
            Self::CoreDumped => f.pad("core"),
            Self::Unknown => f.pad("unknown"),
        }
    }
}

/// The text names no way to end.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no way to end: write exited, 'exited 3', killed, core or unknown")]
pub struct ParseOutcomeKindError(String);

impl FromStr for OutcomeKind {
    type Err = ParseOutcomeKindError;

    fn from_str(text: &str) -> Result<Self, ParseOutcomeKindError> {
        let refuse = || ParseOutcomeKindError(text.to_owned());
        match text.split_once(' ') {
            Some(("exited", status)) => {
                let digits = status.bytes().all(|byte| byte.is_ascii_digit());
                let status = status.parse().ok().filter(|_| digits);
                status.map(Self::ExitedWith).ok_or_else(refuse)
            }
            Some(_) => Err(refuse()),
            None => match text {
                "exited" => Ok(Self::Exited),
                "killed" => Ok(Self::Killed),
                "core" => Ok(Self::CoreDumped),
                "unknown" => Ok(Self::Unknown),
                _ => Err(refuse()),
            },
        }
    }
}

impl From<OutcomeKind> for String {
    fn from(kind: OutcomeKind) -> Self {
        kind.to_string()
    }
}

impl TryFrom<String> for OutcomeKind {
    type Error = ParseOutcomeKindError;

    fn try_from(text: String) -> Result<Self, ParseOutcomeKindError> {
        text.parse()
    }
}
