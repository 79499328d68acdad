//! How a process ended, and the forms the kernel tells it in.

use std::fmt;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::str::FromStr;

use crate::Signal;

/// How a process ended.
///
/// Prints in the words of the exithand file: `exited 3`, `killed 9 KILL`, `killed 11 SEGV core`,
/// `unknown: ...`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// By its own call to `exit`, with this exit status.
    Exited(u8),
    /// By a signal.
    Killed {
        /// The signal that ended it.
        signal: Signal,
        /// Whether a core dump was made.
        core_dumped: bool,
    },
    /// It has ended, and nobody who knows how may or could say.
    Unknown {
        /// What kept the answer back.
        why: Why,
    },
}

/// What kept an outcome back, in words the user can act on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Why {
    /// A zombie whose status the kernel shows to its owner only; the reap will tell.
    ForeignZombie,
    /// A zombie of our own user that made itself unreadable (not dumpable); the reap will tell.
    ProtectedZombie,
    /// A zombie, and no `/proc` that shows it; the reap will tell.
    UnseenZombie,
    /// Reaped, and the kernel keeps no status (`PIDFD_INFO_EXIT` came with Linux 6.15).
    OldKernel,
    /// The process lives in a pid namespace that is not ours or below ours.
    OtherPidNamespace,
    /// A sandbox hides `PIDFD_GET_INFO`.
    InfoBlocked,
    /// It was gone before anybody held a handle to it.
    GoneBefore,
    /// The exithand files tell outcomes to others, not to us (their option `status=`).
    FileDenies,
    /// The exithand files do not tell yet; the reap will.
    FilePending,
    /// There is neither `siginfo` nor `outcome` beside the exithand file.
    FileAbsent,
    /// Somebody gave a reason that this version does not know, or none.
    Unexplained,
}

impl Why {
    const ALL: [Self; 11] = [
        Self::ForeignZombie,
        Self::ProtectedZombie,
        Self::UnseenZombie,
        Self::OldKernel,
        Self::OtherPidNamespace,
        Self::InfoBlocked,
        Self::GoneBefore,
        Self::FileDenies,
        Self::FilePending,
        Self::FileAbsent,
        Self::Unexplained,
    ];

    fn words(self) -> &'static str {
        match self {
            Self::ForeignZombie => "zombie of another user, not yet reaped",
            Self::ProtectedZombie => "zombie of a protected (non-dumpable) process, not yet reaped",
            Self::UnseenZombie => "zombie not yet reaped, and /proc does not show it",
            Self::OldKernel => "kernel before 6.15 and no recorder",
            Self::OtherPidNamespace => "other pid namespace",
            Self::InfoBlocked => "PIDFD_GET_INFO is blocked here (seccomp?) and no recorder",
            Self::GoneBefore => "it had ended before the wait began, and no recorder",
            Self::FileDenies => "the exithand files do not tell it to this user",
            Self::FilePending => "not yet reaped, and the exithand files tell only then",
            Self::FileAbsent => "the exithand files tell no outcomes here",
            Self::Unexplained => "for a reason not known here",
        }
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.words())
    }
}

impl Outcome {
    /// Decodes a wait status as `wait4(2)` stores it; `None` where it tells no end (a stop).
    #[doc(alias = "WIFEXITED")]
    #[doc(alias = "WTERMSIG")]
    pub fn from_wait_status(status: i32) -> Option<Self> {
        let [low, high, 0, 0] = status.to_le_bytes() else {
            return None;
        };
        let core_dumped = low & 0x80 != 0;
        match (low & 0x7f, high) {
            (0, status) if !core_dumped => Some(Self::Exited(status)),
            (0 | 0x7f, _) => None,
            (signal, 0) => Signal::from_number(i32::from(signal)).map(|signal| Self::Killed {
                signal,
                core_dumped,
            }),
            _ => None,
        }
    }

    /// Encodes the outcome as `wait4(2)` would; `None` for an unknown one.
    pub fn to_wait_status(self) -> Option<i32> {
        match self {
            Self::Exited(status) => Some(i32::from(status) << 8),
            Self::Killed {
                signal,
                core_dumped,
            } => Some(signal.number() | if core_dumped { 0x80 } else { 0 }),
            Self::Unknown { .. } => None,
        }
    }

    /// Says whether the process ended by its own call with exit status 0.
    pub fn success(self) -> bool {
        self == Self::Exited(0)
    }

    /// Says whether it is known how the process ended.
    pub fn is_known(self) -> bool {
        !matches!(self, Self::Unknown { .. })
    }

    /// Returns what a shell would report: the exit status, or 128 plus the signal; `None` for an
    /// unknown outcome.
    pub fn shell_status(self) -> Option<u8> {
        match self {
            Self::Exited(status) => Some(status),
            Self::Killed { signal, .. } => u8::try_from(128 + signal.number()).ok(),
            Self::Unknown { .. } => None,
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exited(status) => write!(f, "exited {status}"),
            Self::Killed {
                signal,
                core_dumped,
            } => {
                let core = if *core_dumped { " core" } else { "" };
                write!(f, "killed {} {}{core}", signal.number(), signal.name())
            }
            Self::Unknown { why } => write!(f, "unknown: {why}"),
        }
    }
}

