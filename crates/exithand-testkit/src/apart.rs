//! Runs a test in a process of its own: as another user, with other limits, to be stopped.

use std::env;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use rustix::process::Pid;

use crate::binary::actor_path;
use crate::wait_status;

/// Names the test that already runs apart.
const APART: &str = "EXITHAND_APART";
/// What the two processes say to each other starts so; the harness writes other lines.
const MARK: &str = "exithand-testkit: ";
/// Proof that the harness found the test, and that the test ran to its end.
const RETURNED: &str = "the test returned";

/// Runs `body`, which is all of the test `test`, in a process of its own that is started as
/// `prepare` would have it.
///
/// # Panics
/// If the test fails there.
#[track_caller]
pub fn run_apart(test: &str, prepare: impl FnOnce(Command) -> Command, body: impl FnOnce()) {
    if !play_apart(test, body) {
        Apart::start(test, prepare).finish();
    }
}

/// Runs `body` if this is the process started for `test` by [`Apart::start`]; says whether it is.
pub fn play_apart(test: &str, body: impl FnOnce()) -> bool {
    let apart = env::var(APART).is_ok_and(|name| name == test);
    if apart {
        body();
        say(RETURNED);
    }
    apart
}

/// Says a word to the test that started this process.
#[expect(clippy::print_stdout, reason = "read by the outer run")]
pub fn say(word: &str) {
    // The harness has begun the line already.
    println!("\n{MARK}{word}");
}

/// Waits for [`Apart::go`].
///
/// # Panics
/// If the outer test has ended.
#[track_caller]
pub fn listen() {
    let mut line = String::new();
    let heard = io::stdin().read_line(&mut line).expect("read stdin");
    assert!(heard > 0, "the outer test has ended");
}

/// A test that runs again in a process of its own, killed when dropped.
#[derive(Debug)]
pub struct Apart {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: BufReader<ChildStdout>,
    heard: String,
}

impl Apart {
    /// Starts this test program again for `test` alone, as `prepare` would have it. A stdin that
    /// `prepare` sets stays; then there is no [`Apart::go`].
    ///
    /// # Panics
    /// If it cannot be started.
    #[track_caller]
    pub fn start(test: &str, prepare: impl FnOnce(Command) -> Command) -> Self {
        let mut command = Command::new(env::current_exe().expect("path of the running program"));
        // One test thread: lines of the harness then come before and after, never between.
        command.args([test, "--exact", "--nocapture", "--test-threads=1"]);
        command.env(APART, test).env("EXITHAND_ACTOR", actor_path());
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut command = prepare(command);
        let started = command.spawn();
        let mut child = started.unwrap_or_else(|error| panic!("start {command:?}: {error}"));
        Self {
            stdin: child.stdin.take(),
            stdout: BufReader::new(child.stdout.take().expect("stdout is a pipe")),
            child,
            heard: String::new(),
        }
    }

    /// The pid of that process.
    pub fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// Waits until it says `word`.
    ///
    /// # Panics
    /// If it ends before.
    #[track_caller]
    pub fn hear(&mut self, word: &str) {
        let wanted = format!("{MARK}{word}");
        loop {
            let from = self.heard.len();
            let read = self.stdout.read_line(&mut self.heard);
            assert!(
                read.is_ok_and(|bytes| bytes > 0),
                "ended without {word:?}: {}",
                self.heard
            );
            if self.heard[from..].trim_end() == wanted {
                break;
            }
        }
    }

    /// Lets it go on from [`listen`].
    ///
    /// # Panics
    /// If it has ended.
    #[track_caller]
    pub fn go(&mut self) {
        let stdin = self.stdin.as_mut().expect("stdin is a pipe of ours");
        stdin.write_all(b"go\n").expect("it listens");
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// If the test failed.
    #[track_caller]
    pub fn finish(mut self) {
        let rest = self.stdout.read_to_string(&mut self.heard);
        let status = wait_status(&mut self.child);
        let returned = self.heard.contains(&format!("{MARK}{RETURNED}"));
        assert!(
            rest.is_ok() && status == 0 && returned,
            "failed apart: {}\n{}",
            std::process::ExitStatus::from_raw(status),
            self.heard
        );
        self.print();
    }

    #[expect(
        clippy::print_stdout,
        reason = "only print! is captured with the test's output"
    )]
    fn print(&self) {
        println!("{}", self.heard);
    }
}

impl Drop for Apart {
    fn drop(&mut self) {
        // Both fail only for a process that is gone already, which is what is wanted.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
