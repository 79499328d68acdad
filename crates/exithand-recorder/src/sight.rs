//! Who may see what of a record. Pure: it judges facts that others gathered.
//!
//! | who asks | sees |
//! |---|---|
//! | root | everything |
//! | whom `--details` names | everything |
//! | its own user, where `--status` lets it know the outcome | everything |
//! | others, where `--status` lets them know the outcome | what [`reduced`] leaves |
//! | anybody else | nothing |
//!
//! Under `--status kernel`, a caller in another pid namespace than the recorder's sees nothing, not
//! even as root: the kernel would not show it the process.

use std::fmt;
use std::str::FromStr;

use exithand::{KernelTells, StatusPolicy};

use crate::{ExitRecord, Filter, Place, Usage, WallTime};

/// Who may know more of a process than how it ended. Root and its own user always may.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Details {
    /// Nobody else.
    #[default]
    User,
    /// The members of this group.
    Group(String),
    /// Everybody.
    All,
}

/// The word says nobody who may know details.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} does not say who may know details: say `user`, `group:NAME` or `all`")]
pub struct ParseDetailsError(String);

impl FromStr for Details {
    type Err = ParseDetailsError;

    fn from_str(word: &str) -> Result<Self, ParseDetailsError> {
        match (word, word.strip_prefix("group:")) {
            ("user", _) => Ok(Self::User),
            ("all", _) => Ok(Self::All),
            (_, Some(name)) if !name.is_empty() => Ok(Self::Group(name.to_owned())),
            _ => Err(ParseDetailsError(word.to_owned())),
        }
    }
}

impl fmt::Display for Details {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User => f.pad("user"),
            Self::Group(name) => f.pad(&format!("group:{name}")),
            Self::All => f.pad("all"),
        }
    }
}

/// What the administrator decided, with names looked up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// Who may learn how a process ended.
    pub status: StatusPolicy,
    /// Who else may know the rest.
    pub details: Insiders,
    /// Whom this kernel tells.
    pub kernel: KernelTells,
}

/// Who may know details besides root and the process's own user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Insiders {
    /// Nobody.
    Nobody,
    /// The members of the group with this id.
    Group(u32),
    /// Everybody.
    Everybody,
}

/// Who asks, as the kernel vouches for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Viewer {
    /// Its effective user when it connected.
    pub uid: u32,
    /// Its groups when it connected.
    pub gids: Vec<u32>,
    /// Its process and when that started; `None` once it is gone, or out of sight.
    pub process: Option<(u32, WallTime)>,
    /// Whether it is in the recorder's own pid namespace.
    pub namespace: Namespace,
}

/// Where a caller's pid namespace stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Namespace {
    /// It is the recorder's.
    Ours,
    /// It is another, or cannot be known.
    Other,
}

/// What a caller may see of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sight {
    /// Everything.
    Full,
    /// What [`reduced`] leaves.
    Reduced,
    /// The same, once the process is reaped, and if the caller can name it by a token.
    ReducedAfterReap,
    /// Nothing.
    Nothing,
}

/// Which records a caller may look through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// All of them.
    All,
    /// All, each judged for itself.
    Judged,
    /// Those of its own user.
    Own,
    /// None.
    Nothing,
}

/// How far a process may start before its parent: clocks are set, and ticks are coarse.
const SLACK_NS: i64 = 1_000_000_000;

impl Reach {
    /// Returns what is left where single records are not judged.
    #[must_use]
    pub fn without_judging(self) -> Self {
        match self {
            Self::Judged => Self::Own,
            reach => reach,
        }
    }
}

impl Policy {
    /// Judges what `viewer` may see of `record`.
    pub fn sight(&self, viewer: &Viewer, record: &ExitRecord) -> Sight {
        let is_own = record.uid == Some(viewer.uid);
        let is_parent = viewer.is_parent_of(record);
        if self.is_hidden_from(viewer) {
            return Sight::Nothing;
        }
        if self.is_insider(viewer) {
            return Sight::Full;
        }
        let allowed = match self.status {
            StatusPolicy::All => Sight::Reduced,
            StatusPolicy::Kernel if is_own || is_parent => Sight::Reduced,
            StatusPolicy::Kernel if self.kernel == KernelTells::Everybody => {
                Sight::ReducedAfterReap
            }
            StatusPolicy::User if is_own => Sight::Reduced,
            StatusPolicy::Parent if is_parent => Sight::Reduced,
            _ => Sight::Nothing,
        };
        if is_own && allowed == Sight::Reduced {
            Sight::Full
        } else {
            allowed
        }
    }

    /// Says which records `viewer` may look through without naming a process.
    pub fn reach(&self, viewer: &Viewer) -> Reach {
        match self.status {
            _ if self.is_hidden_from(viewer) => Reach::Nothing,
            _ if self.is_insider(viewer) => Reach::All,
            StatusPolicy::All => Reach::Judged,
            StatusPolicy::Kernel | StatusPolicy::User => Reach::Own,
            StatusPolicy::Parent | StatusPolicy::Root => Reach::Nothing,
        }
    }
}

impl Policy {
    fn is_hidden_from(&self, viewer: &Viewer) -> bool {
        self.status == StatusPolicy::Kernel && viewer.namespace == Namespace::Other
    }

    fn is_insider(&self, viewer: &Viewer) -> bool {
        let named = match self.details {
            Insiders::Nobody => false,
            Insiders::Group(gid) => viewer.gids.contains(&gid),
            Insiders::Everybody => true,
        };
        named || viewer.uid == 0
    }
}

impl Viewer {
    fn is_parent_of(&self, record: &ExitRecord) -> bool {
        let (Some((pid, started)), Some(parent)) = (self.process, &record.parent) else {
            return false;
        };
        let child_began = record.started.unwrap_or(record.ended);
        // A later process may have got the parent's pid.
        pid == parent.pid && child_began.unix_ns.saturating_add(SLACK_NS) >= started.unix_ns
    }
}

/// Narrows a filter to what `viewer` may look through; `None` where that is nothing.
///
/// A filter on something that is not told of other users' processes finds those of the caller only:
/// else it would tell, by what it finds, what it must not.
pub fn narrowed(filter: &Filter, reach: Reach, viewer: &Viewer) -> Option<Filter> {
    match reach {
        Reach::All => return Some(filter.clone()),
        Reach::Judged if !names_details(filter) => return Some(filter.clone()),
        Reach::Judged | Reach::Own => {}
        Reach::Nothing => return None,
    }
    let asked = filter.users.is_empty() || filter.users.contains(&viewer.uid);
    asked.then(|| Filter {
        users: vec![viewer.uid],
        ..filter.clone()
    })
}

/// Says whether the filter asks for what [`reduced`] takes away.
fn names_details(filter: &Filter) -> bool {
    !filter.units.is_empty()
        || !filter.containers.is_empty()
        || filter.killer.is_some()
        || filter.oom.is_some()
}

/// Leaves what the process was called, whose it was, when it ran and how it ended.
pub fn reduced(record: &ExitRecord) -> ExitRecord {
    ExitRecord {
        parent: None,
        exe: None,
        argv: None,
        place: Place::default(),
        usage: Usage::default(),
        killer: None,
        oom: None,
        namespace_init: false,
        ..record.clone()
    }
}

#[cfg(test)]
#[path = "sight_tests.rs"]
mod tests;
