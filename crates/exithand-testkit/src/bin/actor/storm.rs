//! An actor that forks short processes with known ends, so many that pids are soon reused.

use std::fmt::Write as _;
use std::io::{self, PipeReader, PipeWriter, Read, Write};

use exithand_testkit::sys::{exit_process, fork_process, raise_signal, reset_signal};
use rustix::fs::fstat;
use rustix::process::{Pid, PidfdFlags, Signal, WaitOptions, kill_process, pidfd_open, waitpid};

use crate::stage::{argument, go, invalid, ready, until_stdin_ends};

/// Signals that end a process without a core dump.
const SIGNALS: [Signal; 11] = [
    Signal::HUP,
    Signal::INT,
    Signal::USR1,
    Signal::USR2,
    Signal::ALARM,
    Signal::TERM,
    Signal::STKFLT,
    Signal::VTALARM,
    Signal::PROF,
    Signal::IO,
    Signal::POWER,
];

/// How a process of the storm ends; derived from its number alone.
#[derive(Clone, Copy)]
enum End {
    /// Exits without waiting for anybody.
    AtOnce(u8),
    /// Exits when its cohort is released.
    Gated(u8),
    /// Sends itself the signal when its cohort is released.
    Raises(Signal),
    /// Is killed by its parent.
    Killed,
}

impl End {
    fn of(number: u32) -> Self {
        let [_, _, _, spread] = number.wrapping_mul(0x9E37_79B1).to_le_bytes();
        match number % 4 {
            0 => Self::AtOnce(spread),
            1 => Self::Gated(spread),
            2 => Self::Raises(SIGNALS[usize::from(spread) % SIGNALS.len()]),
            _ => Self::Killed,
        }
    }

    /// The wait status this end must have.
    fn wait_status(self) -> i32 {
        match self {
            Self::AtOnce(status) | Self::Gated(status) => i32::from(status) << 8,
            Self::Raises(signal) => signal.as_raw(),
            Self::Killed => Signal::KILL.as_raw(),
        }
    }

    /// What the forked process does.
    fn play(self, mut gate: PipeReader) -> ! {
        if !matches!(self, Self::AtOnce(_)) {
            // An error shows as a wrong end.
            drop(gate.read(&mut [0]));
        }
        match self {
            Self::AtOnce(status) | Self::Gated(status) => exit_process(status),
            Self::Raises(signal) => raise_signal(signal),
            Self::Killed => {}
        }
        // The killed one may pass the gate before the signal arrives.
        drop(until_stdin_ends());
        exit_process(125)
    }
}

/// Forks COUNT processes in cohorts of SIZE and tells of each `p NUMBER PID INODE STATUS` before it
/// is reaped, and of each cohort `r NUMBER` once all processes below NUMBER are reaped.
///
/// Of every second process the inode is told as 0: nobody here opens a pidfd for it, so nothing but
/// the reader's own keeps its status. The zombies of one cohort are there while the next is forked.
/// With the word `paced` a cohort does not end before it is told so with one more line.
pub(crate) fn storm(args: &[String]) -> io::Result<u8> {
    let (count, size): (u32, u32) = (argument(args, 0)?, argument(args, 1)?);
    let is_paced = args.get(2).is_some_and(|word| word == "paced");
    // Whoever starts the tests in the background of a script ignores SIGINT, and so would we.
    for signal in SIGNALS {
        reset_signal(signal.as_raw())?;
    }
    ready(&[]);
    go()?;
    let mut earlier: Option<Cohort> = None;
    for first in (0..count).step_by(size.try_into().map_err(io::Error::other)?) {
        let mut cohort = Cohort::fork(first..count.min(first + size))?;
        if let Some(earlier) = earlier.take() {
            earlier.reap()?;
        }
        if is_paced {
            go()?;
        }
        cohort.end()?;
        earlier = Some(cohort);
    }
    earlier.map_or(Ok(()), Cohort::reap)?;
    Ok(0)
}

struct Cohort {
    members: Vec<(Pid, End)>,
    next: u32,
    gate: Option<PipeWriter>,
}

impl Cohort {
    fn fork(numbers: std::ops::Range<u32>) -> io::Result<Self> {
        let (gate, opener) = io::pipe()?;
        let mut cohort = Self {
            members: Vec::new(),
            next: numbers.end,
            gate: Some(opener),
        };
        let mut told = String::new();
        for number in numbers {
            let end = End::of(number);
            let Some(pid) = fork_process()? else {
                drop(cohort.gate.take());
                end.play(gate);
            };
            cohort.members.push((pid, end));
            let inode = match number % 2 {
                0 => fstat(pidfd_open(pid, PidfdFlags::empty())?)?.st_ino,
                _ => 0,
            };
            let line = writeln!(told, "p {number} {pid} {inode} {}", end.wait_status());
            line.map_err(io::Error::other)?;
        }
        io::stdout().write_all(told.as_bytes())?;
        Ok(cohort)
    }

    /// Opens the gate and kills those that do not end by themselves.
    #[expect(clippy::disallowed_methods, reason = "an unreaped child keeps its pid")]
    fn end(&mut self) -> io::Result<()> {
        self.gate = None;
        for (pid, end) in &self.members {
            if matches!(end, End::Killed) {
                kill_process(*pid, Signal::KILL)?;
            }
        }
        Ok(())
    }

    /// Reaps all members, and compares what `wait4(2)` says with what was told.
    fn reap(self) -> io::Result<()> {
        for (pid, end) in self.members {
            let status = waitpid(Some(pid), WaitOptions::empty())?;
            let status = status.map(|(_, status)| status.as_raw());
            if status != Some(end.wait_status()) {
                return Err(invalid(format!("{pid} ended with {status:?}")));
            }
        }
        writeln!(io::stdout(), "r {}", self.next)
    }
}
