//! A process and all its descendants, however fast they fork.
//!
//! The tree is: the roots; those whose line of living parents led to a root when `/proc` was read;
//! and everybody forked since the watch began by one of the tree, whoever their parent is now. A
//! daemon that had left the tree before is no part of it.
//!
//! The watch of forks begins before the scan, so nobody falls between the two. A pid from an event
//! becomes a handle in three steps: open it, read all events that came meanwhile, and believe it
//! only if none of them gave the pid to somebody else. No clocks are compared.
//!
//! One gap is left, some microseconds long: a member born after the look before the watch, and
//! reaped before the look after it, can leave an orphan that nothing ties to the tree.
//!
//! Where forks cannot be watched only scans remain. They find whoever has a living parent in the
//! tree; who has left is reported as a gap ([`Note::Unwatched`]).

mod scan;

use std::collections::{HashMap, HashSet};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use exithand::{Deadline, ExitHandle, State};
use exithand_recorder::connector::{Connector, Drained, Event, Kinds, Unwatchable};

use super::gather::{Gathered, open};
use super::lineage::{Birth, Lineage, Newborn};
use super::members::{Members, number};
use super::proc;
use super::report::{KillError, Note, Watch};
use scan::Sighted;

/// Events are read again after so many handles were opened, or the socket's buffer would overflow.
const OPENED_AT_A_TIME: usize = 32;
/// A tree that shows somebody unknown for so long outruns us.
const SCANNING_MAX: Duration = Duration::from_secs(5);
/// The init process of the pid namespace.
const INIT: u32 = 1;

/// Finds the members of a tree.
#[derive(Debug)]
pub(crate) struct Tree {
    watcher: Option<Connector>,
    lineage: Lineage,
    /// For each pid the owner that is a member with a handle.
    held: HashMap<u32, Birth>,
    /// Forked, but not opened yet.
    newborns: Vec<Newborn>,
    /// Zombies of the tree that were seen, so as not to be taken for somebody new.
    seen_ended: HashSet<u32>,
    /// Whether events were dropped since the last scan.
    lost: bool,
    ended_unseen: usize,
    notes: Vec<Note>,
}

impl Tree {
    /// Watches and scans for all who are of the tree of these members now.
    pub(crate) fn start(members: &mut Members<'_>, watch: Watch) -> Result<Self, KillError> {
        let mut tree = Self {
            watcher: None,
            lineage: Lineage::new([]),
            held: HashMap::new(),
            newborns: Vec::new(),
            seen_ended: HashSet::new(),
            lost: false,
            ended_unseen: 0,
            notes: Vec::new(),
        };
        // Whoever is held when the watch begins need not be found afterwards.
        let _untold: Sighted = tree.scan(members)?;
        let started = match watch {
            Watch::Forks => Connector::start(),
            Watch::Nothing => Err(Unwatchable::NotAsked),
        };
        match started {
            Ok(watcher) => {
                tree.watcher = Some(watcher);
                tree.begin(members)?;
                tree.rescan(members)?;
            }
            Err(why) => tree.notes.push(Note::Unwatched(why)),
        }
        Ok(tree)
    }

    /// Says whether a fork in the tree comes to our knowledge by itself.
    pub(crate) fn sees_forks(&self) -> bool {
        self.watcher.is_some()
    }

    /// Takes in everybody who was forked since the last look.
    pub(crate) fn gather(&mut self, members: &mut Members<'_>) -> Result<Gathered, KillError> {
        if self.watcher.is_none() {
            let sighted = self.scan(members)?;
            return Ok(Gathered {
                new: sighted.new,
                again: sighted.fleeting > 0,
            });
        }
        self.drain()?;
        let mut new = self.open_newborns(members)?;
        if self.lost {
            self.notes.push(Note::ForksLost);
            self.begin(members)?;
            new += self.rescan(members)?;
        }
        Ok(Gathered {
            new,
            again: self.lost || !self.newborns.is_empty(),
        })
    }

    /// Takes out what the user must know.
    pub(crate) fn take_notes(&mut self) -> Vec<Note> {
        std::mem::take(&mut self.notes)
    }

    /// Counts those forked meanwhile that had ended before they could be held.
    pub(crate) fn ended_unseen(&self) -> usize {
        self.ended_unseen
    }

