//! Sending the pids round once.

use std::fs;
use std::io;

use exithand_testkit::sys::{exit_process, fork_process};
use rustix::process::{WaitOptions, waitpid};

use super::read_generation;
use crate::site::Site;
use crate::verdict::{Checked, Stop, ensure};

/// A pid space of more than this takes too long to go through.
const SMALL: u32 = 65536;

pub(crate) fn pid_max() -> Checked<u32> {
    let text = fs::read_to_string("/proc/sys/kernel/pid_max")?;
    Ok(text.trim().parse().map_err(io::Error::other)?)
}

/// A reader looks at both ends of a time in which the pids went round, and not in between.
pub(super) fn pid_generation_grows(site: &Site) -> Checked {
    let pid_max = pid_max()?;
    if pid_max > SMALL {
        let why = format!("there are {pid_max} pids to go through");
        return Err(Stop::Skipped(why));
    }
    let before = read_generation(site)?;
    let mut forks = 0_u32;
    // Round once, and past where it began.
    let (mut last, mut wrapped, mut first) = (0, false, None);
    while !wrapped || first.is_some_and(|first| last < first) {
        let Some(child) = fork_process()? else {
            exit_process(0);
        };
        waitpid(Some(child), WaitOptions::empty())?;
        let number = child.as_raw_nonzero().get();
        wrapped = wrapped || number < last;
        first = first.or(Some(number));
        last = number;
        forks += 1;
        ensure(forks <= 2 * pid_max, "the pids do not go round")?;
    }
    let after = read_generation(site)?;
    ensure(
        after.0 > before.0,
        format_args!("{after:?} after {before:?}, although the pids went round"),
    )
}
