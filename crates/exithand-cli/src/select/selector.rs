//! What to look for, and whether a process is it. Pure functions of values.

use std::ffi::OsString;
use std::time::Duration;

use rustix::process::Pid;

use super::{CgroupChoice, Detail, Facts, Gid, Patterns, ProcPid, Table, Uid};

/// What to look for. Several kinds must all be met; of several values of one kind, one.
///
/// A kind without values is not asked for; a selector without any matches every process but the
/// one that looks.
#[derive(Debug, Clone, Default)]
pub struct Selector {
    /// Regular expressions on the name.
    pub names: Option<Patterns>,
    /// Regular expressions on the command line.
    pub full: Option<Patterns>,
    /// Pids, as read from pid files.
    pub pids: Vec<Pid>,
    /// Effective users.
    pub users: Vec<Uid>,
    /// Real users.
    pub real_users: Vec<Uid>,
    /// Real groups.
    pub groups: Vec<Gid>,
    /// Parents; `None` for those that have none, or none that can be seen from here.
    pub parents: Vec<ProcPid>,
    /// Processes that are meant together with all their descendants.
    pub trees: Vec<Root>,
    /// Process groups.
    pub pgroups: Vec<ProcPid>,
    /// Sessions.
    pub sessions: Vec<ProcPid>,
    /// Controlling terminals, without `/dev/`; `None` for those that have none.
    pub ttys: Vec<Option<OsString>>,
    /// Cgroups, with everything below them.
    pub cgroups: Vec<CgroupChoice>,
    /// State letters.
    pub states: Vec<u8>,
    /// The least age.
    pub older_than: Option<Duration>,
    /// Whether all this must be met, or must not.
    pub sense: Sense,
    /// Which of those that match.
    pub pick: Pick,
    /// Whether those that started us may match.
    pub ancestors: Ancestors,
}

/// The top of a tree, told from later processes of the same pid by its start time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Root {
    /// Its pid.
    pub pid: Pid,
    /// When it started, in clock ticks since boot.
    pub start_ticks: u64,
}

/// Whether the processes that are like the selector are meant, or the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Sense {
    /// Those that are like it.
    #[default]
    Like,
    /// The others.
    Unlike,
}

/// Which of the matching processes are meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Pick {
    /// All of them.
    #[default]
    All,
    /// The one that started last.
    Newest,
    /// The one that started first.
    Oldest,
}

/// Whether the caller's own ancestors may match.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Ancestors {
    /// They may.
    #[default]
    Included,
    /// They never match, as the caller itself never does.
    Excluded,
}

impl Selector {
    /// Says how much of each process must be read to decide.
    pub fn detail(&self) -> Detail {
        match (&self.full, self.cgroups.as_slice()) {
            (None, []) => Detail::Brief,
            _ => Detail::Full,
        }
    }

    fn is_like(&self, facts: &Facts, table: &Table) -> bool {
        let name = |it: &Patterns| it.match_name(facts);
        let full = |it: &Patterns| it.match_command_line(facts);
        // The expressions come last: they cost most.
        asks(&self.pids, |it| *it == facts.pid)
            && asks(&self.users, |it| *it == facts.euid)
            && asks(&self.real_users, |it| *it == facts.uid)
            && asks(&self.groups, |it| *it == facts.gid)
            && asks(&self.parents, |it| *it == facts.ppid)
            && asks(&self.pgroups, |it| *it == facts.pgrp)
            && asks(&self.sessions, |it| *it == facts.session)
            && asks(&self.ttys, |it| *it == facts.tty)
            && asks(&self.states, |it| *it == facts.state)
            && self
                .older_than
                .is_none_or(|least| table.age(facts) >= least)
            && asks(&self.trees, |it| it.holds(facts, table))
            && asks(&self.cgroups, |it| {
                facts.cgroups.iter().any(|at| it.holds(at))
            })
            && self.names.as_ref().is_none_or(name)
            && self.full.as_ref().is_none_or(full)
    }

    fn is_excluded(&self, facts: &Facts, table: &Table) -> bool {
        let is_ancestor = || {
            let own = table.get(table.own());
            own.is_some_and(|own| table.ancestors(own).any(|it| it.pid == facts.pid))
        };
        facts.pid == table.own() || (self.ancestors == Ancestors::Excluded && is_ancestor())
    }
}

impl Root {
    fn is(&self, facts: &Facts) -> bool {
        (self.pid, self.start_ticks) == (facts.pid, facts.start_ticks)
    }

    fn holds(&self, facts: &Facts, table: &Table) -> bool {
        self.is(facts) || table.ancestors(facts).any(|ancestor| self.is(ancestor))
    }
}

/// A kind that has no values is met by all.
fn asks<T>(values: &[T], meets: impl FnMut(&T) -> bool) -> bool {
    values.is_empty() || values.iter().any(meets)
}

/// Says whether the selector means this process, of which `table` knows the relatives.
///
/// Does not look at [`Selector::pick`], which only makes sense for all of them.
pub fn matches(selector: &Selector, facts: &Facts, table: &Table) -> bool {
    let wanted = selector.sense == Sense::Like;
    !selector.is_excluded(facts, table) && selector.is_like(facts, table) == wanted
}

/// Returns the processes the selector means, by pid; or the newest, or oldest, alone.
pub fn choose(selector: &Selector, table: &Table) -> Vec<Pid> {
    let mut pids = candidates(selector, table);
    if selector.pick != Pick::All {
        pids.truncate(1);
    }
    pids
}

/// Returns all that match, the ones to be picked first.
pub(super) fn candidates(selector: &Selector, table: &Table) -> Vec<Pid> {
    let mut found: Vec<&Facts> = table
        .iter()
        .filter(|facts| matches(selector, facts, table))
        .collect();
    // Of two that started in the same tick, the higher pid counts as the newer.
    match selector.pick {
        Pick::All => {}
        Pick::Oldest => found.sort_by_key(|facts| facts.start_ticks),
        Pick::Newest => {
            found.sort_by_key(|facts| facts.start_ticks);
            found.reverse();
        }
    }
    found.into_iter().map(|facts| facts.pid).collect()
}

#[cfg(test)]
#[path = "selector_tests.rs"]
mod tests;
