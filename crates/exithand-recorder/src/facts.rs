//! What `/proc` shows of a process while it lives, for sources that tell little more than numbers.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::Read;
use std::os::unix::ffi::OsStringExt;
use std::sync::Arc;

use rustix::fs::fstat;
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use crate::record::{Argv, Place};
use crate::{bpf, place};

/// As much of a command line as the probes take.
const ARGV_BYTES: u64 = 1024;
/// The type of the filesystem of pidfds, where each process has an inode of its own.
const PIDFS_MAGIC: u64 = 0x5049_4446;

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
        exe: fs::read_link(format!("/proc/{pid}/exe"))
            .ok()
            .map(Into::into),
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
    let raw = i32::try_from(pid).ok().and_then(Pid::from_raw)?;
    let pidfd = pidfd_open(raw, PidfdFlags::empty()).ok()?;
    // Read while the pidfd is held and then asked again: both are of one process.
    let start_ticks = start_ticks(pid)?;
    let again = pidfd_open(raw, PidfdFlags::empty()).ok()?;
    let (first, second) = (fstat(&pidfd).ok()?, fstat(&again).ok()?);
    let is_pidfs = rustix::fs::fstatfs(&pidfd)
        .is_ok_and(|it| u64::try_from(it.f_type).is_ok_and(|kind| kind == PIDFS_MAGIC));
    if is_pidfs && first.st_ino != second.st_ino {
        return None;
    }
    Some(Identity {
        inode: is_pidfs.then_some(first.st_ino),
        start_ticks,
    })
}

/// Every process that `/proc` lists, with the threads that have not ended.
pub(crate) fn everybody() -> impl Iterator<Item = (u32, Vec<u32>)> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|it| it.file_name().to_str()?.parse::<u32>().ok());
    pids.map(|pid| (pid, threads(pid)))
}

fn threads(pid: u32) -> Vec<u32> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task"));
    let entries = tasks.into_iter().flatten().flatten();
    let tids = entries.filter_map(|it| it.file_name().to_str()?.parse::<u32>().ok());
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
    let stat = read(pid, file, 4096)?;
    let after_name = stat.iter().rposition(|byte| *byte == b')')? + 1;
    let rest = str::from_utf8(stat.get(after_name..)?).ok()?;
    parse(rest.split_ascii_whitespace().nth(number.checked_sub(3)?)?)
}

/// The name of a process, for its child's record.
pub(crate) fn name(pid: u32) -> Option<OsString> {
    read(pid, "comm", 64).map(comm)
}

fn read(pid: u32, file: &str, limit: u64) -> Option<Vec<u8>> {
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
