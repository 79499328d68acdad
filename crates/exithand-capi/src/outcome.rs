//! How a process ended, as a structure, in words, and as an exit code.
#![expect(unsafe_code, reason = "functions with C names")]

use std::ffi::{c_char, c_int};
use std::mem::MaybeUninit;

use exithand::{Errno, Exit, Outcome, Signal, Source, Why};

use crate::boundary::{fill, put};
use crate::guard::guard;

/// Bytes that are enough for every text of this library but tokens, its null byte included.
pub const EXITHAND_TEXT_SIZE: usize = 160;

/// The process called exit(2): see `exit_status`.
pub const EXITHAND_EXITED: c_int = 1;
/// A signal ended the process: see `signal` and `core_dumped`.
pub const EXITHAND_KILLED: c_int = 2;
/// The process has ended, and nobody who knows how may or could say: see `why`.
pub const EXITHAND_UNKNOWN: c_int = 3;

/// A zombie whose status the kernel shows to its owner only; the reap will tell.
pub const EXITHAND_WHY_FOREIGN_ZOMBIE: c_int = 1;
/// A zombie of the caller's own user that made itself unreadable; the reap will tell.
pub const EXITHAND_WHY_PROTECTED_ZOMBIE: c_int = 2;
/// A zombie, and no /proc that shows it; the reap will tell.
pub const EXITHAND_WHY_UNSEEN_ZOMBIE: c_int = 3;
/// It was reaped, and the kernel keeps no status: that came with Linux 6.15.
pub const EXITHAND_WHY_OLD_KERNEL: c_int = 4;
/// It lives in a pid namespace that is not the caller's or below.
pub const EXITHAND_WHY_OTHER_PID_NAMESPACE: c_int = 5;
/// A sandbox hides PIDFD_GET_INFO.
pub const EXITHAND_WHY_INFO_BLOCKED: c_int = 6;
/// For another reason.
pub const EXITHAND_WHY_UNEXPLAINED: c_int = 7;

/// From waitid(2), as it is the caller's own child; the status is left for waitpid(2).
pub const EXITHAND_SOURCE_CHILD: c_int = 1;
/// From the kernel, which keeps it for whoever holds a pidfd. Since Linux 6.15.
pub const EXITHAND_SOURCE_PIDFD: c_int = 2;
/// From the /proc/PID/stat of the zombie.
pub const EXITHAND_SOURCE_ZOMBIE: c_int = 3;

/// How a process ended. Filled by exithand_wait().
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct ExithandExit {
    /// EXITHAND_EXITED, EXITHAND_KILLED or EXITHAND_UNKNOWN.
    pub kind: c_int,
    /// The exit status, 0 to 255, of EXITHAND_EXITED; else 0.
    pub exit_status: c_int,
    /// The signal of EXITHAND_KILLED; else 0.
    pub signal: c_int,
    /// 1 if a core dump was made, else 0.
    pub core_dumped: c_int,
    /// The EXITHAND_WHY_... of EXITHAND_UNKNOWN; else 0.
    pub why: c_int,
    /// The EXITHAND_SOURCE_... by which the outcome was learned; 0 for an unknown one.
    pub source: c_int,
    /// 1 if the process has been reaped, else 0.
    pub reaped: c_int,
    /// The outcome as wait4(2) stores it, for WIFEXITED() and the like; -1 for an unknown one, which
    /// none of them takes for an end.
    pub wait_status: c_int,
    /// Zeros, for what later versions may tell.
    pub reserved: [c_int; 8],
}
const _: () = assert!(size_of::<ExithandExit>() == 64);

/// Fills `how` with what a status of waitpid(2) says, and returns 0.
///
/// -EINVAL: the status tells of no end, but of a stop. -EFAULT: `how` is null.
#[unsafe(no_mangle)]
pub extern "C" fn exithand_exit_from_status(
    wait_status: c_int,
    how: Option<&mut MaybeUninit<ExithandExit>>,
) -> c_int {
    guard(|| {
        let outcome = Outcome::from_wait_status(wait_status).ok_or(Errno::INVAL)?;
        let mut found = ExithandExit::from(outcome);
        found.source = EXITHAND_SOURCE_CHILD;
        found.reaped = 1;
        fill(how, found).map(|()| 0)
    })
}

/// Says in words how the process ended, and returns the length: "exited 3", "killed 9 KILL",
/// "killed 11 SEGV core", "unknown: kernel before 6.15 and no recorder". EXITHAND_TEXT_SIZE is enough.
///
/// -EINVAL: `how` was never filled. -ERANGE: `size` is too small. -EFAULT: a pointer is null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn exithand_exit_text(
    how: Option<&ExithandExit>,
    buffer: *mut c_char,
    size: usize,
) -> c_int {
    guard(|| {
        let outcome = how.ok_or(Errno::FAULT)?.outcome().ok_or(Errno::INVAL)?;
        // SAFETY: C passes null, or a buffer of this size, as its header asks for.
        unsafe { put(&outcome.to_string(), buffer, size) }
    })
}

