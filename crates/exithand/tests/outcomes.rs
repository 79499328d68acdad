//! Every way to end, compared bit by bit with what the kernel tells the parent.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::time::Duration;

use exithand::{Deadline, Exit, ExitHandle, Outcome, SigInfo, Signal, Source, Until};
use exithand_testkit::{Actor, Middleman, Need, actor, at_most, need, sys};
use rustix::process::getuid;

/// Signals whose default is not to end the process.
const HARMLESS: [i32; 8] = [17, 18, 19, 20, 21, 22, 23, 28];

/// Every exit status; where processes are dear only some of them, the last among them.
fn statuses() -> impl Iterator<Item = u8> {
    let step = 256_u32.div_ceil(at_most(256));
    (0..=u8::MAX).rev().step_by(usize::try_from(step).unwrap())
}

fn deadly() -> impl Iterator<Item = Signal> {
    let numbers = (1..=64).filter(|number| !HARMLESS.contains(number));
    numbers.map(|number| Signal::from_number(number).unwrap())
}

fn wait(handle: &ExitHandle) -> Exit {
    let deadline = Deadline::after(Duration::from_mins(1));
    let exit = handle.wait(Until::Ended, deadline).unwrap();
    exit.expect("no end was seen")
}

/// Ends a process and compares what a stranger hears, before and after the reap, with `wait4(2)`.
fn as_stranger(mut middleman: Middleman, end: impl FnOnce(&ExitHandle)) -> Outcome {
    let handle = ExitHandle::open(middleman.child()).unwrap();
    let silent = handle.try_clone().unwrap();
    end(&handle);
    middleman.end();
    let exit = wait(&handle);
    assert_eq!(exit.source, Some(Source::Zombie));
    let truth = middleman.reap();
    assert_eq!(exit.outcome.to_wait_status(), Some(truth));
    assert_eq!(Outcome::from_wait_status(truth), Some(exit.outcome));
    if Need::PidfdInfoExit.met() {
        let late = wait(&silent);
        assert_eq!(late.source, Some(Source::Pidfd));
        assert_eq!(late.outcome, exit.outcome);
    }
    exit.outcome
}

/// Compares what the parent hears of a child that ends now with `waitid(2)` and `wait4(2)`.
fn as_parent(mut child: Actor) -> Outcome {
    let handle = ExitHandle::from_child(child.child()).unwrap();
    child.release();
    let exit = wait(&handle);
    assert_eq!(exit.source, Some(Source::Child));

    let bytes = sys::waitid_bytes(child.pid()).unwrap();
    let pid = child.pid().as_raw_nonzero().get();
    let info = SigInfo::new(exit.outcome, pid, getuid().as_raw()).unwrap();
    assert_eq!(info.to_bytes(), bytes, "{}", exit.outcome);
    assert_eq!(SigInfo::from_bytes(&bytes), Some(info));
    assert_eq!(info.outcome(), Ok(exit.outcome));

    assert_eq!(exit.outcome.to_wait_status(), Some(child.wait()));
    exit.outcome
}

#[test]
fn a_parent_hears_every_exit_status() {
    for status in statuses() {
        let child = actor(&["wait-then-exit", &status.to_string()]);
        assert_eq!(as_parent(child), Outcome::Exited(status));
    }
}

#[test]
fn a_stranger_hears_every_exit_status() {
    for status in statuses() {
        let middleman = Middleman::start(&["exit-with", &status.to_string()]);
        assert_eq!(as_stranger(middleman, |_| {}), Outcome::Exited(status));
    }
}

#[test]
fn a_stranger_hears_every_deadly_signal() {
    for signal in deadly() {
        let middleman = Middleman::start(&["dies-of", &signal.number().to_string()]);
        let outcome = as_stranger(middleman, |handle| handle.send_signal(signal).unwrap());
        let core_dumped = false;
        assert_eq!(
            outcome,
            Outcome::Killed {
                signal,
                core_dumped
            }
        );
    }
}

#[test]
fn a_parent_hears_every_deadly_signal() {
    for signal in deadly() {
        let mut child = actor(&["dies-of", &signal.number().to_string()]);
        let handle = ExitHandle::from_child(child.child()).unwrap();
        handle.send_signal(signal).unwrap();
        let core_dumped = false;
        assert_eq!(
            wait(&handle).outcome,
            Outcome::Killed {
                signal,
                core_dumped
            }
        );
        assert_eq!(child.wait(), signal.number());
    }
}

#[test]
fn the_core_bit_is_heard() {
    need!(Need::CoreDumps);
    for (part, signal) in [("abort", Signal::ABRT), ("segv-core", Signal::SEGV)] {
        let dumped = Outcome::Killed {
            signal,
            core_dumped: true,
        };
        assert_eq!(as_parent(actor(&[part])), dumped);
        assert_eq!(as_stranger(Middleman::start(&[part]), |_| {}), dumped);
    }
}
