//! Runs the real command and shows what it did.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    reason = "each test program uses a part"
)]

use std::env;
use std::ffi::OsString;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdout, Command, Output, Stdio};

use exithand_testkit::{Actor, Pid};

/// The command under test. Found at run time, since the tests also run from a copy.
pub fn exithand() -> Command {
    let built = || OsString::from(env!("CARGO_BIN_EXE_exithand"));
    let mut command = Command::new(env::var_os("CARGO_BIN_EXE_exithand").unwrap_or_else(built));
    command.env("NO_COLOR", "1").stdin(Stdio::null());
    command
}

/// What a run of the command printed, and its exit code.
#[derive(Debug)]
pub struct Ran {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Ran {
    /// Asserts the exit code and shows all of it otherwise.
    #[track_caller]
    pub fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{self:?}");
        self
    }

    /// Asserts that standard error says `words`.
    #[track_caller]
    pub fn complains(self, words: &str) -> Self {
        assert!(
            self.stderr.contains(words),
            "{words:?} is missing: {self:?}"
        );
        self
    }

    /// Asserts what was printed, exactly.
    #[track_caller]
    pub fn prints(self, stdout: &str) -> Self {
        assert_eq!(self.stdout, stdout, "{self:?}");
        self
    }

    /// The lines printed, as JSON.
    #[track_caller]
    pub fn json(&self) -> Vec<serde_json::Value> {
        let parse = |line: &str| serde_json::from_str(line).unwrap();
        self.stdout.lines().map(parse).collect()
    }
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code().expect("exithand was not killed"),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

/// Runs `exithand ARGS`.
pub fn run(args: &[&str]) -> Ran {
    exithand().args(args).output().unwrap().into()
}

/// Runs `exithand ARGS` with `input` on standard input.
pub fn run_with_input(args: &[&str], input: &str) -> Ran {
    let mut child = start(exithand().args(args).stdin(Stdio::piped()));
    child
        .stdin
        .take()
        .unwrap()
        .write_all(input.as_bytes())
        .unwrap();
    finish(child)
}

/// Starts a command whose output is wanted later.
pub fn start(command: &mut Command) -> Child {
    command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Waits for a command and collects its output.
pub fn finish(child: Child) -> Ran {
    child.wait_with_output().unwrap().into()
}

/// A number, as the user types it.
pub fn word(pid: Pid) -> String {
    pid.as_raw_nonzero().to_string()
}

/// The pid of an actor, as the user types it.
pub fn pid(actor: &Actor) -> String {
    word(actor.pid())
}

/// A pid that has just been freed.
pub fn gone() -> String {
    let mut child = Command::new("true").spawn().unwrap();
    child.wait().unwrap();
    child.id().to_string()
}

/// A waiter that is known to hold its targets.
pub struct Waiter {
    pub child: Child,
    out: BufReader<ChildStdout>,
}

impl Waiter {
    /// Starts `exithand wait ARGS` and returns once every target is held: then the one that does
    /// not exist is reported.
    pub fn start(args: &[&str]) -> Self {
        let mut command = exithand();
        command.arg("wait");
        Self::of(command, args)
    }

    /// The same by a command that already has the word `wait`.
    pub fn of(mut command: Command, args: &[&str]) -> Self {
        const NOBODY: &str = "2147483647";
        command.args(["--missing", "ok"]).args(args).arg(NOBODY);
        let mut child = start(&mut command);
        let out = BufReader::new(child.stdout.take().unwrap());
        let mut waiter = Self { child, out };
        assert!(waiter.read_line().contains("missing"));
        waiter
    }

    /// Reads one result.
    pub fn read_line(&mut self) -> String {
        let mut line = String::new();
        self.out.read_line(&mut line).unwrap();
        assert!(line.ends_with('\n'), "{line:?}");
        line
    }

    /// Waits for the waiter; what it printed is without the lines read.
    pub fn finish(mut self) -> Ran {
        let mut rest = String::new();
        self.out.read_to_string(&mut rest).unwrap();
        Ran {
            stdout: rest,
            ..finish(self.child)
        }
    }
}
