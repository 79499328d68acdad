//! How long after its end a process's waiter wakes up, set against a bare `poll`.
//!
//! The time runs from just before the target's `exit` to the return of the wait. The bare wait
//! learns only that the process has ended; ours learns how, too.

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::time::Duration;

use exithand::{Deadline, ExitHandle, Pid, Until};
use exithand_benches::{Children, Goal, Spawner, Strangers, Table, in_turns, now};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::retry_on_intr;
use rustix::process::{PidfdFlags, pidfd_open};

const ROUNDS: usize = 3000;

fn main() {
    let table = Table::new();
    let mut strangers = Strangers::new();
    compare(&table, "wake, child", &mut Children::new());
    compare(&table, "wake, not our child", &mut strangers);
}

fn compare(table: &Table, what: &str, spawner: &mut impl Spawner) {
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
        |spawner| one_wake(spawner, bare_open, bare_wait),
    );
    table.times(what, ours, bare, Goal::AtMost(1.10));
    table.note(&format!("# the outcomes came from {sources:?}"));
}

fn open(pid: Pid) -> ExitHandle {
    ExitHandle::open(pid).expect("open")
}

fn bare_open(pid: Pid) -> OwnedFd {
    pidfd_open(pid, PidfdFlags::empty()).expect("open")
}

fn bare_wait(pidfd: &OwnedFd) {
    let mut fds = [PollFd::new(pidfd, PollFlags::IN)];
    retry_on_intr(|| poll(&mut fds, None)).expect("poll");
}

fn one_wake<W>(
    spawner: &mut impl Spawner,
    open: impl FnOnce(Pid) -> W,
    wait: impl FnOnce(&W),
) -> Duration {
    let waiter = open(spawner.start());
    spawner.end();
    wait(&waiter);
    let woken = now();
    drop(waiter);
    woken.saturating_sub(spawner.settle())
}
