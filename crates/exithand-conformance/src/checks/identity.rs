//! A pid is not a process: files that must never speak of another one.

use std::os::fd::OwnedFd;

use exithand_testkit::actor;
use rustix::fs::{Mode, OFlags, openat, stat};
use rustix::io::Errno;
use rustix::process::Pid;

use super::Check;
use crate::feature::Feature;
use crate::policy::Reader as Stands;
use crate::site::{Site, number, open_directory, open_file};
use crate::verdict::{Checked, Context, Stop, ensure, refused, same};
use crate::watch::{read_once, read_to_end, reap, shows_nothing, shows_readable, until_readable};

mod successor;
use successor::Successor;

pub(super) const CHECKS: &[Check] = &[
    Check::new(
        "absent-pid",
        "opening the file of a pid that nobody has fails with ENOENT",
        &[],
        absent_pid,
    ),
    Check::new(
        "odd-names",
        "what is no pid as the kernel writes it is not there",
        &[],
        odd_names,
    ),
    Check::new(
        "thread-id-is-no-process",
        "a thread id at the top level is not there, or is refused with EINVAL",
        &[],
        thread_id_is_no_process,
    ),
    Check::new(
        "reused-pid",
        "an open file never follows a reused pid; the new process has files of its own",
        &[],
        reused_pid,
    ),
    Check::new(
        "reused-pid-siginfo",
        "an open siginfo tells how the first of two processes with one pid ended",
        &[Feature::Siginfo],
        reused_pid_siginfo,
    ),
    Check::new(
        "inode-numbers-last",
        "inode numbers stay the same for as long as the process, and differ between processes",
        &[],
        inode_numbers_last,
    ),
];

/// A pid that nobody has: that of a child just reaped.
fn gone() -> Pid {
    let mut gone = actor(&["exit-with", "0"]);
    gone.wait();
    gone.pid()
}

fn absent_pid(site: &Site) -> Checked {
    for _ in 0..10 {
        let path = site.file(gone(), "exithand");
        let opened = open_file(&path, OFlags::empty());
        refused(
            "open the file of a process that is gone",
            opened,
            &[Errno::NOENT],
        )?;
    }
    let pid_max = std::fs::read_to_string("/proc/sys/kernel/pid_max")?;
    for absent in [pid_max.trim(), "2147483647"] {
        let path = site.root().join(absent).join("exithand");
        let opened = open_file(&path, OFlags::empty());
        refused(format!("open {absent}/exithand"), opened, &[Errno::NOENT])?;
    }
    Ok(())
}

fn odd_names(site: &Site) -> Checked {
    let actor = actor(&["wait-then-exit", "0"]);
    let pid = number(actor.pid());
    let odd = [
        "0".to_owned(),
        "-1".to_owned(),
        format!("-{pid}"),
        format!("+{pid}"),
        format!("0{pid}"),
        format!("{pid} "),
        format!(" {pid}"),
        format!("{pid}x"),
        format!("{pid}:1"),
        "4294967297".to_owned(),
        "18446744073709551617".to_owned(),
        "exithand".to_owned(),
        "x".repeat(255),
    ];
    for name in odd {
        let opened = open_file(&site.root().join(&name).join("exithand"), OFlags::empty());
        refused(format!("open {name:?}/exithand"), opened, &[Errno::NOENT])?;
    }
    for name in ["nothing", "exithand2", "EXITHAND"] {
        let opened = open_file(&site.file(actor.pid(), name), OFlags::empty());
        refused(format!("open PID/{name}"), opened, &[Errno::NOENT])?;
    }
    Ok(())
}

fn thread_id_is_no_process(site: &Site) -> Checked {
    let actor = actor(&["killed-two-threads"]);
    let path = site.file(actor.told_pid(), "exithand");
    let opened = open_file(&path, OFlags::empty());
    refused("open TID/exithand", opened, &[Errno::NOENT, Errno::INVAL])
}

/// Everything the suite holds of a process that is going to lose its pid to another.
struct Held {
    file: OwnedFd,
    directory: OwnedFd,
    inodes: [u64; 2],
}

