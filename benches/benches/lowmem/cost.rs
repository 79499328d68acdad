//! What a killer itself takes, and how long the machine stood still.

use std::fs;

/// What a process took until now.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Cost {
    pub(crate) cpu_us: u64,
    pub(crate) switches: u64,
    pub(crate) pss_kib: u64,
}

/// What this process took, with all its threads; nothing where it is gone.
pub(crate) fn of(pid: u32) -> Cost {
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
pub(crate) fn stalled_us() -> u64 {
    let text = read("/proc/pressure/memory");
    let some = text.lines().find(|it| it.starts_with("some"));
    let total = some.and_then(|it| it.rsplit_once("total="));
    total.map_or(0, |(_, number)| number.parse().unwrap())
}

fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

fn field(text: &str, name: &str) -> u64 {
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let word = line.and_then(|it| it.split_whitespace().next());
    word.map_or(0, |it| it.parse().unwrap())
}
