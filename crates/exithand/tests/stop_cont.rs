//! Stops and signals, of the process waited for and of the one that waits.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::env;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use exithand::{Count, Deadline, ExitHandle, Outcome, Pid, Signal, State, Until, WaitSet};
use exithand_testkit::{Apart, Middleman, actor, play_apart, say, sys, test_name};
use rustix::process::{WaitId, WaitIdOptions, waitid};
use rustix::thread::gettid;
use rustix::time::{ClockId, clock_gettime};

/// Signals sent to a thread while it waits.
const DISTURBANCES: u64 = 300;
const WHILE: Duration = Duration::from_millis(300);

/// Stops or continues a child of ours, and returns when it is so, or when it has ended.
fn send_and_see(child: &ExitHandle, pid: Pid, signal: Signal) {
    child.send_signal(signal).unwrap();
    let event = match signal {
        Signal::STOP => WaitIdOptions::STOPPED,
        _ => WaitIdOptions::CONTINUED,
    };
    let look = event | WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
    waitid(WaitId::Pid(pid), look).unwrap().unwrap();
}

fn since_boot() -> Duration {
    clock_gettime(ClockId::Boottime).try_into().unwrap()
}

#[test]
fn stopping_and_continuing_is_no_end() {
    let mut actor = actor(&["hang"]);
    let handle = ExitHandle::from_child(actor.child()).unwrap();
    let set = WaitSet::new(Until::Ended).unwrap();
    set.add(handle.try_clone().unwrap()).unwrap();
    for signal in [Signal::STOP, Signal::CONT, Signal::STOP] {
        send_and_see(&handle, actor.pid(), signal);
        assert_eq!(handle.state().unwrap(), State::Alive, "{signal}");
        assert_eq!(handle.try_wait().unwrap(), None, "{signal}");
        let now = handle.wait(Until::Ended, Deadline::NOW).unwrap();
        assert_eq!(now, None, "{signal}");
        assert!(set.wait(Count::Any, Deadline::NOW).unwrap().is_empty());
    }
    handle.send_signal(Signal::KILL).unwrap();
    let exit = handle.wait(Until::Ended, Deadline::NEVER).unwrap().unwrap();
    assert_eq!(
        exit.outcome.to_wait_status(),
        Some(9),
        "killed while stopped"
    );
    assert_eq!(set.wait(Count::All, Deadline::NEVER).unwrap().len(), 1);
    assert_eq!(actor.wait(), 9);
}

/// The process that is stopped while it waits.
fn wait_though_stopped() {
    let pid: i32 = env::var("TARGET").unwrap().parse().unwrap();
    let handle = ExitHandle::open(Pid::from_raw(pid).unwrap()).unwrap();
    say("waiting");
    let exit = handle.wait(Until::Reaped, Deadline::after(Duration::from_mins(1)));
    let exit = exit.unwrap().expect("the target has ended");
    assert!(exit.reaped);
    if exit.outcome.is_known() {
        assert_eq!(exit.outcome, Outcome::Exited(5));
    }
}

#[test]
fn a_waiter_that_is_stopped_goes_on_waiting() {
    if play_apart(test_name!(), wait_though_stopped) {
        return;
    }
    let mut target = Middleman::start(&["wait-then-exit", "5"]);
    let mut waiter = Apart::start(test_name!(), |mut command| {
        command.env("TARGET", target.child().to_string());
        command
    });
    waiter.hear("waiting");
    let handle = ExitHandle::open(waiter.pid()).unwrap();
    for _ in 0..20 {
        send_and_see(&handle, waiter.pid(), Signal::STOP);
        send_and_see(&handle, waiter.pid(), Signal::CONT);
    }
    assert_eq!(handle.state().unwrap(), State::Alive, "it still waits");
    send_and_see(&handle, waiter.pid(), Signal::STOP);
    target.end();
    assert_eq!(
        target.reap(),
        0x0500,
        "ended and reaped while nobody could look"
    );
    send_and_see(&handle, waiter.pid(), Signal::CONT);
    waiter.finish();
}

