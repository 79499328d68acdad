//! What a drop-in reads and writes, and how it gives up.

use std::fmt;
use std::io::{self, Read, Write};

use exithand::{Errno, Error};

use super::Name;

/// The streams of a drop-in, so that a test can take the place of the terminal.
pub struct Io<'a> {
    /// Standard input.
    pub input: &'a mut dyn Read,
    /// Standard output.
    pub out: &'a mut dyn Write,
    /// Standard error.
    pub err: &'a mut dyn Write,
}

impl fmt::Debug for Io<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Io").finish_non_exhaustive()
    }
}

impl Io<'_> {
    /// Writes `text` to standard output at once: whoever reads the other end may act on it.
    pub(super) fn say(&mut self, text: &str) -> Result<(), WriteError> {
        let written = self.out.write_all(text.as_bytes());
        written.and_then(|()| self.out.flush()).map_err(WriteError)
    }

    /// Warns in the name of the tool. A standard error that takes nothing stops nobody.
    pub(super) fn warn(&mut self, name: Name, message: &str) {
        drop(writeln!(self.err, "{name}: {message}"));
    }

    /// Turns the end of a tool into its exit code, and says why where it failed.
    pub(super) fn finish(&mut self, result: Result<u8, Failure>) -> u8 {
        result.unwrap_or_else(|failure| {
            drop(self.err.write_all(failure.text.as_bytes()));
            failure.code
        })
    }
}

/// Standard output took no more.
#[derive(Debug)]
pub(super) struct WriteError(io::Error);

impl WriteError {
    pub(super) fn failure(&self, code: u8, name: Name) -> Failure {
        let cause = self.0.raw_os_error().map(Errno::from_raw_os_error);
        let cause = cause.map_or_else(|| self.0.to_string(), strerror);
        Failure::of(code, name, &format!("write error: {cause}"))
    }
}

/// Why a tool gives up: its exit code, and all it says about it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Failure {
    pub(super) code: u8,
    pub(super) text: String,
}

impl Failure {
    /// Fails with a line that starts with the name of the tool.
    pub(super) fn of(code: u8, name: Name, message: &str) -> Self {
        Self {
            code,
            text: format!("{name}: {message}\n"),
        }
    }

    /// Adds `text`, as it is, to what is said.
    pub(super) fn and(mut self, text: &str) -> Self {
        self.text.push_str(text);
        self
    }
}

/// Says an error number in the C library's words.
pub(super) fn strerror(errno: Errno) -> String {
    let text = io::Error::from(errno).to_string();
    match text.split_once(" (os error") {
        Some((words, _)) => words.to_owned(),
        None => text,
    }
}

/// Says what kept a process from being waited for. `targets` were named in all.
///
/// Where the tools say nothing but an errno, scripts may look for its words; the rest is said in
/// ours, which name the remedy.
pub(super) fn cause(error: &Error, targets: usize) -> String {
    match error {
        _ if error.is_gone() => strerror(Errno::SRCH),
        Error::TooManyFiles { .. } => {
            format!("{error}; {targets} processes need one each, and a few more")
        }
        Error::Syscall { errno, .. } => format!("{error}: {}", strerror(*errno)),
        _ => error.to_string(),
    }
}
