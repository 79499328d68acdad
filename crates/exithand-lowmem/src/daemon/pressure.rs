//! Triggers of pressure: the kernel wakes us once programs stall for long enough.

use std::ffi::CStr;
use std::fmt;
use std::io::{Cursor, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, OFlags, open};
use rustix::io::{Errno, write};

/// The window every kernel takes from everybody.
const PLAIN_WINDOW: Duration = Duration::from_secs(2);

/// An armed trigger.
#[derive(Debug)]
pub(super) struct Trigger {
    pub(super) fd: OwnedFd,
    /// The window in force.
    pub(super) window: Duration,
}

/// Which stall.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Some,
    Full,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Some => "some",
            Self::Full => "full",
        })
    }
}

impl Trigger {
    /// Arms a trigger on `path`. Where the window is refused, one of two seconds is taken, and the
    /// stall made longer to match.
    ///
    /// # Errors
    ///
    /// `ENOENT`, `EOPNOTSUPP`: the kernel has no pressure stall information, or it is off.
    /// `EBUSY`, `EINVAL`: it takes no trigger.
    pub(super) fn arm(
        path: &CStr,
        kind: Kind,
        stall: Duration,
        window: Duration,
    ) -> Result<Self, Errno> {
        match Self::try_arm(path, kind, stall, window) {
            Err(Errno::INVAL | Errno::PERM) if window != PLAIN_WINDOW => {
                let factor = PLAIN_WINDOW.as_secs_f64() / window.as_secs_f64();
                let stall = stall.mul_f64(factor).min(PLAIN_WINDOW);
                Self::try_arm(path, kind, stall, PLAIN_WINDOW)
            }
            armed => armed,
        }
    }

    fn try_arm(path: &CStr, kind: Kind, stall: Duration, window: Duration) -> Result<Self, Errno> {
        let flags = OFlags::RDWR | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let fd = open(path, flags, Mode::empty())?;
        let mut room = [0_u8; 64];
        let mut text = Cursor::new(&mut room[..]);
        let (stall, window_us) = (stall.as_micros(), window.as_micros());
        // The kernel wants the zero at the end.
        write!(text, "{kind} {stall} {window_us}\0").map_err(|_full| Errno::INVAL)?;
        let length = usize::try_from(text.position()).unwrap_or(0);
        if write(&fd, &room[..length])? != length {
            return Err(Errno::INVAL);
        }
        // A descriptor without a trigger polls as ready, with an error, at once and for ever.
        let mut fds = [PollFd::new(&fd, PollFlags::PRI)];
        let at_once = Timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        poll(&mut fds, Some(&at_once))?;
        if fds[0].revents().contains(PollFlags::ERR) {
            return Err(Errno::INVAL);
        }
        Ok(Self { fd, window })
    }
}

impl AsFd for Trigger {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATH: &CStr = c"/proc/pressure/memory";

    #[test]
    fn a_window_that_is_refused_becomes_two_seconds() {
        let stall = Duration::from_millis(150);
        match Trigger::arm(PATH, Kind::Some, stall, Duration::from_secs(1)) {
            Ok(trigger) => assert!(trigger.window <= PLAIN_WINDOW),
            // A kernel without pressure, or one that lets only root have triggers.
            Err(errno) => assert!(
                [
                    Errno::NOENT,
                    Errno::OPNOTSUPP,
                    Errno::ACCESS,
                    Errno::PERM,
                    Errno::INVAL
                ]
                .contains(&errno),
                "{errno}"
            ),
        }
    }

    #[test]
    fn what_is_no_pressure_file_is_refused() {
        let second = Duration::from_secs(1);
        let absent = Trigger::arm(c"/proc/pressure/nothing", Kind::Full, second, second);
        assert_eq!(absent.err(), Some(Errno::NOENT));
    }
}
