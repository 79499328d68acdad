//! A pid file as procps reads it: any file that starts with a number.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::os::fd::AsFd;
use std::path::Path;

use exithand::Errno;
use rustix::fs::{FlockOperation, fcntl_lock, flock};

use super::{FAILED, NAME};
use crate::names::io_set::{Failure, Io, strerror};

/// As much of the first line as is looked at.
const LINE_MAX_BYTES: u64 = 255;

/// Whether the file must be locked, as a daemon that still runs would keep it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Lock {
    #[default]
    Ignored,
    Required,
}

/// Reads the number in the first line of a file; `-` is standard input.
pub(super) fn read(path: &Path, lock: Lock, io: &mut Io<'_>) -> Result<i64, Failure> {
    let start = if path == Path::new("-") {
        check(&io::stdin(), lock)?;
        first_line(&mut io.input)
    } else {
        let mut file =
            File::open(path).map_err(|error| failed("Unable to open pidfile", &error))?;
        check(&file, lock)?;
        first_line(&mut file)
    };
    let number = start.ok().as_deref().and_then(number);
    number.ok_or_else(|| {
        let message = "pidfile not valid\nTry `pidwait --help' for more information.";
        Failure::of(FAILED, NAME, message)
    })
}

/// Reads until there is a line, so that a writer need not close its end.
fn first_line(reader: &mut dyn Read) -> io::Result<Vec<u8>> {
    let mut line = Vec::new();
    BufReader::new(reader.take(LINE_MAX_BYTES)).read_until(b'\n', &mut line)?;
    Ok(line)
}

/// Reads a number, after which a blank or the end must come.
fn number(line: &[u8]) -> Option<i64> {
    let text = line.trim_ascii_start();
    let end = text.iter().position(u8::is_ascii_whitespace);
    let word = &text[..end.unwrap_or(text.len())];
    std::str::from_utf8(word).ok()?.parse().ok()
}

/// Tries to lock the file as a reader: that fails while somebody has locked it as a writer.
fn check(file: &impl AsFd, lock: Lock) -> Result<(), Failure> {
    if lock == Lock::Ignored {
        return Ok(());
    }
    let shared = FlockOperation::NonBlockingLockShared;
    match (flock(file, shared), fcntl_lock(file, shared)) {
        (Err(Errno::WOULDBLOCK), _) | (_, Err(Errno::ACCESS | Errno::AGAIN)) => Ok(()),
        (by_flock, _) => {
            // Standard input outlives us, and so would our lock on it.
            if by_flock.is_ok() {
                flock(file, FlockOperation::Unlock).unwrap_or_default();
            }
            let message = "Locking check for pidfile failed: nobody holds a lock on it";
            Err(Failure::of(FAILED, NAME, message))
        }
    }
}

fn failed(message: &str, error: &io::Error) -> Failure {
    let cause = Errno::from_io_error(error).map_or_else(|| error.to_string(), strerror);
    Failure::of(FAILED, NAME, &format!("{message}: {cause}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_comes_first() {
        for (line, read) in [
            (&b"42"[..], Some(42)),
            (b"  42 sleep", Some(42)),
            (b"42\t", Some(42)),
            (b"+42", Some(42)),
            (b"-5", Some(-5)),
            (b"", None),
            (b"x", None),
            (b"42x", None),
            (b"4.2", None),
        ] {
            assert_eq!(number(line), read, "{line:?}");
        }
    }

    #[test]
    fn the_first_line_is_enough() {
        let mut text: &[u8] = b"42\n43\n";
        assert_eq!(first_line(&mut text).unwrap(), b"42\n");
        let mut endless = io::repeat(b'1');
        assert_eq!(first_line(&mut endless).unwrap().len(), 255);
    }
}
