//! Readers that do not want to wait any longer.

use std::path::Path;
use std::sync::Arc;

use exithand_testkit::actor;
use exithand_testkit::sys::{interrupt_on, signal_thread};
use rustix::io::Errno;
use rustix::process::Signal;

use super::Check;
use crate::site::Site;
use crate::verdict::{Checked, Context, Stop, refused, same};
use crate::watch::program::{COMMANDS, Program};
use crate::watch::reader::Reader;
use crate::watch::{read_once, shows_nothing};

pub(super) const CHECKS: &[Check] = &[
    Check::new(
        "signal-interrupts-read",
        "a signal with a handler ends a blocked read with EINTR, and the file is as before",
        &[],
        signal_interrupts,
    ),
    Check::new(
        "interrupt-kills-reader",
        "SIGINT ends cat, dd, head and python at once when they are blocked in a read",
        &[],
        |site| readers_die_of(site, Signal::INT),
    ),
    Check::new("terminate-kills-reader", "SIGTERM does", &[], |site| {
        readers_die_of(site, Signal::TERM)
    }),
    Check::new("kill-kills-reader", "SIGKILL does", &[], |site| {
        readers_die_of(site, Signal::KILL)
    }),
    Check::new(
        "stopped-reader-goes-on",
        "a cat that is stopped and continued waits on, and sees the end",
        &[],
        stopped_reader,
    ),
    Check::new(
        "aborted-reads",
        "a hundred readers that were killed leave the file as it was",
        &[],
        aborted_reads,
    ),
];

fn signal_interrupts(site: &Site) -> Checked {
    interrupt_on(Signal::USR1)?;
    let mut actor = actor(&["wait-then-exit", "0"]);
    let file = Arc::new(site.open(actor.pid(), "exithand")?);
    for _ in 0..20 {
        let reader = Reader::start(&file)?;
        let witness = Reader::start(&file)?;
        signal_thread(reader.tid(), Signal::USR1)?;
        refused("an interrupted read", reader.finish()?, &[Errno::INTR])?;
        witness.still_blocks("when another read is interrupted")?;
        shows_nothing(&*file, "after an interrupted read")?;
        signal_thread(witness.tid(), Signal::USR1)?;
        refused("the other read", witness.finish()?, &[Errno::INTR])?;
    }
    let reader = Reader::start(&file)?;
    actor.release();
    same("bytes read in the end", &reader.bytes()?.len(), &0)
}

/// Starts every program there is on the file, has each block, and calls `then` with it.
fn with_each(path: &Path, then: impl Fn(Program) -> Checked) -> Checked {
    let mut none = true;
    for command in COMMANDS {
        let words = command.join(" ");
        let Some(mut program) = Program::start(command, path).context(&words)? else {
            continue;
        };
        none = false;
        program
            .until_blocked()
            .and_then(|()| then(program))
            .context(&words)?;
    }
    if none {
        let why = "none of the reading programs is installed";
        return Err(Stop::Skipped(why.to_owned()));
    }
    Ok(())
}

fn readers_die_of(site: &Site, signal: Signal) -> Checked {
    let mut actor = actor(&["wait-then-exit", "0"]);
    let path = site.file(actor.pid(), "exithand");
    with_each(&path, |program| {
        program.signal(signal)?;
        let (status, _) = program.finish()?;
        same("wait status", &(status & 0x7f), &signal.as_raw())
    })?;
    let file = Arc::new(site.open(actor.pid(), "exithand")?);
    let reader = Reader::start(&file)?;
    actor.release();
    same("bytes read by another", &reader.bytes()?.len(), &0)
}

fn stopped_reader(site: &Site) -> Checked {
    let mut actor = actor(&["wait-then-exit", "0"]);
    let path = site.file(actor.pid(), "exithand");
    let Some(mut cat) = Program::start(&["cat", "FILE"], &path)? else {
        return Err(Stop::Skipped("no cat here".to_owned()));
    };
    for _ in 0..10 {
        cat.until_blocked()?;
        cat.signal(Signal::STOP)?;
        cat.until_stopped()?;
        cat.signal(Signal::CONT)?;
    }
    cat.until_blocked()?;
    cat.still_runs()?;
    actor.release();
    same("cat in the end", &cat.finish()?, &(0, Vec::new()))
}

fn aborted_reads(site: &Site) -> Checked {
    let mut actor = actor(&["wait-then-exit", "0"]);
    let path = site.file(actor.pid(), "exithand");
    let early = site.open_nonblocking(actor.pid(), "exithand")?;
    for _ in 0..100 {
        let Some(mut cat) = Program::start(&["cat", "FILE"], &path)? else {
            return Err(Stop::Skipped("no cat here".to_owned()));
        };
        cat.until_blocked()?;
        cat.signal(Signal::KILL)?;
        same("wait status", &cat.finish()?.0, &Signal::KILL.as_raw())?;
    }
    refused(
        "a read while it runs",
        read_once(&early, 1),
        &[Errno::AGAIN],
    )?;
    let reader = Reader::start(&Arc::new(site.open(actor.pid(), "exithand")?))?;
    actor.release();
    same("bytes read in the end", &reader.bytes()?.len(), &0)
}
