//! The simulated machine, and how each allocator served it.

use std::thread;
use std::time::Duration;

use exithand_pidlab::{
    Allocator, Arrivals, Counter, FreeBsd, Life, Linux, NetBsd, OpenBsd, Report, Workload, simulate,
};

const SECOND: Duration = Duration::from_secs(1);
const SEED: u64 = 2018;
const LENGTH: Duration = Duration::from_secs(4000);

/// `pid_max` of a small Linux.
pub(super) const PID_MAX: u64 = 32_768;
/// Jobs started a second.
pub(super) const JOBS: f64 = 500.0;
/// How long a job lives on average.
pub(super) const JOB: Duration = SECOND;
pub(super) const SERVICES: u64 = 3000;
/// How long a service lives on average, before it is started again.
pub(super) const SERVICE: Duration = Duration::from_mins(5);
/// Jobs and services started a second.
pub(super) const STARTS: f64 = 510.0;
/// How often the pollers look.
pub(super) const INTERVALS: [Duration; 8] = [
    Duration::from_millis(500),
    SECOND,
    Duration::from_secs(2),
    Duration::from_secs(5),
    Duration::from_secs(10),
    Duration::from_secs(20),
    Duration::from_secs(30),
    Duration::from_secs(50),
];

/// One allocator, and what came of it.
pub(super) struct Run {
    pub(super) name: &'static str,
    pub(super) report: Report,
}

/// A busy server: 500 jobs a second, and services of which ten a second start again.
const MACHINE: Workload = Workload {
    jobs_per_second: JOBS,
    arrivals: Arrivals::Random,
    job_life: Life::Exponential { mean: JOB },
    services: SERVICES,
    service_life: Life::Exponential { mean: SERVICE },
    storm: None,
};

/// Has every allocator serve the machine.
pub(super) fn all() -> Vec<Run> {
    let allocators: [(&'static str, Box<dyn Allocator + Send>); 5] = [
        ("Linux, pid_max 32768", Box::new(Linux::new(PID_MAX))),
        ("NetBSD", Box::new(NetBsd::new())),
        ("OpenBSD", Box::new(OpenBsd::new(SEED))),
        ("FreeBSD", Box::new(FreeBsd::sequential())),
        ("64-bit counter", Box::new(Counter::default())),
    ];
    thread::scope(|scope| {
        let runs = allocators.map(|(name, mut allocator)| {
            scope.spawn(move || Run {
                name,
                report: simulate(&mut *allocator, &MACHINE, &INTERVALS, LENGTH, SEED),
            })
        });
        let end = |it: thread::ScopedJoinHandle<'_, Run>| it.join().expect("a simulation ends");
        runs.into_iter().map(end).collect()
    })
}
