//! Every actor ends as its name promises, by the word of `wait4(2)`.

use std::fs;
use std::os::unix::fs::MetadataExt;

use exithand_testkit::{
    Actor, Need, Pid, User, actor, actor_command, need, run_as, wait_ended, with_descriptor_limit,
};
use rustix::process::{PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

fn signal(pid: Pid, number: Signal) {
    let pidfd = pidfd_open(pid, PidfdFlags::empty()).expect("open a pidfd");
    pidfd_send_signal(&pidfd, number).expect("send a signal");
}

/// A field of `/proc/PID/stat` counted from the state letter, which is 0; `None` once it is gone.
fn stat_field(pid: Pid, field: usize) -> Option<String> {
    let text = fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())).ok()?;
    let (_, rest) = text.rsplit_once(") ")?;
    rest.split(' ').nth(field).map(str::to_owned)
}

fn state(pid: Pid) -> Option<String> {
    stat_field(pid, 0)
}

fn parent(pid: Pid) -> Option<Pid> {
    stat_field(pid, 1)?.parse().ok().and_then(Pid::from_raw)
}

#[test]
fn actors_end_as_promised_on_go() {
    for (args, status) in [
        (&["exit-with", "0"][..], 0),
        (&["exit-with", "255"], 0xff00),
        (&["wait-then-exit", "3"], 0x0300),
        (&["nondumpable", "6"], 0x0600),
        (&["leader-exits-first"], 0x0900),
        (&["leader-then-exit-group"], 0x0700),
        (&["worker-exit-group"], 0x0700),
        (&["leader-execs"], 0x0400),
        (&["worker-execs"], 0x0400),
        (&["worker-execs", "wait-then-exit", "8"], 0x0800),
    ] {
        let mut actor = actor(args);
        actor.release();
        assert_eq!(actor.wait(), status, "{args:?}");
    }
}

#[test]
fn actors_that_run_until_killed_are_killed() {
    for args in [["hang"], ["ignore-term"], ["killed-two-threads"]] {
        let mut actor = actor(&args);
        assert_eq!(actor.try_wait().unwrap(), None, "{args:?}");
        actor.kill();
        assert_eq!(actor.wait(), 9, "{args:?}");
    }
}

#[test]
fn core_dumps_show_in_the_wait_status() {
    need!(Need::CoreDumps);
    for (args, status) in [(["abort"], 0x86), (["segv-core"], 0x8b)] {
        let mut actor = actor(&args);
        actor.release();
        assert_eq!(actor.wait(), status, "{args:?}");
    }
}

#[test]
fn a_dead_leader_is_a_zombie_while_the_process_runs() {
    for name in ["leader-exits-first", "leader-then-exit-group"] {
        let mut actor = actor(&[name]);
        assert_eq!(state(actor.pid()).as_deref(), Some("Z"), "{name}");
        assert_eq!(actor.try_wait().unwrap(), None, "{name}");
    }
}

#[test]
fn exec_by_any_thread_keeps_the_pid() {
    for name in ["leader-execs", "worker-execs"] {
        let mut actor = actor(&[name, "wait-then-exit", "8"]);
        assert_ne!(
            actor.told_pid(),
            actor.pid(),
            "the told tid is the worker's"
        );
        actor.go();
        assert_eq!(actor.read_line(), "ready", "{name}: the new image speaks");
        assert_eq!(actor.try_wait().unwrap(), None, "{name}: an exec is no end");
        actor.release();
        assert_eq!(actor.wait(), 0x0800, "{name}");
    }
}

#[test]
fn a_thread_ends_before_its_process() {
    let mut actor = actor(&["thread-ends"]);
    let task = format!("/proc/{0}/task/{1}", actor.pid(), actor.told_pid());
    assert!(fs::exists(&task).unwrap());
    actor.go();
    assert_eq!(actor.read_line(), "ended");
    assert!(!fs::exists(&task).unwrap());
    assert_eq!(actor.try_wait().unwrap(), None);
    actor.release();
    assert_eq!(actor.wait(), 0);
}

#[test]
fn sigterm_is_ignored_where_promised() {
    let mut plain = actor(&["hang"]);
    signal(plain.pid(), Signal::TERM);
    assert_eq!(plain.wait(), 15);

    let mut ignoring = actor(&["ignore-term"]);
    signal(ignoring.pid(), Signal::TERM);
    // A signal that is ignored leaves no trace to wait for: the actor still ends in its own way.
    ignoring.release();
    assert_eq!(ignoring.wait(), 0);
}

