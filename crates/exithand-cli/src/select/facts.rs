//! What `/proc` says of one process.
//!
//! The procfs crate opens the directory and reads the numbers. Names, command lines and cgroups
//! are read as bytes here, because that crate refuses or alters text that is not UTF-8.

use std::ffi::OsString;
use std::io::{self, Read};

use procfs::process::{Process, Stat};
use procfs::{FromRead, ProcError};
use rustix::process::{Pid, getpid};

use super::cgroup::{Membership, parse_memberships};
use super::tty;

/// A user's number.
pub type Uid = u32;

/// A group's number.
pub type Gid = u32;

/// A number that `/proc` gives as a pid; `None` is its 0: nobody, or nobody in our pid namespace.
pub type ProcPid = Option<Pid>;

/// A command line is read up to this length, the most that `exec` takes by default.
const CMDLINE_MAX_BYTES: u64 = 2 << 20;

/// How much to read of each process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Detail {
    /// What the kernel answers without taking a lock of the process's memory.
    #[default]
    Brief,
    /// The command line and the cgroups too. A process that hangs in the kernel with its memory
    /// locked blocks whoever reads its command line.
    Full,
}

/// What is known of one process: plain values of one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// Its pid.
    pub pid: Pid,
    /// Its parent.
    pub ppid: ProcPid,
    /// Its process group.
    pub pgrp: ProcPid,
    /// Its session.
    pub session: ProcPid,
    /// Its controlling terminal, without `/dev/`.
    pub tty: Option<OsString>,
    /// Its name: at most 15 bytes, any of them, except for kernel threads.
    pub comm: Vec<u8>,
    /// Its arguments. Empty for kernel threads and zombies, and with [`Detail::Brief`].
    pub cmdline: Vec<Vec<u8>>,
    /// Its real user.
    pub uid: Uid,
    /// Its effective user.
    pub euid: Uid,
    /// Its real group.
    pub gid: Gid,
    /// When it started, in clock ticks since boot.
    pub start_ticks: u64,
    /// The state letter, as `ps` shows it. `Z` does not say that the process has ended.
    pub state: u8,
    /// Where it is in each cgroup hierarchy. Empty with [`Detail::Brief`].
    pub cgroups: Vec<Membership>,
}

impl Facts {
    /// Reads what there is to know of the process with this pid.
    ///
    /// All values are of the same process. `None`: there is no such process, it ended meanwhile,
    /// or it is hidden from us.
    ///
    /// # Errors
    ///
    /// `EMFILE`, `ENFILE`: out of descriptors. `InvalidData`: not the `/proc` of a kernel.
    pub fn read(pid: Pid, detail: Detail) -> io::Result<Option<Self>> {
        let pid = pid.as_raw_nonzero().get();
        found(
            Process::new(pid)
                .map_err(to_io)
                .and_then(|it| Self::of(&it, detail)),
        )
    }

    /// Reads what there is to know of this process.
    ///
    /// Its group and its session may lie in an outer pid namespace and are then `None`; the system
    /// calls answer 0 there, which is no [`Pid`].
    ///
    /// # Errors
    ///
    /// As [`Facts::read`]. Other: the `/proc` here is that of other processes.
    pub fn own() -> io::Result<Self> {
        let own = Self::read(getpid(), Detail::Brief)?;
        own.ok_or_else(|| io::Error::other("our own process is not in /proc: mount it anew"))
    }

    /// Reads through the descriptor of one `/proc/PID`, which never shows another process.
    pub(super) fn of(process: &Process, detail: Detail) -> io::Result<Self> {
        let (cmdline, cgroups) = match detail {
            Detail::Brief => (Vec::new(), Vec::new()),
            Detail::Full => (
                parse_cmdline(&read_file(process, "cmdline")?),
                read_cgroups(process)?,
            ),
        };
        let status = read_file(process, "status")?;
        // Read last: what came before is worth something only if the process is still there.
        let stat = read_file(process, "stat")?;
        Self::parse(&stat, &status, cmdline, cgroups).ok_or_else(|| {
            if is_released(&stat) {
                return io::ErrorKind::NotFound.into();
            }
            io::Error::new(io::ErrorKind::InvalidData, "/proc is not as expected")
        })
    }

