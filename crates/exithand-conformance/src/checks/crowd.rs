//! Many at once.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use exithand_testkit::{Actor, actor};
use rustix::process::Signal;

use super::Check;
use crate::site::Site;
use crate::verdict::{Checked, ensure, same};
use crate::watch::program::Program;
use crate::watch::reader::{Reader, released_by_the_end};
use crate::watch::{has_ended, shows_nothing};

pub(super) const CHECKS: &[Check] = &[
    Check::new(
        "many-readers-of-one",
        "200 blocked readers of one process are all released, and none too early",
        &[],
        many_readers_of_one,
    ),
    Check::new(
        "many-processes",
        "200 blocked readers of 200 processes are released one by one, each by its own",
        &[],
        many_processes,
    ),
    Check::new(
        "many-programs",
        "50 blocked cats: half are killed, the other half see the end",
        &[],
        many_programs,
    ),
    Check::new(
        "many-open-files",
        "900 files of one process can be open, and the next process is read as ever",
        &[],
        many_open_files,
    ),
];

const MANY: usize = 200;

fn many_readers_of_one(site: &Site) -> Checked {
    let mut actor = actor(&["wait-then-exit", "0"]);
    let mut readers = Vec::with_capacity(MANY);
    for _ in 0..MANY {
        let file = Arc::new(site.open(actor.pid(), "exithand")?);
        readers.push(Reader::start(&file)?);
    }
    released_by_the_end(&mut actor, readers)
}

fn many_processes(site: &Site) -> Checked {
    let mut waits: Vec<Option<(Actor, Reader)>> = Vec::with_capacity(MANY);
    for _ in 0..MANY {
        let actor = actor(&["wait-then-exit", "0"]);
        let file = Arc::new(site.open(actor.pid(), "exithand")?);
        let reader = Reader::start(&file)?;
        waits.push(Some((actor, reader)));
    }
    // 77 and 200 have no common factor, so that every index comes up once.
    for at in (0..MANY).map(|step| (step * 77) % MANY) {
        let Some((mut actor, reader)) = waits.get_mut(at).and_then(Option::take) else {
            continue;
        };
        actor.release();
        same("bytes read", &reader.bytes()?.len(), &0)?;
        ensure(has_ended(actor.pid())?, "a read returned too early")?;
        for (_, other) in waits.iter().flatten() {
            other.still_blocks("when another process ends")?;
        }
    }
    Ok(())
}

fn many_programs(site: &Site) -> Checked {
    let mut actor = actor(&["wait-then-exit", "0"]);
    let path = site.file(actor.pid(), "exithand");
    let mut cats = Vec::new();
    for _ in 0..50 {
        let Some(cat) = Program::start(&["cat", "FILE"], &path)? else {
            let why = "no cat here".to_owned();
            return Err(crate::verdict::Stop::Skipped(why));
        };
        cats.push(cat);
    }
    for cat in &mut cats {
        cat.until_blocked()?;
    }
    for cat in cats.drain(..25) {
        cat.signal(Signal::KILL)?;
        same(
            "wait status of a cat",
            &cat.finish()?.0,
            &Signal::KILL.as_raw(),
        )?;
    }
    actor.release();
    for cat in cats {
        same("cat", &cat.finish()?, &(0, Vec::new()))?;
    }
    Ok(())
}

fn many_open_files(site: &Site) -> Checked {
    let mut one = actor(&["wait-then-exit", "0"]);
    let mut files: Vec<OwnedFd> = Vec::new();
    for _ in 0..900 {
        files.push(site.open_nonblocking(one.pid(), "exithand")?);
    }
    let mut two = actor(&["wait-then-exit", "0"]);
    let reader = Reader::start(&Arc::new(site.open(two.pid(), "exithand")?))?;
    two.release();
    same("bytes of the other process", &reader.bytes()?.len(), &0)?;
    for file in &files {
        shows_nothing(file, "while the process runs")?;
    }
    one.release();
    for file in &files {
        crate::watch::until_readable(file, "one of many files")?;
    }
    Ok(())
}
