//! How soon this machine gives a pid to another process.

use std::fs;
use std::time::Duration;

use anyhow::Context;
use exithand_pidlab::estimate;
use rustix::event::poll;
use rustix::time::{ClockId, Timespec, clock_gettime};

/// Numbers of the pid space, and how fast it is used up.
#[derive(Debug, Clone, Copy)]
pub struct PidSpace {
    /// The first number that is no pid.
    pub pid_max: u64,
    /// Processes and threads alive.
    pub alive: u64,
    /// Processes and threads started a second, since boot.
    pub forks_since_boot: f64,
    /// Processes and threads started a second, during the window.
    pub forks_now: f64,
}

impl PidSpace {
    /// Measures for as long as `window`, which it blocks for.
    ///
    /// # Errors
    ///
    /// `/proc` is not mounted, or hides its `stat`, `loadavg` or `sys/kernel/pid_max`.
    pub fn measure(window: Duration) -> anyhow::Result<Self> {
        let begin = forks()?;
        // The window is the measurement: there is no event to wait for.
        let window = Timespec::try_from(window).context("the window is too long")?;
        let started = clock_gettime(ClockId::Monotonic);
        poll(&mut [], Some(&window)).context("poll")?;
        let elapsed = clock_gettime(ClockId::Monotonic) - started;
        let end = forks()?;
        let uptime = Duration::try_from(clock_gettime(ClockId::Boottime))?;
        let loadavg = fs::read_to_string("/proc/loadavg").context("read /proc/loadavg")?;
        let pid_max = fs::read_to_string("/proc/sys/kernel/pid_max");
        Ok(Self {
            pid_max: pid_max
                .context("read /proc/sys/kernel/pid_max")?
                .trim()
                .parse()?,
            alive: alive(&loadavg).context("/proc/loadavg has another form than expected")?,
            forks_since_boot: rate(end, uptime),
            forks_now: rate(end.saturating_sub(begin), Duration::try_from(elapsed)?),
        })
    }

    /// Returns how many processes and threads are started while the kernel goes once round the pid
    /// space.
    pub fn round(&self) -> u64 {
        estimate::round(self.pid_max, self.alive)
    }

    /// Returns how long the kernel takes to go once round the pid space at `forks` a second: what
    /// was freed just behind the last pid given out comes back then, anything else sooner. `None`
    /// where nothing is started.
    pub fn lap(&self, forks: f64) -> Option<Duration> {
        estimate::lap(self.pid_max, self.alive, forks)
    }
}

fn forks() -> anyhow::Result<u64> {
    let stat = fs::read_to_string("/proc/stat").context("read /proc/stat")?;
    total_forks(&stat).context("/proc/stat has no line `processes`")
}

/// Reads the number of processes and threads started since boot.
fn total_forks(stat: &str) -> Option<u64> {
    stat.lines()
        .find_map(|line| line.strip_prefix("processes "))?
        .trim()
        .parse()
        .ok()
}

/// Reads the number of processes and threads alive.
fn alive(loadavg: &str) -> Option<u64> {
    let (_running, total) = loadavg.split_ascii_whitespace().nth(3)?.split_once('/')?;
    total.parse().ok()
}

fn rate(count: u64, time: Duration) -> f64 {
    to_f64(count) / time.as_secs_f64()
}

#[expect(
    clippy::cast_precision_loss,
    clippy::as_conversions,
    reason = "rates are estimates"
)]
fn to_f64(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_the_kernel_prints() {
        assert_eq!(
            total_forks("cpu 1 2\nprocesses 12345\nprocs_running 1\n"),
            Some(12345)
        );
        assert_eq!(total_forks("cpu 1 2\n"), None);
        assert_eq!(alive("0.26 0.65 0.26 2/139 19213\n"), Some(139));
        assert_eq!(alive(""), None);
    }

    #[test]
    fn a_lap_takes_the_free_pids_divided_by_the_forks() {
        let space = PidSpace {
            pid_max: 32768,
            alive: 468,
            forks_since_boot: 0.0,
            forks_now: 0.0,
        };
        assert_eq!(space.lap(3200.0), Some(Duration::from_secs(10)));
        assert_eq!(space.lap(0.0), None);
        assert_eq!(
            PidSpace {
                alive: 99_999,
                ..space
            }
            .lap(1.0),
            Some(Duration::ZERO)
        );
    }
}
