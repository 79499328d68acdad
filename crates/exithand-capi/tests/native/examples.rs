//! The programs of `examples/c`: short, and true.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use exithand_testkit::{Actor, Pid, actor, wait_zombie};
use rustix::process::{WaitOptions, getpid, set_child_subreaper, waitpid};
use tempfile::TempDir;

use crate::build::{CRATE, compile, linked_to_shared};

/// Lines that an example may have at most.
const MOST_LINES: usize = 60;

fn folder() -> PathBuf {
    Path::new(CRATE).join("../../examples/c")
}

/// Compiles an example.
fn example(name: &str) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join(name);
    let source = self::folder().join(name).with_extension("c");
    let linked = linked_to_shared();
    compile("gcc", &source, &program, &linked.each_ref().map(|it| &**it));
    (folder, program)
}

fn said(output: &Output) -> String {
    let both = [&output.stdout[..], &output.stderr[..]].concat();
    String::from_utf8(both).unwrap()
}

#[test]
fn they_are_short() {
    for entry in fs::read_dir(folder()).unwrap() {
        let path = entry.unwrap().path();
        let lines = fs::read_to_string(&path).unwrap().lines().count();
        assert!(lines <= MOST_LINES, "{}: {lines} lines", path.display());
    }
}

#[test]
fn stop_server_returns_when_the_server_is_gone() {
    let (_folder, program) = example("stop_server");
    let mut server = actor(&["wait-then-exit", "0"]);
    let pid = server.pid().as_raw_nonzero().to_string();
    let output = Command::new(&program).arg(&pid).output().unwrap();
    assert_eq!(said(&output), "killed 15 TERM\n");
    assert!(output.status.success());
    assert_eq!(server.wait(), 15);

    let output = Command::new(&program).arg(&pid).output().unwrap();
    assert_eq!(said(&output), "it had stopped already\n");
    assert!(output.status.success());
}

#[test]
fn what_is_no_pid_is_refused() {
    let (_folder, stop_server) = example("stop_server");
    for word in ["99999999x", "", "-1", "8589934591"] {
        let output = Command::new(&stop_server).arg(word).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{word}");
    }
    let (_folder, wait_many) = example("wait_many");
    for word in ["99999999x", "", "-1", "8589934591"] {
        let output = Command::new(&wait_many).arg(word).output().unwrap();
        assert_eq!(output.status.code(), Some(125), "{word}");
    }
}

#[test]
fn wait_many_tells_how_each_ended() {
    let (_folder, program) = example("wait_many");
    let mut actors = ["0", "3"].map(|status| actor(&["wait-then-exit", status]));
    let mut command = Command::new(&program);
    for actor in &mut actors {
        command.arg(actor.pid().as_raw_nonzero().to_string());
        actor.release();
        // Not reaped, so that it is there to be opened.
        actor.wait_zombie();
    }
    let output = command.output().unwrap();
    let said = said(&output);
    let mut ends: Vec<&str> = said
        .lines()
        .map(|line| line.split_once("  ").unwrap().1)
        .collect();
    ends.sort_unstable();
    assert_eq!(ends, ["exited 0", "exited 3"], "{said}");
    assert_eq!(output.status.code(), Some(1));
    let statuses = actors.each_mut().map(Actor::wait);
    assert_eq!(statuses, [0, 3 << 8]);
}

#[test]
fn resume_waits_for_the_job_that_another_run_has_started() {
    let (folder, program) = example("resume");
    let file = folder.path().join("job.token");
    let run = |args: &[&str]| {
        let mut command = Command::new(&program);
        command.arg(args[0]).arg(&file).args(&args[1..]);
        command
    };
    // Whoever has started the job ends; then it is ours to reap.
    set_child_subreaper(Some(getpid())).unwrap();
    // It runs until its input ends.
    let mut starter = run(&["start", "sh", "-c", "read line; exit 7"]);
    let mut starter = starter.stdin(Stdio::piped()).spawn().unwrap();
    let input = starter.stdin.take().unwrap();
    assert!(starter.wait().unwrap().success());
    let token = fs::read_to_string(&file).unwrap();
    let number = token.split([':', '~']).next().unwrap().parse().unwrap();
    let job = Pid::from_raw(number).unwrap();
    drop(input);
    wait_zombie(job).unwrap();

    let output = run(&["wait"]).output().unwrap();
    assert_eq!(output.status.code(), Some(7), "{}", said(&output));
    waitpid(Some(job), WaitOptions::empty()).unwrap();
    let output = run(&["wait"]).output().unwrap();
    assert_eq!(output.status.code(), Some(127), "{}", said(&output));
}
