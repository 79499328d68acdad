//! When to look at the level, where pressure would come too late.

use std::time::Duration;

use crate::decide::Sample;
use crate::ledger::Ledger;
use crate::policy::Policy;

/// How fast memory is taken to be filled at least: nobody knows who starts next.
const QUIET_FILL_BYTES: u64 = 256 << 20;
/// How fast it may be filled at most; measured rates are noisy.
const MOST_FILL_BYTES: u64 = 8 << 30;
const SHORTEST: Duration = Duration::from_millis(20);
const LONGEST: Duration = Duration::from_secs(1);
/// Below the warning nobody knows how much longer it takes.
const BELOW_WARN: Duration = Duration::from_millis(100);
/// Where memory is plenty the next look can wait for as long as it takes to fill it at full speed.
const IDLE: Duration = Duration::from_secs(10);
/// How often memory coming back is looked at.
const IN_FLIGHT: Duration = Duration::from_millis(20);

/// Returns how long to wait before the next look, or `None` where pressure tells in time: there is
/// swap to be filled first, and the kernel tells of stalls.
pub fn period(policy: &Policy, sample: &Sample, ledger: &Ledger) -> Option<Duration> {
    if ledger.in_flight() > 0 {
        return Some(IN_FLIGHT);
    }
    let swap_left = sample.swap_free_bytes > policy.tuning.swap_low.of(sample.swap_total_bytes);
    if swap_left && sample.stall.is_some() {
        return None;
    }
    let mark = policy.levels.warn_bytes;
    let Some(headroom) = sample.available_bytes.checked_sub(mark) else {
        return Some(below_warn(policy, sample));
    };
    let fill = sample.fill_bytes.clamp(QUIET_FILL_BYTES, MOST_FILL_BYTES);
    // From far away: as fast as memory could be filled at all. From near: as it is filled now.
    let soonest = time(headroom, MOST_FILL_BYTES);
    let expected = time(headroom, fill) / 2;
    let period = soonest.max(expected.min(LONGEST));
    Some(period.clamp(SHORTEST, IDLE))
}

/// Below the warning: as soon as the kill level is reached if memory is filled as it is now, and so that
/// it is seen with half of the way to the floor left if it is filled faster.
fn below_warn(policy: &Policy, sample: &Sample) -> Duration {
    let levels = &policy.levels;
    let headroom = sample.available_bytes.saturating_sub(levels.soft_bytes);
    let margin = levels.hard_bytes.saturating_sub(levels.floor_bytes) / 2;
    let fill = sample.fill_bytes.clamp(QUIET_FILL_BYTES, MOST_FILL_BYTES);
    let in_time = time(headroom / 2 + margin / 2, fill);
    let reached = time(headroom, sample.fill_bytes) + Duration::from_millis(1);
    let soonest = if headroom > 0 { reached } else { BELOW_WARN };
    in_time.min(soonest).clamp(SHORTEST, BELOW_WARN)
}

/// Says whether somebody may die `wait` later than now: memory is not nearly gone by then.
pub fn can_wait(policy: &Policy, sample: &Sample, wait: Duration) -> bool {
    let headroom = sample
        .available_bytes
        .saturating_sub(policy.levels.floor_bytes);
    let fill = sample.fill_bytes.clamp(QUIET_FILL_BYTES, MOST_FILL_BYTES);
    // The rate is that of a while ago, so it may be higher now.
    time(headroom, fill) >= 2 * wait
}

fn time(bytes: u64, rate_bytes: u64) -> Duration {
    Duration::from_millis(bytes.saturating_mul(1000) / rate_bytes.max(1))
}

/// Measures how fast memory gets less.
#[derive(Debug, Clone, Copy, Default)]
pub struct FillMeter {
    last: Option<(Duration, u64)>,
    rate_bytes: u64,
}

/// Two looks closer than this say little about a rate.
const TELLING: Duration = Duration::from_millis(15);

