//! The clock of the daemon, and timers on it.

use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::io::Errno;
use rustix::time::{
    ClockId, Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, clock_gettime,
    timerfd_create, timerfd_settime,
};

use super::ignore;

/// Returns the time on a clock that never goes back.
pub(super) fn now() -> Duration {
    let now = clock_gettime(ClockId::Monotonic);
    let seconds = u64::try_from(now.tv_sec).unwrap_or(0);
    Duration::new(seconds, u32::try_from(now.tv_nsec).unwrap_or(0))
}

/// A timer that a loop can wait for.
#[derive(Debug)]
pub(super) struct Timer {
    pub(super) fd: OwnedFd,
}

impl Timer {
    /// Makes one that is off.
    pub(super) fn new() -> Result<Self, Errno> {
        let flags = TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK;
        let fd = timerfd_create(TimerfdClockId::Monotonic, flags)?;
        Ok(Self { fd })
    }

    /// Goes off at `at`, once; never with `None`.
    pub(super) fn set(&self, at: Option<Duration>) -> Result<(), Errno> {
        let zero = Timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        // Zero means off, so what is due at once is due a nanosecond after the beginning.
        let value = at.map_or(zero, |at| {
            let at = at.max(Duration::from_nanos(1));
            Timespec {
                tv_sec: i64::try_from(at.as_secs()).unwrap_or(i64::MAX),
                tv_nsec: i64::from(at.subsec_nanos()),
            }
        });
        let spec = Itimerspec {
            it_interval: zero,
            it_value: value,
        };
        timerfd_settime(&self.fd, TimerfdTimerFlags::ABSTIME, &spec)?;
        Ok(())
    }

    /// Takes notice that it went off.
    pub(super) fn clear(&self) {
        // Nothing to read means that it was set anew meanwhile.
        ignore(rustix::io::read(&self.fd, &mut [0; 8]));
    }
}