/// Returns what a shell would: the exit status, or 128 plus the signal.
///
/// -ENODATA: the outcome is unknown, which is never a number. -EINVAL: `how` was never filled.
/// -EFAULT: it is null.
#[unsafe(no_mangle)]
pub extern "C" fn exithand_exit_code(how: Option<&ExithandExit>) -> c_int {
    guard(|| {
        let outcome = how.ok_or(Errno::FAULT)?.outcome().ok_or(Errno::INVAL)?;
        outcome.shell_status().map(c_int::from).ok_or(Errno::NODATA)
    })
}

impl From<Exit> for ExithandExit {
    fn from(exit: Exit) -> Self {
        Self {
            source: match exit.source {
                Some(Source::Child) => EXITHAND_SOURCE_CHILD,
                Some(Source::Pidfd) => EXITHAND_SOURCE_PIDFD,
                Some(Source::Zombie) => EXITHAND_SOURCE_ZOMBIE,
                // Nobody else is asked here.
                _ => 0,
            },
            reaped: exit.reaped.into(),
            ..exit.outcome.into()
        }
    }
}

impl From<Outcome> for ExithandExit {
    fn from(outcome: Outcome) -> Self {
        let mut exit = Self {
            kind: EXITHAND_UNKNOWN,
            exit_status: 0,
            signal: 0,
            core_dumped: 0,
            why: 0,
            source: 0,
            reaped: 0,
            wait_status: outcome.to_wait_status().unwrap_or(-1),
            reserved: [0; 8],
        };
        match outcome {
            Outcome::Exited(status) => {
                exit.kind = EXITHAND_EXITED;
                exit.exit_status = status.into();
            }
            Outcome::Killed {
                signal,
                core_dumped,
            } => {
                exit.kind = EXITHAND_KILLED;
                exit.signal = signal.number();
                exit.core_dumped = core_dumped.into();
            }
            Outcome::Unknown { why } => {
                let number = WHYS.iter().find(|(_, it)| *it == why);
                exit.why = number.map_or(EXITHAND_WHY_UNEXPLAINED, |(number, _)| *number);
            }
        }
        exit
    }
}

impl ExithandExit {
    /// Returns the outcome; `None` where the fields are not those of one.
    fn outcome(&self) -> Option<Outcome> {
        match self.kind {
            EXITHAND_EXITED => u8::try_from(self.exit_status).ok().map(Outcome::Exited),
            EXITHAND_KILLED => Signal::from_number(self.signal).map(|signal| Outcome::Killed {
                signal,
                core_dumped: self.core_dumped != 0,
            }),
            EXITHAND_UNKNOWN => {
                let found = WHYS.iter().find(|(number, _)| *number == self.why);
                found.map(|(_, why)| Outcome::Unknown { why: *why })
            }
            _ => None,
        }
    }
}

/// The reasons that a handle can give.
const WHYS: [(c_int, Why); 7] = [
    (EXITHAND_WHY_FOREIGN_ZOMBIE, Why::ForeignZombie),
    (EXITHAND_WHY_PROTECTED_ZOMBIE, Why::ProtectedZombie),
    (EXITHAND_WHY_UNSEEN_ZOMBIE, Why::UnseenZombie),
    (EXITHAND_WHY_OLD_KERNEL, Why::OldKernel),
    (EXITHAND_WHY_OTHER_PID_NAMESPACE, Why::OtherPidNamespace),
    (EXITHAND_WHY_INFO_BLOCKED, Why::InfoBlocked),
    (EXITHAND_WHY_UNEXPLAINED, Why::Unexplained),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_structure_tells_the_outcome_it_was_made_from() {
        let statuses = (0..=0xffff).filter_map(Outcome::from_wait_status);
        let unknown = WHYS.map(|(_, why)| Outcome::Unknown { why });
        for outcome in statuses.chain(unknown) {
            let exit = ExithandExit::from(outcome);
            assert_eq!(exit.outcome(), Some(outcome));
            assert_eq!(exit.wait_status, outcome.to_wait_status().unwrap_or(-1));
            assert!(outcome.to_string().len() < EXITHAND_TEXT_SIZE);
        }
    }

    #[test]
    fn a_reason_of_others_is_unexplained() {
        let outcome = Outcome::Unknown {
            why: Why::FileDenies,
        };
        assert_eq!(ExithandExit::from(outcome).why, EXITHAND_WHY_UNEXPLAINED);
    }
}