#[test]
fn a_deadline_holds_for_a_waiter_that_is_stopped() {
    let play = || {
        let target = actor(&["hang"]);
        let handle = ExitHandle::open(target.pid()).unwrap();
        let deadline = since_boot() + WHILE;
        say("waiting");
        let exit = handle.wait(Until::Ended, Deadline::after(WHILE)).unwrap();
        assert_eq!(exit, None);
        assert!(since_boot() >= deadline, "not before the deadline");
    };
    if play_apart(test_name!(), play) {
        return;
    }
    let mut waiter = Apart::start(test_name!(), |command| command);
    waiter.hear("waiting");
    let handle = ExitHandle::open(waiter.pid()).unwrap();
    for _ in 0..5 {
        send_and_see(&handle, waiter.pid(), Signal::STOP);
        send_and_see(&handle, waiter.pid(), Signal::CONT);
    }
    waiter.finish();
}

/// Sends one signal after another to `tid`, each when the one before has arrived.
fn disturb(tid: Pid, enough: impl Fn(u64) -> bool) {
    let before = sys::interruptions();
    let arrived = || sys::interruptions() - before;
    for sent in 0.. {
        if enough(sent) || sys::signal_thread(tid, rustix::process::Signal::USR1).is_err() {
            return;
        }
        while arrived() <= sent && !enough(sent) {
            thread::yield_now();
        }
    }
}

/// In a process of its own, because the signal and its counter belong to the process.
fn apart_with_handler(test: &str, body: impl FnOnce()) {
    exithand_testkit::run_apart(
        test,
        |command| command,
        || {
            sys::interrupt_on(rustix::process::Signal::USR1).unwrap();
            body();
        },
    );
}

#[test]
fn signals_do_not_end_a_wait() {
    apart_with_handler(test_name!(), || {
        let mut target = actor(&["wait-then-exit", "6"]);
        let handle = ExitHandle::open(target.pid()).unwrap();
        let set = WaitSet::new(Until::Ended).unwrap();
        set.add(handle.try_clone().unwrap()).unwrap();
        let (to_us, tids) = mpsc::channel();
        let (first, second) = (to_us.clone(), to_us);
        thread::scope(|scope| {
            let one = scope.spawn(|| {
                first.send(gettid()).unwrap();
                let exit = handle.wait(Until::Ended, Deadline::NEVER).unwrap();
                exit.unwrap().outcome
            });
            let many = scope.spawn(|| {
                second.send(gettid()).unwrap();
                let mut finished = set.wait(Count::All, Deadline::NEVER).unwrap();
                finished.pop().unwrap().1.outcome().unwrap().unwrap()
            });
            for tid in tids.iter().take(2) {
                disturb(tid, |sent| sent == DISTURBANCES);
            }
            assert!(!one.is_finished() && !many.is_finished(), "they still wait");
            target.release();
            assert_eq!(one.join().unwrap(), Outcome::Exited(6));
            assert_eq!(many.join().unwrap(), Outcome::Exited(6));
        });
    });
}

#[test]
fn a_deadline_holds_under_a_rain_of_signals() {
    apart_with_handler(test_name!(), || {
        let target = actor(&["hang"]);
        let handle = ExitHandle::open(target.pid()).unwrap();
        let set = WaitSet::new(Until::Ended).unwrap();
        set.add(handle.try_clone().unwrap()).unwrap();
        let waiter = gettid();
        let over = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| disturb(waiter, |_| over.load(Ordering::Relaxed)));
            let one_until = since_boot() + WHILE;
            let one = handle.wait(Until::Ended, Deadline::after(WHILE));
            let one_late = since_boot() >= one_until;
            let many_until = since_boot() + WHILE;
            let many = set.wait(Count::Any, Deadline::after(WHILE));
            let many_late = since_boot() >= many_until;
            over.store(true, Ordering::Relaxed);
            assert!(one_late && many_late, "not before the deadline");
            assert!(one.unwrap().is_none() && many.unwrap().is_empty());
        });
        assert!(sys::interruptions() > 10, "it did rain");
    });
}
