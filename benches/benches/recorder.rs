//! What it costs to see every process end: a storm of processes that exit at once, with the recorder's
//! source, with other observers, and with none, in turns; then what is kept when nobody reads, and
//! the memory it takes.
//!
//! Needs root. With `--long` a million processes end under the eyes of the source.

use std::collections::HashSet;
use std::fs;
use std::io::{self, Read, Write};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use aya::programs::loaded_programs;
use aya::sys::{Stats, enable_stats};
use exithand_benches::{Goal, Table, median, now, storm};
use exithand_recorder::{Event, Source, SourceName, choose};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// Exits in each storm; six of them for each observer.
const STORM: u32 = 10_000;
const ROUNDS: usize = 6;
const STALLED: u32 = 20_000;
const LONG: u32 = 1_000_000;
/// How long the source's reader takes its time after a wake.
const DELAY: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 25_000_000,
};
const SLOWDOWN_ALLOWED: f64 = 1.05;
const PROBE_NS_ALLOWED: f64 = 1_000.0;
const RSS_KIB_ALLOWED: f64 = 12.0 * 1024.0;

/// Who looks on.
#[derive(Clone, Copy, PartialEq)]
enum Observer {
    Nobody,
    Exithand,
    Exitsnoop,
    Forkstat,
}

impl Observer {
    const ALL: [Self; 4] = [
        Self::Nobody,
        Self::Exithand,
        Self::Exitsnoop,
        Self::Forkstat,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Nobody => "none",
            Self::Exithand => "exithand",
            Self::Exitsnoop => "exitsnoop",
            Self::Forkstat => "forkstat",
        }
    }

    /// `None`: not installed, or it cannot see anything here.
    fn start(self) -> Option<Watching> {
        let before = programs();
        let child = match self {
            Self::Nobody => None,
            Self::Exithand => Some(observe("delayed")),
            Self::Exitsnoop => {
                // It looks for its tracepoint in tracefs, which need not be mounted.
                let mut command = Command::new("unshare");
                let mount = "mount -t tracefs tracefs /sys/kernel/tracing && exec exitsnoop";
                command.args(["--mount", "sh", "-c", mount]);
                Some(quiet(command).ok()?)
            }
            Self::Forkstat => {
                let mut command = Command::new("forkstat");
                command.args(["-e", "exit"]);
                Some(quiet(command).ok()?)
            }
        };
        // The others say nothing when they are ready; their first storm does not count.
        storm(STORM / 5);
        let mut watching = Watching { child, before };
        watching.is_there().then_some(watching)
    }
}

struct Watching {
    child: Option<Child>,
    before: HashSet<u32>,
}

impl Watching {
    /// Whether the observer did not give up at once.
    fn is_there(&mut self) -> bool {
        self.child.as_mut().is_none_or(|it| {
            let ended = it.try_wait().expect("look at an observer");
            ended.is_none()
        })
    }

    /// Time in the programs that came with the observer.
    fn probe_ns(&self) -> f64 {
        let came = loaded_programs()
            .flatten()
            .filter(|it| !self.before.contains(&it.id()));
        came.map(|it| it.run_time().as_secs_f64() * 1e9).sum()
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            child.kill().expect("kill an observer");
            child.wait().expect("wait for an observer");
        }
    }
}

fn main() {
    let args: Vec<String> = std::env::args().collect();
    if let Some(at) = args.iter().position(|it| it == "observe") {
        return play_observer(args[at + 1] == "stalled");
    }
    let table = Table::new();
    if let Err(no_source) = choose(Some(SourceName::Bpf)) {
        table.note(&format!("# not measured: {no_source}"));
        return;
    }
    storms(&table);
    stalled(&table);
    let long = args.iter().any(|it| it == "--long");
    memory(&table, if long { LONG } else { LONG / 10 });
}

fn storms(table: &Table) {
    let mut times = Observer::ALL.map(|_| Vec::new());
    let mut probes = Observer::ALL.map(|_| Vec::new());
    for _ in 0..ROUNDS {
        for (at, observer) in Observer::ALL.into_iter().enumerate() {
            let Some(watching) = observer.start() else {
                continue;
            };
            let begin = now();
            storm(STORM);
            times[at].push(now().saturating_sub(begin) / STORM);
            let stats = enable_stats(Stats::RunTime).expect("measure programs");
            let before = watching.probe_ns();
            storm(STORM);
            let ns = (watching.probe_ns() - before) / f64::from(STORM);
            probes[at].push(Duration::from_secs_f64(ns / 1e9));
            drop(stats);
        }
    }
    let none = median(times[0].clone());
    for (at, observer) in Observer::ALL.into_iter().enumerate().skip(1) {
        let goal = match observer {
            Observer::Exithand => Goal::AtMost(SLOWDOWN_ALLOWED),
            _ => Goal::None,
        };
        if times[at].is_empty() {
            table.note(&format!(
                "# {} is not installed, or cannot start",
                observer.name()
            ));
            continue;
        }
        let what = format!("fork, exit, reap under {}", observer.name());
        table.times(&what, median(times[at].clone()), none, goal);
        let ns = median(probes[at].clone()).as_secs_f64() * 1e9;
        if ns > 0.0 {
            let goal = match observer {
                Observer::Exithand => Goal::AtMost(1.0),
                _ => Goal::None,
            };
            let what = format!("BPF per exit, {} (allowed)", observer.name());
            table.numbers(&what, ns, PROBE_NS_ALLOWED, "ns", goal);
        }
    }
}

