//! `exithand kill` on real processes: what it prints, and its exit codes. Trees and cgroups are
//! tried in `kill`, against the engine.

mod common;

use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use common::{Ran, exithand, gone, pid, run, run_with_input};
use exithand_testkit::{
    Actor, Cgroup, Hierarchy, Need, User, actor, actor_command, copy_program, need, run_as,
};

#[test]
fn waits_until_the_targets_are_gone_and_says_how() {
    let mut polite = actor(&["hang"]);
    let mut other = actor(&["hang"]);
    let pids = [pid(&polite), pid(&other)];
    let ran = run(&["kill", &pids[0], &pids[1]]).exits(0);
    for pid in &pids {
        assert!(
            ran.stdout
                .contains(&format!("{pid}  exithand-actor  killed 15 TERM\n")),
            "{ran:?}"
        );
    }
    assert_eq!((polite.wait(), other.wait()), (15, 15));
}

#[test]
fn sends_the_signal_asked_for() {
    for (signal, status) in [("INT", 2), ("sigusr1", 10), ("9", 9), ("RTMIN+1", 35)] {
        let mut target = actor(&["hang"]);
        run(&["kill", "-s", signal, &pid(&target)]).exits(0);
        assert_eq!(target.wait(), status, "{signal}");
    }
}

#[test]
fn escalates_at_the_timeout_and_says_so() {
    let mut stubborn = actor(&["ignore-term"]);
    let target = pid(&stubborn);
    let ran = run(&["kill", "--json", "--timeout", "50ms", &target])
        .exits(0)
        .complains("1 still alive after 50ms: sending SIGKILL");
    let [line] = &ran.json()[..] else {
        panic!("{ran:?}")
    };
    assert_eq!(line["signals"], serde_json::json!(["SIGTERM", "SIGKILL"]));
    assert_eq!(
        (&line["outcome"], &line["signal"]),
        (&"killed".into(), &9.into())
    );
    assert_eq!(stubborn.wait(), 9);
}

#[test]
fn gives_up_where_no_second_signal_is_wanted() {
    let stubborn = actor(&["ignore-term"]);
    let target = pid(&stubborn);
    run(&["kill", "--timeout", "50ms", "--then", "none", &target])
        .exits(124)
        .prints(&format!("{target}  exithand-actor  alive\n"))
        .complains("gave up: 1 still alive");
}

#[test]
fn a_missing_target_is_an_error_before_anybody_is_signalled() {
    let mut target = actor(&["wait-then-exit", "0"]);
    let (gone, alive) = (gone(), pid(&target));
    run(&["kill", &alive, &gone]).exits(127).prints("");
    assert_eq!(target.try_wait().unwrap(), None, "nobody was signalled");
    let ran = run(&["kill", "--missing", "ok", &alive, &gone]).exits(0);
    assert_eq!(ran.stdout.lines().count(), 2, "{ran:?}");
    assert_eq!(target.wait(), 15);
}

#[test]
fn a_process_of_another_user_is_refused_and_not_waited_for() {
    need!(Need::OtherUsers);
    let target = actor(&["hang"]);
    // A copy where any user may run it.
    let directory = tempfile::tempdir().unwrap();
    let everybody = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(directory.path(), everybody).unwrap();
    let copy = directory.path().join("exithand");
    copy_program(exithand().get_program(), &copy);
    let output = run_as(User::NOBODY, Command::new(copy))
        .args(["kill", "--timeout", "1s", &pid(&target)])
        .output();
    Ran::from(output.unwrap())
        .exits(125)
        .complains("it belongs to another user");
}

#[test]
fn an_outcome_counts_even_if_the_target_ends_in_its_own_way() {
    let mut target = actor(&["wait-then-exit", "9"]);
    target.release();
    target.wait_zombie();
    run(&["kill", &pid(&target)])
        .exits(0)
        .prints(&format!("{}  exithand-actor  exited 9\n", pid(&target)));
    assert_eq!(target.wait(), 0x0900);
}

#[test]
fn reads_targets_from_standard_input_and_can_be_quiet() {
    let mut target = actor(&["hang"]);
    run_with_input(&["kill", "--quiet", "-"], &pid(&target))
        .exits(0)
        .prints("");
    assert_eq!(target.wait(), 15);
}

#[test]
fn a_whole_tree_and_a_whole_cgroup() {
    need!(Need::Cgroup2);
    let cgroup = Cgroup::new(Hierarchy::V2).unwrap();
    let member = |parts: &[&str]| {
        let procs = cgroup.path().join("cgroup.procs");
        let args = [&["in-cgroup", procs.to_str().unwrap()], parts].concat();
        Actor::start(actor_command(&args))
    };
    let root = member(&["fork-on-term"]);
    run(&["kill", "--timeout", "1s", "--tree", &pid(&root)]).exits(0);
    assert_eq!(
        cgroup.members().unwrap(),
        [],
        "the daemon forked on SIGTERM is gone too"
    );

    let (one, two) = (member(&["hang"]), member(&["ignore-term"]));
    let path = cgroup.path().to_str().unwrap();
    let ran = run(&["kill", "--timeout", "50ms", "--cgroup", path]).exits(0);
    assert!(ran.stdout.contains(&format!("{}  ", pid(&one))), "{ran:?}");
    assert!(ran.stdout.contains(&format!("{}  ", pid(&two))), "{ran:?}");
    assert_eq!(cgroup.members().unwrap(), []);
}

#[test]
fn trees_that_must_not_be_killed() {
    let parent = std::os::unix::process::parent_id().to_string();
    run(&["kill", "--tree", &parent])
        .exits(2)
        .complains("contains exithand itself");
    run(&["kill", "--tree", "1"])
        .exits(2)
        .complains("name a process below it");
    run(&["kill", "--cgroup", "/no/such/cgroup"])
        .exits(127)
        .complains("/no/such/cgroup");
    run(&["kill", "--missing", "ok", "--cgroup", "/no/such/cgroup"]).exits(0);
}
