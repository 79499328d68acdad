//! The configuration, worked out for one machine: plain values that decisions are made of.

use std::time::Duration;

use crate::config::{Config, Unit};
use crate::level::{Amount, Levels};

/// The most classes of `oom_score_adj`.
pub const MAX_BANDS: usize = 16;

/// The classes of `oom_score_adj`, the least important first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Bands {
    lowest: [i32; MAX_BANDS],
    count: usize,
}

impl Bands {
    /// Makes classes from the lowest value of each, which must fall.
    pub fn new(lowest: &[i32]) -> Self {
        let mut bands = Self::default();
        for (place, value) in bands.lowest.iter_mut().zip(lowest) {
            *place = *value;
            bands.count += 1;
        }
        bands
    }

    /// Returns the class of a process: 1 for the least important. 0 is left for those that a rule
    /// prefers, and the class after the last band is the most important.
    pub fn class(&self, oom_score_adj: i32) -> u8 {
        let above = self.lowest[..self.count]
            .iter()
            .take_while(|lowest| oom_score_adj < **lowest);
        u8::try_from(above.count() + 1).unwrap_or(u8::MAX - 1)
    }
}

/// What decisions are made by.
#[derive(Debug, Clone, PartialEq)]
pub struct Policy {
    /// The levels, in bytes.
    pub levels: Levels,
    /// Free swap that is too little.
    pub swap_low: Amount,
    /// Stall of some tasks that confirms low memory, in microseconds.
    pub some_us: u64,
    /// Stall of all tasks that confirms low memory, in microseconds.
    pub full_us: u64,
    /// The window of both.
    pub window: Duration,
    /// The share of the page cache that is thrashing, in percent.
    pub thrashing_percent: u32,
    /// How long a program that was asked to end may take.
    pub grace: Duration,
    /// The most victims waited for at once.
    pub max_in_flight: usize,
    /// The most kills within a minute.
    pub max_per_minute: usize,
    /// The smallest process worth killing.
    pub min_victim_bytes: u64,
    /// How long any victim may take.
    pub base_deadline: Duration,
    /// How fast memory comes back at first.
    pub rate_bytes: u64,
    /// How far growth is thought on.
    pub horizon: Duration,
    /// Kills of one name that are a restart loop.
    pub loop_kills: usize,
    /// The time within which they are.
    pub loop_within: Duration,
    /// How long the name is left alone at first.
    pub loop_backoff: Duration,
    /// The classes of `oom_score_adj`.
    pub bands: Bands,
    /// What is killed at once.
    pub unit: Unit,
}

impl Policy {
    /// Works out `config` for a machine, or a cgroup, with so much memory.
    pub fn new(config: &Config, total_bytes: u64) -> Self {
        let micros = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        Self {
            levels: Levels {
                warn_bytes: config.warn.of(total_bytes),
                soft_bytes: config.soft.of(total_bytes),
                hard_bytes: config.hard.of(total_bytes),
                floor_bytes: config.floor.of(total_bytes),
                target_bytes: config.target.of(total_bytes),
            },
            swap_low: config.swap_low,
            some_us: micros(config.psi_some),
            full_us: micros(config.psi_full),
            window: config.psi_window,
            thrashing_percent: config.thrashing_percent,
            grace: config.grace,
            max_in_flight: config.max_in_flight,
            max_per_minute: config.max_per_minute,
            min_victim_bytes: config.min_victim_bytes,
            base_deadline: config.base_deadline,
            rate_bytes: config.rate_bytes,
            horizon: config.horizon,
            loop_kills: config.loop_kills,
            loop_within: config.loop_within,
            loop_backoff: config.loop_backoff,
            bands: Bands::new(&config.bands),
            unit: config.unit,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sorts_into_classes() {
        let bands = Bands::new(&[500, 0]);
        for (adj, class) in [(1000, 1), (500, 1), (499, 2), (0, 2), (-1, 3), (-999, 3)] {
            assert_eq!(bands.class(adj), class, "{adj}");
        }
    }
}
