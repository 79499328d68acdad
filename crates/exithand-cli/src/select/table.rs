//! All processes at one moment.

use std::collections::BTreeMap;
use std::iter;
use std::time::Duration;

use rustix::process::Pid;

use super::Facts;

/// The time of a snapshot, in the terms of `/proc`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Clock {
    /// How long the system is up, suspends included.
    pub since_boot: Duration,
    /// What a start time is counted in.
    pub ticks_per_second: u64,
}

/// All processes that could be seen, and who is looking.
#[derive(Debug, Clone)]
pub struct Table {
    processes: BTreeMap<i32, Facts>,
    own: Pid,
    clock: Clock,
}

impl Table {
    /// Makes a table of these processes, as the process `own` sees them at the time `clock`.
    pub fn new(processes: impl IntoIterator<Item = Facts>, own: Pid, clock: Clock) -> Self {
        let key = |facts: Facts| (facts.pid.as_raw_nonzero().get(), facts);
        Self {
            processes: processes.into_iter().map(key).collect(),
            own,
            clock,
        }
    }

    /// Returns the pid of the process that looks.
    pub fn own(&self) -> Pid {
        self.own
    }

    /// Returns what is known of a process.
    pub fn get(&self, pid: Pid) -> Option<&Facts> {
        self.processes.get(&pid.as_raw_nonzero().get())
    }

    /// Goes through all processes, by pid.
    pub fn iter(&self) -> impl Iterator<Item = &Facts> {
        self.processes.values()
    }

    /// Returns how long a process has been running.
    pub fn age(&self, facts: &Facts) -> Duration {
        let ticks = self.clock.ticks_per_second.max(1);
        let rest = u32::try_from(facts.start_ticks % ticks * 1_000_000_000 / ticks);
        let started = Duration::new(facts.start_ticks / ticks, rest.unwrap_or(0));
        self.clock.since_boot.saturating_sub(started)
    }

    /// Goes from a process to its parent, grandparent and so on.
    ///
    /// The table was not read at one instant, so a parent's number may have become that of another
    /// process. One that is younger than its child is such, and ends the way.
    pub fn ancestors<'a>(&'a self, facts: &'a Facts) -> impl Iterator<Item = &'a Facts> {
        let parent = |child: &&'a Facts| {
            let parent = self.get(child.ppid?)?;
            (parent.start_ticks <= child.start_ticks).then_some(parent)
        };
        // Those that started in the same tick could still seem to be each other's parents.
        iter::successors(parent(&facts), parent).take(self.processes.len())
    }
}