    fn parse(
        stat: &[u8],
        status: &[u8],
        cmdline: Vec<Vec<u8>>,
        cgroups: Vec<Membership>,
    ) -> Option<Self> {
        let comm = parse_comm(stat)?.to_owned();
        let stat = Stat::from_read(stat).ok().filter(|it| !has_no_group(it))?;
        let mut uids = status_numbers(status, b"Uid:")?;
        let mut gids = status_numbers(status, b"Gid:")?;
        Some(Self {
            pid: Pid::from_raw(stat.pid)?,
            ppid: number(stat.ppid),
            pgrp: number(stat.pgrp),
            session: number(stat.session),
            tty: terminal(&stat),
            comm,
            cmdline,
            uid: uids.next()?,
            euid: uids.next()?,
            gid: gids.next()?,
            start_ticks: stat.starttime,
            state: u8::try_from(stat.state).ok()?,
            cgroups,
        })
    }

    /// Returns the command line that `--full` is matched against: the arguments with blanks
    /// between them, or `[name]` where there are none, as `ps` shows kernel threads.
    pub fn command_line(&self) -> Vec<u8> {
        if !self.cmdline.is_empty() {
            return self.cmdline.join(&b' ');
        }
        let end: &[u8] = if self.is_zombie() {
            b"] <defunct>"
        } else {
            b"]"
        };
        [b"[", self.comm.as_slice(), end].concat()
    }

    /// Says whether the thread-group leader is a zombie; other threads may still run.
    pub fn is_zombie(&self) -> bool {
        self.state == b'Z'
    }
}

/// Says whether a process is already taken out of its group and session, as the last thing before
/// it is gone. The kernel then shows -1 for both.
fn is_released(stat: &[u8]) -> bool {
    Stat::from_read(stat).is_ok_and(|stat| has_no_group(&stat))
}

fn has_no_group(stat: &Stat) -> bool {
    stat.pgrp < 0 || stat.session < 0
}