    /// What turns readable when there may be somebody to gather.
    pub(crate) fn wake(&self) -> Option<BorrowedFd<'_>> {
        self.watcher.as_ref().map(AsFd::as_fd)
    }

    /// Begins anew with the members that are certain, as at the start and after a loss of events.
    fn begin(&mut self, members: &Members<'_>) -> Result<(), KillError> {
        if let Some(watcher) = &self.watcher {
            watcher.only(Kinds::ForksAndExits);
        }
        self.lost = false;
        self.drain()?;
        let certain = members.pids();
        self.lineage.restart(certain.iter().copied());
        self.newborns.clear();
        self.held.clear();
        self.seen_ended.clear();
        for pid in certain {
            self.held
                .extend(self.lineage.birth(pid).map(|birth| (pid, birth)));
        }
        Ok(())
    }

    /// Looks until nobody unknown is seen, and from then on relies on events.
    fn rescan(&mut self, members: &mut Members<'_>) -> Result<usize, KillError> {
        let deadline = Deadline::after(SCANNING_MAX);
        let mut new = 0;
        while deadline.remaining() != Some(Duration::ZERO) {
            let sighted = self.scan(members)?;
            new += sighted.new + self.open_newborns(members)?;
            if sighted == Sighted::default() {
                self.lineage.settle();
                self.watcher
                    .as_ref()
                    .inspect(|watcher| watcher.only(Kinds::Forks));
                return Ok(new);
            }
        }
        self.notes.push(Note::Unsettled);
        Ok(new)
    }

    /// Opens those forked since; returns how many were held. Leaves those forked meanwhile.
    fn open_newborns(&mut self, members: &mut Members<'_>) -> Result<usize, KillError> {
        let newborns = std::mem::take(&mut self.newborns);
        let mut new = 0;
        for batch in newborns.chunks(OPENED_AT_A_TIME) {
            let mut opened = Vec::with_capacity(batch.len());
            for &newborn in batch {
                if self.held.get(&newborn.pid) != Some(&newborn.birth) {
                    opened.push((newborn, open(newborn.pid)?));
                }
            }
            self.drain()?;
            for (newborn, handle) in opened {
                new += usize::from(self.hold(newborn, handle, members)?);
            }
        }
        Ok(new)
    }

    /// Takes a newborn in if the handle is its own; says whether it did.
    fn hold(
        &mut self,
        newborn: Newborn,
        handle: Option<ExitHandle>,
        members: &mut Members<'_>,
    ) -> Result<bool, KillError> {
        let still_its_own = !self.lost && self.lineage.birth(newborn.pid) == Some(newborn.birth);
        match handle {
            Some(handle) if still_its_own && handle.state()? == State::Alive => {
                self.held.insert(newborn.pid, newborn.birth);
                members.add(handle, Some(newborn.parent), None)?;
                Ok(true)
            }
            // After a loss the scan decides.
            _ => {
                self.ended_unseen += usize::from(!self.lost);
                Ok(false)
            }
        }
    }

    /// Reads all events there are.
    fn drain(&mut self) -> Result<(), KillError> {
        let Some(watcher) = &mut self.watcher else {
            return Ok(());
        };
        let mut events: Vec<Event> = Vec::new();
        let drained = watcher
            .drain(&mut events)
            .map_err(|errno| KillError::Syscall {
                call: "recvfrom",
                errno,
            })?;
        self.lost |= drained == Drained::Lost;
        let of_processes = |it: &Event| matches!(it, Event::Fork { .. } | Event::Exit { .. });
        for event in events.into_iter().filter(of_processes) {
            self.newborns.extend(self.lineage.observe(event));
        }
        Ok(())
    }
}

/// Refuses roots whose tree must not be killed.
pub(crate) fn check_roots(roots: &[ExitHandle]) -> Result<(), KillError> {
    let line = proc::own_line();
    for root in roots {
        let pid = root
            .pid()
            .ok_or_else(|| KillError::OutOfSight(root.token()))?;
        let raw = number(pid);
        let kernel_thread = proc::stat(raw).is_some_and(proc::Stat::is_kernel_thread);
        // An ended namesake's pid may be anybody's by now.
        if root.state()? == State::Reaped {
            continue;
        }
        if line.contains(&raw) {
            return Err(KillError::TreeContainsCaller(pid));
        }
        if raw == INIT {
            return Err(KillError::TreeOfInit);
        }
        if kernel_thread {
            return Err(KillError::KernelThread(pid));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use exithand::{Signal, Until};
    use std::io::{BufRead, BufReader, Write};
    use std::process::{Child, Command, Stdio};

    struct Ended(Child);

    impl Drop for Ended {
        fn drop(&mut self) {
            self.0.stdin = None;
            drop(self.0.wait());
        }
    }

    /// On a line forks twelve processes that stay until stdin closes, and says so.
    fn forker() -> Ended {
        let script = "exec 3<&0; read -r go; \
            for i in 1 2 3 4 5 6 7 8 9 10 11 12; do cat <&3 >&2 & done; echo done; wait";
        let mut command = Command::new("sh");
        command
            .args(["-c", script])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        Ended(command.stderr(Stdio::null()).spawn().unwrap())
    }

    #[test]
    fn after_a_loss_of_events_a_scan_finds_those_with_a_parent_and_says_so() {
        let mut forker = forker();
        let mut members = Members::new(Until::Ended, None).unwrap();
        members
            .add(ExitHandle::from_child(&forker.0).unwrap(), None, None)
            .unwrap();
        let mut tree = Tree::start(&mut members, Watch::Forks).unwrap();
        let Some(watcher) = &tree.watcher else {
            return;
        };
        watcher.shrink_buffer();
        forker.0.stdin.as_mut().unwrap().write_all(b"go\n").unwrap();
        let mut line = String::new();
        BufReader::new(forker.0.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();

        while tree.gather(&mut members).unwrap().again {}
        assert!(tree.take_notes().contains(&Note::ForksLost));
        assert_eq!(members.awaited(), 13);
        assert_eq!(members.signal(Signal::TERM, &mut ()).unwrap(), 13);
    }
}
