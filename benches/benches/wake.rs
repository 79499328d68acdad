//! How long after its end a process's waiter wakes up, set against a bare `poll`.
//!
//! The time runs from just before the target's `exit` to the return of the wait. A bare wait for the
//! end learns only that the process has ended; ours learns how, too. So it is also set against the
//! least that tells how a process ended: waiting for the end, then for the reap, and asking then.

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;

use exithand::{Deadline, ExitHandle, Pid, Until};
use exithand_benches::{
    Children, Goal, Spawner, Strangers, Table, bare_end, bare_open, bare_reap, in_turns, one_wake,
};

const ROUNDS: usize = 3000;

fn main() {
    let table = Table::new();
    let mut strangers = Strangers::new();
    let mut children = Children::new();
    compare(&table, "wake, child, bare end", &mut children, bare_end);
    compare(
        &table,
        "wake, not our child, bare end",
        &mut strangers,
        bare_end,
    );
    compare(
        &table,
        "wake, not our child, bare reap",
        &mut strangers,
        bare_reap,
    );
}

fn compare(table: &Table, what: &str, spawner: &mut impl Spawner, bare: impl Fn(&OwnedFd) + Copy) {
    let mut sources = BTreeMap::new();
    let [ours, bare] = in_turns(
        ROUNDS,
        spawner,
        |spawner| {
            one_wake(spawner, open, |handle| {
                let exit = handle.wait(Until::Ended, Deadline::NEVER);
                let exit = exit.expect("wait").expect("no deadline");
                let source = exit.source.map_or("unknown", |source| source.as_str());
                *sources.entry(source).or_insert(0) += 1;
            })
        },
        |spawner| one_wake(spawner, bare_open, bare),
    );
    table.times(what, ours, bare, Goal::AtMost(1.10));
    table.note(&format!("# the outcomes came from {sources:?}"));
}

fn open(pid: Pid) -> ExitHandle {
    ExitHandle::open(pid).expect("open")
}
