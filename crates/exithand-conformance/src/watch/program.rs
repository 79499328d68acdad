//! Programs of every system, reading an exithand file.

use std::fs;
use std::io::ErrorKind::{NotFound, PermissionDenied};
use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{
    Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, pidfd_open, pidfd_send_signal, waitid,
};

use crate::site::number;
use crate::verdict::{Checked, Context, Stop, ensure};
use crate::watch::{SOON, until_blocked};

/// A program that reads a file to its end, and what it reads.
#[derive(Debug)]
pub(crate) struct Program {
    child: Child,
    path: PathBuf,
}

/// Commands that read the file `FILE`, all in their own way.
pub(crate) const COMMANDS: [&[&str]; 6] = [
    &["cat", "FILE"],
    &["dd", "if=FILE", "status=none"],
    &["dd", "if=FILE", "bs=1", "status=none"],
    &["head", "-c", "1000", "FILE"],
    &[
        "python3",
        "-c",
        "import sys; sys.stdout.write(open(sys.argv[1]).read())",
        "FILE",
    ],
    &["sh", "-c", "exec cat < \"$0\"", "FILE"],
];

impl Program {
    /// Starts `command`, whose word `FILE` stands for `path`; `None` where there is no such program.
    pub(crate) fn start(command: &[&str], path: &Path) -> Checked<Option<Self>> {
        let text = path.display().to_string();
        let [program, args @ ..] = command else {
            return Ok(None);
        };
        let args = args.iter().map(|arg| arg.replace("FILE", &text));
        let started = Command::new(program)
            .args(args)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        match started {
            Ok(child) => Ok(Some(Self {
                child,
                path: path.to_owned(),
            })),
            // It is denied where a directory in `PATH` is, and no other has the program.
            Err(error) if matches!(error.kind(), NotFound | PermissionDenied) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Returns once it blocks in a read of the file.
    pub(crate) fn until_blocked(&mut self) -> Checked {
        let process = PathBuf::from("/proc").join(number(self.pid()));
        let ours = |descriptor: &str| {
            fs::read_link(process.join("fd").join(descriptor)).is_ok_and(|it| it == self.path)
        };
        until_blocked(&process, ours).map_err(|stop| {
            let mut said = String::new();
            if let Some(stderr) = &mut self.child.stderr {
                // Only adds to the reason.
                stderr.read_to_string(&mut said).unwrap_or_default();
            }
            stop.context(said.trim())
        })
    }

    /// Returns once it has said `words` on its standard error.
    pub(crate) fn until_said(&mut self, words: &str) -> Checked {
        let stderr = self.child.stderr.take().into_iter();
        let mut lines = stderr.flat_map(|it| BufReader::new(it).lines());
        let mut said = String::new();
        while !said.contains(words) {
            match lines.next() {
                Some(line) => said += &line?,
                None => return Err(Stop::Failed(format!("it ended and said {said:?}"))),
            }
        }
        Ok(())
    }

    fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: Signal) -> Checked {
        let pidfd = pidfd_open(self.pid(), PidfdFlags::empty())?;
        pidfd_send_signal(&pidfd, signal).context("send a signal")
    }

    /// Returns once a stop signal has stopped it.
    pub(crate) fn until_stopped(&self) -> Checked {
        waitid(WaitId::Pid(self.pid()), WaitIdOptions::STOPPED)?;
        Ok(())
    }

    /// Fails if it has ended.
    pub(crate) fn still_runs(&mut self) -> Checked {
        let ended = self.child.try_wait()?;
        ensure(
            ended.is_none(),
            format_args!("the reading program has ended: {ended:?}"),
        )
    }

    /// Waits for its end; its wait status and what it wrote.
    pub(crate) fn finish(mut self) -> Checked<(i32, Vec<u8>)> {
        let pidfd = pidfd_open(self.pid(), PidfdFlags::empty())?;
        if poll(&mut [PollFd::new(&pidfd, PollFlags::IN)], Some(&SOON))? == 0 {
            return Err(Stop::Failed(format!(
                "it still runs after {} s",
                SOON.tv_sec
            )));
        }
        let mut written = Vec::new();
        if let Some(stdout) = &mut self.child.stdout {
            stdout.read_to_end(&mut written)?;
        }
        Ok((self.child.wait()?.into_raw(), written))
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // Both fail only for a process that is gone already, which is what is wanted.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
