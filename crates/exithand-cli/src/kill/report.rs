//! What is asked of `exithand kill`, and what it answers.

use std::fmt;
use std::io;
use std::time::Duration;

use exithand::{Exit, ExitHandle, Pid, Signal, StatusSource, Token, Until};

use super::Unwatchable;
use super::cgroup::{Cgroup, CgroupError};

/// Whom to signal, with what, and for how long to wait.
pub struct Request<'a> {
    /// The processes named; the roots where the scope is [`Scope::Tree`].
    pub targets: Vec<ExitHandle>,
    /// Who is meant besides the targets.
    pub scope: Scope,
    /// The signal to send.
    pub signal: Signal,
    /// For how long to wait before `then` is sent, and again afterwards; `None` is no limit.
    pub timeout: Option<Duration>,
    /// The signal for those who are left at the timeout.
    pub then: Option<Signal>,
    /// Which event to wait for.
    pub until: Until,
    /// For how long, in all, to allow for reaps that make outcomes known.
    pub grace: Duration,
    /// Who else may know outcomes.
    pub source: Option<&'a dyn StatusSource>,
    /// How to learn of forks.
    pub watch: Watch,
}

impl fmt::Debug for Request<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("targets", &self.targets)
            .field("scope", &self.scope)
            .field("signal", &self.signal)
            .field("timeout", &self.timeout)
            .field("then", &self.then)
            .field("until", &self.until)
            .finish_non_exhaustive()
    }
}

/// Who is meant besides the processes named.
#[derive(Debug)]
pub enum Scope {
    /// Nobody.
    Plain,
    /// All their descendants, those forked meanwhile too.
    Tree,
    /// All members of this cgroup and of those below it, those forked meanwhile too.
    Cgroup(Cgroup),
}

/// How to learn of forks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Watch {
    /// From the process connector, where it can be had.
    #[default]
    Forks,
    /// By scans alone, as where the connector cannot be had.
    Nothing,
}

/// One process that was meant, and what became of it.
#[derive(Debug)]
pub struct Process {
    /// Its name for good.
    pub token: Token,
    /// Its command name when it was found.
    pub comm: String,
    /// Its place in [`Request::targets`]; `None` for one that was found in the tree or cgroup.
    pub target: Option<usize>,
    /// The signals sent to it, in order; not the stop that keeps it from forking before the end.
    pub signals: Vec<Signal>,
    /// Why it could not be signalled. Such a process is not waited for.
    pub refused: Option<exithand::Error>,
    /// What became of it.
    pub end: End,
}

/// What became of a process.
#[derive(Clone, Copy, Debug)]
pub enum End {
    /// It has ended, or was reaped if that was asked for.
    Ended(Exit),
    /// It was still there at the end of the wait.
    Alive,
}

/// What became of all.
#[derive(Debug)]
pub struct Report {
    /// One entry for each process that could be held, in the order they were found.
    pub processes: Vec<Process>,
    /// How many others, forked meanwhile, had ended before they could be held.
    pub ended_unseen: usize,
    /// Whether any that was meant is still there.
    pub survivors: Survivors,
    /// What the user must know about the answer; each was told to the observer too.
    pub notes: Vec<Note>,
}

/// Whether any process that was meant is still there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Survivors {
    /// None.
    None,
    /// Some, within the time that was allowed or because they may not be signalled.
    Some,
}

/// Something that limits what the answer says.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Note {
    /// Forks could not be watched.
    Unwatched(Unwatchable),
    /// The kernel dropped fork events.
    ForksLost,
    /// The processes forked faster than they could be stopped.
    Unsettled,
    /// So many members of the cgroup have no pid in our namespace.
    OutOfSight(usize),
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unwatched(why) => write!(
                f,
                "forks cannot be watched here ({why}): a process that leaves the tree while it \
                 ends may survive; --cgroup has no such gap"
            ),
            Self::ForksLost => f.write_str(
                "the kernel dropped fork events: a process that left the tree meanwhile may \
                 survive; raise net.core.rmem_max, or use --cgroup",
            ),
            Self::Unsettled => f.write_str(
                "the processes forked faster than they could be stopped: some may survive; \
                 --cgroup on cgroup2 has no such gap",
            ),
            Self::OutOfSight(count) => write!(
                f,
                "{count} processes of the cgroup live in another pid namespace and can be \
                 reached by SIGKILL on cgroup2 only"
            ),
        }
    }
}

/// Hears what happens, while it happens. All methods do nothing by default.
pub trait Observer {
    /// A signal was sent to a process.
    fn signalled(&mut self, process: &Process, signal: Signal) {
        let _ = (process, signal);
    }
    /// A process has ended; [`Process::end`] says how.
    fn ended(&mut self, process: &Process) {
        let _ = process;
    }
    /// The time is over, and so many processes get the second signal.
    fn escalates(&mut self, signal: Signal, processes: usize) {
        let _ = (signal, processes);
    }
    /// Something limits what the answer will say.
    fn notes(&mut self, note: &Note) {
        let _ = note;
    }
}

/// Hears nothing.
impl Observer for () {}

/// Why the signals could not be sent, or not be followed up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KillError {
    /// The tree of a target contains the caller.
    #[error("the tree of {} contains exithand itself: name a process below it", .0.as_raw_nonzero())]
    TreeContainsCaller(Pid),
    /// A target is the init process of the pid namespace.
    #[error("the tree of 1 is the whole machine or container: name a process below it")]
    TreeOfInit,
    /// A target is a kernel thread, which no signal reaches.
    #[error("{} is a kernel thread, which no signal reaches", .0.as_raw_nonzero())]
    KernelThread(Pid),
    /// A target has no pid in our namespace, so `/proc` cannot show its descendants.
    #[error("process {0} lives in another pid namespace: its descendants cannot be seen from here")]
    OutOfSight(Token),
    /// The cgroup cannot be used.
    #[error(transparent)]
    Cgroup(#[from] CgroupError),
    /// A handle failed.
    #[error(transparent)]
    Handle(#[from] exithand::Error),
    /// `/proc` cannot be read.
    #[error("cannot read {path}")]
    Proc {
        /// What was read.
        path: &'static str,
        /// Why it failed.
        #[source]
        error: io::Error,
    },
    /// A system call failed in a way no caller can act on.
    #[error("{call} failed")]
    Syscall {
        /// The call.
        call: &'static str,
        /// Its error.
        #[source]
        errno: exithand::Errno,
    },
}
