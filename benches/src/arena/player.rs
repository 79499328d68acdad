//! A process of an arena, as the watcher has it.

use std::env;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::process::{Pid, PidfdFlags, pidfd_open, setpriority_process};

use super::part::{Manner, Part};

/// So few that they come round many times a second.
const FEW_PIDS: &str = "420";

/// A process of the arena.
#[derive(Debug)]
pub struct Player {
    child: Child,
    pub(super) pidfd: OwnedFd,
    /// What it plays.
    pub part: Part,
    /// When it died.
    pub dead: Option<Duration>,
    /// Where one that makes children tells of them.
    told: BufReader<ChildStdout>,
}

impl Player {
    /// Starts it, and returns once it has the memory it begins with.
    pub fn start(part: Part) -> Self {
        if part.manner == Manner::Storms {
            // Each pid namespace has its own since Linux 6.14.
            fs::write("/proc/sys/kernel/pid_max", FEW_PIDS).unwrap();
        }
        let cgroup = part
            .cgroup
            .as_ref()
            .map(|it| it.join("cgroup.procs").display().to_string());
        let mut child = Command::new(env::current_exe().unwrap())
            .arg("role")
            .args([part.mib, part.grows_to, u64::from(part.threads)].map(|it| it.to_string()))
            .arg(part.manner.word())
            .args(cgroup)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let mut told = BufReader::new(child.stdout.take().unwrap());
        told.read_line(&mut line).unwrap();
        assert_eq!(line, "ready\n");
        let pid = Pid::from_child(&child);
        fs::write(
            format!("/proc/{}/oom_score_adj", child.id()),
            part.adj.to_string(),
        )
        .unwrap();
        for task in fs::read_dir(format!("/proc/{}/task", child.id())).unwrap() {
            let tid = task.unwrap().file_name().to_string_lossy().parse().ok();
            setpriority_process(tid.and_then(Pid::from_raw), part.nice).unwrap();
        }
        let pidfd = pidfd_open(pid, PidfdFlags::empty()).unwrap();
        Self {
            child,
            pidfd,
            part,
            dead: None,
            told,
        }
    }

    /// Its pid.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Has it begin.
    pub fn go(&mut self) {
        // Whoever is frozen is told nothing.
        drop(self.child.stdin.as_mut().unwrap().write_all(b"go\n"));
    }

    /// Waits for the end of one that was frozen, at most for a second: it comes only if it was killed.
    pub fn ends_once_thawed(&mut self) {
        let longest = Duration::from_secs(1);
        let mut fds = [PollFd::new(&self.pidfd, PollFlags::IN)];
        let timeout = Timespec::try_from(longest).unwrap();
        if poll(&mut fds, Some(&timeout)).unwrap() > 0 {
            self.dead = self.dead.or(Some(longest));
        }
    }

    /// Ends it, if it still runs.
    pub fn end(&mut self) {
        // Fails only for one that is gone.
        drop(self.child.kill());
        self.child.wait().unwrap();
    }

    /// Opens the children that it has said it made.
    pub(super) fn hear_of_children(&mut self, children: &mut Vec<OwnedFd>) {
        let mut line = String::new();
        while !self.told.buffer().is_empty() || is_readable(self.told.get_ref().as_fd()) {
            line.clear();
            // Nothing where the process is gone.
            if self.told.read_line(&mut line).unwrap() == 0 {
                break;
            }
            let pid = line.trim().parse().ok().and_then(Pid::from_raw);
            children.push(pidfd_open(pid.unwrap(), PidfdFlags::empty()).unwrap());
        }
    }
}

/// Says whether there is something to read, or, of a pidfd, whether the process has ended.
pub(super) fn is_readable(fd: BorrowedFd<'_>) -> bool {
    let mut fds = [PollFd::from_borrowed_fd(fd, PollFlags::IN)];
    poll(&mut fds, Some(&Timespec::default())).unwrap() > 0
}
