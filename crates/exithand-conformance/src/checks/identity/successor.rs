//! A process that gets the pid of one that is gone.

use std::fs;
use std::io::{self, PipeReader, PipeWriter, Read};

use exithand_testkit::sys::{exit_process, fork_process};
use rustix::io::Errno;
use rustix::process::{Pid, WaitOptions, getpid, waitpid};

use super::taken;
use crate::sys::fork_with_pid;
use crate::verdict::{Checked, Context, Stop};

/// A pid space of more than this takes too long to go through.
const SMALL: u32 = 65536;

/// A child with the wanted pid, which runs until [`Successor::end`], or this process ends.
pub(super) struct Successor {
    pid: Pid,
    lifeline: Option<PipeWriter>,
}

impl Successor {
    /// Starts it: by asking for the pid, where that is allowed, or by forking until it comes.
    pub(super) fn start(pid: Pid) -> Checked<Self> {
        let (theirs, ours) = io::pipe()?;
        match fork_with_pid(pid) {
            Ok(None) => play(theirs, ours),
            Ok(Some(pid)) => Ok(Self {
                pid,
                lifeline: Some(ours),
            }),
            Err(error) if is(&error, Errno::EXIST) => Err(taken(pid)),
            Err(error) if is(&error, Errno::PERM) || is(&error, Errno::NOSYS) => {
                Self::by_patience(pid, theirs, ours)
            }
            Err(error) => Err(error).context("clone3"),
        }
    }

    fn by_patience(pid: Pid, theirs: PipeReader, ours: PipeWriter) -> Checked<Self> {
        let pid_max = fs::read_to_string("/proc/sys/kernel/pid_max")?;
        let pid_max: u32 = pid_max.trim().parse().map_err(io::Error::other)?;
        if pid_max > SMALL {
            return Err(Stop::Skipped(format!(
                "may not choose pids, and there are {pid_max} to go through"
            )));
        }
        for _ in 0..2 * pid_max {
            match fork_process()? {
                None if getpid() == pid => play(theirs, ours),
                None => exit_process(0),
                Some(child) if child == pid => {
                    return Ok(Self {
                        pid,
                        lifeline: Some(ours),
                    });
                }
                Some(child) => {
                    waitpid(Some(child), WaitOptions::empty())?;
                }
            }
        }
        Err(taken(pid))
    }

    /// Has it exit, and reaps it.
    pub(super) fn end(mut self) -> Checked {
        self.lifeline = None;
        waitpid(Some(self.pid), WaitOptions::empty())?;
        Ok(())
    }
}

/// What the child does: it waits until nobody holds the other end of the pipe.
fn play(mut theirs: PipeReader, ours: PipeWriter) -> ! {
    drop(ours);
    let ended = theirs.read(&mut [0]);
    exit_process(u8::from(ended.is_err()))
}

fn is(error: &io::Error, errno: Errno) -> bool {
    error.raw_os_error() == Some(errno.raw_os_error())
}
