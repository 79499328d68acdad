//! Reading `PID/exithand`.

use std::sync::Arc;
use std::thread;

use exithand_testkit::actor;
use rustix::fs::{OFlags, SeekFrom, fcntl_getfl, fcntl_setfl, seek};
use rustix::io::{Errno, pread};

use super::Check;
use crate::site::Site;
use crate::verdict::{Checked, Context, Stop, ensure, refused, same};
use crate::watch::reader::{Reader, released_by_the_end};
use crate::watch::{has_ended, read_once, shows_nothing, shows_readable};

pub(super) const CHECKS: &[Check] = &[
    Check::new(
        "read-blocks-until-the-end",
        "a read blocks while the process runs, and gives nothing once it has ended",
        &[],
        blocks_until_the_end,
    ),
    Check::new(
        "read-gives-nothing-for-ever",
        "after the end every read gives nothing at once, after the reap too",
        &[],
        gives_nothing_for_ever,
    ),
    Check::new(
        "zombie-has-ended",
        "a file of a zombie, opened late, reads as the end",
        &[],
        zombie_has_ended,
    ),
    Check::new(
        "read-with-any-room",
        "a read with room for 1 byte or 64 KiB blocks alike; one for 0 bytes does not",
        &[],
        any_room,
    ),
    Check::new(
        "several-readers",
        "all readers of one open file, and of several, are released",
        &[],
        several_readers,
    ),
    Check::new(
        "nonblocking-read",
        "with O_NONBLOCK a read fails with EAGAIN until the end",
        &[],
        nonblocking,
    ),
    Check::new(
        "nonblocking-is-of-the-moment",
        "O_NONBLOCK may be set and taken away on an open file",
        &[],
        nonblocking_may_change,
    ),
    Check::new(
        "stop-is-no-end",
        "a process that is stopped and continued has not ended",
        &[],
        stop_is_no_end,
    ),
    Check::new(
        "own-end",
        "a blocking read of one's own end fails with EDEADLK, and nothing else of it is special",
        &[],
        own_end,
    ),
    Check::new(
        "never-seekable",
        "lseek and pread fail with ESPIPE",
        &[],
        never_seekable,
    ),
];

fn blocks_until_the_end(site: &Site) -> Checked {
    let mut actor = actor(&["wait-then-exit", "3"]);
    let file = Arc::new(site.open(actor.pid(), "exithand")?);
    let reader = Reader::start(&file)?;
    actor.release();
    let bytes = reader.bytes()?;
    // The read came back: by the word of wait(2), was it too early?
    ensure(
        has_ended(actor.pid())?,
        "a read returned before the process had ended",
    )?;
    same("bytes read", &bytes.len(), &0)?;
    same("wait status", &actor.wait(), &0x0300)
}

fn gives_nothing_for_ever(site: &Site) -> Checked {
    let mut actor = actor(&["wait-then-exit", "0"]);
    let file = site.open(actor.pid(), "exithand")?;
    actor.release();
    actor.wait_zombie();
    for _ in 0..1000 {
        same("bytes of a zombie", &read_once(&file, 100)?.len(), &0)?;
    }
    actor.wait();
    for _ in 0..1000 {
        same("bytes after the reap", &read_once(&file, 100)?.len(), &0)?;
    }
    shows_readable(&file, "after the reap")
}

fn zombie_has_ended(site: &Site) -> Checked {
    let actor = actor(&["exit-with", "3"]);
    actor.wait_zombie();
    let file = site.open(actor.pid(), "exithand")?;
    shows_readable(&file, "on a zombie")?;
    same("bytes read", &read_once(&file, 100)?.len(), &0)
}

fn any_room(site: &Site) -> Checked {
    let mut actor = actor(&["wait-then-exit", "0"]);
    let file = Arc::new(site.open(actor.pid(), "exithand")?);
    same(
        "bytes read with no room",
        &read_once(&*file, 0).context("a read with no room")?.len(),
        &0,
    )?;
    let small = Reader::start_with_room(&file, 1)?;
    let large = Reader::start_with_room(&file, 65536)?;
    actor.release();
    same("bytes read", &small.bytes()?.len(), &0)?;
    same("bytes read", &large.bytes()?.len(), &0)?;
    ensure(has_ended(actor.pid())?, "a read returned too early")
}

