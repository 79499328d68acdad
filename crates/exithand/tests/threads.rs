//! Processes of several threads, where "has it ended" and "how" are easily answered wrong.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use std::fs;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use common::wait;
use exithand::{
    Count, Deadline, Error, ExitHandle, Outcome, Pid, Signal, Source, State, Until, WaitSet,
};
use exithand_testkit::{Middleman, Need, actor, need};
use rustix::fs::{OFlags, fcntl_getfl};
use rustix::thread::gettid;

/// Programs that end on go; the last of all has to be killed.
const PROGRAMS: [&str; 7] = [
    "leader-exits-first",
    "leader-then-exit-group",
    "worker-exit-group",
    "abort",
    "leader-execs",
    "worker-execs",
    KILLED,
];
const KILLED: &str = "killed-two-threads";

fn state_letter(pid: Pid) -> String {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    stat.rsplit_once(") ").unwrap().1[..1].to_owned()
}

#[test]
fn a_parent_hears_what_wait4_says() {
    for program in PROGRAMS {
        let mut actor = actor(&[program]);
        let handle = ExitHandle::from_child(actor.child()).unwrap();
        let silent = handle.try_clone().unwrap();
        assert_eq!(handle.try_wait().unwrap(), None, "{program} runs");
        if program == KILLED {
            handle.send_signal(Signal::KILL).unwrap();
        } else {
            actor.release();
        }
        let exit = wait(&handle, Until::Ended);
        assert!(!exit.reaped, "{program}");
        assert_eq!(exit.source, Some(Source::Child), "{program}");

        let truth = actor.wait();
        assert_eq!(exit.outcome.to_wait_status(), Some(truth), "{program}");
        assert_eq!(wait(&handle, Until::Reaped).outcome, exit.outcome);
        if Need::PidfdInfoExit.met() {
            let late = wait(&silent, Until::Ended);
            assert_eq!(
                late.outcome, exit.outcome,
                "{program}, asked after the reap"
            );
            assert_eq!(late.source, Some(Source::Pidfd), "{program}");
        }
    }
}

#[test]
fn a_stranger_hears_what_wait4_says_to_the_parent() {
    for program in PROGRAMS {
        let mut middleman = Middleman::start(&[program]);
        let handle = ExitHandle::open(middleman.child()).unwrap();
        let silent = handle.try_clone().unwrap();
        assert_eq!(handle.try_wait().unwrap(), None, "{program} runs");
        if program == KILLED {
            handle.send_signal(Signal::KILL).unwrap();
        }
        middleman.end();
        let exit = wait(&handle, Until::Ended);
        assert_eq!(exit.source, Some(Source::Zombie), "{program}");
        assert!(!exit.reaped, "{program}");

        let truth = middleman.reap();
        assert_eq!(exit.outcome.to_wait_status(), Some(truth), "{program}");
        if Need::PidfdInfoExit.met() {
            let late = wait(&silent, Until::Reaped);
            assert_eq!(
                late.outcome, exit.outcome,
                "{program}, asked after the reap"
            );
            assert_eq!(late.source, Some(Source::Pidfd), "{program}");
        }
    }
}

#[test]
fn a_dead_leader_is_no_end_while_a_worker_runs() {
    for (program, status) in [("leader-exits-first", 9), ("leader-then-exit-group", 7)] {
        let mut actor = actor(&[program]);
        let handle = ExitHandle::open(actor.pid()).unwrap();
        let set = WaitSet::new(Until::Ended).unwrap();
        set.add(handle.try_clone().unwrap()).unwrap();

        assert_eq!(state_letter(actor.pid()), "Z", "{program}");
        assert_eq!(handle.state().unwrap(), State::Alive, "{program}");
        assert_eq!(handle.outcome().unwrap(), None, "{program}");
        let soon = Deadline::after(Duration::from_millis(20));
        assert_eq!(handle.wait(Until::Ended, soon).unwrap(), None, "{program}");
        assert!(set.wait(Count::Any, Deadline::NOW).unwrap().is_empty());

        actor.release();
        let exit = wait(&handle, Until::Ended);
        assert_eq!(exit.outcome, Outcome::Exited(status), "{program}");
        assert_eq!(set.wait(Count::All, Deadline::NOW).unwrap().len(), 1);
    }
}

