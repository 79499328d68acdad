//! A killer among processes of our own: in a pid namespace, so that it sees no others.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    reason = "each test program uses a part"
)]

use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::thread;

use exithand_lowmem::config::Config;
use exithand_lowmem::daemon::{Daemon, Format, Options};
use exithand_lowmem::reading::{Meminfo, per_cpu_pages};
use exithand_lowmem::record::Mode;
use exithand_testkit::sys::signal_thread;
use rustix::process::Signal;
use rustix::thread::gettid;

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
    thread::spawn(move || {
        let mut room = vec![0_u8; 1 << 20];
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
    })
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
