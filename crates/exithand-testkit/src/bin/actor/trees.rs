//! Actors with descendants: zombies, orphans and a tree that will not hold still.

use std::io::{self, BufRead, BufReader, ErrorKind};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Stdio};
use std::thread;

use exithand_testkit::sys::{
    BlockedSignal, Disposition, exit_process, fork_process, set_disposition,
};
use exithand_testkit::wait_zombie;
use rustix::fs::{FileType, fstat};
use rustix::io::Errno;
use rustix::process::{
    Pid, Signal, WaitOptions, getpid, set_child_subreaper, setsid, wait, waitpid,
};

use crate::stage::{argument, go, invalid, part, ready, say, stdin_has_ended, until_stdin_ends};

pub(crate) fn zombie_parent(args: &[String]) -> io::Result<u8> {
    let status: u8 = argument(args, 0)?;
    let mut command = part(&["exit-with", &status.to_string()])?;
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn()?;
    wait_zombie(Pid::from_child(&child))?;
    ready(&[raw(&child)]);
    go()?;
    child.wait()?;
    say("reaped");
    until_stdin_ends()?;
    Ok(0)
}

/// Tells the child's pid and what the child tells; ends it by closing its stdin, then reaps it.
pub(crate) fn middleman(args: &[String]) -> io::Result<u8> {
    let mut child = part(args)?
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let line = first_line(&mut child)?;
    let Some(told) = line.strip_prefix("ready") else {
        return Err(invalid(format!("not ready: {line:?}")));
    };
    say(&format!("ready {}{told}", raw(&child)));
    go()?;
    drop(child.stdin.take());
    wait_zombie(Pid::from_child(&child))?;
    say("ended");
    go()?;
    let status = child.wait()?.into_raw();
    say(&format!("reaped {status}"));
    until_stdin_ends()?;
    Ok(0)
}

/// Children end with the pool: it has the other ends of their pipes.
pub(crate) fn pool(args: &[String]) -> io::Result<u8> {
    let (count, mib): (usize, String) = (argument(args, 0)?, argument(args, 1)?);
    let worker = || {
        let mut worker = part(&["hold", &mib])?
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        // One that was killed while it grew says nothing.
        first_line(&mut worker)?;
        Ok::<_, io::Error>(worker)
    };
    let mut workers: Vec<Child> = (0..count).map(|_| worker()).collect::<io::Result<_>>()?;
    ready(&[]);
    thread::spawn(|| match until_stdin_ends() {
        Ok(()) | Err(_) => exit_process(0),
    });
    loop {
        let Some((ended, _)) = wait(WaitOptions::empty())? else {
            continue;
        };
        workers.retain(|it| Pid::from_child(it) != ended);
        workers.push(worker()?);
    }
}

pub(crate) fn autoreap(args: &[String]) -> io::Result<u8> {
    let status: u8 = argument(args, 0)?;
    set_disposition(Signal::CHILD, Disposition::Ignore)?;
    let mut command = part(&["wait-then-exit", &status.to_string()])?;
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    await_ready(&mut child)?;
    ready(&[raw(&child)]);
    go()?;
    // With SIGCHLD ignored this waits until the child is gone, and then fails with ECHILD.
    match child.wait() {
        Err(error) if error.raw_os_error() == Some(Errno::CHILD.raw_os_error()) => say("gone"),
        unexpected => {
            return Err(invalid(format!(
                "the child was not autoreaped: {unexpected:?}"
            )));
        }
    }
    until_stdin_ends()?;
    Ok(0)
}

pub(crate) fn subreaper(args: &[String]) -> io::Result<u8> {
    let status: u8 = argument(args, 0)?;
    set_child_subreaper(Some(getpid()))?;
    let (theirs, ours) = io::pipe()?;
    let mut command = part(&["orphan", "wait-then-exit", &status.to_string()])?;
    let mut child = command.stdin(theirs).stdout(Stdio::piped()).spawn()?;
    // The command keeps its own copy of the pipe's reading end.
    drop(command);
    let line = first_line(&mut child)?;
    child.wait()?;
    let grandchild = line
        .trim_start_matches("ready ")
        .parse()
        .ok()
        .and_then(Pid::from_raw);
    let grandchild = grandchild.ok_or_else(|| invalid(format!("no pid in {line:?}")))?;
    ready(&[grandchild.as_raw_nonzero().get()]);
    go()?;
    drop(ours);
    waitpid(Some(grandchild), WaitOptions::empty())?;
    say("reaped");
    until_stdin_ends()?;
    Ok(0)
}

