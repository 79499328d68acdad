//! The course of `exithand kill`: signal, wait, escalate once, report.

use std::os::fd::AsFd;
use std::time::Duration;

use exithand::{Deadline, Errno, Signal};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::cgroup::CgroupScope;
use super::gather::{Gathered, Look};
use super::members::{Found, Members};
use super::pause::{Alarm, pause, wait_for_news};
use super::plan::{Left, Stage, Step, next};
use super::proc::Motion;
use super::report::{End, KillError, Note, Observer, Process, Report, Request, Scope, Survivors};
use super::tree::{Tree, check_roots};

/// Rounds of looking around and signalling before the wait begins. Who comes later is signalled
/// while waiting, so a crowd that never stops forking cannot keep the clock from running.
const ROUNDS_MAX: usize = 32;
/// How long to go on stopping. On a crowded machine a process has to be given the processor before
/// it stops; a calm tree is stopped within milliseconds.
const STOPPING_MAX: Duration = Duration::from_secs(5);

/// Signals everybody who is meant, waits until they are gone, sends the second signal to those
/// who are left at the timeout, and says what became of each.
///
/// A process that comes to light after the signal went out gets it once the process that forked
/// it has ended: until then it may be a helper of its forker's clean-up. `SIGKILL` spares nobody.
///
/// # Errors
///
/// [`KillError`]; some of the processes may have been signalled by then.
pub fn run(request: Request<'_>, observer: &mut dyn Observer) -> Result<Report, KillError> {
    raise_descriptor_limit();
    let mut members = Members::new(request.until, request.source)?;
    if matches!(request.scope, Scope::Tree) {
        check_roots(&request.targets)?;
    }
    for (at, target) in request.targets.into_iter().enumerate() {
        members.add(target, None, Some(at))?;
    }
    let around = match request.scope {
        Scope::Plain => Around::Nobody,
        Scope::Tree => Around::Tree(Box::new(Tree::start(&mut members, request.watch)?)),
        Scope::Cgroup(cgroup) => Around::Cgroup(CgroupScope::start(cgroup)?),
    };
    let mut course = Course {
        members,
        around,
        again: false,
        notes: Vec::new(),
    };
    course.take(request.signal, request.then, request.timeout, observer)?;
    course.finish(request.grace, observer)
}

/// Who is meant besides the targets, and how they are found.
#[derive(Debug)]
enum Around {
    Nobody,
    Tree(Box<Tree>),
    Cgroup(CgroupScope),
}

struct Course<'a> {
    members: Members<'a>,
    around: Around,
    /// Whether the last look around was cut short.
    again: bool,
    notes: Vec<Note>,
}

