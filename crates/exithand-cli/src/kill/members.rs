//! The processes that are meant: each held, signalled at most once with each signal, and awaited.

use std::collections::{BTreeSet, HashMap};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use exithand::{
    Count, Deadline, Error, Exit, ExitHandle, Key, Signal, State, StatusSource, Until, WaitOptions,
    WaitSet,
};

use super::plan::{Due, due};
use super::proc::{self, Motion};
use super::report::{End, Observer, Process};

/// When a member came to light.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// Before all had been signalled.
    InTime,
    /// Afterwards, so it is new.
    Later,
}

/// Where a member stands.
#[derive(Debug)]
enum Place {
    /// In the wait set.
    Awaited(Key),
    /// It has ended, and the reap may still make the outcome known.
    Unexplained(ExitHandle),
    Done,
}

/// Whether we have stopped a member to keep it from forking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stop {
    Not,
    Ours,
    /// It was stopped before we came, and is left so.
    Theirs,
}

#[derive(Debug)]
struct Member {
    process: Process,
    place: Place,
    /// The member that forked it, while that was alive when this one was found.
    forker: Option<usize>,
    found: Found,
    stop: Stop,
}

/// All members, in the order they were found.
pub(crate) struct Members<'a> {
    set: WaitSet,
    until: Until,
    source: Option<&'a dyn StatusSource>,
    all: Vec<Member>,
    /// Those in the wait set, by their place in `all`.
    waiting: BTreeSet<usize>,
    by_key: HashMap<Key, usize>,
    by_pid: HashMap<u32, usize>,
    found: Found,
}

impl<'a> Members<'a> {
    pub(crate) fn new(until: Until, source: Option<&'a dyn StatusSource>) -> Result<Self, Error> {
        Ok(Self {
            set: WaitSet::new(until)?,
            until,
            source,
            all: Vec::new(),
            waiting: BTreeSet::new(),
            by_key: HashMap::new(),
            by_pid: HashMap::new(),
            found: Found::InTime,
        })
    }

    /// Says whether members that come to light from now on are in time for the signal. Those that
    /// are in already are.
    pub(crate) fn now_found(&mut self, found: Found) {
        self.found = found;
        for &at in &self.waiting {
            self.all[at].found = Found::InTime;
        }
    }

    /// Takes a process in, unless it is in already.
    pub(crate) fn add(
        &mut self,
        handle: ExitHandle,
        forker: Option<u32>,
        target: Option<usize>,
    ) -> Result<(), Error> {
        let (token, pid) = (handle.token(), handle.pid().map(number));
        let comm = pid
            .and_then(proc::comm)
            .filter(|_| !is_gone(&handle))
            .unwrap_or_default();
        let key = self.set.add(handle)?;
        if self.by_key.contains_key(&key) {
            return Ok(());
        }
        let at = self.all.len();
        self.by_key.insert(key, at);
        self.waiting.insert(at);
        if let Some(pid) = pid {
            self.by_pid.insert(pid, at);
        }
        self.all.push(Member {
            process: Process {
                token,
                comm,
                target,
                signals: Vec::new(),
                refused: None,
                end: End::Alive,
            },
            place: Place::Awaited(key),
            forker: forker.and_then(|pid| self.by_pid.get(&pid).copied()),
            found: self.found,
            stop: Stop::Not,
        });
        Ok(())
    }

    /// Says whether a member that has not been collected owns `pid`.
    pub(crate) fn owns(&self, pid: u32) -> bool {
        self.state(pid).is_some_and(|state| state != State::Reaped)
    }

    /// Lists the pids that members own for certain: nobody can have taken them over.
    pub(crate) fn pids(&self) -> Vec<u32> {
        self.by_pid
            .keys()
            .copied()
            .filter(|pid| self.owns(*pid))
            .collect()
    }

    /// Counts the members to wait for: those that may not be signalled are not.
    pub(crate) fn awaited(&self) -> usize {
        self.waiting()
            .filter(|(_, member)| member.process.refused.is_none())
            .count()
    }

    /// Counts the members that may not be signalled and are still there.
    pub(crate) fn refused(&self) -> usize {
        self.waiting()
            .filter(|(_, member)| member.process.refused.is_some())
            .count()
    }

    /// Sends `signal` to every member that is due for it and has not had it; returns to how many.
    pub(crate) fn signal(
        &mut self,
        signal: Signal,
        observer: &mut dyn Observer,
    ) -> Result<usize, Error> {
        let due: Vec<usize> = self.waiting().map(|(at, _)| at).collect();
        let mut sent = 0;
        for at in due {
            if self.is_due(at, signal) && self.send(at, signal)? {
                sent += 1;
                let member = &mut self.all[at];
                member.process.signals.push(signal);
                observer.signalled(&member.process, signal);
            }
        }
        Ok(sent)
    }

    /// Notes that all members were sent `signal` by other means.
    pub(crate) fn were_sent(&mut self, signal: Signal, observer: &mut dyn Observer) {
        let awaited: Vec<usize> = self.waiting().map(|(at, _)| at).collect();
        for at in awaited {
            let process = &mut self.all[at].process;
            if !process.signals.contains(&signal) {
                process.refused = None;
                process.signals.push(signal);
                observer.signalled(process, signal);
            }
        }
    }

