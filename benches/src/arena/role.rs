//! What the processes of an arena do.

use std::env;
use std::fs;
use std::io::{BufRead, BufReader, Write, stdin, stdout};
use std::process::{Child, Command, Stdio};
use std::thread;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use exithand_testkit::sys::share_memory;

const MIB: usize = 1 << 20;
/// The size of a bomb's children.
const CHILD_MIB: usize = 50;
/// Growth: so much each step.
const STEP_MIB: usize = 5;
/// Pause between steps, which makes 500 MB a second.
const PAUSE: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 10_000_000,
};

/// Plays `MIB GROWS_TO THREADS MANNER [PROCS]` until standard input ends. Where `PROCS` is given, it
/// joins a cgroup by that file first.
pub fn play(args: &[String]) {
    let number = |at: usize| args[at].parse::<usize>().unwrap();
    let (mib, grows_to, threads) = (number(0), number(1), number(2));
    if let Some(procs) = args.get(4) {
        fs::write(procs, "0").unwrap();
    }
    for _ in 0..threads {
        thread::spawn(|| {
            loop {
                thread::park();
            }
        });
    }
    let mut held = vec![touched(mib)];
    if args[3] == "shares-memory" {
        share_memory().unwrap();
    }
    say("ready");
    let mut line = String::new();
    let begun = stdin().lock().read_line(&mut line).unwrap_or(0) > 0;
    match args[3].as_str() {
        "spins" => {
            thread::spawn(|| {
                loop {
                    std::hint::spin_loop();
                }
            });
        }
        "storms" => return storm(),
        "bombs" if begun => return bomb(grows_to),
        _ => {}
    }
    let mut has = mib;
    while begun && has < grows_to && !has_ended(Some(PAUSE)) {
        held.push(touched(STEP_MIB));
        has += STEP_MIB;
    }
    while !has_ended(None) {}
    drop(held);
}

/// Starts children of [`CHILD_MIB`] until they have `all_mib`, and says who they are.
fn bomb(all_mib: usize) {
    let mut children: Vec<Child> = Vec::new();
    while children.len() * CHILD_MIB < all_mib && !has_ended(Some(PAUSE)) {
        let mut child = Command::new(env::current_exe().unwrap())
            .args(["role", &CHILD_MIB.to_string(), "0", "0", "plain"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let mut told = BufReader::new(child.stdout.take().unwrap());
        // One that was killed while it grew says nothing.
        drop(told.read_line(&mut line));
        say(&child.id().to_string());
        children.push(child);
    }
    while !has_ended(None) {}
}

/// Makes pids come round: short processes, one after the other.
fn storm() {
    while !has_ended(Some(Timespec::default())) {
        Command::new("true").status().unwrap();
    }
}

fn say(word: &str) {
    let mut out = stdout();
    // Whoever listened may have been killed.
    drop(writeln!(out, "{word}").and_then(|()| out.flush()));
}

fn touched(mib: usize) -> Vec<u8> {
    let mut memory = vec![0; mib * MIB];
    for page in memory.chunks_mut(4096) {
        page[0] = 1;
    }
    memory
}

/// Waits for the end of standard input, at most for `timeout`.
fn has_ended(timeout: Option<Timespec>) -> bool {
    let stdin = stdin();
    let mut fds = [PollFd::new(&stdin, PollFlags::IN)];
    matches!(poll(&mut fds, timeout.as_ref()), Ok(1))
}
