//! A pid space that goes round and round.

use std::collections::HashMap;
use std::io::{self, PipeReader, PipeWriter, Read, Write};
use std::os::fd::OwnedFd;

use exithand_testkit::sys::{exit_process, fork_process, waitid_bytes};
use rustix::io::Errno;
use rustix::process::{
    Pid, PidfdFlags, Signal, WaitOptions, pidfd_open, pidfd_send_signal,
    set_parent_process_death_signal, waitpid,
};

use super::Check;
use crate::feature::Feature;
use crate::policy::Reader as Stands;
use crate::site::Site;
use crate::verdict::{Checked, Stop, ensure, refused, same};
use crate::watch::{has_ended, read_once, read_to_end, shows_nothing, until_readable};

pub(super) const CHECKS: &[Check] = &[Check::new(
    "reuse-storm",
    "where pids are reused all the time, each of thousands of answers is that of wait(2)",
    &[],
    reuse_storm,
)];

/// Processes that run at a time.
const ALIVE: usize = 8;
/// Processes that are gone, of which files are still open.
const REMEMBERED: usize = 200;
/// Processes in all.
const STARTED: usize = 1400;
/// More pids than this do not come round in time.
const FEW: u32 = 1400;

/// A process that waits to end, and its files.
struct Living {
    pid: Pid,
    lifeline: PipeWriter,
    exithand: OwnedFd,
    siginfo: Option<OwnedFd>,
}

/// One that is gone, and what is true about it.
struct Gone {
    exithand: OwnedFd,
    siginfo: Option<OwnedFd>,
    truth: [u8; 128],
}

fn reuse_storm(site: &Site) -> Checked {
    let pid_max = super::text::pid_max()?;
    if pid_max > FEW {
        let why = format!("there are {pid_max} pids, which do not come round in {STARTED} forks");
        return Err(Stop::Skipped(why));
    }
    let tells =
        Feature::Siginfo.is_present(site) && site.policy().need_admitted(Stands::Parent).is_ok();
    let mut random = Random(0x2545_f491_4f6c_dd1d);
    let mut living: Vec<Living> = Vec::new();
    let mut gone: Vec<Gone> = Vec::new();
    let mut times: HashMap<Pid, usize> = HashMap::new();
    for number in 0..STARTED {
        let started = start(site, number, tells)?;
        *times.entry(started.pid).or_default() += 1;
        living.push(started);
        let other = &living[random.below(living.len())];
        shows_nothing(&other.exithand, "while it runs")?;
        if living.len() < ALIVE {
            continue;
        }
        let ended = end(
            living.swap_remove(random.below(ALIVE)),
            random.below(2) == 0,
        )?;
        gone.push(ended);
        if gone.len() > REMEMBERED {
            gone.swap_remove(random.below(REMEMBERED)).judge()?;
        }
    }
    for it in living {
        gone.push(end(it, false)?);
    }
    gone.iter().try_for_each(Gone::judge)?;
    let reused = times.values().filter(|it| **it > 1).count();
    ensure(
        reused > 0,
        format_args!("no pid was reused in {STARTED} forks, although there are {pid_max}"),
    )
}

fn start(site: &Site, number: usize, tells: bool) -> Checked<Living> {
    let status = u8::try_from(number % 256).unwrap_or(0);
    let (theirs, ours) = io::pipe()?;
    let Some(pid) = fork_process()? else {
        play(theirs, ours, status);
    };
    let siginfo = tells.then(|| site.open_nonblocking(pid, "siginfo"));
    Ok(Living {
        pid,
        lifeline: ours,
        exithand: site.open_nonblocking(pid, "exithand")?,
        siginfo: siginfo.transpose()?,
    })
}

/// Waits for a byte. Later children inherit the pipe, so that its end would not come.
fn play(mut theirs: PipeReader, ours: PipeWriter, status: u8) -> ! {
    drop(ours);
    let bound = set_parent_process_death_signal(Some(Signal::KILL)).is_ok();
    let told = bound && theirs.read_exact(&mut [0]).is_ok();
    exit_process(if told { status } else { 255 })
}

/// Ends one, by a signal or by its own exit, and reaps it once its file tells.
fn end(living: Living, by_signal: bool) -> Checked<Gone> {
    let Living {
        pid,
        mut lifeline,
        exithand,
        siginfo,
    } = living;
    refused(
        "a read while it runs",
        read_once(&exithand, 1),
        &[Errno::AGAIN],
    )?;
    if by_signal {
        pidfd_send_signal(pidfd_open(pid, PidfdFlags::empty())?, Signal::TERM)?;
    } else {
        lifeline.write_all(b"x")?;
    }
    until_readable(&exithand, "the file of one that was told to end")?;
    ensure(has_ended(pid)?, "a file told the end too early")?;
    let truth = waitid_bytes(pid)?;
    waitpid(Some(pid), WaitOptions::empty())?;
    Ok(Gone {
        exithand,
        siginfo,
        truth,
    })
}

impl Gone {
    /// Whatever has its pid by now, its files speak of it.
    fn judge(&self) -> Checked {
        same(
            "bytes after the reap",
            &read_once(&self.exithand, 9)?.len(),
            &0,
        )?;
        let Some(siginfo) = &self.siginfo else {
            return Ok(());
        };
        until_readable(siginfo, "siginfo")?;
        let told = read_to_end(siginfo, 4096)?;
        same("siginfo", &told, &self.truth.to_vec())
    }
}

/// Numbers in no order, the same each time.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % 1_000_000).unwrap_or(0) % bound.max(1)
    }
}
