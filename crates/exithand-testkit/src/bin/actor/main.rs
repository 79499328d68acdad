//! `exithand-actor`: one process with a known course and a known end.
//!
//! Every actor writes `ready`, followed by the pids the reader should know, to its stdout once it is
//! in the state its name promises. A line on stdin, or the end of stdin, is "go". An actor that only
//! ends when killed still ends when stdin closes, so that none outlives the test that started it.

mod isolate;
mod memory;
mod plain;
mod stage;
mod storm;
mod threads;
mod trees;

use std::env;
use std::io::{self, Write};
use std::process::ExitCode;

/// Plays one part and answers with the exit status.
type Part = fn(&[String]) -> io::Result<u8>;

const PARTS: &[(&str, &str, Part)] = &[
    ("exit-with", "N: exits N at once", plain::exit_with),
    ("wait-then-exit", "N: exits N on go", plain::wait_then_exit),
    ("hang", "runs until killed", plain::hang),
    (
        "hold",
        "MIB [handle-term|obey-term|share|stat PATH]: holds so much memory until killed; may handle \
         SIGTERM in vain, or exit 3, or share it with a child, or look at PATH on go",
        plain::hold,
    ),
    (
        "ignore-term",
        "runs until killed, and not by SIGTERM",
        plain::ignore_term,
    ),
    (
        "dies-of",
        "N: runs until killed, by signal N if that kills; no core dump",
        plain::dies_of,
    ),
    (
        "nondumpable",
        "N: exits N on go; not readable to ptrace",
        plain::nondumpable,
    ),
    (
        "abort",
        "aborts on go, with a core dump if allowed",
        plain::abort,
    ),
    (
        "segv-core",
        "is killed by SIGSEGV on go, with a core dump if allowed",
        plain::segv_core,
    ),
    (
        "in-cgroup",
        "PROCS PART...: joins by that file, then plays PART",
        plain::in_cgroup,
    ),
    (
        "as-user",
        "UID GID PART...: plays PART as that user",
        plain::as_user,
    ),
    (
        "takes-memory",
        "takes as much as it gets, on go",
        memory::takes_memory,
    ),
    (
        "out-of-memory",
        "N: has takes-memory killed in a cgroup of N MiB; exits 0 if that is what happened",
        memory::out_of_memory,
    ),
    (
        "leader-exits-first",
        "leader exits 5, worker exits 9 on go",
        threads::leader_exits_first,
    ),
    (
        "leader-then-exit-group",
        "leader exits 5, worker calls exit_group 7 on go",
        threads::leader_then_exit_group,
    ),
    (
        "worker-exit-group",
        "worker calls exit_group 7 on go",
        threads::worker_exit_group,
    ),
    (
        "killed-two-threads",
        "two threads, runs until killed",
        threads::killed_two_threads,
    ),
    (
        "leader-execs",
        "[PART...]: leader of two threads execs on go",
        threads::leader_execs,
    ),
    (
        "worker-execs",
        "[PART...]: the other of two threads execs on go",
        threads::worker_execs,
    ),
    (
        "thread-ends",
        "tells a tid; that thread ends on go, the process later",
        threads::thread_ends,
    ),
    (
        "zombie-parent",
        "N: keeps a zombie that exited N; reaps it on go",
        trees::zombie_parent,
    ),
    (
        "autoreap",
        "N: child exits N on go while SIGCHLD is ignored",
        trees::autoreap,
    ),
    (
        "subreaper",
        "N: adopts a grandchild, which exits N on go",
        trees::subreaper,
    ),
    (
        "orphan",
        "PART...: leaves PART behind in a session of its own",
        trees::orphan,
    ),
    (
        "fork-on-term",
        "on SIGTERM leaves an orphan and exits",
        trees::fork_on_term,
    ),
    (
        "fork-bomb-bounded",
        "N: up to N processes that fork and exit",
        trees::fork_bomb_bounded,
    ),
    (
        "middleman",
        "PART...: parent of PART; says ended, then reaped STATUS, on go",
        trees::middleman,
    ),
    (
        "brood",
        "N: keeps up to N zombies that exited 0; reaps them on go",
        trees::brood,
    ),
    (
        "pool",
        "COUNT MIB: keeps COUNT children that hold so much, and replaces those that end",
        trees::pool,
    ),
    (
        "storm",
        "COUNT SIZE [paced]: forks COUNT short processes, SIZE at a time",
        storm::storm,
    ),
    (
        "isolate",
        "PID_MAX|- PROGRAM...: runs it as pid 1 of a namespace",
        isolate::isolate,
    ),
    (
        "isolated-init",
        "PID_MAX|- PROGRAM...: second half of isolate",
        isolate::init,
    ),
    (
        "open-fuse",
        "inside of isolate: makes a /dev/fuse that all may open",
        isolate::open_fuse,
    ),
    (
        "pid-max",
        "tells kernel.pid_max, and whether it may be changed",
        isolate::pid_max,
    ),
];

fn main() -> ExitCode {
    let mut args = env::args().skip(1);
    let name = args.next().unwrap_or_default();
    let rest: Vec<String> = args.collect();
    let played = PARTS
        .iter()
        .find(|part| part.0 == name)
        .map(|part| (part.2)(&rest));
    match played {
        Some(Ok(status)) => ExitCode::from(status),
        Some(Err(error)) => complain(&format!("exithand-actor {name}: {error}"), 125),
        None => complain(&usage(), 2),
    }
}

fn usage() -> String {
    let parts = PARTS
        .iter()
        .map(|(name, does, _)| format!("  {name} {does}"));
    ["usage: exithand-actor PART [ARG...]".to_owned()]
        .into_iter()
        .chain(parts)
        .collect::<Vec<_>>()
        .join("\n")
}

fn complain(text: &str, status: u8) -> ExitCode {
    match writeln!(io::stderr(), "{text}") {
        Ok(()) | Err(_) => ExitCode::from(status),
    }
}
