//! Which processes start, and how long they live.

use std::time::Duration;

use crate::Rng;

/// What runs on a simulated machine.
#[derive(Clone, Copy, Debug)]
pub struct Workload {
    /// Jobs started a second: short-lived processes nobody waits for as a rule.
    pub jobs_per_second: f64,
    /// When the jobs start.
    pub arrivals: Arrivals,
    /// How long a job lives.
    pub job_life: Life,
    /// Services: processes of which each is started again as soon as it ends.
    pub services: u64,
    /// How long a service lives.
    pub service_life: Life,
    /// Many jobs at once, now and then.
    pub storm: Option<Storm>,
}

/// When jobs start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrivals {
    /// At equal distances.
    Even,
    /// Independently of each other.
    Random,
}

/// How long a process lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Life {
    /// Always as long.
    Fixed(Duration),
    /// Exponentially distributed: it may end at any time, as likely when young as when old.
    Exponential {
        /// How long on average.
        mean: Duration,
    },
}

/// Jobs that start all at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Storm {
    /// The time between two storms.
    pub every: Duration,
    /// How many jobs start.
    pub jobs: u64,
}

impl Life {
    pub(crate) fn draw(self, rng: &mut Rng) -> Duration {
        match self {
            Self::Fixed(life) => life,
            Self::Exponential { mean } => rng.exponential(mean),
        }
    }
}

impl Workload {
    /// Draws how long after a job the next one starts.
    pub(crate) fn next_job(&self, rng: &mut Rng) -> Option<Duration> {
        let mean = Duration::try_from_secs_f64(1.0 / self.jobs_per_second).ok()?;
        Some(match self.arrivals {
            Arrivals::Even => mean,
            Arrivals::Random => rng.exponential(mean),
        })
    }
}
