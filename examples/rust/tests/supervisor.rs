//! The supervisor loses nothing by its own end. Its orphans are this program's, so `wait(2)` says
//! what is true.
#![allow(clippy::unwrap_used, reason = "all of it is test code")]

mod recorder;

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use exithand::{ExitHandle, Outcome, Signal, Token};
use exithand_testkit::{Need, need};
use recorder::Recorder;
use rustix::process::{WaitOptions, getpid, set_child_subreaper, waitpid};
use tempfile::TempDir;

/// A service that ends with the status it is told through a pipe.
const SERVICE: &str = "web read -r status < pipe; exit $status\n";

/// A folder with a service, and those who look after it.
struct Stage {
    folder: TempDir,
    socket: String,
}

/// A running supervisor.
struct Supervisor {
    child: Child,
    out: BufReader<ChildStdout>,
}

impl Stage {
    fn new() -> Self {
        // Whoever loses its parent becomes a child of this test, and is collected by it.
        set_child_subreaper(Some(getpid())).unwrap();
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("services"), SERVICE).unwrap();
        fs::create_dir(folder.path().join("state")).unwrap();
        let made = Command::new("mkfifo")
            .arg(folder.path().join("pipe"))
            .status();
        assert!(made.unwrap().success());
        let socket = folder.path().join("socket").to_str().unwrap().to_owned();
        Self { folder, socket }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn supervise(&self) -> Supervisor {
        let mut child = Command::new(env!("CARGO_BIN_EXE_supervisor"))
            .args(["state", "services", &self.socket])
            .current_dir(self.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        Supervisor { child, out }
    }

    /// Ends the service with this status.
    fn end(&self, status: u8) {
        fs::write(self.path().join("pipe"), format!("{status}\n")).unwrap();
    }
}

impl Drop for Stage {
    /// Ends the service, if a test has failed before its end.
    fn drop(&mut self) {
        let token = fs::read_to_string(self.path().join("state/web"));
        let handle = token.map(|it| ExitHandle::open_token(&it.parse().unwrap()));
        if let Ok(Ok(handle)) = handle {
            drop(handle.send_signal(Signal::KILL));
        }
    }
}

impl Supervisor {
    fn line(&mut self) -> String {
        let mut line = String::new();
        self.out.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    /// Reads the line that says so, and returns the token in it.
    fn token(&mut self, what: &str) -> Token {
        let line = self.line();
        let token = line.strip_prefix(&format!("web {what} "));
        token.unwrap_or_else(|| panic!("{line:?}")).parse().unwrap()
    }

    fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

/// Collects an orphan and returns how it ended.
fn truth(token: Token) -> Outcome {
    let (_, status) = waitpid(token.pid(), WaitOptions::empty()).unwrap().unwrap();
    Outcome::from_wait_status(status.as_raw()).unwrap()
}

#[test]
fn adopts_its_service_and_learns_how_it_ends() {
    need!(Need::PidfdInfoExit, Need::PidfsHandles);
    let stage = Stage::new();
    let mut first = stage.supervise();
    let token = first.token("started");
    first.kill();

    let mut second = stage.supervise();
    assert_eq!(second.token("adopted"), token);
    stage.end(7);
    assert_eq!(truth(token), Outcome::Exited(7));
    assert_eq!(second.line(), "web exited 7");

    // What fails is started again, now as the supervisor's own child.
    let again = second.token("started");
    assert_ne!(again, token);
    stage.end(0);
    assert_eq!(second.line(), "web exited 0");
    assert!(second.child.wait().unwrap().success());
}

#[test]
fn learns_of_a_killed_service_that_it_adopted() {
    need!(Need::PidfdInfoExit, Need::PidfsHandles);
    let stage = Stage::new();
    let mut first = stage.supervise();
    let token = first.token("started");
    first.kill();
    let mut second = stage.supervise();
    second.token("adopted");
    let handle = ExitHandle::open_token(&token).unwrap();
    handle.send_signal(Signal::KILL).unwrap();
    assert_eq!(second.line(), format!("web {}", truth(token)));
    second.token("started");
    stage.end(0);
    assert_eq!(second.line(), "web exited 0");
    assert!(second.child.wait().unwrap().success());
}

#[test]
fn without_a_recorder_the_end_of_a_service_that_nobody_held_is_unknown() {
    need!(Need::PidfsHandles);
    let stage = Stage::new();
    let mut first = stage.supervise();
    let token = first.token("started");
    first.kill();
    stage.end(7);
    assert_eq!(truth(token), Outcome::Exited(7));
    let mut second = stage.supervise();
    let line = second.line();
    assert!(
        line.starts_with("web unknown: it had ended before"),
        "{line}"
    );
    second.token("started");
    stage.end(0);
    assert_eq!(second.line(), "web exited 0");
    assert!(second.child.wait().unwrap().success());
}

#[test]
fn with_a_recorder_it_is_known() {
    need!(Need::PidfsHandles, Need::Root, Need::Bpf);
    let stage = Stage::new();
    let recorder = Recorder::start(stage.path());
    let mut first = stage.supervise();
    let token = first.token("started");
    first.kill();
    stage.end(7);
    assert_eq!(truth(token), Outcome::Exited(7));
    let mut second = stage.supervise();
    assert_eq!(second.line(), "web exited 7");
    second.token("started");
    stage.end(0);
    assert_eq!(second.line(), "web exited 0");
    assert!(second.child.wait().unwrap().success());
    recorder.end();
}
