//! Processes that do nothing until they are told to end.

use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rustix::io::{read, retry_on_intr, write};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Pid, WaitId, WaitIdOptions, WaitOptions, wait, waitid, waitpid};

use crate::rounds::now;
use crate::sys::{fork_child, shared_number};

/// Starts one target at a time.
pub trait Spawner {
    /// Starts a target and returns its pid. It runs until [`end`](Self::end).
    fn start(&mut self) -> Pid;

    /// Tells the target to end, and returns without waiting for it.
    fn end(&mut self);

    /// Waits until the target was reaped, and returns when it called `exit`, on the clock of
    /// [`now`].
    fn settle(&mut self) -> Duration;
}

/// What a target waits for, and where it notes the time.
#[derive(Debug)]
struct Target {
    go: Pipe,
    exit_ns: &'static AtomicU64,
}

#[derive(Debug)]
struct Pipe {
    reader: OwnedFd,
    writer: OwnedFd,
}

impl Pipe {
    fn new() -> Self {
        let (reader, writer) = pipe_with(PipeFlags::CLOEXEC).expect("make a pipe");
        Self { reader, writer }
    }

    fn send(&self, bytes: &[u8]) {
        assert_eq!(write(&self.writer, bytes), Ok(bytes.len()));
    }

    fn receive(&self, bytes: &mut [u8]) {
        let count = retry_on_intr(|| read(&self.reader, &mut *bytes));
        assert_eq!(count, Ok(bytes.len()));
    }

    fn send_number(&self, number: u32) {
        self.send(&number.to_ne_bytes());
    }

    fn receive_number(&self) -> u32 {
        let mut bytes = [0; 4];
        self.receive(&mut bytes);
        u32::from_ne_bytes(bytes)
    }
}

impl Target {
    fn new() -> Self {
        Self {
            go: Pipe::new(),
            exit_ns: shared_number(),
        }
    }

    fn fork(&self) -> Pid {
        fork_child(|| {
            self.go.receive(&mut [0]);
            let now_ns = u64::try_from(now().as_nanos()).unwrap_or(0);
            self.exit_ns.store(now_ns, Ordering::Release);
            0
        })
    }

    fn end(&self) {
        self.go.send(&[0]);
    }

    fn exit_time(&self) -> Duration {
        Duration::from_nanos(self.exit_ns.load(Ordering::Acquire))
    }
}

/// Targets that are our own children, and stay zombies until they settle.
#[derive(Debug)]
pub struct Children {
    target: Target,
    current: Option<Pid>,
}

impl Children {
    /// Starts none yet.
    #[expect(clippy::new_without_default, reason = "it makes pipes")]
    pub fn new() -> Self {
        Self {
            target: Target::new(),
            current: None,
        }
    }
}

impl Spawner for Children {
    fn start(&mut self) -> Pid {
        *self.current.insert(self.target.fork())
    }

    fn end(&mut self) {
        self.target.end();
    }

    fn settle(&mut self) -> Duration {
        if let Some(pid) = self.current.take() {
            reap(pid);
        }
        self.target.exit_time()
    }
}

impl Drop for Children {
    fn drop(&mut self) {
        if let Some(pid) = self.current.take() {
            self.target.end();
            reap(pid);
        }
    }
}

/// Another process, which starts targets when asked to. It ends when this value is dropped.
#[derive(Debug)]
struct Parent {
    pid: Pid,
    orders: Pipe,
    answers: Pipe,
}

impl Parent {
    /// Forks it. It runs `obey` for each order that is not 0.
    fn fork(mut obey: impl FnMut(u32, &Pipe)) -> Self {
        let (orders, answers) = (Pipe::new(), Pipe::new());
        let pid = fork_child(|| {
            loop {
                match orders.receive_number() {
                    0 => return 0,
                    order => obey(order, &answers),
                }
            }
        });
        Self {
            pid,
            orders,
            answers,
        }
    }

    fn receive_pid(&self) -> Pid {
        let number = i32::try_from(self.answers.receive_number()).expect("a pid");
        Pid::from_raw(number).expect("a pid")
    }
}

impl Drop for Parent {
    fn drop(&mut self) {
        self.orders.send_number(0);
        reap(self.pid);
    }
}

/// Targets that belong to another process, which reaps each as soon as it can: the usual case.
#[derive(Debug)]
pub struct Strangers {
    target: Target,
    parent: Parent,
}

impl Strangers {
    /// Starts the other process.
    #[expect(clippy::new_without_default, reason = "it forks")]
    pub fn new() -> Self {
        let target = Target::new();
        let parent = Parent::fork(|_start, answers| {
            let pid = target.fork();
            answers.send_number(pid.as_raw_nonzero().get().unsigned_abs());
            reap(pid);
            answers.send_number(0);
        });
        Self { target, parent }
    }
}

impl Spawner for Strangers {
    fn start(&mut self) -> Pid {
        self.parent.orders.send_number(1);
        self.parent.receive_pid()
    }

    fn end(&mut self) {
        self.target.end();
    }

    fn settle(&mut self) -> Duration {
        self.parent.answers.receive_number();
        self.target.exit_time()
    }
}

/// Many targets at once, of another process, which reaps them as they end.
#[derive(Debug)]
pub struct Crowd {
    go: Pipe,
    parent: Parent,
}

impl Crowd {
    /// Starts the other process.
    #[expect(clippy::new_without_default, reason = "it forks")]
    pub fn new() -> Self {
        let go = Pipe::new();
        let parent = Parent::fork(|count, answers| {
            for _ in 0..count {
                let pid = fork_child(|| {
                    go.receive(&mut [0]);
                    0
                });
                answers.send_number(pid.as_raw_nonzero().get().unsigned_abs());
            }
            for _ in 0..count {
                wait(WaitOptions::empty()).expect("as many children as were started");
            }
            answers.send_number(0);
        });
        Self { go, parent }
    }

    /// Starts `count` targets, at most as many as a pipe holds bytes.
    pub fn start(&mut self, count: usize) -> Vec<Pid> {
        let order = u32::try_from(count).expect("a pipe holds fewer");
        self.parent.orders.send_number(order);
        (0..count).map(|_| self.parent.receive_pid()).collect()
    }

    /// Tells all `count` to end, and returns without waiting for them.
    pub fn end(&mut self, count: usize) {
        self.go.send(&vec![0; count]);
    }

    /// Waits until all were reaped.
    pub fn settle(&mut self) {
        self.parent.answers.receive_number();
    }
}

fn reap(pid: Pid) {
    waitid(WaitId::Pid(pid), WaitIdOptions::EXITED).expect("reap a child");
}

/// Forks `count` processes, one after the other, which exit at once, and reaps them.
pub fn storm(count: u32) {
    for _ in 0..count {
        let child = fork_child(|| 0);
        waitpid(Some(child), WaitOptions::empty()).expect("reap a child");
    }
}
