//! Tells when pids come round.

use std::fs;

/// Where the kernel stands in giving out pids.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Position {
    /// Processes and threads started since boot, on the whole machine.
    started: u64,
    /// The number given out last, in our pid namespace.
    last: u64,
}

/// Counts how often the pid space has wrapped, as far as can be told from outside.
///
/// The number of processes started says how far the last pid should have come, numbers in use that
/// were passed over aside. So the count is right while less than half of the pid space is in use.
/// Starts that failed after they took a number are not seen, and in an inner pid namespace those of
/// other namespaces are, so that it may count a wrap too many there.
#[derive(Debug, Default)]
pub(crate) struct Generation {
    wraps: u64,
    seen: Option<Position>,
}

impl Generation {
    /// Looks, and returns the content of `pid_generation`: the counter and the last pid.
    pub(crate) fn read(&mut self) -> Option<Vec<u8>> {
        let position = Position::now()?;
        self.advance(position, pid_max());
        Some(format!("{} {}\n", self.wraps, position.last).into_bytes())
    }

    fn advance(&mut self, now: Position, pid_max: u64) {
        /// `RESERVED_PIDS`: after a wrap, numbers begin there.
        const RESERVED: u64 = 300;
        let span = pid_max.saturating_sub(RESERVED).max(1);
        let then = self.seen.unwrap_or(Position {
            started: 0,
            last: 0,
        });
        let started = now.started.saturating_sub(then.started);
        // How far it has come beyond where it stands now.
        let more = (started + then.last).saturating_sub(now.last);
        let rounds = (more + span / 2) / span;
        let went_back = u64::from(now.last < then.last);
        self.wraps += rounds.max(went_back);
        self.seen = Some(now);
    }
}

impl Position {
    fn now() -> Option<Self> {
        let load = fs::read_to_string("/proc/loadavg").ok()?;
        let stat = fs::read_to_string("/proc/stat").ok()?;
        Self::parse(&load, &stat)
    }

    fn parse(load: &str, stat: &str) -> Option<Self> {
        let started = stat
            .lines()
            .find_map(|line| line.strip_prefix("processes "));
        Some(Self {
            started: started?.trim().parse().ok()?,
            last: load.split_ascii_whitespace().last()?.parse().ok()?,
        })
    }
}

fn pid_max() -> u64 {
    const DEFAULT: u64 = 32_768;
    let text = fs::read_to_string("/proc/sys/kernel/pid_max").unwrap_or_default();
    text.trim().parse().unwrap_or(DEFAULT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_every_wrap_it_can_tell() {
        let mut generation = Generation::default();
        for (started, last, wraps, why) in [
            (1_000, 1_000, 0, "fresh boot"),
            (1_500, 1_600, 0, "numbers in use are passed over"),
            (1_600, 1_700, 0, "in step"),
            (33_000, 500, 1, "went back"),
            (66_000, 501, 2, "came round to nearly the same place"),
            (130_000, 400, 4, "went back, and round once more"),
            (130_000, 400, 4, "nothing happened"),
        ] {
            generation.advance(Position { started, last }, 32_768);
            assert_eq!(generation.wraps, wraps, "{why}");
        }
    }

    #[test]
    fn begins_with_the_wraps_since_boot() {
        let mut generation = Generation::default();
        let now = Position {
            started: 70_000,
            last: 4_000,
        };
        generation.advance(now, 32_768);
        assert_eq!(generation.wraps, 2);
    }

    #[test]
    fn reads_what_the_kernel_prints() {
        let load = "0.00 0.01 0.05 1/123 4242\n";
        let stat = "cpu  1 2 3\nctxt 5\nprocesses 9001\nprocs_running 1\n";
        let position = Position {
            started: 9001,
            last: 4242,
        };
        assert_eq!(Position::parse(load, stat), Some(position));
        assert_eq!(Position::parse("", stat), None);
        assert_eq!(Position::parse(load, ""), None);
        assert!(Position::now().is_some());
    }
}
