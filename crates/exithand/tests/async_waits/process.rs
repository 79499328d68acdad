//! Processes with known ends.

use std::io::{BufRead, BufReader, PipeReader, PipeWriter, pipe};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use exithand::{ExitHandle, Pid};

/// A shell that runs until it is released; ended and reaped when dropped.
pub(crate) struct Held {
    pub(crate) child: Child,
    stdin: Option<ChildStdin>,
}

impl Held {
    /// Starts a child that will exit with `status`.
    pub(crate) fn new(status: u8) -> Self {
        let mut command = Command::new("sh");
        command.args(["-c", &format!("read x; exit {status}")]);
        Self::start(&mut command)
    }

    fn start(command: &mut Command) -> Self {
        let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
        let stdin = child.stdin.take();
        Self { child, stdin }
    }

    pub(crate) fn handle(&self) -> ExitHandle {
        ExitHandle::from_child(&self.child).unwrap()
    }

    pub(crate) fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    pub(crate) fn release(&mut self) {
        self.stdin = None;
    }

    /// Makes it a zombie.
    pub(crate) fn end(&mut self) {
        self.release();
        let handle = self.handle();
        handle
            .wait(exithand::Until::Ended, exithand::Deadline::NEVER)
            .unwrap();
    }

    /// Reaps it, as only its parent may.
    pub(crate) fn reap(&mut self) -> Option<i32> {
        self.child.wait().unwrap().code()
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.release();
        // Both fail only for a child that is gone already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Starts `count` children that exit, with statuses 0, 1, 2 and so on, once the writer is dropped.
pub(crate) fn crowd(count: usize) -> (Vec<Held>, PipeWriter) {
    let (reader, writer) = pipe().unwrap();
    let member = |index: usize| Held {
        child: Command::new("sh")
            .args(["-c", &format!("read x; exit {}", index % 256)])
            .stdin(reader.try_clone().unwrap())
            .spawn()
            .unwrap(),
        stdin: None,
    };
    ((0..count).map(member).collect(), writer)
}

/// A process that is no child of ours. It exits with status 7 once released.
pub(crate) struct Stranger {
    pub(crate) pid: Pid,
    release: Option<PipeWriter>,
    /// Ends, and leaves the stranger to init, when dropped.
    _parent: Held,
    _output: BufReader<ChildStdout>,
}

impl Stranger {
    /// Its parent reaps it at once.
    pub(crate) fn reaped_at_once() -> Self {
        Self::start(r"sh -c 'echo $$; read x <&2; exit 7'; read x")
    }

    /// Its parent never reaps.
    pub(crate) fn never_reaped() -> Self {
        Self::start(r"sh -c 'echo $$; read x <&2; exit 7' & exec cat")
    }

    fn start(script: &str) -> Self {
        let (reader, release): (PipeReader, _) = pipe().unwrap();
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command.stdout(Stdio::piped()).stderr(reader);
        let mut parent = Held::start(&mut command);
        let mut output = BufReader::new(parent.child.stdout.take().unwrap());
        let mut line = String::new();
        output.read_line(&mut line).unwrap();
        Self {
            pid: Pid::from_raw(line.trim_end().parse().unwrap()).unwrap(),
            release: Some(release),
            _parent: parent,
            _output: output,
        }
    }

    pub(crate) fn release(&mut self) {
        self.release = None;
    }
}