/// Everything that ends while nobody reads is kept or counted.
fn stalled(table: &Table) {
    let observer = observe("stalled");
    storm(STALLED);
    let told = finish(observer);
    let all = f64::from(STALLED);
    let (kept, lost) = (told[0], told[1]);
    table.numbers("kept of a stalled reader's", kept, all, "", Goal::None);
    let what = "kept and lost of a stalled reader's";
    table.numbers(what, kept + lost, all, "", Goal::None);
}

fn memory(table: &Table, count: u32) {
    let observer = observe("delayed");
    storm(count);
    let told = finish(observer);
    let (kept, lost, rss_kib) = (told[0], told[1], told[2]);
    let all = f64::from(count);
    table.numbers("kept at full speed", kept, all, "", Goal::None);
    table.numbers("lost at full speed", lost, all, "", Goal::AtMost(0.0));
    let what = "memory after that (allowed)";
    table.numbers(what, rss_kib, RSS_KIB_ALLOWED, "KiB", Goal::AtMost(1.0));
}

fn programs() -> HashSet<u32> {
    loaded_programs().flatten().map(|it| it.id()).collect()
}

fn quiet(mut command: Command) -> io::Result<Child> {
    command.stdout(Stdio::null()).stderr(Stdio::null()).spawn()
}

/// Starts this program as an observer, which is ready when it says so.
fn observe(how: &str) -> Child {
    let own = std::env::current_exe().expect("know the own program");
    let mut command = Command::new(own);
    command.args(["observe", how, &std::process::id().to_string()]);
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("start an observer");
    let mut ready = [0];
    let stdout = child.stdout.as_mut().expect("a pipe");
    stdout.read_exact(&mut ready).expect("an observer starts");
    child
}

/// Ends an observer and returns what it says: kept, lost, memory in KiB.
fn finish(mut observer: Child) -> Vec<f64> {
    drop(observer.stdin.take());
    let mut text = String::new();
    let stdout = observer.stdout.as_mut().expect("a pipe");
    stdout.read_to_string(&mut text).expect("an observer tells");
    observer.wait().expect("wait for an observer");
    let numbers = text.split_whitespace();
    numbers.map(|it| it.parse().expect("a number")).collect()
}

/// Sees exits until standard input ends, then says how many of our parent's children there were.
fn play_observer(is_stalled: bool) {
    let parent = std::os::unix::process::parent_id();
    let mut source = choose(Some(SourceName::Bpf)).expect("probes").source;
    let mut count = Count::default();
    io::stdout().write_all(b"r").expect("say ready");
    io::stdout().flush().expect("say ready");
    let stdin = io::stdin();
    let end = || PollFd::new(&stdin, PollFlags::IN);
    loop {
        let readable = if is_stalled {
            poll(&mut [end()], None)
        } else {
            let wake = source.wake();
            poll(&mut [end(), PollFd::new(&wake, PollFlags::IN)], None).expect("poll");
            poll(&mut [end()], Some(&DELAY))
        };
        count.drain(source.as_mut(), parent);
        if readable.expect("poll") > 0 {
            break;
        }
    }
    let status = fs::read_to_string("/proc/self/status").expect("read /proc");
    let line = status.lines().find_map(|it| it.strip_prefix("VmRSS:"));
    let rss_kib = line.and_then(|it| it.split_whitespace().next());
    let Count { kept, lost } = count;
    writeln!(io::stdout(), " {kept} {lost} {}", rss_kib.unwrap_or("0")).expect("tell");
}

#[derive(Default)]
struct Count {
    kept: u64,
    lost: u64,
}

impl Count {
    fn drain(&mut self, source: &mut dyn Source, parent: u32) {
        let drained = source.drain(&mut |event| match event {
            Event::Exit(record) => {
                let is_ours = record.parent.is_some_and(|it| it.pid == parent);
                self.kept += u64::from(is_ours);
            }
            Event::Gap(gap) => self.lost += gap.lost.unwrap_or(0),
        });
        drained.expect("drain");
    }
}
