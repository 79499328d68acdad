//! Runs the programs of a plan, and sends what they write.

use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::os::fd::OwnedFd;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use exithand_vm::{End, Frame, Plan, Program, Stream, User};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{Errno, ioctl_fionbio};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open};

use crate::port::Port;

/// The user without privileges, and the group.
const NOBODY: u32 = 65534;
/// A longer line is sent in parts.
const LONGEST_PART: usize = 4096;
/// What a program that has ended can have left in a pipe.
const PIPE: usize = 65_536;

/// Runs the programs, one after the other.
pub(crate) fn run_all(plan: &Plan, port: &mut Port) -> io::Result<()> {
    for (number, program) in plan.programs.iter().enumerate() {
        port.send(&Frame::Start(number))?;
        let started = Instant::now();
        let end = match command(program).spawn() {
            Ok(child) => follow(child, number, started, program.seconds, port)?,
            Err(error) => End::NotStarted(error.to_string()),
        };
        let millis = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        port.send(&Frame::End {
            program: number,
            end,
            millis,
        })?;
    }
    Ok(())
}

fn command(program: &Program) -> Command {
    let mut command = Command::new(&program.path);
    command
        .args(&program.args)
        .env_clear()
        .envs([("PATH", "/bin"), ("HOME", "/tmp"), ("TMPDIR", "/tmp")])
        .envs(program.env.iter().map(|(name, value)| (name, value)))
        .current_dir("/tmp")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0);
    if program.user == User::Nobody {
        // The standard library also drops the groups; leaving root empties the capability sets.
        command.uid(NOBODY).gid(NOBODY);
    }
    command
}

/// Sends what `child` writes until it has ended, even where somebody it left behind holds the pipes.
fn follow(
    mut child: Child,
    number: usize,
    started: Instant,
    seconds: u64,
    port: &mut Port,
) -> io::Result<End> {
    let pid = Pid::from_child(&child);
    let pidfd = pidfd_open(pid, PidfdFlags::empty())?;
    let mut pipes = [
        Pipe::new(child.stdout.take().map(OwnedFd::from), number, Stream::Out)?,
        Pipe::new(child.stderr.take().map(OwnedFd::from), number, Stream::Err)?,
    ];
    let deadline = started + Duration::from_secs(seconds);
    let mut in_time = true;
    while in_time && !wait_for_any(&pidfd, &pipes, deadline)? {
        for pipe in &mut pipes {
            pipe.read(PIPE, port)?;
        }
        in_time = Instant::now() < deadline;
    }
    if !in_time {
        kill_group(pid)?;
    }
    let status = child.wait()?;
    for pipe in &mut pipes {
        pipe.read(16 * PIPE, port)?;
        pipe.finish(port)?;
    }
    Ok(if in_time { end(status) } else { End::TimedOut })
}

/// Kills the program and what it started, as far as that is still in its group.
#[expect(
    clippy::disallowed_methods,
    reason = "the leader of the group is our child and not reaped, so the number is still its own"
)]
fn kill_group(leader: Pid) -> io::Result<()> {
    Ok(rustix::process::kill_process_group(leader, Signal::KILL)?)
}

fn end(status: ExitStatus) -> End {
    match (status.code(), status.signal()) {
        (Some(code), _) => End::Exited(code),
        (None, signal) => End::Killed(signal.unwrap_or(0)),
    }
}

/// Waits until the process has ended, a pipe has something, or time is up; says whether it has ended.
fn wait_for_any(pidfd: &OwnedFd, pipes: &[Pipe], deadline: Instant) -> io::Result<bool> {
    let left = deadline.saturating_duration_since(Instant::now());
    let left = Timespec::try_from(left).map_err(io::Error::other)?;
    let open = pipes.iter().filter_map(|it| it.file.as_ref());
    let mut fds = vec![PollFd::new(pidfd, PollFlags::IN)];
    fds.extend(open.map(|it| PollFd::new(it, PollFlags::IN)));
    match poll(&mut fds, Some(&left)) {
        Ok(_) | Err(Errno::INTR) => Ok(!fds[0].revents().is_empty()),
        Err(errno) => Err(errno.into()),
    }
}

/// One stream of a program.
struct Pipe {
    /// `None` once it has ended.
    file: Option<File>,
    number: usize,
    stream: Stream,
    /// The line that is not complete.
    line: Vec<u8>,
}

impl Pipe {
    fn new(fd: Option<OwnedFd>, number: usize, stream: Stream) -> io::Result<Self> {
        if let Some(fd) = &fd {
            ioctl_fionbio(fd, true)?;
        }
        Ok(Self {
            file: fd.map(File::from),
            number,
            stream,
            line: Vec::new(),
        })
    }

    /// Sends what is there, up to `most` bytes.
    fn read(&mut self, most: usize, port: &mut Port) -> io::Result<()> {
        let mut buffer = [0; 4096];
        let mut total = 0;
        while total < most
            && let Some(file) = &mut self.file
        {
            match file.read(&mut buffer) {
                Ok(0) => self.file = None,
                Ok(count) => {
                    total += count;
                    self.send(&buffer[..count], port)?;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn send(&mut self, bytes: &[u8], port: &mut Port) -> io::Result<()> {
        for part in bytes.split_inclusive(|it| *it == b'\n') {
            self.line.extend_from_slice(part);
            if self.line.ends_with(b"\n") || self.line.len() >= LONGEST_PART {
                self.flush(port)?;
            }
        }
        Ok(())
    }

    /// Sends what is left without a line break.
    fn finish(&mut self, port: &mut Port) -> io::Result<()> {
        if self.line.is_empty() {
            return Ok(());
        }
        self.flush(port)
    }

    fn flush(&mut self, port: &mut Port) -> io::Result<()> {
        port.send(&Frame::Text {
            program: self.number,
            stream: self.stream,
            text: std::mem::take(&mut self.line),
        })
    }
}
