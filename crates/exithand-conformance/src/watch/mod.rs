//! Reading and polling, and knowing for certain that somebody is blocked.

pub(crate) mod peek;
pub(crate) mod program;
pub(crate) mod reader;

use std::fs;
use std::os::fd::AsFd;
use std::path::Path;
use std::sync::OnceLock;
use std::thread;
use std::time::Instant;

use exithand_testkit::{Actor, Need};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{Errno, read};
use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};

use crate::site::number;
use crate::verdict::{Checked, Stop, ensure};

/// How long after the end a file may take to say so.
pub(crate) const SOON: Timespec = Timespec {
    tv_sec: 10,
    tv_nsec: 0,
};
/// What a readable file shows.
pub(crate) const READABLE: PollFlags = PollFlags::IN.union(PollFlags::RDNORM);

/// Whether a child of ours has ended, by the word of `waitid(2)`, which leaves it as it is.
pub(crate) fn has_ended(child: Pid) -> Checked<bool> {
    let look = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG;
    Ok(waitid(WaitId::Pid(child), look)?.is_some())
}

/// What a file shows now of everything it could show.
pub(crate) fn shows(file: impl AsFd) -> Checked<PollFlags> {
    let all = READABLE | PollFlags::PRI | PollFlags::OUT | PollFlags::RDBAND;
    let now = Timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    let mut polled = [PollFd::new(&file, all)];
    poll(&mut polled, Some(&now))?;
    Ok(polled[0].revents())
}

/// Fails if the file shows anything.
pub(crate) fn shows_nothing(file: impl AsFd, when: &str) -> Checked {
    let seen = shows(file)?;
    ensure(
        seen.is_empty(),
        format_args!("poll {when}: {seen:?} instead of nothing"),
    )
}

/// Fails unless the file shows that it can be read, and nothing that speaks of an error.
pub(crate) fn shows_readable(file: impl AsFd, when: &str) -> Checked {
    let seen = shows(file)?;
    let wrong = PollFlags::ERR | PollFlags::NVAL;
    ensure(
        seen.contains(PollFlags::IN) && !seen.intersects(wrong),
        format_args!("poll {when}: {seen:?} instead of IN"),
    )
}

/// Blocks until the file can be read.
pub(crate) fn until_readable(file: impl AsFd, what: &str) -> Checked {
    let began = Instant::now();
    let mut polled = [PollFd::new(&file, PollFlags::IN)];
    poll(&mut polled, Some(&SOON))?;
    let seen = polled[0].revents();
    ensure(
        seen.contains(PollFlags::IN),
        format_args!("{what}: poll says {seen:?} instead of IN"),
    )?;
    was_woken(began, what)
}

/// Whether the kernel keeps outcomes. Asks once, which takes a child of ours: before anybody waits
/// whom that could disturb.
pub(crate) fn outcomes_outlast_the_reap() -> bool {
    static ANSWER: OnceLock<bool> = OnceLock::new();
    *ANSWER.get_or_init(|| Need::PidfdInfoExit.met())
}

/// Reaps `actor`, which ends now, and returns its wait status.
///
/// Where the kernel keeps no outcome beyond the reap, whoever serves `file` has to learn it from the
/// zombie, and gets the time to.
pub(crate) fn reap(actor: &mut Actor, file: impl AsFd) -> Checked<i32> {
    if !outcomes_outlast_the_reap() {
        actor.wait_zombie();
        until_readable(file, "the file of a zombie")?;
    }
    Ok(actor.wait())
}

/// Fails if it was the time that ran out: then the kernel looks once more by itself, and finds a
/// file ready that woke nobody.
pub(crate) fn was_woken(began: Instant, what: &str) -> Checked {
    let in_time = began.elapsed().as_secs() < SOON.tv_sec.unsigned_abs();
    ensure(
        in_time,
        format_args!("{what}: ready, but nobody was woken for {} s", SOON.tv_sec),
    )
}

/// Reads once, with room for so many bytes.
pub(crate) fn read_once(file: impl AsFd, room: usize) -> Result<Vec<u8>, Errno> {
    let mut bytes = vec![0; room];
    let length = read(file, bytes.as_mut_slice())?;
    bytes.truncate(length);
    Ok(bytes)
}

/// Reads until nothing more comes, so many bytes at a time.
pub(crate) fn read_to_end(file: impl AsFd, room: usize) -> Result<Vec<u8>, Errno> {
    let mut all = Vec::new();
    loop {
        let piece = read_once(&file, room)?;
        if piece.is_empty() {
            return Ok(all);
        }
        all.extend(piece);
    }
}

/// Returns once a task, named by its directory in `/proc`, sleeps in a read of a descriptor that
/// `is_file` accepts; fails when it has gone.
///
/// No kernel object tells that somebody blocks, so the entry is read until it says so.
fn until_blocked(task: &Path, is_file: impl Fn(&str) -> bool) -> Checked {
    while !is_blocked(task, &is_file)? {
        thread::yield_now();
    }
    Ok(())
}

/// Returns once a thread of ours sleeps, which is for the caller to know in what.
pub(crate) fn until_asleep(tid: Pid) -> Checked {
    let stat = format!("/proc/self/task/{}/stat", number(tid));
    while state_in(&fs::read_to_string(&stat)?) != Some('S') {
        thread::yield_now();
    }
    Ok(())
}

#[cfg(target_arch = "x86_64")]
const SYS_READ: &str = "0";
#[cfg(not(target_arch = "x86_64"))]
const SYS_READ: &str = "63";

fn is_blocked(task: &Path, is_file: impl Fn(&str) -> bool) -> Checked<bool> {
    let stat = fs::read_to_string(task.join("stat"));
    let state = stat.as_deref().ok().and_then(state_in);
    match state {
        None | Some('Z' | 'X') => Err(Stop::Failed("the reader has gone".to_owned())),
        Some('S' | 'D') => {
            // `running`, or the number of the call and its arguments.
            let call = fs::read_to_string(task.join("syscall")).unwrap_or_default();
            let mut words = call.split_whitespace();
            let (number, descriptor) = (words.next(), words.next());
            let descriptor = descriptor.and_then(|it| it.strip_prefix("0x"));
            let descriptor = descriptor.and_then(|it| i32::from_str_radix(it, 16).ok());
            Ok(number == Some(SYS_READ) && descriptor.is_some_and(|it| is_file(&it.to_string())))
        }
        Some(_) => Ok(false),
    }
}

/// The state letter in `/proc/PID/stat`.
fn state_in(stat: &str) -> Option<char> {
    stat.rsplit_once(") ")?.1.chars().next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_state_past_any_name() {
        assert_eq!(state_in("7 (a) Z) S 1 2"), Some('S'));
        assert_eq!(state_in("7 (cat"), None);
    }
}