#[test]
fn an_exec_by_any_thread_is_no_end_and_no_new_process() {
    for program in ["leader-execs", "worker-execs"] {
        let mut actor = actor(&[program, "wait-then-exit", "8"]);
        let handle = ExitHandle::open(actor.pid()).unwrap();
        actor.go();
        assert_eq!(
            actor.read_line(),
            "ready",
            "{program}: the new image speaks"
        );

        assert_eq!(handle.state().unwrap(), State::Alive, "{program}");
        let again = ExitHandle::open(actor.pid()).unwrap();
        assert_eq!(again.token(), handle.token(), "{program}");
        let by_token = ExitHandle::open_token(&handle.token()).unwrap();
        assert_eq!(by_token.token(), handle.token(), "{program}");

        actor.release();
        assert_eq!(wait(&handle, Until::Ended).outcome, Outcome::Exited(8));
        assert_eq!(wait(&by_token, Until::Ended).outcome, Outcome::Exited(8));
    }
}

#[test]
fn a_thread_has_an_end_of_its_own() {
    need!(Need::PidfdThread);
    let mut actor = actor(&["thread-ends"]);
    let process = ExitHandle::open(actor.pid()).unwrap();
    let worker = ExitHandle::open_thread(actor.told_pid()).unwrap();
    assert_ne!(worker.token(), process.token());
    assert_eq!(worker.state().unwrap(), State::Alive);

    actor.go();
    assert_eq!(actor.read_line(), "ended");
    let exit = wait(&worker, Until::Reaped);
    if Need::PidfdInfoExit.met() {
        assert_eq!(exit.outcome, Outcome::Exited(0));
    } else {
        assert!(!exit.outcome.is_known());
    }
    assert_eq!(process.state().unwrap(), State::Alive);
    assert!(matches!(
        ExitHandle::open_token(&worker.token()),
        Err(Error::Ended(token)) if token == worker.token()
    ));
}

#[test]
fn a_threads_token_opens_that_thread() {
    need!(Need::PidfdThread, Need::PidfsHandles);
    let mut actor = actor(&["thread-ends"]);
    let process = ExitHandle::open(actor.pid()).unwrap();
    let worker = ExitHandle::open_thread(actor.told_pid()).unwrap();
    let opened = ExitHandle::open_token(&worker.token()).unwrap();
    assert_eq!(opened.token(), worker.token());
    assert_eq!(opened.pid(), Some(actor.told_pid()));
    let flags = fcntl_getfl(&opened).unwrap();
    assert!(flags.contains(OFlags::EXCL), "PIDFD_THREAD: {flags:?}");
    actor.go();
    assert_eq!(actor.read_line(), "ended");
    assert_eq!(wait(&opened, Until::Reaped).token, worker.token());
    assert_eq!(process.state().unwrap(), State::Alive);

    let own = ExitHandle::open_thread(gettid()).unwrap();
    let own = ExitHandle::open_token(&own.token()).unwrap();
    let refused = own.wait(Until::Ended, Deadline::NOW);
    assert!(matches!(refused, Err(Error::Itself(tid)) if tid == gettid()));
}

#[test]
fn the_leaders_end_is_that_of_the_process() {
    // Some kernels from 6.9 on report the leader as soon as it alone has ended.
    need!(Need::PidfdThread, Need::PidfdInfoExit);
    let mut actor = actor(&["leader-exits-first"]);
    let leader = ExitHandle::open_thread(actor.pid()).unwrap();
    assert_eq!(state_letter(actor.pid()), "Z");
    assert_eq!(leader.state().unwrap(), State::Alive);
    actor.release();
    assert_eq!(wait(&leader, Until::Ended).outcome, Outcome::Exited(9));
    assert_eq!(actor.wait(), 0x0900);
}

#[test]
fn a_thread_of_our_own_can_be_waited_for_by_the_others_only() {
    need!(Need::PidfdThread);
    let (to_us, from_thread) = mpsc::channel();
    let (end, told_to_end) = mpsc::channel::<()>();
    let worker = thread::spawn(move || {
        let own = ExitHandle::open_thread(gettid()).unwrap();
        let refused = own.wait(Until::Ended, Deadline::NOW);
        assert!(matches!(refused, Err(Error::Itself(tid)) if tid == gettid()));
        to_us.send(own).unwrap();
        told_to_end.recv().unwrap();
    });
    let handle = from_thread.recv().unwrap();
    assert_eq!(handle.wait(Until::Ended, Deadline::NOW).unwrap(), None);
    end.send(()).unwrap();
    assert!(
        wait(&handle, Until::Ended).reaped,
        "threads leave no zombies"
    );
    worker.join().unwrap();
}