#[test]
fn a_zombie_stays_until_its_parent_reaps() {
    let mut actor = actor(&["zombie-parent", "3"]);
    let zombie = actor.told_pid();
    assert_eq!(state(zombie).as_deref(), Some("Z"));
    assert_eq!(parent(zombie), Some(actor.pid()));
    actor.go();
    assert_eq!(actor.read_line(), "reaped");
    assert_eq!(state(zombie), None);
}

#[test]
fn an_autoreaped_child_leaves_no_zombie() {
    let mut actor = actor(&["autoreap", "3"]);
    let child = actor.told_pid();
    assert_eq!(parent(child), Some(actor.pid()));
    actor.go();
    assert_eq!(actor.read_line(), "gone");
    assert_eq!(state(child), None);
}

#[test]
fn a_subreaper_adopts_and_reaps_the_grandchild() {
    let mut actor = actor(&["subreaper", "3"]);
    let grandchild = actor.told_pid();
    assert_eq!(parent(grandchild), Some(actor.pid()));
    actor.go();
    assert_eq!(actor.read_line(), "reaped");
    assert_eq!(state(grandchild), None);
}

#[test]
fn sigterm_leaves_an_orphan_that_ends_with_the_test() {
    let mut actor = actor(&["fork-on-term"]);
    signal(actor.pid(), Signal::TERM);
    let orphan = actor.read_line();
    let orphan = orphan
        .strip_prefix("ready ")
        .and_then(|pid| Pid::from_raw(pid.parse().ok()?));
    let orphan = orphan.unwrap();
    assert_eq!(actor.wait(), 0);
    assert_ne!(parent(orphan), Some(actor.pid()));
    drop(actor);
    wait_ended(orphan).unwrap();
}

#[test]
fn a_bounded_fork_bomb_forks_until_stdin_closes() {
    let mut actor = actor(&["fork-bomb-bounded", "8"]);
    assert_eq!(actor.try_wait().unwrap(), None);
    actor.release();
    assert_eq!(
        actor.wait(),
        0,
        "the root ends when all its descendants are reaped"
    );
}

#[test]
fn a_nondumpable_process_belongs_to_root() {
    need!(Need::OtherUsers);
    for (name, uid) in [("wait-then-exit", User::NOBODY.uid), ("nondumpable", 0)] {
        let actor = Actor::start(run_as(User::NOBODY, actor_command(&[name, "0"])));
        let owner = fs::metadata(format!("/proc/{}/environ", actor.pid()))
            .unwrap()
            .uid();
        assert_eq!(owner, uid, "{name}");
    }
}

#[test]
fn an_actor_runs_as_another_user() {
    need!(Need::OtherUsers);
    let mut actor = actor(&["as-user", "61234", "61234", "wait-then-exit", "2"]);
    assert_eq!(
        fs::metadata(format!("/proc/{}", actor.pid()))
            .unwrap()
            .uid(),
        61234
    );
    actor.release();
    assert_eq!(actor.wait(), 0x0200);
}

#[test]
fn descriptor_limits_reach_the_program() {
    let actor = Actor::start(with_descriptor_limit(23, actor_command(&["hang"])));
    let limits = fs::read_to_string(format!("/proc/{}/limits", actor.pid())).unwrap();
    let line = limits
        .lines()
        .find(|line| line.starts_with("Max open files"))
        .unwrap();
    assert_eq!(
        line.split_whitespace().skip(3).take(2).collect::<Vec<_>>(),
        ["23", "23"]
    );
}

#[test]
fn wait_zombie_leaves_the_zombie() {
    let mut actor = actor(&["exit-with", "1"]);
    actor.wait_zombie();
    assert_eq!(state(actor.pid()).as_deref(), Some("Z"));
    assert_eq!(actor.wait(), 0x0100);
}

#[test]
fn a_dropped_actor_is_gone() {
    for name in [
        "hang",
        "ignore-term",
        "killed-two-threads",
        "leader-exits-first",
    ] {
        let actor = actor(&[name]);
        let pid = actor.pid();
        drop(actor);
        assert_eq!(state(pid), None, "{name}");
    }
}
