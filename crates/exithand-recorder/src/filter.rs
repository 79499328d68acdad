//! Which records are asked for.

mod outcome;
mod pattern;
mod wire;

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::time::Duration;

use exithand::{Outcome, Signal, Token};
use serde::{Deserialize, Serialize};

use crate::{ExitRecord, Killer, Oom, OomScope, WallTime};

pub use outcome::{OutcomeKind, ParseOutcomeKindError};
pub use pattern::Pattern;

/// Which records are asked for: those for which every field holds.
///
/// A field that is empty asks for nothing. Where a field has several values, one of them must hold.
/// What is not known of a record does not hold: a record without a runtime is neither longer than
/// a second nor shorter.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Filter {
    /// Ended at this moment or later.
    #[serde(with = "wire::time", skip_serializing_if = "Option::is_none")]
    pub since: Option<WallTime>,
    /// Ended before this moment.
    #[serde(with = "wire::time", skip_serializing_if = "Option::is_none")]
    pub until: Option<WallTime>,
    /// Had one of these pids.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub pids: Vec<u32>,
    /// Is this process. A token of the form `PID~STARTTIME` also finds a process that is recorded
    /// by its inode; one without a boot id finds processes of any boot.
    #[serde(with = "wire::token", skip_serializing_if = "Option::is_none")]
    pub token: Option<Token>,
    /// Had one of these names, or its executable had, without the folder.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub names: Vec<Pattern>,
    /// Ran as one of these users.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub users: Vec<u32>,
    /// Ran in one of these systemd units.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub units: Vec<Pattern>,
    /// Ran in one of these containers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub containers: Vec<Pattern>,
    /// Ended in one of these ways.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub outcomes: Vec<OutcomeKind>,
    /// Was ended by one of these signals.
    #[serde(with = "wire::signals", skip_serializing_if = "Vec::is_empty")]
    pub signals: Vec<Signal>,
    /// Was ended by this one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub killer: Option<KillerFilter>,
    /// The kernel killed it for want of memory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub oom: Option<OomFilter>,
    /// Ended by a signal or with an exit status that is not 0.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub failed_only: bool,
    /// Ran at least as long.
    #[serde(with = "wire::duration", skip_serializing_if = "Option::is_none")]
    pub min_runtime: Option<Duration>,
    /// Ran at most as long.
    #[serde(with = "wire::duration", skip_serializing_if = "Option::is_none")]
    pub max_runtime: Option<Duration>,
}

/// Who must have sent the signal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KillerFilter {
    /// Anybody, as long as it is known who.
    Known,
    /// The process with this pid; 0 is the kernel.
    Pid(u32),
    /// A process of this name, or whose executable has it, without the folder.
    Name(Pattern),
    /// A process of this user.
    User(u32),
    /// A process in this systemd unit.
    Unit(Pattern),
}

/// Whose memory must have run out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OomFilter {
    /// Anybody's.
    Any,
    /// That of a memory cgroup.
    Memcg,
    /// The machine's.
    Global,
}

impl OomFilter {
    /// Returns the scope that is asked for; `None` for any.
    pub fn scope(self) -> Option<OomScope> {
        match self {
            Self::Any => None,
            Self::Memcg => Some(OomScope::Memcg),
            Self::Global => Some(OomScope::Global),
        }
    }

    fn matches(self, oom: Option<&Oom>) -> bool {
        oom.is_some_and(|oom| self.scope().is_none_or(|scope| scope == oom.scope))
    }
}

impl Filter {
    /// Says whether `record` is asked for.
    pub fn matches(&self, record: &ExitRecord) -> bool {
        self.matches_time(record.ended)
            && self.matches_process(record)
            && self.matches_place(record)
            && self.matches_end(record)
    }

    fn matches_time(&self, ended: WallTime) -> bool {
        self.since.is_none_or(|since| ended >= since)
            && self.until.is_none_or(|until| ended < until)
    }

    fn matches_process(&self, record: &ExitRecord) -> bool {
        let pid = record.pid();
        (self.pids.is_empty() || pid.is_some_and(|pid| self.pids.contains(&pid)))
            && self.token.is_none_or(|token| is_named(record, &token))
            && any(&self.names, |name| {
                name.matches_program(&record.comm, record.exe.as_deref())
            })
            && any(&self.users, |user| record.uid == Some(*user))
    }

    fn matches_place(&self, record: &ExitRecord) -> bool {
        let place = &record.place;
        let matches = |patterns: &[Pattern], text: Option<&str>| {
            any(patterns, |pattern| {
                text.is_some_and(|text| pattern.matches(text.as_bytes()))
            })
        };
        matches(&self.units, place.unit.as_deref())
            && matches(&self.containers, place.container.as_deref())
    }

    fn matches_end(&self, record: &ExitRecord) -> bool {
        let outcome = record.outcome;
        let runtime = record.runtime_ns.map(Duration::from_nanos);
        let signal = match outcome {
            Outcome::Killed { signal, .. } => Some(signal),
            Outcome::Exited(_) | Outcome::Unknown { .. } => None,
        };
        any(&self.outcomes, |kind| kind.matches(outcome))
            && any(&self.signals, |asked| signal == Some(*asked))
            && (!self.failed_only || is_failure(outcome))
            && self
                .killer
                .as_ref()
                .is_none_or(|asked| matches_killer(asked, record.killer.as_ref()))
            && self
                .oom
                .is_none_or(|asked| asked.matches(record.oom.as_ref()))
            && self
                .min_runtime
                .is_none_or(|least| runtime.is_some_and(|runtime| runtime >= least))
            && self
                .max_runtime
                .is_none_or(|most| runtime.is_some_and(|runtime| runtime <= most))
    }
}

/// Says whether a process that ended so has failed; of an unknown end nobody can say it.
pub fn is_failure(outcome: Outcome) -> bool {
    outcome.is_known() && !outcome.success()
}

/// Says whether one of `asked` holds, or nothing is asked.
fn any<T>(asked: &[T], holds: impl Fn(&T) -> bool) -> bool {
    asked.is_empty() || asked.iter().any(holds)
}

fn is_named(record: &ExitRecord, token: &Token) -> bool {
    record.token.is_same_process(token)
        || record
            .older_token()
            .is_some_and(|older| older.is_same_process(token))
}

fn matches_killer(asked: &KillerFilter, killer: Option<&Killer>) -> bool {
    killer.is_some_and(|killer| match asked {
        KillerFilter::Known => true,
        KillerFilter::Pid(pid) => killer.pid == *pid,
        KillerFilter::Name(name) => name.matches_program(&killer.comm, killer.exe.as_deref()),
        KillerFilter::User(uid) => killer.uid == Some(*uid),
        KillerFilter::Unit(unit) => killer
            .unit
            .as_ref()
            .is_some_and(|text| unit.matches(text.as_bytes())),
    })
}

/// Returns the part of a path after the last slash.
pub(crate) fn file_name(path: &OsStr) -> &OsStr {
    let bytes = path.as_bytes();
    let start = bytes
        .iter()
        .rposition(|byte| *byte == b'/')
        .map_or(0, |at| at + 1);
    OsStr::from_bytes(bytes.get(start..).unwrap_or_default())
}

#[cfg(test)]
#[path = "filter/tests.rs"]
mod tests;