    /// Stops every member not stopped yet; returns how many there were.
    pub(crate) fn stop(&mut self) -> Result<usize, Error> {
        let moving: Vec<usize> = self
            .waiting()
            .filter(|(_, it)| it.stop == Stop::Not)
            .map(|(at, _)| at)
            .collect();
        for &at in &moving {
            let pid = self.all[at].process.token.pid().map(number);
            let stopped = pid.and_then(proc::stat).is_some_and(|it| it.state == b'T');
            if !stopped {
                self.send(at, Signal::STOP)?;
            }
            self.all[at].stop = if stopped { Stop::Theirs } else { Stop::Ours };
        }
        Ok(moving.len())
    }

    /// Says whether a thread of any member still moves, apart from those we may not stop.
    pub(crate) fn motion(&self) -> Motion {
        let mut stoppable = self
            .waiting()
            .filter(|(_, it)| it.process.refused.is_none());
        let moving = stoppable.any(|(_, member)| {
            let pid = member.process.token.pid().map(number);
            pid.is_some_and(|pid| proc::motion(pid) == Motion::Moving && self.owns(pid))
        });
        if moving {
            Motion::Moving
        } else {
            Motion::AtRest
        }
    }

    /// Lets those go on that we have stopped.
    pub(crate) fn resume(&mut self) -> Result<(), Error> {
        let ours: Vec<usize> = self
            .waiting()
            .filter(|(_, it)| it.stop == Stop::Ours)
            .map(|(at, _)| at)
            .collect();
        for at in ours {
            self.send(at, Signal::CONT)?;
            self.all[at].stop = Stop::Not;
        }
        Ok(())
    }

    /// Takes out those that have ended; returns how many. Never blocks.
    pub(crate) fn collect(&mut self, observer: &mut dyn Observer) -> Result<usize, Error> {
        let finished = self.set.wait(Count::All, Deadline::NOW)?;
        let count = finished.len();
        for (key, handle) in finished {
            let Some(at) = self.by_key.remove(&key) else {
                continue;
            };
            self.waiting.remove(&at);
            let pid = handle.pid().map(number);
            if let Some(pid) = pid.filter(|pid| self.by_pid.get(pid) == Some(&at)) {
                self.by_pid.remove(&pid);
            }
            match self.explain(&handle, Duration::ZERO)? {
                Some(exit) if exit.outcome.is_known() => self.ended(at, exit, observer),
                _ => self.all[at].place = Place::Unexplained(handle),
            }
        }
        Ok(count)
    }

    /// Allows `grace`, in all, for outcomes to become known; then tells what became of everybody.
    pub(crate) fn finish(
        mut self,
        grace: Duration,
        observer: &mut dyn Observer,
    ) -> Result<Vec<Process>, Error> {
        self.collect(observer)?;
        let deadline = Deadline::after(grace);
        for at in 0..self.all.len() {
            if let Place::Unexplained(handle) = &self.all[at].place {
                let left = deadline.remaining().unwrap_or_default();
                if let Some(exit) = self.explain(handle, left)? {
                    self.ended(at, exit, observer);
                }
            }
        }
        Ok(self.all.into_iter().map(|member| member.process).collect())
    }

    fn explain(&self, handle: &ExitHandle, grace: Duration) -> Result<Option<Exit>, Error> {
        handle.wait_with(&WaitOptions {
            until: self.until,
            deadline: Deadline::after(grace),
            grace,
            source: self.source,
        })
    }

    fn ended(&mut self, at: usize, exit: Exit, observer: &mut dyn Observer) {
        let member = &mut self.all[at];
        member.place = Place::Done;
        member.process.end = End::Ended(exit);
        observer.ended(&member.process);
    }

    fn is_due(&self, at: usize, signal: Signal) -> bool {
        let member = &self.all[at];
        let forker = member.forker.and_then(|forker| self.state_at(forker));
        let in_time = member.found == Found::InTime;
        member.process.refused.is_none()
            && !member.process.signals.contains(&signal)
            && due(signal, in_time, forker == Some(State::Alive)) == Due::Now
    }

    /// Sends a signal; says whether it was delivered. Who is gone will be collected.
    fn send(&mut self, at: usize, signal: Signal) -> Result<bool, Error> {
        let Place::Awaited(key) = self.all[at].place else {
            return Ok(false);
        };
        match self
            .set
            .with_member(key, |handle| handle.send_signal(signal))
        {
            Some(Ok(())) => Ok(true),
            Some(Err(error @ Error::NotPermitted { .. })) => {
                self.all[at].process.refused = Some(error);
                Ok(false)
            }
            Some(Err(error)) if !error.is_gone() => Err(error),
            Some(Err(_)) | None => Ok(false),
        }
    }

    fn state(&self, pid: u32) -> Option<State> {
        self.state_at(*self.by_pid.get(&pid)?)
    }

    fn state_at(&self, at: usize) -> Option<State> {
        let Place::Awaited(key) = self.all[at].place else {
            return None;
        };
        self.set.with_member(key, ExitHandle::state)?.ok()
    }

    fn waiting(&self) -> impl Iterator<Item = (usize, &Member)> {
        self.waiting.iter().map(|&at| (at, &self.all[at]))
    }
}

/// Readable while an ended member can be collected.
impl AsFd for Members<'_> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.set.as_fd()
    }
}

fn is_gone(handle: &ExitHandle) -> bool {
    matches!(handle.state(), Ok(State::Reaped))
}

/// A pid as `/proc` and the connector write it. The kernel gives out positive numbers only.
pub(crate) fn number(pid: exithand::Pid) -> u32 {
    pid.as_raw_nonzero().get().unsigned_abs()
}
