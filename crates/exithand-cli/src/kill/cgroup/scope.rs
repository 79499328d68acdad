//! Emptying a cgroup: its own list of members is the truth.

use std::collections::HashSet;
use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use exithand::{Deadline, ExitHandle, Signal, State};
use rustix::event::PollFlags;

use super::files::{Files, Frost, Written, is_populated};
use super::mounts::Version;
use super::{Cgroup, CgroupError};
use crate::kill::gather::{Gathered, open};
use crate::kill::members::Members;
use crate::kill::pause::{pause, wait_for};
use crate::kill::proc;
use crate::kill::report::{KillError, Note, Observer};

/// A list that keeps naming somebody new is of a cgroup that outruns us.
const LISTS_MAX: usize = 64;
/// Long enough to stop every process that can be stopped; the kill needs no frost, only the list
/// of who was killed does.
const FREEZING_MAX: Duration = Duration::from_millis(200);

/// Finds the members of a cgroup.
#[derive(Debug)]
pub(crate) struct CgroupScope {
    files: Files,
    /// `cgroup.events`, which tells when the last member has ended; v2 only.
    events: Option<File>,
    /// How many members have no pid in our namespace.
    strangers: usize,
}

impl CgroupScope {
    pub(crate) fn start(cgroup: Cgroup) -> Result<Self, CgroupError> {
        let files = cgroup.files;
        Ok(Self {
            events: files.events()?,
            files,
            strangers: 0,
        })
    }

    /// Takes in everybody who is listed now.
    ///
    /// A handle is believed if its pid is listed again after it was opened, and it lives on.
    pub(crate) fn gather(&mut self, members: &mut Members<'_>) -> Result<Gathered, KillError> {
        let mut gathered = Gathered::default();
        let mut listed = self.files.members()?;
        for _ in 0..LISTS_MAX {
            self.strangers = listed.iter().take_while(|pid| **pid == 0).count();
            let opened = open_new(&listed, members)?;
            gathered.again = opened.some_gone;
            if opened.handles.is_empty() {
                return Ok(gathered);
            }
            listed = self.files.members()?;
            let still: HashSet<u32> = listed.iter().copied().collect();
            for (pid, handle) in opened.handles {
                let parent = proc::stat(pid).map(|stat| stat.parent);
                if still.contains(&pid) && handle.state()? == State::Alive {
                    members.add(handle, parent, None)?;
                    gathered.new += 1;
                }
            }
        }
        gathered.again = true;
        Ok(gathered)
    }

    /// Kills all members: first the cgroup is frozen, so that the list of who was killed is whole.
    pub(crate) fn kill(
        &mut self,
        members: &mut Members<'_>,
        observer: &mut dyn Observer,
    ) -> Result<(), KillError> {
        let before = self.files.frost();
        let frozen = self.freeze(members)?;
        let killed = self.kill_listed(frozen, members, observer);
        // A v1 cgroup that stays frozen does not die; a v2 cgroup is left as it was.
        if before == Some(Frost::Thawed) || self.files.version() == Version::V1Freezer {
            self.files.set_frost(Frost::Thawed)?;
        }
        killed
    }

    /// Says whether nobody is left whom a signal could reach, once no member is awaited.
    pub(crate) fn is_vacant(&self, members: &Members<'_>) -> Result<bool, KillError> {
        Ok(self.strangers > 0 || members.refused() > 0 || self.is_empty()?)
    }

    /// Says whether the last member has ended.
    pub(crate) fn is_empty(&self) -> Result<bool, KillError> {
        match &self.events {
            Some(events) => Ok(!is_populated(events).map_err(|error| CgroupError::File {
                path: self.files.directory().join("cgroup.events"),
                error,
            })?),
            // Nothing tells of the last one's end in v1, and an ended one may be listed a little
            // longer: who is listed and lives has been taken in.
            None => Ok(self.strangers == 0),
        }
    }

    /// What becomes urgent when the last member has ended.
    pub(crate) fn wake(&self) -> Option<BorrowedFd<'_>> {
        self.events.as_ref().map(AsFd::as_fd)
    }

    /// Says what the user must know at the end.
    pub(crate) fn note(&self) -> Option<Note> {
        (self.strangers > 0).then_some(Note::OutOfSight(self.strangers))
    }

    fn freeze(&self, members: &Members<'_>) -> Result<Frost, KillError> {
        if self.files.set_frost(Frost::Frozen)? == Written::Unavailable {
            return Ok(Frost::Thawed);
        }
        let deadline = Deadline::after(FREEZING_MAX);
        loop {
            match self.files.frost() {
                Some(Frost::Freezing) if deadline.remaining() != Some(Duration::ZERO) => {}
                frost => return Ok(frost.unwrap_or(Frost::Thawed)),
            }
            match &self.events {
                Some(events) => wait_for(events.as_fd(), PollFlags::PRI, deadline)?,
                None => pause(members.as_fd())?,
            }
        }
    }

    fn kill_listed(
        &mut self,
        frost: Frost,
        members: &mut Members<'_>,
        observer: &mut dyn Observer,
    ) -> Result<(), KillError> {
        for _ in 0..LISTS_MAX {
            let gathered = self.gather(members)?;
            let stopped = match (frost, self.files.version()) {
                (Frost::Frozen, _) | (_, Version::V2) => 0,
                // The next best thing to a freezer.
                _ => members.stop()?,
            };
            if gathered == Gathered::default() && stopped == 0 {
                break;
            }
        }
        members.signal(Signal::KILL, observer)?;
        if self.files.kill()? == Written::Done {
            self.strangers = 0;
            members.were_sent(Signal::KILL, observer);
        }
        Ok(())
    }
}

struct Opened {
    handles: Vec<(u32, ExitHandle)>,
    /// Whether somebody listed was gone already, so that another may have come in its place.
    some_gone: bool,
}

fn open_new(listed: &[u32], members: &Members<'_>) -> Result<Opened, KillError> {
    let mut opened = Opened {
        handles: Vec::new(),
        some_gone: false,
    };
    for &pid in listed
        .iter()
        .filter(|pid| **pid != 0 && !members.owns(**pid))
    {
        match open(pid)? {
            Some(handle) if handle.state()? == State::Alive => opened.handles.push((pid, handle)),
            Some(_ended) => {}
            None => opened.some_gone = true,
        }
    }
    Ok(opened)
}
