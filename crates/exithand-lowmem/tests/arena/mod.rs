//! A killer among processes of our own: in a pid namespace, so that it sees no others.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    reason = "each test program uses a part"
)]

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::os::fd::OwnedFd;
use std::sync::{Arc, Barrier};
use std::thread;

use exithand_lowmem::config::Config;
use exithand_lowmem::daemon::{Daemon, Format, Options};
use exithand_lowmem::reading::{Meminfo, per_cpu_pages};
use exithand_lowmem::record::Mode;
use exithand_testkit::sys::signal_thread;
use exithand_testkit::{Actor, Cgroup, Hierarchy, actor};
use rustix::process::Signal;
use rustix::thread::gettid;
use serde_json::Value;

/// Options for a killer that writes its records to `out`.
pub fn options(out: OwnedFd, mode: Mode) -> Options {
    Options {
        mode,
        out,
        format: Format::Json,
        helper: None,
        heartbeat: None,
        reload: Box::new(|| Ok(Config::default())),
    }
}

/// A configuration for a machine of [`FakeMemory`](exithand_testkit::FakeMemory): below 500 MiB
/// somebody dies.
pub fn below_500() -> Config {
    Config::parse(
        "[levels]\nwarn = \"550M\"\nsoft = \"500M\"\nhard = \"500M\"\nfloor = \"125M\"\ntarget = \"550M\"\n",
    )
    .unwrap()
}

/// A configuration by which memory is low until `mib` more of it are there.
pub fn short_of(mib: u64) -> Config {
    let meminfo = Meminfo::parse(&std::fs::read("/proc/meminfo").unwrap()).unwrap();
    let kept = per_cpu_pages(&std::fs::read("/proc/zoneinfo").unwrap()) >> 8;
    let hard = (meminfo.available_bytes >> 20) + kept + mib;
    let (target, floor) = (hard + 50, hard / 4);
    Config::parse(&format!(
        "[levels]\nwarn = \"{target}M\"\nsoft = \"{hard}M\"\nhard = \"{hard}M\"\nfloor = \"{floor}M\"\n\
         target = \"{target}M\"\n"
    ))
    .unwrap()
}

/// Has the calling thread's killer stop once it has written `word`, `times` times.
///
/// Returns everything it wrote until then. The thread that reads needs no memory while it does.
pub fn stop_after(
    mut out: impl Read + Send + 'static,
    word: &'static str,
    times: usize,
) -> thread::JoinHandle<Vec<u8>> {
    let killer = gettid();
    let begun = Arc::new(Barrier::new(2));
    let started = Arc::clone(&begun);
    let thread = thread::spawn(move || {
        let mut room = vec![0_u8; 1 << 20];
        begun.wait();
        let mut length = 0;
        loop {
            let count = out.read(&mut room[length..]).unwrap();
            assert!(count > 0, "the killer has ended");
            length += count;
            let said = room[..length].windows(word.len());
            if said.filter(|it| *it == word.as_bytes()).count() >= times {
                break;
            }
        }
        signal_thread(killer, Signal::TERM).unwrap();
        drop(out);
        room.truncate(length);
        room
    });
    // A thread takes memory while it begins.
    started.wait();
    thread
}

/// A word of the killer, and what is to be done once it was written.
pub type Step = (&'static str, Box<dyn FnOnce() + Send>);

/// Has the calling thread's killer stop once it has written the words of all `steps`, one after the
/// other. Returns everything it wrote until then.
pub fn follow(out: impl Read + Send + 'static, steps: Vec<Step>) -> thread::JoinHandle<Vec<u8>> {
    let killer = gettid();
    thread::spawn(move || {
        let mut lines = BufReader::new(out);
        let mut told = Vec::new();
        for (word, act) in steps {
            loop {
                let from = told.len();
                let count = lines.read_until(b'\n', &mut told).unwrap();
                assert!(count > 0, "the killer has ended without {word}");
                if contains(&told[from..], word) {
                    break;
                }
            }
            act();
        }
        signal_thread(killer, Signal::TERM).unwrap();
        told
    })
}

fn contains(line: &[u8], word: &str) -> bool {
    line.windows(word.len()).any(|it| it == word.as_bytes())
}

/// Runs a killer through `steps`, and returns what it wrote.
pub fn run_through(config: &Config, steps: Vec<Step>) -> String {
    let (reader, writer) = std::io::pipe().unwrap();
    let told = follow(reader, steps);
    Daemon::start(config, options(writer.into(), Mode::Live))
        .unwrap()
        .run();
    text(told)
}

/// Nothing to be done.
pub fn nothing() -> Box<dyn FnOnce() + Send> {
    Box::new(|| {})
}

/// The records of what a killer wrote that are of this kind.
pub fn events(told: &str, kind: &str) -> Vec<Value> {
    let lines = told.lines().filter_map(|it| serde_json::from_str(it).ok());
    lines
        .filter(|it: &Value| it["event"] == kind || it["notice"] == kind)
        .collect()
}

/// The levels of a cgroup of 512 MiB; those of the machine are out of reach.
const LEVELS: &str = "[levels]\nwarn = \"60% or 350M\"\nsoft = \"50% or 250M\"\nhard = \"30% or 160M\"\n\
                      floor = \"5% or 20M\"\ntarget = \"60% or 350M\"\n";

/// A cgroup of 512 MiB.
pub fn memory_cgroup() -> Cgroup {
    let cgroup = Cgroup::new(Hierarchy::V1("memory")).expect("make a cgroup");
    cgroup
        .set("memory.limit_in_bytes", "512M")
        .expect("limit it");
    cgroup
}

/// A configuration that watches it.
pub fn config(cgroup: &Cgroup, more: &str) -> Config {
    watching(cgroup, &format!("{LEVELS}{more}"))
}

/// A configuration that watches a cgroup, and is else as `text` says.
pub fn watching(cgroup: &Cgroup, text: &str) -> Config {
    let path = cgroup.path().display();
    Config::parse(&format!("{text}\n[[cgroup]]\npath = \"{path}\"\n")).expect("it is right")
}

/// An actor that lives in the cgroup before it takes any memory.
pub fn inside(cgroup: &Cgroup, part: &[&str]) -> Actor {
    let procs = cgroup.path().join("cgroup.procs").display().to_string();
    actor(&[&["in-cgroup", &procs], part].concat())
}

/// Runs a killer until it has written `word`, and returns what it wrote.
pub fn run_until(config: &Config, word: &'static str, times: usize) -> String {
    let (reader, writer) = std::io::pipe().unwrap();
    let told = stop_after(reader, word, times);
    Daemon::start(config, options(writer.into(), Mode::Live))
        .unwrap()
        .run();
    text(told)
}

/// Waits for what was told.
pub fn text(told: thread::JoinHandle<Vec<u8>>) -> String {
    String::from_utf8(told.join().unwrap()).unwrap()
}

/// A file that takes nothing.
pub fn full_disk() -> OwnedFd {
    File::options()
        .write(true)
        .open("/dev/full")
        .unwrap()
        .into()
}
