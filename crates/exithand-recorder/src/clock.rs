//! The two clocks: the kernel stamps events with one that never jumps, people read the other.

use rustix::time::{ClockId, Timespec, clock_gettime};

use crate::WallTime;

/// How far the wall clock is ahead of the clock since boot, at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Clock {
    ahead_ns: i128,
    now_ns: u64,
}

/// Of a clock tick, of which `/proc` and user space know a hundred a second (`USER_HZ`), on every
/// architecture.
const TICK_NS: u64 = 10_000_000;
/// A machine that was suspended at all was so for longer.
const SUSPENSION_NS_MIN: u64 = 1_000_000;

impl Clock {
    /// Reads both clocks. Records that are turned into events together share one reading, so that
    /// a jump of the wall clock does not come between them.
    pub(crate) fn read() -> Self {
        let now_ns = boot_ns();
        let wall_ns = i128::from(wall_ns());
        Self {
            ahead_ns: wall_ns - i128::from(now_ns),
            now_ns,
        }
    }

    /// The wall time of a moment on the clock since boot.
    pub(crate) fn wall(&self, since_boot_ns: u64) -> WallTime {
        let unix_ns = i128::from(since_boot_ns) + self.ahead_ns;
        WallTime {
            unix_ns: i64::try_from(unix_ns).unwrap_or(i64::MAX),
        }
    }

    /// The wall time of the reading.
    pub(crate) fn now(&self) -> WallTime {
        self.wall(self.now_ns)
    }
}

/// Nanoseconds since boot, suspended time included.
pub(crate) fn boot_ns() -> u64 {
    u64::try_from(nanoseconds(clock_gettime(ClockId::Boottime))).unwrap_or(0)
}

/// Nanoseconds since 1970, as somebody may have set them.
pub(crate) fn wall_ns() -> i64 {
    nanoseconds(clock_gettime(ClockId::Realtime))
}

fn nanoseconds(time: Timespec) -> i64 {
    time.tv_sec
        .saturating_mul(1_000_000_000)
        .saturating_add(time.tv_nsec)
}

/// How long the machine has been suspended since boot: what the other clock, which then stands still,
/// is behind.
pub(crate) fn suspended_ns() -> u64 {
    let monotonic_ns = nanoseconds(clock_gettime(ClockId::Monotonic));
    let suspended_ns = boot_ns().saturating_sub(u64::try_from(monotonic_ns).unwrap_or(0));
    // The two readings are not at the same moment.
    if suspended_ns < SUSPENSION_NS_MIN {
        0
    } else {
        suspended_ns
    }
}

/// Clock ticks since boot.
pub(crate) fn ticks(since_boot_ns: u64) -> u64 {
    since_boot_ns / TICK_NS
}

/// The moment of a clock tick, on the clock since boot.
pub(crate) fn of_ticks(ticks: u64) -> u64 {
    ticks.saturating_mul(TICK_NS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reading_turns_one_clock_into_the_other() {
        let clock = Clock {
            ahead_ns: 1_000,
            now_ns: 50,
        };
        assert_eq!(clock.now().unix_ns, 1_050);
        assert_eq!(clock.wall(7).unix_ns, 1_007);
        assert_eq!(clock.wall(u64::MAX).unix_ns, i64::MAX);
    }
}
