//! A parent between the test and a process, for tests of what those see who are not the parent.

use std::process::Command;

use rustix::process::Pid;

use crate::{Actor, actor_command};

/// A process whose parent is not the test: it ends, and is reaped, when the test says so.
///
/// Dropping ends both.
#[derive(Debug)]
pub struct Middleman(Actor);

impl Middleman {
    /// Starts the actor `args` as the child of another process and waits until it is ready.
    ///
    /// # Panics
    /// If either cannot be started, or ends before it is ready.
    #[track_caller]
    pub fn start(args: &[&str]) -> Self {
        Self::start_as(actor_command(&[&["middleman"], args].concat()))
    }

    /// Starts `command`, which must play the actor `middleman`.
    ///
    /// # Panics
    /// As [`Middleman::start`].
    #[track_caller]
    pub fn start_as(command: Command) -> Self {
        Self(Actor::start(command))
    }

    /// The pid of the child, in the child's own pid namespace.
    ///
    /// # Panics
    /// Never: the child's pid is part of the ready line.
    pub fn child(&self) -> Pid {
        self.0.told_pid()
    }

    /// The pids or tids the child told.
    pub fn told(&self) -> &[Pid] {
        self.0.told().get(1..).unwrap_or_default()
    }

    /// The parent in between.
    pub fn parent(&self) -> Pid {
        self.0.pid()
    }

    /// Closes the child's stdin and waits until it is a zombie, whatever ended it.
    ///
    /// # Panics
    /// If the parent does not do its part.
    #[track_caller]
    pub fn end(&mut self) {
        self.0.go();
        assert_eq!(self.0.read_line(), "ended");
    }

    /// Has the child reaped; returns its wait status by the word of `wait4(2)`.
    ///
    /// # Panics
    /// If the child has not been ended, or the parent does not do its part.
    #[track_caller]
    pub fn reap(&mut self) -> i32 {
        self.0.go();
        let line = self.0.read_line();
        let status = line.strip_prefix("reaped ").map(str::parse);
        let Some(Ok(status)) = status else {
            panic!("the parent said {line:?} instead of a wait status");
        };
        status
    }
}
