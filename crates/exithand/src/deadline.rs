//! Points in time that keep their meaning while the machine sleeps.

use std::time::Duration;

use rustix::time::{ClockId, Timespec, clock_gettime};

/// The moment until which a wait may last, on `CLOCK_BOOTTIME`: it goes on while the machine is
/// suspended, and setting the wall clock does not move it.
///
/// ```
/// use exithand::Deadline;
/// use std::time::Duration;
///
/// let soon = Deadline::after(Duration::from_secs(5));
/// assert!(soon.remaining().unwrap() <= Duration::from_secs(5));
/// assert_eq!(Deadline::NEVER.remaining(), None);
/// assert_eq!(Deadline::NOW.remaining(), Some(Duration::ZERO));
/// assert!(Deadline::NOW < soon && soon < Deadline::NEVER);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Deadline(Duration);

impl Deadline {
    /// No limit: wait for as long as it takes.
    pub const NEVER: Self = Self(Duration::MAX);
    /// Already passed: look, and answer without waiting.
    pub const NOW: Self = Self(Duration::ZERO);

    /// Returns the moment `timeout` from now; [`Deadline::NOW`] for zero, and
    /// [`Deadline::NEVER`] where the clock cannot count so far.
    pub fn after(timeout: Duration) -> Self {
        if timeout.is_zero() {
            return Self::NOW;
        }
        Self(since_boot().saturating_add(timeout))
    }

    /// Returns how long there is still to go: zero once passed, `None` for [`Deadline::NEVER`].
    pub fn remaining(self) -> Option<Duration> {
        (self != Self::NEVER).then(|| self.0.saturating_sub(since_boot()))
    }

    /// Returns the deadline as an absolute time for `timerfd_settime(2)`; `None` where the kernel
    /// cannot count so far, which is as good as never.
    pub(crate) fn as_timespec(self) -> Option<Timespec> {
        Timespec::try_from(self.0)
            .ok()
            .filter(|_| self != Self::NEVER)
    }
}

impl From<Duration> for Deadline {
    fn from(timeout: Duration) -> Self {
        Self::after(timeout)
    }
}

/// `None` is no limit.
impl From<Option<Duration>> for Deadline {
    fn from(timeout: Option<Duration>) -> Self {
        timeout.map_or(Self::NEVER, Self::after)
    }
}

fn since_boot() -> Duration {
    // The kernel's clocks never run before boot, so the conversion cannot fail.
    clock_gettime(ClockId::Boottime)
        .try_into()
        .unwrap_or(Duration::ZERO)
}