impl Course<'_> {
    fn take(
        &mut self,
        first: Signal,
        then: Option<Signal>,
        timeout: Option<Duration>,
        observer: &mut dyn Observer,
    ) -> Result<(), KillError> {
        let (mut signal, mut stage) = (first, Stage::First);
        self.strike(signal, observer)?;
        let mut alarm = Alarm::after(timeout)?;
        loop {
            let gathered = self.look(signal, observer)?;
            match next(stage, self.left(gathered)?, alarm.clock(), then) {
                Step::Finish => return Ok(()),
                Step::Wait if gathered.again => {}
                Step::Wait => wait_for_news(self.members.as_fd(), self.wake(), &alarm)?,
                Step::Escalate(second) => {
                    observer.escalates(second, self.members.awaited());
                    (signal, stage) = (second, Stage::Second);
                    self.strike(signal, observer)?;
                    alarm = Alarm::after(timeout)?;
                }
            }
        }
    }

    /// Signals all who are meant at this moment.
    fn strike(&mut self, signal: Signal, observer: &mut dyn Observer) -> Result<(), KillError> {
        self.members.now_found(Found::InTime);
        match &mut self.around {
            Around::Cgroup(cgroup) if signal == Signal::KILL => {
                cgroup.kill(&mut self.members, observer)?;
            }
            Around::Tree(tree) if signal == Signal::KILL || !tree.sees_forks() => {
                let halted = halt(tree, &mut self.members);
                let signalled = halted.and_then(|settled| {
                    self.notes_unsettled(settled, observer);
                    Ok(self.members.signal(signal, observer)?)
                });
                self.members.resume()?;
                signalled?;
            }
            _ => self.strike_in_rounds(signal, observer)?,
        }
        self.members.now_found(Found::Later);
        self.tell_notes(observer);
        Ok(())
    }

    fn strike_in_rounds(
        &mut self,
        signal: Signal,
        observer: &mut dyn Observer,
    ) -> Result<(), KillError> {
        for _ in 0..ROUNDS_MAX {
            let gathered = self.gather(Look::Around)?;
            self.members.signal(signal, observer)?;
            if gathered == Gathered::default() {
                break;
            }
        }
        Ok(())
    }

    /// Takes in who has ended and who has come, and signals those who are due.
    fn look(&mut self, signal: Signal, observer: &mut dyn Observer) -> Result<Gathered, KillError> {
        // In this order: whoever has ended has forked all it will, so its children are found.
        let look = match self.members.collect(observer)? {
            0 if !self.again => Look::Events,
            _ => Look::Around,
        };
        let gathered = self.gather(look)?;
        self.members.signal(signal, observer)?;
        self.tell_notes(observer);
        Ok(gathered)
    }

    fn gather(&mut self, look: Look) -> Result<Gathered, KillError> {
        let gathered = match &mut self.around {
            Around::Tree(tree) if tree.sees_forks() || look == Look::Around => {
                tree.gather(&mut self.members)?
            }
            Around::Cgroup(cgroup) if look == Look::Around => cgroup.gather(&mut self.members)?,
            _ => Gathered::default(),
        };
        self.again = gathered.again;
        Ok(gathered)
    }

    fn left(&self, gathered: Gathered) -> Result<Left, KillError> {
        if self.members.awaited() > 0 || gathered.again {
            return Ok(Left::Somebody);
        }
        match &self.around {
            Around::Cgroup(cgroup) if !cgroup.is_vacant(&self.members)? => Ok(Left::Somebody),
            _ => Ok(Left::Nobody),
        }
    }

    fn wake(&self) -> Option<std::os::fd::BorrowedFd<'_>> {
        match &self.around {
            Around::Nobody => None,
            Around::Tree(tree) => tree.wake(),
            // Its file tells of every freeze too, for ever until it is read.
            Around::Cgroup(_) if self.members.awaited() > 0 => None,
            Around::Cgroup(cgroup) => cgroup.wake(),
        }
    }

    fn notes_unsettled(&mut self, settled: Settled, observer: &mut dyn Observer) {
        if settled == Settled::No {
            self.note(Note::Unsettled, observer);
        }
    }

    fn tell_notes(&mut self, observer: &mut dyn Observer) {
        if let Around::Tree(tree) = &mut self.around {
            for note in tree.take_notes() {
                self.note(note, observer);
            }
        }
    }

    /// Tells a note, once.
    fn note(&mut self, note: Note, observer: &mut dyn Observer) {
        if !self.notes.contains(&note) {
            observer.notes(&note);
            self.notes.push(note);
        }
    }

    fn finish(mut self, grace: Duration, observer: &mut dyn Observer) -> Result<Report, KillError> {
        let (ended_unseen, empty) = match &self.around {
            Around::Nobody => (0, true),
            Around::Tree(tree) => (tree.ended_unseen(), true),
            Around::Cgroup(cgroup) => (0, cgroup.is_empty()?),
        };
        if let Around::Cgroup(cgroup) = &self.around {
            cgroup
                .note()
                .into_iter()
                .for_each(|note| self.note(note, observer));
        }
        let processes = self.members.finish(grace, observer)?;
        let alive = |process: &Process| matches!(process.end, End::Alive);
        let gone = empty && !processes.iter().any(alive);
        let survivors = if gone {
            Survivors::None
        } else {
            Survivors::Some
        };
        Ok(Report {
            processes,
            ended_unseen,
            survivors,
            notes: self.notes,
        })
    }
}

/// Whether a tree has come to rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Settled {
    Yes,
    /// It forks too fast, or one of it cannot be stopped now.
    No,
}

/// Stops a tree until nobody is left who could fork.
///
/// Whoever is killed leaves orphans that no scan can find, so all are stopped first. Where forks
/// are watched, orphans are found in any case and this only keeps the crowd from growing.
fn halt(tree: &mut Tree, members: &mut Members<'_>) -> Result<Settled, KillError> {
    let deadline = Deadline::after(STOPPING_MAX);
    while deadline.remaining() != Some(Duration::ZERO) {
        // Asked before the look around: who was at rest then has not forked since.
        let resting = tree.sees_forks() || members.motion() == Motion::AtRest;
        let gathered = tree.gather(members)?;
        let stopped = members.stop()?;
        if resting && stopped == 0 && gathered == Gathered::default() {
            return Ok(Settled::Yes);
        }
        if !tree.sees_forks() && !resting {
            pause(members.as_fd())?;
        }
    }
    Ok(if tree.sees_forks() {
        Settled::Yes
    } else {
        Settled::No
    })
}

/// Every process takes a descriptor.
fn raise_descriptor_limit() {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    // At worst the old limit stays, and its message tells how to raise it.
    let _unchanged: Result<(), Errno> = setrlimit(Resource::Nofile, raised);
}
