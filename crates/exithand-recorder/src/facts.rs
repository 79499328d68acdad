//! What `/proc` shows of a process while it lives, for sources that tell little more than numbers.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::ffi::OsStringExt;
use std::sync::Arc;

use exithand::{ExitHandle, Pid, State};

use crate::record::{Argv, Place};
use crate::{bpf, place};

/// As much of a command line as the probes take.
const ARGV_BYTES: u64 = 1024;

/// What a process executes and where it runs.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Facts {
    pub(crate) comm: OsString,
    pub(crate) exe: Option<OsString>,
    pub(crate) argv: Option<Argv>,
    pub(crate) uid: Option<u32>,
    pub(crate) gid: Option<u32>,
    pub(crate) place: Place,
}

/// What makes a process unmistakable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Identity {
    /// On pidfs; `None` before Linux 6.9.
    pub(crate) inode: Option<u64>,
    /// Clock ticks since boot.
    pub(crate) start_ticks: u64,
}

/// Reads what `/proc` shows now; fields that it does not show any more are not known.
pub(crate) fn facts(pid: u32) -> Arc<Facts> {
    let (uid, gid) = owner(pid).unwrap_or((None, None));
    Arc::new(Facts {
        comm: read(pid, "comm", 64).map(comm).unwrap_or_default(),
        exe: exe(pid),
        argv: read(pid, "cmdline", ARGV_BYTES + 1).and_then(argv),
        uid,
        gid,
        place: read(pid, "cgroup", 1 << 16)
            .and_then(|text| cgroup2(&text))
            .map(place::place)
            .unwrap_or_default(),
    })
}

/// Takes the identity of the process that has `pid` now. `None`: there is none any more.
pub(crate) fn identity(pid: u32) -> Option<Identity> {
    let handle = ExitHandle::open(i32::try_from(pid).ok().and_then(Pid::from_raw)?).ok()?;
    let start_ticks = start_ticks(pid)?;
    // What was read is of this process only if the number was still its own.
    (handle.state().ok()? != State::Reaped).then(|| Identity {
        inode: handle.token().inode(),
        start_ticks,
    })
}

/// Every process that `/proc` lists, with the threads that have not ended.
pub(crate) fn everybody() -> impl Iterator<Item = (u32, Vec<u32>)> {
    let pids = pids().into_iter().flatten();
    pids.map(|pid| (pid, threads(pid)))
}

/// The pid of every process that `/proc` lists.
pub(crate) fn pids() -> io::Result<impl Iterator<Item = u32>> {
    numbers("/proc")
}

/// The names in a folder that are numbers.
fn numbers(folder: &str) -> io::Result<impl Iterator<Item = u32> + use<>> {
    let entries = fs::read_dir(folder)?.flatten();
    Ok(entries.filter_map(|it| it.file_name().to_str()?.parse().ok()))
}

fn threads(pid: u32) -> Vec<u32> {
    let tids = numbers(&format!("/proc/{pid}/task")).into_iter().flatten();
    // A leader that has ended is there, as a zombie, as long as others run.
    let lives = |tid: &u32| {
        stat_field(pid, &format!("task/{tid}/stat"), 3, |state| {
            Some(!["Z", "X"].contains(&state))
        })
    };
    tids.filter(|tid| lives(tid) == Some(true)).collect()
}

/// Whether it is a thread of the kernel, which executes nothing.
pub(crate) fn is_kernel_thread(pid: u32) -> bool {
    const PF_KTHREAD: u32 = 0x0020_0000;
    let flags: Option<u32> = stat_field(pid, "stat", 9, |it| it.parse().ok());
    flags.is_some_and(|flags| flags & PF_KTHREAD != 0)
}

/// When the process began, in clock ticks since boot.
pub(crate) fn start_ticks(pid: u32) -> Option<u64> {
    stat_field(pid, "stat", 22, |it| it.parse().ok())
}

