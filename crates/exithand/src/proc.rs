//! The few things only `/proc` tells.

use std::ffi::CStr;
use std::fmt;
use std::io::{Cursor, Write};
use std::os::fd::{AsFd, AsRawFd};
use std::str::FromStr;

use rustix::fs::{Mode, OFlags};
use rustix::io::{Errno, retry_on_intr};
use rustix::process::Pid;

/// The fields of `/proc/PID/stat` that the crate stands on.
///
/// Source: `proc_pid_stat(5)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stat {
    /// The state letter; `Z` is a zombie, or a leader whose threads still run.
    pub(crate) state: u8,
    /// Start time in clock ticks since boot.
    pub(crate) start_ticks: u64,
    /// The wait status, or 0 for readers who may not know it.
    pub(crate) wait_status: i32,
}

impl Stat {
    /// Parses the text of `/proc/PID/stat`. The name, in parentheses, may hold anything.
    pub(crate) fn parse(text: &[u8]) -> Option<Self> {
        let after_name = text.iter().rposition(|byte| *byte == b')')? + 1;
        let rest = std::str::from_utf8(text.get(after_name..)?).ok()?;
        // Field 3 is the first here; 22 the start time, 52 the exit code.
        let mut fields = rest.split_ascii_whitespace();
        let &[state] = fields.next()?.as_bytes() else {
            return None;
        };
        Some(Self {
            state,
            start_ticks: fields.nth(22 - 4)?.parse().ok()?,
            wait_status: fields.nth(52 - 23)?.parse().ok()?,
        })
    }

    /// Reads the entry of the process that has `pid` in the pid namespace of `/proc`.
    pub(crate) fn read(pid: Pid) -> Result<Self, Errno> {
        let path = format_args!("/proc/{}/stat", pid.as_raw_nonzero());
        Self::parse(read(path, &mut [0; ROOM])?).ok_or(Errno::INVAL)
    }
}

/// Where the process behind a pidfd stands in the `/proc` that is mounted here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Entry {
    /// `/proc` shows it under this number.
    Pid(Pid),
    /// It lives in a pid namespace that this `/proc` does not show.
    Elsewhere,
    /// Reaped.
    Gone,
}

/// Asks the kernel for the number under which the mounted `/proc` shows the process behind
/// `pidfd`. It need not be the number of our own pid namespace.
///
/// # Errors
///
/// No `/proc`, or (`EBADF`) a descriptor that is not a pidfd.
pub(crate) fn entry<Fd: AsFd>(pidfd: Fd) -> Result<Entry, Errno> {
    let number = pidfd.as_fd().as_raw_fd();
    let path = format_args!("/proc/thread-self/fdinfo/{number}");
    let pid: i32 = field(read(path, &mut [0; ROOM])?, "Pid:").ok_or(Errno::BADF)?;
    Ok(match pid {
        ..0 => Entry::Gone,
        pid => Pid::from_raw(pid).map_or(Entry::Elsewhere, Entry::Pid),
    })
}

/// Says whether the mounted `/proc` numbers processes as our own pid namespace does.
pub(crate) fn numbers_as_we_do() -> bool {
    // One number for each namespace from that of `/proc` down to ours; no line without namespaces.
    numbers("self").is_some_and(|numbers| numbers.len() <= 1)
}

/// Says whether the process that has `pid` in `/proc` has `number` in one of its pid namespaces.
pub(crate) fn is_numbered(pid: Pid, number: Pid) -> bool {
    let numbers = numbers(&pid.as_raw_nonzero().to_string());
    numbers.is_some_and(|numbers| numbers.contains(&number.as_raw_nonzero().get()))
}

/// Returns the numbers that a process has from the pid namespace of `/proc` down to its own.
fn numbers(process: &str) -> Option<Vec<i32>> {
    // As long as the list of groups, which comes before the line.
    let text = std::fs::read(format!("/proc/{process}/status")).ok()?;
    let text = String::from_utf8_lossy(&text);
    let line = text.lines().find_map(|line| line.strip_prefix("NSpid:"));
    let numbers = line.unwrap_or_default().split_ascii_whitespace();
    numbers.map(|number| number.parse().ok()).collect()
}

/// Returns the process that owns thread `tid`; `None` where there is no such thread, or `/proc`
/// cannot say.
pub(crate) fn thread_group_of(tid: Pid) -> Option<Pid> {
    if !numbers_as_we_do() {
        return None;
    }
    let path = format_args!("/proc/{}/status", tid.as_raw_nonzero());
    field(read(path, &mut [0; ROOM]).ok()?, "Tgid:").and_then(Pid::from_raw)
}

/// Returns the real user id of the process that has `pid` in `/proc`.
pub(crate) fn uid_of(pid: Pid) -> Option<u32> {
    let path = format_args!("/proc/{}/status", pid.as_raw_nonzero());
    field(read(path, &mut [0; ROOM]).ok()?, "Uid:")
}

/// Longer than any file read here, and as much as the kernel hands over at once.
const ROOM: usize = 4096;
/// Longer than any path read here.
const PATH_ROOM: usize = 64;

/// Reads a file of `/proc` with no more calls than it takes: waiters that were just woken do so. Takes
/// no memory but `room`: opening a process has to work when there is none.
fn read<'a>(path: fmt::Arguments<'_>, room: &'a mut [u8; ROOM]) -> Result<&'a [u8], Errno> {
    let mut name = [0_u8; PATH_ROOM];
    let mut cursor = Cursor::new(&mut name[..PATH_ROOM - 1]);
    cursor.write_fmt(path).map_err(|_full| Errno::NAMETOOLONG)?;
    let name = CStr::from_bytes_until_nul(&name).map_err(|_none| Errno::NAMETOOLONG)?;
    let file = rustix::fs::open(name, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
    let length = retry_on_intr(|| rustix::io::read(&file, room.as_mut_slice()))?;
    Ok(&room[..length])
}

/// Reads the first value of the line that starts with `name`.
fn field<T: FromStr>(text: &[u8], name: &str) -> Option<T> {
    // A process's name, in the first line of its `status`, may be any bytes but a newline.
    let text = String::from_utf8_lossy(text);
    let value = text.lines().find_map(|line| line.strip_prefix(name))?;
    value.split_ascii_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(name: &str) -> Vec<u8> {
        let numbers: Vec<String> = (4..=51).map(|field| field.to_string()).collect();
        format!("7 ({name}) Z {} 139\n", numbers.join(" ")).into_bytes()
    }

    #[test]
    fn reads_past_any_name() {
        for name in ["sleep", "a b", "a) Z 1 2", "", ")))", "x\n) R 0"] {
            let stat = Stat::parse(&line(name)).unwrap();
            assert_eq!(
                stat,
                Stat {
                    state: b'Z',
                    start_ticks: 22,
                    wait_status: 139
                },
                "{name:?}"
            );
        }
    }

    #[test]
    fn half_a_line_is_no_answer() {
        let whole = line("sleep");
        for end in 0..whole.len() - 4 {
            assert_eq!(Stat::parse(&whole[..end]), None, "{end} bytes");
        }
    }
}
