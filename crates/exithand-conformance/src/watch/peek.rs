//! A process that opens and reads a file as another user.

use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitCode, Stdio};

use exithand_testkit::User;
use rustix::fs::OFlags;
use rustix::io::Errno;

use crate::site::open_file;
use crate::verdict::{Checked, Stop};
use crate::watch::{read_once, until_readable};

/// A process that has a file open, never blocks in a read, and tells what it reads.
#[derive(Debug)]
pub(crate) struct Peek {
    child: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
}

impl Peek {
    /// Has another process open `path`, as `user` where one is given.
    pub(crate) fn open(path: &Path, user: Option<User>) -> Checked<Result<Self, Errno>> {
        // By this path any user finds the program, in whatever directory it is.
        let mut command = Command::new("/proc/self/exe");
        command.arg("--peek").arg(path);
        if let Some(user) = user {
            command.uid(user.uid).gid(user.gid);
        }
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn()?;
        let (Some(stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(Stop::Failed("no pipes to the other process".to_owned()));
        };
        let mut peek = Self {
            child,
            stdin,
            stdout: BufReader::new(stdout),
        };
        Ok(peek.answer()?.map(|_nothing| peek))
    }

    /// What one read gives now.
    pub(crate) fn read(&mut self) -> Checked<Result<Vec<u8>, Errno>> {
        self.ask("read")
    }

    /// What one read gives once poll says that the file can be read.
    pub(crate) fn wait_and_read(&mut self) -> Checked<Result<Vec<u8>, Errno>> {
        self.ask("wait")
    }

    fn ask(&mut self, word: &str) -> Checked<Result<Vec<u8>, Errno>> {
        writeln!(self.stdin, "{word}")?;
        self.answer()
    }

    fn answer(&mut self) -> Checked<Result<Vec<u8>, Errno>> {
        let mut line = String::new();
        self.stdout.read_line(&mut line)?;
        let unknown = || Stop::Failed(format!("the other process said {line:?}"));
        match line.trim_end().split_once(' ').ok_or_else(unknown)? {
            ("bytes", hex) => Ok(Ok(from_hex(hex).ok_or_else(unknown)?)),
            ("errno", number) => {
                let number = number.parse().map_err(|_no_number| unknown())?;
                Ok(Err(Errno::from_raw_os_error(number)))
            }
            _ => Err(unknown()),
        }
    }
}

impl Drop for Peek {
    fn drop(&mut self) {
        // Both fail only for a process that is gone already, which is what is wanted.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Plays the other process.
pub(crate) fn play(path: &Path) -> io::Result<ExitCode> {
    let opened = open_file(path, OFlags::NONBLOCK);
    say(&opened.as_ref().map(|_file| Vec::new()).map_err(|it| *it))?;
    let Ok(file) = opened else {
        return Ok(ExitCode::SUCCESS);
    };
    for line in io::stdin().lock().lines() {
        if line? == "wait" {
            // What the read says then tells more than that poll was late.
            until_readable(&file, "wait").unwrap_or_default();
        }
        say(&read_once(&file, 4096))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn say(result: &Result<Vec<u8>, Errno>) -> io::Result<()> {
    let mut out = io::stdout().lock();
    match result {
        Ok(bytes) => writeln!(out, "bytes {}.", hex(bytes))?,
        Err(errno) => writeln!(out, "errno {}", errno.raw_os_error())?,
    }
    out.flush()
}

fn hex(bytes: &[u8]) -> String {
    let digits = |byte: &u8| [byte >> 4, byte & 15].map(u32::from);
    let digit = |it: u32| char::from_digit(it, 16).unwrap_or('?');
    bytes.iter().flat_map(digits).map(digit).collect()
}

/// Reads hexadecimal digits and the full stop that ends them.
fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digits = text.strip_suffix('.')?.as_bytes();
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    digits.chunks(2).map(byte).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_survive_the_pipe() {
        for bytes in [vec![], vec![0], vec![0xff, 0x00, 0x0a]] {
            assert_eq!(from_hex(&format!("{}.", hex(&bytes))), Some(bytes));
        }
        assert_eq!(from_hex("0"), None);
    }
}
