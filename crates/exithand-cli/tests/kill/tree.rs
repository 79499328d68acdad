//! `kill` against trees that fork, detach, exec and refuse; the truth is a cgroup around each.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::time::Duration;

use exithand::{ExitHandle, Outcome, Signal};
use exithand_cli::kill::{End, KillError, Note, Scope, Survivors, Unwatchable, Watch, run};
use exithand_testkit::{Need, Pid, User, copy_program, need, run_as, run_isolated, test_name};

use crate::stage::{Stage, handle, outcomes, request};

const TERM: Signal = Signal::TERM;
const KILL: Signal = Signal::KILL;

/// Forks to depth `$1`, both halves alike, and stays.
const STAYING_BOMB: &str = r#"
    bomb() {
        [ "$1" -gt 0 ] && { bomb $(($1 - 1)) & bomb $(($1 - 1)) & }
        echo up
        exec tail -f /dev/null
    }
    bomb "$1"
"#;

/// On SIGTERM leaves a daemon of its own session behind, and ends.
const DAEMON_ON_TERM: &str = r#"
    trap 'setsid sh -c "sh -c \"exec tail -f /dev/null\" &"; exit 5' TERM
    echo up
    while :; do read -r line; done
"#;

#[test]
fn a_daemon_forked_on_sigterm_does_not_survive() {
    need!(Need::Cgroup2, Need::ProcConnector);
    let stage = Stage::new();
    let mut script = stage.script(DAEMON_ON_TERM, &[]);
    script.read_line();
    let report = run(request(Scope::Tree, TERM, [handle(script.pid())]), &mut ()).unwrap();

    assert_eq!(stage.survivors(), [0; 0]);
    assert_eq!(report.survivors, Survivors::None);
    assert_eq!(report.notes, []);
    assert_eq!(
        outcomes(&report)[0],
        Outcome::Exited(5),
        "the root ended in its own way"
    );
    let daemon = report.processes.last().unwrap();
    assert_eq!(daemon.signals, [TERM], "{report:?}");
}

#[test]
fn a_daemon_that_blocks_sigterm_gets_the_second_signal() {
    need!(Need::Cgroup2, Need::ProcConnector);
    let stage = Stage::new();
    let mut actor = stage.actor(&["fork-on-term"]);
    let mut asked = request(Scope::Tree, TERM, [handle(actor.pid())]);
    asked.timeout = Some(Duration::from_secs(1));
    asked.then = Some(KILL);
    let report = run(asked, &mut ()).unwrap();

    assert_eq!(stage.survivors(), [0; 0]);
    assert_eq!(report.survivors, Survivors::None);
    assert_eq!(actor.wait(), 0, "the root ended in its own way");
    assert_eq!(
        report.processes.last().unwrap().signals,
        [TERM, KILL],
        "{report:?}"
    );
}

#[test]
fn a_chain_of_links_that_fork_and_exit_is_caught() {
    need!(Need::Cgroup2, Need::ProcConnector);
    for (signal, then) in [(TERM, None), (KILL, None), (Signal::CONT, Some(KILL))] {
        let stage = Stage::new();
        let actor = stage.actor(&["fork-bomb-bounded", "9"]);
        let mut asked = request(Scope::Tree, signal, [handle(actor.pid())]);
        asked.then = then;
        asked.timeout = then.map(|_| Duration::from_secs(1));
        let report = run(asked, &mut ()).unwrap();
        assert_eq!(stage.survivors(), [0; 0], "{signal}");
        assert_eq!(report.survivors, Survivors::None, "{signal}");
        assert_eq!(report.notes, [], "{signal}");
    }
}

#[test]
fn a_tree_that_is_still_growing_is_killed_whole() {
    need!(Need::Cgroup2);
    for watch in [Watch::Forks, Watch::Nothing] {
        for signal in [TERM, KILL] {
            let stage = Stage::new();
            let mut script = stage.script(STAYING_BOMB, &["6"]);
            // The first of 127 is up: the others are coming.
            script.read_line();
            let mut asked = request(Scope::Tree, signal, [handle(script.pid())]);
            asked.watch = watch;
            let report = run(asked, &mut ()).unwrap();
            assert_eq!(
                stage.survivors(),
                [0; 0],
                "{signal} {watch:?}: {:?}",
                report.notes
            );
            assert_eq!(report.survivors, Survivors::None, "{signal} {watch:?}");
            let killed = Outcome::Killed {
                signal,
                core_dumped: false,
            };
            let unexpected: Vec<Outcome> = outcomes(&report)
                .into_iter()
                .filter(|it| it.is_known() && *it != killed)
                .collect();
            assert_eq!(unexpected, [], "{signal} {watch:?}");
        }
    }
}

