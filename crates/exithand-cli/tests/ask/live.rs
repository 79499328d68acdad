//! Questions to a recorder that runs.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use exithand_testkit::{Need, need};
use tempfile::TempDir;

use crate::common::{Ran, exithand, start};

/// A recorder of this machine with a socket of its own; ends with the test.
struct Recorder {
    child: Child,
    folder: TempDir,
}

impl Recorder {
    /// Starts one, and returns when it sees every end.
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut command = exithand();
        command
            .args(["record", "--store"])
            .arg(folder.path().join("history.db"));
        command.arg("--socket").arg(folder.path().join("socket"));
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        let out = child.stdout.take().unwrap();
        BufReader::new(out).read_line(&mut line).unwrap();
        assert!(line.starts_with("recording by "), "{line:?}");
        Self { child, folder }
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().unwrap().to_owned()
    }

    /// Asks over the socket.
    fn ask(&self, args: &[&str]) -> Ran {
        let socket = self.path("socket");
        let args = [&[args[0], "--socket", &socket], &args[1..]].concat();
        exithand().args(args).output().unwrap().into()
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

/// A process of ours that we kill.
fn killed() -> String {
    let mut victim = Command::new("sleep").arg("60").spawn().unwrap();
    victim.kill().unwrap();
    victim.wait().unwrap();
    victim.id().to_string()
}

/// Has processes killed until `look` returns: nobody says when a watch has begun, so there are ends
/// until it has seen one.
fn while_killing<T: Send>(look: impl FnOnce() -> T + Send) -> T {
    let seen = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !seen.load(Ordering::Relaxed) {
                killed();
            }
        });
        let found = look();
        seen.store(true, Ordering::Relaxed);
        found
    })
}

#[test]
fn every_question_is_answered_over_the_socket() {
    need!(Need::Root);
    let recorder = Recorder::start();
    let pid = killed();
    let why = recorder.ask(&["why", &pid]).exits(0).stdout;
    assert!(
        why.starts_with(&format!("sleep (pid {pid}) was killed by SIGKILL")),
        "{why}"
    );
    let listed = recorder
        .ask(&["history", "--json", "--pid", &pid])
        .exits(0)
        .json();
    assert_eq!(listed[0]["signal"], 9, "{listed:?}");
    let killer = &listed[0]["killer"];
    if !killer.is_null() {
        assert_eq!(killer["pid"], std::process::id());
        assert!(
            why.replace('\n', " ")
                .contains("The signal came from its parent, "),
            "{why}"
        );
    }
    let counted = recorder
        .ask(&["stats", "--by", "signal", "--name", "sleep"])
        .exits(0);
    assert!(counted.stdout.contains("  KILL "), "{}", counted.stdout);
    recorder
        .ask(&["why", "no such name"])
        .exits(127)
        .complains("no end of no such name");
}

#[test]
fn ends_are_watched_as_they_happen() {
    need!(Need::Root);
    let recorder = Recorder::start();
    let told = recorder.path("told");
    let command = format!("sh -c 'echo $EXITHAND_SIGNAL_NAME > \"$0\"' {told}");
    let socket = recorder.path("socket");
    let mut watch = exithand();
    watch.args([
        "watch", "--socket", &socket, "--json", "--limit", "1", "--name", "sleep",
    ]);
    watch.args(["--signal", "KILL", "--notify", &command]);
    let watch = start(&mut watch);
    let ran: Ran = while_killing(|| watch.wait_with_output().unwrap()).into();
    let lines = ran.exits(0).json();
    let record = lines
        .iter()
        .find(|line| line.get("comm").is_some())
        .unwrap();
    assert_eq!(
        (&record["comm"], &record["signal"]),
        (&"sleep".into(), &9.into())
    );
    assert_eq!(std::fs::read_to_string(told).unwrap(), "SIGKILL\n");
}

#[test]
fn a_socket_without_a_recorder_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("socket");
    for command in [&["why", "x"][..], &["history"], &["stats"], &["watch"]] {
        let output = exithand()
            .args(command)
            .arg("--socket")
            .arg(&socket)
            .output()
            .unwrap();
        let ran = Ran::from(output).exits(125);
        ran.complains("no recorder listens on ")
            .complains("start `exithand record`");
    }
}

#[test]
fn a_watch_says_when_the_recorder_ends() {
    need!(Need::Root);
    let mut recorder = Recorder::start();
    let socket = recorder.path("socket");
    let mut watch = exithand();
    watch.args(["watch", "--socket", &socket, "--json"]);
    let mut watch = start(&mut watch);
    let mut out = BufReader::new(watch.stdout.take().unwrap());
    let mut line = String::new();
    while_killing(|| out.read_line(&mut line).unwrap());
    recorder.child.kill().unwrap();
    recorder.child.wait().unwrap();
    let rest = thread::spawn(move || std::io::copy(&mut out, &mut std::io::sink()).unwrap());
    let ran: Ran = watch.wait_with_output().unwrap().into();
    rest.join().unwrap();
    assert_eq!(ran.code, 125, "{ran:?}");
    assert!(ran.stderr.contains("recorder"), "{ran:?}");
}
