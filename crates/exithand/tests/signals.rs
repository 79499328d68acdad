//! What is sent to a handle reaches that process or nobody.

use exithand::{Deadline, Errno, Error, ExitHandle, Signal, Until};
use exithand_testkit::{Apart, Middleman, Need, User, actor, need, play_apart, run_as, test_name};
use rustix::process::getppid;

#[test]
fn the_reaped_take_nothing() {
    let mut actor = actor(&["exit-with", "9"]);
    let handle = ExitHandle::from_child(actor.child()).unwrap();
    actor.wait();
    for signal in [Signal::TERM, Signal::KILL] {
        let refused = handle.send_signal(signal).unwrap_err();
        assert!(matches!(refused, Error::Ended(token) if token == handle.token()));
    }
    let refused = handle.release_memory().unwrap_err();
    assert!(
        refused.is_gone() || !Need::ProcessMrelease.met(),
        "{refused:?}"
    );
}

#[test]
fn a_zombie_takes_every_signal() {
    let mut middleman = Middleman::start(&["exit-with", "3"]);
    let handle = ExitHandle::open(middleman.child()).unwrap();
    middleman.end();
    for signal in [Signal::TERM, Signal::KILL, Signal::STOP] {
        handle.send_signal(signal).unwrap();
    }
    assert_eq!(middleman.reap(), 0x0300, "and ends as it had ended");
}

#[test]
fn a_process_of_another_user_is_waited_for_and_not_signalled() {
    let play = || {
        let handle = ExitHandle::open(getppid().unwrap()).unwrap();
        let refused = handle.send_signal(Signal::TERM).unwrap_err();
        assert!(
            matches!(refused, Error::NotPermitted { action: "signal", token }
                if token == handle.token()),
            "{refused:?}"
        );
        assert_eq!(refused.errno(), Errno::PERM);
        let now = handle.wait(Until::Ended, Deadline::NOW).unwrap();
        assert_eq!(now, None, "it lives");
    };
    if play_apart(test_name!(), play) {
        return;
    }
    need!(Need::OtherUsers);
    Apart::start(test_name!(), |command| run_as(User::NOBODY, command)).finish();
}

#[test]
fn memory_is_released_for_the_killed_only() {
    need!(Need::ProcessMrelease);
    let mut actor = actor(&["hang"]);
    let handle = ExitHandle::open(actor.pid()).unwrap();
    let refused = handle.release_memory().unwrap_err();
    assert_eq!(refused.errno(), Errno::INVAL, "it lives");
    handle.send_signal(Signal::KILL).unwrap();
    match handle.release_memory() {
        Ok(()) => {}
        // It was faster.
        Err(error) => assert!(error.is_gone(), "{error:?}"),
    }
    assert_eq!(actor.wait(), 9);
}