#[test]
fn without_a_watch_of_forks_the_gap_is_told() {
    need!(Need::Cgroup2);
    let stage = Stage::new();
    let mut script = stage.script(DAEMON_ON_TERM, &[]);
    script.read_line();
    let mut asked = request(Scope::Tree, TERM, [handle(script.pid())]);
    asked.watch = Watch::Nothing;
    let report = run(asked, &mut ()).unwrap();
    assert!(
        matches!(report.notes[..], [Note::Unwatched(_)]),
        "{:?}",
        report.notes
    );
}

#[test]
fn without_a_watch_of_forks_nobody_survives_sigkill() {
    need!(Need::Cgroup2);
    let stage = Stage::new();
    let actor = stage.actor(&["fork-on-term"]);
    let mut asked = request(Scope::Tree, KILL, [handle(actor.pid())]);
    asked.watch = Watch::Nothing;
    let report = run(asked, &mut ()).unwrap();
    assert_eq!(stage.survivors(), [0; 0]);
    assert_eq!(report.survivors, Survivors::None);
}

#[test]
fn who_ignores_sigterm_gets_the_second_signal() {
    need!(Need::Cgroup2);
    for watch in [Watch::Forks, Watch::Nothing] {
        let stage = Stage::new();
        let script = r#"sh -c 'trap "" TERM; echo up; exec tail -f /dev/null' & wait"#;
        let mut script = stage.script(script, &[]);
        script.read_line();
        let mut asked = request(Scope::Tree, TERM, [handle(script.pid())]);
        asked.timeout = Some(Duration::from_millis(200));
        asked.then = Some(KILL);
        asked.watch = watch;
        let report = run(asked, &mut ()).unwrap();
        assert_eq!(stage.survivors(), [0; 0], "{watch:?}");
        assert_eq!(report.survivors, Survivors::None, "{watch:?}");
        let signals: Vec<&[Signal]> = report.processes.iter().map(|it| &it.signals[..]).collect();
        assert_eq!(signals, [&[TERM][..], &[TERM, KILL]], "{watch:?}");
    }
}

