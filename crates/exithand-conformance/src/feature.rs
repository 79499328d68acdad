//! What an implementation may leave out.

use std::fs;

use clap::ValueEnum;
use rustix::process::getpid;

use crate::site::Site;

/// A part of the contract that not every implementation has to have. `PID/exithand` is not one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Feature {
    /// `PID/siginfo`.
    Siginfo,
    /// `PID/outcome`.
    Outcome,
    /// `PID/token`.
    Token,
    /// `PID/task/TID/exithand`.
    Threads,
    /// `self` and `thread-self`.
    Links,
    /// `pid_generation`.
    PidGeneration,
    /// Watchers of a directory see it go.
    DirectoryEvents,
}

impl Feature {
    /// Whether the implementation has it. Only watching tells whether directory events come.
    pub(crate) fn is_present(self, site: &Site) -> bool {
        let own = site.process(getpid());
        match self {
            Self::Siginfo => own.join("siginfo").exists(),
            Self::Outcome => own.join("outcome").exists(),
            Self::Token => own.join("token").exists(),
            Self::Threads => site.thread(getpid(), getpid()).join("exithand").exists(),
            Self::Links => fs::symlink_metadata(site.root().join("self")).is_ok(),
            Self::PidGeneration => site.root().join("pid_generation").exists(),
            Self::DirectoryEvents => true,
        }
    }

    /// The name that `--require` takes.
    pub(crate) fn name(self) -> String {
        let value = self.to_possible_value();
        value.map_or_else(String::new, |it| it.get_name().to_owned())
    }
}
