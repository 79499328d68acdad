//! The parsers of text and bytes from outside, open to the fuzzer. Nothing to build upon.
//!
//! Each reads the bytes as the killer does and says what is in them; none may panic, whatever they
//! are.

use std::time::Duration;

use crate::config::Config;
use crate::daemon::{Snapshot, explain, simulate, start_time};
use crate::number::signed;
use crate::policy::Policy;
use crate::reading::{
    Meminfo, MemoryEvents, Pressure, ProcessStatus, ReclaimMeter, Smaps, StallMeter, Vmstat,
    cgroup_of, container_of, per_cpu_pages, unit_of,
};
use crate::rule::Facts;

/// Any file of `/proc` or of a cgroup.
pub fn files(bytes: &[u8]) -> String {
    let path = cgroup_of(bytes);
    let whole = (
        Meminfo::parse(bytes),
        Pressure::parse(bytes),
        ProcessStatus::parse(bytes),
        Smaps::parse(bytes),
        MemoryEvents::parse(bytes),
        per_cpu_pages(bytes),
    );
    let parts = (
        unit_of(path),
        container_of(path),
        start_time(bytes),
        signed(bytes),
    );
    let mut reclaim = ReclaimMeter::default();
    reclaim.add(Vmstat::default(), u64::MAX);
    let reclaimed = reclaim.add(Vmstat::parse(bytes), u64::MAX);
    let mut stall = StallMeter::new(Duration::from_secs(1));
    stall.add(Duration::ZERO, Pressure::default());
    let stalled = stall.add(Duration::MAX, Pressure::parse(bytes).unwrap_or_default());
    format!("{whole:?} {parts:?} {reclaimed:?} {stalled:?}")
}

/// A configuration, and what it means on machines of all sizes.
pub fn config(text: &[u8]) -> String {
    let config = match Config::parse(&String::from_utf8_lossy(text)) {
        Ok(config) => config,
        Err(error) => return error.to_string(),
    };
    let facts = Facts {
        name: b"name",
        uid: 0,
        exe: Some(b"/usr/bin/name"),
        command: Some(b"name --of a/program"),
        cgroup: Some(b"/system.slice/name.service"),
    };
    let sizes = [0, 1 << 20, 16 << 30, u64::MAX];
    let meant = sizes.map(|it| (config.contradictions(it), Policy::new(&config, it)));
    format!("{:?} {meant:?}", config.rules.judge(&facts))
}

/// A line of a trace, and what would have been done then.
pub fn trace(line: &[u8]) -> String {
    let snapshot = match serde_json::from_slice::<Snapshot>(line) {
        Ok(snapshot) => snapshot,
        Err(error) => return error.to_string(),
    };
    let config = Config::default();
    let explained = explain(&config, &snapshot);
    let mut told = vec![format!("{explained:?}")];
    simulate(
        &config,
        [snapshot.clone(), snapshot],
        |at, verdict, victim| {
            told.push(format!("{at:?} {verdict:?} {victim:?}"));
        },
    );
    told.concat()
}
