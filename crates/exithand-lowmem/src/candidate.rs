//! What is known of a process that may be killed.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::name::Name;
use crate::reading::TermHandling;

/// Which process it is: what a token says, in a form that fits a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct Identity {
    /// Its number.
    pub pid: u32,
    /// Its inode on pidfs, or where there is none its start time.
    pub mark: u64,
}

/// Why a process is left alive on purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Spared {
    /// Everything else would go with it.
    Init,
    /// It is the killer.
    Itself,
    /// It started the killer.
    Ancestor,
    /// It records who was killed.
    Recorder,
    /// Its `oom_score_adj` is -1000.
    Never,
    /// A rule protects it.
    Rule,
    /// Its cgroup has `user.oomd_omit` set by its owner.
    Cgroup,
    /// It belongs to somebody else, and we may not signal it.
    Foreign,
    /// One that is spared has the same memory.
    Sharer,
    /// It is being waited for already.
    InFlight,
}

impl fmt::Display for Spared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Init => "it is pid 1",
            Self::Itself => "it is the killer itself",
            Self::Ancestor => "it started the killer",
            Self::Recorder => "it is the recorder",
            Self::Never => "its oom_score_adj is -1000",
            Self::Rule => "a rule protects it",
            Self::Cgroup => "its cgroup asks to be omitted",
            Self::Foreign => "it belongs to another user",
            Self::Sharer => "it shares its memory with one that is spared",
            Self::InFlight => "it is dying already",
        })
    }
}

/// A process that may be killed, or is spared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Candidate {
    /// Which process it is.
    pub identity: Identity,
    /// Its parent's pid.
    pub parent: u32,
    /// Its real user id.
    pub uid: u32,
    /// Its name.
    pub name: Name,
    /// Its `oom_score_adj`.
    pub oom_score_adj: i32,
    /// Its class: 0 goes first.
    pub class: u8,
    /// Why it is spared; `None` if it may be killed.
    pub spared: Option<Spared>,
    /// Memory that comes back when it is killed.
    pub memory_bytes: u64,
    /// Swap that comes back.
    pub swap_bytes: u64,
    /// Shared memory it has touched, which comes back only if nobody else holds it.
    pub shared_bytes: u64,
    /// How much it grows, in bytes a second.
    pub growth_bytes: u64,
    /// What it does with `SIGTERM`.
    pub term: TermHandling,
    /// A number for its cgroup, if it was read; 0 if not.
    pub cgroup: u64,
    /// Whether its whole cgroup goes with it.
    pub as_unit: bool,
}

/// The most important class: those that a rule wants avoided.
pub const AVOIDED: u8 = u8::MAX;

impl Candidate {
    /// Says whether it is left alive on purpose, and not only because it is dying already.
    pub fn stays(&self) -> bool {
        !matches!(self.spared, None | Some(Spared::InFlight))
    }

    /// What is gained within `horizon_ms`: what comes back, and what it would have taken.
    pub fn relief_bytes(&self, horizon_ms: u64) -> u64 {
        let grown = self.growth_bytes.saturating_mul(horizon_ms) / 1000;
        self.memory_bytes
            .saturating_add(self.swap_bytes)
            .saturating_add(grown)
    }
}

/// Returns the greatest mark of all: no process that is there was started later.
pub(crate) fn newest_mark(candidates: &[Candidate]) -> u64 {
    candidates
        .iter()
        .map(|it| it.identity.mark)
        .max()
        .unwrap_or(0)
}
