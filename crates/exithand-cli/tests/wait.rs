//! `exithand wait` on real processes, against `wait(2)`.

mod common;

use common::{Waiter, exithand, finish, gone, pid, run, run_with_input, start, word};
use exithand_testkit::{Need, actor, need};

#[test]
fn says_how_a_process_ended_and_leaves_its_status_to_the_parent() {
    let mut three = actor(&["wait-then-exit", "3"]);
    let waiter = start(exithand().args(["wait", &pid(&three)]));
    three.release();
    let ran = finish(waiter).exits(0);
    assert_eq!(
        ran.stdout,
        format!("{}  exithand-actor  exited 3\n", pid(&three))
    );
    assert_eq!(three.wait(), 0x0300, "the parent still gets the status");
}

#[test]
fn says_which_signal_killed() {
    let mut hung = actor(&["hang"]);
    let waiter = start(exithand().args(["wait", &pid(&hung)]));
    hung.kill();
    let ran = finish(waiter).exits(0);
    assert_eq!(
        ran.stdout,
        format!("{}  exithand-actor  killed 9 KILL\n", pid(&hung))
    );
    assert_eq!(hung.wait(), 9);
}

#[test]
fn a_process_reaped_by_somebody_else_still_tells() {
    need!(Need::PidfdInfoExit);
    let mut parent = actor(&["autoreap", "7"]);
    let child = word(parent.told_pid());
    let waiter = Waiter::start(&["--json", &child]);
    parent.release();
    let [line] = &waiter.finish().exits(0).json()[..] else {
        panic!("one line more")
    };
    assert_eq!(line["outcome"], "exited", "{line}");
    assert_eq!(line["status"], 7, "{line}");
    assert_eq!(line["state"], "reaped", "{line}");
    assert_eq!(line["source"], "pidfd", "{line}");
}

#[test]
fn propagates_the_status_the_signal_and_the_first_failure() {
    let mut five = actor(&["wait-then-exit", "5"]);
    five.release();
    five.wait_zombie();
    run(&["wait", "--propagate", &pid(&five)]).exits(5);

    let mut killed = actor(&["hang"]);
    killed.kill();
    killed.wait_zombie();
    run(&["wait", "--propagate", "--quiet", &pid(&killed)])
        .exits(137)
        .prints("");

    let mut zero = actor(&["wait-then-exit", "0"]);
    zero.release();
    zero.wait_zombie();
    run(&["wait", "--propagate", &pid(&zero)]).exits(0);
    run(&["wait", "--propagate", &pid(&zero), &pid(&five)]).exits(5);
    run(&["wait", "--propagate", "--missing", "ok", &gone()]).exits(126);
}

#[test]
fn any_and_count_return_before_the_rest_has_ended() {
    let hung = actor(&["hang"]);
    let mut first = actor(&["exit-with", "1"]);
    let mut second = actor(&["exit-with", "2"]);
    first.wait_zombie();
    second.wait_zombie();
    let pids = [pid(&hung), pid(&first), pid(&second)];
    let all: Vec<&str> = pids.iter().map(String::as_str).collect();
    let any = run(&[&["wait", "--any"], &all[..]].concat()).exits(0);
    assert!(
        any.stdout.lines().count() >= 1 && !any.stdout.contains("alive"),
        "{any:?}"
    );
    let two = run(&[&["wait", "--count", "2"], &all[..]].concat()).exits(0);
    assert_eq!(two.stdout.lines().count(), 2, "{two:?}");
    run(&[&["wait", "--count", "3", "--timeout", "0"], &all[..]].concat()).exits(124);
    assert_eq!((first.wait(), second.wait()), (0x0100, 0x0200));
}

#[test]
fn a_zombie_reaped_during_the_wait_counts_once() {
    let mut hung = actor(&["hang"]);
    let mut zombie = actor(&["exit-with", "1"]);
    zombie.wait_zombie();
    let mut waiter = Waiter::start(&[&pid(&zombie), &pid(&hung)]);
    assert!(waiter.read_line().ends_with("exited 1\n"));
    zombie.wait();
    assert!(
        waiter.child.try_wait().unwrap().is_none(),
        "one of two has ended"
    );
    hung.kill();
    assert!(waiter.read_line().ends_with("killed 9 KILL\n"));
    waiter.finish().exits(0);
}

