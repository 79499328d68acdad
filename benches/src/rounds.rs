//! Clocks and medians.

use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::time::{ClockId, clock_gettime};

/// Returns the time on the clock that targets use too.
pub fn now() -> Duration {
    read(ClockId::Monotonic)
}

/// Returns the CPU time that this process has used.
pub fn cpu_time() -> Duration {
    read(ClockId::ProcessCPUTime)
}

fn read(clock: ClockId) -> Duration {
    clock_gettime(clock)
        .try_into()
        .expect("time since boot is positive")
}

/// Returns the middle one.
pub fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

/// Measures both `rounds` times, in turns, and returns their medians; a tenth more goes first, to
/// warm up.
pub fn in_turns<C>(
    rounds: usize,
    context: &mut C,
    mut ours: impl FnMut(&mut C) -> Duration,
    mut baseline: impl FnMut(&mut C) -> Duration,
) -> [Duration; 2] {
    for _ in 0..rounds / 10 {
        ours(context);
        baseline(context);
    }
    let mut times = [Vec::new(), Vec::new()];
    for _ in 0..rounds {
        times[0].push(ours(context));
        times[1].push(baseline(context));
    }
    times.map(median)
}

/// Raises the soft limit of descriptors to the hard one and returns it.
pub fn raise_descriptor_limit() -> usize {
    let hard = getrlimit(Resource::Nofile).maximum;
    let raised = Rlimit {
        current: hard,
        maximum: hard,
    };
    setrlimit(Resource::Nofile, raised).expect("raise the soft limit to the hard one");
    hard.map_or(usize::MAX, |hard| {
        usize::try_from(hard).unwrap_or(usize::MAX)
    })
}
