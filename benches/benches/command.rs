//! `exithand wait PID` as a whole process, set against the tools people use today: what it costs
//! in CPU time, and how soon it is back after the end of its target.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use exithand::{Deadline, ExitHandle, Until};
use exithand_benches::{Goal, Table, median, now};

/// Runs of each tool; `tail` looks once a second, so it gets fewer.
const ROUNDS: usize = 60;
const ROUNDS_OF_TAIL: usize = 6;

/// A name that nobody else has, for the tool that selects by name. At most 15 bytes.
const NAME: &str = "exithand-bench";

/// One run of a tool.
#[derive(Clone, Copy)]
struct Run {
    cpu: Duration,
    reaction: Duration,
}

fn main() {
    let table = Table::new();
    let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    let sleep = directory.join(NAME);
    fs::copy("/bin/sleep", &sleep).expect("copy sleep under a name of its own");
    let exithand = program();

    let pidwait = available("pidwait");
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        ours.push(run(&sleep, |pid| tool(&exithand, &["wait", pid])));
        if pidwait {
            theirs.push(run(&sleep, |_| tool("pidwait", &["--exact", NAME])));
        }
    }
    if !pidwait {
        table.note("# pidwait is not installed (Debian package procps): not compared");
        return;
    }
    let cpu = |runs: &[Run]| median(runs.iter().map(|run| run.cpu).collect());
    let reaction = |runs: &[Run]| median(runs.iter().map(|run| run.reaction).collect());
    table.times(
        "exithand wait: CPU, against pidwait",
        cpu(&ours),
        cpu(&theirs),
        Goal::AtMost(1.0),
    );
    let what = "exithand wait: reaction, against pidwait";
    table.times(what, reaction(&ours), reaction(&theirs), Goal::None);

    let tail: Vec<Run> = (0..ROUNDS_OF_TAIL)
        .map(|_| {
            run(&sleep, |pid| {
                tool("tail", &["-f", "/dev/null", "--pid", pid])
            })
        })
        .collect();
    let what = "exithand wait: reaction, against tail --pid";
    table.times(what, reaction(&ours), reaction(&tail), Goal::None);
}

/// Where `cargo xtask bench` has built the command.
fn program() -> PathBuf {
    let bench = std::env::current_exe().expect("the path of this benchmark");
    // target/release/deps/command-HASH
    let release = bench.ancestors().nth(2).expect("a directory of cargo's");
    release.join("exithand")
}

fn available(program: &str) -> bool {
    Command::new(program)
        .arg("--version")
        .stdout(Stdio::null())
        .status()
        .is_ok()
}

fn tool(program: impl AsRef<OsStr>, args: &[&str]) -> Child {
    let mut command = Command::new(program);
    command
        .args(args)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command.spawn().expect("start the tool")
}

/// Has a tool wait for a fresh process, ends that, and measures the tool.
fn run(sleep: &Path, start: impl FnOnce(&str) -> Child) -> Run {
    let mut target = Command::new(sleep)
        .arg("1000")
        .spawn()
        .expect("start the target");
    let mut tool = start(&target.id().to_string());
    let handle = ExitHandle::from_child(&tool).expect("a handle on the tool");
    until_asleep(tool.id());

    let ended = now();
    target.kill().expect("end the target");
    // Some tools see no end before the reap.
    target.wait().expect("reap the target");
    handle
        .wait(Until::Ended, Deadline::NEVER)
        .expect("wait for the tool");
    let reaction = now().saturating_sub(ended);

    let cpu = cpu_time(tool.id());
    assert!(
        tool.wait().expect("reap the tool").success(),
        "the tool succeeds"
    );
    Run { cpu, reaction }
}

/// Returns once the tool sleeps for its target. There is no event for that, so this looks again
/// and again; on this side of the measurement it costs nobody anything.
fn until_asleep(pid: u32) {
    let asleep = || {
        let place = fs::read_to_string(format!("/proc/{pid}/wchan")).unwrap_or_default();
        ["poll", "select", "nanosleep"]
            .iter()
            .any(|word| place.contains(word))
    };
    while !asleep() {
        std::thread::yield_now();
    }
}

/// Returns the CPU time, user and system, of a zombie.
fn cpu_time(pid: u32) -> Duration {
    let text = fs::read_to_string(format!("/proc/{pid}/schedstat")).expect("read schedstat");
    let nanoseconds = text
        .split_ascii_whitespace()
        .next()
        .and_then(|word| word.parse().ok());
    Duration::from_nanos(nanoseconds.expect("a number of nanoseconds"))
}
