//! The configuration, worked out for one machine: plain values that decisions are made of.

use std::time::Duration;

use crate::config::{Config, Tuning};
use crate::level::Levels;

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
    /// Stall of some tasks that confirms low memory, in microseconds.
    pub some_us: u64,
    /// Stall of all tasks that confirms low memory, in microseconds.
    pub full_us: u64,
    /// The window of both.
    pub window: Duration,
    /// What is taken over as it is.
    pub tuning: Tuning,
    /// The classes of `oom_score_adj`.
    pub bands: Bands,
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
            some_us: micros(config.psi_some),
            full_us: micros(config.psi_full),
            window: config.psi_window,
            tuning: config.tuning,
            bands: Bands::new(&config.bands),
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
