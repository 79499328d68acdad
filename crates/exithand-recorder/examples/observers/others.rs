//! Other people's observers, and what they print.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::process::{Child, Command, Stdio};

/// How many processes may end before an observer has to have told of one of them.
const PATIENCE: u32 = 5_000;

/// One line of an observer: a process, its parent (0: not told), and a wait status.
type Line = fn(&[&str]) -> Option<(u32, u32, i32)>;

/// An observer that runs, and writes to a file.
pub(crate) struct Other {
    name: &'static str,
    child: Child,
    output: File,
    parse: Line,
    begin: u64,
    is_there: bool,
}

/// What was told: the statuses of each process, in order.
#[derive(Debug, Default)]
pub(crate) struct Told(HashMap<u32, Vec<(u32, i32)>>);

impl Other {
    pub(crate) fn exitsnoop() -> io::Result<Self> {
        // It looks for its tracepoint in tracefs, which need not be mounted.
        let mut command = Command::new("unshare");
        let script = "mount -t tracefs tracefs /sys/kernel/tracing && exec stdbuf -oL exitsnoop";
        command.args(["--mount", "sh", "-c", script]);
        Self::start("exitsnoop", command, |words| {
            let [_, pid, parent, _, _, how @ ..] = words else {
                return None;
            };
            let status = match how {
                ["0"] => 0,
                ["code", status] => status.parse::<i32>().ok()? << 8,
                ["signal", signal, ..] => signal.parse().ok()?,
                _ => return None,
            };
            Some((pid.parse().ok()?, parent.parse().ok()?, status))
        })
    }

    pub(crate) fn forkstat() -> io::Result<Self> {
        let mut command = Command::new("stdbuf");
        command.args(["-oL", "forkstat", "-e", "exit"]);
        Self::start("forkstat", command, |words| {
            let [_, "exit", pid, status, ..] = words else {
                return None;
            };
            let status: i32 = status.parse().ok()?;
            Some((pid.parse().ok()?, 0, status & !super::CORE))
        })
    }

    fn start(name: &'static str, mut command: Command, parse: Line) -> io::Result<Self> {
        let output = tempfile::tempfile()?;
        command.stdout(output.try_clone()?).stderr(Stdio::null());
        Ok(Self {
            name,
            child: command.stdin(Stdio::null()).spawn()?,
            output,
            parse,
            begin: 0,
            is_there: true,
        })
    }

    pub(crate) fn name(&self) -> &'static str {
        self.name
    }

    /// Says whether it tells anything at all.
    pub(crate) fn is_there(&mut self) -> io::Result<bool> {
        self.is_there = self.settle()?;
        Ok(self.is_there)
    }

    /// From here on counts what is told next.
    pub(crate) fn begin(&mut self) -> io::Result<()> {
        if self.is_there {
            self.settle()?;
        }
        self.begin = self.output.metadata()?.len();
        Ok(())
    }

    /// What was told since then; `None` where it cannot be run.
    pub(crate) fn told(&mut self) -> io::Result<Option<Told>> {
        if !self.is_there {
            return Ok(None);
        }
        self.settle()?;
        let mut told = Told::default();
        for (pid, parent, status) in self.lines(self.begin)? {
            told.add(pid, parent, status);
        }
        Ok(Some(told))
    }

    /// Has processes end until it has told of one that ended after all before.
    fn settle(&mut self) -> io::Result<bool> {
        let from = self.output.metadata()?.len();
        let mut ended = Vec::new();
        for _ in 0..PATIENCE {
            if self.child.try_wait()?.is_some() {
                return Ok(false);
            }
            let mut child = Command::new("true").spawn()?;
            child.wait()?;
            ended.push(child.id());
            if self.lines(from)?.iter().any(|it| ended.contains(&it.0)) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn lines(&mut self, from: u64) -> io::Result<Vec<(u32, u32, i32)>> {
        let mut copy = File::open(format!("/proc/self/fd/{}", fd(&self.output)))?;
        copy.seek(SeekFrom::Start(from))?;
        let mut bytes = Vec::new();
        copy.read_to_end(&mut bytes)?;
        let text = String::from_utf8_lossy(&bytes);
        let lines = text
            .lines()
            .map(|it| it.split_whitespace().collect::<Vec<_>>());
        Ok(lines.filter_map(|words| (self.parse)(&words)).collect())
    }
}

/// The number of a descriptor, to open its file anew: an offset of its own is what is wanted.
fn fd(file: &File) -> i32 {
    std::os::fd::AsRawFd::as_raw_fd(file)
}

impl Drop for Other {
    fn drop(&mut self) {
        // Both fail only for a process that is gone already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

impl Told {
    pub(crate) fn add(&mut self, pid: u32, parent: u32, status: i32) {
        self.0.entry(pid).or_default().push((parent, status));
    }

    /// What was told of a process with this parent, where the observer tells parents.
    pub(crate) fn of(&self, pid: u32, parent: u32) -> Vec<i32> {
        let told = self.0.get(&pid).into_iter().flatten();
        let ours = told.filter(|it| it.0 == parent || it.0 == 0);
        ours.map(|it| it.1).collect()
    }

    /// How many of these ends were told, each with its own status.
    pub(crate) fn matching(&self, ends: &[(u32, i32)], parent: u32) -> usize {
        let mut left: HashMap<(u32, i32), usize> = HashMap::new();
        for pid in self.0.keys() {
            for status in self.of(*pid, parent) {
                *left.entry((*pid, status)).or_default() += 1;
            }
        }
        let mut right = 0;
        for end in ends {
            if let Some(count) = left.get_mut(end).filter(|it| **it > 0) {
                *count -= 1;
                right += 1;
            }
        }
        right
    }
}
