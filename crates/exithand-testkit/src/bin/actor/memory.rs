//! Actors that run out of memory, within bounds.

use std::fs;
use std::io;

use exithand_testkit::{Actor, Cgroup, Hierarchy};

use crate::stage::{argument, go, invalid, part, ready, say};

/// So much is taken at a time.
const MEBIBYTE: usize = 1 << 20;

/// Only for where somebody bounds it: without a limit it takes all the machine has.
pub(crate) fn takes_memory(_: &[String]) -> io::Result<u8> {
    ready(&[]);
    go()?;
    let mut taken: Vec<Vec<u8>> = Vec::new();
    loop {
        // Not zeros, for which no page would be taken.
        taken.push(vec![1; MEBIBYTE]);
    }
}

/// Needs a cgroup2 whose memory controller may be used below the caller's own cgroup.
pub(crate) fn out_of_memory(args: &[String]) -> io::Result<u8> {
    let mebibytes: usize = argument(args, 0)?;
    let cgroup = Cgroup::new(Hierarchy::V2)?;
    cgroup.set("memory.max", &(mebibytes * MEBIBYTE).to_string())?;
    let procs = cgroup.path().join("cgroup.procs");
    let procs = procs
        .to_str()
        .ok_or_else(|| invalid("a cgroup without a name".to_owned()))?;
    let mut taker = Actor::start(part(&["in-cgroup", procs, "takes-memory"])?);
    ready(&[]);
    taker.release();
    let status = taker.wait();
    let events = fs::read_to_string(cgroup.path().join("memory.events"))?;
    let peak = fs::read_to_string(cgroup.path().join("memory.peak")).unwrap_or_default();
    say(&format!("wait status {status}, peak {}", peak.trim()));
    say(events.trim_end());
    let was_killed = status == 9 && events.lines().any(|it| it == "oom_kill 1");
    Ok(u8::from(!was_killed))
}
