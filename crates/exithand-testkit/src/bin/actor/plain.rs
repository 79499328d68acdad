//! Actors with one thread and no children.

use std::fs;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process;

use exithand_testkit::sys::{
    BlockedSignal, Disposition, interrupt_on, raise_signal, reset_signal, set_disposition,
    share_memory,
};
use rustix::process::{
    DumpableBehavior, Resource, Rlimit, Signal, getrlimit, set_dumpable_behavior, setrlimit,
};

use crate::stage::{argument, go, part, raise_core_limit, ready, until_stdin_ends};

pub(crate) fn exit_with(args: &[String]) -> io::Result<u8> {
    let status = argument(args, 0)?;
    ready(&[]);
    Ok(status)
}

pub(crate) fn wait_then_exit(args: &[String]) -> io::Result<u8> {
    let status = argument(args, 0)?;
    ready(&[]);
    go()?;
    Ok(status)
}

pub(crate) fn hang(_: &[String]) -> io::Result<u8> {
    ready(&[]);
    until_stdin_ends()?;
    Ok(0)
}

pub(crate) fn hold(args: &[String]) -> io::Result<u8> {
    let mib: usize = argument(args, 0)?;
    let memory = vec![1_u8; mib << 20];
    std::hint::black_box(&memory);
    match args.get(1).map(String::as_str) {
        Some("handle-term") => {
            interrupt_on(Signal::TERM)?;
            ready(&[]);
        }
        Some("obey-term") => {
            let term = BlockedSignal::new(Signal::TERM)?;
            interrupt_on(Signal::TERM)?;
            ready(&[]);
            term.wait()?;
            return Ok(3);
        }
        Some("share") => ready(&[share_memory()?.as_raw_nonzero().get()]),
        Some("stat") => {
            let path: String = argument(args, 2)?;
            ready(&[]);
            go()?;
            // Where nothing answers it stays in there, whatever becomes of it.
            drop(std::fs::metadata(path));
        }
        _ => ready(&[]),
    }
    until_stdin_ends()?;
    drop(memory);
    Ok(0)
}

pub(crate) fn ignore_term(args: &[String]) -> io::Result<u8> {
    set_disposition(Signal::TERM, Disposition::Ignore)?;
    hang(args)
}

pub(crate) fn dies_of(args: &[String]) -> io::Result<u8> {
    let number: i32 = argument(args, 0)?;
    let no_core = Rlimit {
        current: Some(0),
        maximum: getrlimit(Resource::Core).maximum,
    };
    setrlimit(Resource::Core, no_core)?;
    // The standard library ignores SIGPIPE, and handles those of a stack overflow.
    match reset_signal(number) {
        Err(_) if [Signal::KILL.as_raw(), Signal::STOP.as_raw()].contains(&number) => {}
        reset => reset?,
    }
    hang(args)
}

pub(crate) fn nondumpable(args: &[String]) -> io::Result<u8> {
    set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    wait_then_exit(args)
}

pub(crate) fn abort(_: &[String]) -> io::Result<u8> {
    raise_core_limit()?;
    ready(&[]);
    go()?;
    process::abort()
}

pub(crate) fn segv_core(_: &[String]) -> io::Result<u8> {
    raise_core_limit()?;
    // The standard library's handler, which looks for stack overflows, would swallow the signal.
    set_disposition(Signal::SEGV, Disposition::Default)?;
    ready(&[]);
    go()?;
    raise_signal(Signal::SEGV);
    Ok(125)
}

/// Executes anew rather than only changing the user: a change of user makes a process undumpable.
pub(crate) fn as_user(args: &[String]) -> io::Result<u8> {
    let (uid, gid) = (argument(args, 0)?, argument(args, 1)?);
    Err(part(args.get(2..).unwrap_or_default())?
        .uid(uid)
        .gid(gid)
        .exec())
}

/// Joins first, so that every descendant is a member too.
pub(crate) fn in_cgroup(args: &[String]) -> io::Result<u8> {
    let procs: PathBuf = argument(args, 0)?;
    fs::write(procs, "0")?;
    Err(part(args.get(1..).unwrap_or_default())?.exec())
}
