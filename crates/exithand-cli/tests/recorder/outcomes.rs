//! Outcomes by token, and `wait`, `kill` and `mount` with a recorder.

use std::io::{BufRead, BufReader};
use std::process::Command;

use exithand_testkit::{Need, User, actor, copy_program, need, run_as};

use crate::common::{exithand, finish, pid, run, start};
use crate::recorder::Recorder;

/// Asks for the outcome of a process.
fn outcome(token: &str, when: &str) -> String {
    format!(r#"{{"do":"outcome","token":"{token}","when":"{when}"}}"#)
}

/// The token of a process, as the command prints it.
fn token(pid: &str) -> String {
    run(&["id", pid]).exits(0).stdout.trim().to_owned()
}

#[test]
fn says_how_a_process_ended_by_its_token() {
    need!(Need::Bpf);
    let recorder = Recorder::start(&[]);
    let mut client = recorder.dial();
    let mut three = actor(&["wait-then-exit", "3"]);
    let name = token(&pid(&three));
    assert_eq!(client.refusal(&outcome(&name, "now")), "not-yet");
    three.release();
    three.wait_zombie();
    for _ in 0..2 {
        let lines = client.ask(&outcome(&name, "now"));
        assert_eq!(
            (&lines[0]["outcome"], &lines[0]["status"]),
            (&"exited".into(), &3.into())
        );
        assert_eq!(lines[1]["done"], "outcome", "{lines:?}");
        three.wait();
    }
    assert_eq!(client.refusal(&outcome("5:5", "now")), "no-record");
    assert_eq!(client.refusal(&outcome("5", "now")), "request");
}

#[test]
fn says_it_when_it_ends_to_all_who_wait() {
    need!(Need::Bpf);
    let recorder = Recorder::start(&[]);
    let mut hung = actor(&["hang"]);
    let name = token(&pid(&hung));
    let mut clients: Vec<_> = (0..20).map(|_| recorder.dial()).collect();
    for client in &mut clients {
        client.say(&outcome(&name, "ended"));
    }
    // Who asked and went away is no reason to forget the others.
    clients.pop();
    hung.kill();
    for client in &mut clients {
        let line = client.next().unwrap();
        assert_eq!(line["signal_name"], "SIGKILL", "{line}");
    }
    hung.wait();
}

#[test]
fn wait_knows_a_process_that_was_gone_before() {
    need!(Need::Bpf);
    let recorder = Recorder::start(&[]);
    let socket = recorder.socket();
    let socket = socket.to_str().unwrap();
    let mut seven = actor(&["wait-then-exit", "7"]);
    let name = token(&pid(&seven));
    seven.release();
    seven.wait();
    let args = ["wait", "--socket", socket, "--json", "--propagate", &name];
    let ran = run(&args).exits(7);
    let line = &ran.json()[0];
    assert_eq!(line["source"], "recorder", "{line}");
    assert_eq!(line["comm"], "exithand-actor", "{line}");
    assert_eq!(line["state"], "reaped", "{line}");
    run(&["wait", "--socket", socket, "4242:5"]).exits(127);
    run(&["wait", "--socket", "/nowhere", &name])
        .exits(125)
        .complains("no recorder listens on /nowhere");
}

#[test]
fn wait_learns_of_a_zombie_of_somebody_else_what_the_kernel_hides() {
    need!(Need::Bpf, Need::OtherUsers);
    let recorder = Recorder::start(&["--status", "all"]);
    let mut four = actor(&["wait-then-exit", "4"]);
    let mut waiter = Command::new(exithand().get_program());
    let (number, socket) = (pid(&four), recorder.socket());
    waiter.args(["wait", "--json", "--grace", "0", "--socket"]);
    waiter.arg(socket).arg(&number);
    let program = copied(&recorder, &waiter);
    let waiter = start(&mut run_as(User::NOBODY, program));
    four.release();
    four.wait_zombie();
    let ran = finish(waiter).exits(0);
    let line = &ran.json()[0];
    assert_eq!(
        (&line["status"], &line["source"]),
        (&4.into(), &"recorder".into()),
        "{line}"
    );
    assert_eq!(line["state"], "ended", "{line}");
    four.wait();
}

#[test]
fn files_are_served_whether_the_recorder_is_there_or_not() {
    need!(Need::Root, Need::Fuse);
    let files = tempfile::tempdir().unwrap();
    let mut mount = exithand();
    mount
        .args(["mount", "--recorder", "/nowhere"])
        .arg(files.path());
    let mut server = start(&mut mount);
    let mut line = String::new();
    let stdout = server.stdout.as_mut().unwrap();
    BufReader::new(stdout).read_line(&mut line).unwrap();
    let mut four = actor(&["wait-then-exit", "4"]);
    let outcome = files.path().join(pid(&four)).join("outcome");
    let reader = std::thread::spawn(move || std::fs::read_to_string(outcome));
    four.release();
    let told = reader.join().unwrap();
    four.wait();
    let handle = exithand::ExitHandle::from_child(&server).unwrap();
    handle.send_signal(exithand::Signal::TERM).unwrap();
    finish(server).exits(0);
    assert_eq!(told.unwrap(), "exited 4\n", "{line}");
}

/// The same command, by a copy of the program that other users reach.
fn copied(recorder: &Recorder, command: &Command) -> Command {
    let program = recorder.folder().join("exithand");
    copy_program(command.get_program(), &program);
    let mut copy = Command::new(program);
    copy.args(command.get_args());
    copy
}