/// Turns "gone" and "hidden" into `None`.
pub(super) fn found<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if is_absent(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

fn is_absent(error: &io::Error) -> bool {
    use io::ErrorKind::{NotFound, PermissionDenied};
    matches!(error.kind(), NotFound | PermissionDenied)
        || error.raw_os_error() == Some(rustix::io::Errno::SRCH.raw_os_error())
}

pub(super) fn to_io(error: ProcError) -> io::Error {
    match error {
        ProcError::NotFound(_) => io::ErrorKind::NotFound.into(),
        ProcError::PermissionDenied(_) => io::ErrorKind::PermissionDenied.into(),
        ProcError::Io(error, _) => error,
        other => io::Error::other(other),
    }
}

fn read_file(process: &Process, name: &str) -> io::Result<Vec<u8>> {
    let file = process.open_relative(name).map_err(to_io)?;
    let mut text = Vec::new();
    file.take(CMDLINE_MAX_BYTES).read_to_end(&mut text)?;
    Ok(text)
}

/// Reads the cgroups; none on a kernel without them.
fn read_cgroups(process: &Process) -> io::Result<Vec<Membership>> {
    match read_file(process, "cgroup") {
        Ok(text) => Ok(parse_memberships(&text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

fn terminal(stat: &Stat) -> Option<OsString> {
    let (major, minor) = stat.tty_nr();
    match (u32::try_from(major).ok()?, u32::try_from(minor).ok()?) {
        (0, 0) => None,
        (major, minor) => Some(tty::name(major, minor)),
    }
}

/// Reads a number that may be nobody's: 0, or the -1 that stands for the group and the session of
/// a process just being reaped.
fn number(raw: i32) -> ProcPid {
    Pid::from_raw(raw.max(0))
}

/// Finds the name in `PID (NAME) STATE ...`. The name may hold anything but NUL, `)` included.
fn parse_comm(stat: &[u8]) -> Option<&[u8]> {
    let begin = stat.iter().position(|byte| *byte == b'(')? + 1;
    let end = stat.iter().rposition(|byte| *byte == b')')?;
    stat.get(begin..end)
}

/// Splits the arguments; an argument that is empty stays, the NULs that end the line do not.
fn parse_cmdline(text: &[u8]) -> Vec<Vec<u8>> {
    let end = text
        .iter()
        .rposition(|byte| *byte != 0)
        .map_or(0, |last| last + 1);
    if end == 0 {
        return Vec::new();
    }
    text[..end]
        .split(|byte| *byte == 0)
        .map(<[u8]>::to_owned)
        .collect()
}

/// Returns the numbers of one line of `/proc/PID/status`.
///
/// The name comes first in that file, with its line feeds escaped, so no name can pose as a line.
fn status_numbers<'a>(status: &'a [u8], key: &[u8]) -> Option<impl Iterator<Item = u32> + 'a> {
    let line = status
        .split(|byte| *byte == b'\n')
        .find_map(|line| line.strip_prefix(key))?;
    let line = std::str::from_utf8(line).ok()?;
    Some(
        line.split_ascii_whitespace()
            .filter_map(|word| word.parse().ok()),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATUS: &[u8] = b"Name:\tx\nUmask:\t0022\nUid:\t1\t2\t3\t4\nGid:\t5\t6\t7\t8\n";

    fn stat(comm: &[u8], state: u8) -> Vec<u8> {
        let head = [b"42 (", comm, b") ", &[state]].concat();
        let tail =
            b" 7 8 0 34817 -1 4194304 1 2 3 4 5 6 7 8 20 0 1 0 5150 9 1 18446744073709551615 \
            1 1 0 0 0 0 0 0 0 0 0 0 17 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n";
        [head.as_slice(), tail].concat()
    }

    fn facts(comm: &[u8], state: u8, cmdline: &[u8]) -> Facts {
        Facts::parse(
            &stat(comm, state),
            STATUS,
            parse_cmdline(cmdline),
            Vec::new(),
        )
        .unwrap()
    }

    #[test]
    fn reads_numbers_and_names() {
        let it = facts(b"cat", b'S', b"");
        assert_eq!(it.pid, Pid::from_raw(42).unwrap());
        assert_eq!(it.ppid, Pid::from_raw(7));
        assert_eq!(it.pgrp, Pid::from_raw(8));
        assert_eq!(it.session, None, "a session outside our pid namespace");
        assert_eq!(it.tty, Some("pts/1".into()));
        assert_eq!((it.uid, it.euid, it.gid), (1, 2, 5));
        assert_eq!(it.start_ticks, 5150);
    }

    #[test]
    fn takes_any_name() {
        for comm in [
            &b"a) S 1 (b"[..],
            b"",
            b")",
            b"(",
            b"x y\nz",
            b"\xff\xfe",
            b"))) Z",
        ] {
            let it = facts(comm, b'S', b"");
            assert_eq!(it.comm, comm);
            assert_eq!((it.state, it.start_ticks), (b'S', 5150), "{comm:?}");
        }
    }

    #[test]
    fn no_name_poses_as_a_line_of_status() {
        let status = b"Name:\tx\\nUid:\t9\nUid:\t1\t2\t3\t4\n";
        assert_eq!(status_numbers(status, b"Uid:").unwrap().next(), Some(1));
    }

    #[test]
    fn a_process_that_is_being_taken_apart_is_gone() {
        let whole = String::from_utf8(stat(b"x", b'X')).unwrap();
        let released = whole.replace(" 7 8 0 34817 ", " 0 -1 -1 0 ");
        assert!(!is_released(whole.as_bytes()) && is_released(released.as_bytes()));
        let facts = Facts::parse(released.as_bytes(), STATUS, Vec::new(), Vec::new());
        assert_eq!(facts, None);
    }

    #[test]
    fn refuses_what_is_no_proc() {
        for bad in [&b""[..], b"42", b"42 (x", b"42 (x) S", b"x (y) S 1 2 3"] {
            assert_eq!(Facts::parse(bad, STATUS, Vec::new(), Vec::new()), None);
        }
        assert_eq!(
            Facts::parse(&stat(b"x", b'S'), b"Name:\tx\n", Vec::new(), Vec::new()),
            None
        );
    }

    #[test]
    fn joins_the_command_line_as_ps_does() {
        for (cmdline, state, line) in [
            (&b"cat\0-n\0\0"[..], b'S', &b"cat -n"[..]),
            (b"cat\0\0x\0", b'S', b"cat  x"),
            (b"title without nul", b'S', b"title without nul"),
            (b"\xff\0\xfe\0", b'S', b"\xff \xfe"),
            (b"", b'S', b"[name]"),
            (b"\0\0\0", b'S', b"[name]"),
            (b"", b'Z', b"[name] <defunct>"),
        ] {
            assert_eq!(facts(b"name", state, cmdline).command_line(), line);
        }
    }

    #[test]
    fn reads_this_very_process() {
        let own = rustix::process::getpid();
        let it = Facts::read(own, Detail::Full).unwrap().unwrap();
        assert_eq!(it.pid, own);
        assert_eq!(it.ppid, rustix::process::getppid());
        assert_eq!(it.uid, rustix::process::getuid().as_raw());
        assert_eq!(it.gid, rustix::process::getgid().as_raw());
        assert!(!it.cmdline.is_empty());
        let brief = Facts::read(own, Detail::Brief).unwrap().unwrap();
        assert!(brief.cmdline.is_empty() && brief.cgroups.is_empty());
    }

    #[test]
    fn a_pid_nobody_has_is_no_error() {
        let nobody = Pid::from_raw(i32::MAX).unwrap();
        assert_eq!(Facts::read(nobody, Detail::Full).unwrap(), None);
    }
}
