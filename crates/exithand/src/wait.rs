//! What to wait for, for how long, and the answer.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::{Deadline, Outcome, Source, StatusSource, Token};

/// How long a wait for the end allows for the reap that makes the outcome known, by default.
pub const DEFAULT_GRACE: Duration = Duration::from_millis(100);

/// How long a waiter that saw the end leaves the zombie to its parent before it asks the zombie.
///
/// Most parents reap within microseconds, and then the kernel tells, while reading `/proc` takes
/// longer than that and keeps the parent waiting. More than a tick (10 ms at most), because
/// shorter timers are dear.
pub(crate) const PROMPT_REAP: Duration = Duration::from_millis(20);

/// The event to wait for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Until {
    /// The whole thread group is dead: a zombie, or gone.
    #[default]
    Ended,
    /// The parent has collected the zombie; the pid is free for reuse. Since Linux 6.9.
    Reaped,
}

impl fmt::Display for Until {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Ended => "ended",
            Self::Reaped => "reaped",
        })
    }
}

/// The text is neither `ended` nor `reaped`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no event to wait for: say `ended` or `reaped`")]
pub struct ParseUntilError(String);

impl FromStr for Until {
    type Err = ParseUntilError;

    fn from_str(text: &str) -> Result<Self, ParseUntilError> {
        match text {
            "ended" => Ok(Self::Ended),
            "reaped" => Ok(Self::Reaped),
            _ => Err(ParseUntilError(text.to_owned())),
        }
    }
}

/// Where a process is on its way out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum State {
    /// At least one of its threads runs.
    Alive,
    /// It has ended and waits for its parent: a zombie.
    Ended,
    /// It is gone.
    Reaped,
}

/// How to wait: the event, the deadline, and what to do about an outcome that is not yet known.
///
/// ```
/// use exithand::{Deadline, WaitOptions};
/// use std::time::Duration;
///
/// let options = WaitOptions {
///     deadline: Deadline::after(Duration::from_secs(10)),
///     grace: Duration::ZERO,
///     ..WaitOptions::default()
/// };
/// ```
#[derive(Clone, Copy)]
pub struct WaitOptions<'a> {
    /// The event to wait for.
    pub until: Until,
    /// The moment at which to give up.
    pub deadline: Deadline,
    /// How long to wait for the reap after the end, where only the reap makes the outcome known.
    pub grace: Duration,
    /// Whom to ask for an outcome the kernel does not tell.
    pub source: Option<&'a dyn StatusSource>,
}

impl Default for WaitOptions<'_> {
    fn default() -> Self {
        Self {
            until: Until::Ended,
            deadline: Deadline::NEVER,
            grace: DEFAULT_GRACE,
            source: None,
        }
    }
}

impl fmt::Debug for WaitOptions<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WaitOptions")
            .field("until", &self.until)
            .field("deadline", &self.deadline)
            .field("grace", &self.grace)
            .field("source", &self.source.map(|_| "dyn StatusSource"))
            .finish()
    }
}

/// How a process ended, as far as it is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exit {
    /// The process.
    pub token: Token,
    /// How it ended.
    pub outcome: Outcome,
    /// Whether it has been reaped.
    pub reaped: bool,
    /// Where the outcome was learned; `None` for an unknown one.
    pub source: Option<Source>,
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.outcome.fmt(f)
    }
}

/// What is left to do about a process that has ended.
pub(crate) enum Next {
    /// Give this answer.
    Answer(Exit),
    /// Wait for the reap until then; then ask again.
    AwaitReap(Deadline),
}
