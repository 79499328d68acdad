//! How long after its end a process's `async` waiter wakes up, set against a bare `poll`, and what
//! a zombie that nobody reaps costs its waiters.
//!
//! As in `wake`, ours learns how the process ended, and the bare wait only that it has.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use ::async_io::Async;
use exithand::{Deadline, ExitHandle, Pid, Until, WaitOptions, async_io, tokio as on_tokio};
use exithand_benches::{
    Children, Goal, Spawner, Strangers, Table, bare_end, bare_open, cpu_time, in_turns, one_wake,
};
use tokio::runtime::{Builder, Runtime};

const ROUNDS: usize = 3000;
const IDLE: Duration = Duration::from_secs(5);
/// What is allowed in that time: to go to sleep and to wake up.
const IDLE_CPU: Duration = Duration::from_millis(1);

fn main() {
    let table = Table::new();
    let mut strangers = Strangers::new();
    let mut children = Children::new();
    let runtime = Builder::new_current_thread().enable_io().build();
    let runtime = runtime.expect("start tokio");
    on_both(&table, "child", &mut children, &runtime);
    on_both(&table, "not our child", &mut strangers, &runtime);
    idle(&table, &mut children, &runtime);
}

fn on_both(table: &Table, whose: &str, spawner: &mut impl Spawner, runtime: &Runtime) {
    let bare = |spawner: &mut _| one_wake(spawner, bare_open, bare_end);
    let tokio = |spawner: &mut _| {
        let open = |pid| {
            let _runtime = runtime.enter();
            on_tokio::AsyncExitHandle::new(open(pid)).expect("register")
        };
        one_wake(spawner, open, |handle| {
            runtime.block_on(handle.ended()).expect("wait");
        })
    };
    let [ours, baseline] = in_turns(ROUNDS, spawner, tokio, bare);
    let what = format!("wake, {whose}, tokio");
    table.times(&what, ours, baseline, Goal::AtMost(1.30));

    let async_io = |spawner: &mut _| {
        let open = |pid| async_io::AsyncExitHandle::new(open(pid)).expect("register");
        one_wake(spawner, open, |handle| {
            ::async_io::block_on(handle.ended()).expect("wait");
        })
    };
    let [ours, baseline] = in_turns(ROUNDS, spawner, async_io, bare);
    let what = format!("wake, {whose}, async-io");
    table.times(&what, ours, baseline, Goal::AtMost(1.30));

    // What async-io itself takes, without us.
    let without_us = |spawner: &mut _| {
        let open = |pid| Async::new_nonblocking(bare_open(pid)).expect("register");
        one_wake(spawner, open, |pidfd| {
            ::async_io::block_on(pidfd.readable()).expect("wait");
        })
    };
    let [alone, baseline] = in_turns(ROUNDS, spawner, without_us, bare);
    let what = format!("wake, {whose}, async-io alone");
    table.times(&what, alone, baseline, Goal::None);
}

fn open(pid: Pid) -> ExitHandle {
    ExitHandle::open(pid).expect("open")
}

/// A wait for the reap of a zombie, while nothing happens.
fn idle(table: &Table, children: &mut Children, runtime: &Runtime) {
    let zombie = open(children.start());
    children.end();
    zombie.wait(Until::Ended, Deadline::NEVER).expect("wait");
    let on_tokio = {
        let _runtime = runtime.enter();
        let zombie = zombie.try_clone().expect("clone");
        on_tokio::AsyncExitHandle::new(zombie).expect("register")
    };
    let on_async_io = async_io::AsyncExitHandle::new(zombie).expect("register");

    let before = cpu_time();
    let reaped = runtime.block_on(on_tokio.wait_with(&for_a_while()));
    row(table, "tokio", cpu_time().saturating_sub(before));
    assert!(reaped.expect("wait").is_none(), "nobody reaps");

    let before = cpu_time();
    let reaped = ::async_io::block_on(on_async_io.wait_with(&for_a_while()));
    row(table, "async-io", cpu_time().saturating_sub(before));
    assert!(reaped.expect("wait").is_none(), "nobody reaps");

    runtime.block_on(async {
        let mut reap = pin!(on_tokio.reaped());
        poll_fn(|context| {
            assert!(reap.as_mut().poll(context).is_pending());
            Poll::Ready(())
        })
        .await;
        children.settle();
        reap.await.expect("wait");
    });
}

fn for_a_while() -> WaitOptions<'static> {
    WaitOptions {
        until: Until::Reaped,
        deadline: Deadline::after(IDLE),
        ..WaitOptions::default()
    }
}

fn row(table: &Table, on: &str, cpu: Duration) {
    let what = format!("CPU in {IDLE:?}, unreaped zombie, {on} (allowed)");
    table.times(&what, cpu, IDLE_CPU, Goal::AtMost(1.0));
}
