//! A running actor, from its ready line to its wait status.

use std::io::{self, BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use rustix::process::Pid;
use tempfile::TempDir;

use crate::binary::actor_path;
use crate::wait::{wait_status, wait_zombie};

/// The actors that may leave a file named `core` where they run.
const DUMPERS: [&str; 2] = ["abort", "segv-core"];

/// Starts an actor and waits until it is ready. `exithand-actor` without arguments lists them.
///
/// # Panics
/// If it cannot be started, or ends before it is ready.
#[track_caller]
pub fn actor(args: &[&str]) -> Actor {
    Actor::start(actor_command(args))
}

/// The command that plays an actor, for tests that start it in their own way.
///
/// Give it a stdin that stays open: its end is "go".
pub fn actor_command(args: &[&str]) -> Command {
    let mut command = Command::new(actor_path());
    command.args(args);
    command
}

/// A process with a known course, ended and reaped when dropped.
///
/// Only this one process is killed. Its descendants notice that stdin closes, and end by themselves.
#[derive(Debug)]
pub struct Actor {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: BufReader<ChildStdout>,
    told: Vec<Pid>,
    _directory: Option<TempDir>,
}

impl Actor {
    /// Starts the actor that `command` describes and waits until it is ready.
    ///
    /// Actors that may dump core get a directory of their own, unless the command names one.
    ///
    /// # Panics
    /// If it cannot be started, or ends before it is ready.
    #[track_caller]
    pub fn start(mut command: Command) -> Self {
        let directory = core_directory(&mut command);
        let started = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let mut child = started.unwrap_or_else(|error| panic!("start {command:?}: {error}"));
        let stdin = child.stdin.take();
        let stdout = BufReader::new(child.stdout.take().expect("stdout is a pipe"));
        let mut actor = Self {
            child,
            stdin,
            stdout,
            told: Vec::new(),
            _directory: directory,
        };
        let line = actor.read_line();
        let Some(pids) = line.strip_prefix("ready") else {
            panic!("{command:?} said {line:?} instead of ready");
        };
        actor.told = pids_in(pids);
        actor
    }

    /// The pid of the actor itself.
    pub fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// The pids or tids in the ready line; what they are depends on the actor.
    pub fn told(&self) -> &[Pid] {
        &self.told
    }

    /// The first of [`Actor::told`].
    ///
    /// # Panics
    /// If the actor told none.
    #[track_caller]
    pub fn told_pid(&self) -> Pid {
        *self.told.first().expect("the actor told a pid")
    }

    /// The child, for what this type does not offer.
    pub fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    /// Says "go" with one line and keeps stdin open.
    ///
    /// # Panics
    /// If the actor no longer listens.
    #[track_caller]
    pub fn go(&mut self) {
        let stdin = self.stdin.as_mut().expect("stdin is still open");
        stdin.write_all(b"go\n").expect("the actor listens");
    }

    /// Says "go" for this and every further wait of the actor, by closing its stdin.
    pub fn release(&mut self) {
        self.stdin = None;
    }

    /// Reads the next line the actor says, without its end; empty once it says no more.
    ///
    /// # Panics
    /// If the line is not text.
    #[track_caller]
    pub fn read_line(&mut self) -> String {
        let mut line = String::new();
        self.stdout
            .read_line(&mut line)
            .expect("read what the actor says");
        line.trim_end().to_owned()
    }

    /// Sends SIGKILL to this process alone.
    ///
    /// # Panics
    /// If it may not be killed: it runs as another user, or is another program by now.
    #[track_caller]
    pub fn kill(&mut self) {
        self.child.kill().expect("kill a child of this test");
    }

    /// Waits until the actor is a zombie, and leaves it one.
    ///
    /// # Panics
    /// If it has been reaped.
    #[track_caller]
    pub fn wait_zombie(&self) {
        wait_zombie(self.pid()).expect("wait for a child of this test");
    }

    /// Waits for the end, reaps, and returns the wait status. Does not say "go".
    ///
    /// # Panics
    /// If somebody else reaped it.
    #[track_caller]
    pub fn wait(&mut self) -> i32 {
        wait_status(&mut self.child)
    }

    /// Whether the actor can be reaped, and reaps it if so: its wait status, or `None`.
    ///
    /// # Errors
    /// As `wait4(2)`.
    pub fn try_wait(&mut self) -> io::Result<Option<i32>> {
        use std::os::unix::process::ExitStatusExt;
        Ok(self.child.try_wait()?.map(ExitStatusExt::into_raw))
    }
}

impl Drop for Actor {
    fn drop(&mut self) {
        self.release();
        // Both fail only for a process that is gone already, which is what is wanted.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn core_directory(command: &mut Command) -> Option<TempDir> {
    let dumps = command
        .get_args()
        .any(|arg| DUMPERS.iter().any(|dumper| arg == *dumper));
    if !dumps || command.get_current_dir().is_some() {
        return None;
    }
    let directory = tempfile::tempdir().expect("make a temporary directory");
    command.current_dir(directory.path());
    Some(directory)
}

fn pids_in(text: &str) -> Vec<Pid> {
    let numbers = text
        .split_whitespace()
        .map(|word| word.parse().ok().and_then(Pid::from_raw));
    numbers
        .collect::<Option<_>>()
        .unwrap_or_else(|| panic!("not all pids: {text:?}"))
}
