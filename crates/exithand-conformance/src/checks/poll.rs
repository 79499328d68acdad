//! Waiting for `PID/exithand` in poll loops.

use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::thread;

use exithand_testkit::{Actor, actor};
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::Pid;
use rustix::thread::gettid;

use super::Check;
use crate::site::Site;
use crate::sys::select_readable;
use crate::verdict::{Checked, Context, Stop, ensure, same};
use crate::watch::{
    SOON, has_ended, read_once, shows_nothing, shows_readable, until_asleep, until_readable,
};

pub(super) const CHECKS: &[Check] = &[
    Check::new(
        "poll",
        "poll shows nothing before the end, wakes at the end, and shows IN for ever after",
        &[],
        poll_wakes,
    ),
    Check::new(
        "poll-then-read",
        "a file that poll calls readable gives nothing to a read that must not block",
        &[],
        poll_then_read,
    ),
    Check::new(
        "poll-by-many",
        "several pollers of one open file are all woken",
        &[],
        poll_by_many,
    ),
    Check::new("select", "select wakes at the end", &[], select_wakes),
    Check::new(
        "epoll-level",
        "epoll shows the end each time it is asked",
        &[],
        epoll_level,
    ),
    Check::new(
        "epoll-edge",
        "edge-triggered epoll shows the end once, also to who comes late",
        &[],
        epoll_edge,
    ),
    Check::new(
        "epoll-of-many",
        "of many files in one epoll, the one whose process ended is shown, and no other",
        &[],
        epoll_of_many,
    ),
];

const NOW: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 0,
};

fn running(site: &Site) -> Checked<(Actor, OwnedFd)> {
    let actor = actor(&["wait-then-exit", "0"]);
    let file = site.open_nonblocking(actor.pid(), "exithand")?;
    Ok((actor, file))
}

/// Releases the actor once `wait` blocks, and sees to it that it does not return too early.
fn wakes(actor: &mut Actor, wait: impl FnOnce() -> Checked) -> Checked {
    let (pid, us) = (actor.pid(), gettid());
    thread::scope(|scope| {
        scope.spawn(move || {
            until_asleep(us).unwrap_or_default();
            actor.release();
        });
        wait()
    })?;
    ensure(has_ended(pid)?, "woken before the process had ended")
}

fn poll_wakes(site: &Site) -> Checked {
    let (mut actor, file) = running(site)?;
    shows_nothing(&file, "while it runs")?;
    let blocking = site.open(actor.pid(), "exithand")?;
    shows_nothing(&blocking, "while it runs")?;
    wakes(&mut actor, || until_readable(&file, "a blocked poll"))?;
    for when in ["on a zombie", "on a zombie, again"] {
        shows_readable(&file, when)?;
        shows_readable(&blocking, when)?;
    }
    let late = site.open(actor.pid(), "exithand")?;
    shows_readable(&late, "on a zombie, opened late")?;
    actor.wait();
    for file in [file, blocking, late] {
        shows_readable(file, "after the reap")?;
    }
    Ok(())
}

fn poll_then_read(site: &Site) -> Checked {
    let (mut actor, file) = running(site)?;
    wakes(&mut actor, || {
        until_readable(&file, "poll")?;
        same("bytes read", &read_once(&file, 10)?.len(), &0)
    })
}

fn poll_by_many(site: &Site) -> Checked {
    let (mut actor, file) = running(site)?;
    let pid = actor.pid();
    thread::scope(|scope| {
        let poll = || {
            until_readable(&file, "one of several pollers")?;
            ensure(has_ended(pid)?, "woken before the process had ended")
        };
        let pollers: Vec<_> = (0..16).map(|_| scope.spawn(poll)).collect();
        actor.release();
        pollers.into_iter().try_for_each(|poller| {
            let broken = |_panic| Err(Stop::Failed("a polling thread broke off".to_owned()));
            poller.join().unwrap_or_else(broken)
        })
    })
}

fn select_wakes(site: &Site) -> Checked {
    let (mut actor, file) = running(site)?;
    ensure(
        !select_readable(&file, &NOW)?,
        "select calls it readable while the process runs",
    )?;
    wakes(&mut actor, || {
        ensure(
            select_readable(&file, &SOON)?,
            "select did not wake within 10 s",
        )
    })?;
    ensure(
        select_readable(&file, &NOW)?,
        "select does not call it readable after the end",
    )
}

/// An epoll with one file in it.
fn epoll_with(file: impl AsFd, flags: EventFlags) -> Checked<OwnedFd> {
    let epoll = epoll::create(CreateFlags::CLOEXEC)?;
    watch(&epoll, file, 7, flags)?;
    Ok(epoll)
}

