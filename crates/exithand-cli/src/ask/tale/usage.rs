//! What the process used.

use exithand_recorder::ExitRecord;

use crate::ask::amount::{bytes, rough_ns};

/// Says what a process used; `None` where nothing is known.
pub(super) fn sentence(record: &ExitRecord) -> Option<String> {
    let usage = record.usage;
    let cpu = match (usage.cpu_user_ns, usage.cpu_system_ns) {
        (None, None) => None,
        (user, system) => Some(user.unwrap_or(0).saturating_add(system.unwrap_or(0))),
    };
    let cpu = cpu.map(|it| format!("used {} of CPU time", rough_ns(it)));
    // The sentence about the lack of memory has told it.
    let memory = usage.max_rss_bytes.filter(|_| record.oom.is_none());
    let memory = memory.map(|it| format!("held {} of memory at its peak", bytes(it)));
    let io = |count: Option<u64>, verb: &str, what: &str| {
        let count = count.filter(|it| *it > 0)?;
        Some(format!("{verb} {} {what} disk", bytes(count)))
    };
    let read = io(usage.read_bytes, "read", "from");
    let wrote = io(usage.write_bytes, "wrote", "to");
    let parts: Vec<String> = [cpu, memory, read, wrote].into_iter().flatten().collect();
    Some(format!("It {}.", listed(&parts)?))
}

/// Joins parts of a sentence: `a, b and c`.
pub(super) fn listed(parts: &[String]) -> Option<String> {
    match parts {
        [] => None,
        [only] => Some(only.clone()),
        [all @ .., last] => Some(format!("{} and {last}", all.join(", "))),
    }
}
