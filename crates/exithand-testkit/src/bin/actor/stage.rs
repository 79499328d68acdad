//! What all actors share: the lines they write and wait for, their arguments, their children.

use std::env;
use std::fmt::Display;
use std::io::{self, ErrorKind, Write};
use std::process::Command;
use std::str::FromStr;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Says `ready` and the given pids.
pub(crate) fn ready(pids: &[i32]) {
    let pids = pids.iter().map(|pid| format!(" {pid}"));
    say(&format!("ready{}", pids.collect::<String>()));
}

/// Writes one line; a reader that has gone is no reason to end differently.
pub(crate) fn say(line: &str) {
    let mut out = io::stdout().lock();
    match writeln!(out, "{line}").and_then(|()| out.flush()) {
        Ok(()) | Err(_) => {}
    }
}

/// What arrived on stdin.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Heard {
    Line,
    End,
}

/// Waits for a line or the end of stdin.
pub(crate) fn go() -> io::Result<()> {
    hear().map(drop)
}

/// Waits for the end of stdin, whatever is said before.
pub(crate) fn until_stdin_ends() -> io::Result<()> {
    while hear()? == Heard::Line {}
    Ok(())
}

/// Reads byte by byte, so that a program executed next finds what follows.
fn hear() -> io::Result<Heard> {
    let mut byte = [0];
    loop {
        match rustix::io::read(io::stdin(), &mut byte) {
            Ok(0) => return Ok(Heard::End),
            Ok(_) if byte == *b"\n" => return Ok(Heard::Line),
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
}

/// Whether the writer of stdin has gone; does not wait.
pub(crate) fn stdin_has_ended() -> io::Result<bool> {
    let stdin = io::stdin();
    let mut fds = [PollFd::new(&stdin, PollFlags::empty())];
    poll(
        &mut fds,
        Some(&Timespec {
            tv_sec: 0,
            tv_nsec: 0,
        }),
    )?;
    Ok(fds[0].revents().contains(PollFlags::HUP))
}

/// The argument at `index`, or an error that says what was expected.
pub(crate) fn argument<T: FromStr<Err: Display>>(args: &[String], index: usize) -> io::Result<T> {
    let text = args
        .get(index)
        .ok_or_else(|| invalid(format!("argument {} is missing", index + 1)))?;
    text.parse()
        .map_err(|error| invalid(format!("{text:?}: {error}")))
}

pub(crate) fn invalid(text: String) -> io::Error {
    io::Error::new(ErrorKind::InvalidInput, text)
}

/// A command that plays another part with this same program.
pub(crate) fn part(args: &[impl AsRef<str>]) -> io::Result<Command> {
    let mut command = Command::new(env::current_exe()?);
    command.args(args.iter().map(AsRef::as_ref));
    Ok(command)
}

/// Allows core dumps as far as the hard limit does.
pub(crate) fn raise_core_limit() -> io::Result<()> {
    let maximum = getrlimit(Resource::Core).maximum;
    Ok(setrlimit(
        Resource::Core,
        Rlimit {
            current: maximum,
            maximum,
        },
    )?)
}
