//! Who is in an arena.

use std::path::PathBuf;

/// One process.
#[derive(Debug, Clone)]
pub struct Part {
    /// What it is called in results.
    pub name: &'static str,
    /// Its size when the arena begins.
    pub mib: u64,
    /// How much it grows to once the arena begins; less than `mib` is not at all.
    pub grows_to: u64,
    /// How many threads it has beside its first.
    pub threads: u32,
    /// Its `oom_score_adj`.
    pub adj: i32,
    /// Its nice value.
    pub nice: i32,
    /// Whether it is one of those that should die.
    pub should_die: bool,
    /// How it takes it.
    pub manner: Manner,
    /// The directory of the cgroup it lives in, if not that of its parent.
    pub cgroup: Option<PathBuf>,
}

/// How a process takes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// It does nothing else.
    Plain,
    /// It gets a `SIGTERM` and goes on.
    HandlesTerm,
    /// It is frozen.
    Frozen,
    /// It keeps a processor busy.
    Spins,
    /// Another process has the same memory.
    SharesMemory,
    /// It makes children that have the memory.
    Bombs,
    /// It has pids come round.
    Storms,
}

impl Manner {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Plain | Self::Frozen => "plain",
            Self::HandlesTerm => "handles-term",
            Self::Spins => "spins",
            Self::SharesMemory => "shares-memory",
            Self::Bombs => "bombs",
            Self::Storms => "storms",
        }
    }
}

/// Somebody small who has nothing to do with it.
pub const BYSTANDER: Part = Part {
    name: "bystander",
    mib: 0,
    grows_to: 0,
    threads: 0,
    adj: 0,
    nice: 0,
    should_die: false,
    manner: Manner::Plain,
    cgroup: None,
};
