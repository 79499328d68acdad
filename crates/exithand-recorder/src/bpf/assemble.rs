//! From what the probes hand over to an exit record. Pure but for the table of cgroups.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

use exithand::{BootId, Outcome, Signal, Token};
use rustix::process::Pid;

use super::cgroups::Cgroups;
use super::wire::{self, Exit};
use crate::clock::{Clock, ticks};
use crate::record::status_outcome;
use crate::{Argv, ExitRecord, Killer, Link, Oom, OomScope, Parent, Place, Usage};

/// What holds for all records of this boot.
#[derive(Debug, Clone, Copy)]
pub(super) struct Machine {
    pub(super) boot: BootId,
    pub(super) page_bytes: u64,
}

const SIGKILL: i32 = 9;

/// Makes the record of one process that ended.
pub(super) fn exit_record(
    exit: Exit<'_>,
    clock: &Clock,
    machine: &Machine,
    cgroups: &mut Cgroups,
) -> ExitRecord {
    let outcome = status_outcome(exit.status);
    let (exe, argv) = exit.image.map_or((None, None), |image| {
        (image.exe, words(image.argv, image.argv_cut))
    });
    let was_killed =
        matches!(outcome, Outcome::Killed { signal, .. } if signal.number() == SIGKILL);
    ExitRecord {
        token: token(exit.tgid, exit.ino, exit.start_ns).of_boot(machine.boot),
        start_ticks: (exit.ino != 0).then(|| ticks(exit.start_ns)),
        outcome,
        parent: (exit.ppid != 0).then_some(Parent {
            pid: exit.ppid,
            comm: Some(exit.parent_comm),
        }),
        uid: Some(exit.uid),
        gid: Some(exit.gid),
        comm: exit.comm,
        exe,
        argv,
        place: Place::clone(&cgroups.place(exit.cgroup)),
        started: Some(clock.wall(exit.start_ns)),
        ended: clock.wall(exit.end_ns),
        runtime_ns: exit.end_ns.checked_sub(exit.start_ns),
        usage: Usage {
            max_rss_bytes: exit.maxrss_pages.checked_mul(machine.page_bytes),
            read_bytes: Some(exit.read_bytes),
            write_bytes: Some(exit.write_bytes),
            voluntary_switches: Some(exit.nvcsw),
            involuntary_switches: Some(exit.nivcsw),
            ..cpu_times(exit.utime_ns, exit.stime_ns, exit.runtime_ns)
        },
        killer: exit.killer.and_then(|killer| named(killer, cgroups)),
        oom: exit.oom.filter(|_| was_killed).map(verdict),
        namespace_init: exit.namespace_init,
    }
}

fn token(tgid: u32, ino: u64, start_ns: u64) -> Token {
    let pid = i32::try_from(tgid).ok().and_then(Pid::from_raw);
    if ino == 0 {
        Token::of_start(pid, ticks(start_ns))
    } else {
        Token::of_inode(pid, ino)
    }
}

/// The command line; `None` where it is empty, as after a process has overwritten it.
pub(crate) fn words(bytes: &[u8], is_cut: bool) -> Option<Argv> {
    let whole = bytes.strip_suffix(&[0]).unwrap_or(bytes);
    if whole.is_empty() && !is_cut {
        return None;
    }
    let words = whole.split(|byte| *byte == 0);
    Some(Argv {
        words: words.map(|it| OsString::from_vec(it.to_vec())).collect(),
        truncated: is_cut,
    })
}

/// Splits what was measured exactly in the proportion of what the clock tick happened to see, as
/// the kernel does for `wait4(2)`.
fn cpu_times(utime_ns: u64, stime_ns: u64, runtime_ns: u64) -> Usage {
    let system_ns = match (utime_ns, stime_ns) {
        (_, 0) => 0,
        (0, _) => runtime_ns,
        (user, system) => {
            let sum = u128::from(user) + u128::from(system);
            let share = u128::from(runtime_ns) * u128::from(system) / sum;
            u64::try_from(share).unwrap_or(runtime_ns)
        }
    };
    Usage {
        cpu_user_ns: Some(runtime_ns - system_ns),
        cpu_system_ns: Some(system_ns),
        ..Usage::default()
    }
}

fn named(killer: wire::Killer, cgroups: &mut Cgroups) -> Option<Killer> {
    let by_kernel = killer.pid == 0;
    let unit = (!by_kernel)
        .then(|| cgroups.place(killer.cgroup).unit.clone())
        .flatten();
    Some(Killer {
        pid: killer.pid,
        comm: killer.comm,
        uid: (!by_kernel).then_some(killer.uid),
        exe: killer.exe,
        unit,
        signal: Signal::from_number(i32::from(killer.signal))?,
        code: killer.code,
        chain: killer
            .links
            .into_iter()
            .map(|(pid, comm)| Link { pid, comm })
            .collect(),
    })
}

fn verdict(oom: wire::Oom) -> Oom {
    Oom {
        scope: if oom.is_memcg {
            OomScope::Memcg
        } else {
            OomScope::Global
        },
        cgroup: oom.limit,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_cpu_time_as_wait_does() {
        for ((user, system, sum), expected) in [
            ((0, 0, 500), (500, 0)),
            ((4, 0, 500), (500, 0)),
            ((0, 4, 500), (0, 500)),
            ((3, 1, 400), (300, 100)),
            ((u64::MAX, u64::MAX, u64::MAX), (1 << 63, u64::MAX >> 1)),
        ] {
            let usage = cpu_times(user, system, sum);
            let told = (usage.cpu_user_ns.unwrap(), usage.cpu_system_ns.unwrap());
            assert_eq!(told, expected, "{user} {system} {sum}");
        }
    }

    #[test]
    fn words_are_kept_as_they_were() {
        for (bytes, is_cut, expected) in [
            (&b""[..], false, None),
            (b"\0", false, None),
            (b"a\0", false, Some(vec!["a"])),
            (b"a\0\0", false, Some(vec!["a", ""])),
            (b"a\0b c\0", false, Some(vec!["a", "b c"])),
            (b"a\0lon", true, Some(vec!["a", "lon"])),
        ] {
            let told = words(bytes, is_cut);
            let expected = expected.map(|words| Argv {
                words: words.into_iter().map(OsString::from).collect(),
                truncated: is_cut,
            });
            assert_eq!(told, expected, "{bytes:?}");
        }
    }
}
