//! What a simulation found.

use std::time::Duration;

use crate::number::to_f64;

/// What happened in a simulation.
#[derive(Clone, Debug)]
pub struct Report {
    /// Processes started, of all kinds.
    pub started: u64,
    /// Starts that failed because every number was in use.
    pub failed: u64,
    /// What became of the numbers of jobs.
    pub jobs: Reuse,
    /// What became of the numbers of services.
    pub services: Reuse,
}

/// What became of numbers that were freed.
#[derive(Clone, Debug, Default)]
pub struct Reuse {
    /// Ends that were watched.
    pub(crate) ends: u64,
    /// Those whose number came again, by how many others had started.
    pub(crate) distances: Vec<u64>,
    /// The same, by the time that had passed.
    pub(crate) delays: Vec<Duration>,
    /// For each interval, the sum over all ends of the chance that a poller is fooled.
    pub(crate) fooled: Vec<f64>,
}

impl Reuse {
    /// Returns how many ends were watched.
    pub fn ends(&self) -> u64 {
        self.ends
    }

    /// Returns how many others were started at least before a number came again.
    pub fn least_distance(&self) -> Option<u64> {
        self.distances.first().copied()
    }

    /// Returns the number of others started that `percent` of all ends had not more of before their
    /// number came again. `None` where fewer numbers came again.
    pub fn distance(&self, percent: u64) -> Option<u64> {
        at(&self.distances, self.ends, percent)
    }

    /// Returns the time within which `percent` of all numbers came again; `None` where fewer did.
    pub fn delay(&self, percent: u64) -> Option<Duration> {
        at(&self.delays, self.ends, percent)
    }

    /// Returns the share of ends whose number came again before more than `distance` others.
    pub fn share_within(&self, distance: u64) -> f64 {
        let within = self.distances.partition_point(|it| *it <= distance);
        to_f64(u64::try_from(within).unwrap_or(u64::MAX)) / to_f64(self.ends)
    }

    /// Returns the chance that a poller takes a new process for the one that ended, for each of the
    /// intervals that the simulation was asked for.
    ///
    /// It is the chance in one wait: the poller looks at equal intervals, the end comes at any time
    /// in between, and it is fooled where at its next look the number is in use again.
    pub fn fooled(&self) -> Vec<f64> {
        self.fooled
            .iter()
            .map(|sum| sum / to_f64(self.ends))
            .collect()
    }

    pub(crate) fn sort(&mut self) {
        self.distances.sort_unstable();
        self.delays.sort_unstable();
    }
}

/// The value that `percent` of `all` are not above, where `sorted` are the lowest of them.
fn at<T: Copy>(sorted: &[T], all: u64, percent: u64) -> Option<T> {
    let rank = (all * percent).div_ceil(100).max(1);
    sorted.get(usize::try_from(rank - 1).ok()?).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_of_all_ends() {
        let reuse = Reuse {
            ends: 4,
            distances: vec![10, 20, 30],
            ..Reuse::default()
        };
        for (percent, distance) in [(1, Some(10)), (25, Some(10)), (50, Some(20)), (100, None)] {
            assert_eq!(reuse.distance(percent), distance, "{percent} %");
        }
        assert!((reuse.share_within(20) - 0.5).abs() < 1e-9);
        assert_eq!(Reuse::default().distance(50), None);
    }
}
