//! What is known of a process that ended.

use std::ffi::OsString;

use exithand::{Outcome, Signal, Token};

use crate::clock;

/// A moment, in nanoseconds since 1970 (UTC); good until 2262.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct WallTime {
    /// Nanoseconds since 1970-01-01 00:00 UTC.
    pub unix_ns: i64,
}

impl WallTime {
    /// Reads the wall clock.
    #[must_use]
    pub fn now() -> Self {
        Self {
            unix_ns: clock::wall_ns(),
        }
    }
}

/// How one process ended, what it was, and who ended it.
///
/// `None` is always "not known": the source in use does not tell, or it was too late to look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExitRecord {
    /// Its name, with the boot id.
    pub token: Token,
    /// Its name in the form of older kernels, when `token` is an inode: `PID~STARTTIME`.
    pub start_ticks: Option<u64>,
    /// How it ended.
    pub outcome: Outcome,
    /// Who had to reap it.
    pub parent: Option<Parent>,
    /// Its real user.
    pub uid: Option<u32>,
    /// Its real group.
    pub gid: Option<u32>,
    /// Its name, at most 15 bytes.
    pub comm: OsString,
    /// The file it executed.
    pub exe: Option<OsString>,
    /// What it was started with.
    pub argv: Option<Argv>,
    /// Where it ran.
    pub place: Place,
    /// When it started.
    pub started: Option<WallTime>,
    /// When it ended.
    pub ended: WallTime,
    /// How long it ran, on a clock that counts suspended time and never jumps.
    pub runtime_ns: Option<u64>,
    /// What it used.
    pub usage: Usage,
    /// Who sent the signal that ended it.
    pub killer: Option<Killer>,
    /// Set if the kernel killed it for want of memory.
    pub oom: Option<Oom>,
    /// Whether it was the init of a pid namespace, whose end is the end of all in it.
    pub namespace_init: bool,
}

impl ExitRecord {
    /// Returns its pid; `None` where it had none in the recorder's pid namespace.
    pub fn pid(&self) -> Option<u32> {
        self.token
            .pid()
            .map(|pid| pid.as_raw_nonzero().get().unsigned_abs())
    }

    /// Returns its name in the form of older kernels, if `token` has the other form.
    pub fn older_token(&self) -> Option<Token> {
        let older = Token::of_start(self.token.pid(), self.start_ticks?);
        Some(match self.token.boot_id() {
            Some(boot) => older.of_boot(boot),
            None => older,
        })
    }
}

/// A process as its child's record names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parent {
    /// Its pid.
    pub pid: u32,
    /// Its name.
    pub comm: Option<OsString>,
}

/// A command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Argv {
    /// The words, the program's name first.
    pub words: Vec<OsString>,
    /// Whether there was more.
    pub truncated: bool,
}

/// Where a process ran.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Place {
    /// Its cgroup, as `/proc/PID/cgroup` shows it (that of cgroup2 if there is one).
    pub cgroup: Option<OsString>,
    /// Its systemd unit, read off the cgroup.
    pub unit: Option<String>,
    /// Its container's id, read off the cgroup.
    pub container: Option<String>,
}

/// What a process used over its life, with all its threads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// CPU time in user space.
    pub cpu_user_ns: Option<u64>,
    /// CPU time in the kernel.
    pub cpu_system_ns: Option<u64>,
    /// Peak of its resident memory.
    pub max_rss_bytes: Option<u64>,
    /// Read from storage.
    pub read_bytes: Option<u64>,
    /// Written to storage.
    pub write_bytes: Option<u64>,
    /// Context switches: it gave up the CPU.
    pub voluntary_switches: Option<u64>,
    /// Context switches: it was made to.
    pub involuntary_switches: Option<u64>,
}

/// Who sent the signal that ended a process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Killer {
    /// Its pid; 0 for the kernel itself.
    pub pid: u32,
    /// Its name.
    pub comm: OsString,
    /// Its real user.
    pub uid: Option<u32>,
    /// The file it executed.
    pub exe: Option<OsString>,
    /// Its systemd unit.
    pub unit: Option<String>,
    /// The signal it sent.
    pub signal: Signal,
    /// `si_code`: how it was sent (`SI_USER` 0, `SI_TKILL` -6, `SI_KERNEL` 128, a fault's reason).
    pub code: i32,
    /// Its parents, nearest first, as far as they are known.
    pub chain: Vec<Link>,
}

/// One of a killer's parents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// Its pid.
    pub pid: u32,
    /// Its name.
    pub comm: OsString,
}

/// The kernel's verdict that a process had to go for want of memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Oom {
    /// Whose memory ran out.
    pub scope: OomScope,
    /// The cgroup whose limit was reached, where that is known.
    pub cgroup: Option<OsString>,
}

/// Whose memory ran out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OomScope {
    /// That of a memory cgroup.
    Memcg,
    /// The machine's.
    Global,
}

impl OomScope {
    /// Returns the word that `--json` and the store use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Memcg => "memcg",
            Self::Global => "global",
        }
    }
}

/// Decodes a wait status, which is one of an end.
pub(crate) fn status_outcome(status: i32) -> Outcome {
    let [low, high, ..] = status.to_le_bytes();
    match Signal::from_number(i32::from(low & 0x7f)) {
        Some(signal) => Outcome::Killed {
            signal,
            core_dumped: low & 0x80 != 0,
        },
        None => Outcome::Exited(high),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decodes_every_way_to_end() {
        for (status, expected) in [
            (0, "exited 0"),
            (0x0300, "exited 3"),
            (9, "killed 9 KILL"),
            (0x8b, "killed 11 SEGV core"),
        ] {
            assert_eq!(status_outcome(status).to_string(), expected);
        }
    }
}