/// A field by its number in `proc_pid_stat(5)`, which counts from 1; the name may hold anything.
fn stat_field<T>(
    pid: u32,
    file: &str,
    number: usize,
    parse: impl FnOnce(&str) -> Option<T>,
) -> Option<T> {
    field(&read(pid, file, 4096)?, number, parse)
}

fn field<T>(stat: &[u8], number: usize, parse: impl FnOnce(&str) -> Option<T>) -> Option<T> {
    let after_name = stat.iter().rposition(|byte| *byte == b')')? + 1;
    let rest = str::from_utf8(stat.get(after_name..)?).ok()?;
    parse(rest.split_ascii_whitespace().nth(number.checked_sub(3)?)?)
}

/// The name of a process, for its child's record.
pub(crate) fn name(pid: u32) -> Option<OsString> {
    read(pid, "comm", 64).map(comm)
}

/// The file that it executes.
pub(crate) fn exe(pid: u32) -> Option<OsString> {
    let link = fs::read_link(format!("/proc/{pid}/exe"));
    link.ok().map(Into::into)
}

/// Reads a file of a process, as far as `limit`.
pub(crate) fn read(pid: u32, file: &str, limit: u64) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let file = File::open(format!("/proc/{pid}/{file}")).ok()?;
    file.take(limit).read_to_end(&mut bytes).ok()?;
    Some(bytes)
}

fn comm(mut bytes: Vec<u8>) -> OsString {
    if bytes.last() == Some(&b'\n') {
        bytes.pop();
    }
    OsString::from_vec(bytes)
}

fn argv(mut bytes: Vec<u8>) -> Option<Argv> {
    let limit = usize::try_from(ARGV_BYTES).unwrap_or(usize::MAX);
    let is_cut = bytes.len() > limit;
    bytes.truncate(limit);
    bpf::words(&bytes, is_cut)
}

fn owner(pid: u32) -> Option<(Option<u32>, Option<u32>)> {
    let status = read(pid, "status", 1 << 16)?;
    let status = String::from_utf8_lossy(&status);
    let real = |key: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(key))?;
        line.split_ascii_whitespace().next()?.parse().ok()
    };
    Some((real("Uid:"), real("Gid:")))
}

fn cgroup2(text: &[u8]) -> Option<OsString> {
    let line = text
        .split(|byte| *byte == b'\n')
        .find_map(|line| line.strip_prefix(b"0::"))?;
    let path = line.strip_suffix(b" (deleted)").unwrap_or(line);
    Some(OsString::from_vec(path.to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_of_this_process() {
        let own = std::process::id();
        let facts = facts(own);
        assert_eq!(facts.exe, std::env::current_exe().ok().map(Into::into));
        assert_eq!(facts.uid, Some(rustix::process::getuid().as_raw()));
        assert!(facts.argv.is_some());
        let identity = identity(own).unwrap();
        assert_eq!(Some(identity.start_ticks), start_ticks(own));
        assert!(threads(own).contains(&own));
        assert!(!is_kernel_thread(own));
    }

    #[test]
    fn finds_the_start_time_whatever_the_name() {
        let stat = b"7 (a) b) S 1 7 7 0 -1 4194304 1 2 3 4 5 6 7 8 20 0 1 0 4711 9 10 11";
        let ticks = |stat: &[u8]| field(stat, 22, |it| it.parse::<u64>().ok());
        assert_eq!(ticks(stat), Some(4711));
        assert_eq!(ticks(b"7 (a"), None);
    }

    #[test]
    fn reads_the_cgroup_of_the_unified_hierarchy() {
        for (text, expected) in [
            ("4:memory:/a\n0::/b/c\n", Some("/b/c")),
            ("0::/gone (deleted)\n", Some("/gone")),
            ("4:memory:/a\n", None),
        ] {
            assert_eq!(cgroup2(text.as_bytes()), expected.map(Into::into));
        }
    }
}
