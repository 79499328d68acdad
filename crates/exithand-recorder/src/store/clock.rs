//! Time, as far as it can be believed.

use std::fmt;

use crate::WallTime;
use crate::clock::boot_ns;

/// How far the wall clock may be from where it should be without being doubted.
const SLACK_NS: i64 = DAY_NS;
/// How long a doubted clock must go on before it is believed.
const PROBATION_NS: i64 = DAY_NS;
const DAY_NS: i64 = 86_400 * 1_000_000_000;

/// What a clock shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// The wall clock, which somebody may set.
    pub wall: WallTime,
    /// Nanoseconds since boot, suspended time included.
    pub boot_ns: i64,
}

/// Where the store reads the time.
pub trait Clock: fmt::Debug + Send {
    /// Returns the time now.
    fn now(&self) -> Moment;
}

/// The kernel's clocks.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Moment {
        Moment {
            wall: WallTime::now(),
            boot_ns: i64::try_from(boot_ns()).unwrap_or(i64::MAX),
        }
    }
}

/// The time by which records grow old.
///
/// A wall clock that jumps by more than a day, either way, is not believed until it has stood for a
/// day of running time; until then this clock goes on as before. So one bad reading makes no record
/// old, and a machine that was off for a month forgets a day later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct AgeClock {
    /// The time.
    pub(crate) now_ns: i64,
    /// How long the wall clock has been in doubt; 0 if it is not.
    pub(crate) doubted_ns: i64,
}

/// What a tick of the [`AgeClock`] has found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tick {
    /// The wall clock is believed.
    Sound,
    /// It is not, since just now.
    Doubted,
    /// It is still not.
    StillDoubted,
    /// It is again. What was stamped in doubt has to be moved by `shift_ns`.
    Accepted {
        /// How far the believed clock was off.
        shift_ns: i64,
    },
}

impl AgeClock {
    /// Goes on by `elapsed_ns`, while the wall clock went to `wall`.
    pub(crate) fn tick(&mut self, wall: WallTime, elapsed_ns: i64) -> Tick {
        let elapsed_ns = elapsed_ns.max(0);
        let expected = self.now_ns.saturating_add(elapsed_ns);
        let shift_ns = wall.unix_ns.saturating_sub(expected);
        if shift_ns.saturating_abs() <= SLACK_NS {
            *self = Self {
                now_ns: wall.unix_ns,
                doubted_ns: 0,
            };
            return Tick::Sound;
        }
        let first = self.doubted_ns == 0;
        self.now_ns = expected;
        // One more, so that a doubt that has just begun is told from none.
        self.doubted_ns = self.doubted_ns.saturating_add(elapsed_ns).max(1);
        match (first, self.doubted_ns >= PROBATION_NS) {
            (false, true) => {
                *self = Self {
                    now_ns: wall.unix_ns,
                    doubted_ns: 0,
                };
                Tick::Accepted { shift_ns }
            }
            (false, false) => Tick::StillDoubted,
            (true, _) => {
                self.doubted_ns = 1;
                Tick::Doubted
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3_600_000_000_000;
    const NOW: i64 = 1_800_000_000_000_000_000;

    fn at(unix_ns: i64) -> WallTime {
        WallTime { unix_ns }
    }

    #[test]
    fn one_bad_reading_moves_nothing() {
        for jump in [40 * 365 * DAY_NS, -40 * 365 * DAY_NS] {
            let mut clock = AgeClock {
                now_ns: NOW,
                doubted_ns: 0,
            };
            assert_eq!(clock.tick(at(NOW + jump), HOUR), Tick::Doubted);
            assert_eq!(clock.now_ns, NOW + HOUR);
            assert_eq!(clock.tick(at(NOW + 2 * HOUR), HOUR), Tick::Sound);
            assert_eq!(clock.now_ns, NOW + 2 * HOUR);
        }
    }

    #[test]
    fn a_clock_that_stands_for_a_day_is_believed() {
        let mut clock = AgeClock {
            now_ns: NOW,
            doubted_ns: 0,
        };
        let jump = 30 * DAY_NS;
        assert_eq!(clock.tick(at(NOW + jump), 0), Tick::Doubted);
        for hour in 1..24 {
            let wall = at(NOW + jump + hour * HOUR);
            assert_eq!(clock.tick(wall, HOUR), Tick::StillDoubted, "hour {hour}");
        }
        let wall = at(NOW + jump + 24 * HOUR);
        assert_eq!(clock.tick(wall, HOUR), Tick::Accepted { shift_ns: jump });
        assert_eq!(clock.now_ns, wall.unix_ns);
    }

    #[test]
    fn a_night_without_power_is_no_jump() {
        let mut clock = AgeClock {
            now_ns: NOW,
            doubted_ns: 0,
        };
        assert_eq!(clock.tick(at(NOW + 12 * HOUR), 0), Tick::Sound);
    }
}
