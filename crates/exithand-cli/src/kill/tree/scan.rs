//! Looking for members in `/proc`.
//!
//! A parent that was read is believed where its pid is a member's that is still unreaped, so that
//! the pid cannot have gone to somebody else before.

use std::io;

use exithand::State;

use super::{INIT, Tree};
use crate::kill::gather::open;
use crate::kill::members::Members;
use crate::kill::proc;
use crate::kill::report::KillError;

/// A walk through a tree that grows as fast as we go ends here, to be taken up again.
const SIGHTED_AT_A_TIME: usize = 1024;

/// What a look at `/proc` brought.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[must_use]
pub(super) struct Sighted {
    /// How many new members; not those that an event tells of.
    pub(super) new: usize,
    /// How many more were seen and gone at once, who may have left children: look again.
    pub(super) fleeting: usize,
}

/// What became of a sighting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Admission {
    /// It is a member now.
    Admitted,
    /// It has ended; what it forked may be there.
    Fleeting,
    /// It is no member, or has been one before.
    Nothing,
}

impl Tree {
    /// Looks once; at all of `/proc` only where the shorter way shows nobody.
    pub(super) fn scan(&mut self, members: &mut Members<'_>) -> Result<Sighted, KillError> {
        let mut sighted = self.walk(members)?;
        if sighted == Sighted::default() {
            sighted = self.search(members)?;
        }
        let revealed = self.lineage.replay();
        self.newborns.extend(revealed);
        Ok(sighted)
    }

    /// Goes from members to their children, as the kernel lists them: fast enough to see those
    /// that live for a fraction of a millisecond.
    fn walk(&mut self, members: &mut Members<'_>) -> Result<Sighted, KillError> {
        let mut sighted = Sighted::default();
        let mut parents = members.pids();
        while let Some(parent) = parents.pop().filter(|_| sighted.new < SIGHTED_AT_A_TIME) {
            for child in proc::children(parent) {
                let admission = self.admit(child, members)?;
                if admission == Admission::Admitted {
                    parents.push(child);
                }
                sighted.count(admission);
            }
        }
        Ok(sighted)
    }

    /// Goes through all processes. Every kernel has what it needs.
    fn search(&mut self, members: &mut Members<'_>) -> Result<Sighted, KillError> {
        let unreadable = |error: io::Error| KillError::Proc {
            path: "/proc",
            error,
        };
        let families = proc::families().map_err(unreadable)?;
        let mut sighted = Sighted::default();
        for pid in proc::descendants(&families, |pid| members.owns(pid)) {
            sighted.count(self.admit(pid, members)?);
        }
        Ok(sighted)
    }

    /// Takes a process in if its parent is a member for certain.
    fn admit(&mut self, pid: u32, members: &mut Members<'_>) -> Result<Admission, KillError> {
        self.drain()?;
        if members.owns(pid) || self.lineage.birth(pid).is_some() {
            return Ok(Admission::Nothing);
        }
        let (Some(handle), Some(stat)) = (open(pid)?, proc::stat(pid)) else {
            return Ok(Admission::Fleeting);
        };
        // Asked after the parent was read: a parent that is unreaped now was so all the time.
        if stat.is_kernel_thread() || pid == INIT || !members.owns(stat.parent) {
            return Ok(Admission::Nothing);
        }
        self.drain()?;
        // Asked after the events were read: what they said of this pid, they said of this process.
        match handle.state()? {
            State::Alive => {
                self.find(pid);
                members.add(handle, Some(stat.parent), None)?;
                Ok(Admission::Admitted)
            }
            // What it forked since the watch began is known by this.
            State::Ended => {
                self.find(pid);
                let first_seen = self.seen_ended.insert(pid);
                Ok(if first_seen {
                    Admission::Fleeting
                } else {
                    Admission::Nothing
                })
            }
            State::Reaped => Ok(Admission::Fleeting),
        }
    }

    /// Tells the lineage of a member; without a watch nobody would correct it when the pid is
    /// reused, so it is told nothing then.
    fn find(&mut self, pid: u32) {
        if self.watcher.is_some() {
            self.lineage.find(pid);
            let birth = self.lineage.birth(pid);
            self.held.extend(birth.map(|birth| (pid, birth)));
        }
    }
}

impl Sighted {
    fn count(&mut self, admission: Admission) {
        match admission {
            Admission::Admitted => self.new += 1,
            Admission::Fleeting => self.fleeting += 1,
            Admission::Nothing => {}
        }
    }
}
