//! Waits that somebody calls off.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::io::{self, PipeReader};
use std::os::fd::AsFd;
use std::thread;
use std::time::Duration;

use exithand::{Count, Deadline, ExitHandle, Outcome, Until, WaitOptions, WaitSet};
use exithand_testkit::{Need, actor, need};

/// The end of a pipe that is readable from now on.
fn called_off() -> PipeReader {
    let (reader, _) = io::pipe().unwrap();
    reader
}

fn options(until: Until) -> WaitOptions<'static> {
    WaitOptions {
        until,
        deadline: Deadline::after(Duration::from_mins(1)),
        ..WaitOptions::default()
    }
}

#[test]
fn a_wait_that_is_called_off_gives_up() {
    let mut child = actor(&["wait-then-exit", "3"]);
    let handle = ExitHandle::from_child(child.child()).unwrap();
    let cancel = called_off();
    let wait = |until| handle.wait_unless(&options(until), cancel.as_fd()).unwrap();
    assert_eq!(wait(Until::Ended), None, "it runs");
    child.release();
    child.wait_zombie();
    let exit = wait(Until::Ended).expect("what is known needs no wait");
    assert_eq!(exit.outcome, Outcome::Exited(3));
    child.wait();
}

#[test]
fn a_wait_for_the_reap_that_is_called_off_gives_up() {
    need!(Need::Pidfs);
    let mut child = actor(&["wait-then-exit", "3"]);
    let handle = ExitHandle::from_child(child.child()).unwrap();
    let cancel = called_off();
    let options = options(Until::Reaped);
    let wait = || handle.wait_unless(&options, cancel.as_fd()).unwrap();
    child.release();
    child.wait_zombie();
    assert_eq!(wait(), None, "it is a zombie");
    child.wait();
    assert!(wait().is_some(), "what is known needs no wait");
}

#[test]
fn a_wait_that_sleeps_is_woken_and_can_be_taken_up_again() {
    let mut child = actor(&["wait-then-exit", "3"]);
    let handle = ExitHandle::from_child(child.child()).unwrap();
    let (cancel, writer) = io::pipe().unwrap();
    let closer = thread::spawn(move || drop(writer));
    let wait = |fd| handle.wait_unless(&options(Until::Ended), fd).unwrap();
    assert_eq!(wait(cancel.as_fd()), None);
    closer.join().unwrap();
    let (quiet, _writer) = io::pipe().unwrap();
    child.release();
    let exit = wait(quiet.as_fd()).expect("it has ended");
    assert_eq!(exit.outcome, Outcome::Exited(3));
    child.wait();
}

#[test]
fn a_set_that_is_called_off_keeps_its_members() {
    let mut child = actor(&["wait-then-exit", "3"]);
    let set = WaitSet::new(Until::Ended).unwrap();
    set.add(ExitHandle::from_child(child.child()).unwrap())
        .unwrap();
    let cancel = called_off();
    let deadline = Deadline::after(Duration::from_mins(1));
    let wait = || set.wait_unless(Count::All, deadline, cancel.as_fd());
    assert!(wait().unwrap().is_empty());
    assert_eq!(set.len(), 1);
    child.release();
    child.wait_zombie();
    assert_eq!(wait().unwrap().len(), 1, "who has finished comes first");
    child.wait();
}
