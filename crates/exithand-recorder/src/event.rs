//! What sources hand over.

use std::fmt;
use std::io;
use std::os::fd::BorrowedFd;

use crate::{ExitRecord, WallTime};

/// One thing a source has to tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A process ended.
    Exit(Box<ExitRecord>),
    /// Records may be missing.
    Gap(Gap),
}

/// A stretch of time in which records may be missing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gap {
    /// The last moment known to be complete.
    pub from: WallTime,
    /// The first moment known to be complete again.
    pub to: WallTime,
    /// How many exits were lost; `None` where nobody can tell (the recorder was not running).
    pub lost: Option<u64>,
    /// Why.
    pub cause: LossCause,
}

/// Why records are missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LossCause {
    /// The kernel had no room left in the ring for them.
    RingFull,
    /// The kernel dropped messages of the proc connector or of taskstats (`ENOBUFS`).
    SocketFull,
    /// The store could not take them in time, or at all.
    StoreBehind,
    /// No recorder was running.
    NotRunning,
}

impl LossCause {
    /// Returns the word that the store and `--json` use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::RingFull => "ring-full",
            Self::SocketFull => "socket-full",
            Self::StoreBehind => "store-behind",
            Self::NotRunning => "not-running",
        }
    }

    /// Reads such a word.
    pub fn from_word(word: &str) -> Option<Self> {
        [
            Self::RingFull,
            Self::SocketFull,
            Self::StoreBehind,
            Self::NotRunning,
        ]
        .into_iter()
        .find(|cause| cause.as_str() == word)
    }
}

/// Somebody who sees the processes of this machine end.
pub trait Source: fmt::Debug + Send {
    /// Returns the name that users are told: `bpf`, `taskstats`, `proc-connector`.
    fn name(&self) -> &'static str;

    /// Returns what becomes readable when there may be something to [drain](Source::drain).
    ///
    /// A source may hold its wake-up back while it is not full; see [`Source::drain`].
    fn wake(&self) -> BorrowedFd<'_>;

    /// Hands over all that happened up to now, in order; never blocks.
    ///
    /// May be called at any time, without a wake-up: every process whose pidfd is readable is
    /// handed over by the next call, if the source was complete.
    ///
    /// # Errors
    ///
    /// Where the source is of no use any more.
    fn drain(&mut self, take: &mut dyn FnMut(Event)) -> io::Result<()>;

    /// Returns how full the buffer in the kernel is; `None` where that cannot be seen.
    fn fill(&self) -> Option<Fill> {
        None
    }
}

/// How full a buffer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fill {
    /// How much waits in it.
    pub used_bytes: u64,
    /// How much it holds.
    pub size_bytes: u64,
}

impl Fill {
    /// Says whether it is half full, when draining cannot wait.
    pub fn is_urgent(self) -> bool {
        self.used_bytes >= self.size_bytes / 2
    }
}