#[test]
fn without_a_second_signal_the_answer_names_who_is_alive() {
    need!(Need::Cgroup2);
    let stage = Stage::new();
    let mut script = stage.script(r#"trap "" TERM; echo up; read -r line"#, &[]);
    script.read_line();
    let mut asked = request(Scope::Plain, TERM, [handle(script.pid())]);
    asked.timeout = Some(Duration::from_millis(50));
    let report = run(asked, &mut ()).unwrap();
    assert_eq!(report.survivors, Survivors::Some);
    assert!(matches!(report.processes[0].end, End::Alive));
    assert_eq!(stage.survivors().len(), 1);
}

#[test]
fn a_member_that_execs_is_still_a_member() {
    need!(Need::Cgroup2);
    for watch in [Watch::Forks, Watch::Nothing] {
        let stage = Stage::new();
        let script = "for i in 1 2 3; do sh -c 'echo up; exec tail -f /dev/null' & done; wait";
        let mut script = stage.script(script, &[]);
        // Each is about to exec, and may do so at any moment of what follows.
        for _ in 0..3 {
            script.read_line();
        }
        let mut asked = request(Scope::Tree, TERM, [handle(script.pid())]);
        asked.watch = watch;
        let report = run(asked, &mut ()).unwrap();
        assert_eq!(stage.survivors(), [0; 0], "{watch:?}");
        assert_eq!(report.survivors, Survivors::None, "{watch:?}");
        assert_eq!(report.processes.len(), 4, "{watch:?}: {report:?}");
    }
}

#[test]
fn a_helper_may_finish_cleaning_up_while_its_forker_lives() {
    need!(Need::Cgroup2, Need::ProcConnector);
    let stage = Stage::new();
    let script = r#"
        trap 'sh -c "for i in 1 2 3 4 5 6 7 8 9 10 11 12; do /bin/true; done; echo cleaned"; exit 7' TERM
        echo up
        while :; do read -r line; done
    "#;
    let mut script = stage.script(script, &[]);
    script.read_line();
    let report = run(request(Scope::Tree, TERM, [handle(script.pid())]), &mut ()).unwrap();
    assert_eq!(report.survivors, Survivors::None);
    assert_eq!(script.read_line(), "cleaned");
    assert_eq!(outcomes(&report)[0], Outcome::Exited(7));
    assert_eq!(stage.survivors(), [0; 0]);
}

#[test]
fn a_process_named_twice_is_one() {
    need!(Need::Cgroup2);
    let stage = Stage::new();
    let actor = stage.actor(&["hang"]);
    let twice = [handle(actor.pid()), handle(actor.pid())];
    let report = run(request(Scope::Plain, TERM, twice), &mut ()).unwrap();
    assert_eq!(report.processes.len(), 1);
    assert_eq!(report.processes[0].signals, [TERM]);
}

#[test]
fn without_a_watch_of_forks_a_chain_is_caught_or_the_answer_says_so() {
    need!(Need::Cgroup2);
    let stage = Stage::new();
    let actor = stage.actor(&["fork-bomb-bounded", "5"]);
    let mut asked = request(Scope::Tree, KILL, [handle(actor.pid())]);
    asked.watch = Watch::Nothing;
    let report = run(asked, &mut ()).unwrap();
    let unsettled = report.notes.contains(&Note::Unsettled);
    assert!(
        stage.survivors().is_empty() || unsettled,
        "{:?}",
        report.notes
    );
}

/// Names the process to signal to the test that runs again as another user.
const FOREIGN: &str = "EXITHAND_TEST_FOREIGN";

#[test]
fn a_process_of_another_user_is_named_and_not_waited_for() {
    if let Ok(pid) = std::env::var(FOREIGN) {
        let foreign = handle(Pid::from_raw(pid.parse().unwrap()).unwrap());
        let report = run(request(Scope::Tree, TERM, [foreign]), &mut ()).unwrap();
        let [process] = &report.processes[..] else {
            panic!("{report:?}");
        };
        assert!(matches!(
            process.refused,
            Some(exithand::Error::NotPermitted { .. })
        ));
        assert!(process.signals.is_empty());
        assert_eq!(report.survivors, Survivors::Some);
        return;
    }
    need!(Need::OtherUsers);
    let actor = exithand_testkit::actor(&["hang"]);
    let directory = tempfile::tempdir().unwrap();
    std::fs::set_permissions(directory.path(), Permissions::from_mode(0o755)).unwrap();
    let program = directory.path().join("test");
    copy_program(std::env::current_exe().unwrap(), &program);
    let mut command = Command::new(&program);
    command
        .args([test_name!(), "--exact"])
        .env(FOREIGN, actor.pid().to_string());
    let output = run_as(User::NOBODY, command).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && text.contains("1 passed"),
        "{text}"
    );
}

#[test]
fn a_tree_in_a_pid_namespace_is_killed_though_forks_cannot_be_watched() {
    run_isolated(test_name!(), || {
        let script = "for i in 1 2 3; do (tail -f /dev/null & exec tail -f /dev/null) & done; wait";
        let mut root = Command::new("sh").args(["-c", script]).spawn().unwrap();
        let target = ExitHandle::from_child(&root).unwrap();
        let report = run(request(Scope::Tree, KILL, [target]), &mut ()).unwrap();
        assert_eq!(
            report.notes,
            [Note::Unwatched(Unwatchable::OtherPidNamespace)]
        );
        assert_eq!(report.survivors, Survivors::None);
        root.wait().unwrap();
        // Whoever is left would be a child of ours by now, as we are process 1 here.
        while rustix::process::wait(rustix::process::WaitOptions::NOHANG)
            .is_ok_and(|it| it.is_some())
        {}
        let children = rustix::process::wait(rustix::process::WaitOptions::NOHANG);
        assert_eq!(children.map(|_| ()), Err(rustix::io::Errno::CHILD));
    });
}

#[test]
fn refuses_a_tree_with_exithand_in_it() {
    let parent = std::os::unix::process::parent_id();
    let parent = Pid::from_raw(parent.try_into().unwrap()).expect("a parent in our namespace");
    let refused = run(
        request(Scope::Tree, Signal::CONT, [handle(parent)]),
        &mut (),
    );
    assert!(matches!(refused, Err(KillError::TreeContainsCaller(it)) if it == parent));
}
