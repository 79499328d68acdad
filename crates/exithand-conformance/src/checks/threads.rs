//! Processes of several threads, which end when the last one does.

use std::sync::Arc;

use exithand_testkit::{Actor, Need, Pid, actor};
use rustix::fs::OFlags;
use rustix::io::Errno;

use super::Check;
use crate::feature::Feature;
use crate::site::{Site, number, open_file};
use crate::verdict::{Checked, Context, Stop, ensure, refused, same};
use crate::watch::reader::Reader;
use crate::watch::{has_ended, read_once, shows_nothing, shows_readable, until_readable};

pub(super) const CHECKS: &[Check] = &[
    Check::new(
        "leader-exits-first",
        "a leader that is a zombie while another thread runs is no end",
        &[],
        |site| leader_is_no_end(site, "leader-exits-first"),
    ),
    Check::new(
        "leader-exits-before-exit-group",
        "the same where the other thread ends the process with another status",
        &[],
        |site| leader_is_no_end(site, "leader-then-exit-group"),
    ),
    Check::new(
        "exec-by-leader",
        "an exec by the leader of several threads is no end",
        &[],
        |site| exec_is_no_end(site, "leader-execs"),
    ),
    Check::new(
        "exec-by-another-thread",
        "an exec by another thread, which takes over the pid, is no end",
        &[],
        |site| exec_is_no_end(site, "worker-execs"),
    ),
    Check::new(
        "killed-with-threads",
        "a process of several threads that is killed has ended",
        &[],
        killed_with_threads,
    ),
    Check::new(
        "thread-file",
        "PID/task/TID/exithand tells the end of that thread, while the process goes on",
        &[Feature::Threads],
        thread_file,
    ),
    Check::new(
        "thread-file-at-the-process-end",
        "PID/task/TID/exithand tells the end of a thread that ends with its process",
        &[Feature::Threads],
        thread_file_at_the_end,
    ),
    Check::new(
        "thread-file-of-nobody",
        "below PID/task there are the threads of that process, and no others",
        &[Feature::Threads],
        thread_of_another,
    ),
];

/// A reader blocked on the file, and not to be released before the end.
fn waiting(site: &Site, actor: &Actor) -> Checked<(Arc<std::os::fd::OwnedFd>, Reader)> {
    let file = Arc::new(site.open(actor.pid(), "exithand")?);
    let reader = Reader::start(&file)?;
    Ok((file, reader))
}

fn leader_is_no_end(site: &Site, part: &str) -> Checked {
    let mut actor = actor(&[part]);
    let (file, reader) = waiting(site, &actor)?;
    shows_nothing(&*file, "while only the leader has ended")?;
    reader.still_blocks("while only the leader has ended")?;
    actor.release();
    same("bytes read", &reader.bytes()?.len(), &0)?;
    ensure(has_ended(actor.pid())?, "a read returned too early")
}

fn exec_is_no_end(site: &Site, part: &str) -> Checked {
    let mut actor = actor(&[part, "wait-then-exit", "3"]);
    let (file, reader) = waiting(site, &actor)?;
    actor.go();
    same(
        "what the new program says",
        &actor.read_line(),
        &"ready".to_owned(),
    )?;
    shows_nothing(&*file, "after the exec")?;
    reader.still_blocks("after the exec")?;
    let late = Reader::start(&Arc::new(site.open(actor.pid(), "exithand")?))?;
    actor.release();
    for reader in [reader, late] {
        same("bytes read", &reader.bytes()?.len(), &0)?;
        ensure(has_ended(actor.pid())?, "a read returned too early")?;
    }
    same("wait status", &actor.wait(), &0x0300)
}

fn killed_with_threads(site: &Site) -> Checked {
    let mut actor = actor(&["killed-two-threads"]);
    let (_, reader) = waiting(site, &actor)?;
    actor.kill();
    same("bytes read", &reader.bytes()?.len(), &0)?;
    ensure(has_ended(actor.pid())?, "a read returned too early")
}

fn thread_path(site: &Site, pid: Pid, tid: Pid) -> std::path::PathBuf {
    site.thread(pid, tid).join("exithand")
}

fn need_thread_pidfds() -> Checked {
    let why = || Stop::Skipped(format!("needs {}", Need::PidfdThread));
    Need::PidfdThread.met().then_some(()).ok_or_else(why)
}

fn thread_file(site: &Site) -> Checked {
    need_thread_pidfds()?;
    let mut actor = actor(&["thread-ends"]);
    let (pid, tid) = (actor.pid(), actor.told_pid());
    let path = thread_path(site, pid, tid);
    let file = Arc::new(open_file(&path, OFlags::empty()).context("open PID/task/TID/exithand")?);
    let polled = open_file(&path, OFlags::NONBLOCK)?;
    let process = site.open_nonblocking(pid, "exithand")?;
    refused(
        "a read of the thread's file",
        read_once(&polled, 1),
        &[Errno::AGAIN],
    )?;
    shows_nothing(&polled, "while the thread runs")?;
    let reader = Reader::start(&file)?;
    actor.go();
    same(
        "what the actor says",
        &actor.read_line(),
        &"ended".to_owned(),
    )?;
    same("bytes read", &reader.bytes()?.len(), &0)?;
    until_readable(&polled, "the thread's file")?;
    shows_readable(&polled, "after the thread's end")?;
    shows_nothing(&process, "the process's file, after the end of one thread")?;
    refused(
        "open the file of a thread that has gone",
        open_file(&path, OFlags::empty()),
        &[Errno::NOENT, Errno::SRCH, Errno::STALE],
    )?;
    actor.release();
    until_readable(&process, "the process's file")
}

fn thread_file_at_the_end(site: &Site) -> Checked {
    need_thread_pidfds()?;
    let mut actor = actor(&["killed-two-threads"]);
    let (pid, tid) = (actor.pid(), actor.told_pid());
    let open = |tid| open_file(&thread_path(site, pid, tid), OFlags::empty());
    let worker = Arc::new(open(tid).context("open the file of a thread")?);
    let leader = Arc::new(open(pid).context("open the file of the leader")?);
    let readers = [Reader::start(&worker)?, Reader::start(&leader)?];
    actor.kill();
    for reader in readers {
        same("bytes read", &reader.bytes()?.len(), &0)?;
    }
    shows_readable(&*worker, "after the end")?;
    shows_readable(&*leader, "after the end")
}

fn thread_of_another(site: &Site) -> Checked {
    let (one, other) = (
        actor(&["killed-two-threads"]),
        actor(&["killed-two-threads"]),
    );
    let task = site.process(one.pid()).join("task");
    let mut listed: Vec<String> = Vec::new();
    for entry in std::fs::read_dir(&task).context("list PID/task")? {
        listed.push(entry?.file_name().to_string_lossy().into_owned());
    }
    listed.sort();
    let mut due = vec![number(one.pid()), number(one.told_pid())];
    due.sort();
    same("PID/task", &listed, &due)?;
    for tid in [other.pid(), other.told_pid()] {
        refused(
            "open the file of another process's thread",
            open_file(&thread_path(site, one.pid(), tid), OFlags::empty()),
            &[Errno::NOENT],
        )?;
    }
    Ok(())
}
