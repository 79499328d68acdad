//! Parents of every kind: who ignore SIGCHLD, who adopt, who die first, and pid 1.

mod common;

use common::wait;
use exithand::{Exit, ExitHandle, Outcome, Source, State, Until, Why};
use exithand_testkit::{Need, actor, need, run_isolated, test_name, wait_zombie};
use rustix::process::{WaitOptions, waitpid};

/// What is heard of a process that nobody could look at before it was reaped.
fn assert_heard_late(exit: &Exit, status: u8) {
    assert!(exit.reaped);
    if Need::PidfdInfoExit.met() {
        assert_eq!(exit.outcome, Outcome::Exited(status));
        assert_eq!(exit.source, Some(Source::Pidfd));
    } else {
        let why = Why::OldKernel;
        assert_eq!(exit.outcome, Outcome::Unknown { why });
        assert_eq!(exit.source, None);
    }
}

#[test]
fn a_child_whose_parent_ignores_sigchld_is_reaped_at_once() {
    let mut parent = actor(&["autoreap", "21"]);
    let handle = ExitHandle::open(parent.told_pid()).unwrap();
    assert_eq!(handle.state().unwrap(), State::Alive);
    parent.go();
    assert_heard_late(&wait(&handle, Until::Reaped), 21);
    assert_eq!(parent.read_line(), "gone");
    assert_heard_late(&wait(&handle, Until::Ended), 21);
}

#[test]
fn waiting_for_the_end_alone_hears_of_an_autoreaped_child_too() {
    let mut parent = actor(&["autoreap", "22"]);
    let handle = ExitHandle::open(parent.told_pid()).unwrap();
    parent.go();
    assert_heard_late(&wait(&handle, Until::Ended), 22);
}

#[test]
fn an_adopted_grandchild_is_heard_of() {
    need!(Need::PidfdInfoExit);
    let mut subreaper = actor(&["subreaper", "23"]);
    let handle = ExitHandle::open(subreaper.told_pid()).unwrap();
    assert_eq!(handle.state().unwrap(), State::Alive);
    subreaper.go();
    let exit = wait(&handle, Until::Reaped);
    assert_eq!(exit.outcome, Outcome::Exited(23));
    assert!(exit.reaped);
    assert_eq!(subreaper.read_line(), "reaped");
}

/// Pid 1 here is the test itself, which sees the orphan become its own child.
#[test]
fn an_orphan_keeps_its_identity_and_is_reaped_by_pid_1() {
    run_isolated(test_name!(), || {
        let mut parent = actor(&["orphan", "wait-then-exit", "24"]);
        let orphan = parent.told_pid();
        let handle = ExitHandle::open(orphan).unwrap();
        assert_eq!(parent.wait(), 0, "the parent dies first");
        assert_eq!(handle.state().unwrap(), State::Alive);
        let again = ExitHandle::open_token(&handle.token()).unwrap();
        assert_eq!(again.token(), handle.token());

        parent.release();
        let exit = wait(&handle, Until::Ended);
        assert_eq!(exit.source, Some(Source::Child), "adopted");
        let (_, truth) = waitpid(Some(orphan), WaitOptions::empty())
            .unwrap()
            .unwrap();
        assert_eq!(exit.outcome.to_wait_status(), Some(truth.as_raw()));
        let late = wait(&again, Until::Reaped);
        if Need::PidfdInfoExit.met() {
            assert_eq!(late.outcome, exit.outcome);
        }
    });
}

#[test]
fn a_zombie_whose_parent_dies_goes_to_pid_1() {
    run_isolated(test_name!(), || {
        let mut parent = actor(&["zombie-parent", "25"]);
        let zombie = parent.told_pid();
        let handle = ExitHandle::open(zombie).unwrap();
        let exit = wait(&handle, Until::Ended);
        assert_eq!(exit.source, Some(Source::Zombie));
        assert_eq!(exit.outcome, Outcome::Exited(25));
        parent.kill();
        assert_eq!(parent.wait(), 9);

        wait_zombie(zombie).expect("it is our child now");
        assert_eq!(handle.state().unwrap(), State::Ended);
        let late = ExitHandle::open(zombie).unwrap();
        assert_eq!(wait(&late, Until::Ended).source, Some(Source::Child));
        let (_, truth) = waitpid(Some(zombie), WaitOptions::empty())
            .unwrap()
            .unwrap();
        assert_eq!(truth.as_raw(), 25 << 8);
        assert_eq!(handle.state().unwrap(), State::Reaped);
    });
}

/// The init of this machine, whatever it is, reaps too; its reap is what the wait ends with.
#[test]
fn an_orphan_of_this_machine_is_heard_of() {
    need!(Need::PidfdInfoExit);
    let mut parent = actor(&["orphan", "wait-then-exit", "26"]);
    let handle = ExitHandle::open(parent.told_pid()).unwrap();
    assert_eq!(parent.wait(), 0);
    parent.release();
    let exit = wait(&handle, Until::Ended);
    assert_eq!(exit.outcome, Outcome::Exited(26));
}
