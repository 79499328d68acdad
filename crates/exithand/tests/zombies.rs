//! Zombies: ended, not reaped, and open about it to some only.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use std::env;
use std::process::Command;
use std::time::Duration;

use common::{at_once, wait};
use exithand::{Count, Deadline, ExitHandle, Outcome, Pid, Source, State, Until, WaitSet, Why};
use exithand_testkit::{
    Apart, Middleman, Need, User, actor_command, listen, need, play_apart, run_as, say, test_name,
};
use rustix::process::geteuid;
use rustix::time::{ClockId, clock_gettime};

/// Long enough to tell a sleep from a spin by the CPU time used.
const WHILE: Duration = Duration::from_millis(400);
const CPU_AT_MOST: Duration = Duration::from_millis(100);

/// The CPU time of the calling thread while it does `work`.
fn cpu_of(work: impl FnOnce()) -> Duration {
    let now = || Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).unwrap();
    let before = now();
    work();
    now().saturating_sub(before)
}

#[test]
fn a_zombie_has_ended_and_is_not_reaped() {
    let mut middleman = Middleman::start(&["wait-then-exit", "5"]);
    let handle = ExitHandle::open(middleman.child()).unwrap();
    assert_eq!(handle.state().unwrap(), State::Alive);
    middleman.end();
    assert_eq!(handle.state().unwrap(), State::Ended);
    let exit = wait(&handle, Until::Ended);
    assert!(!exit.reaped);
    for _ in 0..3 {
        assert_eq!(handle.try_wait().unwrap(), Some(exit), "asked again");
        assert_eq!(wait(&handle, Until::Ended), exit, "waited again");
    }
    middleman.reap();
    assert_eq!(handle.state().unwrap(), State::Reaped);
    let after = wait(&handle, Until::Ended);
    assert!(after.reaped);
    assert_eq!((after.outcome, after.source), (exit.outcome, exit.source));
}

#[test]
fn a_zombie_can_be_opened_and_is_the_same_process() {
    let mut middleman = Middleman::start(&["wait-then-exit", "6"]);
    let early = ExitHandle::open(middleman.child()).unwrap();
    middleman.end();
    let late = ExitHandle::open(middleman.child()).unwrap();
    let by_token = ExitHandle::open_token(&early.token()).unwrap();
    for handle in [&late, &by_token] {
        assert_eq!(handle.token(), early.token());
        assert_eq!(at_once(handle).outcome, Outcome::Exited(6));
    }
    assert_eq!(middleman.reap(), 0x0600);
}

#[test]
fn waiting_for_the_reap_of_a_zombie_sleeps() {
    need!(Need::Pidfs);
    let mut middleman = Middleman::start(&["exit-with", "3"]);
    middleman.end();
    let handle = ExitHandle::open(middleman.child()).unwrap();
    let set = WaitSet::new(Until::Reaped).unwrap();
    set.add(handle.try_clone().unwrap()).unwrap();

    let cpu = cpu_of(|| {
        let exit = handle.wait(Until::Reaped, Deadline::after(WHILE)).unwrap();
        assert_eq!(exit, None, "nobody reaps");
    });
    assert!(
        cpu < CPU_AT_MOST,
        "a wait for the reap used {cpu:?} of {WHILE:?}"
    );
    let cpu = cpu_of(|| {
        let finished = set.wait(Count::All, Deadline::after(WHILE)).unwrap();
        assert!(finished.is_empty(), "nobody reaps");
    });
    assert!(
        cpu < CPU_AT_MOST,
        "a set for the reap used {cpu:?} of {WHILE:?}"
    );

    assert_eq!(middleman.reap(), 0x0300);
    assert_eq!(wait(&handle, Until::Reaped).outcome, Outcome::Exited(3));
    assert_eq!(set.wait(Count::All, Deadline::NOW).unwrap().len(), 1);
}

#[test]
fn root_reads_every_zombie() {
    need!(Need::Root, Need::OtherUsers);
    for part in ["wait-then-exit", "nondumpable"] {
        let mut middleman = Middleman::start(&["as-user", "65534", "65534", part, "7"]);
        let handle = ExitHandle::open(middleman.child()).unwrap();
        middleman.end();
        let exit = at_once(&handle);
        assert_eq!(exit.source, Some(Source::Zombie), "{part}");
        assert_eq!(exit.outcome.to_wait_status(), Some(middleman.reap()));
    }
}

/// Has root's command run as nobody.
fn unprivileged(command: Command) -> Command {
    if geteuid().is_root() {
        run_as(User::NOBODY, command)
    } else {
        command
    }
}

/// What the test that runs as nobody does with the zombie of somebody else.
fn see_a_hidden_zombie(why: Why) {
    let pid: i32 = env::var("ZOMBIE").unwrap().parse().unwrap();
    let handle = ExitHandle::open(Pid::from_raw(pid).unwrap()).unwrap();
    let exit = wait(&handle, Until::Ended);
    assert_eq!(exit.outcome, Outcome::Unknown { why });
    assert_eq!((exit.source, exit.reaped), (None, false));
    assert_eq!(handle.outcome().unwrap(), Some(exit.outcome), "asked again");
    say("hidden");
    listen();
    let exit = wait(&handle, Until::Ended);
    assert!(exit.reaped);
    if Need::PidfdInfoExit.met() {
        assert_eq!(exit.outcome, Outcome::Exited(9));
        assert_eq!(exit.source, Some(Source::Pidfd));
    } else {
        let why = Why::OldKernel;
        assert_eq!(exit.outcome, Outcome::Unknown { why });
    }
}

/// Keeps the zombie while nobody looks at it, then reaps it.
fn show_to_nobody(test: &str, mut middleman: Middleman) {
    middleman.end();
    let pid = middleman.child().to_string();
    let mut nobody = Apart::start(test, |mut command| {
        command.env("ZOMBIE", pid);
        unprivileged(command)
    });
    nobody.hear("hidden");
    assert_eq!(middleman.reap(), 0x0900);
    nobody.go();
    nobody.finish();
}

#[test]
fn another_users_zombie_is_unknown_until_the_reap() {
    if play_apart(test_name!(), || see_a_hidden_zombie(Why::ForeignZombie)) {
        return;
    }
    need!(Need::OtherUsers);
    show_to_nobody(test_name!(), Middleman::start(&["wait-then-exit", "9"]));
    show_to_nobody(test_name!(), Middleman::start(&["exit-with", "9"]));
}

#[test]
fn a_protected_zombie_of_our_own_is_unknown_until_the_reap() {
    if play_apart(test_name!(), || see_a_hidden_zombie(Why::ProtectedZombie)) {
        return;
    }
    need!(Need::UnprivilegedUser);
    let command = unprivileged(actor_command(&["middleman", "nondumpable", "9"]));
    show_to_nobody(test_name!(), Middleman::start_as(command));
}

#[test]
fn a_zombie_of_our_own_is_readable_without_privilege() {
    let play = || {
        assert!(!geteuid().is_root());
        let mut middleman = Middleman::start(&["wait-then-exit", "4"]);
        let handle = ExitHandle::open(middleman.child()).unwrap();
        middleman.end();
        let exit = at_once(&handle);
        assert_eq!(exit.source, Some(Source::Zombie));
        assert_eq!(exit.outcome.to_wait_status(), Some(middleman.reap()));
    };
    if play_apart(test_name!(), play) {
        return;
    }
    need!(Need::UnprivilegedUser);
    Apart::start(test_name!(), unprivileged).finish();
}
