//! The `siginfo_t` of a child's end, as `waitid(2)` fills it.

use crate::{NoEnd, Outcome, Signal};

/// Size of `siginfo_t` in bytes.
pub const SIGINFO_SIZE: usize = 128;

const SIGCHLD: i32 = 17;
const CLD_EXITED: i32 = 1;
const CLD_KILLED: i32 = 2;
const CLD_DUMPED: i32 = 3;

/// The fields of a `siginfo_t` that tell how a process ended.
///
/// ```
/// use exithand::{Outcome, SigInfo};
///
/// let info = SigInfo::new(Outcome::Exited(3), 4242, 1000)?;
/// let bytes = info.to_bytes();
/// assert_eq!(SigInfo::from_bytes(&bytes).unwrap().outcome()?, Outcome::Exited(3));
/// # Ok::<(), exithand::NoEnd>(())
/// ```
///
/// Source: `waitid(2)`, `sigaction(2)`, `include/uapi/asm-generic/siginfo.h`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SigInfo {
    /// `CLD_EXITED`, `CLD_KILLED` or `CLD_DUMPED`.
    pub code: i32,
    /// The exit status, or the signal.
    pub status: i32,
    /// The process, in the reader's pid namespace; 0 where it has no number there.
    pub pid: i32,
    /// The real user id it ran under.
    pub uid: u32,
}

impl SigInfo {
    /// Describes `outcome`.
    ///
    /// # Errors
    ///
    /// [`NoEnd`] for an unknown outcome, which `siginfo_t` has no words for.
    pub fn new(outcome: Outcome, pid: i32, uid: u32) -> Result<Self, NoEnd> {
        let (code, status) = match outcome {
            Outcome::Exited(status) => (CLD_EXITED, i32::from(status)),
            Outcome::Killed {
                signal,
                core_dumped: false,
            } => (CLD_KILLED, signal.number()),
            Outcome::Killed {
                signal,
                core_dumped: true,
            } => (CLD_DUMPED, signal.number()),
            Outcome::Unknown { .. } => return Err(NoEnd),
        };
        Ok(Self {
            code,
            status,
            pid,
            uid,
        })
    }

    /// Says how the process ended.
    ///
    /// # Errors
    ///
    /// [`NoEnd`] where it was stopped or continued instead.
    pub fn outcome(self) -> Result<Outcome, NoEnd> {
        let signal = || Signal::from_number(self.status).ok_or(NoEnd);
        match self.code {
            // As `wait4(2)`: only the low eight bits of the status exist.
            CLD_EXITED => Ok(Outcome::Exited(self.status.to_le_bytes()[0])),
            CLD_KILLED => Ok(Outcome::Killed {
                signal: signal()?,
                core_dumped: false,
            }),
            CLD_DUMPED => Ok(Outcome::Killed {
                signal: signal()?,
                core_dumped: true,
            }),
            _ => Err(NoEnd),
        }
    }

    /// Lays the fields out as the kernel does on x86-64, arm64 and riscv64; all else is zero.
    pub fn to_bytes(self) -> [u8; SIGINFO_SIZE] {
        let mut bytes = [0; SIGINFO_SIZE];
        let mut put = |at: usize, value: [u8; 4]| bytes[at..at + 4].copy_from_slice(&value);
        put(0, SIGCHLD.to_ne_bytes());
        put(8, self.code.to_ne_bytes());
        put(16, self.pid.to_ne_bytes());
        put(20, self.uid.to_ne_bytes());
        put(24, self.status.to_ne_bytes());
        bytes
    }

    /// Reads the fields back; `None` unless the bytes are a whole `siginfo_t` of `SIGCHLD`.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; SIGINFO_SIZE] = bytes.try_into().ok()?;
        let get = |at: usize| bytes[at..].first_chunk().copied().unwrap_or_default();
        (i32::from_ne_bytes(get(0)) == SIGCHLD).then(|| Self {
            code: i32::from_ne_bytes(get(8)),
            pid: i32::from_ne_bytes(get(16)),
            uid: u32::from_ne_bytes(get(20)),
            status: i32::from_ne_bytes(get(24)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_known_outcome_survives_the_round_trip() {
        for raw in [0, 0x0300, 0xff00, 9, 0x8b, 64] {
            let outcome = Outcome::from_wait_status(raw).unwrap();
            let info = SigInfo::new(outcome, 7, 1000).unwrap();
            assert_eq!(SigInfo::from_bytes(&info.to_bytes()), Some(info));
            assert_eq!(info.outcome(), Ok(outcome));
        }
    }

    #[test]
    fn a_stopped_child_has_not_ended() {
        let stopped = SigInfo {
            code: 5,
            status: 19,
            pid: 7,
            uid: 0,
        };
        assert_eq!(stopped.outcome(), Err(NoEnd));
        assert_eq!(SigInfo::from_bytes(&[0; SIGINFO_SIZE]), None);
        assert_eq!(SigInfo::from_bytes(&[]), None);
    }
}