/// Keeps many zombies, which cost little, or as many as it may; reaps them all on go.
pub(crate) fn brood(args: &[String]) -> io::Result<u8> {
    let count: u32 = argument(args, 0)?;
    let mut zombies = Vec::new();
    for _ in 0..count {
        match fork_process() {
            Ok(Some(zombie)) => zombies.push(zombie),
            Ok(None) => exit_process(0),
            Err(error) if error.kind() == ErrorKind::WouldBlock => break,
            Err(error) => return Err(error),
        }
    }
    for zombie in &zombies {
        wait_zombie(*zombie)?;
    }
    let raw = zombies.iter().map(|pid| pid.as_raw_nonzero().get());
    ready(&raw.collect::<Vec<_>>());
    go()?;
    for zombie in zombies {
        waitpid(Some(zombie), WaitOptions::empty())?;
    }
    say("reaped");
    until_stdin_ends()?;
    Ok(0)
}

/// Leaves a process behind that has neither parent nor session in common with anybody.
///
/// The one left behind keeps this stdin, and so ends when the test that holds it does.
pub(crate) fn orphan(args: &[String]) -> io::Result<u8> {
    setsid()?;
    let mut child = part(args)?
        .stdin(Stdio::inherit())
        .stdout(Stdio::piped())
        .spawn()?;
    await_ready(&mut child)?;
    ready(&[raw(&child)]);
    Ok(0)
}

pub(crate) fn fork_on_term(_: &[String]) -> io::Result<u8> {
    let term = BlockedSignal::new(Signal::TERM)?;
    thread::spawn(|| match until_stdin_ends() {
        Ok(()) | Err(_) => std::process::exit(0),
    });
    ready(&[]);
    term.wait()?;
    part(&["orphan", "hang"])?.spawn()?.wait()?;
    Ok(0)
}

/// Keeps chains of processes running in which each link forks the next and exits.
///
/// The root adopts and reaps the links, so the tree stays connected while the root lives. At the
/// moment of a fork a chain has two links: half as many chains as processes allowed.
pub(crate) fn fork_bomb_bounded(args: &[String]) -> io::Result<u8> {
    let processes: u32 = argument(args, 0)?;
    if !FileType::from_raw_mode(fstat(io::stdin())?.st_mode).is_fifo() {
        return Err(invalid(
            "stdin must be a pipe, or nothing would end the forking".to_owned(),
        ));
    }
    set_child_subreaper(Some(getpid()))?;
    for _ in 0..(processes.saturating_sub(1) / 2).max(1) {
        if fork_process()?.is_none() {
            run_chain();
        }
    }
    ready(&[]);
    while !matches!(wait(WaitOptions::empty()), Err(Errno::CHILD)) {}
    Ok(0)
}

/// Forks and exits, again and again; the last link stays.
///
/// Somebody may stop the root, who then reaps nobody: without an end, the links that wait for it
/// would take all pids of the machine.
fn run_chain() -> ! {
    const LINKS_MAX: u32 = 4000;
    let mut links = 0;
    while links < LINKS_MAX && matches!(stdin_has_ended(), Ok(false)) {
        match fork_process() {
            Ok(Some(_)) => exit_process(0),
            Ok(None) => links += 1,
            Err(_) => thread::yield_now(),
        }
    }
    // Whether it ends or cannot be read, there is nothing left to do.
    drop(io::copy(&mut io::stdin(), &mut io::sink()));
    exit_process(0)
}

fn raw(child: &Child) -> i32 {
    Pid::from_child(child).as_raw_nonzero().get()
}

fn await_ready(child: &mut Child) -> io::Result<()> {
    let line = first_line(child)?;
    if line.starts_with("ready") {
        Ok(())
    } else {
        Err(invalid(format!("not ready: {line:?}")))
    }
}

fn first_line(child: &mut Child) -> io::Result<String> {
    let out = child
        .stdout
        .take()
        .ok_or_else(|| invalid("stdout is not a pipe".to_owned()))?;
    let mut line = String::new();
    BufReader::new(out).read_line(&mut line)?;
    Ok(line.trim_end().to_owned())
}