fn hold(site: &Site, pid: Pid) -> Checked<Held> {
    Ok(Held {
        file: site.open_nonblocking(pid, "exithand")?,
        directory: open_directory(&site.process(pid))?,
        inodes: inodes(site, pid)?,
    })
}

/// The inode numbers of a process's directory and file.
fn inodes(site: &Site, pid: Pid) -> Checked<[u64; 2]> {
    let directory = stat(site.process(pid)).context("stat PID")?;
    let file = stat(site.file(pid, "exithand")).context("stat PID/exithand")?;
    Ok([directory.st_ino, file.st_ino])
}

fn reused_pid(site: &Site) -> Checked {
    let mut first = actor(&["wait-then-exit", "0"]);
    let pid = first.pid();
    let held = hold(site, pid)?;
    first.release();
    first.wait();
    let successor = Successor::start(pid)?;

    shows_readable(&held.file, "on the first one's file")?;
    same(
        "bytes of the first one",
        &read_once(&held.file, 10)?.len(),
        &0,
    )?;
    let through_directory = openat(
        &held.directory,
        "exithand",
        OFlags::RDONLY | OFlags::CLOEXEC,
        Mode::empty(),
    );
    refused(
        "open through the first one's directory",
        through_directory,
        &[Errno::NOENT, Errno::SRCH, Errno::STALE],
    )?;

    let file = site.open_nonblocking(pid, "exithand")?;
    shows_nothing(&file, "on the second one's file")?;
    refused(
        "a read of the second one",
        read_once(&file, 10),
        &[Errno::AGAIN],
    )?;
    let now = inodes(site, pid)?;
    ensure(
        now[0] != held.inodes[0] && now[1] != held.inodes[1],
        format_args!("inode numbers {now:?} of the second are those of the first"),
    )?;
    successor.end()?;
    until_readable(&file, "the second one's file")?;
    same("bytes of the second one", &read_once(&file, 10)?.len(), &0)
}

fn reused_pid_siginfo(site: &Site) -> Checked {
    site.policy().need_admitted(Stands::Parent)?;
    let mut first = actor(&["wait-then-exit", "7"]);
    let pid = first.pid();
    let file = site.open_nonblocking(pid, "siginfo")?;
    first.release();
    first.wait_zombie();
    let truth = exithand_testkit::sys::waitid_bytes(pid)?;
    reap(&mut first, &file)?;
    let successor = Successor::start(pid)?;
    let late = site.open_nonblocking(pid, "siginfo")?;
    until_readable(&file, "the first one's siginfo")?;
    same(
        "the first one's siginfo",
        &read_to_end(&file, 4096)?,
        &truth.to_vec(),
    )?;
    refused(
        "the second one's siginfo",
        read_once(&late, 128),
        &[Errno::AGAIN],
    )?;
    successor.end()
}

fn inode_numbers_last(site: &Site) -> Checked {
    let actors = [
        actor(&["wait-then-exit", "0"]),
        actor(&["wait-then-exit", "0"]),
    ];
    let [one, other] = [
        inodes(site, actors[0].pid())?,
        inodes(site, actors[1].pid())?,
    ];
    ensure(
        one[0] != other[0] && one[1] != other[1] && one[0] != one[1],
        format_args!("inode numbers {one:?} and {other:?} are not all different"),
    )?;
    let [mut actor, _] = actors;
    let file = site.open_nonblocking(actor.pid(), "exithand")?;
    for when in ["while it runs", "of a zombie"] {
        let what = format!("inode numbers {when}");
        same(&what, &inodes(site, actor.pid())?, &one)?;
        same(&what, &rustix::fs::fstat(&file)?.st_ino, &one[1])?;
        actor.release();
        actor.wait_zombie();
    }
    Ok(())
}

/// Fails, as a skip, where the pid was taken by somebody else.
fn taken(pid: Pid) -> Stop {
    Stop::Skipped(format!("somebody else was given pid {}", number(pid)))
}
