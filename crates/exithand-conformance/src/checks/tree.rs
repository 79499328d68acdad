//! Directories: who is in them, and when they go.

use std::fs;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::path::Path;

use exithand_testkit::{Actor, Pid, actor};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::inotify::{self, CreateFlags, ReadFlags, WatchFlags};
use rustix::fs::{Dir, FileType, Mode, OFlags, fstat, lstat, openat, stat};
use rustix::io::Errno;

use super::Check;
use crate::feature::Feature;
use crate::site::{Site, number, open_directory};
use crate::verdict::{Checked, Context, Stop, ensure, refused, same};
use crate::watch::SOON;

pub(super) const CHECKS: &[Check] = &[
    Check::new(
        "living-are-listed",
        "the directory lists the living and the zombies, once, and not who is gone",
        &[],
        living_are_listed,
    ),
    Check::new(
        "directory-of-a-process",
        "PID lists exithand and what else can be opened there",
        &[],
        directory_of_a_process,
    ),
    Check::new(
        "attributes",
        "files are r--r--r-- and of size 0, directories r-xr-xr-x",
        &[],
        attributes,
    ),
    Check::new(
        "gone-is-gone",
        "once a process is reaped its directory is not there, also not for who looked before",
        &[],
        gone_is_gone,
    ),
    Check::new(
        "held-directory",
        "in an open directory of a process that is gone there is nothing",
        &[],
        held_directory,
    ),
    Check::new(
        "directory-events",
        "who watches PID with inotify sees it deleted",
        &[Feature::DirectoryEvents],
        |site| directory_is_deleted(site, Holding::Nothing),
    ),
    Check::new(
        "directory-events-with-open-files",
        "the same where files of the process were open, at the latest once they are closed",
        &[Feature::DirectoryEvents],
        |site| directory_is_deleted(site, Holding::Files),
    ),
];

fn names(directory: &Path) -> Checked<Vec<String>> {
    let mut names = Vec::new();
    let entries = fs::read_dir(directory).context(format_args!("list {}", directory.display()))?;
    for entry in entries {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    Ok(names)
}

fn times_listed(site: &Site, pid: Pid) -> Checked<usize> {
    let pid = number(pid);
    Ok(names(site.root())?
        .into_iter()
        .filter(|it| *it == pid)
        .count())
}

fn living_are_listed(site: &Site) -> Checked {
    let mut actors: Vec<Actor> = (0..50).map(|_| actor(&["wait-then-exit", "0"])).collect();
    let zombie = actor(&["exit-with", "0"]);
    zombie.wait_zombie();
    for actor in actors.iter().chain([&zombie]) {
        same(
            "times a process is listed",
            &times_listed(site, actor.pid())?,
            &1,
        )?;
    }
    let thread = actor(&["killed-two-threads"]);
    same(
        "times a thread is listed",
        &times_listed(site, thread.told_pid())?,
        &0,
    )?;
    for actor in &mut actors {
        actor.release();
        actor.wait();
        same(
            "times one that is gone is listed",
            &times_listed(site, actor.pid())?,
            &0,
        )?;
    }
    let root = open_directory(site.root())?;
    for entry in Dir::read_from(&root)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy();
        let is_number = name.bytes().all(|byte| byte.is_ascii_digit());
        let known = [FileType::Directory, FileType::Unknown].contains(&entry.file_type());
        ensure(
            !is_number || known,
            format_args!("{name} is listed as {:?}", entry.file_type()),
        )?;
    }
    Ok(())
}

fn directory_of_a_process(site: &Site) -> Checked {
    let actor = actor(&["wait-then-exit", "0"]);
    let listed = names(&site.process(actor.pid()))?;
    ensure(
        listed.iter().any(|it| it == "exithand"),
        format_args!("exithand is not among {listed:?}"),
    )?;
    let features = [
        (Feature::Siginfo, "siginfo"),
        (Feature::Outcome, "outcome"),
        (Feature::Token, "token"),
        (Feature::Threads, "task"),
    ];
    for (feature, name) in features {
        if feature.is_present(site) {
            let times = listed.iter().filter(|it| *it == name).count();
            same(format_args!("times {name} is listed"), &times, &1)?;
        }
    }
    Ok(())
}

