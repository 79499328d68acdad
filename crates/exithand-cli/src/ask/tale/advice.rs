//! What to look at next.

use std::ffi::OsStr;
use std::fmt;

use exithand::Outcome;
use exithand_recorder::{ExitRecord, OomScope, WallTime};

use super::names::shell_word;
use crate::ask::crash_loop::CrashLoop;
use crate::ask::scene::Scene;

/// How far before and after an end its logs are looked at.
const AROUND_NS: i64 = 60_000_000_000;

/// A command, and what it is good for.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Advice {
    purpose: &'static str,
    command: String,
}

impl fmt::Display for Advice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}:\n  {}", self.purpose, self.command)
    }
}

/// Says what to look at next: the core dump, the memory limit, earlier ends, the log.
pub(super) fn advice(
    record: &ExitRecord,
    crash_loop: Option<&CrashLoop>,
    scene: &Scene,
) -> Vec<Advice> {
    if record.outcome.success() {
        return Vec::new();
    }
    let advice = [
        core_dump(record),
        memory(record),
        crash_loop.map(|it| Advice {
            purpose: "How often it failed",
            command: it.command(),
        }),
        Some(log(record, scene)),
    ];
    advice.into_iter().flatten().collect()
}

fn core_dump(record: &ExitRecord) -> Option<Advice> {
    let Outcome::Killed {
        core_dumped: true, ..
    } = record.outcome
    else {
        return None;
    };
    Some(Advice {
        purpose: "The core dump, where systemd-coredump keeps it",
        command: format!("coredumpctl info {}", record.pid()?),
    })
}

fn memory(record: &ExitRecord) -> Option<Advice> {
    let unit = record.place.unit.as_deref().map(word);
    match (record.oom.as_ref()?.scope, unit) {
        (OomScope::Memcg, Some(unit)) => Some(Advice {
            purpose: "Its memory limit, to be raised by MemoryMax= if that is too low",
            command: format!("systemctl show -p MemoryMax,MemoryHigh {unit}"),
        }),
        _ => Some(Advice {
            purpose: "What else was killed for want of memory",
            command: "exithand history --oom".to_owned(),
        }),
    }
}

/// Shows what was logged around the end.
fn log(record: &ExitRecord, scene: &Scene) -> Advice {
    let moved = |by: i64| {
        let unix_ns = record.ended.unix_ns.saturating_add(by);
        WallTime { unix_ns }
    };
    let (since, until) = (moved(-AROUND_NS), moved(AROUND_NS));
    let cgroup = record.place.cgroup.as_ref().map(|it| it.to_string_lossy());
    let cgroup = cgroup.unwrap_or_default();
    if let Some(container) = record.place.container.as_deref()
        && let Some(tool) = container_tool(&cgroup)
    {
        let form = "%Y-%m-%dT%H:%M:%S%:z";
        let (since, until) = (scene.format(since, form), scene.format(until, form));
        return Advice {
            purpose: "What it wrote around that minute",
            command: format!(
                "{tool} logs --since {since} --until {until} {}",
                word(container)
            ),
        };
    }
    let whose = match (record.place.unit.as_deref(), record.pid()) {
        (Some(unit), _) if is_user_unit(&cgroup, unit) => format!("--user-unit {}", word(unit)),
        (Some(unit), _) => format!("-u {}", word(unit)),
        (None, Some(pid)) => format!("_PID={pid}"),
        (None, None) => String::new(),
    };
    let (since, until) = (scene.local(since), scene.local(until));
    Advice {
        purpose: "What was logged around that minute",
        command: format!("journalctl {whose} --since '{since}' --until '{until}'"),
    }
}

/// Says which tool made a container, where its cgroup tells.
fn container_tool(cgroup: &str) -> Option<&'static str> {
    if cgroup.contains("docker") {
        Some("docker")
    } else if cgroup.contains("libpod") {
        Some("podman")
    } else {
        None
    }
}

/// Says whether a unit is one of a user's own service manager.
fn is_user_unit(cgroup: &str, unit: &str) -> bool {
    cgroup.contains("/user@") && !unit.starts_with("user@")
}

fn word(text: &str) -> String {
    shell_word(OsStr::new(text))
}
