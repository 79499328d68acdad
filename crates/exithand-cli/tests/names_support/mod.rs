//! Runs the program under the drop-in names.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    reason = "each test program uses its own part of this module; all of it is test code"
)]

use std::ffi::OsString;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Output, Stdio};

use exithand_testkit::{Actor, Pid};
use tempfile::TempDir;

/// The program that cargo built for this test. Found at run time, since the tests also run from a
/// copy.
fn program() -> OsString {
    let built = || OsString::from(env!("CARGO_BIN_EXE_exithand"));
    std::env::var_os("CARGO_BIN_EXE_exithand").unwrap_or_else(built)
}

/// No process ever has this number: it is the kernel's limit itself.
pub const ABSENT: &str = "4194304";

/// A directory with the drop-in names in it.
pub struct Tools(TempDir);

impl Tools {
    pub fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        for name in ["waitpid", "pwait", "pidwait", "getino"] {
            symlink(program(), directory.path().join(name)).unwrap();
        }
        Self(directory)
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// A command with `line` for its name and arguments.
    pub fn command(&self, line: &[&str]) -> Command {
        let mut command = Command::new(self.0.path().join(line[0]));
        command.args(&line[1..]).stdin(Stdio::null());
        command
    }

    /// A command run by a shell that first does `before`.
    pub fn after(&self, before: &str, line: &[&str]) -> Command {
        let mut command = Command::new("sh");
        let script = format!("{before}; exec \"$@\"");
        command.args(["-c", &script, "sh"]);
        command.arg(self.0.path().join(line[0])).args(&line[1..]);
        command.stdin(Stdio::null());
        command
    }

    pub fn run(&self, line: &[&str]) -> Ran {
        Ran::of(&mut self.command(line))
    }

    /// Starts a tool and leaves it waiting.
    pub fn start(&self, line: &[&str]) -> Waiting {
        let mut command = self.command(line);
        let started = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        let mut child = started.unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        Waiting { child, out }
    }
}

/// How a tool ended, and what it said.
#[derive(Debug, PartialEq, Eq)]
pub struct Ran {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl Ran {
    pub fn of(command: &mut Command) -> Self {
        command.output().unwrap().into()
    }
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

/// What a tool should have done.
pub fn ran(code: i32, out: &str, err: &str) -> Ran {
    Ran {
        code: Some(code),
        out: out.to_owned(),
        err: err.to_owned(),
    }
}

/// A tool that waits; killed when dropped.
pub struct Waiting {
    child: Child,
    out: BufReader<ChildStdout>,
}

impl Waiting {
    pub fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// Blocks until the tool says something, or nothing more.
    pub fn read_line(&mut self) -> String {
        let mut line = String::new();
        self.out.read_line(&mut line).unwrap();
        line
    }

    pub fn is_waiting(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Waits for its end; returns what it said since the last line read.
    pub fn finish(mut self) -> Ran {
        let mut out = String::new();
        std::io::Read::read_to_string(&mut self.out, &mut out).unwrap();
        let mut err = String::new();
        let mut stderr = self.child.stderr.take().unwrap();
        std::io::Read::read_to_string(&mut stderr, &mut err).unwrap();
        Ran {
            code: self.child.wait().unwrap().code(),
            out,
            err,
        }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        // Both fail only where it has ended, which is what is wanted.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// The pid as it is typed.
pub fn number(actor: &Actor) -> String {
    actor.pid().as_raw_nonzero().to_string()
}