fn attributes(site: &Site) -> Checked {
    let actor = actor(&["wait-then-exit", "0"]);
    for name in ["exithand", "siginfo", "outcome", "token"] {
        let path = site.file(actor.pid(), name);
        let (Ok(seen), true) = (lstat(&path), name == "exithand" || path.exists()) else {
            continue;
        };
        same(
            format_args!("type of {name}"),
            &FileType::from_raw_mode(seen.st_mode),
            &FileType::RegularFile,
        )?;
        same(
            format_args!("mode of {name}"),
            &(seen.st_mode & 0o7777),
            &0o444,
        )?;
        same(format_args!("size of {name}"), &seen.st_size, &0)?;
    }
    let file = site.open(actor.pid(), "exithand")?;
    same(
        "mode of an open file",
        &(fstat(&file)?.st_mode & 0o7777),
        &0o444,
    )?;
    for path in [site.root().to_owned(), site.process(actor.pid())] {
        let seen = stat(&path)?;
        let what = path.display();
        same(
            format_args!("type of {what}"),
            &FileType::from_raw_mode(seen.st_mode),
            &FileType::Directory,
        )?;
        same(
            format_args!("mode of {what}"),
            &(seen.st_mode & 0o7777),
            &0o555,
        )?;
    }
    Ok(())
}

fn gone_is_gone(site: &Site) -> Checked {
    for _ in 0..50 {
        let mut actor = actor(&["wait-then-exit", "0"]);
        let pid = actor.pid();
        // Whatever is remembered of a process, is so by now.
        stat(site.file(pid, "exithand"))?;
        names(&site.process(pid))?;
        drop(site.open(pid, "exithand")?);
        actor.release();
        actor.wait_zombie();
        stat(site.file(pid, "exithand")).context("stat the file of a zombie")?;
        actor.wait();
        refused("stat PID", stat(site.process(pid)), &[Errno::NOENT])?;
        refused(
            "stat PID/exithand",
            stat(site.file(pid, "exithand")),
            &[Errno::NOENT],
        )?;
        let opened = crate::site::open_file(&site.file(pid, "exithand"), OFlags::empty());
        refused("open PID/exithand", opened, &[Errno::NOENT])?;
    }
    Ok(())
}

fn held_directory(site: &Site) -> Checked {
    let mut actor = actor(&["wait-then-exit", "0"]);
    let directory = open_directory(&site.process(actor.pid()))?;
    let open = || {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        openat(&directory, "exithand", flags, Mode::empty())
    };
    open().context("open through a directory")?;
    actor.release();
    actor.wait();
    let gone = [Errno::NOENT, Errno::SRCH, Errno::STALE];
    refused("open through a directory that is gone", open(), &gone)?;
    // To list it may fail or show nothing, and must not hang.
    let listed = Dir::read_from(&directory).map(|dir| {
        dir.filter_map(Result::ok)
            .filter(|it| ![c".", c".."].contains(&it.file_name()))
            .count()
    });
    match listed {
        Ok(entries) => same("entries of a directory that is gone", &entries, &0),
        Err(errno) => refused("list a directory that is gone", Err::<(), _>(errno), &gone),
    }
}

/// What the check holds open of the process that goes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Holding {
    Nothing,
    Files,
}

/// Reads events of an inotify descriptor until one says that what is watched was deleted.
fn until_deleted(inotify: &OwnedFd) -> Checked<bool> {
    loop {
        if poll(&mut [PollFd::new(inotify, PollFlags::IN)], Some(&SOON))? == 0 {
            return Ok(false);
        }
        let mut buffer = [MaybeUninit::uninit(); 4096];
        let mut events = inotify::Reader::new(inotify, &mut buffer);
        loop {
            if events.next()?.events().contains(ReadFlags::DELETE_SELF) {
                return Ok(true);
            }
            if events.is_buffer_empty() {
                break;
            }
        }
    }
}

fn directory_is_deleted(site: &Site, holding: Holding) -> Checked {
    let mut actor = actor(&["wait-then-exit", "0"]);
    let path = site.process(actor.pid());
    let inotify = inotify::init(CreateFlags::CLOEXEC)?;
    inotify::add_watch(&inotify, &path, WatchFlags::ALL_EVENTS).context("watch PID")?;
    let held = match holding {
        Holding::Nothing => None,
        Holding::Files => Some(site.open_nonblocking(actor.pid(), "exithand")?),
    };
    actor.release();
    actor.wait();
    // While a file is open the kernel keeps the inode of its directory, and is silent about it.
    drop(held);
    let deleted = until_deleted(&inotify)?;
    let silent = || Stop::Absent(format!("no DELETE_SELF of PID within {} s", SOON.tv_sec));
    deleted.then_some(()).ok_or_else(silent)
}
