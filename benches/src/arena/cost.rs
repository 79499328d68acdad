//! What a killer itself takes, and how long the machine stood still.

use std::fs;

/// What a process took until now.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Cost {
    /// Time on a processor, in microseconds.
    pub cpu_us: u64,
    /// How often it slept.
    pub switches: u64,
    /// Its memory, what it shares divided among those it shares with, in KiB.
    pub pss_kib: u64,
}

/// What this process took, with all its threads; nothing where it is gone.
pub fn cost_of(pid: u32) -> Cost {
    let mut cost = Cost {
        pss_kib: field(&read(&format!("/proc/{pid}/smaps_rollup")), "Pss:"),
        ..Cost::default()
    };
    let tasks = fs::read_dir(format!("/proc/{pid}/task"));
    for task in tasks.into_iter().flatten().flatten() {
        let folder = task.path();
        let ran = read(&folder.join("schedstat").to_string_lossy());
        let ns = ran.split(' ').next().and_then(|it| it.parse::<u64>().ok());
        cost.cpu_us += ns.unwrap_or(0) / 1000;
        let status = read(&folder.join("status").to_string_lossy());
        cost.switches += field(&status, "voluntary_ctxt_switches:");
    }
    cost
}

/// For how many microseconds in all somebody waited for memory.
pub fn stalled_us() -> u64 {
    let text = read("/proc/pressure/memory");
    let some = text.lines().find(|it| it.starts_with("some"));
    let total = some.and_then(|it| it.rsplit_once("total="));
    total.map_or(0, |(_, number)| number.parse().unwrap())
}

impl Cost {
    /// Returns what was taken since `before`.
    #[must_use]
    pub fn since(self, before: Self) -> Self {
        Self {
            cpu_us: self.cpu_us.saturating_sub(before.cpu_us),
            switches: self.switches.saturating_sub(before.switches),
            pss_kib: self.pss_kib,
        }
    }
}

fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

fn field(text: &str, name: &str) -> u64 {
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let word = line.and_then(|it| it.split_whitespace().next());
    word.map_or(0, |it| it.parse().unwrap())
}
