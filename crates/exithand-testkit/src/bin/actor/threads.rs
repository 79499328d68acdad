//! Actors with two threads, where "how did it end" is easily answered wrong.

use std::fs;
use std::io;
use std::os::unix::process::CommandExt;
use std::process;
use std::sync::mpsc;
use std::thread;

use exithand_testkit::sys::exit_thread;
use rustix::io::Errno;
use rustix::process::getpid;
use rustix::thread::gettid;

use crate::stage::{go, part, ready, say, until_stdin_ends};

pub(crate) fn leader_exits_first(_: &[String]) -> io::Result<u8> {
    thread::spawn(|| alone_then(|| exit_thread(9)));
    exit_thread(5)
}

pub(crate) fn leader_then_exit_group(_: &[String]) -> io::Result<u8> {
    thread::spawn(|| alone_then(|| process::exit(7)));
    exit_thread(5)
}

pub(crate) fn worker_exit_group(_: &[String]) -> io::Result<u8> {
    ready_with_worker(|| {
        or_fail(&go());
        process::exit(7)
    });
    park()
}

pub(crate) fn killed_two_threads(_: &[String]) -> io::Result<u8> {
    ready_with_worker(|| park());
    until_stdin_ends()?;
    Ok(0)
}

pub(crate) fn leader_execs(args: &[String]) -> io::Result<u8> {
    ready_with_worker(|| park());
    go()?;
    Err(exec(args))
}

pub(crate) fn worker_execs(args: &[String]) -> io::Result<u8> {
    let args = args.to_vec();
    ready_with_worker(move || {
        or_fail(&go());
        or_fail(&Err(exec(&args)));
    });
    park()
}

pub(crate) fn thread_ends(_: &[String]) -> io::Result<u8> {
    let (tid_to, tid_from) = mpsc::channel();
    let worker = thread::spawn(move || {
        let tid = gettid().as_raw_nonzero().get();
        ready(&[tid]);
        or_fail(&go());
        tid_to.send(tid)
    });
    let tid = tid_from.recv().map_err(io::Error::other)?;
    drop(worker.join());
    until_thread_is(tid, |state| state.is_none())?;
    say("ended");
    go()?;
    Ok(0)
}

/// Executes the given part, by default one that exits 4 at once.
fn exec(args: &[String]) -> io::Error {
    let default = ["exit-with".to_owned(), "4".to_owned()];
    let args = if args.is_empty() { &default } else { args };
    part(args).map_or_else(|error| error, |mut command| command.exec())
}

/// Says ready when the leader is a zombie, then does `end` on go.
fn alone_then(end: impl FnOnce()) {
    let leader = getpid().as_raw_nonzero().get();
    or_fail(&until_thread_is(leader, |state| state == Some('Z')));
    ready(&[]);
    or_fail(&go());
    end();
}

/// Returns once the state letter of a thread of this process is as wanted; a thread gone has none.
///
/// No kernel object tells this before Linux 6.9, so the letter is read until it changes, which takes
/// microseconds: the thread has nothing left to do but exit.
fn until_thread_is(tid: i32, wanted: impl Fn(Option<char>) -> bool) -> io::Result<()> {
    let stat = format!("/proc/self/task/{tid}/stat");
    loop {
        let state = match fs::read_to_string(&stat) {
            Ok(text) => text
                .rsplit_once(") ")
                .and_then(|(_, rest)| rest.chars().next()),
            Err(error) if gone(&error) => None,
            Err(error) => return Err(error),
        };
        if wanted(state) {
            return Ok(());
        }
        thread::yield_now();
    }
}

fn gone(error: &io::Error) -> bool {
    [Errno::NOENT, Errno::SRCH]
        .iter()
        .any(|it| error.raw_os_error() == Some(it.raw_os_error()))
}

/// Starts a second thread and says ready with its tid once it runs.
fn ready_with_worker(work: impl FnOnce() + Send + 'static) {
    thread::spawn(move || {
        ready(&[gettid().as_raw_nonzero().get()]);
        work();
    });
}

fn park() -> ! {
    loop {
        thread::park();
    }
}

/// Ends the whole process, visibly, when a worker cannot do its part.
fn or_fail(result: &io::Result<()>) {
    if result.is_err() {
        process::exit(125);
    }
}
