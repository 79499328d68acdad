//! Isolated tests see namespaces of their own, fail outside when they fail inside, and leave nothing.

use std::collections::HashSet;
use std::env;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Command, Stdio};

use exithand_testkit::{
    Isolation, Need, actor, actor_command, need, private_pid_namespace, run_isolated, test_name,
    wait_status,
};
use rustix::fs::{CWD, FileType, Mode, mknodat};

const PID_MAX: &str = "/proc/sys/kernel/pid_max";

#[test]
fn the_test_is_pid_1_with_its_own_proc() {
    run_isolated(test_name!(), || {
        assert_eq!(std::process::id(), 1);
        assert_eq!(fs::read_link("/proc/self").unwrap().as_os_str(), "1");
        let mut actor = actor(&["wait-then-exit", "3"]);
        assert!(fs::exists(format!("/proc/{}", actor.pid())).unwrap());
        actor.release();
        assert_eq!(actor.wait(), 0x0300);
    });
}

#[test]
fn a_tiny_pid_max_is_private_and_reuses_pids() {
    let host = fs::read_to_string(PID_MAX).unwrap();
    private_pid_namespace(310).run(test_name!(), || {
        assert_eq!(fs::read_to_string(PID_MAX).unwrap().trim(), "310");
        let mut seen = HashSet::new();
        for _ in 0..400 {
            let mut actor = actor(&["exit-with", "0"]);
            assert!(actor.pid().as_raw_nonzero().get() < 310);
            seen.insert(actor.pid());
            actor.wait();
        }
        assert!(seen.len() < 310, "pids are reused");
    });
    assert_eq!(
        fs::read_to_string(PID_MAX).unwrap(),
        host,
        "the machine keeps its own"
    );
}

#[test]
fn the_lowest_pid_max_gives_out_one_pid_over_and_over() {
    private_pid_namespace(301).run(test_name!(), || {
        for _ in 0..310 {
            actor(&["exit-with", "0"]).wait();
        }
        for _ in 0..10 {
            let actor = actor(&["hang"]);
            assert_eq!(actor.pid().as_raw_nonzero().get(), 300);
        }
    });
}

#[test]
fn a_failure_inside_is_a_failure_outside() {
    let report = Isolation::default().report(test_name!(), || panic!("on purpose"));
    if let Some(report) = report {
        assert!(!report.passed());
        assert!(
            report.output().contains("on purpose"),
            "{}",
            report.output()
        );
    }
}

#[test]
fn a_test_that_the_harness_does_not_find_has_not_passed() {
    if let Some(report) = Isolation::default().report("no::such::test", || {}) {
        assert!(!report.passed(), "{}", report.output());
    }
}

#[test]
fn an_early_exit_inside_is_no_pass() {
    let report = Isolation::default().report(test_name!(), || std::process::exit(0));
    if let Some(report) = report {
        // The harness would have said so.
        assert!(
            !report.output().contains("test result: ok"),
            "{}",
            report.output()
        );
        assert!(!report.passed(), "an early exit 0 is no pass");
    }
}

#[test]
fn killing_the_caller_of_a_command_ends_what_runs_inside() {
    need!(Need::PrivatePidNamespace);
    let program = actor_command(&[]).get_program().to_owned();
    let mut command = Isolation::default().command(&program);
    command
        .arg("hang")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    let mut isolate = command.spawn().unwrap();
    let mut out = BufReader::new(isolate.stdout.take().unwrap());
    let mut line = String::new();
    out.read_line(&mut line).unwrap();
    assert_eq!(line, "ready\n");

    isolate.kill().unwrap();
    let stdin = isolate.stdin.take();
    assert_eq!(wait_status(&mut isolate), 9);
    // The pipe ends when nobody is left to write; stdin is still open and does not end it.
    assert_eq!(out.read_to_end(&mut Vec::new()).unwrap(), 0);
    drop(stdin);
}

/// Three runs of this test: the outermost, which kills; the killed one; the one isolated in there.
#[test]
fn killing_a_test_ends_what_runs_inside() {
    let test = test_name!();
    if let Some(fifo) = env::var_os("EXITHAND_TESTKIT_KILLED") {
        return run_isolated(test, || {
            let mut actor = actor(&["hang"]);
            let mut held_open = File::options().write(true).open(&fifo).unwrap();
            held_open.write_all(b"inside\n").unwrap();
            actor.wait();
        });
    }
    need!(Need::PrivatePidNamespace);
    let directory = tempfile::tempdir().unwrap();
    let fifo = directory.path().join("fifo");
    mknodat(CWD, &fifo, FileType::Fifo, Mode::RWXU, 0).unwrap();
    let mut command = Command::new(env::current_exe().unwrap());
    command
        .args([test, "--exact"])
        .env("EXITHAND_TESTKIT_KILLED", &fifo);
    let mut killed = command.stdout(Stdio::null()).spawn().unwrap();
    let mut out = BufReader::new(File::open(&fifo).unwrap());
    let mut line = String::new();
    out.read_line(&mut line).unwrap();
    assert_eq!(line, "inside\n");

    killed.kill().unwrap();
    assert_eq!(wait_status(&mut killed), 9);
    assert_eq!(
        out.read_to_end(&mut Vec::new()).unwrap(),
        0,
        "nobody is left to write"
    );
}

#[test]
fn commands_run_inside_too() {
    need!(Need::PrivatePidNamespace);
    let program = actor_command(&[]).get_program().to_owned();
    let run = |mut command: Command| command.stdin(Stdio::null()).status().unwrap().code();
    let mut command = Isolation::default().command(&program);
    command.args(["exit-with", "7"]).stdout(Stdio::null());
    assert_eq!(run(command), Some(7));
}
