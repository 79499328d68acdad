//! Waiting for `PID/exithand` with `io_uring`.

use exithand_testkit::actor;
use rustix::process::Pid;

use super::Check;
use crate::site::Site;
use crate::sys::{Done, Ring};
use crate::verdict::{Checked, Context, Stop, ensure, same};
use crate::watch::has_ended;

pub(super) const CHECKS: &[Check] = &[
    Check::new(
        "io-uring-read",
        "a read in a ring ends with the process, and gives nothing",
        &[],
        read_in_a_ring,
    ),
    Check::new(
        "io-uring-poll",
        "a poll in a ring ends with the process",
        &[],
        poll_in_a_ring,
    ),
    Check::new(
        "io-uring-given-up",
        "a ring with a read that is pending can be closed",
        &[],
        ring_given_up,
    ),
];

fn ring() -> Checked<Ring> {
    Ring::new().map_err(|error| Stop::Skipped(format!("io_uring is not to be had: {error}")))
}

fn ended(done: Option<Done>, pid: Pid) -> Checked<u32> {
    let Some(done) = done else {
        return Err(Stop::Failed("still pending 10 s after the end".to_owned()));
    };
    ensure(has_ended(pid)?, "came back before the process had ended")?;
    done.context("io_uring")
}

fn read_in_a_ring(site: &Site) -> Checked {
    let mut actor = actor(&["wait-then-exit", "0"]);
    let mut ring = ring()?;
    let file = site.open(actor.pid(), "exithand")?;
    ring.read(&file)?;
    if let Some(done) = ring.done() {
        return Err(Stop::Failed(format!(
            "a read came back while it ran: {done:?}"
        )));
    }
    actor.release();
    let length = ended(ring.wait()?, actor.pid())?;
    same("bytes read", &ring.bytes(length).len(), &0)?;
    ring.read(&file)?;
    same("bytes read again", &ended(ring.wait()?, actor.pid())?, &0)
}

fn poll_in_a_ring(site: &Site) -> Checked {
    let mut actor = actor(&["wait-then-exit", "0"]);
    let mut ring = ring()?;
    let file = site.open(actor.pid(), "exithand")?;
    ring.poll(&file)?;
    if let Some(done) = ring.done() {
        return Err(Stop::Failed(format!(
            "a poll came back while it ran: {done:?}"
        )));
    }
    actor.release();
    let seen = ended(ring.wait()?, actor.pid())?;
    ensure(
        seen & 1 == 1,
        format_args!("poll shows {seen:#x} instead of IN"),
    )
}

fn ring_given_up(site: &Site) -> Checked {
    let mut actor = actor(&["wait-then-exit", "0"]);
    let file = site.open(actor.pid(), "exithand")?;
    for _ in 0..10 {
        let mut ring = ring()?;
        ring.read(&file)?;
        drop(ring);
    }
    actor.release();
    // The kernel takes the reads back in this thread's time, which may interrupt a read of its own.
    let read = rustix::io::retry_on_intr(|| crate::watch::read_once(&file, 10))?;
    same("bytes read", &read.len(), &0)
}