#[test]
fn a_timeout_lists_who_is_left() {
    let hung = actor(&["hang"]);
    let mut done = actor(&["exit-with", "0"]);
    done.wait_zombie();
    let (hung_pid, done_pid) = (pid(&hung), pid(&done));
    let ran = run(&["wait", "--timeout", "10ms", &hung_pid, &done_pid])
        .exits(124)
        .complains("timed out after 10ms")
        .complains("1 of 2 still alive");
    assert!(
        ran.stdout
            .contains(&format!("{hung_pid}  exithand-actor  alive\n")),
        "{ran:?}"
    );
    assert!(
        ran.stdout
            .contains(&format!("{done_pid}  exithand-actor  exited 0\n")),
        "{ran:?}"
    );
    let json = run(&["wait", "--timeout", "0", "--json", &hung_pid])
        .exits(124)
        .json();
    assert_eq!(
        (&json[0]["state"], &json[0]["v"]),
        (&"alive".into(), &1.into())
    );
    run(&["wait", "--timeout", "0", "--quiet", &hung_pid])
        .exits(124)
        .prints("");
    done.wait();
}

#[test]
fn missing_targets_fail_first_or_count_as_ended() {
    let hung = actor(&["hang"]);
    let (gone, hung) = (gone(), pid(&hung));
    run(&["wait", &hung, &gone])
        .exits(127)
        .prints("")
        .complains(&format!("no process with pid {gone}"));
    run(&["wait", "--missing", "ok", "--any", &hung, &gone]).exits(0);
    run(&["wait", "--missing", "ok", "--timeout", "0", &hung, &gone]).exits(124);
    let json = run(&["wait", "--missing", "ok", "--json", &gone])
        .exits(0)
        .json();
    assert_eq!(
        (&json[0]["state"], &json[0]["target"]),
        (&"missing".into(), &gone.into())
    );
}

#[test]
fn the_same_process_named_twice_is_one_target() {
    let mut actor = actor(&["exit-with", "4"]);
    actor.wait_zombie();
    let pid = pid(&actor);
    let token = run(&["id", &pid]).exits(0).stdout;
    let ran = run(&["wait", &pid, &pid, token.trim()]).exits(0);
    assert_eq!(ran.stdout.lines().count(), 1, "{ran:?}");
    run(&["wait", "--count", "2", &pid, token.trim()])
        .exits(2)
        .complains("--count 2 is more than the 1 target given");
    actor.wait();
}

#[test]
fn reads_targets_from_standard_input() {
    let mut actors = [actor(&["exit-with", "1"]), actor(&["exit-with", "2"])];
    actors.iter().for_each(exithand_testkit::Actor::wait_zombie);
    let list = format!("{}\n  {}\n", pid(&actors[0]), pid(&actors[1]));
    let ran = run_with_input(&["wait", "-"], &list).exits(0);
    assert_eq!(ran.stdout.lines().count(), 2, "{ran:?}");
    run_with_input(&["wait", "-"], "12 nonsense")
        .exits(2)
        .complains("nonsense");
    run_with_input(&["wait", "-"], "")
        .exits(2)
        .complains("no target");
    assert_eq!(
        actors.each_mut().map(|actor| actor.wait()),
        [0x0100, 0x0200]
    );
}

#[test]
fn waits_for_the_reap_when_asked_to() {
    need!(Need::Pidfs);
    let mut zombie = actor(&["exit-with", "6"]);
    zombie.wait_zombie();
    let pid = pid(&zombie);
    run(&["wait", "--until", "reaped", "--timeout", "10ms", &pid]).exits(124);

    let mut reaped = actor(&["wait-then-exit", "1"]);
    let mut waiter = Waiter::start(&["--until", "reaped", &common::pid(&reaped), &pid]);
    reaped.release();
    assert_eq!(reaped.wait(), 0x0100);
    waiter.read_line();
    assert_eq!(zombie.wait(), 0x0600);
    waiter.finish().exits(0);
}

#[test]
fn stopping_and_continuing_the_waiter_changes_nothing() {
    let mut actor = actor(&["wait-then-exit", "2"]);
    let mut waiter = Waiter::start(&[&pid(&actor)]);
    let handle = exithand::ExitHandle::from_child(&waiter.child).unwrap();
    for signal in [exithand::Signal::STOP, exithand::Signal::CONT] {
        handle.send_signal(signal).unwrap();
    }
    assert!(waiter.child.try_wait().unwrap().is_none());
    actor.release();
    let ran = waiter.finish().exits(0);
    assert!(ran.stdout.ends_with("exited 2\n"), "{ran:?}");
    actor.wait();
}
