//! Asks whether probes may be loaded.

use std::fs;

use rustix::io::Errno;

use crate::sys;

/// As bits of `CapEff` in `/proc/self/status`.
const SYS_ADMIN: u64 = 1 << 21;
const PERFMON: u64 = 1 << 38;
const BPF: u64 = 1 << 39;

/// Whether the call is there, with all it takes to be let through.
pub(crate) fn bpf() -> bool {
    let held = effective_capabilities().unwrap_or(0);
    let may = |one: u64| held & (one | SYS_ADMIN) != 0;
    // An unknown command is refused as such only to those who may give known ones.
    let reached = sys::bpf_unknown_command() == Errno::INVAL;
    reached && may(BPF) && may(PERFMON) && fs::metadata("/sys/kernel/btf/vmlinux").is_ok()
}

fn effective_capabilities() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|it| it.strip_prefix("CapEff:"))?;
    u64::from_str_radix(line.trim(), 16).ok()
}
