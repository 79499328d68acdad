//! Pid files, and lists of targets on standard input.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, FileType, FlockOperation, Mode, OFlags, fcntl_lock, flock, fstat, openat};
use rustix::io::Errno;
use rustix::process::Pid;

/// As much of a pid file as is read.
const PIDFILE_MAX_BYTES: u64 = 4096;

/// As much of a list as is read: room for every pid there can be, several times over.
const LIST_MAX_BYTES: u64 = 256 << 20;

/// The largest `pid_max` of any kernel.
const PID_LIMIT: i32 = 4 << 20;

/// Whether a pid file must be locked, as a daemon that still runs would keep it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Lock {
    /// It need not be.
    #[default]
    Ignored,
    /// It must be, by `flock(2)` or `fcntl(2)`.
    Required,
}

/// Why no pid could be read from a file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PidfileError {
    /// It cannot be read.
    #[error("cannot read the pid file {}", file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It is a directory, a device, or a pipe that might block.
    #[error("the pid file {} is no regular file: for a pipe, use - and redirect", .0.display())]
    NotRegular(PathBuf),
    /// Its first line is empty.
    #[error("the pid file {} has no pid in its first line", .0.display())]
    Empty(PathBuf),
    /// Its first line is no pid that a process can have.
    #[error("the pid file {} should hold a pid from 1 to {max}, but holds {found}", file.display())]
    NotAPid {
        /// The file.
        file: PathBuf,
        /// What was found, in quotes, with everything odd escaped.
        found: String,
        /// The largest pid there can be.
        max: i32,
    },
    /// Nobody holds a lock on it, so whoever wrote it has ended.
    #[error("the pid file {} is not locked: its process has ended", .0.display())]
    NotLocked(PathBuf),
}

/// Why a list of targets could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ListError {
    /// It cannot be read.
    #[error("cannot read the list of processes")]
    Unreadable(#[source] io::Error),
    /// It is longer than any list of processes.
    #[error("the list of processes is longer than {LIST_MAX_BYTES} bytes")]
    TooLong,
    /// A word in it is not text.
    #[error("the list of processes holds {0}, which is no text")]
    NotText(String),
}

/// Reads the pid in the first line of a file; `-` is standard input. Never blocks on a file.
///
/// # Errors
///
/// [`PidfileError`], each naming the file and what was found.
pub fn read_pidfile(file: &Path, lock: Lock) -> Result<Pid, PidfileError> {
    let unreadable = |source| PidfileError::Unreadable {
        file: file.to_owned(),
        source,
    };
    let mut start = Vec::new();
    if file == Path::new("-") {
        check_lock(&io::stdin(), file, lock)?;
        read_line(io::stdin().lock(), &mut start).map_err(unreadable)?;
    } else {
        // Opening a pipe that nobody writes to would block without `NONBLOCK`.
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
        let opened = openat(CWD, file, flags, Mode::empty());
        let opened = File::from(opened.map_err(|errno| unreadable(errno.into()))?);
        let kind = fstat(&opened).map_err(|errno| unreadable(errno.into()))?;
        if FileType::from_raw_mode(kind.st_mode) != FileType::RegularFile {
            return Err(PidfileError::NotRegular(file.to_owned()));
        }
        check_lock(&opened, file, lock)?;
        read_line(opened, &mut start).map_err(unreadable)?;
    }
    parse(&start, pid_max()).map_err(|why| why.of(file))
}

/// Reads until there is a line, so that a writer need not close its end; bounded.
fn read_line(mut reader: impl Read, text: &mut Vec<u8>) -> io::Result<()> {
    let mut reader = reader.by_ref().take(PIDFILE_MAX_BYTES);
    let mut chunk = [0; 256];
    while !text.contains(&b'\n') {
        match reader.read(&mut chunk) {
            Ok(0) => break,
            Ok(count) => text.extend_from_slice(&chunk[..count]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Tries to lock the file as a reader: that fails while somebody has locked it as a writer.
fn check_lock(
    opened: &impl std::os::fd::AsFd,
    file: &Path,
    lock: Lock,
) -> Result<(), PidfileError> {
    if lock == Lock::Ignored {
        return Ok(());
    }
    let read_lock = FlockOperation::NonBlockingLockShared;
    let by_flock = flock(opened, read_lock);
    if by_flock.is_ok() {
        // Standard input outlives us, and so would our lock on it.
        flock(opened, FlockOperation::Unlock).unwrap_or_default();
    }
    let by_fcntl = fcntl_lock(opened, read_lock);
    if by_flock == Err(Errno::WOULDBLOCK) || matches!(by_fcntl, Err(Errno::ACCESS | Errno::AGAIN)) {
        Ok(())
    } else {
        Err(PidfileError::NotLocked(file.to_owned()))
    }
}

/// What is wrong with the text of a pid file.
#[derive(Debug, PartialEq, Eq)]
enum Wrong {
    Empty,
    NotAPid { found: String, max: i32 },
}

impl Wrong {
    fn of(self, file: &Path) -> PidfileError {
        let file = file.to_owned();
        match self {
            Self::Empty => PidfileError::Empty(file),
            Self::NotAPid { found, max } => PidfileError::NotAPid { file, found, max },
        }
    }
}

fn parse(text: &[u8], max: i32) -> Result<Pid, Wrong> {
    let line = text.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let line = line.trim_ascii();
    if line.is_empty() {
        return Err(Wrong::Empty);
    }
    let is_decimal = line.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(line)
        .ok()
        .filter(|_| is_decimal)
        .and_then(|digits| digits.parse().ok())
        .filter(|number| *number <= max)
        .and_then(Pid::from_raw)
        .ok_or_else(|| Wrong::NotAPid {
            found: quote(line),
            max,
        })
}

/// Shows the beginning of any bytes in quotes, fit for a terminal.
fn quote(bytes: &[u8]) -> String {
    const SHOWN_BYTES: usize = 40;
    let shown = &bytes[..bytes.len().min(SHOWN_BYTES)];
    let more = if shown.len() < bytes.len() { "..." } else { "" };
    format!("\"{}\"{more}", shown.escape_ascii())
}

/// Returns the largest pid of this kernel's first pid namespace.
fn pid_max() -> i32 {
    std::fs::read_to_string("/proc/sys/kernel/pid_max")
        .ok()
        .and_then(|text| text.trim().parse().ok())
        .unwrap_or(PID_LIMIT)
}

/// Reads a list of targets, with any white space between them, to its end.
///
/// # Errors
///
/// [`ListError`]: it cannot be read, is no text, or never ends.
pub fn pid_list(reader: impl Read) -> Result<Vec<String>, ListError> {
    read_list(reader, LIST_MAX_BYTES)
}

fn read_list(reader: impl Read, max_bytes: u64) -> Result<Vec<String>, ListError> {
    let mut text = Vec::new();
    let mut reader = reader.take(max_bytes + 1);
    reader
        .read_to_end(&mut text)
        .map_err(ListError::Unreadable)?;
    if reader.limit() == 0 {
        return Err(ListError::TooLong);
    }
    text.split(u8::is_ascii_whitespace)
        .filter(|word| !word.is_empty())
        .map(|word| match std::str::from_utf8(word) {
            Ok(word) => Ok(word.to_owned()),
            Err(_) => Err(ListError::NotText(quote(word))),
        })
        .collect()
}

#[cfg(test)]
#[path = "pidfile_tests.rs"]
mod tests;