impl FillMeter {
    /// Takes in what is available now, and returns the rate, in bytes a second.
    pub fn add(&mut self, now: Duration, available_bytes: u64) -> u64 {
        let Some((then, before)) = self.last else {
            self.last = Some((now, available_bytes));
            return 0;
        };
        let passed = now.saturating_sub(then);
        if passed < TELLING {
            return self.rate_bytes;
        }
        let taken = before.saturating_sub(available_bytes);
        let rate = u128::from(taken) * 1_000_000_000 / passed.as_nanos().max(1);
        self.rate_bytes = u64::try_from(rate).unwrap_or(u64::MAX);
        self.last = Some((now, available_bytes));
        self.rate_bytes
    }

    /// Forgets the rate: what filled memory has been killed.
    pub fn reset(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::ledger::tests::{ms, victim};
    use crate::level::Levels;
    use crate::reading::Stall;

    const GIB: u64 = 1 << 30;

    fn policy() -> Policy {
        Policy::new(&Config::default(), 24 * GIB)
    }

    fn sample(available_bytes: u64, fill_bytes: u64) -> Sample {
        Sample {
            available_bytes,
            fill_bytes,
            ..Sample::default()
        }
    }

    #[test]
    fn looks_more_often_the_nearer_it_comes() {
        let ledger = Ledger::new(GIB);
        let look = |available, fill| period(&policy(), &sample(available, fill), &ledger).unwrap();
        assert!(look(20 * GIB, 0) >= Duration::from_secs(1), "far away");
        assert!(look(4 * GIB, 0) <= Duration::from_secs(1));
        assert!(look(4 * GIB, 4 * GIB) <= ms(150), "it fills fast");
        assert!(look(GIB, 8 * GIB) <= ms(60));
        assert_eq!(look(0, 8 * GIB).max(SHORTEST), look(0, 8 * GIB));
    }

    #[test]
    fn below_the_warning_looks_when_the_kill_level_will_be_reached() {
        const MIB: u64 = 1 << 20;
        let levels = Levels {
            warn_bytes: 6000 * MIB,
            soft_bytes: 5000 * MIB,
            hard_bytes: 5000 * MIB,
            floor_bytes: 1000 * MIB,
            target_bytes: 7000 * MIB,
        };
        let policy = Policy { levels, ..policy() };
        for (available_mib, fill_mib, expected) in [
            (5500, 0, 100),
            (5500, 1000, 100),
            (5040, 1000, 41),
            (5005, 1000, 20),
            (4900, 1000, 100),
        ] {
            let sample = sample(available_mib * MIB, fill_mib * MIB);
            let period = period(&policy, &sample, &Ledger::new(GIB));
            assert_eq!(period, Some(ms(expected)), "{available_mib} {fill_mib}");
        }
    }

    #[test]
    fn does_not_look_where_pressure_tells_in_time() {
        let ledger = Ledger::new(GIB);
        let swapped = Sample {
            swap_total_bytes: GIB,
            swap_free_bytes: GIB,
            stall: Some(Stall::default()),
            ..sample(20 * GIB, 0)
        };
        assert_eq!(period(&policy(), &swapped, &ledger), None);
        let blind = Sample {
            stall: None,
            ..swapped
        };
        assert!(
            period(&policy(), &blind, &ledger).is_some(),
            "no pressure to wait for"
        );
        let used_up = Sample {
            swap_free_bytes: 0,
            ..swapped
        };
        assert!(period(&policy(), &used_up, &ledger).is_some());
        let mut waiting = Ledger::new(GIB);
        waiting.admit(victim(1, GIB)).unwrap();
        assert_eq!(period(&policy(), &swapped, &waiting), Some(IN_FLIGHT));
    }

    #[test]
    fn measures_what_is_taken() {
        let mut meter = FillMeter::default();
        assert_eq!(meter.add(ms(0), 1000), 0);
        assert_eq!(meter.add(ms(500), 800), 400);
        assert_eq!(meter.add(ms(501), 0), 400, "too soon to tell");
        assert_eq!(meter.add(ms(1500), 5000), 0, "it came back");
    }
}