fn watch(epoll: &OwnedFd, file: impl AsFd, key: u64, flags: EventFlags) -> Checked {
    epoll::add(epoll, file, EventData::new_u64(key), flags).context("epoll_ctl")
}

/// The keys and flags that epoll shows within the time.
fn events(epoll: &OwnedFd, timeout: &Timespec) -> Checked<Vec<(u64, EventFlags)>> {
    let mut buffer = [MaybeUninit::<Event>::uninit(); 64];
    let (events, _) = epoll::wait(epoll, &mut buffer, Some(timeout))?;
    let event = |it: &Event| {
        // The fields of the kernel's struct are packed.
        let (data, flags) = (it.data, it.flags);
        (data.u64(), flags)
    };
    Ok(events.iter().map(event).collect())
}

/// Fails unless the end, and nothing else, is shown.
fn shows_end(epoll: &OwnedFd, timeout: &Timespec, when: &str) -> Checked {
    let seen = events(epoll, timeout)?;
    let right = matches!(seen[..], [(7, flags)] if flags.contains(EventFlags::IN)
        && !flags.contains(EventFlags::ERR));
    ensure(right, format_args!("epoll {when}: {seen:?}"))
}

fn epoll_level(site: &Site) -> Checked {
    let (mut actor, file) = running(site)?;
    let epoll = epoll_with(&file, EventFlags::IN)?;
    same("epoll while it runs", &events(&epoll, &NOW)?, &vec![])?;
    wakes(&mut actor, || shows_end(&epoll, &SOON, "at the end"))?;
    for _ in 0..10 {
        shows_end(&epoll, &NOW, "after the end")?;
    }
    Ok(())
}

fn epoll_edge(site: &Site) -> Checked {
    let (mut actor, file) = running(site)?;
    let edge = EventFlags::IN | EventFlags::ET;
    let epoll = epoll_with(&file, edge)?;
    same("epoll while it runs", &events(&epoll, &NOW)?, &vec![])?;
    actor.release();
    shows_end(&epoll, &SOON, "at the end")?;
    actor.wait_zombie();
    shows_end(&epoll_with(&file, edge)?, &NOW, "added after the end")?;
    let once = EventFlags::IN | EventFlags::ONESHOT;
    let oneshot = epoll_with(&file, once)?;
    shows_end(&oneshot, &NOW, "with ONESHOT")?;
    same("epoll after ONESHOT", &events(&oneshot, &NOW)?, &vec![])?;
    epoll::modify(&oneshot, &file, EventData::new_u64(7), once)?;
    shows_end(&oneshot, &NOW, "with ONESHOT armed again")?;
    // The reap may be a second edge; a third event would be a spin.
    actor.wait();
    let more = events(&epoll, &NOW)?.len() + events(&epoll, &NOW)?.len();
    ensure(
        more <= 1,
        format_args!("epoll: {more} more edges after the end"),
    )
}

fn epoll_of_many(site: &Site) -> Checked {
    const MANY: usize = 20;
    let epoll = epoll::create(CreateFlags::CLOEXEC)?;
    let mut held = Vec::new();
    for _ in 0..MANY {
        held.push(running(site)?);
    }
    for (key, (_, file)) in (0..).zip(&held) {
        watch(&epoll, file, key, EventFlags::IN | EventFlags::ET)?;
    }
    // Not in the order in which they were opened.
    let order = (0..MANY).map(|step| (step * 7) % MANY);
    for at in order {
        let (actor, file) = &mut held[at];
        actor.release();
        let seen = events(&epoll, &SOON)?;
        let key = u64::try_from(at).unwrap_or(u64::MAX);
        let keys: Vec<u64> = seen.iter().map(|(key, _)| *key).collect();
        same("who is shown", &keys, &vec![key])?;
        ensure(
            has_ended(actor.pid())?,
            "shown before the process had ended",
        )?;
        same("bytes read", &read_once(file, 10)?.len(), &0)?;
    }
    others_show_nothing(site, &held)
}

/// A file of a process that runs stays silent beside all those that have ended.
fn others_show_nothing(site: &Site, held: &[(Actor, OwnedFd)]) -> Checked {
    let (actor, file) = running(site)?;
    let mut polled: Vec<PollFd<'_>> = held
        .iter()
        .map(|(_, file)| PollFd::new(file, PollFlags::IN))
        .collect();
    polled.push(PollFd::new(&file, PollFlags::IN));
    same(
        "files that poll shows",
        &poll(&mut polled, Some(&NOW))?,
        &held.len(),
    )?;
    let pid: Pid = actor.pid();
    ensure(!has_ended(pid)?, "the actor ended by itself")
}