fn several_readers(site: &Site) -> Checked {
    let mut actor = actor(&["wait-then-exit", "0"]);
    let shared = Arc::new(site.open(actor.pid(), "exithand")?);
    let mut readers = Vec::new();
    for _ in 0..8 {
        readers.push(Reader::start(&shared)?);
        readers.push(Reader::start(&Arc::new(
            site.open(actor.pid(), "exithand")?,
        ))?);
    }
    released_by_the_end(&mut actor, readers)
}

fn nonblocking(site: &Site) -> Checked {
    let mut actor = actor(&["wait-then-exit", "0"]);
    let file = site.open_nonblocking(actor.pid(), "exithand")?;
    for _ in 0..100 {
        refused(
            "a read while it runs",
            read_once(&file, 100),
            &[Errno::AGAIN],
        )?;
    }
    actor.release();
    actor.wait_zombie();
    same("bytes of a zombie", &read_once(&file, 100)?.len(), &0)?;
    actor.wait();
    same("bytes after the reap", &read_once(&file, 100)?.len(), &0)
}

fn nonblocking_may_change(site: &Site) -> Checked {
    let mut actor = actor(&["wait-then-exit", "0"]);
    let file = Arc::new(site.open(actor.pid(), "exithand")?);
    let flags = fcntl_getfl(&*file)?;
    fcntl_setfl(&*file, flags | OFlags::NONBLOCK)?;
    refused(
        "a read while it runs",
        read_once(&*file, 100),
        &[Errno::AGAIN],
    )?;
    fcntl_setfl(&*file, flags)?;
    let reader = Reader::start(&file)?;
    actor.release();
    same("bytes read", &reader.bytes()?.len(), &0)
}

fn stop_is_no_end(site: &Site) -> Checked {
    use rustix::process::{PidfdFlags, Signal, WaitId, WaitIdOptions, pidfd_open, waitid};

    let mut actor = actor(&["wait-then-exit", "0"]);
    let file = Arc::new(site.open(actor.pid(), "exithand")?);
    let reader = Reader::start(&file)?;
    let pidfd = pidfd_open(actor.pid(), PidfdFlags::empty())?;
    for (signal, seen) in [
        (Signal::STOP, WaitIdOptions::STOPPED),
        (Signal::CONT, WaitIdOptions::CONTINUED),
    ] {
        rustix::process::pidfd_send_signal(&pidfd, signal)?;
        waitid(WaitId::Pid(actor.pid()), seen)?;
        shows_nothing(&*file, "after a stop or a continue")?;
        reader.still_blocks("after a stop or a continue")?;
    }
    actor.release();
    same("bytes read", &reader.bytes()?.len(), &0)
}

fn own_end(site: &Site) -> Checked {
    let ourselves = rustix::process::getpid();
    let file = site.open(ourselves, "exithand")?;
    refused(
        "a read of the own end",
        read_once(&file, 1),
        &[Errno::DEADLK],
    )?;
    let from_thread = thread::scope(|scope| scope.spawn(|| read_once(&file, 1)).join());
    let broken = |_panic| Stop::Failed("a thread broke off".to_owned());
    refused(
        "from a thread",
        from_thread.map_err(broken)?,
        &[Errno::DEADLK],
    )?;
    let polled = site.open_nonblocking(ourselves, "exithand")?;
    shows_nothing(&polled, "on the own file")?;
    refused(
        "a read with O_NONBLOCK",
        read_once(&polled, 1),
        &[Errno::AGAIN],
    )
}

fn never_seekable(site: &Site) -> Checked {
    let mut actor = actor(&["wait-then-exit", "0"]);
    let file = site.open_nonblocking(actor.pid(), "exithand")?;
    let check = |when: &str| {
        for position in [SeekFrom::Start(0), SeekFrom::Current(0), SeekFrom::End(0)] {
            let what = format!("lseek {when} to {position:?}");
            refused(what, seek(&file, position), &[Errno::SPIPE])?;
        }
        let mut buffer = [0; 10];
        let read = pread(&file, &mut buffer, 0);
        refused(format!("pread {when}"), read, &[Errno::SPIPE])
    };
    check("while it runs")?;
    actor.release();
    actor.wait_zombie();
    check("after the end")
}
