//! How much memory is left.

use std::fs;
use std::path::Path;

/// What is free and in no use, in MiB, the lists of processors included, which only some count.
pub fn available_mib() -> u64 {
    plain_available_mib() + kept_mib()
}

/// What processors keep on lists of their own.
fn kept_mib() -> u64 {
    let text = fs::read_to_string("/proc/zoneinfo").unwrap();
    let counts = text
        .lines()
        .filter_map(|line| line.trim().strip_prefix("count:"));
    let pages: u64 = counts.filter_map(|it| it.trim().parse::<u64>().ok()).sum();
    pages >> 8
}

/// What the kernel calls available, in MiB.
pub fn plain_available_mib() -> u64 {
    meminfo_mib("MemAvailable:")
}

/// All memory, in MiB.
pub fn total_mib() -> u64 {
    meminfo_mib("MemTotal:")
}

/// All swap, in MiB.
pub fn swap_mib() -> u64 {
    meminfo_mib("SwapTotal:")
}

fn meminfo_mib(name: &str) -> u64 {
    let text = fs::read_to_string("/proc/meminfo").unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let number = line.unwrap().trim().trim_end_matches(" kB");
    number.parse::<u64>().unwrap() >> 10
}

/// What a cgroup2 of `limit_mib` may still take, in MiB.
pub fn available_in_cgroup_mib(directory: &Path, limit_mib: u64) -> u64 {
    let text = fs::read_to_string(directory.join("memory.current")).unwrap();
    limit_mib.saturating_sub(text.trim().parse::<u64>().unwrap() >> 20)
}