/// The text tells no outcome.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no outcome: `exited 3`, `killed 9 KILL` or `unknown: ...` would be")]
pub struct ParseOutcomeError(String);

impl FromStr for Outcome {
    type Err = ParseOutcomeError;

    /// Reads what [`Display`](fmt::Display) prints. A reason that is not known here becomes
    /// [`Why::Unexplained`].
    fn from_str(text: &str) -> Result<Self, ParseOutcomeError> {
        let parse = || match text.split_once(' ')? {
            ("exited", status) => decimal(status).map(Self::Exited),
            ("killed", rest) => {
                let (number, name) = rest.split_once(' ')?;
                let (name, core_dumped) = match name.strip_suffix(" core") {
                    Some(name) => (name, true),
                    None => (name, false),
                };
                let signal = Signal::from_number(decimal(number)?.into())?;
                // What contradicts itself is no answer.
                (signal.name() == name).then_some(Self::Killed {
                    signal,
                    core_dumped,
                })
            }
            ("unknown:", reason) => {
                let known = Why::ALL.into_iter().find(|why| why.words() == reason);
                let why = known.unwrap_or(Why::Unexplained);
                (!reason.is_empty()).then_some(Self::Unknown { why })
            }
            _ => None,
        };
        parse().ok_or_else(|| ParseOutcomeError(text.to_owned()))
    }
}

/// Reads a number as it is printed: no sign, no zero in front.
fn decimal(text: &str) -> Option<u8> {
    let number: u8 = text.parse().ok()?;
    (number.to_string() == text).then_some(number)
}

/// The status tells no end: its process was stopped or continued, or the outcome is unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the status does not say how a process ended")]
pub struct NoEnd;

impl TryFrom<ExitStatus> for Outcome {
    type Error = NoEnd;

    fn try_from(status: ExitStatus) -> Result<Self, NoEnd> {
        Self::from_wait_status(status.into_raw()).ok_or(NoEnd)
    }
}

impl TryFrom<Outcome> for ExitStatus {
    type Error = NoEnd;

    fn try_from(outcome: Outcome) -> Result<Self, NoEnd> {
        outcome.to_wait_status().map(Self::from_raw).ok_or(NoEnd)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decodes_every_way_to_end() {
        for (raw, text) in [
            (0x0000, "exited 0"),
            (0x0300, "exited 3"),
            (0xff00, "exited 255"),
            (0x0009, "killed 9 KILL"),
            (0x008b, "killed 11 SEGV core"),
            (0x0022, "killed 34 RTMIN"),
        ] {
            let outcome = Outcome::from_wait_status(raw).unwrap();
            assert_eq!(outcome.to_string(), text, "raw {raw:#06x}");
            assert_eq!(outcome.to_wait_status(), Some(raw), "raw {raw:#06x}");
            assert_eq!(ExitStatus::try_from(outcome).unwrap().into_raw(), raw);
        }
    }

    #[test]
    fn every_printed_form_reads_back() {
        let exits = (0..=255).map(Outcome::Exited);
        let kills = (1..=64).filter_map(Signal::from_number).flat_map(|signal| {
            [false, true].map(|core_dumped| Outcome::Killed {
                signal,
                core_dumped,
            })
        });
        let unknown = Why::ALL.into_iter().map(|why| Outcome::Unknown { why });
        for outcome in exits.chain(kills).chain(unknown) {
            assert_eq!(outcome.to_string().parse(), Ok(outcome));
        }
    }

    #[test]
    fn a_reason_of_a_later_version_is_unknown_all_the_same() {
        let why = Why::Unexplained;
        assert_eq!(
            "unknown: the moon was full".parse(),
            Ok(Outcome::Unknown { why })
        );
    }

    #[test]
    fn refuses_what_is_no_outcome() {
        for text in [
            "",
            "exited",
            "exited ",
            "exited 256",
            "exited -1",
            "exited +1",
            "exited 03",
            "exited 3 ",
            "exited 3\n",
            "Exited 3",
            "killed 9",
            "killed 9 TERM",
            "killed 9 SIGKILL",
            "killed 0 0",
            "killed 65 RTMIN+31",
            "killed 9 KILL ",
            "killed 9 KILL core core",
            "killed 9 KILL dump",
            "unknown",
            "unknown:",
            "unknown: ",
            "alive",
        ] {
            assert!(text.parse::<Outcome>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_stop_is_not_an_end() {
        for raw in [0x137f, 0xffff, 0x0080, 0x0109, 0x1_0000, -1] {
            assert_eq!(Outcome::from_wait_status(raw), None, "raw {raw:#06x}");
        }
    }

    #[test]
    fn reports_to_a_shell_as_a_shell_does() {
        assert_eq!(
            Outcome::from_wait_status(0x0300).unwrap().shell_status(),
            Some(3)
        );
        assert_eq!(
            Outcome::from_wait_status(0x0009).unwrap().shell_status(),
            Some(137)
        );
        assert_eq!(
            Outcome::Unknown {
                why: Why::OldKernel
            }
            .shell_status(),
            None
        );
    }
}
