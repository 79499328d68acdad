//! What can be said without a simulation.
//!
//! The chances are for one wait: a poller looks at equal intervals whether the number is in use,
//! and the process ends at any time in between. It is fooled where at its next look another process
//! has the number. A poller who looks while the number is free is done, and was right.

use std::time::Duration;

use crate::number::to_f64;

/// Numbers below this are not given out again on Linux once the first lap is over.
const RESERVED: u64 = 300;

/// Returns how many processes Linux starts while it goes once round the numbers below `pid_max`, of
/// which `alive` are in use all the while.
///
/// A number that was freed comes again when the cursor comes by next, after as many at the most.
pub fn round(pid_max: u64, alive: u64) -> u64 {
    pid_max.saturating_sub(RESERVED).saturating_sub(alive)
}

/// Returns how long such a round takes at `starts_per_second`: its lap. `None` where nothing is
/// started.
pub fn lap(pid_max: u64, alive: u64, starts_per_second: f64) -> Option<Duration> {
    Duration::try_from_secs_f64(to_f64(round(pid_max, alive)) / starts_per_second).ok()
}

/// Returns the chance that a poller is fooled at most, where numbers are given out in turn and the
/// target has lived for at least one lap.
///
/// The cursor is anywhere then, so the number comes again at any time within a lap. It is "at most"
/// because the new process may be gone by the next look; this takes it for alive.
pub fn fooled_at_most(lap: Duration, interval: Duration) -> f64 {
    let (lap, interval) = (lap.as_secs_f64(), interval.as_secs_f64());
    if interval <= lap {
        interval / lap / 2.0
    } else {
        1.0 - lap / interval / 2.0
    }
}

/// Returns the chance where numbers are given out in turn, the target has lived for at least one
/// lap, and others live for `mean` on average, exponentially distributed. For `interval` up to
/// `lap`.
pub fn fooled_after_long(lap: Duration, mean: Duration, interval: Duration) -> f64 {
    let (lap, mean) = (lap.as_secs_f64(), mean.as_secs_f64());
    mean / lap * grown(interval.as_secs_f64() / mean)
}

/// Returns the chance where numbers are given out in turn, and the target and all others live for
/// `mean` on average, exponentially distributed. For `interval` up to `lap`.
///
/// It is far less than after a long life: a short life ends just behind the cursor, which has most
/// of a lap to go.
pub fn fooled_after_short(lap: Duration, mean: Duration, interval: Duration) -> f64 {
    let mean = mean.as_secs_f64();
    let lap = lap.as_secs_f64() / mean;
    let interval = interval.as_secs_f64() / mean;
    (interval.cosh() - 1.0) / (interval * lap.exp_m1())
}

/// Returns the chance where any of `free` numbers is as likely to be next, except that a number
/// waits for `waiting` other ends first, and others live for `mean` on average, exponentially
/// distributed. How long the target has lived does not matter.
pub fn fooled_by_random(
    free: u64,
    waiting: u64,
    starts_per_second: f64,
    mean: Duration,
    interval: Duration,
) -> f64 {
    let taken = starts_per_second / to_f64(free);
    let given_back = 1.0 / mean.as_secs_f64();
    let both = taken + given_back;
    let interval = interval.as_secs_f64();
    let after = (interval - to_f64(waiting) / starts_per_second).max(0.0);
    taken / both * after / interval * grown(both * after)
}

/// The mean over all times up to `x` of what grows from 0 to 1 as `1 - exp(-t)`.
fn grown(x: f64) -> f64 {
    if x == 0.0 {
        0.0
    } else {
        1.0 + (-x).exp_m1() / x
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn assert_close(left: f64, right: f64) {
        assert!((left / right - 1.0).abs() < 1e-6, "{left} is not {right}");
    }

    #[test]
    fn a_lap_takes_the_free_numbers_divided_by_the_starts() {
        assert_eq!(lap(32768, 468, 3200.0), Some(10 * SECOND));
        assert_eq!(lap(32768, 99_999, 1.0), Some(Duration::ZERO));
        assert_eq!(lap(32768, 0, 0.0), None);
    }

    #[test]
    fn the_most_is_half_of_the_share_of_a_lap() {
        assert_close(fooled_at_most(100 * SECOND, SECOND), 0.005);
        assert_close(fooled_at_most(SECOND, SECOND), 0.5);
        assert_close(fooled_at_most(SECOND, 100 * SECOND), 0.995);
    }

    #[test]
    fn others_that_live_long_make_the_chance_the_highest() {
        let most = fooled_at_most(100 * SECOND, SECOND);
        let long = fooled_after_long(100 * SECOND, 100_000 * SECOND, SECOND);
        assert!(long < most && long > most * 0.999_9, "{long} {most}");
    }

    #[test]
    fn the_longer_the_interval_the_more_the_chance_is_the_share_in_use() {
        let chance = fooled_after_long(10_000 * SECOND, SECOND, 5_000 * SECOND);
        assert!(chance < 1e-4 && chance > 0.999e-4);
    }
}
